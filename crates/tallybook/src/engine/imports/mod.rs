//! Imports: stage chunks, then make them visible with one small batch; revert with another.
//!
//! Invariant: an import counts whole or not at all. Look next: [`session`] for the way in,
//! [`commit`] for what makes it count, [`sweep`] for the removal of chunks that no batch names.

mod admission;
mod also_metered;
mod commit;
mod recorded;
pub mod session;
mod staged;
mod sweep;

pub use admission::NotOwn;
pub use session::ImportSession;
pub(super) use sweep::Sessions;

use super::commit::{Actor, Changes, Committed, Turn};
use super::{Engine, EngineError, View};
use crate::engine::blob::named;
pub use staged::JoinedFiles;
use staged::in_both;
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::fold::also_metered::AlsoMetered;
use tallybook_core::ids::ImportId;
use tallybook_core::ledger::builder::{LineRefused, TooMuch};
use tallybook_core::ledger::owners::{CellSum, CellSums, Hidden, hidden};
use tallybook_core::ledger::{AccountEntry, Import};
use tallybook_core::report::ReportKind;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;

/// Why an import or a revert was not made; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The named account does not exist, and the actor may not create it.
    #[error("there is no {0}")]
    NoAccount(AccountName),
    /// A name that is not a valid slug or login.
    #[error("{name}: a name {error}")]
    BadName {
        /// The name.
        name: AccountName,
        /// Why.
        error: tallybook_core::account::InvalidName,
    },
    /// An organization in the report belongs to another account.
    #[error("organization {organization} belongs to {payer}, so this import is refused")]
    OtherPayer {
        /// The organization.
        organization: String,
        /// Who pays for it.
        payer: AccountName,
    },
    /// A tenant's report names organizations that it does not own by declaration.
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
    /// Two of the files state usage of the same days, without being declared parts of one report.
    #[error(
        "two files state usage of the same days, SKUs and organizations, so that it would count \
         twice: {}; leave one of them out, or say that they are parts of one report (--join, over \
         HTTP join=true)",
        in_both(.0)
    )]
    FilesOverlap(Vec<JoinedFiles>),
    /// The account would have too many names.
    #[error("{account} would have more than {most} different names")]
    TooManyNames {
        /// The account.
        account: AccountName,
        /// The most that it may have.
        most: u32,
    },
    /// Events have reported some of the usage, and the caller asked to refuse the import in that
    /// case.
    #[error("events report some of this usage, too: {}", both(.0))]
    AlsoMetered(Vec<AlsoMetered>),
    /// There is no live import of this id.
    #[error("there is no live import {0}")]
    NoImport(ImportId),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The first few SKUs that both state, for an error message.
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

/// Why a line was refused.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The line is at fault.
    #[error(transparent)]
    Line(#[from] LineRefused),
    /// The import exceeds its limits.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct ImportOutcome {
    /// The account that owns the usage.
    pub account: AccountName,
    /// The import.
    pub import: Arc<Import>,
    /// The same bytes were already live: nothing was changed.
    pub repeated: bool,
    /// What did not exist before.
    pub created: Created,
    /// Usage that it now hides, or that hides part of it.
    pub overlaps: Vec<Overlap>,
    /// Usage that events have also reported: both count.
    pub also_metered: Vec<AlsoMetered>,
    /// Files that state usage of the same days: both count, as parts of one report.
    pub joined: Vec<JoinedFiles>,
    /// The account with the import.
    pub view: Arc<View>,
}

/// What a revert did.
#[derive(Debug, Clone)]
pub struct RevertOutcome {
    /// The account that owned the usage.
    pub account: AccountName,
    /// The import, now reverted.
    pub import: Arc<Import>,
    /// Usage that it had hidden and that counts again (as `hidden`), unless other imports hide it
    /// too.
    pub overlaps: Vec<Overlap>,
}

/// Names that an import introduced.
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
    /// The hidden part.
    pub hidden_sum: CellSum,
    /// The import that counts, and the kind of its part.
    pub counted: (ImportId, ReportKind),
    /// Its own sums for the same days, SKUs and organizations.
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
            changes.audit(now, actor, recorded::reverted(account, &import.record));
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
