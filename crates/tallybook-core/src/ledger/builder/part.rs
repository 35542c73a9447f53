//! The lines of one kind as they are collected: open months and running sums.

use super::files::FileSums;
use crate::ids::Digest;
use crate::ledger::chunk::{Lines, Optional};
use crate::ledger::owners::CellSums;
use crate::report::{Line, ReportKind};
use crate::sums::Totals;
use crate::time::{Day, Hour, Month};

#[derive(Debug)]
pub(super) struct PartBuilder {
    pub kind: ReportKind,
    pub days: Option<(Day, Day)>,
    /// By SKU code.
    pub sums: Vec<(u64, Totals)>,
    /// For each file that has lines of the kind.
    pub files: Vec<FileSums>,
    pub open: Vec<OpenMonth>,
    /// The month of the last line: reports are mostly sorted by date.
    pub last: usize,
    pub chunks: Vec<(Month, u32, Option<Digest>)>,
}

#[derive(Debug)]
pub(super) struct OpenMonth {
    pub month: Month,
    pub first_hour: Hour,
    pub hours: u16,
    pub lines: Lines,
}

impl PartBuilder {
    pub(super) fn new(kind: ReportKind) -> Self {
        Self {
            kind,
            days: None,
            sums: Vec::new(),
            files: Vec::new(),
            open: Vec::new(),
            last: 0,
            chunks: Vec::new(),
        }
    }

    /// Counts a line of a file, and returns how many sums are new.
    pub(super) fn count(
        &mut self,
        file: usize,
        (day, sku, organization): (Day, u32, u32),
        repository: u32,
        totals: Totals,
    ) -> usize {
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
        let place = sku as usize;
        if self.sums.len() <= place {
            self.sums.resize(place + 1, (0, Totals::default()));
        }
        self.sums[place].0 += 1;
        self.sums[place].1 += totals;
        let sums = match self.files.last_mut() {
            Some(last) if last.file == file => last,
            _ => self.files.push_mut(FileSums::new(file)),
        };
        sums.add((day, sku, organization), repository, totals)
    }

    /// The sums of all files.
    pub(super) fn cells(files: Vec<FileSums>) -> CellSums {
        let mut files = files.into_iter().map(|file| file.cells);
        let mut all = files.next().unwrap_or_default();
        files.for_each(|cells| all.merge(&cells));
        all
    }

    /// The index of the open month that contains an hour.
    pub(super) fn month(&mut self, hour: Hour) -> usize {
        let contains = |open: &OpenMonth| {
            let since = hour.index() - open.first_hour.index();
            (0..i32::from(open.hours)).contains(&since)
        };
        if self.open.get(self.last).is_some_and(contains) {
            return self.last;
        }
        self.last = self.open.iter().position(contains).unwrap_or_else(|| {
            let month = hour.day().month();
            // A month has at most 744 hours.
            let hours = u16::try_from(month.days() * 24).unwrap_or(u16::MAX);
            let first_hour = month.first_day().first_hour();
            self.open.push(OpenMonth {
                month,
                first_hour,
                hours,
                lines: Lines::default(),
            });
            self.open.len() - 1
        });
        self.last
    }
}

pub(super) fn append(
    open: &mut OpenMonth,
    line: &Line<'_>,
    sku: u32,
    codes: [u32; 6],
    texts: [u32; 3],
) {
    let hour = line.hour.index() - open.first_hour.index();
    let lines = &mut open.lines;
    let index = lines.len();
    // `PartBuilder::month` chose the month that contains the hour.
    lines.hour.push(u16::try_from(hour).unwrap_or(u16::MAX));
    lines.sku.push(sku);
    lines
        .names
        .iter_mut()
        .zip(codes)
        .for_each(|(column, code)| column.push(code));
    lines.price.push(line.price.picos());
    lines.quantity.push(line.quantity.nanos());
    lines.gross.push(line.gross.nanos());
    lines.discount.push(line.discount.nanos());
    let extras = &line.extras;
    lines.exceeds_quota.push(
        extras
            .exceeds_quota
            .map_or(0, |exceeds| 1 + u8::from(exceeds)),
    );
    lines
        .texts
        .iter_mut()
        .zip(texts)
        .for_each(|(column, code)| column.push(code));
    let mut optional = |column: Optional, value: Option<i128>| {
        lines.optional[column as usize].set(index, value);
    };
    optional(
        Optional::AicQuantity,
        extras.aic_quantity.map(|v| v.nanos()),
    );
    optional(
        Optional::AicGross,
        extras.aic_gross_amount.map(|v| v.nanos()),
    );
    let tokens = [
        Optional::Input,
        Optional::Output,
        Optional::CacheRead,
        Optional::CacheWrite,
    ];
    for (column, value) in tokens.into_iter().zip(extras.tokens) {
        optional(column, value.map(|v| v.nanos()));
    }
    optional(
        Optional::UsedAt,
        extras.used_at.map(|at| i128::from(at.seconds())),
    );
    optional(Optional::Multiplier, extras.multiplier.map(|v| v.nanos()));
    for (heading, text) in &extras.unknown {
        lines.unknown.set(index, heading, text);
    }
}
