//! The server's process, and the little HTTP that is needed to talk to it.
//!
//! Invariant: an answer is one only when all of it came: a connection that ended early is none.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const TOKEN: &str = "the-crash-tests-own-token";

/// What time the server believes it is: after all events.
const NOW: &str = "2026-02-01T00:00:00Z";

/// A server that is killed at the end.
pub(crate) struct Server {
    child: Child,
    /// Kept: a server that cannot print ends.
    output: Option<BufReader<ChildStdout>>,
    pub(crate) address: String,
}

/// An answer that came whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Server {
    /// Starts it on a free port.
    pub(crate) fn start(program: &Path, data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--now", NOW, "--data"]);
        command.arg(data).env("TALLYBOOK_ADMIN_TOKEN", TOKEN);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the server does not start")?;
        let output = child.stdout.take().context("a pipe")?;
        let mut server = Self {
            child,
            output: None,
            address: String::new(),
        };
        let mut head = String::new();
        let output = server.output.insert(BufReader::new(output));
        output.read_line(&mut head)?;
        let address = head.trim().rsplit_once(" at http://");
        let (_, address) = address.with_context(|| format!("the server said {head:?}"))?;
        address
            .trim_end_matches('/')
            .clone_into(&mut server.address);
        Ok(server)
    }

    /// Kills it: nothing of it runs any more.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the server ended by itself: {ended:?}");
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What all usage of January 2026 adds up to.
    pub(crate) fn counted(&self, enterprises: &[&str]) -> anyhow::Result<i64> {
        let mut counted = 0;
        for slug in enterprises {
            let path = format!("/enterprises/{slug}/settings/billing/usage?year=2026&month=1");
            let answer = request(&self.address, "GET", &path, "")?;
            ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
            let items = answer.body["usageItems"]
                .as_array()
                .context("usage items")?;
            for item in items {
                let quantity = item["quantity"].as_i64();
                counted += quantity.with_context(|| format!("a whole quantity in {item}"))?;
            }
        }
        Ok(counted)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was killed before is gone already.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            eprintln!("the server could not be ended: {error}");
        }
    }
}

/// Sends a request on a connection of its own, in HTTP 1.0: an answer then ends with it.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("the connection ended");
    };
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    // What was cut off is no JSON.
    let body = serde_json::from_str(body)?;
    Ok(Answer { status, body })
}
