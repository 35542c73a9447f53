//! The blobs: immutable bytes named by the hash of their content.
//!
//! Invariant: bytes are checked against their name whenever they are read.

use super::checksum::{self, BLOBS, seal};
use super::failure::Failure;
use super::number::{loaded, loaded_instant, stored};
use super::packed::{Packed, unpack};
use crate::BlobInfo;
use rusqlite::{Connection, OptionalExtension, params};
use tallybook_core::ids::Digest;
use tallybook_core::time::Instant;

/// Stores a blob. If it exists, `put_at` is renewed, and the stored bytes are replaced if damaged.
pub(super) fn put(
    connection: &Connection,
    id: Digest,
    blob: &Packed,
    at: Instant,
) -> Result<(), Failure> {
    if is_sound(connection, id)? {
        let number: i64 = connection
            .prepare_cached("UPDATE blobs SET put_at = ? WHERE id = ? RETURNING number")?
            .query_row(params![at.seconds(), id.0], |row| row.get(0))?;
        return seal(connection, &BLOBS, number);
    }
    let number: i64 = connection
        .prepare_cached(
            "INSERT INTO blobs (id, codec, size, stored_size, put_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET codec = excluded.codec, size = excluded.size,
             stored_size = excluded.stored_size, put_at = excluded.put_at RETURNING number",
        )?
        .query_row(
            params![
                id.0,
                blob.codec(),
                stored(blob.size() as u64)?,
                stored(blob.bytes().len() as u64)?,
                at.seconds(),
            ],
            |row| row.get(0),
        )?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO blob_bytes (number, bytes) VALUES (?, ?)")?
        .execute(params![number, blob.bytes()])?;
    seal(connection, &BLOBS, number)
}

/// Whether a blob exists, can be read, and has a sound row.
fn is_sound(connection: &Connection, id: Digest) -> Result<bool, Failure> {
    if checksum::is_sound(connection, &BLOBS, "id", id.0)? != Some(true) {
        return Ok(false);
    }
    match get(connection, id) {
        Ok(found) => Ok(found.is_some()),
        Err(failure) if failure.is_structural() => Err(failure),
        Err(Failure::Damaged { .. }) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// A blob's bytes.
pub(super) fn get(connection: &Connection, id: Digest) -> Result<Option<Vec<u8>>, Failure> {
    // The outer join distinguishes a missing blob from one that has lost its bytes.
    let row: Option<(i64, i64, Option<Vec<u8>>)> = connection
        .prepare_cached(
            "SELECT codec, size, bytes FROM blobs LEFT JOIN blob_bytes USING (number)
             WHERE id = ?",
        )?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((codec, size, bytes)) = row else {
        return Ok(None);
    };
    let what = format!("blob {id}");
    let bytes = bytes.ok_or_else(|| Failure::damaged(&what, "its bytes are missing"))?;
    let bytes = unpack(codec, size, &bytes, &what)?;
    if Digest::of(&bytes) != id {
        return Err(Failure::damaged(what, "its bytes have another hash"));
    }
    Ok(Some(bytes))
}

/// Every blob, by id.
pub(super) fn list(connection: &Connection) -> Result<Vec<BlobInfo>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, size, stored_size, put_at FROM blobs ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut blobs = Vec::new();
    while let Some(row) = rows.next()? {
        let id = Digest(row.get(0)?);
        let what = format!("blob {id}");
        blobs.push(BlobInfo {
            id,
            size: loaded(row.get(1)?, &what)?,
            stored_size: loaded(row.get(2)?, &what)?,
            put_at: loaded_instant(row.get(3)?, &what)?,
        });
    }
    Ok(blobs)
}

/// Deletes blobs that were put before `before`; missing ones are not an error.
pub(super) fn delete(
    connection: &Connection,
    ids: &[Digest],
    before: Option<Instant>,
) -> Result<(), Failure> {
    let mut statement =
        connection.prepare_cached("DELETE FROM blobs WHERE id = ? AND put_at < ?")?;
    let before = before.map_or(i64::MAX, Instant::seconds);
    for id in ids {
        statement.execute((id.0, before))?;
    }
    Ok(())
}
