//! `tallybook apply`: a billing file's declarations, to a directory or to a server.

use super::client::Client;
use super::open::{WhenEmpty, open};
use super::output::table;
use super::place::Place;
use crate::billing_file;
use crate::engine::commit::Actor;
use crate::wire::site::{ChangeAnswer, Changes};
use anyhow::{Context, anyhow};
use std::io::{self, Read, Write};
use std::path::Path;
use tallybook_core::time::Instant;
use tallybook_store::sqlite::SqliteStore;

/// Applies a file and prints the differences; a dry run only prints them.
pub(crate) fn run(file: &Path, dry_run: bool, place: Place, now: Instant) -> anyhow::Result<()> {
    let text = read(file)?;
    // Also for a server: what is wrong with the file is best told where the file is.
    let declarations =
        billing_file::parse(&text).map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let rows: Vec<Vec<String>> = match place {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            // A dry run leaves no directory behind where there was none.
            let nothing = tempfile::tempdir()?;
            let is_new = dry_run && !SqliteStore::exists(&directory);
            let directory = if is_new { nothing.path() } else { &directory };
            let opened = open(directory, WhenEmpty::Create, now).await?;
            let actor = Actor::command("apply");
            let changes = opened
                .engine
                .apply(now, &actor, &declarations, dry_run)
                .await?;
            anyhow::Ok(
                changes
                    .into_iter()
                    .map(|change| row(&change.into()))
                    .collect(),
            )
        })?,
        Place::Server { url, token } => {
            let path = if dry_run {
                "apply?dry_run=true"
            } else {
                "apply"
            };
            let client = Client::new(url, &token);
            let answer: Changes = client.send(path, "application/yaml", &mut text.as_bytes())?;
            answer.changes.iter().map(row).collect()
        }
    };
    print(&mut io::stdout().lock(), &rows, dry_run)?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.with_context(|| format!("cannot read {}", file.display()))
}

fn row(change: &ChangeAnswer) -> Vec<String> {
    let before = change.before.as_deref().unwrap_or("(new)");
    [&change.subject, &change.field, before, &change.after]
        .map(str::to_owned)
        .into()
}

fn print(out: &mut dyn Write, rows: &[Vec<String>], dry_run: bool) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(
            out,
            "Everything is as the file declares it; nothing changes."
        );
    }
    table(out, &["OF", "WHAT", "BEFORE", "AFTER"], rows)?;
    let count = rows.len();
    if dry_run {
        writeln!(
            out,
            "{count} changes would be made (--dry-run); nothing was changed."
        )
    } else {
        writeln!(out, "{count} changes were made.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_changes_look_like_a_directory_s() {
        let change = tallybook_core::site::declare::Change {
            subject: "organization octo-org".to_owned(),
            field: "owners",
            before: None,
            after: "monalisa".to_owned(),
        };
        let answer = r#"{"dry_run": false, "changes": [{"subject": "organization octo-org",
            "field": "owners", "before": null, "after": "monalisa"}]}"#;
        let answer: Changes = serde_json::from_str(answer).expect("changes");
        assert_eq!(row(&answer.changes[0]), row(&change.into()));
    }

    #[test]
    fn a_dry_run_says_that_nothing_was_changed() {
        let print = |rows: &[Vec<String>], dry_run| {
            let mut out = Vec::new();
            super::print(&mut out, rows, dry_run).expect("written");
            String::from_utf8(out).expect("UTF-8")
        };
        let rows = [["user hubot", "email", "(new)", "a@b"]
            .map(str::to_owned)
            .to_vec()];
        assert!(
            print(&rows, true)
                .ends_with("1 changes would be made (--dry-run); nothing was changed.\n")
        );
        assert!(print(&rows, false).ends_with("1 changes were made.\n"));
        assert!(print(&[], false).starts_with("Everything is as the file declares it"));
    }
}
