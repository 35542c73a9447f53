//! What was acknowledged survives: a kill at any moment, and a backup taken under load.

mod appender;

use appender::{CHILD, DIRECTORY, LOGS, LOGS_COUNT, acknowledgement, assert_acknowledged};
use appender::{assert_whole, batch, open};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tallybook_core::ids::{LogId, NameId, Seq};
use tallybook_core::time::Instant;
use tallybook_store::sqlite::{SqliteStore, backup_directory, restore};
use tallybook_store::testing::contract::{append, pseudorandom};
use tallybook_store::{Append, AuditFilter, AuditRow, Effect, NameRow, Store, StoreError};
use tempfile::TempDir;

/// How often a child is started and killed, over the same directory.
const ROUNDS: usize = 4;

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there() {
    let directory = TempDir::new().expect("a temporary directory");
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        acknowledged.extend(kill_an_appender(directory.path(), 40 + 35 * round));
        // Every second child finds what the one before left, as it left it.
        if round % 2 == 1 {
            assert_acknowledged(directory.path(), &acknowledged).await;
        }
    }
    assert_eq!(acknowledged.len(), LOGS_COUNT);
}

/// The operating system refuses to let any file grow beyond the limit, so that sooner or later a
/// write below SQLite fails in the middle of a commit.
#[cfg(unix)]
#[tokio::test]
async fn what_was_acknowledged_before_a_failed_write_is_there() {
    // In the shell's blocks: some megabytes.
    for limit in [3_000, 4_321, 7_777] {
        let directory = TempDir::new().expect("a temporary directory");
        let program = std::env::current_exe().expect("this program");
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(program)
            .args(CHILD)
            .env(DIRECTORY, directory.path())
            .output()
            .expect("starts");
        assert!(output.status.success(), "{output:?}");
        let output = String::from_utf8(output.stdout).expect("is text");
        let mut acknowledged = BTreeMap::new();
        acknowledged.extend(output.lines().filter_map(acknowledgement));
        assert_eq!(output.matches("failed: ").count(), LOGS_COUNT, "{output}");
        assert!(!acknowledged.is_empty(), "{output}");
        assert_acknowledged(directory.path(), &acknowledged).await;
    }
}

/// Starts the child, reads `count` acknowledgements, kills it, and reads what it still said.
fn kill_an_appender(directory: &Path, count: usize) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(CHILD)
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut output = BufReader::new(child.stdout.take().expect("is piped"));
    let mut newest = BTreeMap::new();
    let (mut line, mut seen) = (String::new(), 0);
    while output.read_line(&mut line).expect("reads") > 0 {
        // A line that the kill cut off acknowledges nothing.
        let whole = line.ends_with('\n');
        if let Some((log, seq)) = acknowledgement(&line).filter(|_| whole) {
            newest.insert(log, seq);
            seen += 1;
        }
        if seen == count {
            // SIGKILL; what is in the pipe can still be read.
            child.kill().expect("kills");
        }
        line.clear();
    }
    let status = child.wait().expect("ends");
    assert!(seen >= count, "the child ended by itself: {status}");
    newest
}

/// The `seq`-th append of the backup's test: two logs, a name in each, and a line in the audit log.
fn linked_append(seq: u64) -> (Vec<Append>, Vec<Effect>) {
    let appends = [1, 2].map(|log| Append {
        names: vec![NameRow {
            id: NameId(u32::try_from(seq - 1).expect("small")),
            salt: [7; 16],
            text: Arc::from(format!("name {seq}")),
        }],
        ..append(log, seq - 1, &batch(log, seq))
    });
    let line = AuditRow {
        at: Instant::parse("2026-11-21").expect("a date"),
        actor: "a test".to_owned(),
        user: None,
        address: None,
        action: format!("append {seq}"),
        account: None,
        detail: "{}".to_owned(),
    };
    (appends.to_vec(), vec![Effect::Audit(line)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_writing_is_a_prefix_of_the_ledger() {
    let directory = TempDir::new().expect("a temporary directory");
    let data = directory.path().join("data");
    let store = Arc::new(open(&data));
    for seq in 1..=50 {
        let (appends, effects) = linked_append(seq);
        store.append(appends, effects).await.expect("appends");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(append_until(Arc::clone(&store), Arc::clone(&stop)));

    let mut backups = Vec::new();
    for number in 0..4 {
        let file = directory.path().join(format!("backup-{number}"));
        let before = store.head(LogId(1)).await.expect("head");
        if number % 2 == 0 {
            store.backup(&file).await.expect("backs up");
        } else {
            backup_directory(&data, &file).expect("backs up");
        }
        let after = store.head(LogId(1)).await.expect("head");
        backups.push((file, before, after));
    }
    stop.store(true, Ordering::SeqCst);
    let last = writer.await.expect("the writer panicked");
    assert!(last > backups[0].1, "nothing was written meanwhile");
    drop(store);

    for (number, (file, before, after)) in backups.into_iter().enumerate() {
        make_read_only(&file);
        let restored = directory.path().join(format!("restored-{number}"));
        restore(&file, &restored).expect("restores");
        let store = open(&restored);
        let head = store.head(LogId(1)).await.expect("head");
        assert!(
            before <= head && head <= after,
            "{before:?} {head:?} {after:?}"
        );
        assert_linked(&store, head).await;
        // What was restored is a ledger like any other.
        let (appends, effects) = linked_append(head.0 + 1);
        store.append(appends, effects).await.expect("appends");
        assert_linked(&store, head.next()).await;
    }
}

/// As a careful person keeps backups.
fn make_read_only(file: &Path) {
    let mut permissions = std::fs::metadata(file).expect("is there").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(file, permissions).expect("sets");
}

async fn append_until(store: Arc<SqliteStore>, stop: Arc<AtomicBool>) -> Seq {
    let mut newest = store.head(LogId(1)).await.expect("head");
    while !stop.load(Ordering::SeqCst) {
        let (appends, effects) = linked_append(newest.0 + 1);
        store.append(appends, effects).await.expect("appends");
        newest = newest.next();
    }
    newest
}

async fn assert_linked(store: &SqliteStore, head: Seq) {
    store.check().await.expect("sound");
    for log in [1, 2] {
        assert_whole(store, log, head).await;
        let names = store.read_names(LogId(log), NameId(0)).await;
        assert_eq!(names.expect("reads").len() as u64, head.0);
    }
    let lines = store.audit(AuditFilter::default(), usize::MAX).await;
    let lines = lines.expect("reads");
    assert_eq!(lines.len() as u64, head.0);
    assert_eq!(lines[0].row.action, format!("append {}", head.0));
}

/// Under constant load, too, the write-ahead log is moved into the database and starts over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_does_not_grow_without_end() {
    const WRITTEN: u64 = 160 << 20;
    const BATCH: u64 = 1 << 20;
    let directory = TempDir::new().expect("a temporary directory");
    let store = Arc::new(open(directory.path()));
    let bytes: Arc<[u8]> = pseudorandom(1 << 20).into();
    let mut tasks = Vec::new();
    for log in 1..=LOGS {
        let (store, bytes) = (Arc::clone(&store), Arc::clone(&bytes));
        tasks.push(tokio::spawn(async move {
            for expected in 0..WRITTEN / BATCH / LOGS {
                let next = append(log, expected, &bytes);
                store.append(vec![next], vec![]).await.expect("appends");
            }
        }));
    }
    for task in tasks {
        task.await.expect("an appender panicked");
    }
    let size = |name: &str| {
        let file = std::fs::metadata(directory.path().join(name));
        file.expect("is there").len()
    };
    assert!(size("tallybook.db-wal") < WRITTEN * 3 / 4);
    assert!(size("tallybook.db") > WRITTEN / 4);
    assert!(store.checkpoint_failure().is_none());
    assert!(store.size_on_disk().await.expect("adds up") > WRITTEN);
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let directory = TempDir::new().expect("a temporary directory");
    let (data, file) = (
        directory.path().join("data"),
        directory.path().join("backup"),
    );
    let store = open(&data);
    store
        .append(vec![append(1, 0, b"kept")], vec![])
        .await
        .expect("appends");
    std::fs::write(&file, b"precious").expect("writes");
    assert!(matches!(
        store.backup(&file).await,
        Err(StoreError::Io { .. })
    ));
    let outcome = backup_directory(&data, &file);
    assert!(matches!(outcome, Err(StoreError::Io { .. })));
    assert_eq!(std::fs::read(&file).expect("reads"), b"precious");

    let copy = directory.path().join("copy");
    // What a killed backup left is no obstacle.
    std::fs::write(directory.path().join("copy.partial"), b"half").expect("writes");
    store.backup(&copy).await.expect("backs up");
    assert!(!directory.path().join("copy.partial").exists());
    drop(store);
    assert!(matches!(restore(&copy, &data), Err(StoreError::Io { .. })));
    let store = open(&data);
    assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(1));
}

#[tokio::test]
async fn only_a_sound_backup_is_restored() {
    let directory = TempDir::new().expect("a temporary directory");
    let (data, copy) = (directory.path().join("data"), directory.path().join("copy"));
    let store = open(&data);
    for seq in 1..=10 {
        let appended = store.append(vec![append(1, seq - 1, &batch(1, seq))], vec![]);
        appended.await.expect("appends");
    }
    // The database itself is no backup while commits stand beside it.
    let live = restore(&data.join("tallybook.db"), &directory.path().join("live"));
    assert!(matches!(live, Err(StoreError::Io { .. })), "{live:?}");
    store.backup(&copy).await.expect("backs up");
    let sound = std::fs::read(&copy).expect("reads");
    let mut scratched = sound.clone();
    scratched[2 * 8192..3 * 8192].fill(0xa5);
    for bytes in [
        &b"not a database"[..],
        b"",
        &sound[..sound.len() / 2],
        &scratched,
    ] {
        std::fs::write(&copy, bytes).expect("writes");
        let target = directory.path().join("target");
        match restore(&copy, &target) {
            Err(StoreError::Damaged { what, .. }) => {
                assert!(what.contains(&copy.display().to_string()), "{what}");
            }
            other => panic!("not damaged but {other:?}"),
        }
        assert!(!SqliteStore::exists(&target));
    }
    let absent = restore(
        &directory.path().join("absent"),
        &directory.path().join("t"),
    );
    assert!(matches!(absent, Err(StoreError::Io { .. })));
    let absent = backup_directory(&directory.path().join("absent"), &copy.with_extension("x"));
    assert!(matches!(absent, Err(StoreError::Io { .. })));
}

/// A link under the name of an unfinished copy leads elsewhere: what is there is not written to.
#[cfg(unix)]
#[tokio::test]
async fn a_backup_follows_no_link() {
    let directory = TempDir::new().expect("a temporary directory");
    let (data, copy) = (directory.path().join("data"), directory.path().join("copy"));
    let store = open(&data);
    let precious = directory.path().join("precious");
    std::fs::write(&precious, b"precious").expect("writes");
    let partial = directory.path().join("copy.partial");
    std::os::unix::fs::symlink(&precious, partial).expect("links");
    store.backup(&copy).await.expect("backs up");
    assert_eq!(std::fs::read(&precious).expect("reads"), b"precious");
    assert!(
        std::fs::symlink_metadata(&copy)
            .expect("is there")
            .is_file()
    );
}
