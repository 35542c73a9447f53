//! The database file as the operating system sees it: its names, its header, and atomic
//! publication.
//!
//! Invariant: nothing here changes an existing database. [`examine`] opens the file independently
//! of SQLite, and closing it would drop the locks that this process's SQLite connections hold on it
//! (POSIX locks belong to the process): call it only before there are any connections.

use super::failure::io_error;
use super::schema::{APPLICATION_ID, FORMAT};
use crate::StoreError;
use crate::access::open_private;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The database's name in its directory.
pub(super) const NAME: &str = "tallybook.db";

/// The size of SQLite's header, and the offsets of its fields
/// (<https://sqlite.org/fileformat.html>).
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const PAGE_SIZE: usize = 16;
const CHANGE_COUNTER: usize = 24;
const PAGES: usize = 28;
const USER_VERSION: usize = 60;
const APPLICATION: usize = 68;
const PAGES_VALID_FOR: usize = 92;

/// `path` with `suffix` after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The write-ahead log of a database.
pub(super) fn wal(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The size of a file in bytes; 0 when there is none.
pub(super) fn size(path: &Path) -> Result<u64, StoreError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(io_error(&error, format!("looking at {}", path.display()))),
    }
}

/// Checks by its header that the file is a complete Tallybook database, not of a newer format.
/// SQLite would treat an empty file as a new database, and accept a foreign one.
pub(super) fn examine(path: &Path) -> Result<(), StoreError> {
    let header = read_header(path)?;
    if !header.starts_with(MAGIC) {
        return Err(damaged(path, "it is not an SQLite database"));
    }
    let application = number(&header, APPLICATION);
    if application != APPLICATION_ID {
        let detail =
            format!("it is a database of another program (application id {application:#x})");
        return Err(damaged(path, detail));
    }
    check_format(path, number(&header, USER_VERSION))?;
    check_length(path, &header)
}

/// Whether a database has the newest format, so that opening it changes nothing. Like [`examine`],
/// call it only before there are connections.
pub(super) fn has_newest_format(path: &Path) -> Result<bool, StoreError> {
    Ok(number(&read_header(path)?, USER_VERSION) == FORMAT)
}

/// Refuses a newer format, and one that never existed.
pub(super) fn check_format(path: &Path, found: u32) -> Result<(), StoreError> {
    if found > FORMAT {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    if found == 0 {
        return Err(damaged(path, "it names no data format"));
    }
    Ok(())
}

pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        what: path.display().to_string(),
        detail: detail.into(),
    }
}

/// Makes a finished file appear under its name: synced, renamed, and the directory synced.
pub(super) fn publish(from: &Path, to: &Path) -> Result<(), StoreError> {
    File::open(from)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(from, to))
        .and_then(|()| sync_parent(to))
        .map_err(|error| io_error(&error, format!("writing {}", to.display())))
}

/// [`publish`] that never replaces a file that another process has meanwhile created under that
/// name.
pub(super) fn publish_new(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| io_error(&error, format!("writing {}", to.display()));
    File::open(from)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    match std::fs::hard_link(from, to) {
        Ok(()) => remove(from)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(failed(error)),
        // Some file systems have no hard links: there the name is claimed first.
        Err(_) => {
            open_private(to, File::options().write(true).create_new(true)).map_err(failed)?;
            std::fs::rename(from, to).map_err(failed)?;
        }
    }
    sync_parent(to).map_err(failed)
}

/// Syncs the parent directory of a file or directory.
pub(super) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

/// Removes an unfinished file that a killed process left.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(io_error(&error, format!("removing {}", path.display())))
        }
        _ => Ok(()),
    }
}

fn read_header(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut header = Vec::with_capacity(HEADER);
    File::open(path)
        .and_then(|file| file.take(HEADER as u64).read_to_end(&mut header))
        .map_err(|error| io_error(&error, format!("reading {}", path.display())))?;
    if header.len() < HEADER {
        let detail = format!("it has only {} bytes", header.len());
        return Err(damaged(path, detail));
    }
    Ok(header)
}

/// A file shorter than its header says was truncated, unless a checkpoint was interrupted: then the
/// write-ahead log still holds the missing pages, and SQLite copies them again.
fn check_length(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    let pages_are_valid = number(header, CHANGE_COUNTER) == number(header, PAGES_VALID_FOR);
    if !pages_are_valid || size(&wal(path))? > 0 {
        return Ok(());
    }
    let page_size = match u16::from_be_bytes([header[PAGE_SIZE], header[PAGE_SIZE + 1]]) {
        1 => 65_536,
        other => u64::from(other),
    };
    let (expected, found) = (page_size * u64::from(number(header, PAGES)), size(path)?);
    if found < expected {
        let detail = format!("it has {found} bytes of {expected}: it was cut off");
        return Err(damaged(path, detail));
    }
    Ok(())
}

fn number(header: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[at..at + 4]);
    u32::from_be_bytes(bytes)
}
