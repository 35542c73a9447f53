//! The jobs' rows.

use super::checksum::{JOBS, is_sound, seal};
use super::failure::Failure;
use super::number::loaded_instant;
use crate::JobRow;
use rusqlite::{Connection, params};
use tallybook_core::ids::LogId;

/// Adds a job, or replaces the state of the one with its id.
pub(super) fn put(connection: &Connection, job: &JobRow) -> Result<(), Failure> {
    if is_sound(connection, &JOBS, "id", &job.id)? == Some(false) {
        return Err(JOBS.damaged(&job.id));
    }
    let number: i64 = connection
        .prepare_cached(
            "INSERT INTO jobs (id, log, created_at, state) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state RETURNING number",
        )?
        .query_row(
            params![
                job.id,
                job.log.0.cast_signed(),
                job.created_at.seconds(),
                job.state,
            ],
            |row| row.get(0),
        )?;
    seal(connection, &JOBS, number)
}

/// Removes a job; a missing one is not an error.
pub(super) fn remove(connection: &Connection, id: &str) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM jobs WHERE id = ?")?
        .execute([id])?;
    Ok(())
}

/// Every job, in the order in which they were added.
pub(super) fn list(connection: &Connection) -> Result<Vec<JobRow>, Failure> {
    // A damaged job is returned with an empty state, which its reader detects; it does not block
    // the others.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, log, created_at, iif(checksum = {}, state, '') FROM jobs ORDER BY number",
        JOBS.sum()
    ))?;
    let mut rows = statement.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let what = format!("job {id}");
        jobs.push(JobRow {
            log: LogId(row.get::<_, i64>(1)?.cast_unsigned()),
            created_at: loaded_instant(row.get(2)?, &what)?,
            state: row.get(3)?,
            id,
        });
    }
    Ok(jobs)
}
