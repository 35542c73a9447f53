//! Statements: one account's rated month, as sorted columns.
//!
//! Invariant: immutable; a pure function of the account's log, the site's log and the rules; lines
//! sorted by (hour, SKU, organization, repository, user, model, workflow, cost center), names by
//! their folded bytes, so the bytes do not depend on the order of arrival. Codes are indexes into
//! the statement's own sorted lists, so the order of codes is the order of names. Each statement
//! carries rollups: sums that answer most queries over whole months. They are part of its summary,
//! which can be read alone, so such a query reads no lines. Where a day has many lines, sums by day
//! are stored too, so most dated queries read no lines either.
//! Look next: [`build`] for how one is made, [`encode`] for its bytes, [`crate::query`] for
//! answers.

pub mod build;
pub(crate) mod days;
mod decode;
pub mod encode;
pub(crate) mod groups;
mod numbers;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use crate::dimension::Dimension;
use crate::hash::QuickHasher;
use crate::name::Name;
use crate::rate::{Rate, compare_rates};
use crate::report::ReportKind;
use crate::time::{Hour, Month};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

pub use decode::TablePart;
pub use table::Table;

/// The version of the rules: a statement made by another version is rebuilt, never read.
pub const RULES: u32 = 2;

/// One rated month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    summary: Arc<Summary>,
    lines: Arc<Table>,
    days: Option<Arc<Table>>,
}

/// A rated month without its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub(crate) month: Month,
    /// Folded names by dimension, sorted.
    pub(crate) names: [Vec<Box<str>>; 6],
    /// The rates of the lines, sorted by (SKU, product, unit, price).
    pub(crate) rates: Vec<StatementRate>,
    /// One of each [`table::RollupKind`], in order.
    pub(crate) rollups: [Table; 4],
    pub(crate) lines: Extent,
    /// `None` where the statement has no [`Detail::Days`].
    pub(crate) days: Option<Extent>,
}

/// The granularity of rows with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Every line.
    Lines,
    /// Sums by day, rate, organization, repository and cost center. Only long statements have
    /// them, and only where they are far fewer than lines.
    Days,
}

/// What is known about a table of rows with a time before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Runs of the same hour and SKU; in sums by day, of the same day and rate.
    pub runs: Vec<Run>,
    /// How many rows.
    pub count: usize,
    /// Bytes that it takes in memory.
    pub memory: usize,
}

/// The loaded part of a month's statement: its summary, and the tables read so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    summary: Arc<Summary>,
    lines: Option<Arc<Table>>,
    days: Option<Arc<Table>>,
}

/// A rate, and the report that its SKU belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementRate {
    /// Shared with answers.
    pub rate: Arc<Rate>,
    /// A hash of the rate, to find equal ones in other statements.
    pub key: u64,
    /// The request-level report that its SKU belongs to.
    pub report: Option<ReportKind>,
    /// Its index among the statement's rates in answer order, once all are known.
    pub rank: u32,
}

/// Sets each rate's index in answer order.
fn rank(rates: &mut [StatementRate]) {
    let mut order: Vec<&mut StatementRate> = rates.iter_mut().collect();
    order.sort_by(|left, right| compare_rates(&left.rate, &right.rate));
    for (rate, rank) in order.into_iter().zip(0..) {
        rate.rank = rank;
    }
}

impl StatementRate {
    pub(crate) fn new(rate: Rate, report: Option<ReportKind>) -> Self {
        let mut hasher = QuickHasher::default();
        (&rate.product, &rate.sku, &rate.unit, rate.price).hash(&mut hasher);
        Self {
            rate: Arc::new(rate),
            key: hasher.finish(),
            report,
            rank: 0,
        }
    }

    pub(crate) fn is_request(&self) -> bool {
        self.report.is_some()
    }

    pub(crate) fn is_in(&self, kind: ReportKind) -> bool {
        kind.is_about(self.report)
    }
}

/// Rows of one hour and one SKU, up to the start of the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Hours since the start of the month.
    pub hour: u16,
    /// The SKU's rates: the first and the one after the last.
    pub rates: (u32, u32),
    /// The first row.
    pub start: u32,
}

impl Extent {
    /// The row after the last of a run.
    pub(crate) fn run_end(&self, run: usize) -> usize {
        let next = self.runs.get(run + 1);
        next.map_or(self.count, |next| next.start as usize)
    }

    /// Each run and its rows.
    pub(crate) fn rows_by_run(&self) -> impl Iterator<Item = (&Run, Range<usize>)> {
        let runs = self.runs.iter().enumerate();
        runs.map(|(place, run)| (run, run.start as usize..self.run_end(place)))
    }

    fn runs_memory(&self) -> usize {
        self.runs.len() * size_of::<Run>()
    }
}

impl Summary {
    /// The code of a name; `None` when no line has it.
    pub(crate) fn code(&self, dimension: Dimension, name: &Name) -> Option<u32> {
        let folded = dimension.fold(name.as_str());
        let names = self.names(dimension);
        let place = names
            .binary_search_by(|known| (**known).cmp(&folded))
            .ok()?;
        u32::try_from(place).ok()
    }

    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.month
    }

    /// How many lines the statement has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that a table takes in memory, known before it is read; `None` where the statement has
    /// none.
    #[must_use]
    pub fn table_memory(&self, detail: Detail) -> Option<usize> {
        self.extent(detail).map(|extent| extent.memory)
    }

    pub(crate) fn extent(&self, detail: Detail) -> Option<&Extent> {
        match detail {
            Detail::Lines => Some(&self.lines),
            Detail::Days => self.days.as_ref(),
        }
    }

    /// Approximate bytes held in memory, accurate enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rollups: usize = self.rollups.iter().map(Table::memory).sum();
        let names = self.names.iter().flatten();
        // Each name is a slice's pointer and length, and an allocation of at least 16 bytes.
        let names: usize = names.map(|name| name.len().next_multiple_of(16) + 16).sum();
        let runs = self.lines.runs_memory() + self.days.as_ref().map_or(0, Extent::runs_memory);
        rollups + names + runs + self.rates.len() * 160 + 1024
    }

    /// The codes of its rates, in the order of answers.
    pub(crate) fn rates_in_order(&self) -> Vec<u32> {
        let mut codes = vec![0; self.rates.len()];
        for (known, code) in self.rates.iter().zip(0..) {
            codes[known.rank as usize] = code;
        }
        codes
    }

    /// The folded names of a dimension, sorted.
    #[must_use]
    pub(crate) fn names(&self, dimension: Dimension) -> &[Box<str>] {
        &self.names[dimension as usize]
    }

    pub(crate) fn rollup(&self, kind: table::RollupKind) -> &Table {
        // Rollups are in the order in which the kinds are declared.
        &self.rollups[kind as usize]
    }

    pub(crate) fn first_hour(&self) -> Hour {
        self.month.first_day().first_hour()
    }
}

impl Statement {
    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.summary.month
    }

    /// How many lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.summary.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything but the lines.
    #[must_use]
    pub fn summary(&self) -> &Arc<Summary> {
        &self.summary
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &Arc<Table> {
        &self.lines
    }

    /// Adds the lines' sums by day, unless that would give fewer than `lines_a_row` lines per row.
    #[must_use]
    pub fn with_days(mut self, lines_a_row: usize) -> Self {
        let most = self.len() / lines_a_row.max(1);
        if let Some((days, extent)) = days::of(&self.lines, &self.summary.lines, most) {
            Arc::make_mut(&mut self.summary).days = Some(extent);
            self.days = Some(Arc::new(days));
        }
        self
    }

    /// The lines' sums by day, if it has them.
    #[must_use]
    pub fn days(&self) -> Option<&Arc<Table>> {
        self.days.as_ref()
    }

    /// Approximate bytes held in memory, accurate enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        let days = self.days.as_ref().map_or(0, |days| days.memory());
        self.summary.memory() + self.lines.memory() + days
    }
}

impl From<Statement> for Source {
    fn from(statement: Statement) -> Self {
        let Statement {
            summary,
            lines,
            days,
        } = statement;
        Self {
            summary,
            lines: Some(lines),
            days,
        }
    }
}

impl From<Arc<Summary>> for Source {
    fn from(summary: Arc<Summary>) -> Self {
        Self {
            summary,
            lines: None,
            days: None,
        }
    }
}

impl Source {
    /// Everything but the rows with a time.
    #[must_use]
    pub fn summary(&self) -> &Arc<Summary> {
        &self.summary
    }

    /// A table, if it is loaded.
    #[must_use]
    pub fn table(&self, detail: Detail) -> Option<&Arc<Table>> {
        match detail {
            Detail::Lines => self.lines.as_ref(),
            Detail::Days => self.days.as_ref(),
        }
    }

    /// Whether the statement has a table that is not loaded.
    #[must_use]
    pub fn lacks(&self, detail: Detail) -> bool {
        self.table(detail).is_none() && self.summary.extent(detail).is_some()
    }

    /// The statement, if all of it is loaded.
    #[must_use]
    pub fn statement(self) -> Option<Statement> {
        if self.lacks(Detail::Days) {
            return None;
        }
        Some(Statement {
            summary: self.summary,
            lines: self.lines?,
            days: self.days,
        })
    }

    /// Approximate bytes held in memory, accurate enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        let tables = self.lines.iter().chain(&self.days);
        self.summary.memory() + tables.map(|table| table.memory()).sum::<usize>()
    }
}
