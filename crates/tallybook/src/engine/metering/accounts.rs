//! The accounts that a submission's events involve: those that pay, and those that have paid for
//! the events' organizations.
//!
//! Invariant: the same site and events give the same accounts in the same order. Look next:
//! [`super::check`] for the checks of each event.

use super::check::Checked;
use super::submission::Payer;
use crate::engine::commit::{Changes, Committed, Turn};
use crate::engine::{Engine, EngineError};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use tallybook_core::account::AccountName;
use tallybook_core::ids::LogId;
use tallybook_core::site::Site;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;

/// Distinct values, in order of insertion.
#[derive(Debug)]
pub(super) struct Distinct<T> {
    values: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    /// The index of a value, which is added if new.
    pub(super) fn place(&mut self, value: T) -> usize {
        *self.places.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() - 1
        })
    }

    /// The values, in order of index.
    pub(super) fn into_values(self) -> Vec<T> {
        self.values
    }
}

/// The accounts collected so far.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    names: Distinct<AccountName>,
    /// By the index of a payer, the indexes of the accounts that have paid for its organization.
    histories: HashMap<usize, Vec<usize>>,
}

impl Accounts {
    /// The index of an account that pays for an event; `place` is the index of the event's payer
    /// fields.
    pub(super) fn add(
        &mut self,
        site: &Site,
        account: AccountName,
        (place, payer): (usize, &Payer),
    ) -> usize {
        let account = self.names.place(account);
        let names = &mut self.names;
        self.histories.entry(place).or_insert_with(|| {
            let known = history(site, payer).into_iter();
            known.map(|account| names.place(account)).collect()
        });
        account
    }

    /// The accounts, and the histories of the payers by index.
    pub(super) fn finish(mut self, payers: usize) -> (Vec<AccountName>, Vec<Vec<usize>>) {
        let history = |payer| self.histories.remove(&payer).unwrap_or_default();
        let histories = (0..payers).map(history).collect();
        (self.names.into_values(), histories)
    }
}

impl Engine {
    /// Finds the payers in the site's current state, and opens a log for every payer without one.
    /// It stays empty if it then gets no event.
    pub(super) async fn open_accounts(
        &self,
        turn: &Turn<'_>,
        now: Instant,
        submissions: &mut [Checked],
    ) -> Result<(), EngineError> {
        for _ in 0..Turn::ATTEMPTS {
            let site = self.site();
            for checked in &mut *submissions {
                checked.resolve_again(&site);
            }
            let mut next = site.next_log();
            let mut opened: HashSet<&AccountName> = HashSet::new();
            let mut changes = Changes::default();
            for account in submissions.iter().flat_map(|checked| &checked.accounts) {
                if site.directory.log_of(account).is_none() && opened.insert(account) {
                    let account = account.clone();
                    changes
                        .site
                        .push(SiteEntry::OpenAccount { log: next, account });
                    next = LogId(next.0 + 1);
                }
            }
            if changes.site.is_empty() {
                return Ok(());
            }
            if let Committed::Done = turn.commit(now, changes).await? {
                return Ok(());
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS))
    }
}

/// The accounts that have paid for an organization, where it has had more than one payer.
fn history(site: &Site, payer: &Payer) -> Vec<AccountName> {
    let Some(organization) = &payer.organization else {
        return Vec::new();
    };
    let mut payers = site.directory.payers_of(organization);
    if payers.len() < 2 {
        return Vec::new();
    }
    // An account without a log has no events.
    payers.retain(|account| site.directory.log_of(account).is_some());
    payers
}
