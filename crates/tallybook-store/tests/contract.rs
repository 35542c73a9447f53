//! Every backend keeps the contract of `Store`. The checks: `tallybook_store::testing::contract`.

use std::sync::Arc;
use tallybook_store::Store;
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::testing::{FaultyStore, MemoryStore, MirrorStore};
use tempfile::TempDir;

fn sqlite() -> (SqliteStore, TempDir) {
    let directory = TempDir::new().expect("a temporary directory");
    let store = SqliteStore::open(directory.path(), "a test").expect("opens");
    (store, directory)
}

fn shared<S: Store + 'static>(store: S) -> Arc<dyn Store> {
    Arc::new(store)
}

mod memory {
    use super::*;

    tallybook_store::store_contract!((shared(MemoryStore::default()), ()));
}

mod sqlite_file {
    use super::*;

    tallybook_store::store_contract!({
        let (store, directory) = sqlite();
        (shared(store), directory)
    });
}

/// Also finds what the checks do not look at, for the two answer every question alike.
mod mirror {
    use super::*;

    tallybook_store::store_contract!({
        let (store, directory) = sqlite();
        (
            shared(MirrorStore::new(store, MemoryStore::default())),
            directory,
        )
    });
}

/// A faulty store in which nothing is planned to fail is the store below.
mod faulty {
    use super::*;

    tallybook_store::store_contract!((shared(FaultyStore::new(MemoryStore::default())), ()));
}
