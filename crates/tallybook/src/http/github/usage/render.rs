//! Writing an answer's body: summaries at once, everything else a period at a time while it is
//! loaded.
//!
//! Invariant: memory holds the rows of two periods and as many bytes as
//! [`Room`](crate::http::body::Room) requests, not the whole answer. A summary has one item per
//! rate, so it is no longer than the list of rates.

use crate::engine::rates::RateSums;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Engine, EngineError};
use crate::http::app::App;
use crate::http::body::{Chunks, End, NoBody, SLACK_BYTES};
use crate::http::github::question::{Question, UsageEndpoint};
use crate::wire::Dialect;
use crate::wire::rows::Rows;
use crate::wire::summary::{Envelope, RequestsWriter, summary_body};
use crate::wire::usage::{UsageShape, UsageWriter};
use axum::body::Body;
use std::sync::Arc;
use tallybook_core::account::AccountKind;
use tallybook_core::catalog::Catalog;
use tallybook_core::query::run::PeriodAnswer;
use tallybook_core::query::{Charges, Period, Query, Sums, Totals};
use tokio::task::JoinHandle;

/// The parts of a body besides its items.
#[derive(Debug)]
pub struct Shown {
    /// Which kind of path it was.
    pub kind: AccountKind,
    /// The account's display name.
    pub account: String,
    /// The dialect.
    pub dialect: Dialect,
}

/// The body that answers `question` over `snapshot`.
pub async fn body(
    app: &App,
    endpoint: UsageEndpoint,
    snapshot: &Snapshot,
    question: Question,
    shown: Shown,
) -> Result<Body, NoBody<EngineError>> {
    let Question {
        query,
        time_period,
        echoes,
    } = question;
    let App { engine, room, .. } = app;
    if endpoint == UsageEndpoint::Usage {
        let begin = || answer(engine, snapshot, &query, usage_writer(&query, &shown));
        return room.body(begin).await;
    }
    let envelope = Envelope {
        time_period,
        account_kind: shown.kind,
        account: shown.account,
        echoes,
    };
    if endpoint == UsageEndpoint::Summary {
        return Ok(summary(app, snapshot, &query, &envelope).await?);
    }
    let requests = || Requests {
        writer: RequestsWriter::default(),
        envelope: envelope.clone(),
    };
    let begin = || answer(engine, snapshot, &query, requests());
    room.body(begin).await
}

fn answer<S: Shape>(
    engine: &Arc<Engine>,
    snapshot: &Snapshot,
    query: &Query,
    shape: S,
) -> Answer<S> {
    Answer::new(Arc::clone(engine), snapshot.clone(), query.clone(), shape)
}

fn usage_writer(query: &Query, shown: &Shown) -> UsageWriter {
    let is_user = shown.kind == AccountKind::User;
    let shape = UsageShape {
        dialect: shown.dialect,
        grain: query.grain,
        with_organization: !is_user,
    };
    let owner = if is_user { shown.account.as_str() } else { "" };
    UsageWriter::new(shape, owner)
}

/// A summary is short, one item per rate: it is summed and written at once.
async fn summary(
    app: &App,
    snapshot: &Snapshot,
    query: &Query,
    envelope: &Envelope,
) -> Result<Body, EngineError> {
    let RateSums { order, sums } = app.engine.sums(snapshot, query).await?;
    let labels = app.labels.of(&order, &snapshot.site().catalog);
    let items = labels.iter().zip(&sums);
    let items = items.filter_map(|(label, totals)| Some((&**label, totals.as_ref()?)));
    Ok(Body::from(summary_body(envelope, items)))
}

/// The format of a body that is written a chunk at a time.
pub trait Shape: Send + 'static {
    /// The sums that its items show.
    type Sums: Sums;

    /// Appends the part before the items.
    fn open(&self, out: &mut Vec<u8>);

    /// Appends items until `out` is at least `enough` bytes long; returns whether those were all of
    /// `rows`.
    fn items(
        &mut self,
        out: &mut Vec<u8>,
        rows: &mut Rows<Self::Sums>,
        enough: usize,
        catalog: &Catalog,
    ) -> bool;

    /// Appends the part after the items.
    fn close(&self, out: &mut Vec<u8>);
}

/// Dated items.
impl Shape for UsageWriter {
    type Sums = Charges;

    fn open(&self, out: &mut Vec<u8>) {
        self.open(out);
    }

    fn items(
        &mut self,
        out: &mut Vec<u8>,
        rows: &mut Rows<Charges>,
        enough: usize,
        catalog: &Catalog,
    ) -> bool {
        self.items(out, rows, enough, catalog)
    }

    fn close(&self, out: &mut Vec<u8>) {
        self.close(out);
    }
}

/// An envelope, and items with models and without dates.
struct Requests {
    writer: RequestsWriter,
    envelope: Envelope,
}

impl Shape for Requests {
    type Sums = Totals;

    fn open(&self, out: &mut Vec<u8>) {
        self.writer.open(out, &self.envelope);
    }

    fn items(
        &mut self,
        out: &mut Vec<u8>,
        rows: &mut Rows<Totals>,
        enough: usize,
        catalog: &Catalog,
    ) -> bool {
        self.writer.items(out, rows, enough, catalog)
    }

    fn close(&self, out: &mut Vec<u8>) {
        self.writer.close(out);
    }
}

/// The size of most items, in bytes.
const ITEM_BYTES: usize = 320;

/// Reserves space for more bytes at once: growing step by step copies the bytes written. At most
/// `most` in total, to bound the memory held for slow clients.
fn make_room(out: &mut Vec<u8>, bytes: usize, most: usize) {
    let (length, room) = (out.len(), most.saturating_sub(out.len()));
    let bytes = bytes.min(room);
    if out.capacity() - length < bytes {
        out.reserve_exact(bytes.max(length).min(room));
    }
}

/// From this many rows on, the next period is computed while this one is written.
const ROWS_WORTH_A_TASK: usize = 4096;

/// An answer being written.
pub struct Answer<S: Shape> {
    engine: Arc<Engine>,
    snapshot: Snapshot,
    query: Arc<Query>,
    /// The next period, being computed.
    ahead: Option<Ahead<S::Sums>>,
    periods: Box<dyn Iterator<Item = Period> + Send>,
    shape: S,
    opened: bool,
    /// The rows of the period that is being written.
    rows: Option<Rows<S::Sums>>,
}

impl<S: Shape> Answer<S> {
    /// The answer to `query` over `snapshot`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, snapshot: Snapshot, query: Query, shape: S) -> Self {
        let periods = Box::new(query.periods());
        Self {
            engine,
            snapshot,
            query: Arc::new(query),
            ahead: None,
            periods,
            shape,
            opened: false,
            rows: None,
        }
    }

    /// Writes rows until there are enough bytes; returns whether the period is done.
    fn write_rows(&mut self, out: &mut Vec<u8>, enough: usize) -> bool {
        let Some(rows) = &mut self.rows else {
            return true;
        };
        make_room(out, rows.left() * ITEM_BYTES, enough + SLACK_BYTES);
        let catalog = &self.snapshot.site().catalog;
        self.shape.items(out, rows, enough, catalog)
    }

    async fn next_period(&mut self) -> Result<Option<PeriodAnswer<S::Sums>>, EngineError> {
        let answer = match self.ahead.take() {
            Some(mut ahead) => (&mut ahead.0).await??,
            None => match self.periods.next() {
                Some(period) => {
                    let (snapshot, query) = (&self.snapshot, &self.query);
                    self.engine.answer_merged(snapshot, query, period).await?
                }
                None => return Ok(None),
            },
        };
        if answer.len() >= ROWS_WORTH_A_TASK
            && let Some(period) = self.periods.next()
        {
            let engine = Arc::clone(&self.engine);
            let (snapshot, query) = (self.snapshot.clone(), Arc::clone(&self.query));
            let making = async move { engine.answer_merged(&snapshot, &query, period).await };
            self.ahead = Some(Ahead(tokio::spawn(making)));
        }
        Ok(Some(answer))
    }
}

/// A period that another task computes; dropping this cancels it.
struct Ahead<S>(JoinHandle<Result<PeriodAnswer<S>, EngineError>>);

impl<S> Drop for Ahead<S> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<S: Shape> Chunks for Answer<S> {
    type Error = EngineError;

    async fn write(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<End, EngineError> {
        if !std::mem::replace(&mut self.opened, true) {
            self.shape.open(out);
        }
        loop {
            if !self.write_rows(out, enough) {
                return Ok(End::More);
            }
            let Some(answer) = self.next_period().await? else {
                self.shape.close(out);
                return Ok(End::Last);
            };
            self.rows = Some(Rows::new(answer));
        }
    }
}
