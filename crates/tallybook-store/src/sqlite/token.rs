//! The access tokens' rows.

use super::failure::Failure;
use super::number::loaded_instant;
use crate::TokenRow;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tallybook_core::time::Instant;

const COLUMNS: &str = "id, hash, grants, created_at, expires_at, revoked_at";

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
    Ok(())
}

/// Marks a token revoked; the first time stands.
pub(super) fn revoke(connection: &Connection, id: &str, at: Instant) -> Result<(), Failure> {
    let found = connection
        .prepare_cached("UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?")?
        .execute(params![at.seconds(), id])?;
    if found == 0 {
        return Err(Failure::refused(
            format!("revoking token {id}"),
            "there is no such token",
        ));
    }
    Ok(())
}

/// The token with this hash.
pub(super) fn find(connection: &Connection, hash: [u8; 32]) -> Result<Option<TokenRow>, Failure> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?"))?
        .query_row([hash], |row| Ok(from_row(row)))
        .optional()?
        .transpose()
}

/// Every token, oldest first.
pub(super) fn list(connection: &Connection) -> Result<Vec<TokenRow>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY created_at, number");
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
