//! Faults below SQLite, under a script of events and corrections: every k-th write, sync or
//! truncation fails, or is where the power is lost. Afterwards every answer is that of a beginning
//! of the script, nothing acknowledged is missing, and sending all of it again makes it whole.
//!
//! Look next: `power_loss/shim.c` of the store's tests, which stands between SQLite and the system;
//! [`crate::damage`] for files that were changed.
#![cfg(target_os = "linux")]

use crate::script::{self, ROUNDS};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

const DIRECTORY: &str = "TALLYBOOK_TEST_DIRECTORY";

/// What the shim ends the child with.
const POWER_WAS_LOST: i32 = 99;

/// Beyond every write of the script.
const NEVER: u64 = 1_000_000;

/// The arguments that make this program be the child.
const CHILD: [&str; 4] = [
    "--ignored",
    "--exact",
    "--nocapture",
    "below::child_that_submits",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child that other tests start; does nothing by itself"]
async fn child_that_submits() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    match script::open(Path::new(&directory)).await {
        Ok(engine) => script::run(&engine).await,
        Err(error) => println!("failed: {error}"),
    }
}

/// The shim, and how many writes, syncs and truncations the script makes.
struct Rig {
    scratch: TempDir,
    shim: PathBuf,
    events: u64,
}

impl Rig {
    fn new() -> Self {
        let scratch = TempDir::new().unwrap();
        let shim = scratch.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tallybook-store/tests/power_loss/shim.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&shim, &source])
            .args(["-ldl", "-lpthread"])
            .status()
            .expect("a C compiler, which building SQLite needs as well");
        assert!(status.success(), "the shim does not compile");
        let mut rig = Self {
            scratch,
            shim,
            events: 0,
        };
        let (output, _) = rig.child("whole", &[("TALLYBOOK_TEST_POWER_LOSS_AT", NEVER)]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(script::acknowledged(&said), ROUNDS, "{output:?}");
        let count = said.lines().find_map(|line| line.strip_prefix("events "));
        rig.events = count.unwrap().parse().unwrap();
        rig
    }

    /// Runs the script with a fault, in a directory of its own.
    fn child(&self, name: &str, settings: &[(&str, u64)]) -> (Output, PathBuf) {
        let data = self.scratch.path().join(name);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(CHILD)
            .env("LD_PRELOAD", &self.shim)
            .env(DIRECTORY, &data)
            .env("TALLYBOOK_TEST_COUNT", "1")
            .envs(
                settings
                    .iter()
                    .map(|(name, value)| (name, value.to_string())),
            )
            .output()
            .unwrap();
        (output, data)
    }
}

/// Does something for every number up to `end`, some at a time: children mostly wait for the disk.
async fn for_each_up_to<F, Done>(end: u64, body: F)
where
    F: Fn(u64) -> Done + Clone + Send + Sync + 'static,
    Done: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicU64::new(1));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (next, body) = (Arc::clone(&next), body.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let k = next.fetch_add(1, Ordering::Relaxed);
                if k > end {
                    return;
                }
                body(k).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_write_sync_and_truncation_may_fail() {
    let rig = Arc::new(Rig::new());
    let noticed = Arc::new(AtomicU64::new(0));
    let (events, seen) = (rig.events, Arc::clone(&noticed));
    for_each_up_to(events, move |k| {
        let (rig, noticed) = (Arc::clone(&rig), Arc::clone(&noticed));
        async move {
            let settings = [
                ("TALLYBOOK_TEST_POWER_LOSS_AT", NEVER),
                ("TALLYBOOK_TEST_FAILURE_AT", k),
            ];
            let (output, data) = rig.child(&format!("failure-{k}"), &settings);
            assert_eq!(output.status.code(), Some(0), "failure {k}: {output:?}");
            let said = String::from_utf8_lossy(&output.stdout);
            let acknowledged = script::acknowledged(&said);
            let told = said.contains("retry: ") || said.contains("failed: ");
            // What was not acknowledged is an error, and after one failure work goes on.
            assert!(told || acknowledged == ROUNDS, "failure {k}: {said}");
            assert!(
                acknowledged == ROUNDS || said.contains("failed: "),
                "failure {k}: {said}"
            );
            noticed.fetch_add(u64::from(told), Ordering::Relaxed);
            script::check(&data, acknowledged, &format!("failure {k}")).await;
        }
    })
    .await;
    let noticed = seen.load(Ordering::Relaxed);
    assert!(
        noticed * 4 > events,
        "only {noticed} of {events} were noticed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn power_may_be_lost_at_every_write_sync_and_truncation() {
    let rig = Arc::new(Rig::new());
    for_each_up_to(rig.events, move |k| {
        let rig = Arc::clone(&rig);
        async move {
            let settings = [
                ("TALLYBOOK_TEST_POWER_LOSS_AT", k),
                // Every third time everything is lost that was not synced, else a part of it, so
                // that pages are torn from each other.
                ("TALLYBOOK_TEST_SEED", k % 3 * (k + 1)),
            ];
            let (output, data) = rig.child(&format!("loss-{k}"), &settings);
            let code = output.status.code();
            // Checkpoints beside the commits make a few writes more or fewer.
            let near_the_end = k + 20 > rig.events && code == Some(0);
            assert!(
                code == Some(POWER_WAS_LOST) || near_the_end,
                "loss {k}: {output:?}"
            );
            let said = String::from_utf8_lossy(&output.stdout);
            let acknowledged = script::acknowledged(&said);
            script::check(&data, acknowledged, &format!("loss {k}")).await;
        }
    })
    .await;
}

/// The tests above would notice: when syncs keep nothing, what was acknowledged is lost.
#[tokio::test]
async fn without_syncs_events_are_lost() {
    let rig = Rig::new();
    let settings = [
        ("TALLYBOOK_TEST_POWER_LOSS_AT", rig.events * 3 / 4),
        ("TALLYBOOK_TEST_IGNORE_SYNCS", 1),
    ];
    let (output, data) = rig.child("no-syncs", &settings);
    assert_eq!(output.status.code(), Some(POWER_WAS_LOST), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    let acknowledged = script::acknowledged(&said);
    assert!(acknowledged > 0, "{said}");
    let check = tokio::spawn(async move { script::check(&data, acknowledged, "no syncs").await });
    let error = check.await.expect_err("nothing was lost");
    assert!(error.is_panic());
}
