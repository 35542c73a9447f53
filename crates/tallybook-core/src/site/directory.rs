//! Who exists, who pays for whom, and how users relate to accounts.
//!
//! Invariant: an undeclared organization or user is known exactly as long as a live import names
//! it; reverting the import leaves the directory as it was before. A user whom a usage event names
//! is known from then on.

mod history;
mod ownership;

use super::entry::{EnterpriseFact, OrganizationFact, SiteEntry, UserFact};
use super::sightings::Sightings;
use crate::account::{AccountKind, AccountName};
use crate::ids::{ImportId, LogId};
use crate::layered::Layered;
use crate::name::Name;
use crate::time::Instant;
pub use history::PastPayer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the site's log says about accounts and people.
///
/// Every commit to the site's log makes a copy. Data from imports and events is shared with the
/// previous copy; declarations are copied only by a commit that changes them.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    logs: Arc<BTreeMap<AccountName, LogId>>,
    accounts: Arc<BTreeMap<LogId, AccountName>>,
    enterprises: Arc<BTreeMap<Name, EnterpriseFact>>,
    organizations: Arc<BTreeMap<Name, Organization>>,
    users: Arc<BTreeMap<Name, UserFact>>,
    /// Organizations and users in live imports.
    sightings: Sightings,
    /// Users named by usage events, each in the bytewise smallest spelling.
    met: Layered<Name, Name>,
    /// Incremented by every entry that can change who pays for an organization.
    payers_revision: u64,
}

#[derive(Debug, Clone)]
struct Organization {
    fact: OrganizationFact,
    /// Payers over time, oldest first: `None` is the organization itself. Usage is billed by the
    /// payer at the instant of use.
    payers: Vec<(Instant, Option<Name>)>,
}

impl Organization {
    /// The accounts that paid, oldest first.
    fn all_payers(&self) -> Vec<AccountName> {
        let places = 0..self.payers.len();
        places.filter_map(|place| self.payer(place)).collect()
    }

    /// The account at an index in the history of payers.
    fn payer(&self, place: usize) -> Option<AccountName> {
        let (_, enterprise) = self.payers.get(place)?;
        Some(match enterprise {
            Some(slug) => AccountName::new(AccountKind::Enterprise, slug.clone()),
            None => AccountName::new(AccountKind::Organization, self.fact.login.clone()),
        })
    }
}

/// The account or part of one that a name in a path refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// The display name: the declared spelling, or an enterprise's display name.
    pub display: String,
    /// Who pays.
    pub payer: AccountName,
    /// The payer's log; `None` if nothing was ever recorded for it.
    pub log: Option<LogId>,
    /// The organization that answers are limited to, when another account pays for it.
    pub only: Option<Name>,
    /// The accounts that paid before, in the order in which they came to pay.
    pub past: Vec<PastPayer>,
}

/// A user's relation to an enterprise, an organization or a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// A stranger: to them the name does not exist.
    None,
    /// A member without a role in billing.
    Member,
    /// Owner or billing manager of the organization itself.
    OrganizationBilling,
    /// Owner or billing manager of the enterprise (that pays for the organization).
    EnterpriseBilling,
    /// The user themselves.
    Same,
}

impl Directory {
    /// Folds one entry, committed at `at`.
    pub(super) fn fold(&mut self, entry: SiteEntry, at: Instant) {
        match entry {
            SiteEntry::Catalogue(_) | SiteEntry::OwnCatalogue { .. } => {}
            SiteEntry::OpenAccount { log, account } => {
                Arc::make_mut(&mut self.logs).insert(account.clone(), log);
                Arc::make_mut(&mut self.accounts).insert(log, account);
            }
            SiteEntry::Enterprise(fact) => {
                Arc::make_mut(&mut self.enterprises).insert(fact.slug.clone(), fact);
            }
            SiteEntry::Organization(fact) => self.fold_organization(fact, at),
            SiteEntry::User(fact) => {
                Arc::make_mut(&mut self.users).insert(fact.login.clone(), fact);
            }
            SiteEntry::Seen {
                import,
                log,
                organizations,
                users,
            } => {
                self.payers_revision += 1;
                self.sightings.record(import, log, organizations, users);
            }
            SiteEntry::Met(users) => users.into_iter().for_each(|user| self.meet(user)),
            SiteEntry::Withdrawn(import) => {
                self.payers_revision += 1;
                self.sightings.withdraw(import);
            }
        }
    }

    fn fold_organization(&mut self, fact: OrganizationFact, at: Instant) {
        self.payers_revision += 1;
        let organizations = Arc::make_mut(&mut self.organizations);
        let mut payers = match organizations.remove(&fact.login) {
            Some(known) => known.payers,
            None => Vec::new(),
        };
        if payers
            .last()
            .is_none_or(|(_, payer)| *payer != fact.enterprise)
        {
            payers.push((at, fact.enterprise.clone()));
        }
        organizations.insert(fact.login.clone(), Organization { fact, payers });
    }

    fn meet(&mut self, user: Name) {
        let known = self.met.get(&user);
        if known.is_none_or(|known| user.as_str() < known.as_str()) {
            self.met.insert(user.clone(), user);
        }
    }

    /// While this number is unchanged, the same accounts pay for the same organizations.
    #[must_use]
    pub fn payers_revision(&self) -> u64 {
        self.payers_revision
    }

    /// The greatest log id in use.
    #[must_use]
    pub fn newest_log(&self) -> LogId {
        self.accounts
            .last_key_value()
            .map_or(LogId::SITE, |(log, _)| *log)
    }

    /// Every account that has a log, in the order of the logs.
    pub fn accounts(&self) -> impl Iterator<Item = (LogId, &AccountName)> {
        self.accounts.iter().map(|(log, account)| (*log, account))
    }

    /// The account of a log.
    #[must_use]
    pub fn account_of(&self, log: LogId) -> Option<&AccountName> {
        self.accounts.get(&log)
    }

    /// The log of a paying account.
    #[must_use]
    pub fn log_of(&self, account: &AccountName) -> Option<LogId> {
        self.logs.get(account).copied()
    }

    /// A declared enterprise.
    #[must_use]
    pub fn enterprise(&self, slug: &Name) -> Option<&EnterpriseFact> {
        self.enterprises.get(slug)
    }

    /// A declared organization.
    #[must_use]
    pub fn organization(&self, login: &Name) -> Option<&OrganizationFact> {
        self.organizations
            .get(login)
            .map(|organization| &organization.fact)
    }

    /// A declared user.
    #[must_use]
    pub fn user(&self, login: &Name) -> Option<&UserFact> {
        self.users.get(login)
    }

    /// Declared organizations of an enterprise.
    pub fn organizations_of<'a>(
        &'a self,
        enterprise: &'a Name,
    ) -> impl Iterator<Item = &'a OrganizationFact> {
        let facts = self
            .organizations
            .values()
            .map(|organization| &organization.fact);
        facts.filter(move |fact| fact.enterprise.as_ref() == Some(enterprise))
    }

    /// Who pays for an organization: as declared, else the account whose live import names it, else
    /// itself if it ever had an account.
    #[must_use]
    pub fn payer(&self, organization: &Name) -> Option<AccountName> {
        self.claimed_by(organization).or_else(|| {
            let itself = AccountName::new(AccountKind::Organization, organization.clone());
            self.logs.contains_key(&itself).then_some(itself)
        })
    }

    /// Who pays for an organization's usage at an instant: as declared for that time (before the
    /// first declaration, as in the first one), else as in [`Self::payer`].
    #[must_use]
    pub fn payer_at(&self, organization: &Name, at: Instant) -> Option<AccountName> {
        let Some(declared) = self.organizations.get(organization) else {
            return self.payer(organization);
        };
        let payers = &declared.payers;
        let later = payers.partition_point(|(from, _)| *from <= at);
        declared.payer(later.saturating_sub(1))
    }

    /// Who pays for an organization by declaration or by live usage. `None` means that any account
    /// may still import the organization's usage: having had only imports that were reverted
    /// establishes no claim.
    #[must_use]
    pub fn claimed_by(&self, organization: &Name) -> Option<AccountName> {
        if let Some(declared) = self.organizations.get(organization) {
            return Some(match &declared.fact.enterprise {
                Some(enterprise) => AccountName::new(AccountKind::Enterprise, enterprise.clone()),
                None => {
                    let login = declared.fact.login.clone();
                    AccountName::new(AccountKind::Organization, login)
                }
            });
        }
        let (log, _) = self.importer(organization)?;
        self.accounts.get(&log).cloned()
    }

    /// The account and the first of the live imports that name an organization.
    #[must_use]
    pub fn importer(&self, organization: &Name) -> Option<(LogId, ImportId)> {
        self.sightings.importer(organization)
    }

    /// Every live import that the site's log knows of, with the account's log.
    pub fn sightings(&self) -> impl Iterator<Item = (ImportId, LogId)> {
        self.sightings.imports()
    }

    /// What a name in a path refers to; `None` when it is unknown.
    #[must_use]
    pub fn find(&self, name: &AccountName) -> Option<Found> {
        match name.kind {
            AccountKind::Enterprise => {
                let log = self.log_of(name);
                let fact = self.enterprises.get(&name.name);
                let account = log.and_then(|log| self.accounts.get(&log));
                let slug = fact.map(|fact| &fact.slug).or(account.map(|a| &a.name))?;
                let display = fact.map_or(slug.as_str(), |fact| &fact.display).to_owned();
                let payer = AccountName::new(AccountKind::Enterprise, slug.clone());
                Some(Found {
                    display,
                    payer,
                    log,
                    only: None,
                    past: Vec::new(),
                })
            }
            AccountKind::Organization => self.find_organization(&name.name),
            AccountKind::User => {
                let log = self.log_of(name);
                let declared = self.users.get(&name.name).map(|fact| &fact.login);
                let account = log.and_then(|log| self.accounts.get(&log)).map(|a| &a.name);
                let seen = self.sightings.user(&name.name);
                let met = self.met.get(&name.name);
                let login = declared.or(account).or(seen).or(met);
                let login = login.or_else(|| self.with_role(&name.name))?;
                let payer = AccountName::new(AccountKind::User, login.clone());
                Some(Found {
                    display: login.as_str().to_owned(),
                    payer,
                    log,
                    only: None,
                    past: Vec::new(),
                })
            }
        }
    }

    /// The smallest spelling of a user known only by a role or membership.
    fn with_role(&self, login: &Name) -> Option<&Name> {
        let enterprises = self.enterprises.values();
        let of_enterprises = enterprises.flat_map(|fact| [&fact.owners, &fact.billing_managers]);
        let organizations = self.organizations.values().map(|known| &known.fact);
        let of_organizations =
            organizations.flat_map(|fact| [&fact.owners, &fact.billing_managers, &fact.members]);
        let named = of_enterprises.chain(of_organizations).flatten();
        named
            .filter(|name| *name == login)
            .min_by_key(|name| name.as_str())
    }

    fn find_organization(&self, login: &Name) -> Option<Found> {
        let payer = self.payer(login)?;
        let declared = self
            .organizations
            .get(login)
            .map(|organization| &organization.fact.login);
        let seen = self.sightings.organization(login);
        let shown = declared.or(seen).unwrap_or(&payer.name);
        let display = shown.as_str().to_owned();
        let log = self.log_of(&payer);
        Some(Found {
            only: history::limit(&payer, shown),
            past: self.past_payers(shown, &payer),
            display,
            payer,
            log,
        })
    }

    /// The declared spelling of a name, if it was declared.
    #[must_use]
    pub fn declared_organization(&self, folded: &str) -> Option<&Name> {
        self.organization(&Name::from(folded))
            .map(|fact| &fact.login)
    }

    /// Whether the user is declared, or named by a role, a live import or an account.
    #[must_use]
    pub fn knows_user(&self, login: &Name) -> bool {
        self.find(&AccountName::new(AccountKind::User, login.clone()))
            .is_some()
    }

    /// The relation of `user` to `target`.
    #[must_use]
    pub fn relation(&self, user: &Name, target: &AccountName) -> Relation {
        match target.kind {
            AccountKind::User if *user == target.name => Relation::Same,
            AccountKind::User => Relation::None,
            AccountKind::Enterprise => self.relation_to_enterprise(user, &target.name),
            AccountKind::Organization => self.relation_to_organization(user, &target.name),
        }
    }

    fn relation_to_enterprise(&self, user: &Name, slug: &Name) -> Relation {
        let bills = |fact: &EnterpriseFact| {
            fact.owners.contains(user) || fact.billing_managers.contains(user)
        };
        if self.enterprises.get(slug).is_some_and(bills) {
            return Relation::EnterpriseBilling;
        }
        let belongs = self.organizations_of(slug).any(|fact| is_in(fact, user));
        if belongs {
            Relation::Member
        } else {
            Relation::None
        }
    }

    fn relation_to_organization(&self, user: &Name, login: &Name) -> Relation {
        let payer = self.payer(login);
        if let Some(AccountName {
            kind: AccountKind::Enterprise,
            name,
        }) = &payer
            && self.relation_to_enterprise(user, name) == Relation::EnterpriseBilling
        {
            return Relation::EnterpriseBilling;
        }
        match self.organization(login) {
            Some(fact) if fact.owners.contains(user) || fact.billing_managers.contains(user) => {
                Relation::OrganizationBilling
            }
            Some(fact) if fact.members.contains(user) => Relation::Member,
            _ => Relation::None,
        }
    }
}

fn is_in(fact: &OrganizationFact, user: &Name) -> bool {
    [&fact.owners, &fact.billing_managers, &fact.members]
        .iter()
        .any(|list| list.contains(user))
}
