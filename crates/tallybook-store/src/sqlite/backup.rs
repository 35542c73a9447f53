//! Backup and restore, and the check of a database's structure.
//!
//! A backup is `VACUUM INTO`: it reads one snapshot, so it finishes however much is written
//! meanwhile, and blocks no one. Invariant: a file under its final name is complete and synced;
//! existing files are never overwritten.

use super::connection::{check_identity, check_tables, open_immutable, open_reader};
use super::failure::{Failure, io_error, sqlite_error};
use super::file;
use super::lock::DirectoryLock;
use super::{checksum, log, schema, space};
use crate::StoreError;
use crate::access::{AccessNotice, open_private};
use rusqlite::Connection;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// How many problems of a damaged database are listed.
const PROBLEMS_NAMED: usize = 5;

/// Whether the database in `directory` has the newest data format, so that opening it would not
/// migrate it. For processes that have not opened it.
///
/// # Errors
///
/// `Io` and `Damaged` when there is no valid database.
pub fn has_newest_format(directory: &Path) -> Result<bool, StoreError> {
    file::has_newest_format(&directory.join(file::NAME))
}

/// Writes a consistent copy of the database in `directory` into `file`, even while a server runs.
/// Blocks until it is on disk.
///
/// # Errors
///
/// `Io` when `file` exists or `directory` has no database, `Full`, `Damaged`, `TooNew`.
pub fn backup_directory(directory: &Path, file: &Path) -> Result<(), StoreError> {
    let database = directory.join(file::NAME);
    // Not `file::examine`: a server in this very process may hold the database open.
    match std::fs::metadata(&database) {
        Ok(metadata) if metadata.len() == 0 => {
            return Err(file::damaged(&database, "it has only 0 bytes"));
        }
        Ok(_) => {}
        Err(error) => {
            return Err(io_error(&error, format!("opening {}", database.display())));
        }
    }
    backup(&database, file)
}

/// Puts the backup in `file` into `directory`, which must hold no data yet. Blocks until it is on
/// disk. Returns what in an existing directory was open to other users.
///
/// # Errors
///
/// `Damaged` when `file` is not a sound Tallybook database, `TooNew`, `Held`, `Full`, and `Io` when
/// `directory` already holds data.
pub fn restore(file: &Path, directory: &Path) -> Result<Vec<AccessNotice>, StoreError> {
    file::examine(file)?;
    if file::size(&file::wal(file))? > 0 {
        return Err(StoreError::Io {
            doing: format!("restoring {}", file.display()),
            detail: "it is a database in use, not a backup: commits stand in its -wal file; \
                     make a backup of it and restore that"
                .to_owned(),
        });
    }
    super::create_directory(directory)?;
    let _lock = DirectoryLock::take(directory, "a restore")?;
    let database = directory.join(file::NAME);
    refuse_existing(&database)?;
    refuse_existing(&file::wal(&database))?;
    let notices = super::close_to_others(directory)?;

    let partial = file::beside(&database, ".restoring");
    let outcome = copy_checked(file, &partial).and_then(|()| file::publish(&partial, &database));
    if outcome.is_err() {
        // The failure matters more; a leftover file is replaced by the next restore.
        let _ = file::remove(&partial);
    }
    outcome.map(|()| notices)
}

/// Writes a copy of the database at `database` into `target`.
pub(super) fn backup(database: &Path, target: &Path) -> Result<(), StoreError> {
    refuse_existing(target)?;
    let partial = file::beside(target, ".partial");
    let _claim = claim(&partial)?;
    let copied =
        copy_snapshot(database, &partial).and_then(|()| file::publish_new(&partial, target));
    if copied.is_err() {
        // The failure matters more; a leftover file is replaced by the next backup.
        let _ = file::remove(&partial);
    }
    copied
}

/// Checks everything that can be checked without interpreting the bytes.
pub(super) fn check_all(connection: &Connection) -> Result<(), Failure> {
    check(connection)?;
    if schema::format(connection)? == schema::FORMAT {
        check_rows(connection)?;
    }
    Ok(())
}

/// Checks that tables and rows are what was written, for a database of the newest format.
pub(super) fn check_rows(connection: &Connection) -> Result<(), Failure> {
    schema::check(connection)?;
    checksum::check(connection)?;
    log::check(connection)
}

/// SQLite's own check: every page, every index, every reference.
pub(super) fn check(connection: &Connection) -> Result<(), Failure> {
    let sql = format!("PRAGMA integrity_check({PROBLEMS_NAMED})");
    let mut statement = connection.prepare(&sql)?;
    let mut problems = statement
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    problems.retain(|problem| problem != "ok");
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut orphans = statement.query([])?;
    if let Some(row) = orphans.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        problems.push(format!("a row of {table} refers to no row of {parent}"));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::Corrupt {
        detail: problems.join("; "),
    })
}

/// Creates the file of an unfinished copy, and locks it against concurrent copies. It is always
/// newly created, so it cannot belong to another user or be a link; a file left under its name by a
/// killed process is removed.
pub(super) fn claim(partial: &Path) -> Result<File, StoreError> {
    let doing = || format!("writing {}", partial.display());
    let create = || open_private(partial, File::options().write(true).create_new(true));
    let created = match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            remove_leftover(partial)?;
            create()
        }
        created => created,
    };
    let file = created.map_err(|error| io_error(&error, doing()))?;
    lock(&file, doing())?;
    Ok(file)
}

/// Removes a file left by a killed process, unless another process is writing it.
fn remove_leftover(partial: &Path) -> Result<(), StoreError> {
    let doing = || format!("removing {}", partial.display());
    let failed = |error| io_error(&error, doing());
    if std::fs::symlink_metadata(partial)
        .map_err(failed)?
        .is_file()
    {
        lock(&File::open(partial).map_err(failed)?, doing())?;
    }
    file::remove(partial)
}

fn lock(file: &File, doing: String) -> Result<(), StoreError> {
    file.try_lock().map_err(|error| StoreError::Io {
        doing,
        detail: format!("another process is writing it: {error}"),
    })
}

/// Writes a copy of a database's contents, without unused space.
pub(super) fn copy_snapshot(database: &Path, partial: &Path) -> Result<(), StoreError> {
    let connection = open_reader(database)?;
    check_identity(&connection, database)?;
    let text = partial.to_str().ok_or_else(|| StoreError::Io {
        doing: format!("writing {}", partial.display()),
        detail: "the path is not UTF-8".to_owned(),
    })?;
    let is_incremental = space::is_incremental(&connection);
    let is_incremental =
        is_incremental.map_err(|failure| failure.at(database, "copying the database"))?;
    let made_so = if is_incremental {
        Ok(())
    } else {
        // Lets the copy release space. On a database that already can, this would be a write.
        connection.pragma_update(None, "auto_vacuum", space::INCREMENTAL)
    };
    made_so
        .and_then(|()| connection.execute("VACUUM INTO ?", [text]))
        .map_err(|error| backup_error(&error, database, partial))?;
    Ok(())
}

/// Attributes a full disk to the copy, not to the data.
fn backup_error(error: &rusqlite::Error, database: &Path, partial: &Path) -> StoreError {
    match sqlite_error(error, database, "copying the database") {
        StoreError::Full { detail, .. } => StoreError::Full {
            path: partial.to_owned(),
            detail,
        },
        other => other,
    }
}

/// Copies, then checks the copy, so that the bytes served later are the ones that were checked.
fn copy_checked(file: &Path, partial: &Path) -> Result<(), StoreError> {
    let target = claim(partial)?;
    // Not `fs::copy`, which would also make the database as read-only as its backup may be.
    File::open(file)
        .and_then(|mut source| std::io::copy(&mut source, &mut &target))
        .map_err(|error| io_error(&error, format!("copying {}", file.display())))?;
    let connection = open_immutable(partial)?;
    let renamed = |error| name_source(error, partial, file);
    check_identity(&connection, partial).map_err(renamed)?;
    check_all(&connection)
        .map_err(|failure| failure.at(partial, "checking the backup"))
        .map_err(renamed)?;
    if schema::format(&connection).is_ok_and(|format| format == schema::FORMAT) {
        check_tables(&connection, partial).map_err(renamed)?;
    }
    Ok(())
}

/// Reports damage found in the copy under the name of the file that the user gave.
fn name_source(error: StoreError, partial: &Path, file: &Path) -> StoreError {
    match error {
        StoreError::Damaged { what, detail } => StoreError::Damaged {
            what: what.replace(&partial.display().to_string(), &file.display().to_string()),
            detail,
        },
        StoreError::TooNew {
            found, supported, ..
        } => StoreError::TooNew {
            path: file.to_owned(),
            found,
            supported,
        },
        other => other,
    }
}

fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Io {
            doing: format!("writing {}", path.display()),
            detail: "it exists already, and is not overwritten".to_owned(),
        }),
        Err(error) => Err(io_error(&error, format!("looking at {}", path.display()))),
    }
}
