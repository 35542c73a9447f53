//! A child process that appends until it ends or is ended, and says what was acknowledged; and the
//! check, by its parent, that all of that is there. Part of several test programs.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tallybook_core::ids::{LogId, Seq};
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::testing::contract::{append, pseudorandom};
use tallybook_store::{AppendError, Store};

/// Where the child appends to.
pub(crate) const DIRECTORY: &str = "TALLYBOOK_TEST_DIRECTORY";

/// The child's logs: one task appends to each.
pub(crate) const LOGS: u64 = LOGS_COUNT as u64;

pub(crate) const LOGS_COUNT: usize = 8;

/// How often in a row a task of the child tries again.
const RETRIES: u32 = 3;

/// The arguments that make this program be the child.
pub(crate) const CHILD: [&str; 4] = [
    "--ignored",
    "--exact",
    "--nocapture",
    "appender::child_that_appends",
];

pub(crate) fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, "a test").expect("opens")
}

/// The content of a batch follows from its place, so that a reader can tell a wrong one.
pub(crate) fn batch(log: u64, seq: u64) -> Vec<u8> {
    let offset = usize::try_from(log * 1000 + seq).expect("small");
    let mut bytes = pseudorandom(20_000 + offset % 512)[offset % 512..].to_vec();
    bytes.extend_from_slice(&log.to_be_bytes());
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes
}

/// The log and number in a line `ack LOG SEQ`.
pub(crate) fn acknowledgement(line: &str) -> Option<(u64, u64)> {
    let (_, numbers) = line.split_once("ack ")?;
    let (log, seq) = numbers.trim().split_once(' ')?;
    Some((log.parse().ok()?, seq.parse().ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child that other tests start; does nothing by itself"]
pub(crate) async fn child_that_appends() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let store = Arc::new(open(Path::new(&directory)));
    let tasks: Vec<_> = (1..=LOGS)
        .map(|log| tokio::spawn(append_for_ever(Arc::clone(&store), log)))
        .collect();
    for task in tasks {
        let error = task.await.expect("an appender panicked");
        println!("failed: {error}");
    }
}

/// Tries again after a failure, from what is there then; gives up when that fails again and again.
async fn append_for_ever(store: Arc<SqliteStore>, log: u64) -> AppendError {
    let mut failures = 0;
    loop {
        let newest = store.head(LogId(log)).await.expect("head").0;
        let next = append(log, newest, &batch(log, newest + 1));
        match store.append(vec![next], vec![]).await {
            Ok(()) => {
                failures = 0;
                let mut output = std::io::stdout().lock();
                writeln!(output, "ack {log} {}", newest + 1).expect("writes");
                output.flush().expect("writes");
            }
            Err(error) if failures == RETRIES => return error,
            Err(error) => {
                failures += 1;
                println!("retry: {error}");
            }
        }
    }
}

pub(crate) async fn assert_acknowledged(directory: &Path, acknowledged: &BTreeMap<u64, u64>) {
    let store = open(directory);
    store.check().await.expect("sound");
    for (log, seq) in acknowledged {
        let head = store.head(LogId(*log)).await.expect("head");
        assert!(head >= Seq(*seq), "log {log}: {head:?} before {seq}");
        assert_whole(&store, *log, head).await;
    }
}

pub(crate) async fn assert_whole(store: &SqliteStore, log: u64, head: Seq) {
    let rows = store.read_log(LogId(log), Seq(0), usize::MAX).await;
    let rows = rows.expect("reads");
    assert_eq!(rows.len() as u64, head.0, "log {log}");
    for row in rows {
        let expected = batch(log, row.seq.0);
        assert!(row.batch == expected, "batch {} of log {log}", row.seq.0);
    }
}
