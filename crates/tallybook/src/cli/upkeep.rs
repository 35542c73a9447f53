//! `tallybook verify`, `backup`, `restore` and `compact`.

use super::client::Client;
use super::open::{WhenEmpty, check_data, open, open_store, with_way_in};
use super::output::one_line;
use super::place::Place;
use crate::engine::audit::{self, Action, Actor, Deed, shortened};
use crate::engine::verify::Progress;
use crate::http::metering::site::verify::{answer, deed};
use crate::wire::site::Verification;
use anyhow::{Context, bail};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use tallybook_core::time::Instant;
use tallybook_store::sqlite;

/// Recomputes everything, and prints the counts.
pub(crate) fn verify(place: Place, now: Instant) -> anyhow::Result<()> {
    let verified = match place {
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            let bar = verify_bar()?;
            let watcher = |progress: Progress| {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            };
            let verified = opened.engine.verify_watched(&watcher).await?;
            bar.finish_and_clear();
            // Only on success: nothing is written to damaged data.
            let line = Actor::command("verify").did(now, deed(None));
            say_unrecorded(opened.engine.record(vec![line]).await)?;
            anyhow::Ok(answer(&verified))
        })?,
        Place::Server { url, token } => {
            let answer: Verification = Client::new(url, &token).post("verify", &Value::Null)?;
            match answer.verified {
                Some(verified) if answer.ok => verified,
                _ => bail!(
                    answer
                        .difference
                        .unwrap_or_else(|| "no reason given".to_owned())
                ),
            }
        }
    };
    let parts = verified
        .counts()
        .map(|(what, count)| format!("{count} {what}"));
    let all = parts.join(", ");
    writeln!(io::stdout(), "Everything agrees: {all}.")?;
    if verified.unused_blobs > 0 {
        let bytes = HumanBytes(verified.unused_bytes);
        writeln!(
            io::stdout(),
            "Unused are {bytes}, which the next start of the server frees."
        )?;
    }
    Ok(())
}

/// A progress bar over batches and blobs; shown on a terminal only.
fn verify_bar() -> anyhow::Result<ProgressBar> {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    // Cleared even when a difference is found, so that the error is shown alone.
    let bar = ProgressBar::with_draw_target(None, target).with_finish(ProgressFinish::AndClear);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} batches and blobs, {eta}");
    bar.set_style(style.context("the bar's template is wrong")?);
    Ok(bar)
}

/// Writes a backup into a new file; works while a server holds the directory.
pub(crate) fn backup(file: &Path, place: Place, now: Instant) -> anyhow::Result<()> {
    match place {
        Place::Directory(directory) => {
            check_data(&directory)?;
            sqlite::backup_directory(&directory, file)?;
            say_unrecorded(record_backup(&directory, file, now))?;
        }
        Place::Server { url, token } => download(&Client::new(url, &token), file)?,
    }
    writeln!(io::stdout(), "Wrote {}.", file.display())?;
    Ok(())
}

/// Records a backup in the audit log.
fn record_backup(directory: &Path, file: &Path, now: Instant) -> anyhow::Result<()> {
    if !sqlite::has_newest_format(directory)? {
        bail!("the data has an older format, which a backup leaves as it is");
    }
    let deed = Deed::site(Action::BackupCreate).with("file", name(file));
    record(directory, &Actor::command("backup"), deed, now)
}

/// Records in the audit log what a command did with a whole directory.
fn record(directory: &Path, actor: &Actor, deed: Deed, now: Instant) -> anyhow::Result<()> {
    super::runtime()?.block_on(async {
        let store = open_store(directory)?;
        Ok(audit::record(&store, vec![actor.did(now, deed)]).await?)
    })
}

/// Reports why the audit log has no line. Obstacles such as a server that holds the directory, a
/// full disk or damage must not prevent a backup, restore or verification.
fn say_unrecorded<E: Into<anyhow::Error>>(recorded: Result<(), E>) -> io::Result<()> {
    let Err(error) = recorded else { return Ok(()) };
    let reason = one_line(&error.into());
    writeln!(
        io::stderr(),
        "The audit log does not tell of this: {reason}"
    )
}

/// A file's own name, without its location.
fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    shortened(&name.to_string_lossy())
}

/// Downloads under a temporary name first, so that a file under its final name is complete. Only
/// its owner can read it: it holds names and the hashes of tokens.
fn download(client: &Client, file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        bail!(
            "{} exists already: a backup overwrites nothing",
            file.display()
        );
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let cannot_write = || format!("cannot write {}", file.display());
    let partial = tempfile::Builder::new()
        .prefix(".tallybook-backup-")
        .tempfile_in(folder);
    let mut partial = partial.with_context(cannot_write)?;
    let mut body = client.download("backup")?;
    let copied = io::copy(&mut body, &mut partial).and_then(|_| partial.as_file().sync_all());
    copied.with_context(cannot_write)?;
    let named = partial.persist_noclobber(file);
    named
        .map_err(|error| error.error)
        .with_context(cannot_write)?;
    Ok(())
}

/// Makes a data directory from a backup.
pub(crate) fn restore(file: &Path, directory: &Path, now: Instant) -> anyhow::Result<()> {
    super::open::warn_of_access(&sqlite::restore(file, directory)?);
    let deed = Deed::site(Action::BackupRestore).with("file", name(file));
    let recorded = record(directory, &Actor::command("restore"), deed, now);
    say_unrecorded(recorded)?;
    let directory = directory.display();
    writeln!(
        io::stdout(),
        "Restored into {directory}. Check it: tallybook verify --data {directory}"
    )?;
    Ok(())
}

/// Rebuilds a directory's database without unused space.
pub(crate) fn compact(directory: &Path) -> anyhow::Result<()> {
    check_data(directory)?;
    let (before, after) = sqlite::compact(directory).map_err(|error| with_way_in(&error))?;
    writeln!(
        io::stdout(),
        "Compacted {} from {} to {}.",
        directory.display(),
        HumanBytes(before),
        HumanBytes(after)
    )?;
    Ok(())
}
