//! The commit of a staged import, and its outcome.
//!
//! Invariant: all checks run under the writer's turn, on the newest committed state.
//! Look next: [`super::session`], which stages.

use super::admission::admit_again;
use super::recorded;
use super::session::Target;
use super::staged::StagedImport;
use super::{Created, ImportError, ImportOutcome};
use crate::engine::commit::{Actor, Changes, Committed, Turn};
use crate::engine::{Engine, EngineError, View};
use std::collections::BTreeSet;
use std::sync::Arc;
use tallybook_core::dimension::Dimension;
use tallybook_core::fold::also_metered::AlsoMetered;
use tallybook_core::ids::LogId;
use tallybook_core::ledger::builder::ImportScope;
use tallybook_core::ledger::record::ImportRecord;
use tallybook_core::ledger::{Account, AccountEntry, Import};
use tallybook_core::name::Name;
use tallybook_core::site::Site;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;

impl Engine {
    pub(super) async fn commit_import(
        &self,
        staged: StagedImport,
        actor: &Actor,
        now: Instant,
    ) -> Result<ImportOutcome, ImportError> {
        let (record, target) = (&staged.record, &staged.target);
        // Before the turn, because events wait meanwhile, and before the commit, because nothing
        // may fail after it.
        let site = self.site();
        let view = self.importing(&site, target).await?;
        let mut also_metered = self.also_metered(&view, record).await?;
        let mut seen = view.account.seq;
        let turn = self.turn().await;
        for _ in 0..Turn::ATTEMPTS {
            let site = self.site();
            for organization in named_organizations(record, target) {
                admit_again(&site.directory, target, &organization)?;
            }
            let is_new = site.directory.log_of(&target.account).is_none();
            let before = self.importing(&site, target).await?;
            let log = before.account.log;
            let content = record.content();
            let same = before
                .account
                .live_imports()
                .find(|one| one.record.content() == content);
            if let Some(import) = same {
                let (import, created) = (Arc::clone(import), Created::default());
                let outcome = self.outcome(&staged, before, import, created, also_metered);
                return Ok(ImportOutcome {
                    repeated: true,
                    ..outcome.await?
                });
            }
            staged.check(&before.account)?;
            if staged.refuse_overlap {
                if seen != before.account.seq {
                    also_metered = self.also_metered(&before, record).await?;
                    seen = before.account.seq;
                }
                if !also_metered.is_empty() {
                    return Err(ImportError::AlsoMetered(also_metered));
                }
            }
            let mut changes = changes(record, target, log, is_new);
            let id = record.id;
            changes.audit(now, actor, recorded::created(&site, record, target, is_new));
            if let Committed::Done = turn.commit(now, changes).await? {
                let view = self.view_of(log, &target.account).await?;
                let import = view.account.import(id).cloned();
                let import = import.ok_or_else(|| {
                    EngineError::System(format!("import {id} was committed and is not there"))
                })?;
                let mut created = created(&before, record);
                created.account = is_new.then(|| target.account.clone());
                let outcome = self.outcome(&staged, view, import, created, also_metered);
                return Ok(outcome.await?);
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS).into())
    }

    /// The outcome of an import that `view` includes.
    async fn outcome(
        &self,
        staged: &StagedImport,
        view: Arc<View>,
        import: Arc<Import>,
        created: Created,
        also_metered: Vec<AlsoMetered>,
    ) -> Result<ImportOutcome, EngineError> {
        Ok(ImportOutcome {
            account: staged.target.account.clone(),
            repeated: false,
            created,
            overlaps: self.overlaps(&view, &import).await?,
            also_metered,
            joined: staged.joined(),
            import,
            view,
        })
    }

    /// The account that an import belongs to; an empty one when it is new.
    async fn importing(&self, site: &Arc<Site>, target: &Target) -> Result<Arc<View>, EngineError> {
        if let Some(log) = site.directory.log_of(&target.account) {
            return self.view_of(log, &target.account).await;
        }
        let account = Account::new(site.next_log(), target.account.clone());
        Ok(Arc::new(View::new(Arc::clone(site), Arc::new(account))))
    }
}

fn changes(record: &ImportRecord, target: &Target, log: LogId, is_new: bool) -> Changes {
    let mut changes = Changes::default();
    if is_new {
        let account = target.account.clone();
        changes.site.push(SiteEntry::OpenAccount { log, account });
    }
    let users = spellings(record.tables.names[Dimension::User as usize].iter());
    changes.site.push(SiteEntry::Seen {
        import: record.id,
        log,
        organizations: named_organizations(record, target).into_iter().collect(),
        users: users.into_iter().collect(),
    });
    let entry = AccountEntry::Import(Box::new(record.clone()));
    changes
        .accounts
        .push((log, target.account.clone(), vec![entry]));
    changes
}

/// The organizations that an import names, by its lines or by its scope.
pub(super) fn named_organizations(record: &ImportRecord, target: &Target) -> BTreeSet<Name> {
    let mut organizations = spellings(record.tables.names[Dimension::Organization as usize].iter());
    if let ImportScope::Organization(login) = &target.scope {
        organizations.insert(login.clone());
    }
    organizations
}

/// The distinct names among texts, each in its smallest spelling, so that the order of lines does
/// not matter.
fn spellings<'a>(texts: impl Iterator<Item = &'a Arc<str>>) -> BTreeSet<Name> {
    let mut texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    texts.sort();
    let mut names = BTreeSet::new();
    for text in texts {
        // The existing spelling stays.
        names.insert(Name::new(Arc::clone(text)));
    }
    names
}

/// The names that neither the account's declarations nor its live usage had.
fn created(before: &View, record: &ImportRecord) -> Created {
    let site = &before.site;
    let new = |dimension: Dimension, known: &dyn Fn(&Name) -> bool| -> Vec<String> {
        let texts = record.tables.names[dimension as usize].iter();
        let unknown = texts.filter(|text| {
            before.spellings.find(dimension, text).is_none() && !known(&Name::new(Arc::clone(text)))
        });
        let names = spellings(unknown).into_iter();
        names.map(|name| name.as_str().to_owned()).collect()
    };
    let catalog = &site.catalog;
    let live = before
        .account
        .live_imports()
        .flat_map(|import| &import.record.tables.skus);
    let live: BTreeSet<_> = live
        .flat_map(|raw| [&raw.product, &raw.sku, &raw.unit])
        .collect();
    let uncatalogued = |texts: BTreeSet<&Arc<str>>, known: &dyn Fn(&str) -> bool| -> Vec<String> {
        let new = texts
            .into_iter()
            .filter(|text| !live.contains(text) && !known(text));
        new.map(|text| text.to_string()).collect()
    };
    let skus = &record.tables.skus;
    let never = |_: &Name| false;
    let people = site.directory.people_of(&before.account.name);
    Created {
        account: None,
        organizations: new(Dimension::Organization, &|name| {
            site.directory.payer(name).is_some()
        }),
        repositories: new(Dimension::Repository, &never),
        // For people, only the account's own knowledge counts: what others know must not show.
        users: new(Dimension::User, &|name| people.contains(name)),
        cost_centers: new(Dimension::CostCenter, &never),
        products: uncatalogued(skus.iter().map(|raw| &raw.product).collect(), &|text| {
            catalog.product(text).is_some()
        }),
        skus: uncatalogued(skus.iter().map(|raw| &raw.sku).collect(), &|text| {
            catalog.sku(text).is_some()
        }),
        units: uncatalogued(skus.iter().map(|raw| &raw.unit).collect(), &|text| {
            catalog.unit(text).is_some()
        }),
    }
}
