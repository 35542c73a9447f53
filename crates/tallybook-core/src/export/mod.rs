//! Usage reports as they are written: columns, grouping, order and bytes of GitHub's CSV files.
//!
//! Invariant: a row is the exact sum of its lines, each line in exactly one row, so a report adds
//! up to the same totals as every other view of the same usage. Every field is quoted, an absent
//! one is empty, lines end in CRLF, and a file begins with a byte order mark and its header.
//! Look next: [`lines`] for detailed and summarized reports, [`requests`] for the other two; the
//! columns are those of [`crate::report::layout`].

mod fields;
pub mod lines;
pub mod requests;
mod tokens;

use crate::report::{Layout, ReportKind};
use crate::time::Day;
pub use fields::Cells;
use fields::append_quoted;

/// The most days that one report may cover.
#[must_use]
pub const fn most_days(kind: ReportKind) -> i32 {
    match kind {
        ReportKind::Summarized => 366,
        ReportKind::Detailed | ReportKind::PremiumRequest | ReportKind::AiCredit => 31,
    }
}

/// The most lines of one file, its header not counted; the excess goes into further files.
pub const MOST_LINES: u64 = 1_000_000;

/// What every file begins with: the byte order mark and the header.
#[must_use]
pub fn head(kind: ReportKind) -> Vec<u8> {
    let mut out = b"\xef\xbb\xbf".to_vec();
    for (place, column) in Layout::written(kind).columns().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        append_quoted(&mut out, column.name());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The days that a report covers, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: Day,
    /// The last.
    pub last: Day,
}

impl Days {
    /// Whether they include a day.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// The number of days; zero or negative when the last is before the first.
    #[must_use]
    pub fn count(&self) -> i32 {
        self.last.index() - self.first.index() + 1
    }
}
