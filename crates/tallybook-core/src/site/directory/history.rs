//! Which accounts have paid for an organization, over time.
//!
//! Invariant: an account that holds usage of an organization is among them, whoever pays now: by
//! declaration, by the import that introduced the organization, or because it is the organization's
//! own account. Accounts are listed once each, in the order in which they became payers.

use super::Directory;
use crate::account::{AccountKind, AccountName};
use crate::ids::LogId;
use crate::name::Name;

/// An account that paid for an organization before the current payer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastPayer {
    /// The account.
    pub account: AccountName,
    /// Its log.
    pub log: LogId,
    /// The organization that answers are limited to; `None` for the organization's own account.
    pub only: Option<Name>,
}

impl Directory {
    /// Every account that has paid for an organization, in the order in which they became payers,
    /// including the current one, which is not always last.
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
        // Undeclared payers come before declared ones.
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

    /// The accounts with a log that paid for an organization before `now`.
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

/// The organization to limit an account's usage to; `None` when the account is the organization's
/// own.
pub(super) fn limit(account: &AccountName, organization: &Name) -> Option<Name> {
    let is_own = account.kind == AccountKind::Organization && account.name == *organization;
    (!is_own).then(|| organization.clone())
}
