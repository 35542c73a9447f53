//! Sweeping: deletes blobs that nothing names: chunks of imports that were never committed, and
//! leftover checkpoints of an earlier run of the server.
//!
//! Invariant: a blob stays if any batch of any log or any manifest names it, even if another
//! account stored the same bytes, or if it is about to be named.

use super::{Engine, EngineError};
use crate::engine::commit::Turn;
use crate::engine::load;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::account::AccountName;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::time::Instant;
use tallybook_store::BlobInfo;
use tokio::sync::RwLockWriteGuard;

/// About how many bytes are deleted before commits get a turn.
const BYTES_AT_A_TIME: u64 = 64 << 20;

/// The imports in progress, each with the time of its earliest chunk.
#[derive(Debug, Default)]
pub(in crate::engine) struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    began: BTreeMap<u64, Instant>,
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `before`, or the time of the oldest session if that is earlier.
    fn not_after(&self, before: Instant) -> Instant {
        let state = self.state();
        let oldest = state.began.values().min();
        oldest.map_or(before, |oldest| before.min(*oldest))
    }
}

/// Marks an import as in progress until dropped.
pub(super) struct Live {
    engine: Arc<Engine>,
    number: u64,
}

impl Live {
    pub(super) fn new(engine: &Arc<Engine>, now: Instant) -> Self {
        let mut state = engine.sessions.state();
        let number = state.next;
        state.next += 1;
        state.began.insert(number, now);
        drop(state);
        let engine = Arc::clone(engine);
        Self { engine, number }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.engine.sessions.state().began.remove(&self.number);
    }
}

/// Blobs that nothing named when the logs and manifests were read.
struct Candidates {
    blobs: BTreeMap<Digest, BlobInfo>,
    /// All were stored before this time.
    before: Instant,
    /// The state of the logs and manifests when they were read.
    heads: BTreeSet<(LogId, Seq)>,
    swaps: u64,
}

impl Candidates {
    /// Takes some of them out, except those in `kept`.
    fn take(&mut self, bytes: u64, kept: &BTreeSet<Digest>) -> Vec<Digest> {
        let (mut taken, mut size) = (Vec::new(), 0);
        while size < bytes
            && let Some((id, blob)) = self.blobs.pop_first()
        {
            if !kept.contains(&id) {
                size += blob.stored_size;
                taken.push(id);
            }
        }
        taken
    }
}

/// While this is held nothing commits, and no derived blob is about to be named.
struct Held<'a> {
    _deleting: RwLockWriteGuard<'a, ()>,
    _turn: Turn<'a>,
}

impl Engine {
    /// Deletes blobs that no batch and no manifest names and that were stored before `before`,
    /// except those with a pending deletion, which answers may still read. Returns how many.
    pub async fn sweep(&self, before: Instant) -> Result<usize, EngineError> {
        let mut candidates = self.candidates(before).await?;
        let mut count = 0;
        loop {
            let held = self.hold(&mut candidates).await?;
            let ids = candidates.take(BYTES_AT_A_TIME, &self.manifests.waiting());
            if ids.is_empty() {
                return Ok(count);
            }
            count += ids.len();
            let deleted = self.store.delete_blobs(ids, Some(candidates.before));
            deleted.await?;
            drop(held);
        }
    }

    /// The blobs that no batch and no manifest names.
    pub(in crate::engine) async fn unnamed(&self) -> Result<Vec<BlobInfo>, EngineError> {
        let mut candidates = self.candidates(Instant::LATEST).await?;
        self.hold(&mut candidates).await?;
        Ok(candidates.blobs.into_values().collect())
    }

    /// Reads what every log and every manifest names, without blocking other work.
    async fn candidates(&self, before: Instant) -> Result<Candidates, EngineError> {
        let swaps = self.manifests.swaps();
        let heads: BTreeSet<_> = self.store.heads().await?.into_iter().collect();
        let before = self.sessions.not_after(before);
        let listed = self.store.list_blobs().await?;
        let old = listed.into_iter().filter(|blob| blob.put_at < before);
        let mut blobs: BTreeMap<Digest, BlobInfo> = old.map(|blob| (blob.id, blob)).collect();
        if !blobs.is_empty() {
            let logs = heads.iter().map(|(log, _)| *log).collect();
            self.keep_named(&logs, &mut blobs).await?;
        }
        Ok(Candidates {
            blobs,
            before,
            heads,
            swaps,
        })
    }

    /// Blocks commits and naming. Reading took a while, so what has changed since is read again.
    async fn hold(&self, candidates: &mut Candidates) -> Result<Held<'_>, EngineError> {
        let turn = self.turn().await;
        let deleting = self.manifests.deleting().await;
        candidates.before = self.sessions.not_after(candidates.before);
        let (before, blobs) = (candidates.before, &mut candidates.blobs);
        blobs.retain(|_, blob| blob.put_at < before);
        if !blobs.is_empty() {
            let newest = self.store.heads().await?;
            let heads = &candidates.heads;
            let newer = newest.into_iter().filter(|head| !heads.contains(head));
            let mut changed = self.manifests.swapped_since(candidates.swaps);
            changed.extend(newer.map(|(log, _)| log));
            self.keep_named(&changed, blobs).await?;
        }
        Ok(Held {
            _deleting: deleting,
            _turn: turn,
        })
    }

    /// Removes candidates that some logs and their manifests name.
    async fn keep_named(
        &self,
        logs: &BTreeSet<LogId>,
        candidates: &mut BTreeMap<Digest, BlobInfo>,
    ) -> Result<(), EngineError> {
        let site = self.site();
        for log in logs.iter().filter(|log| **log != LogId::SITE) {
            // What a log without an account names is unknown.
            let name = site.directory.account_of(*log);
            let name = name.ok_or_else(|| {
                EngineError::damaged(format!("log {}", log.0), "it has no account")
            })?;
            for blob in self.named_by(*log, name).await? {
                candidates.remove(&blob);
            }
        }
        Ok(())
    }

    /// What a log and its manifest name.
    async fn named_by(&self, log: LogId, name: &AccountName) -> Result<Vec<Digest>, EngineError> {
        let account = match self.views.get(log) {
            Some(view) => Arc::clone(&view.account),
            None => Arc::new(load::account(self.store.as_ref(), log, name).await?),
        };
        let records = account.imports.iter().map(|import| &import.record);
        let mut named = Vec::new();
        for part in records.flat_map(|record| &record.parts) {
            named.push(part.cells);
            named.extend(part.chunks.iter().map(|chunk| chunk.blob));
        }
        let (_, checkpoints) = self.manifests.load(log).await?;
        named.extend(checkpoints.named());
        if let Some(known) = checkpoints.account() {
            named.extend(self.blocks_of(log, known).await?);
        }
        Ok(named)
    }
}
