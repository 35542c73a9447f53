//! What corrections do to usage events, and which corrections are waiting or have failed.
//!
//! Invariant: the same for the same set of events, whatever their order. Any void wins, else the
//! amend with the greatest (time, source, id) of those that have a price. All waiting amends are
//! kept, because only the usage event's hour decides which of them have a price; the batch with the
//! usage event records which do not.

use crate::event::{EventKey, EventName};
use crate::ledger::events::{AmendFailure, Codes, Stated};
use crate::time::{Hour, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The corrections of one usage event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// What the event itself says; `None` until it arrives.
    pub(super) target: Option<Stated>,
    pub(super) voided: bool,
    /// Every amend until the event arrives, afterwards only the winning one.
    pub(super) amends: BTreeMap<AmendOrder, Codes>,
    /// The corrections waiting for the event.
    pub(super) waiting: BTreeSet<EventKey>,
}

/// The order in which the greatest amend wins.
pub(super) type AmendOrder = (Timestamp, EventName);

impl Correction {
    pub(super) fn of(target: Option<Stated>) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// The usage that counts.
    pub(super) fn effective(&self) -> Option<Stated> {
        let target = self.target.filter(|_| !self.voided)?;
        let amend = self.amends.last_key_value();
        let codes = amend.map_or(target.codes, |(_, codes)| *codes);
        Some(Stated { codes, ..target })
    }

    /// Adds an amend that may be applied.
    pub(super) fn amend(&mut self, order: AmendOrder, codes: Codes) {
        self.amends.insert(order, codes);
        if self.target.is_some() {
            self.keep_the_winner();
        }
    }

    /// Records the event's arrival; `may_act` tells which of the waiting amends have a price.
    /// Returns the corrections that were waiting.
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

    /// What the target event says, once it has arrived.
    #[must_use]
    pub fn target(&self) -> Option<Stated> {
        self.target
    }

    /// Whether the target event has not arrived yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.target.is_none()
    }

    /// The amends that may be applied once the event arrives.
    pub fn waiting_amends(&self) -> impl Iterator<Item = (&EventName, &Codes)> {
        let amends = self.amends.iter().filter(|_| self.is_pending());
        amends.map(|((_, name), codes)| (name, codes))
    }
}

/// A correction that has no effect: its usage event has not arrived, or what it says has no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCorrection {
    /// The correction.
    pub name: EventName,
    /// Its own time.
    pub time: Timestamp,
    /// The usage event that it targets.
    pub target: EventName,
    /// What an amend says; `None` for a void.
    pub amend: Option<Codes>,
    /// Why an amend failed, and the hour of its usage event; `None` while it is waiting.
    pub failed: Option<(Hour, AmendFailure)>,
}
