//! Writes the rows of one period to a body, a few at a time.
//!
//! Invariant: every row is written once, in order. Look next: [`super::usage`] and
//! [`super::summary`], which write the rows.

use tallybook_core::query::run::PeriodAnswer;
use tallybook_core::query::{Row, Sums};

/// Rows, and the next of them.
#[derive(Debug)]
pub struct Rows<S> {
    answer: PeriodAnswer<S>,
    next: usize,
}

impl<S: Sums> Rows<S> {
    /// All rows of `answer`.
    #[must_use]
    pub const fn new(answer: PeriodAnswer<S>) -> Self {
        Self { answer, next: 0 }
    }

    /// How many rows are not written yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.answer.len() - self.next
    }

    /// Calls `write` with rows until `out` is at least `enough` bytes long, and returns whether
    /// those were all.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
        mut write: impl FnMut(&mut Vec<u8>, &Row<'_, S>),
    ) -> bool {
        while let Some(row) = self.answer.row(self.next) {
            if out.len() >= enough {
                return false;
            }
            write(out, &row);
            self.next += 1;
        }
        true
    }
}
