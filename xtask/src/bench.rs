//! `cargo xtask bench query`: every engine over the same usage, and `bench/RESULTS.md` from it.
//!
//! Invariant: what is made lies under `target/bench`, a folder a size, and is used again; the
//! numbers of one size were measured in one run. Look next: `bench/src/main.rs` for our side,
//! `bench/peers` for the others.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const TOKEN: &str = "tallybook-benchmark-token";
const ADDRESS: &str = "127.0.0.1:18181";
/// After the last of the workload's months.
const NOW: &str = "2026-01-15T00:00:00Z";

/// What `cargo xtask bench query` was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many usage lines.
    lines: u64,
    /// Which other engines, by the names that `bench/peers/peers.py` knows; empty is none.
    peers: String,
}

impl Run {
    /// Reads `[LINES] [--peers NAMES]`; every engine unless `--peers` says which, or `none`.
    pub(crate) fn parse(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut run = Self {
            lines: 20_000_000,
            peers: "duckdb,clickhouse,postgresql,sqlite".to_owned(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--peers" => {
                    let names = arguments.next().context("--peers needs names, or none")?;
                    run.peers = names.replace("none", "");
                }
                lines => {
                    let lines = lines.replace('_', "").parse();
                    run.lines = lines.with_context(|| format!("{argument} is no number"))?;
                }
            }
        }
        Ok(run)
    }

    /// Memory for statements: what a server would be given for so many lines, and no less than
    /// what it has by default.
    fn cache_bytes(&self) -> String {
        (self.lines * 64).max(2 << 30).to_string()
    }
}

/// A program that the benchmark needs, and the package of Debian that has it.
const TOOLS: [(&str, &str); 2] = [("python3", "python3 python3-venv"), ("wrk", "wrk")];

/// Finds out before minutes have passed what is missing.
fn check_tools(wanted: &Run) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&path).any(|it| it.join(program).exists());
    let missing = TOOLS.iter().filter(|(program, _)| !is_there(program));
    let mut missing: Vec<(&str, &str)> = missing.copied().collect();
    let postgresql = Path::new("/usr/lib/postgresql");
    if wanted.peers.contains("postgresql") && !postgresql.exists() {
        missing.push(("PostgreSQL's programs (or use --peers)", "postgresql"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    bail!(
        "the benchmark needs {}; on Debian: apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    )
}

/// Runs the whole benchmark, and writes the results of every size that has run.
pub(crate) fn query(root: &Path, wanted: &Run) -> anyhow::Result<()> {
    check_tools(wanted)?;
    let bench = Bench {
        root: root.to_owned(),
        folder: root.join("target/bench").join(wanted.lines.to_string()),
        cache_bytes: wanted.cache_bytes(),
    };
    std::fs::create_dir_all(&bench.folder)?;
    let build = [
        "build",
        "--release",
        "-p",
        "tallybook",
        "-p",
        "tallybook-bench",
    ];
    run(Command::new(env!("CARGO")).args(build).current_dir(root))?;
    let usage = bench.usage(wanted.lines)?;
    let data = bench.folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    let mut import = bench.program();
    import.arg("import").arg("--directory").arg(&usage);
    bench.record("import", import.arg("--data").arg(&data))?;
    let mut engine = bench.program();
    engine.args(["engine", "--cache-bytes", &bench.cache_bytes, "--data"]);
    bench.record("engine", engine.arg(&data))?;
    let python = bench.python()?;
    bench.over_http(&python, &data)?;
    bench.cold(&python, &data)?;
    let mut others = Command::new(&python);
    others.arg(root.join("bench/peers/peers.py")).arg(&usage);
    bench.record("peers", others.args(["--engines", &wanted.peers]))?;
    let mut machine = Command::new(&python);
    machine.arg(root.join("bench/peers/report.py"));
    bench.record("run", machine.arg("machine"))?;
    report(root)
}

/// Writes `bench/RESULTS.md` from what has run, of every size; nothing is measured.
pub(crate) fn report(root: &Path) -> anyhow::Result<()> {
    let results = root.join("bench/RESULTS.md");
    let mut report = Command::new("python3");
    report.arg(root.join("bench/peers/report.py")).arg("write");
    run(report.arg(root.join("target/bench")).arg(&results))?;
    println!("Wrote {}.", results.display());
    Ok(())
}

struct Bench {
    root: PathBuf,
    folder: PathBuf,
    cache_bytes: String,
}

impl Bench {
    /// The reports and rows, made once.
    fn usage(&self, lines: u64) -> anyhow::Result<PathBuf> {
        let usage = self.folder.join("usage");
        if !usage.exists() {
            println!("generate ...");
            // A run that was stopped must not leave half of the usage behind.
            let unfinished = self.folder.join("usage.unfinished");
            let mut generate = self.program();
            generate.args(["generate", "--lines", &lines.to_string(), "--directory"]);
            run(generate.arg(&unfinished))?;
            std::fs::rename(&unfinished, &usage)?;
        }
        Ok(usage)
    }

    fn built(&self, name: &str) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| self.root.join("target"), PathBuf::from);
        target.join("release").join(name)
    }

    fn program(&self) -> Command {
        Command::new(self.built("tallybook-bench"))
    }

    fn lines(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("jsonl")
    }

    /// Runs a command and keeps what it prints.
    fn record(&self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        println!("{name} ...");
        run(command.stdout(File::create(self.lines(name))?))
    }

    /// A Python with the other engines, from the package index.
    fn python(&self) -> anyhow::Result<PathBuf> {
        let folder = self.root.join("target/bench/python");
        let python = folder.join("bin/python");
        if !python.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        let wanted = self.root.join("bench/peers/requirements.txt");
        let mut install = Command::new(&python);
        run(install
            .args(["-m", "pip", "install", "--quiet", "-r"])
            .arg(wanted))?;
        Ok(python)
    }

    fn over_http(&self, python: &Path, data: &Path) -> anyhow::Result<()> {
        let mut serve = Command::new(self.built("tallybook"));
        serve.args([
            "serve",
            "--listen",
            ADDRESS,
            "--now",
            NOW,
            "--cache-bytes",
            &self.cache_bytes,
            "--data",
        ]);
        serve.arg(data).env("TALLYBOOK_ADMIN_TOKEN", TOKEN);
        let log = File::create(self.folder.join("serve.log"))?;
        let server = serve.stdout(Stdio::null()).stderr(log).spawn();
        let server = Server(server.context("the server did not start")?);
        wait_for(ADDRESS)?;
        let mut load = Command::new(python);
        load.arg(self.root.join("bench/peers/load.py"));
        load.args([
            &format!("http://{ADDRESS}"),
            TOKEN,
            &server.0.id().to_string(),
        ]);
        self.record("http", load.arg(data).arg(self.built("tallybook-bench")))
    }

    /// The first answer of a fresh process, for each question.
    fn cold(&self, python: &Path, data: &Path) -> anyhow::Result<()> {
        let mut cold = Command::new(python);
        cold.arg(self.root.join("bench/peers/cold.py"));
        cold.arg(self.built("tallybook")).arg(data);
        cold.args([ADDRESS, TOKEN, NOW, &self.cache_bytes]);
        self.record("cold", &mut cold)
    }
}

/// A server that ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait().map(drop)) {
            eprintln!("the server could not be ended: {error}");
        }
    }
}

fn wait_for(address: &str) -> anyhow::Result<()> {
    for _ in 0..100 {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    bail!("nothing answers at {address}")
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_peers_are_chosen() {
        let all = Run::parse(&[]).expect("nothing is needed");
        assert_eq!(all.lines, 20_000_000);
        assert!(all.peers.contains("sqlite"));
        let some = Run::parse(&["100_000_000", "--peers", "duckdb,clickhouse"]).expect("known");
        assert_eq!(
            (some.lines, some.peers.as_str()),
            (100_000_000, "duckdb,clickhouse")
        );
        assert_eq!(some.cache_bytes(), "6400000000");
        let none = Run::parse(&["--peers", "none", "2000000"]).expect("known");
        assert_eq!((none.lines, none.peers.as_str()), (2_000_000, ""));
        assert!(Run::parse(&["many"]).is_err());
        assert!(Run::parse(&["--peers"]).is_err());
    }
}
