//! Which organizations an import may name.
//!
//! Invariant: a tenant's import names none but its own, and learns nothing of the others: one that
//! is another account's and one that does not exist are told alike. Whose an organization is, the
//! core says ([`tallybook_core::site::directory`]).

use super::ImportError;
use super::session::Target;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use tallybook_core::account::AccountName;
use tallybook_core::name::Name;
use tallybook_core::site::directory::Directory;
use tallybook_core::time::Day;

/// The most organizations that a refusal tells.
const MOST_TOLD: usize = 50;

/// Organizations that an import names and that are not its account's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOwn {
    /// Whose import it was to be.
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

    /// Of one organization.
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
    /// Spellings of organizations that the account paid for on some days only.
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

    /// Whether each line that names the organization has to be asked about.
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

    /// Everything that was refused to a tenant.
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

/// Asks again at the commit: what was admitted by an older state of the site still has to hold.
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
