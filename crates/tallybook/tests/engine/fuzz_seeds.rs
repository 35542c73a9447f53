//! Batches, entries and blobs of the released formats as first inputs of the fuzz targets.
//!
//! `TALLYBOOK_FUZZ_SEEDS=FOLDER cargo test -p tallybook --test engine -- --ignored fuzz_seeds`
//! writes them; `cargo xtask fuzz` does that.

use crate::data_format::{NEWEST, fixture};
use std::path::{Path, PathBuf};
use tallybook_core::batch::Batch;
use tallybook_core::ids::Seq;
use tallybook_store::Store;
use tallybook_store::sqlite::SqliteStore;

#[tokio::test]
#[ignore = "writes files for the fuzzer; tests nothing"]
async fn written() {
    let Some(folder) = std::env::var_os("TALLYBOOK_FUZZ_SEEDS").map(PathBuf::from) else {
        return;
    };
    for format in 1..=NEWEST {
        write_seeds(&fixture(format), &folder, format).await;
    }
}

async fn write_seeds(database: &Path, folder: &Path, format: u32) {
    // Opening a directory writes to it.
    let scratch = tempfile::tempdir().unwrap();
    std::fs::copy(database, scratch.path().join("tallybook.db")).unwrap();
    let store = SqliteStore::open(scratch.path(), "fuzz").unwrap();
    for (log, _) in store.heads().await.unwrap() {
        for row in store.read_log(log, Seq(0), usize::MAX).await.unwrap() {
            let name = format!("{format}-{}-{}", log.0, row.seq.0);
            // The target adds the hash.
            write(folder, "batch", &name, &row.batch[..row.batch.len() - 32]);
            let (batch, _) = Batch::decode(&row.batch).unwrap();
            for (number, entry) in batch.entries.into_iter().enumerate() {
                let bytes = [vec![entry.tag], entry.payload].concat();
                write(folder, "entries", &format!("{name}-{number}"), &bytes);
            }
        }
    }
    for blob in store.list_blobs().await.unwrap() {
        if let Some(bytes) = store.get_blob(blob.id).await.unwrap() {
            write(folder, "derived", &blob.id.to_string(), &bytes);
        }
    }
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}
