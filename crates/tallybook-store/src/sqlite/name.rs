//! The dictionaries of names.
//!
//! Invariant: a log's names are numbered from 0 without a gap; writing and reading check it. What
//! is read has the checksum of what was written.

use super::checksum::NAMES;
use super::failure::Failure;
use super::number::{loaded, stored};
use crate::{NameRow, StoredName};
use rusqlite::{Connection, params};
use std::sync::Arc;
use tallybook_core::ids::{LogId, NameId};

/// Adds names, which must follow the log's last one.
pub(super) fn append(
    connection: &Connection,
    log: LogId,
    names: &[NameRow],
) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    let free = count(connection, log)?..;
    let mut insert = connection.prepare_cached(
        "INSERT INTO names (log, id, salt, text, checksum)
         VALUES (?1, ?2, ?3, ?4, row_checksum(?1, ?2, ?3, ?4))",
    )?;
    for (next, name) in free.zip(names) {
        if u64::from(name.id.0) != next {
            return Err(Failure::refused(
                format!("adding names to log {}", log.0),
                format!("the next name is {next}, not {}", name.id.0),
            ));
        }
        insert.execute(params![stored(log.0)?, name.id.0, name.salt, &*name.text])?;
    }
    Ok(())
}

/// The dictionary from `from` on.
pub(super) fn read(
    connection: &Connection,
    log: LogId,
    from: NameId,
) -> Result<Vec<StoredName>, Failure> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, salt, text, {} FROM names WHERE log = ? AND id >= ? ORDER BY id",
        NAMES.is_sound()
    ))?;
    let mut rows = statement.query(params![stored(log.0)?, from.0])?;
    let mut names = Vec::new();
    let mut next = u64::from(from.0);
    while let Some(row) = rows.next()? {
        let id: u32 = row.get(0)?;
        if u64::from(id) != next {
            let what = format!("name {next} of log {}", log.0);
            return Err(Failure::damaged(
                what,
                format!("it is missing before name {id}"),
            ));
        }
        next += 1;
        if !row.get::<_, bool>(3)? {
            return Err(NAMES.damaged(&log.0.to_string()));
        }
        let salt: Option<[u8; 16]> = row.get(1)?;
        let text: Option<Arc<str>> = row.get(2)?;
        names.push(StoredName {
            id: NameId(id),
            name: salt.zip(text),
        });
    }
    Ok(names)
}

/// How many names the log has; their ids are below this number.
fn count(connection: &Connection, log: LogId) -> Result<u64, Failure> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(id) FROM names WHERE log = ?")?
        .query_row([stored(log.0)?], |row| row.get(0))?;
    match last {
        None => Ok(0),
        Some(last) => Ok(loaded::<u64>(last, "a name's number")? + 1),
    }
}
