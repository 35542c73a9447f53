//! `seeds FIXTURE FOLDER`: batches, entries and blobs of a data directory, as first inputs.
//!
//! Look next: `xtask/src/fuzz.rs`, which runs it and adds the text fixtures.

use std::error::Error;
use std::path::{Path, PathBuf};
use tallybook_core::batch::Batch;
use tallybook_core::ids::Seq;
use tallybook_store::Store;
use tallybook_store::sqlite::SqliteStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [fixture, folder] = &arguments[..] else {
        return Err("two paths are needed".into());
    };
    // Opening a directory writes to it.
    let scratch = tempfile::tempdir()?;
    std::fs::copy(fixture, scratch.path().join("tallybook.db"))?;
    let store = SqliteStore::open(scratch.path(), "fuzz")?;
    for (log, _) in store.heads().await? {
        for row in store.read_log(log, Seq(0), usize::MAX).await? {
            let name = format!("{}-{}", log.0, row.seq.0);
            // The target adds the hash.
            write(folder, "batch", &name, &row.batch[..row.batch.len() - 32])?;
            let (batch, _) = Batch::decode(&row.batch)?;
            for (number, entry) in batch.entries.into_iter().enumerate() {
                let bytes = [vec![entry.tag], entry.payload].concat();
                write(folder, "entries", &format!("{name}-{number}"), &bytes)?;
            }
        }
    }
    for blob in store.list_blobs().await? {
        if let Some(bytes) = store.get_blob(blob.id).await? {
            write(folder, "derived", &blob.id.to_string(), &bytes)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)
}
