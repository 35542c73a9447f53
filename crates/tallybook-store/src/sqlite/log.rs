//! The logs: append by compare-and-swap, and read in order.
//!
//! Invariant: a log's rows are numbered from 1 without a gap; reading checks it.

use super::failure::Failure;
use super::number::{loaded, stored};
use super::packed::{Packed, unpack};
use crate::LogRow;
use rusqlite::{Connection, OptionalExtension, params};
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
    Ok(())
}

/// The newest batch; 0 when there is none.
pub(super) fn head(connection: &Connection, log: LogId) -> Result<Seq, Failure> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM log WHERE log = ?")?
        .query_row([stored(log.0)?], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(Seq(loaded(newest.unwrap_or(0), "a batch's number")?))
}

/// The newest batch of every log. Hops from log to log along the index: the cost is a few page
/// reads a log, not one a batch.
pub(super) fn heads(connection: &Connection) -> Result<Vec<(LogId, Seq)>, Failure> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE each (log) AS (
             SELECT min(log) FROM log
             UNION ALL
             SELECT (SELECT min(log) FROM log WHERE log > each.log) FROM each
             WHERE each.log IS NOT NULL
         )
         SELECT each.log, (SELECT max(seq) FROM log WHERE log.log = each.log)
         FROM each WHERE each.log IS NOT NULL ORDER BY each.log",
    )?;
    let mut rows = statement.query([])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        let log = LogId(loaded(row.get(0)?, "a log's number")?);
        heads.push((log, Seq(loaded(row.get(1)?, "a batch's number")?)));
    }
    Ok(heads)
}

/// Batches after `after`, in order, until about `max_bytes` of them; at least one, if any.
pub(super) fn read(
    connection: &Connection,
    log: LogId,
    after: Seq,
    max_bytes: usize,
) -> Result<Vec<LogRow>, Failure> {
    // No batch has a number that SQLite cannot hold, so there is none after one.
    let Ok(after_stored) = i64::try_from(after.0) else {
        return Ok(Vec::new());
    };
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
            break;
        }
        let stored_batch = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let batch = unpack(row.get(1)?, row.get(2)?, stored_batch, &what)?;
        bytes += batch.len();
        newest = seq;
        read.push(LogRow { seq, batch });
    }
    Ok(read)
}
