//! What an account's usage events add up to, month by month, with corrections applied.
//!
//! Invariant: a pure function of the set of events, whatever order and batches they came in: rows
//! only add, and a correction takes back what it replaces. Copies share unchanged data with the
//! original, so a view may keep one while the account moves on. Rows that a checkpoint stored are
//! only named here, and read when a statement needs them. Look next: [`corrections`] for which
//! correction wins, [`rows`] for sums, [`encode`] for how all this is kept between starts.

pub mod corrections;
pub mod encode;
pub mod rows;
pub mod tokens;

use super::events::{AmendFailure, Codes, Recorded, RecordedBody, Stated};
use crate::dimension::Dimension;
use crate::event::EventKey;
use crate::ids::{LogId, Seq};
use crate::layered::Layered;
use crate::time::Month;
use corrections::{Correction, OpenCorrection};
use rows::{MeteredRow, MonthUsage};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The metered usage of an account, up to one batch.
#[derive(Debug, Clone, Default)]
pub struct Metered {
    months: BTreeMap<Month, MonthUsage>,
    /// By the usage event that they target.
    corrections: Layered<EventKey, Correction>,
    /// Corrections without effect, by their own keys; `None` marks one that is no longer open.
    open: Layered<EventKey, Option<OpenCorrection>>,
    /// By dimension, the dictionary ids of all names that events ever used.
    names: Arc<[BTreeSet<u32>; 6]>,
    /// Usage events and corrections.
    events: u64,
}

impl Metered {
    /// Folds the events of one batch.
    pub fn fold(&mut self, log: LogId, seq: Seq, events: &[Recorded]) {
        let mut delta = Delta::default();
        let failed = failures(log, events);
        self.fold_usage(log, events, &failed, &mut delta);
        self.fold_corrections(log, events, &failed, &mut delta);
        self.note_names(events);
        self.events += events.len() as u64;
        self.corrections.extend(delta.corrections);
        self.open.extend(delta.open);
        for (month, rows) in delta.months {
            self.months.entry(month).or_default().add(seq, rows);
        }
    }

    fn fold_usage(&self, log: LogId, events: &[Recorded], failed: &Failures, delta: &mut Delta) {
        let any_corrections = !self.corrections.is_empty();
        for event in events {
            let Some(stated) = event.stated() else {
                continue;
            };
            let known = if any_corrections {
                let key = event.key(log);
                self.corrections.get(&key).map(|known| (key, known))
            } else {
                None
            };
            // A correction arrived first: it decides what counts.
            if let Some((key, known)) = known {
                let mut arrived = known.clone();
                let waited = arrived.arrive(stated, |amend| !failed.contains_key(&amend.key(log)));
                delta.add(arrived.effective(), 1);
                delta.corrections.insert(key, arrived);
                for key in waited {
                    self.close(key, stated, failed.get(&key), delta);
                }
            } else {
                delta.add(Some(stated), 1);
            }
        }
    }

    /// Removes a correction that no longer waits for its usage event.
    fn close(
        &self,
        key: EventKey,
        stated: Stated,
        failed: Option<&AmendFailure>,
        delta: &mut Delta,
    ) {
        let open = self.open.get(&key).cloned().flatten();
        let open = open.zip(failed).map(|(open, reason)| OpenCorrection {
            failed: Some((stated.hour, *reason)),
            ..open
        });
        delta.open.insert(key, open);
    }

    fn fold_corrections(
        &self,
        log: LogId,
        events: &[Recorded],
        failed: &Failures,
        delta: &mut Delta,
    ) {
        let mut in_batch: Option<HashMap<EventKey, Stated>> = None;
        for event in events {
            let (target, amend) = match &event.body {
                RecordedBody::Usage(_) => continue,
                RecordedBody::Void(target) => (target, None),
                RecordedBody::Amend(target, codes) => (target, Some(*codes)),
            };
            let about = target.name.key(log);
            let known = delta.corrections.get(&about);
            let known = known.or_else(|| self.corrections.get(&about)).cloned();
            let mut correction = known.unwrap_or_else(|| {
                let in_batch = in_batch.get_or_insert_with(|| usage_of(log, events));
                Correction::of(target.stated.or_else(|| in_batch.get(&about).copied()))
            });
            let key = event.key(log);
            let failure = failed.get(&key).copied();
            delta.add(correction.effective(), -1);
            match amend {
                None => correction.voided = true,
                Some(codes) if failure.is_none() => {
                    correction.amend((event.time, event.name.clone()), codes);
                }
                Some(_) => {}
            }
            delta.add(correction.effective(), 1);
            let failed = correction.target().map(|stated| stated.hour).zip(failure);
            if correction.is_pending() {
                correction.waiting.insert(key);
            }
            if correction.is_pending() || failed.is_some() {
                let open = OpenCorrection {
                    name: event.name.clone(),
                    time: event.time,
                    target: target.name.clone(),
                    amend,
                    failed,
                };
                delta.open.insert(key, Some(open));
            }
            delta.corrections.insert(about, correction);
        }
    }

    fn note_names(&mut self, events: &[Recorded]) {
        for event in events {
            let (RecordedBody::Usage(codes) | RecordedBody::Amend(_, codes)) = &event.body else {
                continue;
            };
            for (place, code) in codes.names[1..].iter().enumerate() {
                // The last dimension, cost center, is not used by events.
                if let Some(id) = code.checked_sub(1)
                    && !self.names[place].contains(&id)
                {
                    Arc::make_mut(&mut self.names)[place].insert(id);
                }
            }
        }
    }

    /// The usage of a month, if there is any.
    #[must_use]
    pub fn month(&self, month: Month) -> Option<&MonthUsage> {
        self.months.get(&month)
    }

    /// The months that have usage.
    pub fn months(&self) -> impl Iterator<Item = (Month, &MonthUsage)> {
        self.months.iter().map(|(month, usage)| (*month, usage))
    }

    /// The corrections of an event.
    #[must_use]
    pub fn correction(&self, key: EventKey) -> Option<&Correction> {
        self.corrections.get(&key)
    }

    /// What amends say of usage events that have not arrived and are not voided.
    pub fn awaited(&self) -> impl Iterator<Item = &Codes> {
        let pending = self.corrections.iter().map(|(_, correction)| correction);
        let acting = pending.filter(|it| it.is_pending() && !it.voided);
        acting.flat_map(|it| it.amends.values())
    }

    /// Corrections without effect, in no particular order.
    pub fn open_corrections(&self) -> impl Iterator<Item = &OpenCorrection> {
        self.open.iter().filter_map(|(_, open)| open.as_ref())
    }

    /// The number of usage events and corrections ever folded.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Dictionary ids of the names that events ever used in a dimension.
    pub fn names(&self, dimension: Dimension) -> impl Iterator<Item = u32> + '_ {
        self.names[dimension as usize].iter().copied()
    }

    /// The number of names that events ever used; grows when [`Self::names`] does.
    #[must_use]
    pub fn name_count(&self) -> usize {
        self.names.iter().map(BTreeSet::len).sum()
    }

    /// Approximate bytes held, accurate enough for cache eviction.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rows: usize = self.months.values().map(MonthUsage::memory).sum();
        let names: usize = self.names.iter().map(|names| names.len() * 8).sum();
        rows + names + self.corrections.iter().count() * 300 + self.open.iter().count() * 300
    }
}

/// What one batch changes.
#[derive(Default)]
struct Delta {
    months: BTreeMap<Month, Vec<MeteredRow>>,
    corrections: HashMap<EventKey, Correction>,
    open: HashMap<EventKey, Option<OpenCorrection>>,
}

/// Why amends of usage events in a batch have no effect, by the amends' keys.
type Failures = HashMap<EventKey, AmendFailure>;

fn failures(log: LogId, events: &[Recorded]) -> Failures {
    let failed = events.iter().flat_map(|event| &event.failed);
    failed
        .map(|amend| (amend.name.key(log), amend.reason))
        .collect()
}

/// What a batch's usage events say, by their keys.
fn usage_of(log: LogId, events: &[Recorded]) -> HashMap<EventKey, Stated> {
    let usage = events
        .iter()
        .filter_map(|event| Some((event, event.stated()?)));
    usage
        .map(|(event, stated)| (event.key(log), stated))
        .collect()
}

impl Delta {
    fn add(&mut self, stated: Option<Stated>, times: i64) {
        let Some(Stated { hour, codes }) = stated else {
            return;
        };
        let month = hour.day().month();
        let rows = self.months.entry(month).or_default();
        rows.push(MeteredRow::new(month, hour, codes, times));
    }
}

#[cfg(test)]
mod tests;
