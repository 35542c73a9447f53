//! The server that the clients ask: the demo, on a free port, over a directory that goes with it.
//!
//! Invariant: its last day and its seed are fixed, and its clock with them, so that its answers are
//! the same in every run. It is killed when the value is dropped, and also when this program dies
//! before it can drop anything: a shell between the two notices that its input has ended.

use super::Places;
use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// The demo's last day: of its year, the first months have premium requests, the others AI credits.
const UNTIL: &str = "2026-10-31";
/// A year and a month for clients to ask for.
const YEAR_AND_MONTH: (&str, &str) = ("2026", "8");

const ENTERPRISE: &str = "octo-ent";
const ORGANIZATION: &str = "octo-org";
/// The owner of both.
const USER: &str = "monalisa";
const SCOPES: &str = "manage_billing:enterprise,admin:org,user";

/// Runs its arguments beside itself and kills them when its input ends. It gives its output up, so
/// that the output ends when the server does.
const GUARD: &str = r#""$@" & exec >&-; read -r _; kill -KILL $!; wait"#;

/// A server that runs until it is dropped.
pub(super) struct Server {
    /// Without a slash at its end.
    pub(super) url: String,
    /// A classic token of [`USER`] with [`SCOPES`].
    pub(super) token: String,
    /// What the server logs; it stays.
    pub(super) log: PathBuf,
    guard: Child,
    /// Held open: a server that cannot print fails.
    output: BufReader<ChildStdout>,
    data: TempDir,
}

impl Server {
    /// Starts the demo, waits until it answers, and makes the token.
    pub(super) fn start(places: &Places) -> anyhow::Result<Self> {
        let data = TempDir::with_prefix_in("data-", &places.work);
        let data = data.context("cannot make a folder for the server's data")?;
        let log = places.work.join("server.log");
        let written = File::create(&log);
        let written = written.with_context(|| format!("cannot write {}", log.display()))?;
        let mut guard = without_settings("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&places.program)
            .args(["demo", "--until", UNTIL, "--listen", "127.0.0.1:0"])
            // schemathesis asks for reports faster than they are made, and wants no 503.
            .args(["--limit-reports", "100000"])
            .arg("--data")
            .arg(data.path().join("demo"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(written)
            .spawn()
            .context("cannot run sh")?;
        let output = guard.stdout.take().context("the output is a pipe")?;
        let mut server = Self {
            url: String::new(),
            token: String::new(),
            log,
            guard,
            output: BufReader::new(output),
            data,
        };
        let head = server.line()?;
        let (_, url) = head
            .rsplit_once(" at ")
            .with_context(|| format!("the demo's first line names no URL: {head}"))?;
        server.url = url.to_owned();
        let second = server.line()?;
        let (_, administrator) = second
            .rsplit_once(": ")
            .with_context(|| format!("the demo's second line has no token: {second}"))?;
        server.token = server.create_token(places, administrator)?;
        Ok(server)
    }

    /// Files that go with the server.
    pub(super) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Tells a client where the server is, and what it may ask.
    pub(super) fn describe(&self, command: &mut Command) {
        let (year, month) = YEAR_AND_MONTH;
        command
            .env("BASE", &self.url)
            .env("TOKEN", &self.token)
            .env("ENT", ENTERPRISE)
            .env("ORG", ORGANIZATION)
            .env("USER_LOGIN", USER)
            .env("YEAR", year)
            .env("MONTH", month)
            // The way to this machine leads through no proxy.
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1");
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            let said = std::fs::read_to_string(&self.log)?;
            bail!("the server ended before it served: {said}");
        }
        Ok(line.trim_end().to_owned())
    }

    /// `token create`, at the running server.
    fn create_token(&self, places: &Places, administrator: &str) -> anyhow::Result<String> {
        let made = without_settings(&places.program)
            .args(["token", "create", "--user", USER, "--scopes", SCOPES])
            .args(["--url", &self.url])
            .env("TALLYBOOK_TOKEN", administrator)
            .output()
            .context("cannot run `token create`")?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            bail!("`token create` failed: {said}");
        }
        let token = String::from_utf8(made.stdout).context("a token is UTF-8")?;
        Ok(token.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The guard's input ends here; waiting fails only when there is nothing to wait for.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A program without the settings of the user's environment.
fn without_settings(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TALLYBOOK_") {
            command.env_remove(name);
        }
    }
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command
}
