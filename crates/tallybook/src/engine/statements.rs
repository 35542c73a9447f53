//! Statements: from memory, else from a checkpoint, else from the ledger.
//!
//! Invariant: a statement is known by its fingerprint (rules, catalogue, month, live imports), so
//! that one in the cache or in a checkpoint is never stale. Each is made once, however many ask.

use super::{Engine, EngineError, View};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::fold::MonthPlan;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::name::Name;
use tallybook_core::query::Query;
use tallybook_core::query::run::{Context, Period, PeriodAnswer, answer};
use tallybook_core::statement::Statement;
use tallybook_core::time::{Instant, Month};
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
        let plan = MonthPlan::new(&view.owners, month);
        let fingerprint = plan.fingerprint(view.site.catalog_digest);
        let slot = self.cache.slot(fingerprint);
        if let Some(statement) = slot.get() {
            return Ok(Arc::clone(statement));
        }
        let mut made = false;
        let statement = slot
            .get_or_try_init(|| async {
                made = true;
                self.make(view, &plan, fingerprint).await
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
            return Ok(Arc::new(plan.fold(&view.site.catalog).finish()));
        }
        if let Some(statement) = self.checkpointed(view, plan.month, fingerprint).await? {
            return Ok(Arc::new(statement));
        }
        let statement = Arc::new(self.fold(view, plan).await?);
        if let Some(at) = view.account.at {
            // The answer does not need it: a full disk can still be read.
            if let Err(error) = self.checkpoint(view, &statement, fingerprint, at).await {
                let (month, log) = (plan.month.to_string(), view.account.log.0);
                tracing::warn!(%error, month, log, "a statement's checkpoint was not stored");
            }
        }
        Ok(statement)
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
            Ok(fold.finish())
        })
        .await?
    }

    async fn checkpointed(
        &self,
        view: &View,
        month: Month,
        fingerprint: Digest,
    ) -> Result<Option<Statement>, EngineError> {
        let Some(manifest) = self.store.manifest(view.account.log).await? else {
            return Ok(None);
        };
        let known = Checkpoints::decode(&manifest.bytes);
        let known = known.map_err(|error| damaged_manifest(view, &error))?;
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

    /// Stores a statement so that the next start need not fold it again.
    async fn checkpoint(
        &self,
        view: &View,
        statement: &Arc<Statement>,
        fingerprint: Digest,
        at: Instant,
    ) -> Result<(), EngineError> {
        let month = statement.month();
        let encoded = Arc::clone(statement);
        let bytes = tokio::task::spawn_blocking(move || encoded.encode()).await?;
        let blob = self.store.put_blob(bytes.into(), at).await?;
        let log = view.account.log;
        loop {
            let manifest = self.store.manifest(log).await?;
            let (version, mut known) = match &manifest {
                None => (0, Checkpoints::default()),
                Some(manifest) => {
                    let known = Checkpoints::decode(&manifest.bytes);
                    let known = known.map_err(|error| damaged_manifest(view, &error))?;
                    (manifest.version, known)
                }
            };
            let replaced = known.put(month, fingerprint, blob);
            if self
                .store
                .swap_manifest(log, version, known.encode())
                .await?
            {
                let gone: Vec<_> = replaced.into_iter().filter(|old| *old != blob).collect();
                // No record names a checkpoint, and another month's differs in its first bytes.
                return Ok(self.store.delete_blobs(gone).await?);
            }
        }
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

fn damaged_manifest(view: &View, error: &DecodeError) -> EngineError {
    EngineError::damaged(format!("the manifest of log {}", view.account.log.0), error)
}

/// Which blob holds which month's statement: an account's manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoints {
    months: Vec<(Month, Digest, Digest)>,
}

impl Checkpoints {
    fn find(&self, month: Month, fingerprint: Digest) -> Option<Digest> {
        let known = self
            .months
            .iter()
            .find(|(m, f, _)| (*m, *f) == (month, fingerprint));
        known.map(|(_, _, blob)| *blob)
    }

    /// Adds a month's blob, and gives the one that it replaces.
    fn put(&mut self, month: Month, fingerprint: Digest, blob: Digest) -> Option<Digest> {
        let old = self.months.iter().position(|(known, _, _)| *known == month);
        let old = old.map(|place| self.months.swap_remove(place).2);
        self.months.push((month, fingerprint, blob));
        self.months.sort();
        old
    }

    /// Every (month, fingerprint, blob).
    pub(super) fn all(&self) -> &[(Month, Digest, Digest)] {
        &self.months
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(b"TBK1");
        out.count(self.months.len());
        for (month, fingerprint, blob) in &self.months {
            out.signed(i128::from(month.index()));
            out.raw(&fingerprint.0);
            out.raw(&blob.0);
        }
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.raw(4, "manifest")? != b"TBK1" {
            return Err(r.invalid("the start of a manifest"));
        }
        let count = r.count(65, "manifest")?;
        let months = (0..count)
            .map(|_| {
                let index = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
                let month = Month::from_index(index).map_err(|_| r.invalid("month"))?;
                Ok((
                    month,
                    Digest(r.array("fingerprint")?),
                    Digest(r.array("blob")?),
                ))
            })
            .collect::<Result<_, DecodeError>>()?;
        r.finish("manifest")?;
        Ok(Self { months })
    }
}
