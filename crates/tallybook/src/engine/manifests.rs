//! The manifests of all logs, and the deletion of blobs that they no longer name.
//!
//! Invariant: a derived blob is deleted only when its log's manifest does not name it, and while
//! none is about to be named: blobs are written and named under [`Naming`], which excludes
//! deletion. A damaged manifest is treated as empty, and everything is rebuilt from the log.

use super::EngineError;
use super::checkpoint::Checkpoints;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::codec::DecodeError;
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::time::Instant;
use tallybook_store::{Store, StoreError};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long blobs that a newer checkpoint replaced are kept, in seconds: answers that began earlier
/// may still read them. Those still pending when the server stops are swept at its next start.
const SECONDS_KEPT: i64 = 600;

/// The manifests of one store.
pub(super) struct Manifests {
    store: Arc<dyn Store>,
    gate: RwLock<()>,
    swaps: Mutex<Swaps>,
    waiting: Mutex<Vec<Waiting>>,
}

/// Manifest swaps since startup.
#[derive(Default)]
struct Swaps {
    count: u64,
    /// The number of each log's last swap.
    last: BTreeMap<LogId, u64>,
}

impl Swaps {
    fn note(&mut self, log: LogId) {
        self.count += 1;
        self.last.insert(log, self.count);
    }
}

/// Held from before the first derived blob is written until a manifest names them all. To hold the
/// writer's turn as well, take that first.
pub(super) struct Naming<'a> {
    _gate: RwLockReadGuard<'a, ()>,
}

/// A blob that a manifest named, and those that only this blob names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dropped {
    pub blob: Digest,
    pub blocks: Vec<Digest>,
}

impl From<Digest> for Dropped {
    fn from(blob: Digest) -> Self {
        let blocks = Vec::new();
        Self { blob, blocks }
    }
}

/// Blobs with a pending deletion.
struct Waiting {
    since: Instant,
    log: LogId,
    dropped: Vec<Dropped>,
}

impl Manifests {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            gate: RwLock::default(),
            swaps: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Their store.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Begins to write derived blobs.
    pub(super) async fn naming(&self) -> Naming<'_> {
        let _gate = self.gate.read().await;
        Naming { _gate }
    }

    /// Waits until no derived blob is about to be named, and blocks new naming.
    pub(super) async fn deleting(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// A log's manifest and its version. A damaged one is replaced by an empty one.
    pub(super) async fn load(&self, log: LogId) -> Result<(u64, Checkpoints), EngineError> {
        load(self.store.as_ref(), log).await
    }

    /// Replaces a manifest, unless its version has changed; returns whether it did.
    pub(super) async fn swap(
        &self,
        _naming: &Naming<'_>,
        log: LogId,
        version: u64,
        known: &Checkpoints,
    ) -> Result<bool, EngineError> {
        // Also on failure: then it is unknown whether it was swapped.
        lock(&self.swaps).note(log);
        Ok(self
            .store
            .swap_manifest(log, version, known.encode())
            .await?)
    }

    /// Stores a missing or damaged derived blob again, if the manifest, or an index in it, still
    /// names it.
    pub(super) async fn mend(
        &self,
        log: LogId,
        named: Digest,
        bytes: Vec<u8>,
        at: Instant,
    ) -> Result<(), EngineError> {
        // If it is dropped in between, a blob that nothing names is left behind and later swept.
        let (_, known) = self.load(log).await?;
        if !known.named().contains(&named) {
            return Ok(());
        }
        match self.store.put_blob(bytes.into(), at).await {
            // A damaged database is not written to; the rebuilt value is used anyway.
            Ok(_) | Err(StoreError::Damaged { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes blobs of a log that its manifest no longer names.
    pub(super) async fn delete(
        &self,
        log: LogId,
        dropped: Vec<Dropped>,
    ) -> Result<(), EngineError> {
        if dropped.is_empty() {
            return Ok(());
        }
        let _deleting = self.deleting().await;
        let (_, known) = self.load(log).await?;
        let named = known.named();
        let gone = dropped.into_iter().filter(|it| !named.contains(&it.blob));
        let gone = gone.flat_map(|it| it.blocks.into_iter().chain([it.blob]));
        Ok(self.store.delete_blobs(gone.collect(), None).await?)
    }

    /// Schedules the deletion of a log's blobs some minutes after `since`.
    pub(super) fn delete_later(&self, since: Instant, log: LogId, dropped: Vec<Dropped>) {
        if !dropped.is_empty() {
            let waiting = Waiting {
                since,
                log,
                dropped,
            };
            lock(&self.waiting).push(waiting);
        }
    }

    /// Deletes what has waited long enough.
    pub(super) async fn delete_due(&self, now: Instant) -> Result<(), EngineError> {
        let is_due = |it: &mut Waiting| it.since.seconds() + SECONDS_KEPT <= now.seconds();
        let due: Vec<Waiting> = lock(&self.waiting).extract_if(.., is_due).collect();
        for Waiting { log, dropped, .. } in due {
            self.delete(log, dropped).await?;
        }
        Ok(())
    }

    /// The blobs with a pending deletion.
    pub(super) fn waiting(&self) -> BTreeSet<Digest> {
        let waiting = lock(&self.waiting);
        let dropped = waiting.iter().flat_map(|it| &it.dropped);
        dropped
            .flat_map(|it| it.blocks.iter().chain([&it.blob]))
            .copied()
            .collect()
    }

    /// The number of swaps so far.
    pub(super) fn swaps(&self) -> u64 {
        lock(&self.swaps).count
    }

    /// The logs whose manifests were swapped since the count was `count`.
    pub(super) fn swapped_since(&self, count: u64) -> BTreeSet<LogId> {
        let swaps = lock(&self.swaps);
        let since = swaps.last.iter().filter(|(_, number)| **number > count);
        since.map(|(log, _)| *log).collect()
    }
}

/// A log's manifest and its version. A damaged one is replaced by an empty one.
pub(super) async fn load(store: &dyn Store, log: LogId) -> Result<(u64, Checkpoints), EngineError> {
    loop {
        let Some(manifest) = store.manifest(log).await? else {
            return Ok((0, Checkpoints::default()));
        };
        match Checkpoints::decode(&manifest.bytes) {
            Ok(known) => return Ok((manifest.version, known.unwrap_or_default())),
            Err(error) => {
                if replace(store, log, manifest.version, &error).await? {
                    return Ok((manifest.version + 1, Checkpoints::default()));
                }
            }
        }
    }
}

/// Replaces a damaged manifest by an empty one; returns whether it was still the damaged one.
async fn replace(
    store: &dyn Store,
    log: LogId,
    version: u64,
    error: &DecodeError,
) -> Result<bool, EngineError> {
    let reason = error.to_string();
    tracing::warn!(
        log = log.0,
        reason,
        "a manifest is damaged: its checkpoints are rebuilt from the log"
    );
    let nothing = Checkpoints::default().encode();
    match store.swap_manifest(log, version, nothing).await {
        // A damaged database is not written to; its log can still be read.
        Err(StoreError::Damaged { .. }) => Ok(true),
        other => Ok(other?),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
