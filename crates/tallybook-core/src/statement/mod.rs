//! Statements: one account's rated month, as sorted columns.
//!
//! Invariant: immutable; a pure function of the account's log, the site's log and the rules; lines
//! sorted by (hour, SKU, organization, repository, user, model, workflow, cost center), names by
//! their folded bytes, so that the bytes do not depend on the order of arrival. Codes are places in
//! the statement's own sorted lists, so that the order of codes is the order of names.
//! Each carries its rollups: sums by which most questions over whole months are answered. They are
//! in its summary, which stands by itself, so that such a question needs no line.
//! Look next: [`build`] for how one is made, [`encode`] for its bytes, [`crate::query`] for
//! answers.

pub mod build;
mod decode;
pub mod encode;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use crate::hash::QuickHasher;
use crate::ledger::record::Dimension;
use crate::query::Rate;
use crate::report::ReportKind;
use crate::time::{Hour, Month};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use decode::LinesPart;
pub use table::Table;

/// The version of the rules: a statement made by another version is made anew, never read.
pub const RULES: u32 = 1;

/// One rated month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    summary: Arc<Summary>,
    lines: Arc<Table>,
}

/// A rated month without its lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub(crate) month: Month,
    /// Folded names by dimension, sorted.
    pub(crate) names: [Vec<Box<str>>; 6],
    /// What lines are about, sorted by (SKU, product, unit, price).
    pub(crate) rates: Vec<StatementRate>,
    /// Where hour or SKU change.
    pub(crate) runs: Vec<Run>,
    /// How many lines.
    pub(crate) count: usize,
    /// Bytes that the lines take in memory.
    pub(crate) lines_memory: usize,
    /// One of each [`table::RollupKind`], in order.
    pub(crate) rollups: [Table; 4],
}

/// What is at hand of a month to answer from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Enough for a question that a rollup answers.
    Summary(Arc<Summary>),
    /// Enough for every question.
    Whole(Statement),
}

/// A rate, and which kinds of report are about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementRate {
    pub rate: Rate,
    /// A hash of the rate, to find equal ones of other statements.
    pub key: u64,
    /// Whether it belongs to premium-request reports.
    pub premium_request: bool,
    /// Whether it belongs to AI-credit reports.
    pub ai_credit: bool,
}

impl StatementRate {
    pub(crate) fn new(rate: Rate, premium_request: bool, ai_credit: bool) -> Self {
        let mut hasher = QuickHasher::default();
        (&rate.product, &rate.sku, &rate.unit, rate.price).hash(&mut hasher);
        Self {
            rate,
            key: hasher.finish(),
            premium_request,
            ai_credit,
        }
    }

    pub(crate) fn is_request(&self) -> bool {
        self.premium_request || self.ai_credit
    }

    pub(crate) fn is_in(&self, kind: ReportKind) -> bool {
        match kind {
            ReportKind::Summarized | ReportKind::Detailed => true,
            ReportKind::PremiumRequest => self.premium_request,
            ReportKind::AiCredit => self.ai_credit,
        }
    }
}

/// Lines of one hour and one SKU, up to the start of the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Hours since the month's first.
    pub hour: u16,
    /// Rates of the SKU: the first and the one after the last.
    pub rates: (u32, u32),
    /// The first line.
    pub start: u32,
}

impl Summary {
    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.month
    }

    /// How many lines the statement has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the lines take in memory, known before they are read.
    #[must_use]
    pub fn lines_memory(&self) -> usize {
        self.lines_memory
    }

    /// Bytes held in memory, near enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rollups: usize = self.rollups.iter().map(Table::memory).sum();
        let names = self.names.iter().flatten();
        // Each name is a slice's pointer and length, and an allocation of at least 16 bytes.
        let names: usize = names.map(|name| name.len().next_multiple_of(16) + 16).sum();
        rollups + names + self.runs.len() * size_of::<Run>() + self.rates.len() * 160 + 1024
    }

    /// The folded names of a dimension, sorted.
    #[must_use]
    pub(crate) fn names(&self, dimension: Dimension) -> &[Box<str>] {
        &self.names[dimension as usize]
    }

    pub(crate) fn rollup(&self, kind: table::RollupKind) -> &Table {
        // Rollups stand in the order in which the kinds are declared.
        &self.rollups[kind as usize]
    }

    /// The line after the last of a run.
    pub(crate) fn run_end(&self, run: usize) -> usize {
        self.runs
            .get(run + 1)
            .map_or(self.count, |next| next.start as usize)
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
        self.summary.count
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

    /// Bytes held in memory, near enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.summary.memory() + self.summary.lines_memory
    }
}

impl Source {
    /// Everything but the lines.
    #[must_use]
    pub fn summary(&self) -> &Arc<Summary> {
        match self {
            Self::Summary(summary) => summary,
            Self::Whole(statement) => &statement.summary,
        }
    }

    /// The lines, if they are at hand.
    #[must_use]
    pub(crate) fn lines(&self) -> Option<&Table> {
        match self {
            Self::Summary(_) => None,
            Self::Whole(statement) => Some(&statement.lines),
        }
    }

    /// Bytes held in memory, near enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        match self {
            Self::Summary(summary) => summary.memory(),
            Self::Whole(statement) => statement.memory(),
        }
    }
}
