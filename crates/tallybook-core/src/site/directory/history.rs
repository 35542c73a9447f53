//! Which accounts have paid for an organization, over time.
//!
//! Invariant: an account that holds usage of an organization is among them, whoever pays now: by
//! declaration, by the import that introduced the organization, or because it is the organization's
//! own account. The order is that in which they came to pay; each is there once.

use super::Directory;
use crate::account::{AccountKind, AccountName};
use crate::ids::LogId;
use crate::name::Name;

/// An account that paid for an organization before the one that pays now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastPayer {
    /// Which.
    pub account: AccountName,
    /// Its log.
    pub log: LogId,
    /// The organization to which answers are limited; `None` for the organization's own account.
    pub only: Option<Name>,
}

impl Directory {
    /// Every account that has paid for an organization, in the order in which they came to pay; the
    /// one that pays now is among them, and not always the last.
    #[must_use]
    pub fn payers_of(&self, organization: &Name) -> Vec<AccountName> {
        let mut payers: Vec<AccountName> = Vec::new();
        let mut add = |account: AccountName| {
            if !payers.contains(&account) {
                payers.push(account);
            }
        };
        let declared = self.organizations.get(organization);
        let declared: Vec<AccountName> =
            declared.map_or_else(Vec::new, super::Organization::all_payers);
        let itself = AccountName::new(AccountKind::Organization, organization.clone());
        // What nobody declared was before what somebody did.
        let undeclared = |account: &AccountName| !declared.contains(account);
        let itself = self.logs.get_key_value(&itself).map(|(account, _)| account);
        let introduced = self.importer(organization);
        let introduced = introduced.and_then(|(log, _)| self.accounts.get(&log));
        let others = itself.into_iter().chain(introduced);
        others
            .filter(|account| undeclared(account))
            .cloned()
            .for_each(&mut add);
        declared.into_iter().for_each(add);
        payers
    }

    /// Those that have a log and paid for an organization before `now` did.
    pub(super) fn past_payers(&self, organization: &Name, now: &AccountName) -> Vec<PastPayer> {
        let payers = self.payers_of(organization).into_iter();
        let past = payers.filter(|account| account != now);
        let known = past.filter_map(|account| {
            let log = self.log_of(&account)?;
            Some(PastPayer {
                only: limit(&account, organization),
                account,
                log,
            })
        });
        known.collect()
    }
}

/// What of an account's usage is an organization's: all of it, when the account is its own.
pub(super) fn limit(account: &AccountName, organization: &Name) -> Option<Name> {
    let is_own = account.kind == AccountKind::Organization && account.name == *organization;
    (!is_own).then(|| organization.clone())
}
