//! The access tokens' rows.
//!
//! Invariant: a damaged row is an error, never a token with different permissions.

use super::checksum::{TOKENS, is_sound, seal};
use super::failure::Failure;
use super::number::loaded_instant;
use crate::TokenRow;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tallybook_core::time::Instant;

/// The columns to read, ending with whether the row's checksum is correct.
fn columns() -> String {
    let sum = TOKENS.sum();
    format!("id, hash, grants, created_at, expires_at, revoked_at, checksum = {sum}")
}

/// Adds a token; its id and its hash must be new.
pub(super) fn add(connection: &Connection, token: &TokenRow) -> Result<(), Failure> {
    let added = connection
        .prepare_cached(
            "INSERT INTO tokens (id, hash, grants, created_at, expires_at, revoked_at)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            token.id,
            token.hash,
            token.grants,
            token.created_at.seconds(),
            token.expires_at.map(Instant::seconds),
            token.revoked_at.map(Instant::seconds),
        ])?;
    if added == 0 {
        let doing = format!("adding token {}", token.id);
        return Err(Failure::refused(
            doing,
            "its id or its hash is already there",
        ));
    }
    seal(connection, &TOKENS, connection.last_insert_rowid())
}

/// Marks a token revoked; the first revocation stands.
pub(super) fn revoke(connection: &Connection, id: &str, at: Instant) -> Result<(), Failure> {
    match is_sound(connection, &TOKENS, "id", id)? {
        Some(true) => {}
        Some(false) => return Err(TOKENS.damaged(id)),
        None => {
            return Err(Failure::refused(
                format!("revoking token {id}"),
                "there is no such token",
            ));
        }
    }
    let number: i64 = connection
        .prepare_cached(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING number",
        )?
        .query_row(params![at.seconds(), id], |row| row.get(0))?;
    seal(connection, &TOKENS, number)
}

/// The token with this hash.
pub(super) fn find(connection: &Connection, hash: [u8; 32]) -> Result<Option<TokenRow>, Failure> {
    connection
        .prepare_cached(&format!("SELECT {} FROM tokens WHERE hash = ?", columns()))?
        .query_row([hash], |row| Ok(from_row(row)))
        .optional()?
        .transpose()
}

/// Every token, oldest first.
pub(super) fn list(connection: &Connection) -> Result<Vec<TokenRow>, Failure> {
    let columns = columns();
    let sql = format!("SELECT {columns} FROM tokens ORDER BY created_at, number");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(from_row(row)?);
    }
    Ok(tokens)
}

fn from_row(row: &Row<'_>) -> Result<TokenRow, Failure> {
    let id: String = row.get(0)?;
    if !row.get::<_, bool>(6)? {
        return Err(TOKENS.damaged(&id));
    }
    let what = format!("token {id}");
    let optional = |seconds: Option<i64>| {
        seconds
            .map(|seconds| loaded_instant(seconds, &what))
            .transpose()
    };
    Ok(TokenRow {
        hash: row.get(1)?,
        grants: row.get(2)?,
        created_at: loaded_instant(row.get(3)?, &what)?,
        expires_at: optional(row.get(4)?)?,
        revoked_at: optional(row.get(5)?)?,
        id,
    })
}
