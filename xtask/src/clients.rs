//! `cargo xtask clients`: the clients that people really have, against this server.
//!
//! The demo is served on a free port over a directory of its own; each client reads it with a
//! classic token of the demo's owner and has to like every answer. Invariant: whatever happens,
//! the server and the clients have ended when this has, and nothing is written outside
//! `target/clients` (apt-get apart, which installs `gh` where it is missing).
//! Look next: `clients/` in the workspace for what the clients do, [`install`] for where they come
//! from, [`server`] for what they read.

#![expect(
    clippy::disallowed_methods,
    reason = "it says how long it took, and ends clients that hang"
)]

mod install;
mod run;
mod server;

use anyhow::{Context, bail};
use install::Tools;
use run::Client;
use server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The answers that are checked, in both versions where a client can choose.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// What schemathesis holds answers against.
const SCHEMA: &str = "crates/tallybook/tests/fixtures/github-billing-openapi.json";

/// The operations of [`SCHEMA`] that this server has. Add what you implement.
const OPERATIONS: [&str; 17] = [
    "billing/get-github-billing-usage-report-ghe",
    "billing/get-github-billing-usage-report-org",
    "billing/get-github-billing-usage-report-user",
    "billing/get-github-billing-usage-summary-report-ghe",
    "billing/get-github-billing-usage-summary-report-org",
    "billing/get-github-billing-usage-summary-report-user",
    "billing/get-github-billing-premium-request-usage-report-ghe",
    "billing/get-github-billing-premium-request-usage-report-org",
    "billing/get-github-billing-premium-request-usage-report-user",
    "billing/get-github-billing-ai-credit-usage-report-ghe",
    "billing/get-github-billing-ai-credit-usage-report-org",
    "billing/get-github-billing-ai-credit-usage-report-user",
    "billing/get-all-cost-centers",
    "billing/get-cost-center",
    "billing/list-usage-report-exports",
    "billing/create-usage-report-export",
    "billing/get-usage-report-export",
];

const CHECKS: &str = "not_a_server_error,content_type_conformance,status_code_conformance,\
                      response_schema_conformance";

/// Where everything lies.
struct Places {
    /// The workspace.
    root: PathBuf,
    /// The clients' programs.
    sources: PathBuf,
    /// What is installed, data and logs.
    work: PathBuf,
    /// The program under test.
    program: PathBuf,
}

/// Installs what is missing and runs every client.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let places = Places::of(root)?;
    build(root)?;
    let tools = Tools::install(&places)?;
    println!("clients: everything is installed ({:.0?})", start.elapsed());
    let server = Server::start(&places)?;
    let mut failed = Vec::new();
    for client in clients(&places, &tools, &server) {
        let name = client.name.clone();
        // The others still run: what they say often tells whose fault it is.
        if let Err(error) = client.run(&places.work) {
            eprintln!("{name}: FAILED: {error:#}");
            failed.push(name);
        }
    }
    println!("octocrab: its reads are part of `cargo test --workspace`");
    if failed.is_empty() {
        println!("clients: all of them agree ({:.0?})", start.elapsed());
        Ok(())
    } else {
        let log = server.log.display();
        bail!("clients: {} (the server's log: {log})", failed.join(", "))
    }
}

impl Places {
    fn of(root: &Path) -> anyhow::Result<Self> {
        // This program was built into the folder that the server is built into.
        let own = std::env::current_exe().context("cannot find this program's own path")?;
        let built = own.parent().context("this program lies in a folder")?;
        let target = built.parent().context("a profile's folder lies in one")?;
        let name = format!("tallybook{}", std::env::consts::EXE_SUFFIX);
        let work = target.join("clients");
        std::fs::create_dir_all(&work)
            .with_context(|| format!("cannot make {}", work.display()))?;
        Ok(Self {
            root: root.to_owned(),
            sources: root.join("clients"),
            work,
            program: built.join(name),
        })
    }
}

/// Unoptimized: the tests have built most of it already, and clients wait for nothing else.
fn build(root: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--package", "tallybook", "--bin", "tallybook"]);
    super::execute(command, root)
}

/// Every run of a client, the quick ones first.
fn clients(places: &Places, tools: &Tools, server: &Server) -> Vec<Client> {
    let mut octokit = Command::new("node");
    octokit.arg(tools.node.join("octokit.mjs"));
    let mut githubkit = Command::new(tools.python.join("python"));
    githubkit.arg(places.sources.join("githubkit_read.py"));
    let mut gh = Command::new("bash");
    gh.arg(places.sources.join("gh.sh"))
        .env("GH_CONFIG_DIR", server.data().join("gh"));
    let mut clients = vec![
        Client::new("octokit", octokit),
        Client::new("githubkit", githubkit),
        Client::new("gh", gh),
    ];
    for version in VERSIONS {
        let command = schemathesis(places, tools, server, version);
        clients.push(Client::new(&format!("schemathesis-{version}"), command));
    }
    for client in &mut clients {
        server.describe(&mut client.command);
        client.command.current_dir(server.data());
    }
    clients
}

fn schemathesis(places: &Places, tools: &Tools, server: &Server, version: &str) -> Command {
    let mut command = Command::new(tools.python.join("schemathesis"));
    command
        .env("PYTHONPATH", &places.sources)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .arg("--config-file")
        .arg(places.sources.join("schemathesis.toml"))
        .arg("run")
        .arg(places.root.join(SCHEMA))
        .args(["--url", &server.url, "--no-color", "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", server.token),
        ])
        .args(["--header", &format!("X-GitHub-Api-Version: {version}")]);
    for operation in OPERATIONS {
        command.args(["--include-operation-id", operation]);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_in_the_schema() {
        let root = crate::root().expect("the workspace");
        let schema = std::fs::read_to_string(root.join(SCHEMA)).expect("the schema");
        // schemathesis leaves out what it does not find, without a word.
        for operation in OPERATIONS {
            let named = format!("\"operationId\": \"{operation}\"");
            assert!(schema.contains(&named), "{operation}");
        }
    }
}
