//! Which organizations an import may name.
//!
//! Invariant: a tenant's import names only its own organizations, and learns nothing about others:
//! the answer is the same whether an organization belongs to another account or does not exist.
//! Ownership is decided in [`tallybook_core::site::directory`].

use super::ImportError;
use super::session::Target;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use tallybook_core::account::AccountName;
use tallybook_core::name::Name;
use tallybook_core::site::directory::Directory;
use tallybook_core::time::Day;

/// The most organizations that a refusal lists.
const MOST_TOLD: usize = 50;

/// Organizations that an import names but that do not belong to its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOwn {
    /// The account that the import was for.
    pub account: AccountName,
    /// The organizations, at most fifty.
    pub organizations: BTreeSet<Name>,
    /// Whether there are more.
    pub more: bool,
}

impl NotOwn {
    fn new(account: &AccountName) -> Self {
        Self {
            account: account.clone(),
            organizations: BTreeSet::new(),
            more: false,
        }
    }

    /// A refusal of one organization.
    pub(super) fn of(account: &AccountName, organization: &str) -> Self {
        let mut not_own = Self::new(account);
        not_own.add(organization);
        not_own
    }

    fn add(&mut self, organization: &str) {
        let name = Name::from(organization);
        if self.organizations.len() < MOST_TOLD {
            self.organizations.insert(name);
        } else {
            self.more |= !self.organizations.contains(&name);
        }
    }
}

impl fmt::Display for NotOwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.organizations.iter().map(Name::as_str).collect();
        let (names, slug) = (names.join(", "), &self.account.name);
        let more = if self.more { " and more" } else { "" };
        write!(
            f,
            "the report names organizations that are not declared as {}'s: {names}{more}. A site \
             administrator can declare them (tallybook apply, `enterprises: [{{slug: {slug}, \
             organizations: [{names}]}}]`) or import the report",
            self.account
        )
    }
}

/// Decides line by line which organizations an import may name.
#[derive(Debug)]
pub(super) struct Admission {
    /// Spellings of organizations that the account paid for only on some days.
    former: HashSet<Box<str>>,
    not_own: NotOwn,
}

impl Admission {
    pub(super) fn new(account: &AccountName) -> Self {
        Self {
            former: HashSet::new(),
            not_own: NotOwn::new(account),
        }
    }

    /// Whether every line that names the organization must be checked.
    pub(super) fn depends_on_day(&self, organization: &str) -> bool {
        !self.former.is_empty() && self.former.contains(organization)
    }

    /// Whether a line of `day` may name an organization. A tenant's refusal is also noted for
    /// [`Self::finish`].
    pub(super) fn admit(
        &mut self,
        target: &Target,
        organization: &str,
        day: Day,
    ) -> Result<(), ImportError> {
        let directory = &target.site.directory;
        let name = Name::from(organization);
        let admitted = admit_now(directory, target, &name);
        if admitted.is_err() && directory.is_own(&target.account, &name, day) {
            self.former.insert(organization.into());
            return Ok(());
        }
        if let Err(ImportError::NotOwn(_)) = &admitted {
            self.not_own.add(organization);
        }
        admitted
    }

    /// Whether nothing was refused to a tenant.
    pub(super) fn is_clean(&self) -> bool {
        self.not_own.organizations.is_empty()
    }

    /// Fails with everything that was refused to a tenant.
    pub(super) fn finish(&self) -> Result<(), ImportError> {
        if self.is_clean() {
            Ok(())
        } else {
            Err(self.not_own.clone().into())
        }
    }
}

/// Whether an import may name an organization on every day.
pub(super) fn admit_now(
    directory: &Directory,
    target: &Target,
    organization: &Name,
) -> Result<(), ImportError> {
    let account = &target.account;
    let is_free = target.introduces && directory.is_free_for(account, organization);
    if organization.as_str().is_empty() || is_free || directory.is_own_now(account, organization) {
        return Ok(());
    }
    match directory.claimed_by(organization) {
        Some(payer) if target.introduces => Err(ImportError::OtherPayer {
            organization: organization.as_str().to_owned(),
            payer,
        }),
        _ => Err(NotOwn::of(account, organization.as_str()).into()),
    }
}

/// Checks again at the commit: what an older state of the site admitted must still be allowed.
pub(super) fn admit_again(
    directory: &Directory,
    target: &Target,
    organization: &Name,
) -> Result<(), ImportError> {
    if directory.has_payers_of(&target.site.directory, organization) {
        return Ok(());
    }
    admit_now(directory, target, organization)
}
