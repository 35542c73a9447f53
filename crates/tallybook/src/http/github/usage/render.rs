//! Writing an answer's body while it is loaded, a period at a time.
//!
//! Invariant: memory holds the rows of two periods and one chunk of bytes, not the answer.

use crate::engine::{Engine, EngineError, View};
use crate::http::body::{CHUNK_BYTES, Chunks, End};
use crate::http::github::question::{Endpoint, Question};
use crate::wire::Dialect;
use crate::wire::rows::Rows;
use crate::wire::summary::{Envelope, SummaryKind, SummaryWriter};
use crate::wire::usage::{UsageShape, UsageWriter};
use bytes::Bytes;
use std::sync::Arc;
use tallybook_core::account::AccountKind;
use tallybook_core::query::Query;
use tallybook_core::query::run::{Period, PeriodAnswer};
use tallybook_core::site::directory::Found;
use tokio::task::JoinHandle;

/// What the body looks like.
#[derive(Debug)]
pub enum Shape {
    /// Dated items.
    Usage(UsageWriter),
    /// An envelope and items without dates.
    Summary(SummaryWriter, Envelope),
}

impl Shape {
    /// The shape of an endpoint's answer.
    #[must_use]
    pub fn new(
        endpoint: Endpoint,
        kind: AccountKind,
        found: &Found,
        question: &Question,
        dialect: Dialect,
    ) -> Self {
        let summary = match endpoint {
            Endpoint::Usage => {
                let is_user = kind == AccountKind::User;
                let shape = UsageShape {
                    dialect,
                    grain: question.query.grain,
                    with_organization: !is_user,
                };
                let owner = if is_user { found.display.as_str() } else { "" };
                return Self::Usage(UsageWriter::new(shape, owner));
            }
            Endpoint::Summary => SummaryKind::Summary,
            Endpoint::PremiumRequest | Endpoint::AiCredit => SummaryKind::Requests,
        };
        let envelope = Envelope {
            time_period: question.time_period,
            account_kind: kind,
            account: found.display.clone(),
            echoes: question.echoes.clone(),
        };
        Self::Summary(SummaryWriter::new(summary), envelope)
    }

    fn open(&self, out: &mut Vec<u8>) {
        match self {
            Self::Usage(writer) => writer.open(out),
            Self::Summary(writer, envelope) => writer.open(out, envelope),
        }
    }

    fn close(&self, out: &mut Vec<u8>) {
        match self {
            Self::Usage(writer) => writer.close(out),
            Self::Summary(writer, _) => writer.close(out),
        }
    }
}

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
            Shape::Summary(writer, _) => writer.items(out, rows, CHUNK_BYTES, catalog),
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
            self.rows = Some(Rows::new(answer));
        }
    }
}
