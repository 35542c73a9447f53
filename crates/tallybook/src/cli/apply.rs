//! `tallybook apply`: a billing file's declarations, to a directory or to a server.

use super::arguments::Trial;
use super::client::Client;
use super::open::{WhenEmpty, open};
use super::output::table;
use super::place::Place;
use super::what_if;
use crate::billing_file;
use crate::engine::apply::ApplyOptions;
use crate::engine::commit::Actor;
use crate::http::metering::site::apply::answer;
use crate::wire::site::{ChangeAnswer, Changes};
use anyhow::{Context, anyhow};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tallybook_core::declaration::Declaration;
use tallybook_core::time::Instant;
use tallybook_store::sqlite::SqliteStore;

/// The options of the command.
pub(crate) struct Request {
    /// The billing file; `-` is standard input.
    pub(crate) file: PathBuf,
    /// The dry-run options.
    pub(crate) trial: Trial,
    /// Whether organizations with metered usage may move to another payer.
    pub(crate) move_payers: bool,
}

/// Applies a file and prints the differences; a dry run only prints them.
pub(crate) fn run(request: &Request, place: Place, now: Instant) -> anyhow::Result<()> {
    let file = &request.file;
    let mut text = read(file)?;
    // Parsed here even for a server: errors in the file are best reported where the file is.
    let wrong = |error| anyhow!("{}: {error}", file.display());
    let declared = billing_file::read(&text).map_err(wrong)?;
    let mut declarations = declared.declarations;
    if let Some(path) = declared.catalog_file {
        let folder = file.parent().unwrap_or(Path::new(""));
        let catalog = read(&folder.join(path))?;
        text = billing_file::with_catalog(&text, &catalog).map_err(wrong)?;
        declarations.push(Declaration::Catalogue(catalog));
    }
    let options = ApplyOptions {
        move_payers: request.move_payers,
        ..request.trial.options()
    };
    let changes = match place {
        Place::Directory(directory) => apply_to(&directory, "apply", &declarations, &options, now)?,
        Place::Server { url, token } => {
            let mut path = format!("apply?move_payers={}", request.move_payers);
            path.push_str(&request.trial.parameters());
            let client = Client::new(url, &token);
            client.send(&path, "application/yaml", &mut text.as_bytes())?
        }
    };
    let nothing = "Everything is as the file declares it; nothing changes.";
    print(&mut io::stdout().lock(), &changes, nothing)?;
    Ok(())
}

/// Applies declarations to a directory.
pub(crate) fn apply_to(
    directory: &Path,
    command: &str,
    declarations: &[Declaration],
    options: &ApplyOptions,
    now: Instant,
) -> anyhow::Result<Changes> {
    super::runtime()?.block_on(async {
        // A dry run does not create a data directory.
        let nothing = tempfile::tempdir()?;
        let is_new = options.dry_run && !SqliteStore::exists(directory);
        let directory = if is_new { nothing.path() } else { directory };
        let opened = open(directory, WhenEmpty::Create, now).await?;
        let actor = Actor::command(command);
        let applied = opened
            .engine
            .apply_with(now, &actor, declarations, options)
            .await?;
        anyhow::Ok(answer(options, applied))
    })
}

/// A file's text; `-` is standard input.
pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
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

/// Prints the differences, and what a month would cost; `nothing` is printed if there are none.
pub(crate) fn print(out: &mut dyn Write, changes: &Changes, nothing: &str) -> io::Result<()> {
    let rows: Vec<Vec<String>> = changes.changes.iter().map(row).collect();
    if rows.is_empty() {
        writeln!(out, "{nothing}")?;
    } else {
        table(out, &["OF", "WHAT", "BEFORE", "AFTER"], &rows)?;
        let count = rows.len();
        if changes.dry_run {
            writeln!(
                out,
                "{count} changes would be made (--dry-run); nothing was changed."
            )?;
        } else {
            writeln!(out, "{count} changes were made.")?;
        }
    }
    match &changes.what_if {
        Some(what_if) => what_if::print(out, what_if),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_changes_look_like_a_directory_s() {
        let change = tallybook_core::site::declare::Change {
            subject: "organization octo-org".to_owned(),
            field: "owners".into(),
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
        let print = |changes: &str, dry_run: bool| {
            let answer = format!("{{\"dry_run\": {dry_run}, \"changes\": [{changes}]}}");
            let changes: Changes = serde_json::from_str(&answer).expect("changes");
            let mut out = Vec::new();
            super::print(&mut out, &changes, "Nothing.").expect("written");
            String::from_utf8(out).expect("UTF-8")
        };
        let change = r#"{"subject": "user hubot", "field": "email", "before": null,
            "after": "a@b"}"#;
        assert!(
            print(change, true)
                .ends_with("1 changes would be made (--dry-run); nothing was changed.\n")
        );
        assert!(print(change, false).ends_with("1 changes were made.\n"));
        assert_eq!(print("", false), "Nothing.\n");
    }
}
