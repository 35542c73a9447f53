//! What corrections say of usage events, and which of them wait or have failed.
//!
//! Invariant: the same for the same set of events, whatever their order. Any void wins, else the
//! amend with the greatest (time, source, id) of those that have a price. Amends that wait are all
//! kept, for only the usage event's hour tells which of them have one; the batch that brings the
//! usage event says which have not.

use crate::event::{EventKey, EventName};
use crate::ledger::events::{AmendFailure, Codes, Stated};
use crate::time::{Hour, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What corrections say of one usage event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// What the event itself says; `None` while it has not come.
    pub(super) target: Option<Stated>,
    pub(super) voided: bool,
    /// While the event has not come every amend, afterwards the winning one.
    pub(super) amends: BTreeMap<AmendOrder, Codes>,
    /// The corrections that wait for the event.
    pub(super) waiting: BTreeSet<EventKey>,
}

/// By which the greatest amend wins.
pub(super) type AmendOrder = (Timestamp, EventName);

impl Correction {
    pub(super) fn of(target: Option<Stated>) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// What counts.
    pub(super) fn effective(&self) -> Option<Stated> {
        let target = self.target.filter(|_| !self.voided)?;
        let amend = self.amends.last_key_value();
        let codes = amend.map_or(target.codes, |(_, codes)| *codes);
        Some(Stated { codes, ..target })
    }

    /// Adds an amend that may act.
    pub(super) fn amend(&mut self, order: AmendOrder, codes: Codes) {
        self.amends.insert(order, codes);
        if self.target.is_some() {
            self.keep_the_winner();
        }
    }

    /// The event came; of the amends that waited for it, `may_act` tells which have a price. Gives
    /// the corrections that waited.
    pub(super) fn arrive(
        &mut self,
        stated: Stated,
        may_act: impl Fn(&EventName) -> bool,
    ) -> BTreeSet<EventKey> {
        self.target = Some(stated);
        self.amends.retain(|(_, name), _| may_act(name));
        self.keep_the_winner();
        std::mem::take(&mut self.waiting)
    }

    fn keep_the_winner(&mut self) {
        while self.amends.len() > 1 {
            self.amends.pop_first();
        }
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

    /// The amends that may act once the event comes.
    pub fn waiting_amends(&self) -> impl Iterator<Item = (&EventName, &Codes)> {
        let amends = self.amends.iter().filter(|_| self.is_pending());
        amends.map(|((_, name), codes)| (name, codes))
    }
}

/// A correction that does not act: its usage event has not come, or what it says has no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCorrection {
    /// The correction.
    pub name: EventName,
    /// Its own time.
    pub time: Timestamp,
    /// The usage event that it is about.
    pub target: EventName,
    /// What an amend says; `None` for a void.
    pub amend: Option<Codes>,
    /// Why an amend has failed, and the hour of its usage event; `None` while it waits.
    pub failed: Option<(Hour, AmendFailure)>,
}
