//! Space that nothing uses: a file shrinks when blobs are deleted, nothing is lost by it, and one
//! that can't shrink in steps is made anew.

use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tallybook_core::ids::Digest;
use tallybook_core::time::Instant;
use tallybook_store::sqlite::{SqliteStore, backup_directory, compact};
use tallybook_store::testing::contract::pseudorandom;
use tallybook_store::{Store, StoreError};
use tempfile::TempDir;

/// Where the child gives space back.
const DIRECTORY: &str = "TALLYBOOK_TEST_DIRECTORY";

const BLOBS: usize = 64;
const BLOB_BYTES: usize = 400_000;

/// More than the free pages that stay, and what is kept.
const SHRUNK: u64 = 12 << 20;

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, "a test").expect("opens")
}

fn file(directory: &Path) -> PathBuf {
    directory.join("tallybook.db")
}

fn size(directory: &Path) -> u64 {
    fs::metadata(file(directory)).expect("is there").len()
}

/// Blobs that do not compress.
fn blob(number: usize) -> Vec<u8> {
    let mut bytes = pseudorandom(BLOB_BYTES + number);
    bytes[0] = u8::try_from(number).expect("few");
    bytes
}

fn is_kept(number: usize) -> bool {
    number % 8 == 7
}

async fn fill(store: &SqliteStore) {
    let at = Instant::parse("2026-11-21").expect("a date");
    for number in 0..BLOBS {
        let put = store.put_blob(blob(number).into(), at).await;
        put.expect("puts");
    }
}

/// Most blobs, the kept ones between them.
async fn delete_most(store: &SqliteStore) {
    let gone = (0..BLOBS).filter(|number| !is_kept(*number));
    let gone = gone.map(|number| Digest::of(&blob(number))).collect();
    store.delete_blobs(gone, None).await.expect("deletes");
}

async fn assert_kept(store: &SqliteStore) {
    store.check().await.expect("sound");
    for number in (0..BLOBS).filter(|number| is_kept(*number)) {
        let read = store.get_blob(Digest::of(&blob(number))).await;
        assert!(read.expect("reads") == Some(blob(number)), "blob {number}");
    }
}

async fn release_all(store: &SqliteStore) -> usize {
    let mut steps = 0;
    while store.release_space().await.expect("releases") {
        steps += 1;
    }
    steps
}

/// Turns a closed database into one as they were made before.
fn take_map_away(directory: &Path) {
    let connection = Connection::open(file(directory)).expect("opens");
    let sql = "PRAGMA auto_vacuum = 0; VACUUM";
    connection.execute_batch(sql).expect("is written anew");
}

fn auto_vacuum(file: &Path) -> u32 {
    let connection = Connection::open(file).expect("opens");
    let mode = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0));
    mode.expect("reads")
}

#[tokio::test]
async fn a_file_shrinks_when_blobs_are_deleted() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(directory.path());
    fill(&store).await;
    assert!(!store.release_space().await.expect("there is nothing"));
    delete_most(&store).await;
    assert!(release_all(&store).await > 1, "it was one long step");
    assert_kept(&store).await;
    drop(store);
    assert!(
        size(directory.path()) < SHRUNK,
        "{}",
        size(directory.path())
    );
    assert_kept(&open(directory.path())).await;
}

/// Children that give space back are killed after their first step, within the second.
#[tokio::test]
async fn a_kill_while_space_is_given_back_loses_nothing() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(directory.path());
    fill(&store).await;
    delete_most(&store).await;
    drop(store);
    let mut kills = 0;
    while kill_a_releaser(directory.path()) {
        kills += 1;
        let copy = TempDir::new().expect("a temporary directory");
        for name in ["tallybook.db", "tallybook.db-wal"] {
            let (from, to) = (directory.path().join(name), copy.path().join(name));
            fs::copy(from, to).expect("copies");
        }
        assert_kept(&open(copy.path())).await;
    }
    assert!(kills > 1, "{kills}");
    assert_kept(&open(directory.path())).await;
    assert!(size(directory.path()) < SHRUNK);
}

/// Says whether there was more to give back.
fn kill_a_releaser(directory: &Path) -> bool {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "--nocapture", "child_that_releases"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let output = BufReader::new(child.stdout.take().expect("is piped"));
    let lines = output.lines().map(|line| line.expect("reads"));
    let step = lines.filter_map(|line| line.strip_prefix("more: ").map(|more| more == "true"));
    let more = { step }.next().expect("a step");
    // SIGKILL.
    child.kill().expect("kills");
    child.wait().expect("ends");
    more
}

#[tokio::test]
#[ignore = "the child that another test starts; does nothing by itself"]
async fn child_that_releases() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let store = open(Path::new(&directory));
    loop {
        let more = store.release_space().await.expect("releases");
        println!("\nmore: {more}");
    }
}

#[tokio::test]
async fn a_database_without_the_map_is_made_anew() {
    let directory = TempDir::new().expect("a temporary directory");
    fill(&open(directory.path())).await;
    take_map_away(directory.path());
    let store = open(directory.path());
    delete_most(&store).await;
    assert_eq!(release_all(&store).await, 0);
    drop(store);
    let large = size(directory.path());
    assert!(large > SHRUNK * 2, "{large}");

    let (before, after) = compact(directory.path()).expect("compacts");
    assert_eq!((before, after), (large, size(directory.path())));
    assert!(after < SHRUNK, "{after}");
    assert_eq!(auto_vacuum(&file(directory.path())), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::metadata(file(directory.path())).expect("is there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
    let store = open(directory.path());
    assert_kept(&store).await;
    // From now on it shrinks by itself.
    fill(&store).await;
    delete_most(&store).await;
    assert_ne!(release_all(&store).await, 0);
    drop(store);
    assert!(size(directory.path()) < SHRUNK);
    // One that can is made anew as well.
    let (before, after) = compact(directory.path()).expect("compacts");
    assert!(after < before, "{after} of {before}");
    assert_kept(&open(directory.path())).await;
}

#[tokio::test]
async fn a_backup_can_give_space_back() {
    let directory = TempDir::new().expect("a temporary directory");
    fill(&open(directory.path())).await;
    for (name, is_old) in [("new", false), ("old", true)] {
        if is_old {
            take_map_away(directory.path());
        }
        let copy = directory.path().join(name);
        backup_directory(directory.path(), &copy).expect("backs up");
        assert_eq!(auto_vacuum(&copy), 2, "{name}");
    }
}

#[tokio::test]
async fn a_compaction_that_was_killed_leaves_what_was_there() {
    let directory = TempDir::new().expect("a temporary directory");
    fill(&open(directory.path())).await;
    let unfinished = directory.path().join("tallybook.db.compacting");
    fs::write(&unfinished, b"half").expect("writes");
    assert_kept(&open(directory.path())).await;
    assert!(!unfinished.exists());
    let store = open(directory.path());
    let held = compact(directory.path());
    assert!(matches!(held, Err(StoreError::Held { .. })), "{held:?}");
    drop(store);
    let absent = compact(&directory.path().join("absent"));
    assert!(matches!(absent, Err(StoreError::Io { .. })), "{absent:?}");
}

/// A compaction checks what it wrote before that takes the place of what was there.
#[tokio::test]
async fn a_damaged_database_is_not_made_anew() {
    let directory = TempDir::new().expect("a temporary directory");
    fill(&open(directory.path())).await;
    let connection = Connection::open(file(directory.path())).expect("opens");
    let orphan = "PRAGMA foreign_keys = 0; DELETE FROM blobs WHERE number = 1";
    connection.execute_batch(orphan).expect("deletes");
    drop(connection);
    let before = fs::read(file(directory.path())).expect("reads");
    let damaged = compact(directory.path());
    assert!(
        matches!(damaged, Err(StoreError::Damaged { .. })),
        "{damaged:?}"
    );
    assert!(fs::read(file(directory.path())).expect("reads") == before);
}
