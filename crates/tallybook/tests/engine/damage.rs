//! A data directory that was changed by something else, and a disk that is full: an error, or the
//! numbers that were there before; never others.
//!
//! Look next: [`crate::script`] for what is stored.

use crate::script::{self, ROUNDS};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tallybook::engine::metering::SubmitError;
use tallybook::engine::{Engine, EngineError};
use tallybook_store::StoreError;
use tallybook_store::sqlite::SqliteStore;
use tempfile::TempDir;

const DATABASE: &str = "tallybook.db";
const LOG: &str = "tallybook.db-wal";
const PAGE: usize = 8192;

/// An engine with the whole script.
async fn filled(directory: &Path) -> Arc<Engine> {
    let engine = script::open(directory).await.unwrap();
    script::declare(&engine).await.unwrap();
    for round in 0..ROUNDS {
        script::submit(&engine, round).await.unwrap();
        engine.settle().await;
    }
    engine
}

/// Wherever the file is overwritten or a bit flipped.
#[tokio::test]
async fn a_changed_page_never_gives_other_numbers() {
    let directory = TempDir::new().unwrap();
    script::close(filled(directory.path()).await).await;
    let file = directory.path().join(DATABASE);
    let sound = fs::read(&file).unwrap();
    let (mut found, mut tried) = (0, 0);
    for place in (100..sound.len()).step_by(PAGE / 4 + 61) {
        let mut bytes = sound.clone();
        if tried % 2 == 0 {
            bytes[place] ^= 1 << (tried % 8);
        } else {
            let end = sound.len().min(place + 64);
            bytes[place..end].fill(0xa5);
        }
        tried += 1;
        let copy = TempDir::new().unwrap();
        fs::write(copy.path().join(DATABASE), &bytes).unwrap();
        found += usize::from(is_found(copy.path(), &format!("byte {place}")).await);
    }
    // Most pages of so little have room that nothing uses, and derived state is made again.
    assert!(found * 10 > tried, "only {found} of {tried} were found");
}

/// Whether damage is found; if not, the answers are right.
async fn is_found(directory: &Path, what: &str) -> bool {
    let engine = match script::open(directory).await {
        Ok(engine) => engine,
        Err(error) => {
            assert!(!error.is_empty());
            return true;
        }
    };
    let verified = engine.verify().await;
    let Some(found) = engine
        .site()
        .directory
        .find(&crate::bench::enterprise("ent"))
    else {
        return verified.is_err();
    };
    match engine.view(&found).await {
        Ok(view) => {
            let month = crate::bench::january();
            if engine.statement(&view, month).await.is_ok() && verified.is_ok() {
                let sums = script::counted(&engine).await;
                assert_eq!(sums, script::expected(ROUNDS), "{what}");
            }
        }
        Err(_) => assert!(verified.is_err(), "{what}: verify finds nothing"),
    }
    verified.is_err()
}

/// A write-ahead log whose end was torn off holds a number of first rounds, whole ones.
#[tokio::test]
async fn a_torn_log_holds_first_rounds() {
    let directory = TempDir::new().unwrap();
    let engine = filled(directory.path()).await;
    let database = fs::read(directory.path().join(DATABASE)).unwrap();
    let log = fs::read(directory.path().join(LOG)).unwrap();
    assert!(log.len() > 20 * PAGE, "{} bytes", log.len());
    script::close(engine).await;
    let last = script::expected(ROUNDS);
    let mut rounds_seen = Vec::new();
    for end in (0..log.len()).rev().step_by(PAGE * 5 + 1021) {
        let copy = TempDir::new().unwrap();
        fs::write(copy.path().join(DATABASE), &database).unwrap();
        // Torn by its length, or by what its last page holds.
        let mut torn = log.clone();
        if end % 2 == 0 {
            torn.truncate(end);
        } else {
            torn[end..].fill(0);
        }
        fs::write(copy.path().join(LOG), &torn).unwrap();
        let engine = script::open(copy.path()).await.unwrap();
        let found = script::counted(&engine).await;
        let rounds = (0..=ROUNDS).find(|rounds| found == script::expected(*rounds));
        let rounds = rounds.unwrap_or_else(|| panic!("torn at {end}: {found:?}"));
        rounds_seen.push(rounds);
        script::check_engine(&engine, rounds, &format!("torn at {end}")).await;
        assert_eq!(script::counted(&engine).await, last);
    }
    assert!(rounds_seen.is_sorted_by(|left, right| left >= right));
    assert!(rounds_seen.contains(&0), "{rounds_seen:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_until_there_is_room() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path(), "a test").unwrap());
    let engine = script::over(Arc::clone(&store)).await.unwrap();
    script::declare(&engine).await.unwrap();
    let mut refused = 0;
    for round in 0..ROUNDS {
        // SQLite takes this for "no larger than now"; pages that are free may still be used.
        store.limit_pages(1).await.unwrap();
        match script::submit(&engine, round).await {
            Ok(_) => {}
            Err(SubmitError::Engine(EngineError::Store(StoreError::Full { .. }))) => {
                refused += 1;
                let before = script::expected(round);
                assert_eq!(script::counted(&engine).await, before, "round {round}");
                store.limit_pages(1 << 30).await.unwrap();
                script::submit(&engine, round).await.unwrap();
            }
            Err(other) => panic!("not full but {other}"),
        }
        store.limit_pages(1 << 30).await.unwrap();
        engine.settle().await;
    }
    assert!(refused > 0, "the disk was never full");
    script::check_engine(&engine, ROUNDS, "was full").await;
}
