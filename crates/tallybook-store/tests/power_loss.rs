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
const LOSSES: u64 = 20;

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

/// Lets a child append until the power is lost; gives what it acknowledged.
fn append_until_loss(shim: &Path, data: &Path, settings: &[(&str, u64)]) -> BTreeMap<u64, u64> {
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
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(POWER_WAS_LOST), "{text}");
    text.lines().filter_map(acknowledgement).collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_loss() {
    let scratch = TempDir::new().expect("a temporary directory");
    let shim = build_shim(scratch.path());
    let mut acknowledged_in_all = 0;
    for loss in 0..LOSSES {
        let data = scratch.path().join(format!("data-{loss}"));
        let settings = [
            ("TALLYBOOK_TEST_POWER_LOSS_AT", 5 + loss * 487),
            // Every third time everything is lost that was not synced, else a part of it.
            ("TALLYBOOK_TEST_SEED", loss % 3 * (loss + 1)),
        ];
        let acknowledged = append_until_loss(&shim, &data, &settings);
        assert_acknowledged(&data, &acknowledged).await;
        acknowledged_in_all += acknowledged.values().sum::<u64>();
    }
    assert!(acknowledged_in_all > 100 * LOSSES, "{acknowledged_in_all}");
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
    let acknowledged = append_until_loss(&shim, &data, &settings);
    assert!(!acknowledged.is_empty());
    let check = tokio::spawn(async move { assert_acknowledged(&data, &acknowledged).await });
    let error = AssertUnwindSafe(check).await.expect_err("nothing was lost");
    assert!(error.is_panic());
}
