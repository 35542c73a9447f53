//! From declarations to what the ledger must record: `tallybook apply`.
//!
//! Invariant: applying the same declarations again changes nothing; a file is applied whole or not
//! at all. What a declaration leaves out stays as it is.

mod changes;
mod payers;

use super::Site;
use super::entry::{EnterpriseFact, OrganizationFact, SiteEntry, UserFact};
use crate::account::{AccountKind, AccountName, Plan};
use crate::catalog::{Catalog, CatalogError};
use crate::declaration::{
    Declaration, EnterpriseDeclaration, OrganizationDeclaration, RepositoryDeclaration,
    UserDeclaration,
};
use crate::discount::{DiscountScope, NegotiatedDiscount};
use crate::name::Name;
use crate::setting::Setting;
pub use changes::Change;
use changes::Changes;
use payers::shown_payer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What applying would record.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// For the site's log.
    pub entries: Vec<SiteEntry>,
    /// For accounts' logs, in order; the engine drops settings that are already in force.
    pub settings: Vec<(AccountName, Setting)>,
    /// The site's own catalogue, if it changes.
    pub catalogue: Option<NewCatalogue>,
    /// What the entries and the catalogue change, for display.
    pub changes: Vec<Change>,
}

/// A site catalogue that is to replace the one in force.
#[derive(Debug, Clone)]
pub struct NewCatalogue {
    /// Its text.
    pub text: String,
    /// The edition in force with the text over it.
    pub catalog: Arc<Catalog>,
}

/// Why declarations cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// An enterprise declares an organization that is also declared to pay for itself.
    #[error("organization {organization} is declared in enterprise {enterprise} and as standalone")]
    StandaloneMember {
        /// The organization.
        organization: Name,
        /// The enterprise.
        enterprise: Name,
    },
    /// Two enterprises declare the same organization.
    #[error("organization {organization} is declared in enterprise {first} and in {second}")]
    TwoPayers {
        /// The organization.
        organization: Name,
        /// One of them.
        first: Name,
        /// The other.
        second: Name,
    },
    /// A plan for an organization that does not pay.
    #[error("organization {organization} has no plan of its own: enterprise {enterprise} pays")]
    PlanOfMember {
        /// The organization.
        organization: Name,
        /// Who pays.
        enterprise: Name,
    },
    /// Discounts for an organization that does not pay.
    #[error(
        "organization {organization} has no discounts of its own: enterprise {enterprise} pays"
    )]
    DiscountsOfMember {
        /// The organization.
        organization: Name,
        /// Who pays.
        enterprise: Name,
    },
    /// A discount on what the catalogue lacks.
    #[error("{account} has a discount on {scope}, and the catalogue has no such {what}")]
    UnknownScope {
        /// The account with the discount.
        account: AccountName,
        /// What the discount applies to.
        scope: DiscountScope,
        /// What the catalogue lacks.
        what: &'static str,
    },
    /// A site catalogue that cannot be layered over the built-in one.
    #[error("the own catalogue, {0}")]
    Catalogue(#[from] CatalogError),
    /// A repository whose owner is unknown.
    #[error("repository {owner}/{name}: there is no organization or user {owner}")]
    UnknownOwner {
        /// The owner that is missing.
        owner: Name,
        /// The repository.
        name: Name,
    },
}

/// What applying `declarations` to `site` would record.
pub fn plan(site: &Site, declarations: &[Declaration]) -> Result<Planned, DeclareError> {
    let mut draft = Draft::new(site);
    // The catalogue first: discounts may apply to products and SKUs that it adds.
    for declaration in declarations {
        if let Declaration::Catalogue(text) = declaration {
            draft.catalogue(text)?;
        }
    }
    // Enterprises before organizations: they say who pays for the organizations.
    for declaration in declarations {
        if let Declaration::Enterprise(enterprise) = declaration {
            draft.enterprise(enterprise)?;
        }
    }
    for declaration in declarations {
        match declaration {
            Declaration::Organization(organization) => draft.organization(organization)?,
            Declaration::User(user) => draft.user(user)?,
            Declaration::Enterprise(_) | Declaration::Repository(_) | Declaration::Catalogue(_) => {
            }
        }
    }
    for declaration in declarations {
        if let Declaration::Repository(repository) = declaration {
            draft.repository(repository)?;
        }
    }
    Ok(draft.planned)
}

struct Draft<'a> {
    site: &'a Site,
    planned: Planned,
    next_log: u64,
    opened: Vec<AccountName>,
    organizations: BTreeMap<Name, OrganizationFact>,
    users: Vec<Name>,
    /// Which enterprise these declarations put an organization into.
    placed: BTreeMap<Name, Name>,
}

impl<'a> Draft<'a> {
    fn new(site: &'a Site) -> Self {
        Self {
            site,
            planned: Planned::default(),
            next_log: site.next_log().0,
            opened: Vec::new(),
            organizations: BTreeMap::new(),
            users: Vec::new(),
            placed: BTreeMap::new(),
        }
    }

    fn catalogue(&mut self, text: &str) -> Result<(), DeclareError> {
        // White space alone means no site catalogue.
        let text = if text.trim().is_empty() { "" } else { text };
        let known = &self.site.catalogue;
        if text == known.own() {
            self.planned.catalogue = None;
            return Ok(());
        }
        let catalog = known.layered(text)?;
        let facts = self.site.catalog.difference(&catalog);
        let changes = &mut self.planned.changes;
        changes.extend(facts.into_iter().map(Change::from));
        if changes.is_empty() {
            // Comments and layout are not facts, but still worth keeping.
            let lines = |text: &str| format!("{} lines", text.lines().count());
            changes.push(Change {
                subject: "catalogue".to_owned(),
                field: "own text".into(),
                before: Some(lines(known.own())),
                after: lines(text),
            });
        }
        let text = text.to_owned();
        self.planned.catalogue = Some(NewCatalogue { text, catalog });
        Ok(())
    }

    /// The plan and the discounts of a paying account.
    fn terms(
        &mut self,
        account: &AccountName,
        plan: Option<Plan>,
        discounts: Option<&Vec<NegotiatedDiscount>>,
    ) -> Result<(), DeclareError> {
        let settings = &mut self.planned.settings;
        if let Some(plan) = plan {
            settings.push((account.clone(), Setting::Plan(plan)));
        }
        let Some(discounts) = discounts else {
            return Ok(());
        };
        settings.push((account.clone(), Setting::discounts(discounts.clone())));
        let planned = self.planned.catalogue.as_ref();
        let catalog = planned.map_or(&self.site.catalog, |planned| &planned.catalog);
        for discount in discounts {
            let what = match &discount.scope {
                DiscountScope::Product(name) if catalog.product(name).is_none() => "product",
                DiscountScope::Sku(name) if catalog.sku(name).is_none() => "SKU",
                _ => continue,
            };
            let (account, scope) = (account.clone(), discount.scope.clone());
            return Err(DeclareError::UnknownScope {
                account,
                scope,
                what,
            });
        }
        Ok(())
    }

    fn enterprise(&mut self, declared: &EnterpriseDeclaration) -> Result<(), DeclareError> {
        let known = self.site.directory.enterprise(&declared.slug).cloned();
        let account = AccountName::new(AccountKind::Enterprise, declared.slug.clone());
        let mut fact = known.clone().unwrap_or_else(|| EnterpriseFact {
            slug: declared.slug.clone(),
            display: declared.slug.as_str().to_owned(),
            owners: Vec::new(),
            billing_managers: Vec::new(),
        });
        if let Some(name) = &declared.name {
            fact.display.clone_from(name);
        }
        replace(&mut fact.owners, declared.owners.as_ref());
        replace(
            &mut fact.billing_managers,
            declared.billing_managers.as_ref(),
        );
        let before = known.as_ref();
        let mut changes = Changes::of(&mut self.planned.changes, &account, before.is_none());
        changes.existence();
        changes.field("name", before.map(|f| f.display.clone()), &fact.display);
        changes.names("owners", before.map(|f| &f.owners), &fact.owners);
        let managers = before.map(|f| &f.billing_managers);
        changes.names("billing_managers", managers, &fact.billing_managers);
        if known.as_ref() != Some(&fact) {
            self.planned.entries.push(SiteEntry::Enterprise(fact));
        }
        self.open(&account);
        self.terms(&account, declared.plan, declared.discounts.as_ref())?;
        for login in declared.organizations.iter().flatten() {
            self.place(login, &declared.slug)?;
        }
        Ok(())
    }

    fn place(&mut self, login: &Name, enterprise: &Name) -> Result<(), DeclareError> {
        if let Some(first) = self.placed.insert(login.clone(), enterprise.clone())
            && first != *enterprise
        {
            let (organization, second) = (login.clone(), enterprise.clone());
            return Err(DeclareError::TwoPayers {
                organization,
                first,
                second,
            });
        }
        let mut fact = self.organization_fact(login);
        fact.enterprise = Some(enterprise.clone());
        self.put_organization(fact);
        Ok(())
    }

    fn organization(&mut self, declared: &OrganizationDeclaration) -> Result<(), DeclareError> {
        let mut fact = self.organization_fact(&declared.login);
        if declared.standalone {
            self.check_not_placed(&declared.login)?;
            fact.enterprise = None;
        } else if self.known_organization(&declared.login).is_none() {
            fact.enterprise = self.introduced_into(declared);
        }
        fact.login = declared.login.clone();
        replace(&mut fact.owners, declared.owners.as_ref());
        replace(
            &mut fact.billing_managers,
            declared.billing_managers.as_ref(),
        );
        replace(&mut fact.members, declared.members.as_ref());
        if let (Some(enterprise), Some(_)) = (&fact.enterprise, declared.plan) {
            let (organization, enterprise) = (declared.login.clone(), enterprise.clone());
            return Err(DeclareError::PlanOfMember {
                organization,
                enterprise,
            });
        }
        if let (Some(enterprise), Some(_)) = (&fact.enterprise, &declared.discounts) {
            let (organization, enterprise) = (declared.login.clone(), enterprise.clone());
            return Err(DeclareError::DiscountsOfMember {
                organization,
                enterprise,
            });
        }
        let account = AccountName::new(AccountKind::Organization, declared.login.clone());
        if fact.enterprise.is_none() {
            self.open(&account);
        }
        self.put_organization(fact);
        self.terms(&account, declared.plan, declared.discounts.as_ref())
    }

    fn known_organization(&self, login: &Name) -> Option<&OrganizationFact> {
        self.organizations
            .get(login)
            .or_else(|| self.site.directory.organization(login))
    }

    fn organization_fact(&self, login: &Name) -> OrganizationFact {
        self.known_organization(login)
            .cloned()
            .unwrap_or_else(|| OrganizationFact {
                login: login.clone(),
                enterprise: None,
                owners: Vec::new(),
                billing_managers: Vec::new(),
                members: Vec::new(),
            })
    }

    fn put_organization(&mut self, fact: OrganizationFact) {
        let former_payer = self.put_former_payer(&fact);
        let before = self.known_organization(&fact.login).cloned();
        let account = AccountName::new(AccountKind::Organization, fact.login.clone());
        let before = before.as_ref();
        let mut changes = Changes::of(&mut self.planned.changes, &account, before.is_none());
        let payer = before.map(shown_payer).or(former_payer);
        changes.field("payer", payer, &shown_payer(&fact));
        changes.names("owners", before.map(|f| &f.owners), &fact.owners);
        let managers = before.map(|f| &f.billing_managers);
        changes.names("billing_managers", managers, &fact.billing_managers);
        changes.names("members", before.map(|f| &f.members), &fact.members);
        let spelled = |known: &OrganizationFact| known.login.as_str() == fact.login.as_str();
        if before.is_none_or(|known| *known != fact || !spelled(known)) {
            self.planned
                .entries
                .push(SiteEntry::Organization(fact.clone()));
        }
        self.organizations.insert(fact.login.clone(), fact);
    }

    fn user(&mut self, declared: &UserDeclaration) -> Result<(), DeclareError> {
        let known = self.site.directory.user(&declared.login).cloned();
        let email = declared
            .email
            .clone()
            .or_else(|| known.as_ref()?.email.clone());
        let fact = UserFact {
            login: declared.login.clone(),
            email,
        };
        let account = AccountName::new(AccountKind::User, declared.login.clone());
        let mut changes = Changes::of(&mut self.planned.changes, &account, known.is_none());
        changes.existence();
        let shown = |email: &Option<String>| email.clone().unwrap_or_default();
        changes.field(
            "email",
            known.as_ref().map(|f| shown(&f.email)),
            &shown(&fact.email),
        );
        let spelled = |known: &UserFact| known.login.as_str() == fact.login.as_str();
        if known.is_none_or(|known| known != fact || !spelled(&known)) {
            self.planned.entries.push(SiteEntry::User(fact));
        }
        self.users.push(declared.login.clone());
        if declared.plan.is_some() || declared.discounts.is_some() {
            self.open(&account);
        }
        self.terms(&account, declared.plan, declared.discounts.as_ref())
    }

    fn repository(&mut self, declared: &RepositoryDeclaration) -> Result<(), DeclareError> {
        let Some(visibility) = declared.visibility else {
            return Ok(());
        };
        let (owner, name) = (declared.owner.clone(), declared.name.clone());
        let Some(payer) = self.payer_of_owner(&owner) else {
            return Err(DeclareError::UnknownOwner { owner, name });
        };
        self.open(&payer);
        self.planned.settings.push((
            payer,
            Setting::Repository {
                owner,
                name,
                visibility,
            },
        ));
        Ok(())
    }

    fn payer_of_owner(&self, owner: &Name) -> Option<AccountName> {
        if let Some(fact) = self.organizations.get(owner) {
            return Some(match &fact.enterprise {
                Some(slug) => AccountName::new(AccountKind::Enterprise, slug.clone()),
                None => AccountName::new(AccountKind::Organization, fact.login.clone()),
            });
        }
        if let Some(payer) = self.site.directory.payer(owner) {
            return Some(payer);
        }
        let user = AccountName::new(AccountKind::User, owner.clone());
        let known = self.users.contains(owner) || self.site.directory.find(&user).is_some();
        known.then_some(user)
    }

    /// Opens a log for the account, unless it has one.
    fn open(&mut self, account: &AccountName) {
        if self.site.directory.log_of(account).is_some() || self.opened.contains(account) {
            return;
        }
        let log = crate::ids::LogId(self.next_log);
        self.next_log += 1;
        self.opened.push(account.clone());
        self.planned.entries.push(SiteEntry::OpenAccount {
            log,
            account: account.clone(),
        });
    }
}

fn replace(list: &mut Vec<Name>, declared: Option<&Vec<Name>>) {
    if let Some(declared) = declared {
        // A set: order and repetitions in the file mean nothing.
        let mut sorted = declared.clone();
        sorted.sort();
        sorted.dedup();
        *list = sorted;
    }
}
