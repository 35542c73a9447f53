//! `tallybook export --url`: the same report, made by a running server and downloaded by its links.
//!
//! Invariant: the bytes are those of an export from the server's directory; each file that the
//! server made is compared with the checksum that it states, and several become one.

use super::Request;
use super::files::Part;
use crate::cli::client::{Client, ClientError};
use anyhow::{Context, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Read, Write};
use std::time::Duration;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::export::{Cells, head};
use tallybook_core::report::ReportKind;

/// The wait before the first poll of the server, and the longest wait.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The fields of a report that matter here.
#[derive(Debug, Deserialize)]
struct Report {
    id: String,
    status: String,
    #[serde(default)]
    download_urls: Vec<String>,
}

/// A file that was copied.
#[derive(Debug, PartialEq, Eq)]
struct Copied {
    lines: u64,
    sha256: String,
}

/// A server, and the reports of one enterprise there.
pub(super) struct Server {
    client: Client,
    /// Where its reports are.
    path: String,
    kind: ReportKind,
    cells: Cells,
}

impl Server {
    pub(super) fn new(client: Client, request: &Request) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            path: path(request.account.as_ref())?,
            kind: request.kind,
            cells: request.cells,
        })
    }

    /// Requests a report, waits until it is completed, and writes it.
    pub(super) fn export(&self, part: &Part, out: impl Write) -> anyhow::Result<()> {
        let body = serde_json::json!({
            "report_type": self.kind.as_str(),
            "start_date": part.days.first.to_string(),
            "end_date": part.days.last.to_string(),
            "guard_cells": self.cells == Cells::Guarded,
        });
        let asked: Report = self.client.post(&self.path, &body)?;
        let report = wait(&self.client, &self.path, asked)?;
        let mut out = BufWriter::with_capacity(super::BUFFER, out);
        out.write_all(&head(self.kind))?;
        let (mut lines, mut as_of) = (0, None);
        for url in &report.download_urls {
            let file = self.client.follow(url)?;
            let copied = copy(file.body, self.kind, &mut out)
                .with_context(|| format!("cannot download report {}", report.id))?;
            if file.sha256.as_ref() != Some(&copied.sha256) {
                bail!(
                    "a file of report {} came with other bytes than it has",
                    report.id
                );
            }
            lines += copied.lines;
            as_of = file.as_of;
        }
        out.flush()?;
        let to = part.to();
        let as_of = as_of
            .map(|as_of| format!(" as of {as_of}"))
            .unwrap_or_default();
        writeln!(io::stderr(), "Wrote {lines} lines{to}{as_of}.")?;
        Ok(())
    }
}

/// Servers only make reports of enterprises, like GitHub.
fn path(account: Option<&AccountName>) -> anyhow::Result<String> {
    match account {
        Some(account) if account.kind == AccountKind::Enterprise => {
            let name = &account.name;
            Ok(format!("/enterprises/{name}/settings/billing/reports"))
        }
        _ => bail!("a server makes reports of enterprises: say which with --enterprise"),
    }
}

fn wait(client: &Client, path: &str, asked: Report) -> Result<Report, anyhow::Error> {
    let (mut pause, longest) = WAITS;
    let mut report = asked;
    loop {
        match report.status.as_str() {
            "processing" => std::thread::sleep(pause),
            "completed" => return Ok(report),
            status => bail!(
                "report {} is {status}: the server's log says why",
                report.id
            ),
        }
        pause = (pause * 2).min(longest);
        let one = format!("{path}/{}", report.id);
        report = client.get(&one).map_err(|error: ClientError| {
            anyhow::Error::from(error).context(format!("report {} was asked for", report.id))
        })?;
    }
}

/// Copies a file without its header, which every file repeats.
fn copy(mut file: impl Read, kind: ReportKind, out: &mut impl Write) -> io::Result<Copied> {
    let expected = head(kind);
    let mut given = vec![0; expected.len()];
    file.read_exact(&mut given)?;
    if given != expected {
        return Err(io::Error::other(
            "its header is not the one of this version",
        ));
    }
    let mut hasher = Sha256::new();
    hasher.update(&given);
    let (mut lines, mut buffer) = (0, vec![0; super::BUFFER]);
    loop {
        let bytes = match file.read(&mut buffer)? {
            0 => break,
            count => &buffer[..count],
        };
        hasher.update(bytes);
        lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        out.write_all(bytes)?;
    }
    let digest = hasher.finalize();
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Copied { lines, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lose_their_heads() {
        let kind = ReportKind::Detailed;
        let file = [&head(kind)[..], b"\"1\"\r\n\"2\"\r\n"].concat();
        let mut out = Vec::new();
        let first = copy(&file[..], kind, &mut out).expect("copied");
        let second = copy(&file[..], kind, &mut out).expect("copied");
        assert_eq!(out, b"\"1\"\r\n\"2\"\r\n\"1\"\r\n\"2\"\r\n");
        assert_eq!((first.lines, &first.sha256), (2, &second.sha256));
        let digest = Sha256::digest(&file);
        let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(first.sha256, expected);
        copy(&file[..], ReportKind::AiCredit, &mut out).expect_err("another head");
        copy(&file[..9], kind, &mut out).expect_err("an end in the head");
    }

    #[test]
    fn only_enterprises_have_reports_on_a_server() {
        let octo = AccountName::new(AccountKind::Enterprise, "octo-ent");
        let expected = "/enterprises/octo-ent/settings/billing/reports";
        assert_eq!(path(Some(&octo)).expect("a path"), expected);
        path(None).expect_err("no account");
        let user = AccountName::new(AccountKind::User, "monalisa");
        path(Some(&user)).expect_err("a user");
    }
}
