//! The health of the store's file, as observed since it was opened.
//!
//! Invariant: once SQLite has found the file's structure damaged, nothing more is written to it, by
//! commits or by checkpoints, to preserve what can still be recovered. A damaged value (a batch or
//! a blob with another checksum) does not have this effect: everything around it is sound, and a
//! blob can be rebuilt from the log.

use super::failure::Failure;
use crate::StoreError;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Shared by the threads of one store.
#[derive(Debug, Default)]
pub(super) struct Health {
    damage: Mutex<Option<StoreError>>,
    checkpoint_failure: Mutex<Option<StoreError>>,
}

impl Health {
    /// Turns a failure into an error, and remembers it if it indicates structural damage.
    pub(super) fn observe(&self, failure: Failure, path: &Path, doing: &str) -> StoreError {
        let structural = failure.is_structural();
        let error = failure.at(path, doing);
        if structural {
            set(&self.damage, Some(error.clone()));
        }
        error
    }

    /// The damage found, if any.
    pub(super) fn damage(&self) -> Option<StoreError> {
        get(&self.damage)
    }

    /// Notes how the last checkpoint ended.
    pub(super) fn set_checkpoint_failure(&self, failure: Option<StoreError>) {
        set(&self.checkpoint_failure, failure);
    }

    /// Why the last checkpoint failed, if it did.
    pub(super) fn checkpoint_failure(&self) -> Option<StoreError> {
        get(&self.checkpoint_failure)
    }
}

fn get(slot: &Mutex<Option<StoreError>>) -> Option<StoreError> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(slot: &Mutex<Option<StoreError>>, value: Option<StoreError>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = value;
}
