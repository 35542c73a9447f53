//! A data directory that was changed by something else, and a disk that is full: an error, or the
//! numbers that were there before; never others.
//!
//! Look next: [`crate::script`] for what is stored.

use crate::bench::{self, Sums};
use crate::script::{self, ROUNDS};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tallybook::engine::metering::SubmitError;
use tallybook::engine::{Engine, EngineError};
use tallybook_core::ids::LogId;
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::testing::contents;
use tallybook_store::{Effect, JobRow, StoreError, TokenRow};
use tempfile::TempDir;

const DATABASE: &str = "tallybook.db";
const LOG: &str = "tallybook.db-wal";
const PAGE: usize = 8192;

/// The page of the index over (log, seq): the tables are always made in the same order.
const LOG_INDEX_PAGE: usize = 4;

const IMPORTED: [bench::Usage; 2] = [(1, "octo", 5), (2, "acme", 7)];

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

/// A closed database that has some of everything: what the script makes, an import of another
/// account, a token, a job and a fact.
async fn with_everything(directory: &Path) {
    let engine = filled(directory).await;
    bench::import(&engine, &bench::enterprise("other"), "other", &IMPORTED)
        .await
        .unwrap();
    let token = TokenRow {
        id: "token-1".to_owned(),
        hash: [7; 32],
        grants: "none".to_owned(),
        created_at: bench::now(),
        expires_at: None,
        revoked_at: None,
    };
    let actor = bench::actor();
    let added = engine.add_token(token, &actor);
    added.await.unwrap();
    engine.set_fact("fact", b"value".to_vec()).await.unwrap();
    let job = Effect::PutJob(JobRow {
        id: "job-1".to_owned(),
        log: LogId(1),
        created_at: bench::now(),
        state: "unreadable".to_owned(),
    });
    engine.store().append(vec![], vec![job]).await.unwrap();
    assert_eq!(answers(&engine).await, right_answers());
    script::close(engine).await;
}

/// What is counted for both accounts; `None` where that is an error.
async fn answers(engine: &Engine) -> [Option<Sums>; 2] {
    let of = async |slug: &str| {
        let account = bench::enterprise(slug);
        // A name that is not known is no number.
        engine.site().directory.find(&account)?;
        bench::try_sums(engine, &account).await.ok()
    };
    [of("ent").await, of("other").await]
}

fn right_answers() -> [Option<Sums>; 2] {
    [
        Some(script::expected(ROUNDS)),
        Some(bench::expected(&IMPORTED)),
    ]
}

/// Wherever a bit flips or bytes are overwritten: `verify` finds it, or it was in bytes that hold
/// nothing, which shows by every row of every table being what it was. And whether or not anybody
/// has verified: an answer is an error or has the right numbers.
#[tokio::test]
async fn damage_anywhere_is_found_and_gives_no_other_numbers() {
    let directory = TempDir::new().unwrap();
    with_everything(directory.path()).await;
    let sound = fs::read(directory.path().join(DATABASE)).unwrap();
    let kept = contents(&directory.path().join(DATABASE));
    assert!(kept.is_some());
    let (mut found, mut unused) = (0, 0);
    for (number, place) in places(&sound).into_iter().enumerate() {
        let mut bytes = sound.clone();
        if number % 4 == 0 {
            let end = sound.len().min(place + 64);
            bytes[place..end].fill(0xa5);
        } else {
            bytes[place] ^= 1 << (number % 8);
        }
        let copy = TempDir::new().unwrap();
        fs::write(copy.path().join(DATABASE), &bytes).unwrap();
        let left = contents(&copy.path().join(DATABASE));
        if is_found(copy.path(), &format!("byte {place}")).await {
            found += 1;
        } else {
            assert_eq!(left, kept, "byte {place}: verify finds nothing");
            unused += 1;
        }
    }
    assert!(found > 300 && unused > 50, "{found} found, {unused} unused");
}

/// Places all over a file: most where something stands, for so little leaves much room in its pages.
/// Among them is every entry of the index by which logs are read, at whose end nothing follows.
fn places(sound: &[u8]) -> Vec<usize> {
    const TRIED: usize = 300;
    let used: Vec<usize> = (0..sound.len())
        .filter(|place| sound[*place] != 0)
        .collect();
    let some = used.iter().copied().step_by(used.len() / TRIED);
    let index = |place: &usize| place / PAGE + 1 == LOG_INDEX_PAGE;
    let index = used.iter().copied().filter(index);
    let anywhere = (0..sound.len()).step_by(PAGE / 4 + 61);
    some.chain(index).chain(anywhere).collect()
}

/// Whether `verify` finds damage, or nothing can be opened. What is answered is right.
async fn is_found(directory: &Path, what: &str) -> bool {
    let engine = match script::open(directory).await {
        Ok(engine) => engine,
        Err(error) => {
            assert!(!error.is_empty());
            return true;
        }
    };
    let verified = engine.verify().await;
    let answered = answers(&engine).await;
    if verified.is_ok() {
        assert_eq!(answered, right_answers(), "{what}");
    }
    for (answer, right) in answered.iter().zip(right_answers()) {
        assert!(
            answer.is_none() || *answer == right,
            "{what}: {answer:?}, {verified:?}"
        );
    }
    script::close(engine).await;
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
