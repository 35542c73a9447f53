//! Applying declarations: plan, drop what is already in force, commit once.
//!
//! Invariant: after an application every line of a statement still has a price, and every event
//! keeps its payer. Look next: [`super::what_if`] for what a month would cost, [`recorded`] for the
//! audit log entries.

mod recorded;

use super::commit::{Actor, Changes, Committed, Turn};
use super::what_if::{AccountDifference, WhatIf};
use super::{Engine, EngineError};
use recorded::{Versions, deeds};
use std::collections::BTreeMap;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::declaration::Declaration;
use tallybook_core::dimension::Dimension;
use tallybook_core::discount::NegotiatedDiscount;
use tallybook_core::fold::Unrated;
use tallybook_core::ids::{LogId, NameId, Seq};
use tallybook_core::ledger::{Account, AccountEntry};
use tallybook_core::name::Name;
use tallybook_core::setting::Setting;
use tallybook_core::site::Site;
use tallybook_core::site::declare::{Change, DeclareError, NewCatalogue, Planned, plan};
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::{Day, Instant};

/// How declarations are applied.
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    /// Only report what would change.
    pub dry_run: bool,
    /// Allow organizations that have usage to move to another payer from now on.
    pub move_payers: bool,
    /// The catalogue version that the declarations are based on; they are refused if it has changed
    /// since.
    pub if_version: Option<Seq>,
    /// With a dry run: what a month would cost.
    pub what_if: Option<WhatIf>,
}

/// The result of applying declarations.
#[derive(Debug)]
pub struct Applied {
    /// The differences, applied or (in a dry run) only found.
    pub changes: Vec<Change>,
    /// The catalogue version now in force.
    pub version: Seq,
    /// What the month in question costs, and would cost.
    pub what_if: Vec<AccountDifference>,
}

/// Why declarations were not applied; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// They are invalid.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// An organization's usage would be split between two payers.
    #[error(
        "organization {organization} has usage that {payer} pays for ({known}); to let {wanted} \
         pay for what it uses from now on, and leave with {payer} what it used until now, say so \
         (--move-payers on the command line, move_payers=true over HTTP)"
    )]
    HasUsage {
        /// The organization.
        organization: Name,
        /// Who pays now.
        payer: AccountName,
        /// Who would pay.
        wanted: AccountName,
        /// The source of the usage: an import, or events.
        known: String,
    },
    /// Existing usage could no longer be priced.
    #[error(
        "{account} has usage of {sku} on {day}, and the new catalogue has {what}; keep it priced \
         for that day"
    )]
    InUse {
        /// The account with the usage.
        account: AccountName,
        /// The SKU, as the events name it.
        sku: String,
        /// A day of use.
        day: Day,
        /// What is missing.
        what: String,
    },
    /// Usage that has yet to arrive could no longer be priced.
    #[error(
        "{account} has an amend to {sku} whose usage event has not come, and the new catalogue has \
         {what}; keep it priced on every day on which it has a price"
    )]
    Awaited {
        /// The account with the usage.
        account: AccountName,
        /// The SKU, as the amend names it.
        sku: String,
        /// What is missing.
        what: String,
    },
    /// The catalogue was changed in the meantime.
    #[error("the catalogue is at version {}, not {}", current.0, expected.0)]
    OtherVersion {
        /// The version in force.
        current: Seq,
        /// The one that was expected.
        expected: Seq,
    },
    /// The what-if question names an account that does not exist.
    #[error("there is no {0}")]
    NoAccount(AccountName),
    /// With the changes, an amount would overflow.
    #[error(transparent)]
    Unrated(Unrated),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What applying would do to one state of the site.
pub(super) struct Prepared {
    pub site: Arc<Site>,
    pub changes: Changes,
    pub catalogue: Option<NewCatalogue>,
    differences: Vec<Change>,
    /// The accounts of subjects that do not name their account themselves: repositories.
    payers: BTreeMap<String, AccountName>,
}

impl Engine {
    /// Applies declarations, all or none, and returns the differences; a dry run only returns them.
    pub async fn apply(
        &self,
        now: Instant,
        actor: &Actor,
        declarations: &[Declaration],
        dry_run: bool,
    ) -> Result<Vec<Change>, ApplyError> {
        let options = ApplyOptions {
            dry_run,
            ..ApplyOptions::default()
        };
        let applied = self.apply_with(now, actor, declarations, &options).await?;
        Ok(applied.changes)
    }

    /// [`Self::apply`] with all options.
    pub async fn apply_with(
        &self,
        now: Instant,
        actor: &Actor,
        declarations: &[Declaration],
        options: &ApplyOptions,
    ) -> Result<Applied, ApplyError> {
        if options.dry_run {
            // A dry run does not need the writer's turn.
            let prepared = self.prepare(actor, declarations, options).await?;
            let what_if = match &options.what_if {
                Some(asked) => self.what_if(now, &prepared, asked).await?,
                None => Vec::new(),
            };
            return Ok(Applied {
                what_if,
                ..self.applied(prepared.differences)
            });
        }
        let turn = self.turn().await;
        for _ in 0..Turn::ATTEMPTS {
            let prepared = self.prepare(actor, declarations, options).await?;
            let (mut changes, differences) = (prepared.changes, prepared.differences);
            if differences.is_empty() && changes.site.is_empty() {
                return Ok(self.applied(differences));
            }
            let site = &prepared.site;
            let version = prepared.catalogue.as_ref().map(|_| Versions {
                before: site.catalogue.version(),
                // The batch about to be written.
                after: site.seq.next(),
            });
            for deed in deeds(&differences, &prepared.payers, version) {
                changes.audit(now, actor, deed);
            }
            if let Committed::Done = turn.commit(now, changes).await? {
                return Ok(self.applied(differences));
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS).into())
    }

    fn applied(&self, changes: Vec<Change>) -> Applied {
        Applied {
            changes,
            version: self.site().catalogue.version(),
            what_if: Vec::new(),
        }
    }

    /// What applying to the newest state would do.
    async fn prepare(
        &self,
        actor: &Actor,
        declarations: &[Declaration],
        options: &ApplyOptions,
    ) -> Result<Prepared, ApplyError> {
        let site = self.site();
        let current = site.catalogue.version();
        if let Some(expected) = options.if_version.filter(|version| *version != current) {
            return Err(ApplyError::OtherVersion { current, expected });
        }
        let mut planned = plan(&site, declarations)?;
        self.check_payers(&site, &planned, options.move_payers)
            .await?;
        let catalogue = planned.catalogue.take();
        if let Some(new) = &catalogue {
            self.check_priced(&site, &new.catalog).await?;
        }
        let (mut changes, differences, payers) = self.differences(&site, planned).await?;
        if let Some(new) = &catalogue {
            changes.site.push(SiteEntry::OwnCatalogue {
                text: new.text.clone(),
                by: actor.name.clone(),
            });
        }
        Ok(Prepared {
            site,
            changes,
            catalogue,
            differences,
            payers,
        })
    }

    /// Usage stays with the account that paid for it, so a change of payer must be explicit.
    async fn check_payers(
        &self,
        site: &Site,
        planned: &Planned,
        move_payers: bool,
    ) -> Result<(), ApplyError> {
        if move_payers {
            return Ok(());
        }
        for entry in &planned.entries {
            let SiteEntry::Organization(fact) = entry else {
                continue;
            };
            if site.directory.is_introduced(&fact.login) {
                // Only a report determined the payer. The plan keeps that on record, and reports
                // it.
                continue;
            }
            let wanted = match &fact.enterprise {
                Some(slug) => AccountName::new(AccountKind::Enterprise, slug.clone()),
                None => AccountName::new(AccountKind::Organization, fact.login.clone()),
            };
            let payer = site.directory.payer(&fact.login);
            let Some(payer) = payer.filter(|payer| *payer != wanted) else {
                continue;
            };
            if let Some(known) = self.usage_with(site, &payer, &fact.login).await? {
                return Err(ApplyError::HasUsage {
                    organization: fact.login.clone(),
                    payer,
                    wanted,
                    known,
                });
            }
        }
        Ok(())
    }

    /// The source of an organization's usage that an account pays for; `None` when there is none.
    async fn usage_with(
        &self,
        site: &Site,
        payer: &AccountName,
        organization: &Name,
    ) -> Result<Option<String>, EngineError> {
        if let Some(import) = site.directory.import_of(payer, organization) {
            return Ok(Some(format!("import {import}")));
        }
        let Some(log) = site.directory.log_of(payer) else {
            return Ok(None);
        };
        let view = self.view_of(log, payer).await?;
        let metered = has_metered(&view.account, organization);
        Ok(metered.then(|| "from events".to_owned()))
    }

    /// The settings not yet in force, and the payers of the repositories among them.
    async fn differences(
        &self,
        site: &Site,
        planned: Planned,
    ) -> Result<(Changes, Vec<Change>, BTreeMap<String, AccountName>), EngineError> {
        let (mut differences, mut payers) = (planned.changes, BTreeMap::new());
        let mut changes = Changes::default();
        for (name, setting) in planned.settings {
            let known = site.directory.log_of(&name);
            let log = known.or_else(|| opened(&planned.entries, &name));
            let log = log.ok_or_else(|| EngineError::System(format!("{name} has no log")))?;
            let account = match known {
                Some(log) => self.view_of(log, &name).await?.account.as_ref().clone(),
                None => Account::new(log, name.clone()),
            };
            if account.has(&setting) {
                continue;
            }
            let change = difference(&account, &setting);
            payers.insert(change.subject.clone(), name.clone());
            differences.push(change);
            match changes
                .accounts
                .iter_mut()
                .find(|(known, _, _)| *known == log)
            {
                Some((_, _, entries)) => entries.push(AccountEntry::Setting(setting)),
                None => changes
                    .accounts
                    .push((log, name, vec![AccountEntry::Setting(setting)])),
            }
        }
        changes.site = planned.entries;
        Ok((changes, differences, payers))
    }
}

/// Whether events ever reported usage of the organization to the account.
fn has_metered(account: &Account, organization: &Name) -> bool {
    let is_itself = account.name.kind == AccountKind::Organization;
    if is_itself && account.metered.events() > 0 {
        return true;
    }
    let mut names = account.metered.names(Dimension::Organization);
    names.any(|id| {
        let text = account.dictionary.get(NameId(id));
        text.is_some_and(|text| Name::from(&**text) == *organization)
    })
}

fn opened(entries: &[SiteEntry], name: &AccountName) -> Option<LogId> {
    entries.iter().find_map(|entry| match entry {
        SiteEntry::OpenAccount { log, account } if account == name => Some(*log),
        _ => None,
    })
}

fn difference(account: &Account, setting: &Setting) -> Change {
    match setting {
        Setting::Plan(plan) => Change {
            subject: account.name.to_string(),
            field: "plan".into(),
            before: account
                .plans
                .last()
                .map(|(_, known)| known.as_str().to_owned()),
            after: plan.as_str().to_owned(),
        },
        Setting::Repository {
            owner,
            name,
            visibility,
        } => {
            let known = account.repositories.get(&(owner.clone(), name.clone()));
            let known = known.and_then(|history| history.last());
            Change {
                subject: format!("repository {owner}/{name}"),
                field: "visibility".into(),
                before: known.map(|(_, known)| known.as_str().to_owned()),
                after: visibility.as_str().to_owned(),
            }
        }
        Setting::Discounts(discounts) => Change {
            subject: account.name.to_string(),
            field: "discounts".into(),
            before: (!account.discounts.is_empty()).then(|| listed(&account.discounts)),
            after: listed(discounts),
        },
    }
}

/// Discounts for display: `12.5% on sku actions_linux from 2026-01-01`.
fn listed(discounts: &[NegotiatedDiscount]) -> String {
    let texts: Vec<String> = discounts.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
