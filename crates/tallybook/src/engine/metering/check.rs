//! Checks of an event that do not need its account's log: who pays, and whether it has a price.
//!
//! Invariant: pure; the same site gives the same answer. An event refused here is refused whatever
//! the log holds. The site may change before the events are committed: payers are then resolved
//! again ([`Checked::resolve_again`]), and prices are checked again.

use super::accounts::{Accounts, Distinct};
use super::look_up::Looked;
use super::submission::{
    Allowed, Incoming, OnError, Payer, Receipt, Rejection, RejectionCode, Submission,
};
use std::collections::HashMap;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::catalog::{Catalog, Sku};
use tallybook_core::event::{Event, EventBody, Usage};
use tallybook_core::name::Name;
use tallybook_core::rating::{self, RatingError};
use tallybook_core::site::Site;
use tallybook_core::time::{Day, Instant};

/// How far ahead of the clock an event's time may be, in seconds.
pub(super) const MOST_AHEAD: i64 = 300;

/// A submission whose events have a payer and a price.
#[derive(Debug)]
pub(super) struct Checked {
    /// The events that may still be accepted.
    pub events: Vec<CheckedEvent>,
    /// The accounts that pay for the events, and those that have paid for their organizations.
    pub accounts: Vec<AccountName>,
    /// The distinct payer fields of the events.
    payers: Vec<Payer>,
    /// By index into `payers`; see [`Checked::history`].
    histories: Vec<Vec<usize>>,
    /// The revision of the directory's payers that they were resolved with.
    payers_revision: u64,
    /// What the sender may write.
    pub allowed: Allowed,
    pub rejected: Vec<Rejection>,
    pub on_error: OnError,
    /// The catalogue that they were priced with.
    pub catalog: Arc<Catalog>,
    /// The keys looked up so far, by index of the account.
    pub looked: HashMap<usize, Looked>,
}

/// An event and the results of its checks.
#[derive(Debug)]
pub(super) struct CheckedEvent {
    pub index: u64,
    pub event: Arc<Event>,
    /// Its index in [`Checked::accounts`].
    pub account: usize,
    /// Its index in [`Checked::payers`].
    payer: usize,
    /// A hash of its content.
    pub content: u64,
}

impl Checked {
    /// Whether a bad event causes the whole submission to be refused.
    pub(super) fn is_refused(&self) -> bool {
        self.on_error == OnError::Reject && !self.rejected.is_empty()
    }

    /// Resolves the payers again if they may have changed: an event is billed to the account that
    /// pays when it is committed.
    pub(super) fn resolve_again(&mut self, site: &Site) {
        let revision = site.directory.payers_revision();
        if revision == self.payers_revision {
            return;
        }
        self.payers_revision = revision;
        let before: Vec<usize> = self.events.iter().map(|event| event.account).collect();
        let (payers, allowed, rejected) = (&self.payers, &self.allowed, &mut self.rejected);
        let mut accounts = Accounts::default();
        self.events.retain_mut(|checked| {
            let payer = &payers[checked.payer];
            match find_payer(site, allowed, &checked.event, payer) {
                Ok(account) => {
                    checked.account = accounts.add(site, account, (checked.payer, payer));
                    true
                }
                Err((code, reason)) => {
                    rejected.push(Rejection {
                        index: checked.index,
                        code,
                        reason,
                    });
                    false
                }
            }
        });
        let after = self.events.iter().map(|event| event.account);
        let is_as_before = after.eq(before);
        let (accounts, histories) = accounts.finish(self.payers.len());
        if !is_as_before || accounts != self.accounts || histories != self.histories {
            (self.accounts, self.histories) = (accounts, histories);
            // The keys looked up so far belong to other accounts.
            self.looked.clear();
        }
    }

    /// The indexes of all accounts that have paid for an event's organization; empty if it has had
    /// only one payer.
    pub(super) fn history(&self, event: &CheckedEvent) -> &[usize] {
        &self.histories[event.payer]
    }

    /// The organization that determines an event's payer.
    pub(super) fn organization(&self, event: &CheckedEvent) -> Option<&Name> {
        self.payers[event.payer].organization.as_ref()
    }

    /// The answer when no event is left to accept.
    pub(super) fn into_receipt(self) -> Receipt {
        Receipt {
            rejected: self.rejected,
            ..Receipt::default()
        }
    }
}

/// Checks every event separately.
pub(super) fn check(site: &Site, now: Instant, submission: Submission) -> Checked {
    let allowed = submission.allowed;
    let mut events = Vec::with_capacity(submission.events.len());
    let mut rejected = Vec::new();
    let (mut accounts, mut payers) = (Accounts::default(), Distinct::default());
    for (index, Incoming { event, payer }) in submission.events {
        match accept(site, now, &allowed, &event, &payer) {
            Ok(account) => {
                let payer = payer.what_counts();
                let place = payers.place(payer.clone());
                let content = event.content();
                events.push(CheckedEvent {
                    index,
                    account: accounts.add(site, account, (place, &payer)),
                    payer: place,
                    event: Arc::new(event),
                    content,
                });
            }
            Err((code, reason)) => rejected.push(Rejection {
                index,
                code,
                reason,
            }),
        }
    }
    let payers = payers.into_values();
    let (accounts, histories) = accounts.finish(payers.len());
    Checked {
        events,
        accounts,
        payers,
        histories,
        payers_revision: site.directory.payers_revision(),
        allowed,
        rejected,
        on_error: submission.on_error,
        catalog: Arc::clone(&site.catalog),
        looked: HashMap::new(),
    }
}

pub(super) type Refusal = (RejectionCode, String);

/// The payer of an event that may be accepted.
fn accept(
    site: &Site,
    now: Instant,
    allowed: &Allowed,
    event: &Event,
    payer: &Payer,
) -> Result<AccountName, Refusal> {
    if event.time.instant().seconds() > now.seconds() + MOST_AHEAD {
        let reason = format!(
            "time: {} is more than {MOST_AHEAD} seconds ahead of this server's clock",
            event.time.instant()
        );
        return Err((RejectionCode::InFuture, reason));
    }
    let account = find_payer(site, allowed, event, payer)?;
    match &event.body {
        EventBody::Usage(usage) => price(&site.catalog, usage, event.time.instant().day())?,
        // It counts in the hour of its target, which is only in the log.
        EventBody::Amend(_, usage) => drop(sku(&site.catalog, usage)?),
        EventBody::Void(_) => {}
    }
    Ok(account)
}

/// The payer of an event, if the sender may write to that account.
fn find_payer(
    site: &Site,
    allowed: &Allowed,
    event: &Event,
    payer: &Payer,
) -> Result<AccountName, Refusal> {
    let unknown = |what: &str, name: &Name| {
        let reason = format!("data.{what}: there is no {what} {name} whose usage you may report");
        (RejectionCode::UnknownPayer, reason)
    };
    let at = event.time.instant();
    let of_organization = |login| site.directory.payer_at(login, at);
    let named = |kind, name: &Name| {
        let found = site.directory.find(&AccountName::new(kind, name.clone()));
        found.map(|found| found.payer)
    };
    let (what, name, account) = if let Some(slug) = &payer.enterprise {
        ("enterprise", slug, named(AccountKind::Enterprise, slug))
    } else if let Some(login) = &payer.organization {
        ("organization", login, of_organization(login))
    } else if let Some(login) = &payer.user {
        ("user", login, named(AccountKind::User, login))
    } else {
        let reason = "data: an enterprise, an organization or a user must say who pays";
        return Err((RejectionCode::UnknownPayer, reason.to_owned()));
    };
    let account = account.filter(|account| allowed.may_write(account, event));
    let account = account.ok_or_else(|| unknown(what, name))?;
    match &payer.organization {
        // An organization of another account is treated as nonexistent.
        Some(login) if of_organization(login).as_ref() != Some(&account) => {
            Err(unknown("organization", login))
        }
        _ => Ok(account),
    }
}

/// The SKU of usage, if the catalogue has it.
pub(super) fn sku<'a>(catalog: &'a Catalog, usage: &Usage) -> Result<&'a Sku, Refusal> {
    catalog.sku(&usage.sku).ok_or_else(|| {
        let reason = format!("data.sku: the catalogue has no SKU {:?}", &*usage.sku);
        (RejectionCode::UnknownSku, reason)
    })
}

/// Usage that cannot be priced is refused: it could not be billed.
pub(super) fn price(catalog: &Catalog, usage: &Usage, day: Day) -> Result<(), Refusal> {
    let sku = sku(catalog, usage)?;
    let model = usage.model.as_ref().map(Name::folded).unwrap_or_default();
    let checked = rating::check(catalog, sku, &model, day, usage.quantity);
    checked.map_err(|error| match error {
        RatingError::NoPrice => {
            let reason = format!("data.sku: {} has no price on {day}", sku.id);
            (RejectionCode::NoPrice, reason)
        }
        RatingError::Overflow(error) => {
            let reason = format!("data.quantity: {} of {}: {error}", usage.quantity, sku.id);
            (RejectionCode::Overflow, reason)
        }
    })
}
