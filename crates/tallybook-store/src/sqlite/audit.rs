//! The audit log's rows: added in the commit that they tell of.

use super::checksum::{AUDIT, seal};
use super::failure::Failure;
use super::number::loaded_instant;
use crate::AuditRow;
use rusqlite::{Connection, params};

/// Adds a line.
pub(super) fn add(connection: &Connection, line: &AuditRow) -> Result<(), Failure> {
    connection
        .prepare_cached("INSERT INTO audit (at, actor, action, detail) VALUES (?, ?, ?, ?)")?
        .execute(params![
            line.at.seconds(),
            line.actor,
            line.action,
            line.detail
        ])?;
    seal(connection, &AUDIT, connection.last_insert_rowid())
}

/// The newest lines, in the order of commits and not of clocks, newest first.
pub(super) fn newest(connection: &Connection, limit: usize) -> Result<Vec<AuditRow>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT number, at, actor, action, detail FROM audit ORDER BY number DESC LIMIT ?",
    )?;
    let mut rows = statement.query([limit])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let what = format!("line {} of the audit log", row.get::<_, i64>(0)?);
        lines.push(AuditRow {
            at: loaded_instant(row.get(1)?, &what)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            detail: row.get(4)?,
        });
    }
    Ok(lines)
}
