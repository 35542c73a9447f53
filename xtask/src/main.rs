//! The developer's commands: `cargo xtask ci | fmt | tidy | dependencies | sbom | bless | clients |
//! crash | fuzz | workload | bench`.
//!
//! Look next: [`tidy`] for what a folder must not know, [`clients`] for who reads our answers.

mod bench;
mod clients;
mod crash;
mod dependencies;
mod fuzz;
mod tidy;

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask COMMAND

  ci      everything that a change must pass: the same script that CI runs
  fmt     format the code
  tidy    check the structure: what folders must not know, sizes, heads of files
  dependencies
          check what others wrote of the program: licences, bans, duplicates and sources by
          deny.toml, and a reason for each direct dependency; offline
  sbom    write the list of it as CycloneDX 1.5 to target/sbom.json
  bless   run the tests and accept what clients see now as the expected snapshots
  clients run real clients (Octokit, githubkit, gh, schemathesis) against the demo
  crash   [--rounds N] [--seed S] [--release]: kill the server under load, N times (30); nothing
          acknowledged may be lost, nothing counted twice
  fuzz    [--seconds N] [TARGET ...]: each fuzz target for N seconds (60); --check: only whether
          they compile
  workload [--seeds N]: N seeded histories (100) against a naive model that predicts every answer
  bench   query [LINES] [--peers duckdb,clickhouse,postgresql,sqlite | none]: Tallybook and the
          others over 20 million usage lines, into bench/RESULTS.md beside the other sizes that have
          run (needs python3, wrk and PostgreSQL); report: only writes what has run; anything else
          is for the benchmark program itself
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = root()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ci"] => execute(Command::new(root.join(".ci/run")), &root),
        ["fmt"] => cargo(&["fmt", "--all"], &[], &root),
        ["tidy"] => tidy::run(&root),
        ["dependencies"] => dependencies::check(&root),
        ["sbom"] => dependencies::sbom(&root),
        ["bless"] => {
            let accept = [("INSTA_UPDATE", "always"), ("TALLYBOOK_BLESS", "1")];
            cargo(&["test", "--workspace"], &accept, &root)
        }
        ["clients"] => clients::run(&root),
        ["crash", ref options @ ..] => crash::run(&root, options),
        ["fuzz", ref options @ ..] => fuzz::run(&root, options),
        ["workload"] => workload("100", &root),
        ["workload", "--seeds", seeds] => workload(seeds, &root),
        ["bench", "query", ref arguments @ ..] => {
            bench::query(&root, &bench::Run::parse(arguments)?)
        }
        ["bench", "report"] => bench::report(&root),
        ["bench", ..] => {
            let mut command = vec!["run", "--release", "--package", "tallybook-bench", "--"];
            command.extend(arguments[1..].iter().map(String::as_str));
            cargo(&command, &[], &root)
        }
        _ => {
            eprint!("{HELP}");
            bail!("one command is needed")
        }
    }
}

/// The workspace: the folder above this package.
fn root() -> anyhow::Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().context("xtask lies in the workspace")?;
    Ok(root.to_owned())
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)], root: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(arguments).envs(variables.iter().copied());
    execute(command, root)
}

fn workload(seeds: &str, root: &Path) -> anyhow::Result<()> {
    let command = ["test", "--release", "-p", "tallybook", "--test", "workload"];
    cargo(&command, &[("TALLYBOOK_WORKLOAD_SEEDS", seeds)], root)
}

fn execute(mut command: Command, root: &Path) -> anyhow::Result<()> {
    execute_with(&mut command, root)
}

fn execute_with(command: &mut Command, root: &Path) -> anyhow::Result<()> {
    let status = command.current_dir(root).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed");
    }
    Ok(())
}
