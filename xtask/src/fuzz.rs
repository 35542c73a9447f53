//! `cargo xtask fuzz [--seconds N] [TARGET ...]`: random bytes for everything that reads bytes.
//! `cargo xtask fuzz --check` only checks that the targets compile.
//!
//! libFuzzer with the coverage that stable Rust can give: the flags are those of `cargo fuzz
//! --sanitizer none`, so nothing but a C++ compiler has to be there. Inputs that reached something
//! new are kept under `target/fuzz/corpus` and begun from the next time; an input that failed is
//! written to `target/fuzz/failed`. Look next: `fuzz/targets`, one file a target.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

const TARGETS: [&str; 8] = [
    "events", "csv", "yaml", "catalog", "query", "batch", "entries", "derived",
];

/// Seconds for each target.
const SECONDS: &str = "60";

/// The most megabytes that a target may take: bytes must not make more than they could hold.
const MEGABYTES: u32 = 2048;

/// The only triple that the flags were tried on is the machine's own.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 --cfg fuzzing";

/// Query strings to begin from.
const QUERIES: [&str; 4] = [
    "year=2026&month=11&day=21&hour=3&cost_center_id=none",
    "year=2025&organization=octo-org&user=mona&model=GPT-5&product=Copilot",
    "repository=octo-org%2Fapi&sku=actions_linux&product=Actions",
    "month=2&day=30",
];

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/ci","type":"amend",
"time":"2026-01-02T10:20:30.5+01:00","data":{"target":{"source":"/ci","id":"0"},
"sku":"copilot_premium_request","quantity":"1.5e0","enterprise":"octo-ent","user":"mona",
"organization":"octo-org","repository":"api","model":"GPT-5","workflow_path":"a.yml",
"tokens":{"input":1,"output":2,"cache_read":3,"cache_write":4}}}"#;

const BILLING_FILE: &str = "\
enterprises:
  - slug: octo-ent
    name: Octo Enterprise
    plan: enterprise
    owners: [mona]
    organizations: [octo-org]
organizations:
  - {login: octo-org, plan: team, owners: [mona], members: [hubot]}
users: [{login: mona, email: mona@example.com, plan: pro}]
repositories: [{name: octo-org/api, visibility: public}]
";

/// Runs the targets that are named, or all of them.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    if arguments == ["--check"] {
        return check(root);
    }
    let (seconds, targets) = match arguments {
        ["--seconds", seconds, targets @ ..] => (*seconds, targets),
        targets => (SECONDS, targets),
    };
    let targets: Vec<&str> = match targets {
        [] => TARGETS.to_vec(),
        targets => targets.to_vec(),
    };
    let fuzz = Fuzz::build(root)?;
    fuzz.plant(root)?;
    fuzz.run_all(&targets, seconds)
}

/// Clippy for the targets, which the workspace does not know: what no longer compiles is told in
/// seconds.
fn check(root: &Path) -> anyhow::Result<()> {
    let mut clippy = Command::new(env!("CARGO"));
    clippy.args(["clippy", "--all-targets", "--manifest-path"]);
    clippy.arg(root.join("fuzz/Cargo.toml"));
    clippy.arg("--target-dir").arg(target_folder(root));
    clippy.args(["--", "-D", "warnings"]);
    super::execute(clippy, root)
}

fn target_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| root.join("target"), PathBuf::from)
}

struct Fuzz {
    programs: PathBuf,
    folder: PathBuf,
}

impl Fuzz {
    fn build(root: &Path) -> anyhow::Result<Self> {
        let folder = target_folder(root).join("fuzz");
        let host = host()?;
        let mut build = Command::new(env!("CARGO"));
        // The triple keeps the flags from build scripts, which have no fuzzer to report to.
        build.args(["build", "--release", "--target", &host, "--manifest-path"]);
        build.arg(root.join("fuzz/Cargo.toml"));
        build.args(["--bins", "--target-dir"]).arg(&folder);
        build.env("RUSTFLAGS", COVERAGE);
        super::execute(build, root)?;
        Ok(Self {
            programs: folder.join(host).join("release"),
            folder,
        })
    }

    /// Puts first inputs in place: without them a minute goes by before a parser's first line.
    fn plant(&self, root: &Path) -> anyhow::Result<()> {
        let corpus = self.folder.join("corpus");
        let fixtures = root.join("crates/tallybook/tests/fixtures");
        let folder = corpus.display().to_string();
        let write = ["--", "--ignored", "--exact", "fuzz_seeds::written"];
        let test = [
            "test",
            "--quiet",
            "--package",
            "tallybook",
            "--test",
            "engine",
        ];
        let variables = [("TALLYBOOK_FUZZ_SEEDS", folder.as_str())];
        super::cargo(&[&test[..], &write].concat(), &variables, root)?;
        copy(&fixtures.join("reports"), &corpus.join("csv"))?;
        copy(
            &root.join("crates/tallybook-core/src/catalog"),
            &corpus.join("catalog"),
        )?;
        let texts = QUERIES.map(|query| ("query", query));
        let others = [("events", EVENT), ("yaml", BILLING_FILE)];
        for (number, (target, text)) in texts.into_iter().chain(others).enumerate() {
            let folder = corpus.join(target);
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join(format!("first-{number}")), text)?;
        }
        Ok(())
    }

    /// Runs the targets, one on each core at a time; the first failure is the result, after all
    /// have run.
    fn run_all(&self, targets: &[&str], seconds: &str) -> anyhow::Result<()> {
        let cores = thread::available_parallelism()?.get();
        let waiting = Mutex::new(targets.iter());
        let next = || {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.next()
        };
        let work = || -> anyhow::Result<()> {
            let mut result = Ok(());
            while let Some(target) = next() {
                println!("{target}: {seconds} seconds");
                let ran = self.run(target, seconds);
                result = result.and(ran);
            }
            result
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                let ended = worker.join();
                ended.unwrap_or_else(|_| bail!("a thread that runs targets panicked"))
            })
        })
    }

    fn run(&self, target: &str, seconds: &str) -> anyhow::Result<()> {
        let failed = self.folder.join("failed");
        let corpus = self.folder.join("corpus").join(target);
        let logs = self.folder.join("logs");
        for folder in [&failed, &corpus, &logs] {
            std::fs::create_dir_all(folder)?;
        }
        let log = logs.join(format!("{target}.log"));
        let output = File::create(&log)?;
        let mut program = Command::new(self.programs.join(target));
        program
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-rss_limit_mb={MEGABYTES}"))
            .arg(format!("-artifact_prefix={}/{target}-", failed.display()))
            .args(["-timeout=10", "-max_len=65536", "-print_final_stats=1"])
            .stdout(output.try_clone()?)
            .stderr(output);
        let status = program
            .status()
            .with_context(|| format!("cannot run {program:?}"))?;
        let said = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        if !status.success() {
            eprintln!("{said}");
            bail!("{target} failed; run {program:?} with the file that it names to see why");
        }
        let statistics = said.lines().filter_map(|line| line.strip_prefix("stat::"));
        for line in statistics {
            println!("{target}: {line}");
        }
        Ok(())
    }
}

/// Copies the texts of a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let is_text = path
            .extension()
            .is_some_and(|it| ["csv", "txt", "yaml"].iter().any(|text| it == *text));
        if let Some(name) = path.file_name().filter(|_| is_text) {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// The triple of this machine.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}
