//! Sums of usage by hour, SKU and names: what events and corrections add to.
//!
//! Invariant: adding is all that happens here, so that order never matters. A month is a few sorted
//! runs of rows, each at least twice as long as the next; runs are shared between copies.

use super::super::events::Codes;
use crate::ids::Seq;
use crate::time::{Hour, Month};
use std::cmp::Ordering;
use std::sync::Arc;

/// A sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// In billionths of the SKU's unit.
    pub quantity: i128,
    /// SKU, organization, repository, user, model and workflow; see [`Codes`].
    pub names: [u32; 6],
    /// How many events count here; a row of none is no usage. Below zero only in a part of a sum.
    pub events: i32,
    /// Hours since the month's first.
    pub hour: u16,
}

impl Row {
    /// One event's row, `times` being 1 to add it and -1 to take it back.
    #[must_use]
    pub fn new(month: Month, hour: Hour, codes: Codes, times: i32) -> Self {
        let since = hour.index() - month.first_day().first_hour().index();
        Self {
            quantity: codes.quantity * i128::from(times),
            names: codes.names,
            events: times,
            // A month has at most 744 hours.
            hour: u16::try_from(since).unwrap_or(u16::MAX),
        }
    }

    fn key(&self) -> (u16, [u32; 6]) {
        (self.hour, self.names)
    }

    /// Adds another of the same key.
    fn add(&mut self, other: &Self) {
        self.quantity += other.quantity;
        self.events += other.events;
    }

    fn is_nothing(&self) -> bool {
        self.events == 0 && self.quantity == 0
    }
}

/// The rows of a month.
#[derive(Debug, Clone, Default)]
pub struct MonthUsage {
    runs: Vec<Arc<[Row]>>,
    through: Seq,
}

impl MonthUsage {
    /// Adds the rows of one batch.
    pub(super) fn add(&mut self, seq: Seq, rows: Vec<Row>) {
        self.through = seq;
        let mut top: Arc<[Row]> = summed(rows).into();
        while let Some(below) = self.runs.pop_if(|below| below.len() < 2 * top.len()) {
            top = joined(&below, &top).into();
        }
        if !top.is_empty() {
            self.runs.push(top);
        }
    }

    /// A month from one sorted run, as it was stored.
    pub(super) fn stored(through: Seq, rows: Vec<Row>) -> Self {
        let runs = if rows.is_empty() {
            Vec::new()
        } else {
            vec![rows.into()]
        };
        Self { runs, through }
    }

    /// The newest batch that had something to say of the month: with the log, it determines the
    /// month's usage.
    #[must_use]
    pub fn through(&self) -> Seq {
        self.through
    }

    /// How many rows; those of one key may be several.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Every row; those of one key may be several, which add up.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    /// Every row, one of a key, sorted by key.
    #[must_use]
    pub fn sorted(&self) -> Vec<Row> {
        let runs = self.runs.iter().rev();
        runs.fold(Vec::new(), |sum, run| joined(run, &sum))
    }

    /// Bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.runs.iter().map(|run| size_of_val(&**run)).sum()
    }
}

/// Sorts rows, and adds up those of one key.
fn summed(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_unstable_by_key(Row::key);
    rows.dedup_by(|next, kept| {
        let same = next.key() == kept.key();
        if same {
            kept.add(next);
        }
        same
    });
    rows.retain(|row| !row.is_nothing());
    rows
}

/// Two sorted runs as one.
fn joined(left: &[Row], right: &[Row]) -> Vec<Row> {
    let mut sum = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        match a.key().cmp(&b.key()) {
            Ordering::Less => sum.extend(left.next()),
            Ordering::Greater => sum.extend(right.next()),
            Ordering::Equal => {
                let mut both = **a;
                both.add(b);
                if !both.is_nothing() {
                    sum.push(both);
                }
                left.next();
                right.next();
            }
        }
    }
    sum.extend(left);
    sum.extend(right);
    sum
}
