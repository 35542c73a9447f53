//! The jobs' rows.

use super::failure::Failure;
use super::number::loaded_instant;
use crate::JobRow;
use rusqlite::{Connection, params};
use tallybook_core::ids::LogId;

/// Adds a job, or replaces the state of the one with its id.
pub(super) fn put(connection: &Connection, job: &JobRow) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, log, created_at, state) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state",
        )?
        .execute(params![
            job.id,
            job.log.0.cast_signed(),
            job.created_at.seconds(),
            job.state,
        ])?;
    Ok(())
}

/// Removes a job; one that is not there is no error.
pub(super) fn remove(connection: &Connection, id: &str) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM jobs WHERE id = ?")?
        .execute([id])?;
    Ok(())
}

/// Every job, in the order in which they were added.
pub(super) fn list(connection: &Connection) -> Result<Vec<JobRow>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, log, created_at, state FROM jobs ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let what = format!("job {id}");
        jobs.push(JobRow {
            log: LogId(row.get::<_, i64>(1)?.cast_unsigned()),
            created_at: loaded_instant(row.get(2)?, &what)?,
            // Bytes that are no text are one job's damage, and its reader sees that they are none.
            state: String::from_utf8_lossy(row.get_ref(3)?.as_bytes().unwrap_or_default())
                .into_owned(),
            id,
        });
    }
    Ok(jobs)
}
