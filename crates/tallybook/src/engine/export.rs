//! Usage reports over a snapshot: line by line to a sink.
//!
//! Invariant: everything in a report comes from one snapshot; memory is bounded by one month's
//! statement, or by one month's rows of a request-level report, whatever the report's length. Where
//! several accounts have usage in a month, their rows are merged as if they were one account.
//! Look next: [`tallybook_core::export`] for columns and order.

use super::snapshot::{Snapshot, SnapshotPart};
use super::{Engine, EngineError};
use crate::engine::blob::named;
use std::io;
use std::sync::Arc;
use tallybook_core::export::{Cells, Days, lines, requests::Requests};
use tallybook_core::fold::MonthPlan;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::metered::rows::MeteredRow;
use tallybook_core::name::Name;
use tallybook_core::report::ReportKind;
use tallybook_core::statement::build::{BYTES_A_LINE, StatementBuilder};
use tallybook_core::statement::{Summary, Table};
use tallybook_core::time::Month;

/// The requested contents of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportRequest {
    /// Which report.
    pub kind: ReportKind,
    /// Which days.
    pub days: Days,
    /// How text cells are written.
    pub cells: Cells,
}

/// Takes a report's lines, each with its line break, without the header.
pub trait ExportSink: Send + 'static {
    /// Takes one line; an error ends the export.
    fn line(&mut self, line: &[u8]) -> io::Result<()>;

    /// Called when a month is done, with the total number of months.
    fn month_done(&mut self, done: u64, of: u64);
}

/// Why generating a report failed.
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
    /// Writes every line of a report to `sink`, and returns the sink.
    pub async fn export<S: ExportSink>(
        &self,
        snapshot: &Snapshot,
        request: &ExportRequest,
        mut sink: S,
    ) -> Result<S, ExportError> {
        let (first, last) = (request.days.first.month(), request.days.last.month());
        let count = u64::try_from(last.index() - first.index() + 1).unwrap_or(0);
        for (done, index) in (1..).zip(first.index()..=last.index()) {
            let month = first.plus(index - first.index());
            sink = match request.kind {
                ReportKind::Detailed | ReportKind::Summarized => {
                    self.export_lines(snapshot, *request, month, sink).await
                }
                ReportKind::PremiumRequest | ReportKind::AiCredit => {
                    self.export_requests(snapshot, *request, month, sink).await
                }
            }?;
            sink.month_done(done, count);
        }
        Ok(sink)
    }

    async fn export_lines<S: ExportSink>(
        &self,
        snapshot: &Snapshot,
        request: ExportRequest,
        month: Month,
        mut sink: S,
    ) -> Result<S, ExportError> {
        let mut months = Vec::with_capacity(snapshot.parts().len());
        for SnapshotPart { view, only } in snapshot.parts() {
            let (summary, lines) = self.lines(view, month).await?;
            months.push((summary, lines, only.clone()));
        }
        let used = months.iter().filter(|(summary, ..)| !summary.is_empty());
        if used.count() > 1 {
            months = vec![self.merged(months, month).await?];
        }
        let snapshot = snapshot.clone();
        tokio::task::spawn_blocking(move || {
            for (summary, lines, only) in months {
                let mut line = |line: &[u8]| sink.line(line);
                let selection = request.selection(only.as_ref());
                lines::write(&summary, &lines, selection, snapshot.spellings(), &mut line)?;
            }
            Ok(sink)
        })
        .await?
    }

    /// Merges several accounts' usage of a month into one statement, whose rows are in one order
    /// with equal keys added up.
    async fn merged(
        &self,
        months: Vec<AccountMonth>,
        month: Month,
    ) -> Result<AccountMonth, EngineError> {
        let lines: usize = months.iter().map(|(summary, ..)| summary.len()).sum();
        let _room = self.cache.room(lines * BYTES_A_LINE).await?;
        let merged = tokio::task::spawn_blocking(move || {
            let mut builder = StatementBuilder::new(month);
            for (summary, lines, only) in &months {
                builder.add_lines(summary, lines, only.as_ref());
            }
            builder.finish()
        });
        let merged = merged.await?;
        Ok((
            Arc::clone(merged.summary()),
            Arc::clone(merged.lines()),
            None,
        ))
    }

    async fn export_requests<S: ExportSink>(
        &self,
        snapshot: &Snapshot,
        request: ExportRequest,
        month: Month,
        mut sink: S,
    ) -> Result<S, ExportError> {
        let (mut plans, mut rows) = (Vec::new(), Vec::new());
        for SnapshotPart { view, only } in snapshot.parts() {
            let plan = view.plan(month);
            if !plan.is_empty() {
                rows.push(self.rows_of(&view.account, &plan).await?);
                plans.push((plan, only.clone()));
            }
        }
        let (snapshot, store) = (snapshot.clone(), Arc::clone(&self.store));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut accounts = plans.iter().zip(rows);
            let Some(((plan, only), rows)) = accounts.next() else {
                return Ok(sink);
            };
            let blob = |id| runtime.block_on(named(store.as_ref(), id));
            let catalog = &snapshot.site().catalog;
            let mut requests = Requests::new(plan, catalog, request.selection(only.as_ref()));
            add_month(&mut requests, plan, rows, &blob)?;
            for ((plan, only), rows) in accounts {
                let next = requests.with_account(plan, only.as_ref());
                requests = next.map_err(EngineError::from)?;
                add_month(&mut requests, plan, rows, &blob)?;
            }
            let sorted = requests.finish().map_err(EngineError::from)?;
            sorted.write(snapshot.spellings(), &mut |line| sink.line(line))?;
            Ok(sink)
        })
        .await?
    }
}

/// A month of an account, and the organization that it is limited to.
type AccountMonth = (Arc<Summary>, Arc<Table>, Option<Name>);

/// Adds an account's imported lines of a month, and the stored rows of its events.
fn add_month(
    requests: &mut Requests<'_>,
    plan: &MonthPlan,
    rows: Vec<MeteredRow>,
    blob: &impl Fn(Digest) -> Result<Vec<u8>, EngineError>,
) -> Result<(), EngineError> {
    for (contender, chunk) in plan.chunks() {
        let decoded = Chunk::decode(&blob(chunk.blob)?);
        let decoded = decoded.map_err(|error| EngineError::blob(chunk.blob, &error))?;
        requests
            .add(contender, chunk.blob, &decoded)
            .map_err(|error| EngineError::damaged("the ledger", error))?;
    }
    requests.add_rows(rows);
    Ok(())
}

impl ExportRequest {
    fn selection(self, organization: Option<&Name>) -> lines::Selection<'_> {
        lines::Selection {
            kind: self.kind,
            days: self.days,
            organization,
            cells: self.cells,
        }
    }
}
