//! `tallybook audit`: who did what, from where, and what it changed.
//!
//! Invariant: texts chosen by others, such as file names, cannot affect the terminal.

use super::arguments::AuditArguments;
use super::client::Client;
use super::open::{WhenEmpty, open};
use super::output::{escaped_json, table};
use super::place::Place;
use crate::http::metering::audit::answer;
use crate::wire::audit::{AuditLine, AuditList};
use anyhow::bail;
use clap::ArgMatches;
use std::io::{self, Write};
use tallybook_core::time::Instant;
use tallybook_store::AuditFilter;

/// How many lines are requested from a server at a time.
const PAGE: usize = 100;

/// Prints lines of the audit log, newest first.
pub(crate) fn run(asked: AuditArguments, matches: &ArgMatches, now: Instant) -> anyhow::Result<()> {
    let (since, until) = (asked.since, asked.until);
    if since
        .zip(until)
        .is_some_and(|(since, until)| since >= until)
    {
        bail!("--until must be after --since");
    }
    let account = asked.account.name();
    let filter = AuditFilter {
        who: asked.actor,
        action: asked.action,
        account: account.map(|it| format!("{}/{}", it.kind, it.name)),
        since,
        until,
        before: asked.before,
    };
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let audit = match asked.place.resolve(matches)? {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            let lines = opened.engine.audit(filter, limit).await?;
            anyhow::Ok(lines.into_iter().map(answer).collect())
        })?,
        Place::Server { url, token } => ask(&Client::new(url, &token), filter, limit)?,
    };
    let mut out = io::stdout().lock();
    if asked.json {
        let list = serde_json::to_string_pretty(&AuditList { audit })?;
        writeln!(out, "{}", escaped_json(&list))?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = audit.iter().map(row).collect();
    let head = ["NUMBER", "AT", "WHO", "FROM", "ACTION", "ACCOUNT", "DETAIL"];
    table(&mut out, &head, &rows)?;
    Ok(())
}

fn ask(client: &Client, mut filter: AuditFilter, limit: usize) -> anyhow::Result<Vec<AuditLine>> {
    let mut lines: Vec<AuditLine> = Vec::new();
    while lines.len() < limit {
        let size = PAGE.min(limit - lines.len());
        let page: AuditList = client.get(&path(&filter, size))?;
        let is_last = page.audit.len() < size;
        lines.extend(page.audit);
        if is_last {
            break;
        }
        filter.before = lines.last().map(|line| line.number);
    }
    Ok(lines)
}

fn path(filter: &AuditFilter, size: usize) -> String {
    let instant = |at: Option<Instant>| at.map(|at| at.to_string());
    let asked = [
        ("actor", filter.who.clone()),
        ("action", filter.action.clone()),
        ("account", filter.account.clone()),
        ("since", instant(filter.since)),
        ("until", instant(filter.until)),
        ("before", filter.before.map(|number| number.to_string())),
    ];
    let mut path = format!("audit?per_page={size}");
    for (name, value) in asked {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(&value)));
        }
    }
    path
}

/// A value encoded for a query.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn row(line: &AuditLine) -> Vec<String> {
    let who = match &line.user {
        Some(user) => format!("{user} ({})", line.actor),
        None => line.actor.clone(),
    };
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        line.number.to_string(),
        line.at.clone(),
        who,
        optional(&line.address),
        line.action.clone(),
        optional(&line.account),
        line.detail.to_string(),
    ]
}
