//! The logs: append by compare-and-swap, and read in order.
//!
//! Invariant: a log's rows are numbered from 1 without a gap up to its head; reading checks it. The
//! head has a row of its own, with a checksum, because a damaged index could make the log look
//! shorter.

use super::checksum::HEADS;
use super::failure::Failure;
use super::number::{loaded, stored};
use super::packed::{Packed, unpack};
use crate::LogRow;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tallybook_core::ids::{LogId, Seq};

/// Adds the batch after `expected`, which must be the log's newest.
pub(super) fn append(
    connection: &Connection,
    log: LogId,
    expected: Seq,
    batch: &Packed,
) -> Result<(), Failure> {
    let newest = head(connection, log)?;
    if newest != expected {
        return Err(Failure::Conflict { log, newest });
    }
    connection
        .prepare_cached("INSERT INTO log (log, seq, codec, size, batch) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            stored(log.0)?,
            stored(expected.next().0)?,
            batch.codec(),
            stored(batch.size() as u64)?,
            batch.bytes(),
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO heads (log, seq, checksum) VALUES (?1, ?2, row_checksum(?1, ?2))
             ON CONFLICT (log) DO UPDATE SET seq = excluded.seq, checksum = excluded.checksum",
        )?
        .execute(params![stored(log.0)?, stored(expected.next().0)?])?;
    Ok(())
}

/// The newest batch; 0 when there is none.
pub(super) fn head(connection: &Connection, log: LogId) -> Result<Seq, Failure> {
    let sql = format!(
        "SELECT log, seq, checksum = {} FROM heads WHERE log = ?",
        HEADS.sum()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([stored(log.0)?])?;
    match rows.next()? {
        Some(row) => from_row(row).map(|(_, newest)| newest),
        None => Ok(Seq(0)),
    }
}

/// The newest batch of every log.
pub(super) fn heads(connection: &Connection) -> Result<Vec<(LogId, Seq)>, Failure> {
    let sum = HEADS.sum();
    let sql = format!("SELECT log, seq, checksum = {sum} FROM heads ORDER BY log");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        heads.push(from_row(row)?);
    }
    Ok(heads)
}

fn from_row(row: &Row<'_>) -> Result<(LogId, Seq), Failure> {
    let log: i64 = row.get(0)?;
    if !row.get::<_, bool>(2)? {
        return Err(HEADS.damaged(&log.to_string()));
    }
    let newest = loaded(row.get(1)?, "a batch's number")?;
    Ok((LogId(loaded(log, "a log's number")?), Seq(newest)))
}

/// Checks that the rows of every log go as far as its head and no further, and that every log has
/// one. Skips from log to log along the index, at a few page reads per log rather than one per
/// batch.
pub(super) fn check(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare(
        "WITH RECURSIVE each (log) AS (
             SELECT min(log) FROM log
             UNION ALL
             SELECT (SELECT min(log) FROM log WHERE log > each.log) FROM each
             WHERE each.log IS NOT NULL
         ),
         ends (log, seq) AS (
             SELECT each.log, (SELECT max(seq) FROM log WHERE log.log = each.log)
             FROM each WHERE each.log IS NOT NULL
         )
         SELECT log FROM ends FULL JOIN heads USING (log)
         WHERE ends.seq IS NOT heads.seq ORDER BY log LIMIT 1",
    )?;
    let log: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    match log {
        None => Ok(()),
        Some(log) => Err(Failure::damaged(
            format!("log {log}"),
            "its batches do not end with its newest one",
        )),
    }
}

/// Batches after `after`, in order, until about `max_bytes` of them; at least one, if any.
pub(super) fn read(
    connection: &Connection,
    log: LogId,
    after: Seq,
    max_bytes: usize,
) -> Result<Vec<LogRow>, Failure> {
    // No batch has a number that SQLite cannot represent, so none follows.
    let Ok(after_stored) = i64::try_from(after.0) else {
        return Ok(Vec::new());
    };
    // Read before the rows: rows appended meanwhile are beyond it.
    let head = head(connection, log)?;
    let mut statement = connection.prepare_cached(
        "SELECT seq, codec, size, batch FROM log WHERE log = ? AND seq > ? ORDER BY seq",
    )?;
    let mut rows = statement.query(params![stored(log.0)?, after_stored])?;
    let mut read = Vec::new();
    let (mut newest, mut bytes) = (after, 0);
    while let Some(row) = rows.next()? {
        let seq = Seq(loaded(row.get(0)?, "a batch's number")?);
        let what = format!("batch {} of log {}", seq.0, log.0);
        if seq != newest.next() {
            let missing = format!("batch {} of log {}", newest.next().0, log.0);
            return Err(Failure::damaged(
                missing,
                format!("it is missing before {what}"),
            ));
        }
        let size: usize = loaded(row.get(2)?, &what)?;
        if !read.is_empty() && size.saturating_add(bytes) > max_bytes {
            return Ok(read);
        }
        let stored_batch = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let batch = unpack(row.get(1)?, row.get(2)?, stored_batch, &what)?;
        bytes += batch.len();
        newest = seq;
        read.push(LogRow { seq, batch });
    }
    if newest < head {
        let what = format!("batch {} of log {}", newest.next().0, log.0);
        return Err(Failure::damaged(
            what,
            format!("it is missing before the end, {}", head.0),
        ));
    }
    Ok(read)
}
