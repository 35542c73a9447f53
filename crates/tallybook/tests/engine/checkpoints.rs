//! Statements too long for one blob: kept in parts, read in parts, damaged, dropped, made again.

use crate::bench::{actor, enterprise, file, import, january, now, reported, view};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use tallybook::engine::entropy::Entropy;
use tallybook::engine::{Engine, EngineError, Options};
use tallybook_core::ids::Digest;
use tallybook_core::query::{Filter, Grain, Group, Query, Totals};
use tallybook_core::report::ReportKind;
use tallybook_core::statement::Statement;
use tallybook_core::statement::encode::LINES_APART;
use tallybook_core::time::{Hour, Instant};
use tallybook_store::sqlite::SqliteStore;

/// The summary, the parts of its lines and those of their sums by day.
const PARTS: usize = 9;

async fn open(directory: &Path, cache_bytes: usize) -> Arc<Engine> {
    let store = Arc::new(SqliteStore::open(directory, "test").unwrap());
    let options = Options {
        cache_bytes,
        entropy: Entropy::System,
        ..Options::default()
    };
    Engine::open(store, options, now()).await.unwrap()
}

/// A closed database of one account with one long month, and its checkpoint.
async fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let engine = open(directory.path(), usize::MAX).await;
    let ent = enterprise("ent");
    let mut session = engine.begin_import(&ent, &actor(), now()).unwrap();
    for number in 0..LINES_APART {
        let day = i8::try_from(number % 31).unwrap() + 1;
        let quantity = i128::try_from(number).unwrap() + 1;
        let mut line = reported((day, ["octo", "acme"][number % 2], quantity));
        let hour = line.hour.index() + i32::try_from(number % 24).unwrap();
        line.hour = Hour::from_index(hour);
        let repository = format!("repo-{}", number % 300);
        line.repository = &repository;
        session.push(ReportKind::Detailed, &line).unwrap();
    }
    session.commit(vec![file("long")]).await.unwrap();
    assert_eq!(statement(&engine).await.unwrap().len(), LINES_APART);
    engine.settle().await;
    assert_eq!(parts(directory.path()).len(), PARTS);
    directory
}

async fn statement(engine: &Engine) -> Result<Statement, EngineError> {
    let view = view(engine, &enterprise("ent")).await.unwrap();
    engine.statement(&view, january()).await
}

/// What of the month a question is about, and so what of the statement it needs.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// The whole month: its summary.
    Month,
    /// Its first half: days, too.
    Days,
    /// Its first half but for an hour: lines, too.
    Hours,
}

const EVERY: [Asked; 3] = [Asked::Month, Asked::Days, Asked::Hours];

/// How many rows a question has, and their quantity.
async fn answer(engine: &Engine, asked: Asked) -> (usize, i128) {
    let view = view(engine, &enterprise("ent")).await.unwrap();
    let (days, hours) = match asked {
        Asked::Month => (31, 0),
        Asked::Days => (15, 0),
        Asked::Hours => (15, 1),
    };
    let end = january().day(days).unwrap().next().first_hour();
    let query = Query {
        from: january().first_day().first_hour(),
        to: Hour::from_index(end.index() - hours),
        grain: Grain::Whole,
        filter: Filter::default(),
        group: Group {
            repository: true,
            model: false,
        },
    };
    let period = query.periods().next().unwrap();
    let answer = engine
        .answer::<Totals>(&view, &query, period)
        .await
        .unwrap();
    let quantities = answer.rows().map(|row| row.totals.quantity.nanos());
    (answer.len(), quantities.sum())
}

fn connect(directory: &Path) -> Connection {
    Connection::open(directory.join("tallybook.db")).unwrap()
}

fn manifest(connection: &Connection) -> Vec<u8> {
    let read = "SELECT bytes FROM manifests WHERE log = 1";
    connection.query_row(read, [], |row| row.get(0)).unwrap()
}

/// The blobs that the only month of the manifest names: they stand last, before a byte that says
/// that the account has no checkpoint, and the hash.
fn parts(directory: &Path) -> Vec<[u8; 32]> {
    let manifest = manifest(&connect(directory));
    let content = &manifest[..manifest.len() - 33];
    // After the mark, the number of months, the month of three bytes and the fingerprint.
    let count = usize::from(content[4 + 1 + 3 + 32]);
    let blobs = &content[content.len() - 32 * count..];
    blobs.as_chunks::<32>().0.to_vec()
}

/// Names other blobs in the manifest.
fn name_parts(directory: &Path, parts: &[[u8; 32]]) {
    let connection = connect(directory);
    let mut manifest = manifest(&connection);
    manifest.truncate(manifest.len() - 32);
    let end = manifest.len() - 1;
    manifest[end - 32 * parts.len()..end].copy_from_slice(parts.as_flattened());
    let digest = Digest::of(&manifest);
    manifest.extend_from_slice(&digest.0);
    let write = "UPDATE manifests SET bytes = ? WHERE log = 1";
    connection.execute(write, params![manifest]).unwrap();
}

#[tokio::test]
async fn a_long_statement_is_read_from_its_checkpoint() {
    let directory = filled().await;
    let folded = {
        let engine = open(directory.path(), usize::MAX).await;
        // Without its manifest it is made from the ledger.
        connect(directory.path())
            .execute("DELETE FROM manifests", [])
            .unwrap();
        let folded = statement(&engine).await.unwrap();
        engine.settle().await;
        folded
    };
    let engine = open(directory.path(), usize::MAX).await;
    assert_eq!(engine.cached_bytes(), 0);
    let (rows, quantity) = answer(&engine, Asked::Month).await;
    assert_eq!(rows, 300);
    let lines = i128::try_from(LINES_APART).unwrap();
    assert_eq!(quantity, lines * (lines + 1) / 2 * 1_000_000_000);
    // No question reads more than it needs.
    let mut memory = folded.summary().memory();
    assert_eq!(engine.cached_bytes(), memory);
    let (_, of_days) = answer(&engine, Asked::Days).await;
    memory += folded.days().unwrap().memory();
    assert_eq!(engine.cached_bytes(), memory);
    let (_, of_hours) = answer(&engine, Asked::Hours).await;
    memory += folded.lines().memory();
    assert_eq!(engine.cached_bytes(), memory);
    assert!(0 < of_hours && of_hours < of_days && of_days < quantity);
    assert_eq!(statement(&engine).await.unwrap(), folded);
    assert_eq!(engine.cached_bytes(), folded.memory());
    assert_eq!(engine.verify().await.unwrap().checkpoints, 1);
}

/// A statement that was read although its checkpoint is not whole: it is stored again.
async fn assert_made_again(directory: &Path, what: &str) {
    let engine = open(directory, usize::MAX).await;
    let found = engine.verify().await.expect_err(what).to_string();
    assert!(
        found.contains(what) && found.contains("derived"),
        "{what}: {found}"
    );
    assert_eq!(statement(&engine).await.unwrap().len(), LINES_APART);
    engine.settle().await;
    engine.verify().await.unwrap();
}

#[tokio::test]
async fn a_changed_byte_in_any_part_is_named_and_mended() {
    let directory = filled().await;
    for part in parts(directory.path()) {
        let change = "UPDATE blob_bytes SET bytes = CAST(substr(bytes, 1, 99) || x'00' ||
                      substr(bytes, 101) AS BLOB)
                      WHERE number = (SELECT number FROM blobs WHERE id = ?)
                      AND substr(bytes, 100, 1) <> x'00'";
        let connection = connect(directory.path());
        assert_eq!(connection.execute(change, [part]).unwrap(), 1);
        drop(connection);
        let blob = format!("blob {}", Digest(part));
        assert_made_again(directory.path(), &blob).await;
    }
}

#[tokio::test]
async fn a_part_that_is_gone_is_made_again() {
    let directory = filled().await;
    for part in parts(directory.path()) {
        let connection = connect(directory.path());
        let delete = "DELETE FROM blobs WHERE id = ?";
        assert_eq!(connection.execute(delete, [part]).unwrap(), 1);
        drop(connection);
        let blob = format!("blob {}", Digest(part));
        assert_made_again(directory.path(), &blob).await;
    }
}

#[tokio::test]
async fn parts_that_do_not_belong_together_are_made_again() {
    let directory = filled().await;
    let sound = parts(directory.path());
    let mut twice = sound.clone();
    twice[2] = twice[1];
    name_parts(directory.path(), &twice);
    assert_made_again(
        directory.path(),
        "the checkpoint of 2026-01 of enterprise ent",
    )
    .await;
    assert_eq!(parts(directory.path()), sound);
}

#[tokio::test]
async fn parts_are_swept_once_nothing_names_them() {
    let directory = filled().await;
    let engine = open(directory.path(), usize::MAX).await;
    let old = parts(directory.path());
    let later = Instant::parse("2030-01-01T00:00:00Z").unwrap();
    assert_eq!(engine.sweep(later).await.unwrap(), 0, "all are named");
    // A day that belongs to the new import: another statement of the month.
    import(&engine, &enterprise("ent"), "newer", &[(2, "octo", 1)])
        .await
        .unwrap();
    statement(&engine).await.unwrap();
    engine.settle().await;
    let connection = connect(directory.path());
    for part in old {
        let count = "SELECT count(*) FROM blobs WHERE id = ?";
        let count: i64 = connection
            .query_row(count, [part], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 0);
    }
    assert_eq!(engine.sweep(later).await.unwrap(), 0);
    engine.verify().await.unwrap();
}

#[tokio::test]
async fn every_limit_of_the_cache_answers_the_same() {
    let directory = filled().await;
    let engine = open(directory.path(), usize::MAX).await;
    let all = statement(&engine).await.unwrap();
    let mut answers = Vec::new();
    for asked in EVERY {
        answers.push(answer(&engine, asked).await);
    }
    drop(engine);
    let lines = all.lines().memory();
    for limit in [0, 1, 5000, lines - 1, lines, 3 * lines] {
        let engine = open(directory.path(), limit).await;
        let asked = (0..9).map(|turn| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { answer(&engine, EVERY[turn % EVERY.len()]).await })
        });
        for (turn, asked) in asked.collect::<Vec<_>>().into_iter().enumerate() {
            let expected = answers[turn % EVERY.len()];
            assert_eq!(asked.await.unwrap(), expected, "limit {limit}");
        }
        assert_eq!(statement(&engine).await.unwrap(), all);
        // The newest is kept for who asked for it, whatever its size.
        let kept = engine.cached_bytes();
        assert!(kept <= limit.max(all.memory()), "{kept} bytes of {limit}");
    }
}
