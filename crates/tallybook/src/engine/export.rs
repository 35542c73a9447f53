//! Usage reports over a view: line by line to whoever writes them.
//!
//! Invariant: everything in a report is of the one view; memory is a month's statement, or a
//! month's rows of a report of requests, whatever the report's length.
//! Look next: [`tallybook_core::export`] for columns and order.

use super::{Engine, EngineError, View};
use crate::engine::blob::named;
use std::io;
use std::sync::Arc;
use tallybook_core::export::{Cells, Days, lines, requests::Requests};
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::name::Name;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Month;

/// What a report is asked to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// Which report.
    pub kind: ReportKind,
    /// Which days.
    pub days: Days,
    /// Of this organization alone.
    pub organization: Option<Name>,
    /// How cells that hold a text are written.
    pub cells: Cells,
}

/// Takes a report's lines, each with its line break, without the header.
pub trait ExportSink: Send + 'static {
    /// Takes one line; an error ends the export.
    fn line(&mut self, line: &[u8]) -> io::Result<()>;

    /// Told when a month is done, of how many.
    fn month_done(&mut self, done: u64, of: u64);
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The usage could not be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The report could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl From<tokio::task::JoinError> for ExportError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Engine(error.into())
    }
}

impl Engine {
    /// Gives every line of a report to `sink`, and gives that back.
    pub async fn export<S: ExportSink>(
        &self,
        view: &Arc<View>,
        request: &ExportRequest,
        mut sink: S,
    ) -> Result<S, ExportError> {
        let (first, last) = (request.days.first.month(), request.days.last.month());
        let count = u64::try_from(last.index() - first.index() + 1).unwrap_or(0);
        for (done, index) in (1..).zip(first.index()..=last.index()) {
            let month = first.plus(index - first.index());
            sink = match request.kind {
                ReportKind::Detailed | ReportKind::Summarized => {
                    self.export_lines(view, request.clone(), month, sink).await
                }
                ReportKind::PremiumRequest | ReportKind::AiCredit => {
                    self.export_requests(view, request.clone(), month, sink)
                        .await
                }
            }?;
            sink.month_done(done, count);
        }
        Ok(sink)
    }

    async fn export_lines<S: ExportSink>(
        &self,
        view: &Arc<View>,
        request: ExportRequest,
        month: Month,
        mut sink: S,
    ) -> Result<S, ExportError> {
        let (summary, table) = self.lines(view, month).await?;
        let view = Arc::clone(view);
        tokio::task::spawn_blocking(move || {
            let mut line = |line: &[u8]| sink.line(line);
            let selection = request.selection();
            lines::write(&summary, &table, selection, view.spellings(), &mut line)?;
            Ok(sink)
        })
        .await?
    }

    async fn export_requests<S: ExportSink>(
        &self,
        view: &Arc<View>,
        request: ExportRequest,
        month: Month,
        mut sink: S,
    ) -> Result<S, ExportError> {
        let plan = view.plan(month);
        if plan.is_empty() {
            return Ok(sink);
        }
        let rows = self.rows_of(&view.account, &plan).await?;
        let (view, store) = (Arc::clone(view), Arc::clone(&self.store));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut requests = Requests::new(&plan, &view.site.catalog, request.selection());
            let blob = |id| runtime.block_on(named(store.as_ref(), id));
            for (contender, chunk) in plan.chunks() {
                let decoded = Chunk::decode(&blob(chunk.blob)?);
                let decoded = decoded.map_err(|error| EngineError::blob(chunk.blob, &error))?;
                requests
                    .add(contender, chunk.blob, &decoded)
                    .map_err(|error| EngineError::damaged("the ledger", error))?;
            }
            requests.add_rows(rows);
            let sorted = requests.finish().map_err(EngineError::from)?;
            sorted.write(view.spellings(), &mut |line| sink.line(line))?;
            Ok(sink)
        })
        .await?
    }
}

impl ExportRequest {
    fn selection(&self) -> lines::Selection<'_> {
        lines::Selection {
            kind: self.kind,
            days: self.days,
            organization: self.organization.as_ref(),
            cells: self.cells,
        }
    }
}
