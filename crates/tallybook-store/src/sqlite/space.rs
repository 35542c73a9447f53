//! Returns unused space to the file system.
//!
//! Invariant: some free pages are kept for upcoming writes; a step is short, so that commits hardly
//! wait. Only a file with SQLite's pointer map (`auto_vacuum`) can shrink in steps. Files created
//! before that became the default are left as they are: [`compact`] rebuilds them.

use super::backup::{check_all, claim, copy_snapshot};
use super::connection::{PAGE_SIZE, open_immutable};
use super::failure::Failure;
use super::lock::DirectoryLock;
use super::{SqliteStore, file};
use crate::StoreError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// SQLite's number for `auto_vacuum=INCREMENTAL`.
pub(super) const INCREMENTAL: u32 = 2;

/// Pages moved per step: 4 MB.
const STEP_PAGES: u32 = 512;

/// About how many bytes a step writes.
pub(super) const STEP_BYTES: usize = (STEP_PAGES * PAGE_SIZE) as usize;

/// Free pages to keep: 8 MB, or a sixteenth of the file.
const LEAST_KEPT: u32 = 1024;
const SHARE_KEPT: u32 = 16;

/// How many free pages can be released.
pub(super) fn excess(connection: &Connection) -> Result<u32, Failure> {
    if number(connection, "auto_vacuum")? != INCREMENTAL {
        return Ok(0);
    }
    let free = number(connection, "freelist_count")?;
    let pages = number(connection, "page_count")?;
    Ok(free.saturating_sub(LEAST_KEPT.max(pages / SHARE_KEPT)))
}

/// Releases some pages; returns whether there are more to release.
pub(super) fn release(connection: &Connection) -> Result<bool, Failure> {
    let excess = excess(connection)?;
    let step = excess.min(STEP_PAGES);
    if step == 0 {
        return Ok(false);
    }
    // Each page moved is a row of the result.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({step})"))?;
    let mut moved = vacuum.query([])?;
    while moved.next()?.is_some() {}
    Ok(excess > step)
}

/// Whether the file can shrink in steps.
pub(super) fn is_incremental(connection: &Connection) -> Result<bool, Failure> {
    Ok(number(connection, "auto_vacuum")? == INCREMENTAL)
}

fn number(connection: &Connection, pragma: &str) -> Result<u32, Failure> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// The file that a compaction writes; a leftover of a killed one is removed when the directory is
/// opened.
pub(super) fn unfinished(database: &Path) -> PathBuf {
    file::beside(database, ".compacting")
}

/// Rebuilds a database without unused space, and returns its size in bytes before and after. The
/// file system must have room for the new file. Nothing else may use the directory meanwhile; the
/// old file stays until the new one is complete, checked and on disk.
///
/// # Errors
///
/// Those of [`SqliteStore::open`]; `Io` when there is no database.
pub fn compact(directory: &Path) -> Result<(u64, u64), StoreError> {
    let database = directory.join(file::NAME);
    if !SqliteStore::exists(directory) {
        return Err(refused(&database, "there is no database".to_owned()));
    }
    // Closing it cleanly leaves one file, without a write-ahead log.
    drop(SqliteStore::open(directory, "a compaction")?);
    let _lock = DirectoryLock::take(directory, "a compaction")?;
    let before = file::size(&database)?;
    let new = unfinished(&database);
    let outcome = write_anew(&database, &new);
    if outcome.is_err() {
        // The failure matters more; a leftover file is removed when the directory is next opened.
        let _ = file::remove(&new);
    }
    outcome?;
    Ok((before, file::size(&database)?))
}

fn write_anew(database: &Path, new: &Path) -> Result<(), StoreError> {
    let _claim = claim(new)?;
    copy_snapshot(database, new)?;
    check_all(&open_immutable(new)?)
        .map_err(|failure| failure.at(new, "checking the new database"))?;
    let log = file::wal(database);
    // Commits that exist only there would be lost, and a log must not be combined with a different
    // database.
    if file::size(&log)? > 0 {
        return Err(refused(database, format!("{} is not empty", log.display())));
    }
    file::remove(&log)?;
    file::remove(&file::beside(database, "-shm"))?;
    file::publish(new, database)
}

fn refused(database: &Path, detail: String) -> StoreError {
    StoreError::Io {
        doing: format!("compacting {}", database.display()),
        detail,
    }
}
