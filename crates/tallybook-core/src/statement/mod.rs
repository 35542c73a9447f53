//! Statements: one account's rated month, as sorted columns.
//!
//! Invariant: immutable; a pure function of the account's log, the site's log and the rules; lines
//! sorted by (hour, SKU, organization, repository, user, model, workflow, cost center), names by
//! their folded bytes, so that the bytes do not depend on the order of arrival. Codes are places in
//! the statement's own sorted lists, so that the order of codes is the order of names.
//! Look next: [`build`] for how one is made, [`encode`] for its bytes, [`crate::query`] for answers.

pub mod build;
pub mod encode;

use crate::ledger::record::Dimension;
use crate::packed::Packed;
use crate::query::Rate;
use crate::report::ReportKind;
use crate::time::{Hour, Month};

/// The version of the rules: a statement made by another version is made anew, never read.
pub const RULES: u32 = 1;

/// One rated month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) month: Month,
    /// Folded names by dimension, sorted.
    pub(crate) names: [Vec<Box<str>>; 6],
    /// What lines are about, sorted by (SKU, product, unit, price).
    pub(crate) rates: Vec<StatementRate>,
    /// Where hour or SKU change.
    pub(crate) runs: Vec<Run>,
    pub(crate) columns: Columns,
}

/// A rate, and which kinds of report are about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementRate {
    pub rate: Rate,
    /// Whether it belongs to premium-request reports.
    pub premium_request: bool,
    /// Whether it belongs to AI-credit reports.
    pub ai_credit: bool,
}

impl StatementRate {
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

/// A value a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub rate: Packed,
    pub names: [Packed; 6],
    pub quantity: Packed,
    pub discount_quantity: Packed,
    pub gross: Packed,
    pub discount: Packed,
}

impl Statement {
    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.month
    }

    /// How many lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.rate.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The folded names of a dimension, sorted.
    #[must_use]
    pub fn names(&self, dimension: Dimension) -> &[Box<str>] {
        &self.names[dimension as usize]
    }

    /// Bytes held in memory, near enough for a cache.
    #[must_use]
    pub fn memory(&self) -> usize {
        let columns = &self.columns;
        let numbers = [
            &columns.rate,
            &columns.quantity,
            &columns.discount_quantity,
            &columns.gross,
            &columns.discount,
        ];
        let packed: usize = numbers
            .into_iter()
            .chain(&columns.names)
            .map(Packed::memory)
            .sum();
        let names: usize = self
            .names
            .iter()
            .flatten()
            .map(|name| name.len() + 24)
            .sum();
        packed + names + self.runs.len() * size_of::<Run>() + self.rates.len() * 160 + 1024
    }

    /// The line after the last of a run.
    pub(crate) fn run_end(&self, run: usize) -> usize {
        self.runs
            .get(run + 1)
            .map_or(self.len(), |next| next.start as usize)
    }

    pub(crate) fn first_hour(&self) -> Hour {
        self.month.first_day().first_hour()
    }
}
