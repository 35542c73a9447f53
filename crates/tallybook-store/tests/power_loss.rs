//! Power loss: whatever was not synced is gone, and everything acknowledged is there all the same.
//!
//! A library put between SQLite and the operating system (`power_loss/shim.c`, built by this test)
//! takes back every write that no sync followed, at a chosen write or sync. With syncs that keep
//! nothing the same test must find losses, or it would prove nothing.
#![cfg(target_os = "linux")]

mod appender;

use appender::{CHILD, DIRECTORY, acknowledgement, assert_acknowledged};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How many power losses there are; a few hundred writes and syncs lie between them, so that the
/// later ones meet checkpoints.
const LOSSES: u64 = 16;

/// How many times a write, and how many times a sync fails.
const FAILURES: u64 = 16;

/// About the first ones after the database was made and opened: earlier failures are failures to
/// start.
const FIRST_WRITE_AFTER_OPENING: u64 = 60;
const FIRST_SYNC_AFTER_OPENING: u64 = 11;

/// What the shim ends the child with.
const POWER_WAS_LOST: i32 = 99;

fn build_shim(directory: &Path) -> PathBuf {
    let shim = directory.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_loss/shim.c");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&shim, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .expect("a C compiler, which building SQLite needs as well");
    assert!(status.success(), "the shim does not compile");
    shim
}

/// Lets a child append until the power is lost; gives what it acknowledged, and
/// all that it said.
fn append_until_loss(
    shim: &Path,
    data: &Path,
    settings: &[(&str, u64)],
) -> (BTreeMap<u64, u64>, String) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(CHILD)
        .env("LD_PRELOAD", shim)
        .env(DIRECTORY, data)
        .envs(
            settings
                .iter()
                .map(|(name, value)| (name, value.to_string())),
        )
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(POWER_WAS_LOST), "{output:?}");
    let acknowledged = text.lines().filter_map(acknowledgement).collect();
    (acknowledged, text)
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_loss() {
    let scratch = TempDir::new().expect("a temporary directory");
    let shim = build_shim(scratch.path());
    let mut acknowledged_in_all = 0;
    for loss in 0..LOSSES {
        let data = scratch.path().join(format!("data-{loss}"));
        let settings = [
            ("TALLYBOOK_TEST_POWER_LOSS_AT", 5 + loss * 701),
            // Every third time everything is lost that was not synced, else a part of it.
            ("TALLYBOOK_TEST_SEED", loss % 3 * (loss + 1)),
        ];
        let (acknowledged, _) = append_until_loss(&shim, &data, &settings);
        assert_acknowledged(&data, &acknowledged).await;
        acknowledged_in_all += acknowledged.values().sum::<u64>();
    }
    assert!(acknowledged_in_all > 100 * LOSSES, "{acknowledged_in_all}");
}

/// One write fails, the work goes on, and then the power is lost, soon or later.
#[tokio::test]
async fn what_was_acknowledged_survives_a_failed_write() {
    let output = fail_and_lose(|number| {
        let failure_at = FIRST_WRITE_AFTER_OPENING + number * 97;
        let loss_at = failure_at + number % 4 * 150 + 1;
        (("TALLYBOOK_TEST_FAILURE_AT", failure_at), loss_at)
    });
    assert!(output.await.contains("retry: "), "no failure was noticed");
}

/// After a sync that failed it is unknown whether the commit is on disk; the caller is told so.
#[tokio::test]
async fn what_was_acknowledged_survives_a_failed_sync() {
    let output = fail_and_lose(|number| {
        let failing = FIRST_SYNC_AFTER_OPENING + number;
        (("TALLYBOOK_TEST_FAILING_SYNC", failing), 900 + number * 150)
    });
    let unknown = "retry: the outcome of a commit is unknown";
    assert!(output.await.contains(unknown), "no failure was noticed");
}

/// Runs the child with each of several faults; gives all that was said.
async fn fail_and_lose(fault: impl Fn(u64) -> ((&'static str, u64), u64)) -> String {
    let scratch = TempDir::new().expect("a temporary directory");
    let shim = build_shim(scratch.path());
    let mut said = String::new();
    for number in 0..FAILURES {
        let data = scratch.path().join(format!("data-{number}"));
        let (failure, loss_at) = fault(number);
        let settings = [
            failure,
            ("TALLYBOOK_TEST_POWER_LOSS_AT", loss_at),
            ("TALLYBOOK_TEST_SEED", number % 3 * (number + 1)),
        ];
        let (acknowledged, text) = append_until_loss(&shim, &data, &settings);
        assert_acknowledged(&data, &acknowledged).await;
        said.push_str(&text);
    }
    said
}

#[tokio::test]
async fn without_syncs_the_same_loses_what_was_acknowledged() {
    let scratch = TempDir::new().expect("a temporary directory");
    let shim = build_shim(scratch.path());
    let data = scratch.path().join("data");
    let settings = [
        ("TALLYBOOK_TEST_POWER_LOSS_AT", 3000),
        ("TALLYBOOK_TEST_IGNORE_SYNCS", 1),
    ];
    let (acknowledged, _) = append_until_loss(&shim, &data, &settings);
    assert!(!acknowledged.is_empty());
    let check = tokio::spawn(async move { assert_acknowledged(&data, &acknowledged).await });
    let error = AssertUnwindSafe(check).await.expect_err("nothing was lost");
    assert!(error.is_panic());
}
