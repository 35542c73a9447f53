//! Connections: how each kind is opened, and how the database is created.
//!
//! Invariant: a connection changes nothing in the file until the file is known to be a sound
//! Tallybook database, and closing a connection never does: checkpoints run only where requested.

use super::checksum;
use super::failure::{Failure, io_error, sqlite_error};
use super::file;
use super::schema;
use super::space::INCREMENTAL;
use crate::StoreError;
use crate::access::open_private;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How long to wait for other connections: only a checkpoint's last step blocks any.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Larger pages suit rows of tens of kilobytes: fewer links to follow, less overhead per page.
pub(super) const PAGE_SIZE: u32 = 8192;

/// The size to which the write-ahead log is truncated when it restarts after heavy load.
const LOG_BYTES_KEPT: u32 = 64 << 20;

/// Capacity for prepared statements per connection; there are fewer.
const STATEMENTS: usize = 64;

/// Creates the database under a temporary name and renames it when complete, so that a file under
/// the final name is never unfinished.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let doing = "creating the database";
    let unfinished = file::beside(path, ".new");
    for leftover in [
        unfinished.clone(),
        file::wal(&unfinished),
        file::beside(&unfinished, "-journal"),
    ] {
        file::remove(&leftover)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // SQLite treats an empty file as a new database, and creates its auxiliary files with the
    // database's mode.
    open_private(&unfinished, File::options().write(true).create_new(true))
        .map_err(|error| io_error(&error, format!("creating {}", unfinished.display())))?;
    let fill = || -> Result<(), Failure> {
        let mut connection = Connection::open_with_flags(&unfinished, flags)?;
        checksum::register(&connection)?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        schema::migrate(&mut connection)?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    };
    fill().map_err(|failure| failure.at(path, doing))?;
    file::publish(&unfinished, path)
}

/// Opens the database for writing, after checking it. Does not run migrations.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let doing = "opening the database";
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    check_identity(&connection, path)?;
    configure_writer(&connection).map_err(|failure| failure.at(path, doing))?;
    Ok(connection)
}

/// Opens the database for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(path, flags)
}

/// Opens a file that no one writes, without locks or auxiliary files.
pub(super) fn open_immutable(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let text = path.to_str().ok_or_else(|| StoreError::Io {
        doing: format!("opening {}", path.display()),
        detail: "the path is not UTF-8".to_owned(),
    })?;
    let escaped = text
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
        .and_then(|connection| checksum::register(&connection).map(|()| connection))
        .map_err(|error| sqlite_error(&error, path, "opening the database"))
}

/// Checks the application id, the format and the tables as SQLite sees them, including the
/// write-ahead log.
pub(super) fn check_identity(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let doing = "reading the database's header";
    let application =
        schema::application_id(connection).map_err(|failure| failure.at(path, doing))?;
    if application != schema::APPLICATION_ID {
        let detail =
            format!("it is a database of another program (application id {application:#x})");
        return Err(file::damaged(path, detail));
    }
    let format = schema::format(connection).map_err(|failure| failure.at(path, doing))?;
    file::check_format(path, format)
}

/// Checks, after migration, that the newest format's tables exist.
pub(super) fn check_tables(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let missing = schema::missing_table(connection)
        .map_err(|failure| failure.at(path, "reading the database's tables"))?;
    match missing {
        None => Ok(()),
        Some(table) => Err(file::damaged(path, format!("its table {table} is missing"))),
    }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connect = || -> Result<Connection, Failure> {
        let connection = Connection::open_with_flags(path, flags)?;
        checksum::register(&connection)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    connect().map_err(|failure| failure.at(path, "opening the database"))
}

fn configure_writer(connection: &Connection) -> Result<(), Failure> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::refused(
            "turning on the write-ahead log",
            format!("the journal's mode stays {mode}: is the directory on a network drive?"),
        ));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(())
}
