//! An import in progress: lines in, chunks out to the store, one commit at the end.
//!
//! Invariant: nothing counts before [`ImportSession::commit`]; a session that is dropped leaves
//! only chunks that nothing names. Encoding and storing a chunk overlap with reading the next one.

use super::admission::{Admission, admit_now};
use super::staged::StagedImport;
use super::sweep::Live;
use super::{Actor, Engine, EngineError, ImportError, ImportOutcome, PushError};
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName, check_name};
use tallybook_core::ids::ImportId;
use tallybook_core::ledger::builder::{
    FullChunk, ImportBuilder, ImportScope, LineRefused, Most, Staged,
};
use tallybook_core::ledger::record::ImportedFile;
use tallybook_core::name::Name;
use tallybook_core::report::{Line, ReportKind};
use tallybook_core::site::Site;
use tallybook_core::time::Instant;
use tallybook_store::Store;
use tokio::task::JoinHandle;

/// Where an import goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub account: AccountName,
    pub scope: ImportScope,
    /// The organization that the import is limited to, when another account pays for it.
    pub only: Option<Name>,
    /// Whether it may name organizations that were never declared.
    pub introduces: bool,
    /// The state of the site when the import began.
    pub site: Arc<Site>,
}

/// An import in progress. Pushing blocks: call it from a thread that may block.
pub struct ImportSession {
    /// Keeps its chunks from being swept.
    _live: Live,
    engine: Arc<Engine>,
    target: Target,
    admission: Admission,
    builder: ImportBuilder,
    runtime: tokio::runtime::Handle,
    staging: Option<JoinHandle<Result<Staged, EngineError>>>,
    now: Instant,
    actor: Actor,
    refuse_overlap: bool,
    join: bool,
    most_account_names: Option<u32>,
}

impl std::fmt::Debug for ImportSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportSession")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts an import for `name`.
    pub fn begin_import(
        self: &Arc<Self>,
        name: &AccountName,
        actor: &Actor,
        now: Instant,
    ) -> Result<ImportSession, ImportError> {
        check_name(name.name.as_str()).map_err(|error| ImportError::BadName {
            name: name.clone(),
            error,
        })?;
        let target = target(self.site(), name, actor)?;
        if let ImportScope::Organization(login) = &target.scope {
            admit_now(&target.site.directory, &target, login)?;
        }
        let admission = Admission::new(&target.account);
        let builder = ImportBuilder::new(target.scope.clone());
        let runtime = tokio::runtime::Handle::current();
        let (engine, actor) = (Arc::clone(self), actor.clone());
        Ok(ImportSession {
            _live: Live::new(&engine, now),
            engine,
            target,
            admission,
            builder,
            runtime,
            staging: None,
            now,
            actor,
            refuse_overlap: false,
            join: false,
            most_account_names: None,
        })
    }
}

impl ImportSession {
    /// The account that will own the usage.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        &self.target.account
    }

    /// Refuses the import if events have reported some of its usage, too.
    #[must_use]
    pub fn refuse_overlap(self, refuse_overlap: bool) -> Self {
        Self {
            refuse_overlap,
            ..self
        }
    }

    /// Treats files that state usage of the same days as parts of one report. Otherwise such files
    /// cause the import to be refused.
    #[must_use]
    pub fn join(self, join: bool) -> Self {
        Self { join, ..self }
    }

    /// Limits the size of the import, and the number of names that the account may have after it.
    #[must_use]
    pub fn limit(mut self, most: Most, most_account_names: u32) -> Self {
        self.builder.limit(most);
        Self {
            most_account_names: Some(most_account_names),
            ..self
        }
    }

    /// Starts another file, in the order of the files at the commit; the lines that follow belong
    /// to it.
    pub fn begin_file(&mut self) {
        self.builder.begin_file();
    }

    /// Adds a line; blocks while a full chunk waits for the one before it to be stored.
    pub fn push(&mut self, kind: ReportKind, line: &Line<'_>) -> Result<(), PushError> {
        let chunk = self.take(kind, line)?;
        self.builder.check_size()?;
        let Some(chunk) = chunk else {
            return Ok(());
        };
        if !self.admission.is_clean() {
            // The commit will refuse the import, so nothing needs to be stored.
            return Ok(());
        }
        if let Some(staging) = self.staging.take() {
            let staged = self
                .runtime
                .block_on(staging)
                .map_err(EngineError::from)??;
            self.builder.staged(&staged);
        }
        self.stage(chunk);
        Ok(())
    }

    /// Passes a line to the builder. A line of an organization that is not the tenant's own is
    /// noted and skipped, so that the commit can list all of them.
    fn take(&mut self, kind: ReportKind, line: &Line<'_>) -> Result<Option<FullChunk>, PushError> {
        let (target, admission, day) = (&self.target, &mut self.admission, line.hour.day());
        let depends_on_day = admission.depends_on_day(line.organization);
        let mut is_not_own = false;
        let mut admit = |organization: &str| {
            admission.admit(target, organization, day).map_err(|error| {
                is_not_own = matches!(error, ImportError::NotOwn(_));
                error.to_string()
            })
        };
        // The builder asks only once about each name.
        let again = match depends_on_day {
            true => admit(line.organization),
            false => Ok(()),
        };
        let again = again.map_err(|reason| LineRefused {
            column: "organization",
            reason,
        });
        match again.and_then(|()| self.builder.push(kind, line, &mut admit)) {
            Err(_) if is_not_own => Ok(None),
            taken => Ok(taken?),
        }
    }

    /// Encodes and stores a chunk while the next one is read.
    fn stage(&mut self, chunk: FullChunk) {
        let (store, now) = (Arc::clone(&self.engine.store), self.now);
        self.staging = Some(self.runtime.spawn(async move {
            let staged = tokio::task::spawn_blocking(move || chunk.encode()).await?;
            put(store.as_ref(), staged, now).await
        }));
    }

    async fn settle(&mut self) -> Result<(), EngineError> {
        if let Some(staging) = self.staging.take() {
            let staged = staging.await??;
            self.builder.staged(&staged);
        }
        Ok(())
    }

    /// Makes the import count; `files` are those that the lines came from.
    pub async fn commit(mut self, files: Vec<ImportedFile>) -> Result<ImportOutcome, ImportError> {
        check_files(&files)?;
        self.admission.finish()?;
        self.settle().await?;
        while let Some(chunk) = self.builder.flush() {
            self.stage(chunk);
            self.settle().await?;
        }
        let (builder, catalog) = (self.builder, Arc::clone(&self.target.site.catalog));
        let finishing = tokio::task::spawn_blocking(move || {
            let joined = builder.overlaps(&catalog);
            (builder.finish(), joined)
        });
        let (finished, joined) = finishing.await.map_err(EngineError::from)?;
        let mut finished = finished.map_err(|error| EngineError::System(error.to_string()))?;
        for sums in std::mem::take(&mut finished.staged) {
            put(self.engine.store.as_ref(), sums, self.now).await?;
        }
        let id = ImportId(
            self.engine
                .options
                .entropy
                .uuid()
                .map_err(EngineError::from)?,
        );
        let record = finished.into_record(id, self.target.only.clone(), files);
        let staged = StagedImport {
            record,
            target: self.target,
            joined,
            join: self.join,
            refuse_overlap: self.refuse_overlap,
            most_account_names: self.most_account_names,
        };
        self.engine
            .commit_import(staged, &self.actor, self.now)
            .await
    }
}

/// Refuses a file that is given twice in one import.
fn check_files(files: &[ImportedFile]) -> Result<(), ImportError> {
    for (place, again) in files.iter().enumerate() {
        let same = |first: &&ImportedFile| first.digest == again.digest && first.lines > 0;
        if let Some(first) = files[..place].iter().find(same) {
            return Err(ImportError::SameFile {
                first: Arc::clone(&first.name),
                again: Arc::clone(&again.name),
            });
        }
    }
    Ok(())
}

/// Stores a blob, and returns it without its bytes.
async fn put(store: &dyn Store, mut staged: Staged, at: Instant) -> Result<Staged, EngineError> {
    let bytes = std::mem::take(&mut staged.bytes);
    let digest = store.put_blob(bytes.into(), at).await?;
    if digest == staged.digest {
        return Ok(staged);
    }
    let what = format!("blob {}", staged.digest);
    Err(EngineError::damaged(what, "stored under another name"))
}

fn target(site: Arc<Site>, name: &AccountName, actor: &Actor) -> Result<Target, ImportError> {
    let found = site.directory.find(name);
    if found.is_none() && !actor.is_site_admin {
        return Err(ImportError::NoAccount(name.clone()));
    }
    let (account, only) = match found {
        Some(found) => (found.payer, found.only),
        None => (name.clone(), None),
    };
    let scope = match name.kind {
        AccountKind::Enterprise => ImportScope::Enterprise,
        AccountKind::Organization => {
            ImportScope::Organization(only.clone().unwrap_or(name.name.clone()))
        }
        AccountKind::User => ImportScope::User(account.name.clone()),
    };
    Ok(Target {
        account,
        scope,
        only,
        introduces: actor.is_site_admin,
        site,
    })
}
