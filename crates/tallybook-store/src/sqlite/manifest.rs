//! The manifests: one small value per log, replaced by compare-and-swap.

use super::checksum::{MANIFESTS, seal};
use super::failure::Failure;
use super::number::{loaded, stored};
use crate::Manifest;
use rusqlite::{Connection, OptionalExtension, params};
use tallybook_core::ids::LogId;

/// Replaces the manifest if its version is `expected`; returns whether it did.
pub(super) fn swap(
    connection: &Connection,
    log: LogId,
    expected: u64,
    bytes: &[u8],
) -> Result<bool, Failure> {
    let log = stored(log.0)?;
    let Ok(expected) = stored(expected) else {
        // A version that large was never stored.
        return Ok(false);
    };
    let changed = if expected == 0 {
        connection
            .prepare_cached(
                "INSERT INTO manifests (log, version, bytes) VALUES (?, 1, ?)
                 ON CONFLICT (log) DO NOTHING",
            )?
            .execute(params![log, bytes])?
    } else {
        connection
            .prepare_cached(
                "UPDATE manifests SET version = version + 1, bytes = ?3
                 WHERE log = ?1 AND version = ?2",
            )?
            .execute(params![log, expected, bytes])?
    };
    if changed == 1 {
        seal(connection, &MANIFESTS, log)?;
    }
    Ok(changed == 1)
}

/// A log's manifest.
pub(super) fn read(connection: &Connection, log: LogId) -> Result<Option<Manifest>, Failure> {
    let row: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT version, bytes FROM manifests WHERE log = ?")?
        .query_row([stored(log.0)?], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((version, bytes)) = row else {
        return Ok(None);
    };
    let version = loaded(version, &format!("the manifest of log {}", log.0))?;
    Ok(Some(Manifest { version, bytes }))
}
