//! The data format: its application id, its number, and the migrations between formats.
//!
//! To change the format: add `migrations/N.sql` (never edit one that was released), append it to
//! [`MIGRATIONS`], and keep a database of the previous format as a fixture that must always open.
//! All steps run in one transaction at startup; an older program refuses what a newer one wrote.
//! Invariant: `user_version` says which steps were run, and changes with them or not at all.

use super::checksum;
use super::failure::Failure;
use rusqlite::Connection;

/// Marks a database as Tallybook's: "TlyB" in SQLite's `application_id`.
pub(super) const APPLICATION_ID: u32 = 0x546c_7942;

/// The newest data format, which the steps lead to.
pub(super) const FORMAT: u32 = 3;

/// Step N - 1 leads from format N - 1 to format N.
const MIGRATIONS: [&str; FORMAT as usize] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
];

/// The tables of the newest format.
pub(super) const TABLES: [&str; 10] = [
    "audit",
    "blob_bytes",
    "blobs",
    "facts",
    "heads",
    "jobs",
    "log",
    "manifests",
    "names",
    "tokens",
];

/// The format of an open database.
pub(super) fn format(connection: &Connection) -> Result<u32, Failure> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// The application id of an open database.
pub(super) fn application_id(connection: &Connection) -> Result<u32, Failure> {
    Ok(connection.pragma_query_value(None, "application_id", |row| row.get(0))?)
}

/// Runs the missing steps, all in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    let from = format(connection)?;
    if from == FORMAT {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in MIGRATIONS.iter().skip(from as usize) {
        transaction.execute_batch(step)?;
    }
    // Formats 1 and 2 had no checksums. From format 3 on, check them before the next step.
    checksum::seal_all(&transaction)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// Checks that every table and index is as a new database has it. Without this a flipped bit in a
/// table's definition could go unnoticed.
pub(super) fn check(connection: &Connection) -> Result<(), Failure> {
    let mut new = Connection::open_in_memory()?;
    checksum::register(&new)?;
    migrate(&mut new)?;
    if definitions(connection)? == definitions(&new)? {
        return Ok(());
    }
    let detail = "tables or indexes are not as they were made";
    Err(Failure::damaged("the database's schema", detail))
}

type Definition = (String, String, String, Option<String>);

fn definitions(connection: &Connection) -> Result<Vec<Definition>, Failure> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Commits a page without changing anything.
pub(super) fn touch(connection: &Connection) -> Result<(), Failure> {
    let format = format(connection)?;
    Ok(connection.pragma_update(None, "user_version", format)?)
}

/// The first table of the newest format that this database lacks.
pub(super) fn missing_table(connection: &Connection) -> Result<Option<&'static str>, Failure> {
    let mut statement = connection
        .prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?")?;
    for table in TABLES {
        let found: u32 = statement.query_row([table], |row| row.get(0))?;
        if found == 0 {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::{connection, file};
    use super::*;

    #[test]
    fn touching_writes_a_commit_and_changes_nothing() {
        let directory = tempfile::TempDir::new().expect("a temporary directory");
        let path = directory.path().join("a.db");
        connection::create(&path).expect("creates");
        let writer = connection::open_writer(&path).expect("opens");
        for _ in 0..2 {
            let before = file::size(&file::wal(&path)).expect("is there");
            touch(&writer).expect("commits");
            assert!(file::size(&file::wal(&path)).expect("is there") > before);
            assert_eq!(format(&writer).expect("reads"), FORMAT);
        }
    }
}
