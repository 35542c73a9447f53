//! The source of an answer: the account that pays for what a path names, and for an organization
//! the accounts that paid before.
//!
//! Invariant: all its views are of one state of the site, and never change; each counts with the
//! part of its usage that is the organization's. Look next: [`super::statements`] and
//! [`super::rates`] for queries, [`super::export`] for reports.

use super::{AsOf, Engine, EngineError, View};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::fold::{MergedSpellings, Spellings};
use tallybook_core::ids::Digest;
use tallybook_core::name::Name;
use tallybook_core::query::Context;
use tallybook_core::query::Query;
use tallybook_core::site::Site;
use tallybook_core::site::directory::Found;

/// Accounts at one time, and the part of their usage that counts.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The current payer first, then past payers, oldest first.
    parts: Vec<SnapshotPart>,
    spellings: Arc<[Arc<Spellings>]>,
    as_of_text: Arc<str>,
    state: Digest,
}

/// An account, and the part of its usage that counts.
#[derive(Debug, Clone)]
pub struct SnapshotPart {
    /// The account.
    pub view: Arc<View>,
    /// The organization that it is limited to.
    pub only: Option<Name>,
}

impl From<Arc<View>> for Snapshot {
    /// All usage of one account.
    fn from(view: Arc<View>) -> Self {
        Self::new(vec![SnapshotPart { view, only: None }])
    }
}

impl Snapshot {
    /// `parts` must not be empty, and must share one state of the site.
    fn new(parts: Vec<SnapshotPart>) -> Self {
        let spellings = parts.iter().map(|part| Arc::clone(&part.view.spellings));
        let (as_of_text, state) = match &parts[..] {
            [only] => (Arc::clone(&only.view.as_of_text), only.view.state),
            parts => (as_of_text(parts), state(parts)),
        };
        Self {
            spellings: spellings.collect(),
            as_of_text,
            state,
            parts,
        }
    }

    /// The accounts; the current payer comes first.
    #[must_use]
    pub fn parts(&self) -> &[SnapshotPart] {
        &self.parts
    }

    /// The current payer.
    #[must_use]
    pub fn payer(&self) -> &Arc<View> {
        &self.parts[0].view
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Arc<Site> {
        &self.payer().site
    }

    /// How names are shown, and which ones live usage has.
    #[must_use]
    pub fn spellings(&self) -> MergedSpellings<'_> {
        match &*self.spellings {
            [only] => MergedSpellings::One(only),
            several => MergedSpellings::Several(several),
        }
    }

    /// The state that answers are a function of, as text: like [`AsOf`], but for several accounts
    /// with the newest batch of each, in the order of [`Self::parts`].
    #[must_use]
    pub fn as_of_text(&self) -> &str {
        &self.as_of_text
    }

    /// Identifies the history of all its logs, as [`View::state`] does for one account.
    #[must_use]
    pub fn state(&self) -> Digest {
        self.state
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            spellings: self.spellings(),
            ..self.payer().context()
        }
    }
}

impl SnapshotPart {
    /// The query for this account.
    pub(super) fn limit<'a>(&self, query: &'a Query) -> Cow<'a, Query> {
        match &self.only {
            None => Cow::Borrowed(query),
            Some(only) => {
                let mut query = query.clone();
                query.filter.organization = Some(only.clone());
                Cow::Owned(query)
            }
        }
    }
}

/// `account=12,7;site=3;rules=1`.
fn as_of_text(parts: &[SnapshotPart]) -> Arc<str> {
    let mut text = String::from("account=");
    for (place, part) in parts.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{}", part.view.account.seq.0);
    }
    let AsOf { site, rules, .. } = parts[0].view.as_of();
    let _ = write!(text, ";site={site};rules={rules}");
    text.into()
}

fn state(parts: &[SnapshotPart]) -> Digest {
    let states: Vec<[u8; 32]> = parts.iter().map(|part| part.view.state.0).collect();
    Digest::of(states.as_flattened())
}

impl Engine {
    /// The current snapshot of what a path's name refers to; `None` when there is no such name.
    pub async fn snapshot(
        &self,
        name: &AccountName,
    ) -> Result<Option<(Found, Snapshot)>, EngineError> {
        loop {
            let site = self.site();
            let Some(found) = site.directory.find(name) else {
                return Ok(None);
            };
            let mut parts = vec![SnapshotPart {
                view: self.view(&found).await?,
                only: found.only.clone(),
            }];
            for past in &found.past {
                parts.push(SnapshotPart {
                    view: self.view_of(past.log, &past.account).await?,
                    only: past.only.clone(),
                });
            }
            // A commit to the site's log may have changed who pays.
            if parts.iter().all(|part| part.view.site.seq == site.seq) {
                return Ok(Some((found, Snapshot::new(parts))));
            }
        }
    }
}
