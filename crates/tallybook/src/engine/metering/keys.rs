//! Every event ever taken, by the hash of its name: what makes a redelivery a duplicate.
//!
//! Invariant: derived from the log, and exact: a key is here if and only if a batch up to `at` holds
//! its event. Used only by whoever has the writer's turn.

use crate::engine::{Engine, EngineError, View};
use std::collections::HashMap;
use tallybook_core::batch::Batch;
use tallybook_core::event::EventKey;
use tallybook_core::ids::{LogId, Seq};
use tallybook_core::ledger::{EVENTS, events};

/// Where an event is in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub seq: Seq,
    /// Among the events of the batch.
    pub index: u32,
}

/// What is remembered of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// A hash over what it says.
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
    used: u64,
}

impl Keys {
    /// What is known of some keys.
    pub(super) fn find(&self, key: EventKey) -> Option<Known> {
        self.recent.get(&key).copied()
    }

    /// Adds the events of the batch after `at`.
    pub(super) fn add(&mut self, seq: Seq, keys: impl IntoIterator<Item = (EventKey, Known)>) {
        self.at = seq;
        self.recent.extend(keys);
    }
}

/// The events of every account in use.
#[derive(Debug, Default)]
pub(super) struct AllKeys {
    logs: HashMap<LogId, Keys>,
    uses: u64,
}

/// Keys kept in memory over all accounts, beyond which the account that was used least recently is
/// dropped.
const MOST_KEYS: usize = 2_000_000;

/// Bytes of batches read at a time.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

impl AllKeys {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.logs.clear();
    }

    /// The keys of an account that [`Self::load`] loaded.
    pub(super) fn of(&mut self, log: LogId) -> &mut Keys {
        self.logs.entry(log).or_default()
    }

    /// Brings an account's keys up to its view.
    pub(super) async fn load(&mut self, engine: &Engine, view: &View) -> Result<(), EngineError> {
        let log = view.account.log;
        self.uses += 1;
        let keys = self.logs.entry(log).or_default();
        keys.used = self.uses;
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
                let found =
                    known_of(&batch, view).map_err(|error| EngineError::damaged(what(), error))?;
                keys.add(row.seq, found);
            }
        }
        Ok(())
    }

    /// Drops the accounts that were used least recently, until the rest is small enough.
    pub(super) fn shrink(&mut self) {
        let mut held: usize = self.logs.values().map(|keys| keys.recent.len()).sum();
        while held > MOST_KEYS && self.logs.len() > 1 {
            let oldest = self.logs.iter().min_by_key(|(_, keys)| keys.used);
            let Some(log) = oldest.map(|(log, _)| *log) else {
                return;
            };
            held -= self.logs.remove(&log).map_or(0, |keys| keys.recent.len());
        }
    }
}

/// The keys of a batch's events.
fn known_of(batch: &Batch, view: &View) -> Result<Vec<(EventKey, Known)>, String> {
    let mut found = Vec::new();
    for entry in batch.entries.iter().filter(|entry| entry.tag == EVENTS) {
        let recorded = events::decode(&entry.payload, &view.account.dictionary);
        for (index, recorded) in (0u32..).zip(recorded.map_err(|error| error.to_string())?) {
            let event = recorded.event(&view.account.dictionary);
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
