//! Whatever is changed in the database behind the server's back, `verify` finds and names it.

use crate::bench::{enterprise, expected, import, open, sums};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use tallybook::engine::{Engine, EngineError, Options};
use tallybook_core::ids::Digest;
use tallybook_store::sqlite::SqliteStore;

/// A closed database: two imports of one account, the statements of two months.
async fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path(), "test").unwrap());
    let engine = open(store).await;
    let ent = enterprise("ent");
    import(&engine, &ent, "first", &[(1, "octo", 5), (2, "acme", 7)])
        .await
        .unwrap();
    import(
        &engine,
        &ent,
        "second",
        &[(2, "octo", 100), (31, "acme", 1)],
    )
    .await
    .unwrap();
    let sums = sums(&engine, &ent).await;
    assert_eq!(
        sums,
        expected(&[(1, "octo", 5), (2, "octo", 100), (31, "acme", 1)])
    );
    assert_eq!(engine.verify().await.unwrap().checkpoints, 1);
    directory
}

/// Opens and verifies.
async fn verify(directory: &Path) -> Result<(), EngineError> {
    let store = Arc::new(SqliteStore::open(directory, "test")?);
    let now = crate::bench::now();
    let engine = Engine::open(store, Options::default(), now).await?;
    engine.verify().await.map(drop)
}

/// The error after a change, which must mention all of `words`.
async fn assert_found(change: impl FnOnce(&Connection), words: &[&str]) {
    let directory = filled().await;
    verify(directory.path()).await.unwrap();
    let connection = Connection::open(directory.path().join("tallybook.db")).unwrap();
    change(&connection);
    connection.close().unwrap();
    let error = verify(directory.path())
        .await
        .expect_err("it was changed")
        .to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

fn change(sql: &'static str) -> impl FnOnce(&Connection) {
    move |connection| {
        let changed = connection.execute(sql, []).unwrap();
        assert_ne!(changed, 0, "{sql}");
    }
}

#[tokio::test]
async fn a_changed_name() {
    let octo = "UPDATE names SET text = 'evil' WHERE log = 1 AND text = 'octo'";
    assert_found(change(octo), &["a name of log 1", "checksum"]).await;
    let site = "UPDATE names SET text = 'evil' WHERE log = 0 AND text = 'ent'";
    assert_found(change(site), &["a name of log 0", "checksum"]).await;
    let salt = "UPDATE names SET salt = zeroblob(16) WHERE log = 1 AND text = 'octo'";
    assert_found(change(salt), &["a name of log 1", "checksum"]).await;
}

#[tokio::test]
async fn a_missing_name() {
    let middle = "DELETE FROM names WHERE log = 1 AND text = 'octo'";
    assert_found(change(middle), &["log 1", "name", "missing"]).await;
    let last = "DELETE FROM names WHERE log = 1 AND id = (SELECT max(id) FROM names WHERE log = 1)";
    assert_found(change(last), &["batch 2 of log 1", "name", "missing"]).await;
}

#[tokio::test]
async fn a_redacted_name_is_no_damage() {
    let directory = filled().await;
    let connection = Connection::open(directory.path().join("tallybook.db")).unwrap();
    change("UPDATE names SET salt = NULL, text = NULL WHERE log = 1 AND text = 'mona'")(
        &connection,
    );
    // What is derived still has the name, and is made again.
    change("DELETE FROM manifests")(&connection);
    connection.close().unwrap();
    verify(directory.path()).await.unwrap();
}

#[tokio::test]
async fn changed_moved_and_missing_batches() {
    let bytes = "UPDATE log SET batch = CAST(substr(batch, 1, length(batch) - 1) || x'00' AS BLOB)
                 WHERE log = 1 AND seq = 2";
    assert_found(change(bytes), &["batch 2 of log 1", "damaged"]).await;
    let copied = "UPDATE log SET (codec, size, batch) =
                  (SELECT codec, size, batch FROM log WHERE log = 1 AND seq = 1)
                  WHERE log = 1 AND seq = 2";
    assert_found(
        change(copied),
        &["batch 2 of log 1", "it says that it is batch 1"],
    )
    .await;
    let first = "DELETE FROM log WHERE log = 1 AND seq = 1";
    assert_found(change(first), &["log 1", "missing"]).await;
}

/// The chain tells of a gap, but not of an end that was cut off: there the head of the log must
/// agree, and if that was changed, too, the two logs.
#[tokio::test]
async fn a_log_that_lost_its_end() {
    let last = "DELETE FROM log WHERE log = 1 AND seq = 2";
    assert_found(change(last), &["batch 2 of log 1", "missing"]).await;
    let site = "DELETE FROM log WHERE log = 0 AND seq = (SELECT max(seq) FROM log WHERE log = 0)";
    assert_found(change(site), &[" of log 0", "missing"]).await;
    let head = "UPDATE heads SET seq = seq - 1 WHERE log = 1";
    assert_found(change(head), &["the newest batch of log 1", "checksum"]).await;
}

#[tokio::test]
async fn a_log_without_an_account() {
    let stray = "INSERT INTO log (log, seq, codec, size, batch)
                 SELECT 9, 1, codec, size, batch FROM log WHERE log = 1 AND seq = 1";
    assert_found(change(stray), &["log 9", "newest"]).await;
}

#[tokio::test]
async fn changed_and_missing_blobs() {
    let bytes = "UPDATE blob_bytes SET bytes = zeroblob(length(bytes))";
    assert_found(change(bytes), &["blob ", "damaged"]).await;
    // A blob of another name, though sound in itself.
    let swapped = "UPDATE blobs SET id = CAST(x'00' || substr(id, 2) AS BLOB)";
    assert_found(change(swapped), &["blob ", "missing"]).await;
    let gone = "DELETE FROM blob_bytes WHERE number = 1";
    assert_found(change(gone), &["blob ", "missing"]).await;
}

#[tokio::test]
async fn a_checkpoint_that_is_not_what_the_ledger_gives() {
    // The manifest ends with the month's fingerprint and blob, a byte that says that the account has
    // no checkpoint, and its own hash: name another blob.
    let other = |connection: &Connection| {
        let read = "SELECT bytes FROM manifests WHERE log = 1";
        let mut manifest: Vec<u8> = connection.query_row(read, [], |row| row.get(0)).unwrap();
        manifest.truncate(manifest.len() - 33);
        let place = manifest.len() - 32;
        let read = "SELECT id FROM blobs WHERE id <> ? ORDER BY number";
        let named = [manifest[place..].to_vec()];
        let other: Vec<u8> = connection.query_row(read, named, |row| row.get(0)).unwrap();
        manifest[place..].copy_from_slice(&other);
        manifest.push(0);
        let digest = Digest::of(&manifest);
        manifest.extend_from_slice(&digest.0);
        let write = "UPDATE manifests SET bytes = ? WHERE log = 1";
        connection.execute(write, params![manifest]).unwrap();
    };
    assert_found(other, &["checkpoint of 2026-01", "enterprise ent"]).await;
    let torn = "UPDATE manifests SET bytes = CAST(substr(bytes, 1, 20) AS BLOB)";
    assert_found(change(torn), &["manifest of log 1", "damaged"]).await;
}
