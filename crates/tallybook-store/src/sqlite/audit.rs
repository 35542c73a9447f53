//! The audit log's rows: added in the commit that they describe.

use super::checksum::{AUDIT, seal};
use super::failure::Failure;
use super::number::{loaded, loaded_instant};
use crate::{AuditFilter, AuditRow, NumberedAudit};
use rusqlite::{Connection, Row, named_params, params};

/// The query for a filter; null parameters match everything.
const PAGE: &str = "
    SELECT number, at, actor, login, address, account, action, detail FROM audit
    WHERE number < :before
      AND (:who IS NULL OR actor = :who OR substr(actor, instr(actor, ' ') + 1) = :who
           OR login = :who COLLATE NOCASE)
      AND (:action IS NULL OR action = :action
           OR substr(action, 1, length(:action) + 1) = :action || '.')
      AND (:account IS NULL OR account = :account COLLATE NOCASE)
      AND (:since IS NULL OR at >= :since)
      AND (:until IS NULL OR at < :until)
    ORDER BY number DESC LIMIT :limit";

/// Adds a line.
pub(super) fn add(connection: &Connection, line: &AuditRow) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, actor, login, address, account, action, detail)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            line.at.seconds(),
            line.actor,
            line.user,
            line.address,
            line.account,
            line.action,
            line.detail
        ])?;
    seal(connection, &AUDIT, connection.last_insert_rowid())
}

/// The newest lines that match a filter, newest first.
pub(super) fn page(
    connection: &Connection,
    filter: &AuditFilter,
    limit: usize,
) -> Result<Vec<NumberedAudit>, Failure> {
    let mut statement = connection.prepare_cached(PAGE)?;
    let before = filter.before.and_then(|number| i64::try_from(number).ok());
    let mut found = statement.query(named_params! {
        ":before": before.unwrap_or(i64::MAX),
        ":who": filter.who,
        ":action": filter.action,
        ":account": filter.account,
        ":since": filter.since.map(|at| at.seconds()),
        ":until": filter.until.map(|at| at.seconds()),
        ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
    })?;
    let mut lines = Vec::new();
    while let Some(row) = found.next()? {
        lines.push(from_row(row)?);
    }
    Ok(lines)
}

fn from_row(row: &Row<'_>) -> Result<NumberedAudit, Failure> {
    let number: i64 = row.get(0)?;
    let what = format!("line {number} of the audit log");
    let line = AuditRow {
        at: loaded_instant(row.get(1)?, &what)?,
        actor: row.get(2)?,
        user: row.get(3)?,
        address: row.get(4)?,
        account: row.get(5)?,
        action: row.get(6)?,
        detail: row.get(7)?,
    };
    Ok(NumberedAudit {
        number: loaded(number, &what)?,
        row: line,
    })
}
