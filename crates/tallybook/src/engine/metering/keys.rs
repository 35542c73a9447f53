//! Every event ever accepted, by the hash of its name, to recognise redeliveries as duplicates.
//!
//! Invariant: derived from the log, and exact: a key is here if and only if a batch up to `at`
//! holds its event. Recent keys are in memory, older ones in runs in the store. Used only while
//! holding the writer's turn; the runs, which are immutable, are also [`Published`] to other tasks.
//! Look next: [`super::run`] for older keys, [`super::seal`] for how recent keys become runs,
//! [`super::look_up`] for lookups.

use super::block::Pair;
use super::run::Run;
use super::seal::MOST_RECENT;
use crate::engine::{Engine, EngineError, View};
use lru::LruCache;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tallybook_core::batch::Batch;
use tallybook_core::event::EventKey;
use tallybook_core::ids::{LogId, Seq};
use tallybook_core::ledger::{EVENTS, events};
use tallybook_core::names::Dictionary;

/// Where an event is in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub seq: Seq,
    /// Its index in the batch.
    pub index: u32,
}

/// What is remembered about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// A hash of its content.
    pub content: u64,
    pub place: Place,
    pub is_correction: bool,
}

/// The events of one account.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The newest batch whose events are here.
    at: Seq,
    recent: HashMap<EventKey, Known>,
    /// The longest first.
    runs: Arc<[Run]>,
    /// Whether recent keys are being written to a run.
    pub sealing: bool,
}

impl Keys {
    fn of_runs(at: Seq, runs: Vec<Run>) -> Self {
        Self {
            at,
            runs: runs.into(),
            ..Self::default()
        }
    }

    /// Looks up a recent key.
    pub(super) fn recent(&self, key: EventKey) -> Option<Known> {
        self.recent.get(&key).copied()
    }

    /// How many keys are in memory.
    pub(super) fn recent_count(&self) -> usize {
        self.recent.len()
    }

    /// The runs with the older keys.
    pub(super) fn older(&self) -> &Arc<[Run]> {
        &self.runs
    }

    /// Adds the events of the batch after `at`.
    pub(super) fn add(&mut self, seq: Seq, keys: impl IntoIterator<Item = Pair>) {
        self.at = seq;
        self.recent.extend(keys);
    }

    /// The recent keys up to a batch, sorted.
    pub(super) fn up_to(&self, seq: Seq) -> Vec<Pair> {
        let old = self
            .recent
            .iter()
            .filter(|(_, known)| known.place.seq <= seq);
        let mut pairs: Vec<Pair> = old.map(|(key, known)| (*key, *known)).collect();
        pairs.sort_unstable_by_key(|(key, _)| *key);
        pairs
    }

    /// Replaces recent keys up to a batch by runs.
    fn sealed(&mut self, seq: Seq, runs: Arc<[Run]>) {
        self.runs = runs;
        self.recent.retain(|_, known| known.place.seq > seq);
        self.recent.shrink_to_fit();
        self.sealing = false;
    }
}

/// The runs of accounts in use, for tasks without the writer's turn; they may be slightly out of
/// date.
#[derive(Debug, Default)]
pub(super) struct Published(RwLock<HashMap<LogId, Arc<[Run]>>>);

impl Published {
    /// The runs of an account; `None` when it is not in use, or has only recent keys.
    pub(super) fn get(&self, log: LogId) -> Option<Arc<[Run]>> {
        let runs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        runs.get(&log).cloned()
    }

    fn set(&self, log: LogId, runs: &Arc<[Run]>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if runs.is_empty() {
            all.remove(&log);
        } else {
            all.insert(log, Arc::clone(runs));
        }
    }

    fn clear(&self) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.clear();
    }
}

/// The events of every account in use.
#[derive(Debug)]
pub(super) struct AllKeys {
    logs: LruCache<LogId, Keys>,
    published: Arc<Published>,
}

/// Keys kept in memory over all accounts, beyond which the least recently used account is dropped.
const MOST_KEYS: usize = 600_000;

/// Accounts whose keys are kept in memory, likewise: those of a small one are reloaded in less than
/// a millisecond.
const MOST_ACCOUNTS: usize = 1024;

/// Bytes of batches read at a time.
pub(super) const PAGE_BYTES: usize = 8 * 1024 * 1024;

impl AllKeys {
    /// Starts without any keys.
    pub(super) fn new(published: Arc<Published>) -> Self {
        Self {
            logs: LruCache::unbounded(),
            published,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.logs.clear();
        self.published.clear();
    }

    /// Notes that recent keys of an account up to a batch are now in runs.
    pub(super) fn sealed(&mut self, log: LogId, seq: Seq, runs: Vec<Run>) {
        match self.logs.peek_mut(&log) {
            Some(keys) if keys.sealing => {
                keys.sealed(seq, runs.into());
                self.published.set(log, &keys.runs);
            }
            // They were reloaded meanwhile from the previous checkpoint: load them once more.
            _ => self.forget(log),
        }
    }

    /// Forgets the keys of an account: they will be reloaded from its newest checkpoint.
    pub(super) fn forget(&mut self, log: LogId) {
        self.logs.pop(&log);
        self.published.set(log, &Arc::default());
    }

    /// The keys of an account loaded so far.
    pub(super) fn of(&mut self, log: LogId) -> &mut Keys {
        self.logs.get_or_insert_mut(log, Keys::default)
    }

    /// The keys of an account that is in use.
    pub(super) fn known(&mut self, log: LogId) -> Option<&mut Keys> {
        self.logs.peek_mut(&log)
    }

    /// Brings an account's keys up to its view.
    pub(super) async fn load(
        &mut self,
        engine: &Engine,
        view: &Arc<View>,
    ) -> Result<(), EngineError> {
        let log = view.account.log;
        let keys = match self.logs.pop(&log) {
            Some(keys) => keys,
            None => {
                let keys = stored(engine, view).await?;
                self.published.set(log, &keys.runs);
                keys
            }
        };
        let keys = self.logs.get_or_insert_mut(log, || keys);
        while keys.at < view.account.seq {
            let rows = engine.store.read_log(log, keys.at, PAGE_BYTES).await?;
            if rows.is_empty() {
                let what = format!("batch {} of log {}", keys.at.next().0, log.0);
                return Err(EngineError::damaged(what, "missing"));
            }
            for row in rows {
                let what = || format!("batch {} of log {}", row.seq.0, log.0);
                let decoded = Batch::decode(&row.batch);
                let (batch, _) = decoded.map_err(|error| EngineError::damaged(what(), error))?;
                let found = pairs_of(&batch, &view.account.dictionary)
                    .map_err(|error| EngineError::damaged(what(), error))?;
                keys.add(row.seq, found);
            }
        }
        Ok(())
    }

    /// How many accounts are in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.logs.len()
    }

    /// Drops the least recently used accounts, until the rest is small enough.
    pub(super) fn shrink(&mut self) {
        let mut held: usize = self.logs.iter().map(|(_, keys)| keys.recent_count()).sum();
        while (held > MOST_KEYS || self.logs.len() > MOST_ACCOUNTS) && self.logs.len() > 1 {
            let mut oldest_first = self.logs.iter().rev();
            let idle = oldest_first.find(|(_, keys)| !keys.sealing);
            let Some(log) = idle.map(|(log, _)| *log) else {
                return;
            };
            held -= self.logs.pop(&log).map_or(0, |keys| keys.recent_count());
            self.published.set(log, &Arc::default());
        }
    }
}

/// The keys that an account's checkpoint names. Without one the log is read from its first batch,
/// and a long one gets a checkpoint.
async fn stored(engine: &Engine, view: &Arc<View>) -> Result<Keys, EngineError> {
    let (_, checkpoints) = engine.manifests.load(view.account.log).await?;
    if let Some(known) = checkpoints.account()
        && known.at <= view.account.seq
        && let Some(runs) = engine.read_runs(view, known).await?
    {
        return Ok(Keys::of_runs(known.at, runs));
    }
    if view.account.metered.events() > MOST_RECENT as u64 {
        let runs = engine.seal_from_log(view).await?;
        return Ok(Keys::of_runs(view.account.seq, runs));
    }
    Ok(Keys::default())
}

/// The keys of a batch's events.
pub(super) fn pairs_of(batch: &Batch, names: &Dictionary) -> Result<Vec<Pair>, String> {
    let mut found = Vec::new();
    for entry in batch.entries.iter().filter(|entry| entry.tag == EVENTS) {
        let recorded = events::decode(&entry.payload, names);
        for (index, recorded) in (0u32..).zip(recorded.map_err(|error| error.to_string())?) {
            let event = recorded.event(names);
            let event = event.ok_or_else(|| "a name is missing".to_owned())?;
            let known = Known {
                content: event.content(),
                place: Place {
                    seq: batch.seq,
                    index,
                },
                is_correction: event.is_correction(),
            };
            found.push((recorded.key(batch.log), known));
        }
    }
    Ok(found)
}
