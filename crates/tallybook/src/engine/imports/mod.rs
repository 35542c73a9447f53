//! Imports: stage chunks, then make them visible by one small batch; revert by another.
//!
//! Invariant: an import counts whole or not at all. Look next: [`session`] for the way in,
//! [`sweep`] for what becomes of chunks that no batch names.

mod admission;
mod also_metered;
pub mod session;
mod staged;
mod sweep;

pub use admission::NotOwn;
pub use session::ImportSession;
pub(super) use sweep::Sessions;

use super::audit::{Action, Deed, shortened};
use super::commit::{Actor, Changes, Committed, Turn};
use super::{Engine, EngineError, View};
use crate::engine::blob::named;
use admission::admit_again;
use serde_json::{Value, json};
use session::Target;
pub use staged::JoinedFiles;
use staged::{StagedImport, in_both};
use std::collections::BTreeSet;
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::fold::also_metered::AlsoMetered;
use tallybook_core::ids::{ImportId, LogId};
use tallybook_core::ledger::builder::{LineRefused, Scope, TooMuch};
use tallybook_core::ledger::owners::{CellSum, CellSums, Hidden, hidden};
use tallybook_core::ledger::record::{Dimension, ImportRecord};
use tallybook_core::ledger::{Account, AccountEntry, Import};
use tallybook_core::name::Name;
use tallybook_core::report::ReportKind;
use tallybook_core::site::Site;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;

/// Why an import or a revert was not made; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The named account does not exist, and the actor may not create it.
    #[error("there is no {0}")]
    NoAccount(AccountName),
    /// A name that cannot be a slug or login.
    #[error("{name}: a name {error}")]
    BadName {
        /// The name.
        name: AccountName,
        /// Why.
        error: tallybook_core::account::InvalidName,
    },
    /// An organization in the report belongs to somebody else.
    #[error("organization {organization} belongs to {payer}, so this import is refused")]
    OtherPayer {
        /// The organization.
        organization: String,
        /// Who pays for it.
        payer: AccountName,
    },
    /// A tenant's report names organizations that are not declared as its own.
    #[error("{0}")]
    NotOwn(NotOwn),
    /// Two of the files are the same: their usage would count twice.
    #[error("{again} holds the same bytes as {first}: its usage would count twice")]
    SameFile {
        /// One of them.
        first: Arc<str>,
        /// The other.
        again: Arc<str>,
    },
    /// Two of the files state usage of the same days, and were not said to be parts of one report.
    #[error(
        "two files state usage of the same days, SKUs and organizations, so that it would count \
         twice: {}; leave one of them out, or say that they are parts of one report (--join, over \
         HTTP join=true)",
        in_both(.0)
    )]
    FilesOverlap(Vec<JoinedFiles>),
    /// The account would have more names than it may.
    #[error("{account} would have more than {most} different names")]
    TooManyNames {
        /// The account.
        account: AccountName,
        /// The most that it may have.
        most: u32,
    },
    /// Events have reported some of the usage, and the import was to be refused then.
    #[error("events report some of this usage, too: {}", both(.0))]
    AlsoMetered(Vec<AlsoMetered>),
    /// There is no live import of this id.
    #[error("there is no live import {0}")]
    NoImport(ImportId),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The first few SKUs that both state, as an error tells them.
fn both(usage: &[AlsoMetered]) -> String {
    const TOLD: usize = 5;
    let one = |both: &AlsoMetered| {
        let (imported, metered) = (&both.imported.totals, &both.metered.totals);
        format!(
            "{} on {} days from {} to {} (gross {} in the import, {} in events)",
            both.sku, both.days, both.first_day, both.last_day, imported.gross, metered.gross
        )
    };
    let mut texts: Vec<String> = usage.iter().take(TOLD).map(one).collect();
    if usage.len() > TOLD {
        texts.push(format!("and {} more SKUs", usage.len() - TOLD));
    }
    texts.join("; ")
}

/// Why a line was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The line is at fault.
    #[error(transparent)]
    Line(#[from] LineRefused),
    /// The import holds more than it may.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct ImportOutcome {
    /// The account whose usage it is.
    pub account: AccountName,
    /// The import.
    pub import: Arc<Import>,
    /// The same bytes were live already: nothing was changed.
    pub repeated: bool,
    /// What did not exist before.
    pub created: Created,
    /// Usage that it now hides, or that hides part of it.
    pub overlaps: Vec<Overlap>,
    /// Usage that events have reported, too: both count.
    pub also_metered: Vec<AlsoMetered>,
    /// Files that state usage of the same days: both count, as parts of one report.
    pub joined: Vec<JoinedFiles>,
    /// The account with the import.
    pub view: Arc<View>,
}

/// What a revert did.
#[derive(Debug, Clone)]
pub struct RevertOutcome {
    /// The account whose usage it was.
    pub account: AccountName,
    /// The import, now reverted.
    pub import: Arc<Import>,
    /// Usage that it had hidden and that counts again (as `hidden`), unless others hide it too.
    pub overlaps: Vec<Overlap>,
}

/// Names that an import brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// The account itself.
    pub account: Option<AccountName>,
    /// Organizations.
    pub organizations: Vec<String>,
    /// Repositories, as `owner/name`.
    pub repositories: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Cost centers.
    pub cost_centers: Vec<String>,
    /// Products that the catalogue lacks.
    pub products: Vec<String>,
    /// SKUs that the catalogue lacks.
    pub skus: Vec<String>,
    /// Units that the catalogue lacks.
    pub units: Vec<String>,
}

/// Two parts that hold the same usage: one counts, the other is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The import that yields, and the kind of its part.
    pub hidden: (ImportId, ReportKind),
    /// What of it is hidden.
    pub hidden_sum: CellSum,
    /// The import that counts, and the kind of its part.
    pub counted: (ImportId, ReportKind),
    /// Its own sums of the same days, SKUs and organizations.
    pub counted_sum: CellSum,
}

impl From<NotOwn> for ImportError {
    fn from(not_own: NotOwn) -> Self {
        Self::NotOwn(not_own)
    }
}

impl Engine {
    /// Reverts a live import.
    pub async fn revert_import(
        &self,
        account: &AccountName,
        id: ImportId,
        actor: &Actor,
        now: Instant,
    ) -> Result<RevertOutcome, ImportError> {
        let turn = self.turn().await;
        for _ in 0..Turn::ATTEMPTS {
            let site = self.site();
            let log = site.directory.log_of(account);
            let log = log.ok_or_else(|| ImportError::NoAccount(account.clone()))?;
            let view = self.view_of(log, account).await?;
            let import = view.account.import(id).filter(|import| import.is_live());
            let import = Arc::clone(import.ok_or(ImportError::NoImport(id))?);
            let overlaps = self.overlaps(&view, &import).await?;
            let mut changes = Changes::default();
            changes.site.push(SiteEntry::Withdrawn(id));
            changes
                .accounts
                .push((log, account.clone(), vec![AccountEntry::Revert(id)]));
            let deed = deed(Action::ImportRevert, account, &import.record)
                .with("before", "live")
                .with("after", "reverted");
            changes.audit(now, actor, deed);
            if let Committed::Done = turn.commit(now, changes).await? {
                let view = self.view_of(log, account).await?;
                let import = view.account.import(id).map_or(import, Arc::clone);
                return Ok(RevertOutcome {
                    account: account.clone(),
                    import,
                    overlaps,
                });
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS).into())
    }

    /// Every pair in which `import` hides, or is hidden.
    pub async fn overlaps(
        &self,
        view: &View,
        import: &Import,
    ) -> Result<Vec<Overlap>, EngineError> {
        let days = import
            .record
            .parts
            .iter()
            .map(|part| (part.first_day, part.last_day));
        let Some((first, last)) = days.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
            return Ok(Vec::new());
        };
        let owners = view.owners.between(first, last);
        if owners
            .contenders()
            .iter()
            .all(|one| one.import.record.id == import.record.id)
            && import.record.parts.len() < 2
        {
            return Ok(Vec::new());
        }
        let mut cells = Vec::new();
        for contender in owners.contenders() {
            cells.push(Arc::new(self.cells(contender.part().cells).await?));
        }
        let catalog = Arc::clone(&view.site.catalog);
        let contest = owners.clone();
        let pairs = tokio::task::spawn_blocking(move || hidden(&contest, &catalog, &cells)).await?;
        let side = |index: usize| {
            let contender = &owners.contenders()[index];
            (contender.import.record.id, contender.part().kind)
        };
        let overlap = |((loser, winner), sums): ((usize, usize), Hidden)| Overlap {
            hidden: side(loser),
            hidden_sum: sums.hidden,
            counted: side(winner),
            counted_sum: sums.counted,
        };
        let concerns =
            |o: &Overlap| o.hidden.0 == import.record.id || o.counted.0 == import.record.id;
        Ok(pairs.into_iter().map(overlap).filter(concerns).collect())
    }

    pub(super) async fn cells(
        &self,
        blob: tallybook_core::ids::Digest,
    ) -> Result<CellSums, EngineError> {
        let bytes = named(self.store.as_ref(), blob).await?;
        CellSums::decode(&bytes).map_err(|error| EngineError::blob(blob, &error))
    }
}

impl Engine {
    async fn commit_import(
        &self,
        staged: StagedImport,
        actor: &Actor,
        now: Instant,
    ) -> Result<ImportOutcome, ImportError> {
        let (record, target) = (&staged.record, &staged.target);
        // Before the turn, because events wait meanwhile, and before the commit, because what is
        // committed must not fail any more.
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
            let deed = deed(Action::ImportCreate, &target.account, record)
                .with("before", Value::Null)
                .with("after", "live");
            changes.audit(now, actor, deed);
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

    /// What is said of an import that `view` has.
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

    /// The account that an import goes to; an empty one when it is new.
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
fn named_organizations(record: &ImportRecord, target: &Target) -> BTreeSet<Name> {
    let mut organizations = spellings(record.tables.names[Dimension::Organization as usize].iter());
    if let Scope::Organization(login) = &target.scope {
        organizations.insert(login.clone());
    }
    organizations
}

/// The names among texts, each in its least spelling, so that the order of lines does not matter.
fn spellings<'a>(texts: impl Iterator<Item = &'a Arc<str>>) -> BTreeSet<Name> {
    let mut texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    texts.sort();
    let mut names = BTreeSet::new();
    for text in texts {
        // What is there already stays.
        names.insert(Name::new(Arc::clone(text)));
    }
    names
}

/// What neither the account's declarations nor its live usage knew.
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
        // Of people only what the account itself knows: others' are none of its business.
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

/// The most files of an import that the audit log names.
const MOST_RECORDED: usize = 100;

/// What the audit log says of an import.
fn deed(action: Action, account: &AccountName, record: &ImportRecord) -> Deed {
    let files = record.files.iter().take(MOST_RECORDED);
    let files: Vec<Value> = files
        .map(|file| json!({"name": shortened(&file.name), "lines": file.lines}))
        .collect();
    let organization = record.organization.as_ref().map(|name| name.as_str());
    Deed::on(account, action)
        .with("id", record.id.to_string())
        .with("organization", organization)
        .with("lines", record.lines())
        .with("file_count", record.files.len())
        .with("files", files)
}
