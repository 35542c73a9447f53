//! Sweeping: blobs that nothing names are deleted: chunks of imports that were never committed, and
//! what an earlier run of the server left of its checkpoints.
//!
//! Invariant: what any batch of any log names, or any manifest, stays, also when another account
//! stored the same bytes; so does whatever somebody is about to name.

use super::{Engine, EngineError};
use crate::engine::commit::Turn;
use crate::engine::load;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::account::AccountName;
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::time::Instant;
use tallybook_store::BlobInfo;
use tokio::sync::RwLockWriteGuard;

/// The imports in the making, each with the time from which its chunks are.
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

/// An import in the making, until it is dropped.
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

/// Blobs that nothing names, and nobody is about to name while this is held.
pub(in crate::engine) struct Unnamed<'a> {
    pub blobs: Vec<BlobInfo>,
    /// All were put before.
    before: Instant,
    _deleting: RwLockWriteGuard<'a, ()>,
    _turn: Turn<'a>,
}

impl Engine {
    /// Deletes blobs that no batch and no manifest names and that were put before `before`. Gives
    /// how many.
    pub async fn sweep(&self, before: Instant) -> Result<usize, EngineError> {
        let unnamed = self.unnamed(before).await?;
        let ids: Vec<Digest> = unnamed.blobs.iter().map(|blob| blob.id).collect();
        let count = ids.len();
        if count > 0 {
            let deleted = self.store.delete_blobs(ids, Some(unnamed.before));
            deleted.await?;
        }
        Ok(count)
    }

    /// The blobs that were put before `before` and that no batch and no manifest names.
    pub(in crate::engine) async fn unnamed(
        &self,
        before: Instant,
    ) -> Result<Unnamed<'_>, EngineError> {
        let swaps = self.manifests.swaps();
        let heads = self.store.heads().await?;
        let before = self.sessions.not_after(before);
        let listed = self.store.list_blobs().await?;
        let old = listed.into_iter().filter(|blob| blob.put_at < before);
        let mut candidates: BTreeMap<Digest, BlobInfo> = old.map(|blob| (blob.id, blob)).collect();
        if !candidates.is_empty() {
            self.keep_named(
                &heads.iter().map(|(log, _)| *log).collect(),
                &mut candidates,
            )
            .await?;
        }
        // That took a while. Now nobody commits or names anything: only what has changed is asked.
        let turn = self.turn().await;
        let deleting = self.manifests.deleting().await;
        let before = self.sessions.not_after(before);
        candidates.retain(|_, blob| blob.put_at < before);
        if !candidates.is_empty() {
            let newest = self.store.heads().await?;
            let newer = newest.into_iter().filter(|head| !heads.contains(head));
            let mut changed = self.manifests.swapped_since(swaps);
            changed.extend(newer.map(|(log, _)| log));
            self.keep_named(&changed, &mut candidates).await?;
        }
        Ok(Unnamed {
            blobs: candidates.into_values().collect(),
            before,
            _deleting: deleting,
            _turn: turn,
        })
    }

    /// Removes what some logs and their manifests name.
    async fn keep_named(
        &self,
        logs: &BTreeSet<LogId>,
        candidates: &mut BTreeMap<Digest, BlobInfo>,
    ) -> Result<(), EngineError> {
        let site = self.site();
        for log in logs.iter().filter(|log| **log != LogId::SITE) {
            // Of a log without an account it is not known what it names.
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
