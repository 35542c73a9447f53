//! Derived blobs: whose they are, when they are deleted, and that what is lost of them is made
//! again from the log, wherever it is read.

use crate::bench::{Sums, enterprise, import, now, sums};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tallybook::engine::metering::{Incoming, Payer, Receipt, Submission, SubmitError};
use tallybook::engine::{Engine, Options};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::ids::Digest;
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::time::{Instant, Timestamp};
use tallybook_store::sqlite::{self, SqliteStore};
use tempfile::TempDir;

/// Every commit of events makes a checkpoint.
async fn open(directory: &Path) -> Arc<Engine> {
    let store = Arc::new(SqliteStore::open(directory, "test").unwrap());
    let options = Options {
        recent_keys: 1,
        ..Options::default()
    };
    Engine::open(store, options, now()).await.unwrap()
}

fn name(id: &str) -> EventName {
    EventName {
        source: "/ci".into(),
        id: id.into(),
    }
}

fn event(payer: &str, id: &str, time: &str, body: EventBody) -> Incoming {
    let event = Event {
        name: name(id),
        time: Timestamp::parse(time).unwrap(),
        body,
    };
    let payer = Payer {
        enterprise: Some(Name::from(payer)),
        ..Payer::default()
    };
    Incoming { event, payer }
}

/// An event on a day of January or February 2026.
fn used(payer: &str, id: &str, (month, day): (u8, u8), quantity: i128) -> Incoming {
    let usage = Usage {
        sku: "actions_linux".into(),
        quantity: Quantity::from_nanos(quantity * 1_000_000_000),
        ..Usage::default()
    };
    let time = format!("2026-{month:02}-{day:02}T10:20:30Z");
    event(payer, id, &time, EventBody::Usage(usage))
}

fn void(payer: &str, id: &str, target: &str) -> Incoming {
    let body = EventBody::Void(name(target));
    event(payer, id, "2026-02-01T00:00:00Z", body)
}

async fn submit(
    engine: &Arc<Engine>,
    seconds: i64,
    events: Vec<Incoming>,
) -> Result<Receipt, SubmitError> {
    let submission = Submission {
        events: (0..).zip(events).collect(),
        ..Submission::default()
    };
    let now = Instant::from_seconds(now().seconds() + seconds).unwrap();
    let receipt = engine.submit(now, submission).await;
    engine.settle().await;
    receipt
}

/// Submits, and gives how many events were new and how many were known.
async fn counts(engine: &Arc<Engine>, seconds: i64, events: Vec<Incoming>) -> (u64, u64) {
    let receipt = submit(engine, seconds, events).await.unwrap();
    (receipt.accepted, receipt.duplicates)
}

async fn open_accounts(engine: &Arc<Engine>) {
    for slug in ["ent", "other"] {
        let usage = [(30, "octo", 5)];
        let usage = usage.map(|(day, _, quantity)| (day, slug, quantity));
        import(engine, &enterprise(slug), slug, &usage)
            .await
            .unwrap();
    }
}

async fn of(engine: &Engine, slug: &str) -> Sums {
    sums(engine, &enterprise(slug)).await
}

fn day(date: &str, organization: &str, quantity: i128) -> ((String, String), i128) {
    ((date.to_owned(), organization.to_owned()), quantity)
}

async fn close(engine: Arc<Engine>) {
    engine.settle().await;
    while Arc::strong_count(&engine) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_month_that_returns_to_what_it_was_stays() {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path()).await;
    open_accounts(&engine).await;
    submit(&engine, 1, vec![used("ent", "1", (1, 2), 3)])
        .await
        .unwrap();
    submit(&engine, 2, vec![used("ent", "late", (1, 2), 4)])
        .await
        .unwrap();
    submit(&engine, 3, vec![void("ent", "v", "late")])
        .await
        .unwrap();
    // Of another month: the checkpoint of January stays as it is.
    submit(&engine, 700, vec![used("ent", "2", (2, 3), 5)])
        .await
        .unwrap();
    close(engine).await;

    let expected: Sums = [
        day("2026-01-02", "", 3),
        day("2026-01-30", "ent", 5),
        day("2026-02-03", "", 5),
    ]
    .into();
    let engine = open(directory.path()).await;
    engine.verify().await.unwrap();
    assert_eq!(of(&engine, "ent").await, expected);
    let copy = directory.path().join("copy");
    engine.store().backup(&copy).await.unwrap();
    let restored = TempDir::new().unwrap();
    sqlite::restore(&copy, restored.path()).unwrap();
    let engine = open(restored.path()).await;
    engine.verify().await.unwrap();
    assert_eq!(of(&engine, "ent").await, expected);
}

#[tokio::test]
async fn equal_rows_of_two_accounts_are_two_blobs() {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path()).await;
    open_accounts(&engine).await;
    for slug in ["ent", "other"] {
        let events = vec![used(slug, "1", (1, 2), 3)];
        submit(&engine, 1, events).await.unwrap();
    }
    submit(&engine, 2, vec![used("ent", "2", (1, 2), 4)])
        .await
        .unwrap();
    submit(&engine, 700, vec![used("ent", "3", (1, 2), 5)])
        .await
        .unwrap();
    close(engine).await;

    let engine = open(directory.path()).await;
    engine.verify().await.unwrap();
    let expected = [day("2026-01-02", "", 3), day("2026-01-30", "other", 5)];
    assert_eq!(of(&engine, "other").await, expected.into());
}

/// What begins a blob's content, and so tells what it is.
const STATEMENT: &str = "TBM";
const STATE: &str = "TBA";
const ROWS: &str = "TBU";
const INDEX: &str = "TBI";
const BLOCK: &str = "TBE";

/// A closed database of two accounts, one of each derived blob at least, by kind.
async fn filled() -> (TempDir, BTreeMap<String, Vec<Digest>>) {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path()).await;
    open_accounts(&engine).await;
    for slug in ["ent", "other"] {
        let events = (0..300).map(|number| used(slug, &number.to_string(), (2, 1), 1));
        submit(&engine, 1, events.collect()).await.unwrap();
        of(&engine, slug).await;
        engine.settle().await;
    }
    let mut kinds: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    let store = engine.store();
    for blob in store.list_blobs().await.unwrap() {
        let bytes = store.get_blob(blob.id).await.unwrap().unwrap();
        if bytes.starts_with(b"TBD1") {
            let kind = String::from_utf8(bytes[20..23].to_vec()).unwrap();
            kinds.entry(kind).or_default().push(blob.id);
        }
    }
    let found: Vec<&str> = kinds.keys().map(String::as_str).collect();
    assert_eq!(found, [STATE, BLOCK, INDEX, STATEMENT, ROWS]);
    close(engine).await;
    (directory, kinds)
}

/// Changes blobs behind the server's back.
fn change(directory: &Path, sql: &str, blobs: &[Digest]) {
    let connection = Connection::open(directory.join("tallybook.db")).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    for blob in blobs {
        assert_eq!(connection.execute(sql, params![blob.0]).unwrap(), 1);
    }
}

const GONE: &str = "DELETE FROM blobs WHERE id = ?";
const WITHOUT_BYTES: &str =
    "DELETE FROM blob_bytes WHERE number = (SELECT number FROM blobs WHERE id = ?)";
const DAMAGED: &str = "UPDATE blob_bytes
     SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'5a' AS BLOB)
     WHERE number = (SELECT number FROM blobs WHERE id = ?)";

/// Everything is answered and taken in, and `verify` is clean afterwards.
async fn assert_heals(directory: &Path, what: &str) {
    let engine = open(directory).await;
    let found = engine.verify().await.expect_err(what).to_string();
    assert!(found.contains("derived"), "{what}: {found}");
    for slug in ["ent", "other"] {
        let sums = of(&engine, slug).await;
        let expected = [day("2026-01-30", slug, 5), day("2026-02-01", "", 300)];
        assert_eq!(sums, expected.into(), "{what}");
        let known = (0..300).map(|number| used(slug, &number.to_string(), (2, 1), 1));
        assert_eq!(
            counts(&engine, 2, known.collect()).await,
            (0, 300),
            "{what}"
        );
    }
    engine.settle().await;
    engine
        .verify()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let new = vec![
        used("ent", "new", (2, 1), 1),
        used("other", "new", (2, 1), 1),
    ];
    assert_eq!(counts(&engine, 3, new).await, (2, 0), "{what}");
    assert_eq!(of(&engine, "ent").await[&day("2026-02-01", "", 0).0], 301);
    engine
        .verify()
        .await
        .unwrap_or_else(|error| panic!("{what}, later: {error}"));
    close(engine).await;
}

#[tokio::test]
async fn what_is_lost_of_any_kind_is_made_again() {
    for kind in [STATEMENT, STATE, ROWS, INDEX, BLOCK] {
        for sql in [GONE, WITHOUT_BYTES, DAMAGED] {
            let (directory, kinds) = filled().await;
            change(directory.path(), sql, &kinds[kind]);
            assert_heals(directory.path(), &format!("{kind}, {sql}")).await;
        }
    }
}

#[tokio::test]
async fn all_that_is_derived_is_made_again_at_once() {
    let (directory, kinds) = filled().await;
    let all: Vec<Digest> = kinds.into_values().flatten().collect();
    change(directory.path(), DAMAGED, &all);
    assert_heals(directory.path(), "everything").await;
}

#[tokio::test]
async fn a_damaged_manifest_is_made_again() {
    let (directory, _) = filled().await;
    let connection = Connection::open(directory.path().join("tallybook.db")).unwrap();
    let torn = "UPDATE manifests SET bytes = CAST(substr(bytes, 1, 20) AS BLOB)";
    assert_ne!(connection.execute(torn, []).unwrap(), 0);
    drop(connection);
    assert_heals(directory.path(), "the manifests").await;
}

/// A key block is needed by a redelivery; the other account's events are taken all the same when
/// what the log has of it is lost, too.
#[tokio::test]
async fn one_accounts_damage_does_not_refuse_anothers_events() {
    let (directory, kinds) = filled().await;
    change(directory.path(), DAMAGED, &kinds[BLOCK]);
    let connection = Connection::open(directory.path().join("tallybook.db")).unwrap();
    let torn = "UPDATE log SET batch = CAST(substr(batch, 1, length(batch) - 1) || x'5a' AS BLOB)
                WHERE log = 1 AND seq = 2";
    assert_eq!(connection.execute(torn, []).unwrap(), 1);
    drop(connection);
    let engine = open(directory.path()).await;
    let (known, new) = tokio::join!(
        submit(&engine, 2, vec![used("ent", "7", (2, 1), 1)]),
        submit(&engine, 2, vec![used("other", "new", (2, 1), 1)]),
    );
    let error = known.expect_err("its log is damaged").to_string();
    assert!(error.contains("batch 2 of log 1"), "{error}");
    assert_eq!(new.unwrap().accepted, 1);
}

/// A replaced checkpoint waits for ten minutes, for answers that still read it. No run of the
/// server lives that long here: the next one frees it.
#[tokio::test]
async fn what_waited_when_a_run_ended_is_freed_by_the_next() {
    let directory = TempDir::new().unwrap();
    let mut most_unused = 0;
    for run in 0..6_i64 {
        let engine = open(directory.path()).await;
        let start = Instant::from_seconds(now().seconds() + run * 100).unwrap();
        engine.sweep(start).await.unwrap();
        assert_eq!(engine.verify().await.unwrap().unused_blobs, 0, "run {run}");
        if run == 0 {
            open_accounts(&engine).await;
        }
        for round in 0..3 {
            let id = format!("{run}-{round}");
            submit(
                &engine,
                run * 100 + round,
                vec![used("ent", &id, (1, 3), 1)],
            )
            .await
            .unwrap();
        }
        // Answers of this run may still read what waits.
        let now = Instant::from_seconds(start.seconds() + 99).unwrap();
        engine.tidy_up(now).await.unwrap();
        assert_eq!(engine.sweep(now).await.unwrap(), 0, "run {run}");
        close(engine).await;
        let engine = open(directory.path()).await;
        most_unused = most_unused.max(engine.verify().await.unwrap().unused_blobs);
        close(engine).await;
    }
    assert_ne!(most_unused, 0, "nothing waited");
    let engine = open(directory.path()).await;
    assert_eq!(
        of(&engine, "ent").await[&("2026-01-03".to_owned(), String::new())],
        18
    );
}
