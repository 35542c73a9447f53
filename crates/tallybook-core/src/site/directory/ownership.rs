//! Which organizations belong to an account, and which people it knows: the names that its tenants
//! may use, and what they may learn about names.
//!
//! Invariant: reports decide nothing here, and neither do other accounts' declarations about
//! people.

use super::{Directory, Relation};
use crate::account::{AccountKind, AccountName};
use crate::ids::ImportId;
use crate::name::Name;
use crate::time::Day;
use std::collections::HashSet;

impl Directory {
    /// Whether an organization's usage on `day` belongs to the account: by declaration the account
    /// pays for it now, or paid on that day. An undeclared organization can only belong to its own
    /// account.
    #[must_use]
    pub fn is_own(&self, account: &AccountName, organization: &Name, day: Day) -> bool {
        self.is_own_now(account, organization) || self.was_own(account, organization, day)
    }

    /// [`Self::is_own`], for any day.
    #[must_use]
    pub fn is_own_now(&self, account: &AccountName, organization: &Name) -> bool {
        let is_itself = account.kind == AccountKind::Organization && account.name == *organization;
        let is_declared = self.organizations.contains_key(organization);
        (is_declared || is_itself) && self.payer(organization).as_ref() == Some(account)
    }

    fn was_own(&self, account: &AccountName, organization: &Name, day: Day) -> bool {
        let Some(declared) = self.organizations.get(organization) else {
            return false;
        };
        let payers = &declared.payers;
        payers.iter().enumerate().any(|(place, (from, _))| {
            // The first payer also pays for usage before any declaration.
            let has_begun = place == 0 || from.day() <= day;
            let end = payers.get(place + 1).map(|(until, _)| until.day());
            declared.payer(place).as_ref() == Some(account)
                && has_begun
                && end.is_none_or(|end| day <= end)
        })
    }

    /// Whether a report of the account may introduce an organization: it was never declared, and
    /// no live import of another account names it.
    #[must_use]
    pub fn is_free_for(&self, account: &AccountName, organization: &Name) -> bool {
        let is_declared = self.organizations.contains_key(organization);
        let claim = self.claimed_by(organization);
        !is_declared && claim.is_none_or(|payer| payer == *account)
    }

    /// Whether only live imports determine who pays for an organization.
    #[must_use]
    pub fn is_introduced(&self, organization: &Name) -> bool {
        let is_declared = self.organizations.contains_key(organization);
        !is_declared && self.importer(organization).is_some()
    }

    /// The first live import of the account that names an organization.
    #[must_use]
    pub fn import_of(&self, account: &AccountName, organization: &Name) -> Option<ImportId> {
        let log = self.log_of(account)?;
        self.sightings.import_of(log, organization)
    }

    /// Whether `earlier` has the same current and past payers of an organization.
    #[must_use]
    pub fn has_payers_of(&self, earlier: &Self, organization: &Name) -> bool {
        let history = |directory: &Self| {
            let declared = directory.organizations.get(organization);
            (
                directory.payer(organization),
                declared.map(|known| known.payers.clone()),
            )
        };
        history(self) == history(earlier)
    }

    /// Whether the account knows a user by declaration: by a role, by a membership of one of its
    /// organizations, or as itself.
    #[must_use]
    pub fn knows(&self, account: &AccountName, user: &Name) -> bool {
        self.relation(user, account) != Relation::None
    }

    /// Everyone whom the account [`Self::knows`].
    #[must_use]
    pub fn people_of<'a>(&'a self, account: &'a AccountName) -> HashSet<&'a Name> {
        let organizations: Vec<_> = match account.kind {
            AccountKind::User => return HashSet::from([&account.name]),
            AccountKind::Enterprise => self.organizations_of(&account.name).collect(),
            AccountKind::Organization => self.organization(&account.name).into_iter().collect(),
        };
        let enterprise = match account.kind {
            AccountKind::Enterprise => Some(&account.name),
            _ => organizations.first().and_then(|it| it.enterprise.as_ref()),
        };
        let enterprise = enterprise.and_then(|slug| self.enterprise(slug));
        let of_enterprise = enterprise
            .into_iter()
            .flat_map(|fact| [&fact.owners, &fact.billing_managers]);
        let of_organizations = organizations
            .into_iter()
            .flat_map(|fact| [&fact.owners, &fact.billing_managers, &fact.members]);
        of_enterprise.chain(of_organizations).flatten().collect()
    }
}
