//! The encoding of a statement, which checkpoints store and which "byte-identical" refers to.
//!
//! Layout, format 4: parts, each a blob of its own, so that they can be read, checked and unpacked
//! in parallel. Each begins with `TBM` `4`, rules version, its number and the month, so no two
//! parts are the same blob. Part 0 is the summary: names, rates, rollups; and for the lines, and
//! their sums by day if present, the row count, memory size and runs. A short statement's lines
//! follow there. A long statement's lines are in parts 1 and up, split by [`PartColumns`], and its
//! sums by day, which format 3 lacks, in the same number of parts after them. A blob is named by
//! its hash, so there is no checksum inside.
//! Look next: `decode` for reading.

use super::table::Table;
use super::{Detail, Extent, RULES, Statement, StatementRate};
use crate::codec::Writer;
use crate::dimension::Dimension;
use crate::rate::Rate;
use crate::report::ReportKind;

/// The newest statement format.
pub const FORMAT: u8 = 4;

pub(super) const MAGIC: &[u8; 3] = b"TBM";

/// Fewer lines than this are stored in the summary's part: reading one blob is then quicker than
/// five, and most accounts are small.
pub const LINES_APART: usize = 32 * 1024;

/// Marks lines stored in part 0.
pub(super) const WITHIN: u8 = 0;
/// Marks lines stored in parts of their own.
pub(super) const APART: u8 = 1;

/// The columns of a table in one part, grouped because one is needed to read the other, or to make
/// parts of similar size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartColumns {
    /// Quantity and discounted quantity.
    Quantities,
    /// Gross and discount.
    Amounts,
    /// Organization and repository.
    Places,
    /// Rate, user, model, workflow and cost center.
    Others,
}

impl PartColumns {
    /// In the order of parts, from part 1 on.
    pub(super) const ALL: [Self; 4] = [Self::Quantities, Self::Amounts, Self::Places, Self::Others];

    /// The dimensions whose codes it holds.
    pub(super) fn dimensions(self) -> &'static [Dimension] {
        use Dimension::{CostCenter, Model, Organization, Repository, User, Workflow};
        match self {
            Self::Quantities | Self::Amounts => &[],
            Self::Places => &[Organization, Repository],
            Self::Others => &[User, Model, Workflow, CostCenter],
        }
    }
}

impl Statement {
    /// The statement's bytes, part by part.
    #[must_use]
    pub fn encode(&self) -> Vec<Vec<u8>> {
        (0..self.parts())
            .map(|part| self.encode_part(part))
            .collect()
    }

    /// How many parts it has.
    #[must_use]
    pub fn parts(&self) -> usize {
        let apart = match (self.len() < LINES_APART, self.days.is_some()) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        1 + apart * PartColumns::ALL.len()
    }

    /// The table with that detail, if the statement has it.
    fn table(&self, detail: Detail) -> Option<&Table> {
        match detail {
            Detail::Lines => Some(&self.lines),
            Detail::Days => self.days.as_deref(),
        }
    }

    /// The bytes of one part, numbered from 0: long statements are written part by part.
    #[must_use]
    pub fn encode_part(&self, part: usize) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.byte(FORMAT);
        out.varint(u64::from(RULES));
        out.count(part);
        out.signed(i128::from(self.month().index()));
        let apart = place_of_part(part).and_then(|(detail, columns)| {
            let table = self.table(detail)?;
            Some((table, columns))
        });
        match apart {
            Some((table, columns)) => encode_columns(table, columns, &mut out),
            None => self.encode_summary(&mut out),
        }
        out.finish()
    }

    fn encode_summary(&self, out: &mut Writer) {
        let summary = &self.summary;
        for list in &summary.names {
            out.count(list.len());
            list.iter().for_each(|name| out.text(name));
        }
        out.count(summary.rates.len());
        summary
            .rates
            .iter()
            .for_each(|known| encode_rate(known, out));
        encode_extent(&summary.lines, out);
        out.byte(u8::from(summary.days.is_some()));
        if let Some(days) = &summary.days {
            encode_extent(days, out);
        }
        for rollup in &summary.rollups {
            out.count(rollup.len());
            encode_table(rollup, out);
        }
        if self.parts() == 1 {
            out.byte(WITHIN);
            encode_table(&self.lines, out);
        } else {
            out.byte(APART);
        }
    }
}

/// What a part other than 0 holds.
pub(super) fn place_of_part(part: usize) -> Option<(Detail, PartColumns)> {
    let place = part.checked_sub(1)?;
    let detail = match place / PartColumns::ALL.len() {
        0 => Detail::Lines,
        1 => Detail::Days,
        _ => return None,
    };
    Some((detail, PartColumns::ALL[place % PartColumns::ALL.len()]))
}

/// The parts that hold a table.
#[must_use]
pub fn parts_of(detail: Detail) -> std::ops::Range<usize> {
    let first = match detail {
        Detail::Lines => 1,
        Detail::Days => 1 + PartColumns::ALL.len(),
    };
    first..first + PartColumns::ALL.len()
}

fn encode_extent(extent: &Extent, out: &mut Writer) {
    out.count(extent.count);
    out.count(extent.memory);
    out.count(extent.runs.len());
    for run in &extent.runs {
        out.varint(u64::from(run.hour));
        out.varint(u64::from(run.rates.0));
        out.varint(u64::from(run.rates.1));
        out.varint(u64::from(run.start));
    }
}

fn encode_rate(known: &StatementRate, out: &mut Writer) {
    let Rate {
        product,
        sku,
        unit,
        price,
    } = &*known.rate;
    [product, sku, unit]
        .into_iter()
        .for_each(|text| out.text(text));
    out.signed(price.picos());
    out.text(known.report.map_or("", ReportKind::as_str));
}

fn encode_table(table: &Table, out: &mut Writer) {
    for columns in PartColumns::ALL {
        encode_columns(table, columns, out);
    }
}

/// Writes some columns; name columns only where the table has them.
fn encode_columns(table: &Table, columns: PartColumns, out: &mut Writer) {
    match columns {
        PartColumns::Quantities => table.quantity.encode(out),
        PartColumns::Amounts => table.gross.encode(out),
        PartColumns::Places => {}
        PartColumns::Others => table.rate.encode(out),
    }
    let names = columns.dimensions().iter();
    names
        .filter_map(|dimension| table.names[*dimension as usize].as_ref())
        .for_each(|codes| codes.encode(out));
}
