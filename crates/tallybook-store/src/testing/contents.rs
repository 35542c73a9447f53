//! Everything that a database holds, for tests that change its bytes.
//!
//! Invariant: two files with the same contents differ only in bytes that hold nothing: free pages,
//! room within pages, bits that a format does not use, and SQLite's notes on how it stores what is
//! there. Nothing of the store's own checks is used to read it.

use crate::sqlite;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use tallybook_core::ids::Digest;

/// A digest over the definitions of all tables and indexes and over every value of every row, what
/// was packed unpacked; `None` when it cannot be read.
#[must_use]
pub fn contents(file: &Path) -> Option<Digest> {
    // No other process, no write-ahead log: nothing is made beside the file.
    let uri = format!("file:{}?immutable=1", file.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).ok()?;
    read(&connection).ok().flatten()
}

fn read(connection: &Connection) -> rusqlite::Result<Option<Digest>> {
    let mut all = String::new();
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let mut tables = Vec::new();
    for row in rows(connection, schema)? {
        if let [Value::Text(kind), Value::Text(name), ..] = &row[..]
            && kind == "table"
        {
            tables.push(name.clone());
        }
        all.push_str(&format!("{row:?}\n"));
    }
    for table in tables {
        // Not by an index: the rows are what counts.
        let read = format!("SELECT * FROM {table} NOT INDEXED ORDER BY 1, 2");
        for mut row in rows(connection, &read)? {
            if table == "log" || table == "blob_bytes" {
                let Some(Value::Blob(packed)) = row.pop() else {
                    return Ok(None);
                };
                let Some(unpacked) = sqlite::unpacked(&packed) else {
                    return Ok(None);
                };
                row.push(Value::Blob(Digest::of(&unpacked).0.to_vec()));
            }
            all.push_str(&format!("{table} {row:?}\n"));
        }
    }
    Ok(Some(Digest::of(all.as_bytes())))
}

fn rows(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Integer(number),
                    ValueRef::Real(number) => Value::Real(number),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                    ValueRef::Text(text) => match std::str::from_utf8(text) {
                        Ok(text) => Value::Text(text.to_owned()),
                        Err(_) => Value::Blob(text.to_vec()),
                    },
                })
            })
            .collect()
    })?;
    rows.collect()
}
