//! Writing an answer's body: summaries at once, everything else while it is loaded, a period at a
//! time.
//!
//! Invariant: memory holds the rows of two periods and one chunk of bytes, not the answer. A
//! summary has an item a rate, and so is no longer than what memory holds of rates anyway.

use crate::engine::rates::RateSums;
use crate::engine::{Engine, EngineError, View};
use crate::http::body::{CHUNK_BYTES, Chunks, End, NoBody, Room};
use crate::http::github::question::{Endpoint, Question};
use crate::wire::Dialect;
use crate::wire::rows::Rows;
use crate::wire::summary::{Envelope, RequestsWriter, summary_body, summary_label};
use crate::wire::usage::{UsageShape, UsageWriter};
use axum::body::Body;
use bytes::Bytes;
use std::sync::Arc;
use tallybook_core::account::AccountKind;
use tallybook_core::query::Query;
use tallybook_core::query::run::{Period, PeriodAnswer};
use tokio::task::JoinHandle;

/// What a body shows besides its items.
#[derive(Debug)]
pub struct Shown {
    /// Which kind of path it was.
    pub kind: AccountKind,
    /// The account, as it is shown.
    pub account: String,
    /// Whose shape.
    pub dialect: Dialect,
}

/// The body that answers `question` over `view`.
pub async fn body(
    room: &Room,
    endpoint: Endpoint,
    engine: &Arc<Engine>,
    view: &Arc<View>,
    question: Question,
    shown: Shown,
) -> Result<Body, NoBody<EngineError>> {
    let Question {
        query,
        time_period,
        echoes,
    } = question;
    let answer = |shape| Answer::new(Arc::clone(engine), Arc::clone(view), query.clone(), shape);
    if endpoint == Endpoint::Usage {
        let begin = || answer(Shape::Usage(usage_writer(&query, &shown)));
        return room.body(begin).await;
    }
    let envelope = Envelope {
        time_period,
        account_kind: shown.kind,
        account: shown.account,
        echoes,
    };
    if endpoint == Endpoint::Summary {
        return Ok(summary(engine, view, &query, &envelope).await?);
    }
    let begin = || answer(Shape::Requests(RequestsWriter::default(), envelope.clone()));
    room.body(begin).await
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

/// A summary is short, an item a rate: it is summed and written at once.
async fn summary(
    engine: &Engine,
    view: &View,
    query: &Query,
    envelope: &Envelope,
) -> Result<Body, EngineError> {
    let RateSums { rates, sums } = engine.sums(view, query).await?;
    let labels = rates.labels(|rate| {
        let words = view
            .site
            .catalog
            .words(&rate.product, &rate.sku, &rate.unit);
        summary_label(rate, &words)
    });
    let items = labels.iter().zip(&sums);
    let items = items.filter_map(|(label, totals)| Some((&**label, totals.as_ref()?)));
    Ok(Body::from(summary_body(envelope, items)))
}

/// What a body looks like that is written a chunk at a time.
#[derive(Debug)]
pub enum Shape {
    /// Dated items.
    Usage(UsageWriter),
    /// An envelope and items with models, without dates.
    Requests(RequestsWriter, Envelope),
}

impl Shape {
    fn open(&self, out: &mut Vec<u8>) {
        match self {
            Self::Usage(writer) => writer.open(out),
            Self::Requests(writer, envelope) => writer.open(out, envelope),
        }
    }

    fn close(&self, out: &mut Vec<u8>) {
        match self {
            Self::Usage(writer) => writer.close(out),
            Self::Requests(writer, _) => writer.close(out),
        }
    }
}

/// Bytes of most items.
const ITEM_BYTES: usize = 320;

/// From so many rows on, the next period is made while this one is written.
const ROWS_WORTH_A_TASK: usize = 4096;

/// An answer on its way.
pub struct Answer {
    engine: Arc<Engine>,
    view: Arc<View>,
    query: Arc<Query>,
    /// The next period, in the making.
    ahead: Option<Ahead>,
    periods: Box<dyn Iterator<Item = Period> + Send>,
    shape: Shape,
    opened: bool,
    /// The rows of the period that is being written.
    rows: Option<Rows>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The answer to `query` over `view`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, view: Arc<View>, query: Query, shape: Shape) -> Self {
        let periods = Box::new(query.periods());
        Self {
            engine,
            view,
            query: Arc::new(query),
            ahead: None,
            periods,
            shape,
            opened: false,
            rows: None,
        }
    }

    /// Writes rows until the chunk is full; says whether the period is done.
    fn write_rows(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(rows) = &mut self.rows else {
            return true;
        };
        let catalog = &self.view.site.catalog;
        match &mut self.shape {
            Shape::Usage(writer) => writer.items(out, rows, CHUNK_BYTES, catalog),
            Shape::Requests(writer, _) => writer.items(out, rows, CHUNK_BYTES, catalog),
        }
    }
}

/// A period that another task makes; nobody wants it any more when this is dropped.
struct Ahead(JoinHandle<Result<PeriodAnswer, EngineError>>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Answer {
    async fn next_period(&mut self) -> Result<Option<PeriodAnswer>, EngineError> {
        let answer = match self.ahead.take() {
            Some(mut ahead) => (&mut ahead.0).await??,
            None => match self.periods.next() {
                Some(period) => self.engine.answer(&self.view, &self.query, period).await?,
                None => return Ok(None),
            },
        };
        if answer.len() >= ROWS_WORTH_A_TASK
            && let Some(period) = self.periods.next()
        {
            let engine = Arc::clone(&self.engine);
            let (view, query) = (Arc::clone(&self.view), Arc::clone(&self.query));
            let making = async move { engine.answer(&view, &query, period).await };
            self.ahead = Some(Ahead(tokio::spawn(making)));
        }
        Ok(Some(answer))
    }
}

impl Chunks for Answer {
    type Error = EngineError;

    async fn next(&mut self) -> Result<(Bytes, End), EngineError> {
        let mut out = Vec::with_capacity(if self.opened {
            CHUNK_BYTES + 1024
        } else {
            4096
        });
        if !std::mem::replace(&mut self.opened, true) {
            self.shape.open(&mut out);
        }
        loop {
            if !self.write_rows(&mut out) {
                return Ok((Bytes::from(out), End::More));
            }
            let Some(answer) = self.next_period().await? else {
                self.shape.close(&mut out);
                return Ok((Bytes::from(out), End::Last));
            };
            // Room for the rows at once: growing step by step copies what is written.
            let room = (answer.len() * ITEM_BYTES).min(CHUNK_BYTES + 1024);
            out.reserve(room.saturating_sub(out.len()));
            self.rows = Some(Rows::new(answer));
        }
    }
}
