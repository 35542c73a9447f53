//! Statements: from memory, else from a checkpoint, else from the ledger.
//!
//! Invariant: a statement is identified by its fingerprint (rules, catalogue, month, live imports),
//! so one in the cache or in a checkpoint is never stale. Each is built once, however many requests
//! wait for it. Tables are read only when a query needs them. Look next: [`super::cache`].

use super::blob::{Owner, derived, named, warn_unusable};
use super::checkpoint::Checkpoint;
use super::snapshot::Snapshot;
use super::{Engine, EngineError, View};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use tallybook_core::codec::DecodeError;
use tallybook_core::fold::MonthPlan;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::name::Name;
use tallybook_core::query::run::{PeriodAnswer, answer, answer_merged};
use tallybook_core::query::{Asked, Context, Period, Query, Sums};
use tallybook_core::statement::build::BYTES_A_LINE;
use tallybook_core::statement::encode::parts_of;
use tallybook_core::statement::{Detail, Source, Statement, Summary, Table, TablePart};
use tallybook_core::time::{Instant, Month};

/// Concurrent reads of one request: as many as there are cores, and no more, because each holds a
/// blob in memory.
static AT_ONCE: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// A statement with events and fewer lines than this is rebuilt rather than stored.
const WORTH_STORING: usize = 2_000;

/// The name of stored parts in warnings.
const WHAT: &str = "a part of a statement";

/// The result of reading part of a statement from a checkpoint.
enum Stored<T> {
    /// It was read.
    Read(T),
    /// It exists but can't be read: it must be stored again.
    Lost,
    /// The checkpoint does not have it.
    None,
}

impl Engine {
    /// The complete statement of a month.
    pub async fn statement(&self, view: &View, month: Month) -> Result<Statement, EngineError> {
        let source = self.source(view, month).await?;
        let (lines, days) = futures_util::try_join!(
            self.table(view, &source, Detail::Lines),
            self.table(view, &source, Detail::Days),
        )?;
        let source = with(source, Detail::Lines, lines, view)?;
        let whole = with(source, Detail::Days, days, view)?.statement();
        whole.ok_or_else(|| missing(month, view))
    }

    /// A month's summary and its lines.
    pub(super) async fn lines(
        &self,
        view: &View,
        month: Month,
    ) -> Result<(Arc<Summary>, Arc<Table>), EngineError> {
        let source = self.source(view, month).await?;
        let source = self.with_table(view, source, Detail::Lines).await?;
        let lines = source.table(Detail::Lines).map(Arc::clone);
        let lines = lines.ok_or_else(|| missing(month, view))?;
        Ok((Arc::clone(source.summary()), lines))
    }

    /// A source that can answer at least every query that needs no table.
    pub(super) async fn source(&self, view: &View, month: Month) -> Result<Source, EngineError> {
        let fingerprint = view.fingerprint(month);
        let slot = self.cache.summary(view.account.log, fingerprint);
        if let Some(source) = slot.get() {
            return Ok(source.clone());
        }
        let mut made = false;
        let source = slot
            .get_or_try_init(|| async {
                made = true;
                self.make(view, month, fingerprint).await
            })
            .await?;
        if made {
            self.cache.made(fingerprint);
        }
        Ok(source.clone())
    }

    /// A month's source with a table, if its statement has one.
    async fn with_table(
        &self,
        view: &View,
        source: Source,
        detail: Detail,
    ) -> Result<Source, EngineError> {
        let table = self.table(view, &source, detail).await?;
        with(source, detail, table, view)
    }

    /// Loads a table of a statement, if it has one.
    async fn table(
        &self,
        view: &View,
        source: &Source,
        detail: Detail,
    ) -> Result<Option<Arc<Table>>, EngineError> {
        if !source.lacks(detail) {
            return Ok(None);
        }
        let fingerprint = view.fingerprint(source.summary().month());
        let slot = self.cache.table(fingerprint, detail);
        let mut made = false;
        let table = slot
            .get_or_try_init(|| async {
                made = true;
                self.make_table(view, source, detail, fingerprint).await
            })
            .await?;
        if made {
            self.cache.made(fingerprint);
        }
        Ok(Some(Arc::clone(table)))
    }

    /// Bytes of statements in memory.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    async fn make(
        &self,
        view: &View,
        month: Month,
        fingerprint: Digest,
    ) -> Result<Source, EngineError> {
        let plan = view.plan(month);
        if plan.is_empty() {
            return Ok(plan.fold(&view.site.catalog).finish()?.into());
        }
        let stored = self.checkpointed(view, month, fingerprint).await?;
        if let Stored::Read(source) = stored {
            return Ok(source);
        }
        let statement = self.fold(view, &plan).await?;
        if let Some(at) = view.account.at
            && (matches!(stored, Stored::Lost) || self.worth_storing(view, &plan, fingerprint, at))
        {
            self.store_later(view, &statement, fingerprint, at);
        }
        if statement.parts() == 1 {
            return Ok(statement.into());
        }
        let tables = [
            (Detail::Lines, Some(statement.lines())),
            (Detail::Days, statement.days()),
        ];
        for (detail, table) in tables {
            if let Some(table) = table {
                let slot = self.cache.table(fingerprint, detail);
                slot.get_or_init(|| async { Arc::clone(table) }).await;
            }
        }
        Ok(Arc::clone(statement.summary()).into())
    }

    /// Stores a statement in the background.
    fn store_later(&self, view: &View, statement: &Statement, fingerprint: Digest, at: Instant) {
        let checkpoint = Checkpoint {
            log: view.account.log,
            statement: statement.clone(),
            fingerprint,
            at,
        };
        let (manifests, cache) = (Arc::clone(&self.manifests), Arc::clone(&self.cache));
        self.later.spawn(checkpoint.store(manifests, cache));
    }

    /// Whether a statement is worth storing. A month that events change is stored only now and
    /// then, and only if it is long; its older statement is dropped.
    fn worth_storing(
        &self,
        view: &View,
        plan: &MonthPlan,
        fingerprint: Digest,
        at: Instant,
    ) -> bool {
        if plan.metered_rows() == 0 {
            return true;
        }
        let hot = &self.metering.hot;
        let advice = hot.made(view.account.log, plan.month, fingerprint, at);
        if let Some(replaced) = advice.replaced {
            self.cache.forget(replaced);
        }
        // A short one is rebuilt more quickly than it is stored, and a server with many small
        // accounts would have to store one for every query.
        advice.store && lines(plan) >= WORTH_STORING
    }

    async fn make_table(
        &self,
        view: &View,
        source: &Source,
        detail: Detail,
        fingerprint: Digest,
    ) -> Result<Arc<Table>, EngineError> {
        let stored = self.checkpointed_table(view, source, detail, fingerprint);
        let stored = stored.await?;
        if let Stored::Read(table) = stored {
            return Ok(table);
        }
        let month = source.summary().month();
        let statement = self.fold(view, &view.plan(month)).await?;
        if let (Stored::Lost, Some(at)) = (stored, view.account.at) {
            self.store_later(view, &statement, fingerprint, at);
        }
        let table = Source::from(statement).table(detail).map(Arc::clone);
        table.ok_or_else(|| missing(month, view))
    }

    /// Waits until every pending checkpoint is stored or has failed.
    pub async fn settle(&self) {
        self.later.wait().await;
    }

    /// Builds a statement from the ledger alone.
    pub(super) async fn fold(
        &self,
        view: &View,
        plan: &MonthPlan,
    ) -> Result<Statement, EngineError> {
        let store = Arc::clone(&self.store);
        let (plan, catalog) = (plan.clone(), Arc::clone(&view.site.catalog));
        let runtime = tokio::runtime::Handle::current();
        let _room = self.cache.room(lines(&plan) * BYTES_A_LINE).await?;
        let rows = self.rows_of(&view.account, &plan).await?;
        tokio::task::spawn_blocking(move || {
            let mut fold = plan.fold(&catalog);
            for (contender, chunk) in plan.chunks() {
                let bytes = runtime.block_on(named(store.as_ref(), chunk.blob))?;
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
            fold.add_rows(rows);
            Ok(fold.finish()?)
        })
        .await?
    }

    /// Reads the summary of a month's checkpoint, without its tables.
    async fn checkpointed(
        &self,
        view: &View,
        month: Month,
        fingerprint: Digest,
    ) -> Result<Stored<Source>, EngineError> {
        let log = view.account.log;
        let (_, known) = self.manifests.load(log).await?;
        let Some(blob) = known.find(month, fingerprint).first() else {
            return Ok(Stored::None);
        };
        let owner = Owner::statement(log, fingerprint);
        let read = self.read(owner, *blob, Source::decode).await?;
        Ok(read.map_or(Stored::Lost, Stored::Read))
    }

    /// A table of a long statement from its checkpoint; parts are read, checked and decoded in
    /// parallel.
    async fn checkpointed_table(
        &self,
        view: &View,
        source: &Source,
        detail: Detail,
        fingerprint: Digest,
    ) -> Result<Stored<Arc<Table>>, EngineError> {
        let summary = source.summary();
        let (log, month) = (view.account.log, summary.month());
        let (_, known) = self.manifests.load(log).await?;
        let blobs = known.find(month, fingerprint);
        let Some(parts) = blobs.get(parts_of(detail)) else {
            return Ok(if blobs.is_empty() {
                Stored::None
            } else {
                Stored::Lost
            });
        };
        // The stored parts being read are about as large as the decoded table.
        let memory = summary.table_memory(detail).unwrap_or_default();
        let _room = self.cache.room(2 * memory).await?;
        let owner = Owner::statement(log, fingerprint);
        let reads = stream::iter(parts.to_vec())
            .map(|blob| self.read(owner, blob, TablePart::decode))
            .buffered(*AT_ONCE);
        let parts: Option<Vec<TablePart>> =
            reads.try_collect::<Vec<_>>().await?.into_iter().collect();
        let Some(parts) = parts else {
            return Ok(Stored::Lost);
        };
        let table = source.clone().with_parts(detail, parts);
        match table.map(|source| source.table(detail).map(Arc::clone)) {
            Ok(Some(table)) => Ok(Stored::Read(table)),
            Ok(None) => Ok(Stored::Lost),
            Err(error) => {
                warn_unusable(log, blobs[0], WHAT, &error);
                Ok(Stored::Lost)
            }
        }
    }

    /// A part of a checkpoint; `None` when it can't be read, or was made by another version of the
    /// rules.
    async fn read<T: Send + 'static>(
        &self,
        owner: Owner,
        blob: Digest,
        decode: fn(&[u8]) -> Result<Option<T>, DecodeError>,
    ) -> Result<Option<T>, EngineError> {
        let Some(content) = derived(self.store.as_ref(), owner, blob, WHAT).await? else {
            return Ok(None);
        };
        let decoded = tokio::task::spawn_blocking(move || decode(&content)).await?;
        Ok(decoded.unwrap_or_else(|error| {
            warn_unusable(owner.log, blob, WHAT, &error);
            None
        }))
    }

    /// Answers one period of a query about an account.
    pub async fn answer<S: Sums>(
        &self,
        view: &View,
        query: &Query,
        period: Period,
    ) -> Result<PeriodAnswer<S>, EngineError> {
        let sources = self.sources(view, query, period).await?;
        let answered = answer(query, period, &sources, view.context());
        answered.map_err(|error| EngineError::System(error.to_string()))
    }

    /// Answers one period of a query about all accounts of a snapshot, as if they were one.
    pub async fn answer_merged<S: Sums>(
        &self,
        snapshot: &Snapshot,
        query: &Query,
        period: Period,
    ) -> Result<PeriodAnswer<S>, EngineError> {
        let loaded = self.load(snapshot, query, period).await?;
        let answered = answer_merged(&loaded.asked(), period, snapshot.context());
        answered.map_err(|error| EngineError::System(error.to_string()))
    }

    /// Loads as much of each month of each account as a query needs.
    pub(super) async fn load<'a>(
        &self,
        snapshot: &Snapshot,
        query: &'a Query,
        period: Period,
    ) -> Result<Loaded<'a>, EngineError> {
        let mut loaded = Loaded(Vec::with_capacity(snapshot.parts().len()));
        for part in snapshot.parts() {
            let query = part.limit(query);
            let sources = self.sources(&part.view, &query, period).await?;
            loaded.0.push((query, sources));
        }
        Ok(loaded)
    }

    /// Loads as much of each month of a period as a query needs, without months that have no usage.
    pub(super) async fn sources(
        &self,
        view: &View,
        query: &Query,
        period: Period,
    ) -> Result<Vec<Source>, EngineError> {
        let at_hand = |month| self.at_hand(view, query, period, month);
        let at_hand: Option<Vec<Source>> = period.months().map(at_hand).collect();
        let mut sources = match at_hand {
            Some(sources) => sources,
            None => {
                stream::iter(period.months())
                    .map(|month| self.source_for(view, query, period, month))
                    .buffered(*AT_ONCE)
                    .try_collect()
                    .await?
            }
        };
        sources.retain(|source| !source.summary().is_empty());
        Ok(sources)
    }

    /// The result of [`Self::source_for`], if it is in memory and needs no waiting.
    fn at_hand(&self, view: &View, query: &Query, period: Period, month: Month) -> Option<Source> {
        let fingerprint = view.fingerprint(month);
        let slot = self.cache.summary(view.account.log, fingerprint);
        let source = slot.get()?.clone();
        match query.needs(period, source.summary()) {
            Some(detail) if source.lacks(detail) => {
                let table = Arc::clone(self.cache.table(fingerprint, detail).get()?);
                source.with(detail, table).ok()
            }
            _ => Some(source),
        }
    }

    /// Loads as much of a month as a query needs.
    async fn source_for(
        &self,
        view: &View,
        query: &Query,
        period: Period,
        month: Month,
    ) -> Result<Source, EngineError> {
        let source = self.source(view, month).await?;
        match query.needs(period, source.summary()) {
            Some(detail) => self.with_table(view, source, detail).await,
            None => Ok(source),
        }
    }
}

/// The query for each account of a snapshot, with its loaded months.
pub(super) struct Loaded<'a>(Vec<(Cow<'a, Query>, Vec<Source>)>);

impl Loaded<'_> {
    pub(super) fn asked(&self) -> Vec<Asked<'_>> {
        let accounts = self.0.iter();
        let months = accounts.flat_map(|(query, sources)| {
            let asked = |source| Asked { query, source };
            sources.iter().map(asked)
        });
        months.collect()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> + Clone {
        self.0.iter().flat_map(|(_, sources)| sources)
    }
}

/// Adds a newly loaded table to a source.
fn with(
    source: Source,
    detail: Detail,
    table: Option<Arc<Table>>,
    view: &View,
) -> Result<Source, EngineError> {
    let Some(table) = table else {
        return Ok(source);
    };
    let month = source.summary().month();
    let with = source.with(detail, table);
    with.map_err(|error| EngineError::damaged(what(month, view), error))
}

/// The name of a statement in errors.
fn what(month: Month, view: &View) -> String {
    format!("{month} of {}", view.account.name)
}

fn missing(month: Month, view: &View) -> EngineError {
    EngineError::damaged(
        what(month, view),
        "a table that its summary names is missing",
    )
}

/// An upper bound on a month's lines: there are fewer if some share hour, SKU and names.
fn lines(plan: &MonthPlan) -> usize {
    let reported = plan.chunks().map(|(_, chunk)| chunk.lines as usize);
    reported.sum::<usize>() + plan.metered_rows()
}

impl View {
    pub(super) fn context(&self) -> Context<'_> {
        use tallybook_core::account::AccountKind;
        let name = &self.account.name;
        let user: Option<&Name> = (name.kind == AccountKind::User).then_some(&name.name);
        Context {
            catalog: &self.site.catalog,
            spellings: self.spellings().into(),
            user,
        }
    }
}
