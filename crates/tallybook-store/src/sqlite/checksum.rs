//! Checksums of the rows that no hash protects.
//!
//! Batches chain each other by their hashes, and the bytes of a blob are named by their hash. Every
//! other row ends with a checksum over all of its other columns, which SQLite computes by a
//! function of ours: a flipped bit is found by [`check`]. Batches commit to names, too, but an
//! account that starts from its checkpoint reads its names without them.
//! Invariant: a row's checksum is set in the same request that writes the row, and a damaged row is
//! never given a new checksum unless all of it is replaced.

use super::failure::Failure;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{Connection, OptionalExtension};

/// A table whose rows have checksums.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    /// The columns in checksum order; the first is the key.
    columns: &'static [&'static str],
    /// The name of a row in messages; `{}` is its key.
    row: &'static str,
    /// Which rows need no checksum: an SQL condition.
    exempt: &'static str,
}

const NONE: &str = "FALSE";

pub(super) const AUDIT: Table = Table {
    name: "audit",
    columns: &[
        "number", "at", "actor", "login", "address", "account", "action", "detail",
    ],
    row: "line {} of the audit log",
    exempt: NONE,
};

pub(super) const BLOBS: Table = Table {
    name: "blobs",
    columns: &["number", "id", "codec", "size", "stored_size", "put_at"],
    row: "row {} of the list of blobs",
    exempt: NONE,
};

pub(super) const FACTS: Table = Table {
    name: "facts",
    columns: &["key", "value"],
    row: "fact {}",
    exempt: NONE,
};

pub(super) const HEADS: Table = Table {
    name: "heads",
    columns: &["log", "seq"],
    row: "the number of the newest batch of log {}",
    exempt: NONE,
};

pub(super) const JOBS: Table = Table {
    name: "jobs",
    columns: &["number", "id", "log", "created_at", "state"],
    row: "job {}",
    exempt: NONE,
};

pub(super) const MANIFESTS: Table = Table {
    name: "manifests",
    columns: &["log", "version", "bytes"],
    row: "the manifest of log {} (derived: what it names is made again from the log)",
    exempt: NONE,
};

pub(super) const NAMES: Table = Table {
    name: "names",
    columns: &["log", "id", "salt", "text"],
    row: "a name of log {}",
    // A redacted one has nothing left to be checked.
    exempt: "text IS NULL",
};

pub(super) const TOKENS: Table = Table {
    name: "tokens",
    columns: &[
        "number",
        "id",
        "hash",
        "grants",
        "created_at",
        "expires_at",
        "revoked_at",
    ],
    row: "token {}",
    exempt: NONE,
};

const TABLES: [&Table; 8] = [
    &AUDIT, &BLOBS, &FACTS, &HEADS, &JOBS, &MANIFESTS, &NAMES, &TOKENS,
];

impl Table {
    fn key(&self) -> &'static str {
        self.columns[0]
    }

    /// An SQL expression for the checksum that a row must have.
    pub(super) fn sum(&self) -> String {
        format!("row_checksum({})", self.columns.join(", "))
    }

    /// An SQL condition: a row has the checksum of its values, or needs none.
    pub(super) fn is_sound(&self) -> String {
        format!("{} OR checksum = {}", self.exempt, self.sum())
    }

    /// The error that names a damaged row.
    pub(super) fn damaged(&self, key: &str) -> Failure {
        let detail = "its values are not those of its checksum";
        Failure::damaged(self.row.replace("{}", key), detail)
    }
}

/// Registers the function `row_checksum(value, ...)` on a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("row_checksum", -1, flags, |values| Ok(sum(values)))
}

/// The first 64 bits of a BLAKE3 hash over the types, lengths and bytes of values. Part of the data
/// format.
fn sum(values: &Context<'_>) -> i64 {
    let mut hasher = blake3::Hasher::new();
    for place in 0..values.len() {
        let integer;
        let (kind, bytes): (u8, &[u8]) = match values.get_raw(place) {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(value) => {
                integer = value.to_le_bytes();
                (1, &integer)
            }
            ValueRef::Real(value) => {
                integer = value.to_le_bytes();
                (2, &integer)
            }
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        hasher.update(&[kind]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    i64::from_le_bytes(first)
}

/// Sets the checksum of the row with this key.
pub(super) fn seal(connection: &Connection, table: &Table, key: impl ToSql) -> Result<(), Failure> {
    let (name, sum, column) = (table.name, table.sum(), table.key());
    let sql = format!("UPDATE {name} SET checksum = {sum} WHERE {column} = ?");
    connection.prepare_cached(&sql)?.execute([key])?;
    Ok(())
}

/// Whether the row whose `column` has this value has a correct checksum; `None` when there is no
/// such row.
pub(super) fn is_sound(
    connection: &Connection,
    table: &Table,
    column: &str,
    value: impl ToSql,
) -> Result<Option<bool>, Failure> {
    let (name, sum) = (table.name, table.sum());
    let sql = format!("SELECT checksum = {sum} FROM {name} WHERE {column} = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([value], |row| row.get(0)).optional()?)
}

/// Seals every row; for a database that had no checksums.
pub(super) fn seal_all(connection: &Connection) -> Result<(), Failure> {
    for table in TABLES {
        let sql = format!("UPDATE {} SET checksum = {}", table.name, table.sum());
        connection.execute(&sql, [])?;
    }
    Ok(())
}

/// Fails at the first row whose values are not those that were written.
pub(super) fn check(connection: &Connection) -> Result<(), Failure> {
    for table in TABLES {
        let (name, key, sound) = (table.name, table.key(), table.is_sound());
        let sql = format!("SELECT {key} FROM {name} WHERE NOT ({sound}) LIMIT 1");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        if let Some(row) = rows.next()? {
            let key = match row.get_ref(0)? {
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                _ => "without a key".to_owned(),
            };
            return Err(table.damaged(&key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{connection, schema};
    use super::*;

    /// Of `7, 'a', NULL`.
    const PINNED: i64 = -8_958_959_123_723_424_718;

    fn database() -> (tempfile::TempDir, Connection) {
        let directory = tempfile::TempDir::new().expect("a temporary directory");
        let path = directory.path().join("a.db");
        connection::create(&path).expect("creates");
        let writer = connection::open_writer(&path).expect("opens");
        (directory, writer)
    }

    /// Tables and columns added later must have checksums, or a reason not to.
    #[test]
    fn every_column_is_vouched_for() {
        let (_directory, connection) = database();
        let columns_of = |table: &str| -> Vec<String> {
            let sql = "SELECT name FROM pragma_table_info(?) WHERE name <> 'checksum'";
            let mut statement = connection.prepare(sql).expect("prepares");
            let names = statement.query_map([table], |row| row.get(0));
            names
                .expect("reads")
                .map(|name| name.expect("reads"))
                .collect()
        };
        for name in schema::TABLES {
            match TABLES.iter().find(|table| table.name == name) {
                Some(table) => {
                    let mut columns = columns_of(name);
                    let mut summed = table.columns.to_vec();
                    columns.sort_unstable();
                    summed.sort_unstable();
                    assert_eq!(columns, summed, "{name}");
                }
                // Chained batches, and bytes under the name of their hash.
                None => assert!(["blob_bytes", "log"].contains(&name), "{name}"),
            }
        }
    }

    #[test]
    fn a_checksum_tells_values_types_and_borders() {
        let (_directory, connection) = database();
        let lists = [
            "1",
            "2",
            "1.0",
            "'1'",
            "x'31'",
            "NULL",
            "1, NULL",
            "NULL, 1",
            "'ab', 'c'",
            "'a', 'bc'",
            "'abc'",
            "''",
            "x''",
            "'', ''",
        ];
        let sums = lists.map(|list| {
            let sql = format!("SELECT row_checksum({list})");
            let sum = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
            sum.expect("sums")
        });
        let different: std::collections::BTreeSet<i64> = sums.into_iter().collect();
        assert_eq!(different.len(), lists.len());
        // Part of the data format: must never change.
        let sum = connection.query_row("SELECT row_checksum(7, 'a', NULL)", [], |row| row.get(0));
        assert_eq!(sum, Ok(PINNED));
    }

    #[test]
    fn a_changed_value_is_found_and_named() {
        let (_directory, connection) = database();
        let add = "INSERT INTO facts (key, value) VALUES ('demo', x'0102')";
        connection.execute(add, []).expect("adds");
        check(&connection).expect_err("it has no checksum");
        seal(&connection, &FACTS, "demo").expect("seals");
        check(&connection).expect("sound");
        let sound = |key: &str| is_sound(&connection, &FACTS, "key", key).expect("reads");
        assert_eq!((sound("demo"), sound("other")), (Some(true), None));
        let change = "UPDATE facts SET value = x'0103'";
        connection.execute(change, []).expect("changes");
        assert_eq!(sound("demo"), Some(false));
        match check(&connection) {
            Err(Failure::Damaged { what, .. }) => assert_eq!(what, "fact demo"),
            other => panic!("not damaged but {other:?}"),
        }
        seal_all(&connection).expect("seals");
        check(&connection).expect("sound");
    }
}
