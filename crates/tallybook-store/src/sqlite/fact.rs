//! The facts: small values by key.

use super::checksum::{FACTS, seal};
use super::failure::Failure;
use rusqlite::{Connection, OptionalExtension, params};

/// Sets a fact, or replaces it.
pub(super) fn set(connection: &Connection, key: &str, value: &[u8]) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO facts (key, value) VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    seal(connection, &FACTS, key)
}

/// A fact set earlier.
pub(super) fn get(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    Ok(connection
        .prepare_cached("SELECT value FROM facts WHERE key = ?")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}
