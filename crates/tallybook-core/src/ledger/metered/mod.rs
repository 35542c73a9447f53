//! What an account's usage events add up to, month by month, corrections heeded.
//!
//! Invariant: a pure function of the set of events, whatever order and batches they came in: rows
//! only add, a correction takes back what it replaces, any void wins, else the amend with the
//! greatest (time, source, id). A copy shares what it has in common with the original, so that a
//! view may keep it while the account goes on. What a checkpoint stored of a month is named here,
//! and read when a statement needs it. Look next: [`rows`] for sums, [`encode`] for how all this is
//! kept between starts.

pub mod encode;
pub mod rows;

use super::events::{Codes, Recorded, RecordedBody, Stated};
use crate::event::{EventKey, EventName};
use crate::ids::{LogId, Seq};
use crate::layered::Layered;
use crate::ledger::record::Dimension;
use crate::time::{Month, Timestamp};
use rows::{MonthUsage, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The metered usage of an account, up to one batch.
#[derive(Debug, Clone, Default)]
pub struct Metered {
    months: BTreeMap<Month, MonthUsage>,
    corrections: Layered<EventKey, Correction>,
    /// By dimension, the dictionary ids of the names that events ever used.
    names: Arc<[BTreeSet<u32>; 6]>,
    /// Usage events and corrections.
    events: u64,
}

/// What corrections say of one usage event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// What the event itself says; `None` while it has not come.
    target: Option<Stated>,
    voided: bool,
    /// The winning amend and what it says.
    amend: Option<(AmendOrder, Codes)>,
}

/// By which the greatest amend wins.
type AmendOrder = (Timestamp, EventName);

impl Correction {
    fn of(target: Option<Stated>) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// What counts.
    fn effective(&self) -> Option<Stated> {
        let target = self.target.filter(|_| !self.voided)?;
        let codes = self
            .amend
            .as_ref()
            .map_or(target.codes, |(_, codes)| *codes);
        Some(Stated { codes, ..target })
    }

    /// What the event that it is about says, once that has come.
    #[must_use]
    pub fn target(&self) -> Option<Stated> {
        self.target
    }

    /// Whether the event that it is about has not come.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.target.is_none()
    }
}

impl Metered {
    /// Folds the events of one batch.
    pub fn fold(&mut self, log: LogId, seq: Seq, events: &[Recorded]) {
        let mut delta = Delta::default();
        self.fold_usage(log, events, &mut delta);
        self.fold_corrections(log, events, &mut delta);
        self.note_names(events);
        self.events += events.len() as u64;
        self.corrections.extend(delta.corrections);
        for (month, rows) in delta.months {
            self.months.entry(month).or_default().add(seq, rows);
        }
    }

    fn fold_usage(&self, log: LogId, events: &[Recorded], delta: &mut Delta) {
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
            // A correction came first: what counts is what it says.
            if let Some((key, known)) = known {
                let arrived = Correction {
                    target: Some(stated),
                    ..known.clone()
                };
                delta.add(arrived.effective(), 1);
                delta.corrections.insert(key, arrived);
            } else {
                delta.add(Some(stated), 1);
            }
        }
    }

    fn fold_corrections(&self, log: LogId, events: &[Recorded], delta: &mut Delta) {
        let mut in_batch: Option<HashMap<EventKey, Stated>> = None;
        for event in events {
            let target = match &event.body {
                RecordedBody::Usage(..) => continue,
                RecordedBody::Void(target) | RecordedBody::Amend(target, ..) => target,
            };
            let key = target.name.key(log);
            let known = delta.corrections.get(&key);
            let known = known.or_else(|| self.corrections.get(&key)).cloned();
            let mut correction = known.unwrap_or_else(|| {
                let in_batch = in_batch.get_or_insert_with(|| {
                    let usage = events
                        .iter()
                        .filter_map(|event| Some((event, event.stated()?)));
                    usage
                        .map(|(event, stated)| (event.key(log), stated))
                        .collect()
                });
                Correction::of(target.stated.or_else(|| in_batch.get(&key).copied()))
            });
            delta.add(correction.effective(), -1);
            match &event.body {
                RecordedBody::Amend(_, codes, _) => {
                    let order = (event.time, event.name.clone());
                    let newest = correction.amend.as_ref();
                    if newest.is_none_or(|(known, _)| *known < order) {
                        correction.amend = Some((order, *codes));
                    }
                }
                _ => correction.voided = true,
            }
            delta.add(correction.effective(), 1);
            delta.corrections.insert(key, correction);
        }
    }

    fn note_names(&mut self, events: &[Recorded]) {
        for event in events {
            let (RecordedBody::Usage(codes, _) | RecordedBody::Amend(_, codes, _)) = &event.body
            else {
                continue;
            };
            for (place, code) in codes.names[1..].iter().enumerate() {
                // The cost center, which comes last, is no name that events use.
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

    /// Months that have usage.
    pub fn months(&self) -> impl Iterator<Item = (Month, &MonthUsage)> {
        self.months.iter().map(|(month, usage)| (*month, usage))
    }

    /// What corrections say of an event.
    #[must_use]
    pub fn correction(&self, key: EventKey) -> Option<&Correction> {
        self.corrections.get(&key)
    }

    /// What corrections will make of usage events that have not come.
    pub fn awaited(&self) -> impl Iterator<Item = &Codes> {
        let pending = self.corrections.iter().map(|(_, correction)| correction);
        let acting = pending.filter(|it| it.is_pending() && !it.voided);
        acting.filter_map(|it| it.amend.as_ref().map(|(_, codes)| codes))
    }

    /// Corrections whose event has not come.
    #[must_use]
    pub fn pending(&self) -> usize {
        let all = self.corrections.iter();
        all.filter(|(_, correction)| correction.is_pending())
            .count()
    }

    /// Usage events and corrections, ever.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Dictionary ids of the names that events ever used in a dimension.
    pub fn names(&self, dimension: Dimension) -> impl Iterator<Item = u32> + '_ {
        self.names[dimension as usize].iter().copied()
    }

    /// How many names events ever used: grows when [`Self::names`] does.
    #[must_use]
    pub fn name_count(&self) -> usize {
        self.names.iter().map(BTreeSet::len).sum()
    }

    /// Bytes held, near enough to decide what to drop.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rows: usize = self.months.values().map(MonthUsage::memory).sum();
        let names: usize = self.names.iter().map(|names| names.len() * 8).sum();
        rows + names + self.corrections.iter().count() * 200
    }
}

/// What one batch changes.
#[derive(Default)]
struct Delta {
    months: BTreeMap<Month, Vec<Row>>,
    corrections: HashMap<EventKey, Correction>,
}

impl Delta {
    fn add(&mut self, stated: Option<Stated>, times: i64) {
        let Some(Stated { hour, codes }) = stated else {
            return;
        };
        let month = hour.day().month();
        let rows = self.months.entry(month).or_default();
        rows.push(Row::new(month, hour, codes, times));
    }
}

#[cfg(test)]
mod tests;
