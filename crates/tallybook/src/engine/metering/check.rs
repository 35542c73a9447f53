//! What can be said of an event without its account's log: who pays, and whether it has a price.
//!
//! Invariant: pure but for hashing; the same site gives the same answer. What is refused here is
//! refused whatever the log holds.

use super::look_up::Looked;
use super::submission::{
    Allowed, Incoming, OnError, Receipt, Rejection, RejectionCode, Submission,
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
    /// What may yet be taken.
    pub events: Vec<CheckedEvent>,
    /// Accounts that the events name.
    pub accounts: Vec<AccountName>,
    pub rejected: Vec<Rejection>,
    pub on_error: OnError,
    /// The catalogue by which they have a price.
    pub catalog: Arc<Catalog>,
    /// What is known of the keys of an account's events, by its place, as far as it was asked.
    pub looked: HashMap<usize, Looked>,
}

/// An event and what is known of it.
#[derive(Debug)]
pub(super) struct CheckedEvent {
    pub index: u64,
    pub event: Arc<Event>,
    /// Its place in [`Checked::accounts`].
    pub account: usize,
    /// A hash over what it says.
    pub content: u64,
}

impl Checked {
    /// Whether a bad event spoils the rest.
    pub(super) fn is_refused(&self) -> bool {
        self.on_error == OnError::Reject && !self.rejected.is_empty()
    }

    /// The answer when nothing is left to be taken.
    pub(super) fn into_receipt(self) -> Receipt {
        Receipt {
            rejected: self.rejected,
            ..Receipt::default()
        }
    }
}

/// Checks every event by itself.
pub(super) fn check(site: &Site, now: Instant, submission: Submission) -> Checked {
    let mut checked = Checked {
        events: Vec::with_capacity(submission.events.len()),
        accounts: Vec::new(),
        rejected: Vec::new(),
        on_error: submission.on_error,
        catalog: Arc::clone(&site.catalog),
        looked: HashMap::new(),
    };
    let checker = Checker {
        site,
        now,
        allowed: &submission.allowed,
    };
    let mut places: HashMap<AccountName, usize> = HashMap::new();
    for (index, incoming) in submission.events {
        match checker.payer(&incoming) {
            Ok(payer) => {
                let account = *places.entry(payer).or_insert_with_key(|payer| {
                    checked.accounts.push(payer.clone());
                    checked.accounts.len() - 1
                });
                let content = incoming.event.content();
                checked.events.push(CheckedEvent {
                    index,
                    event: Arc::new(incoming.event),
                    account,
                    content,
                });
            }
            Err((code, reason)) => checked.rejected.push(Rejection {
                index,
                code,
                reason,
            }),
        }
    }
    checked
}

pub(super) type Refusal = (RejectionCode, String);

struct Checker<'a> {
    site: &'a Site,
    now: Instant,
    allowed: &'a Allowed,
}

impl Checker<'_> {
    /// Who pays for an event that may be taken.
    fn payer(&self, incoming: &Incoming) -> Result<AccountName, Refusal> {
        let event = &incoming.event;
        if event.time.instant().seconds() > self.now.seconds() + MOST_AHEAD {
            let reason = format!(
                "time: {} is more than {MOST_AHEAD} seconds ahead of this server's clock",
                event.time.instant()
            );
            return Err((RejectionCode::InFuture, reason));
        }
        let payer = self.find_payer(incoming)?;
        let catalog = &self.site.catalog;
        match &event.body {
            EventBody::Usage(usage) => price(catalog, usage, event.time.instant().day())?,
            // It counts in the hour of its target, which only the log knows.
            EventBody::Amend(_, usage) => drop(sku(catalog, usage)?),
            EventBody::Void(_) => {}
        }
        Ok(payer)
    }

    fn find_payer(&self, incoming: &Incoming) -> Result<AccountName, Refusal> {
        let unknown = |what: &str, name: &Name| {
            let reason =
                format!("data.{what}: there is no {what} {name} whose usage you may report");
            (RejectionCode::UnknownPayer, reason)
        };
        let directory = &self.site.directory;
        let payer = &incoming.payer;
        let at = incoming.event.time.instant();
        let of_organization = |login| directory.payer_at(login, at);
        let named = |kind, name: &Name| {
            let found = directory.find(&AccountName::new(kind, name.clone()));
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
        let account = account.filter(|account| self.may_write(account, incoming));
        let account = account.ok_or_else(|| unknown(what, name))?;
        match &payer.organization {
            // An organization of somebody else's is answered as one that nobody has.
            Some(login) if of_organization(login).as_ref() != Some(&account) => {
                Err(unknown("organization", login))
            }
            _ => Ok(account),
        }
    }

    fn may_write(&self, account: &AccountName, incoming: &Incoming) -> bool {
        let source = &incoming.event.name.source;
        let accounts = self.allowed.accounts.as_ref();
        let sources = self.allowed.sources.as_ref();
        accounts.is_none_or(|accounts| accounts.contains(account))
            && sources.is_none_or(|sources| sources.iter().any(|known| **known == **source))
    }
}

fn sku<'a>(catalog: &'a Catalog, usage: &Usage) -> Result<&'a Sku, Refusal> {
    catalog.sku(&usage.sku).ok_or_else(|| {
        let reason = format!("data.sku: the catalogue has no SKU {:?}", &*usage.sku);
        (RejectionCode::UnknownSku, reason)
    })
}

/// Usage that cannot be priced is not taken: nobody would be billed for it.
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
