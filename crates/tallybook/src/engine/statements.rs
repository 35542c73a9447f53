//! Statements: from memory, else from a checkpoint, else from the ledger.
//!
//! Invariant: a statement is known by its fingerprint (rules, catalogue, month, live imports), so
//! that one in the cache or in a checkpoint is never stale. Each is made once, however many ask.

use super::checkpoint::{Checkpoint, Checkpoints};
use super::{Engine, EngineError, View};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tallybook_core::fold::MonthPlan;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::Import;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::name::Name;
use tallybook_core::query::Query;
use tallybook_core::query::run::{Context, Period, PeriodAnswer, answer};
use tallybook_core::statement::Statement;
use tallybook_core::time::Month;
use tokio::sync::OnceCell;

type Slot = Arc<OnceCell<Arc<Statement>>>;

/// Statements in memory, the least recently used dropped first.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    state: Mutex<CacheState>,
}

#[derive(Debug, Default)]
struct CacheState {
    slots: HashMap<Digest, (Slot, u64)>,
    uses: u64,
    bytes: usize,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, CacheState> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn slot(&self, fingerprint: Digest) -> Slot {
        let mut state = self.state();
        state.uses += 1;
        let uses = state.uses;
        let (slot, used) = state.slots.entry(fingerprint).or_default();
        *used = uses;
        Arc::clone(slot)
    }

    /// Counts a new statement, and drops others until the limit holds.
    fn grew(&self, by: usize, keep: Digest) {
        let mut state = self.state();
        state.bytes += by;
        while state.bytes > self.limit {
            let droppable = |(fingerprint, (slot, used)): (&Digest, &(Slot, u64))| {
                let bytes = slot.get()?.memory();
                (*fingerprint != keep).then_some((*used, *fingerprint, bytes))
            };
            let Some((_, oldest, bytes)) = state.slots.iter().filter_map(droppable).min() else {
                return;
            };
            state.slots.remove(&oldest);
            state.bytes -= bytes;
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }
}

impl Engine {
    /// The statement of a month.
    pub async fn statement(
        &self,
        view: &View,
        month: Month,
    ) -> Result<Arc<Statement>, EngineError> {
        let fingerprint = view.fingerprint(month);
        let slot = self.cache.slot(fingerprint);
        if let Some(statement) = slot.get() {
            return Ok(Arc::clone(statement));
        }
        let mut made = false;
        let statement = slot
            .get_or_try_init(|| async {
                made = true;
                self.make(view, &view.plan(month), fingerprint).await
            })
            .await?;
        if made {
            self.cache.grew(statement.memory(), fingerprint);
        }
        Ok(Arc::clone(statement))
    }

    /// Bytes of statements in memory.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    async fn make(
        &self,
        view: &View,
        plan: &MonthPlan,
        fingerprint: Digest,
    ) -> Result<Arc<Statement>, EngineError> {
        if plan.is_empty() {
            return Ok(Arc::new(plan.fold(&view.site.catalog).finish()?));
        }
        if let Some(statement) = self.checkpointed(view, plan.month, fingerprint).await? {
            return Ok(Arc::new(statement));
        }
        let statement = Arc::new(self.fold(view, plan).await?);
        if let Some(at) = view.account.at {
            let checkpoint = Checkpoint {
                log: view.account.log,
                statement: Arc::clone(&statement),
                fingerprint,
                at,
            };
            self.later.spawn(checkpoint.store(Arc::clone(&self.store)));
        }
        Ok(statement)
    }

    /// Waits until every checkpoint that was begun is stored, or has failed.
    pub async fn settle(&self) {
        self.later.wait().await;
    }

    /// Makes a statement from the ledger alone.
    pub(super) async fn fold(
        &self,
        view: &View,
        plan: &MonthPlan,
    ) -> Result<Statement, EngineError> {
        let store = Arc::clone(&self.store);
        let (plan, catalog) = (plan.clone(), Arc::clone(&view.site.catalog));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut fold = plan.fold(&catalog);
            for (contender, chunk) in plan.chunks() {
                let bytes = runtime.block_on(store.get_blob(chunk.blob))?;
                let missing = || EngineError::damaged(format!("blob {}", chunk.blob), "missing");
                let bytes = bytes.ok_or_else(missing)?;
                let decoded = Chunk::decode(&bytes);
                let decoded = decoded.map_err(|error| EngineError::blob(chunk.blob, &error))?;
                let matches = (decoded.month, decoded.count) == (chunk.month, chunk.lines as usize);
                if !matches {
                    let detail = "its month or count is not what the ledger says";
                    return Err(EngineError::damaged(format!("blob {}", chunk.blob), detail));
                }
                fold.add(contender, chunk.blob, &decoded)
                    .map_err(|error| EngineError::damaged("the ledger", error))?;
            }
            Ok(fold.finish()?)
        })
        .await?
    }

    async fn checkpointed(
        &self,
        view: &View,
        month: Month,
        fingerprint: Digest,
    ) -> Result<Option<Statement>, EngineError> {
        let (_, known) = Checkpoints::load(self.store.as_ref(), view.account.log).await?;
        let Some(blob) = known.find(month, fingerprint) else {
            return Ok(None);
        };
        // A checkpoint is derived: one that is gone is made again.
        let Some(bytes) = self.store.get_blob(blob).await? else {
            return Ok(None);
        };
        let decoded = tokio::task::spawn_blocking(move || Statement::decode(&bytes)).await?;
        decoded.map_err(|error| EngineError::blob(blob, &error))
    }

    /// Answers one period of a query.
    pub async fn answer(
        &self,
        view: &View,
        query: &Query,
        period: Period,
    ) -> Result<PeriodAnswer, EngineError> {
        let mut statements = Vec::new();
        for month in period.months() {
            let statement = self.statement(view, month).await?;
            if !statement.is_empty() {
                statements.push(statement);
            }
        }
        Ok(answer(query, period, &statements, view.context()))
    }

    /// Makes the statements of an import's months beside whatever else happens, so that the first
    /// reader need not wait. A failure costs only that reader some time.
    pub fn warm_later(self: &Arc<Self>, view: Arc<View>, import: &Import) {
        let months = import.months();
        let engine = Arc::clone(self);
        self.later.spawn(async move {
            if let Err(error) = engine.warm(&view, months).await {
                tracing::error!(%error, "the statements of an import could not be made ahead");
            }
        });
    }

    /// Makes the statements of some months, so that the first reader need not wait.
    pub async fn warm(
        &self,
        view: &View,
        months: impl IntoIterator<Item = Month>,
    ) -> Result<(), EngineError> {
        for month in months {
            self.statement(view, month).await?;
        }
        Ok(())
    }
}

impl View {
    pub(super) fn context(&self) -> Context<'_> {
        use tallybook_core::account::AccountKind;
        let name = &self.account.name;
        let user: Option<&Name> = (name.kind == AccountKind::User).then_some(&name.name);
        Context {
            catalog: &self.site.catalog,
            spellings: self.spellings(),
            user,
        }
    }
}
