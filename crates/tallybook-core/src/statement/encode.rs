//! The bytes of a statement: what checkpoints keep, and what "byte-identical" means.
//!
//! Layout, format 3: parts, each a blob of its own, so that they are read, checked and unpacked
//! side by side. Each begins with `TBM` `3`, rules version, its number and the month, so that no
//! two parts are the same blob. Part 0 is the summary: names, rates, runs, rollups, number of
//! lines and how much memory they take (which format 2 said otherwise). A short statement's lines
//! follow it there; those of a long one stand in the other parts, by [`LineColumns`]. A blob is
//! named by its hash, so there is no checksum inside.
//! Look next: `decode` for how they are read.

use super::table::Table;
use super::{RULES, Statement, StatementRate};
use crate::codec::Writer;
use crate::ledger::record::Dimension;
use crate::query::Rate;

/// The newest statement format.
pub const FORMAT: u8 = 3;

pub(super) const MAGIC: &[u8; 3] = b"TBM";

/// Fewer lines than this stand in the summary's part: reading one blob is then quicker than five,
/// and most accounts are small.
pub const LINES_APART: usize = 32 * 1024;

/// Lines that stand in part 0.
pub(super) const WITHIN: u8 = 0;
/// Lines that have parts of their own.
pub(super) const APART: u8 = 1;

/// Which columns of the lines stand in a part: some that are read with each other's help, or that
/// together are about as large as another part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineColumns {
    /// Quantity and discounted quantity.
    Quantities,
    /// Gross and discount.
    Amounts,
    /// Organization and repository.
    Places,
    /// Rate, user, model, workflow and cost center.
    Others,
}

impl LineColumns {
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
    /// The statement's bytes, by part.
    #[must_use]
    pub fn encode(&self) -> Vec<Vec<u8>> {
        (0..self.parts())
            .map(|part| self.encode_part(part))
            .collect()
    }

    /// How many parts it has.
    #[must_use]
    pub fn parts(&self) -> usize {
        if self.len() < LINES_APART {
            1
        } else {
            1 + LineColumns::ALL.len()
        }
    }

    /// The bytes of one part, from 0: long statements are written part by part.
    #[must_use]
    pub fn encode_part(&self, part: usize) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.byte(FORMAT);
        out.varint(u64::from(RULES));
        out.count(part);
        out.signed(i128::from(self.month().index()));
        match part
            .checked_sub(1)
            .and_then(|place| LineColumns::ALL.get(place))
        {
            Some(columns) => encode_columns(&self.lines, *columns, &mut out),
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
        out.count(summary.count);
        out.count(summary.lines_memory);
        out.count(summary.runs.len());
        for run in &summary.runs {
            out.varint(u64::from(run.hour));
            out.varint(u64::from(run.rates.0));
            out.varint(u64::from(run.rates.1));
            out.varint(u64::from(run.start));
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

fn encode_rate(known: &StatementRate, out: &mut Writer) {
    let Rate {
        product,
        sku,
        unit,
        price,
    } = &known.rate;
    [product, sku, unit]
        .into_iter()
        .for_each(|text| out.text(text));
    out.signed(price.picos());
    out.byte(u8::from(known.premium_request) | u8::from(known.ai_credit) << 1);
}

fn encode_table(table: &Table, out: &mut Writer) {
    for columns in LineColumns::ALL {
        encode_columns(table, columns, out);
    }
}

/// Writes some columns; those of names only where the table has them.
fn encode_columns(table: &Table, columns: LineColumns, out: &mut Writer) {
    match columns {
        LineColumns::Quantities => table.quantity.encode(out),
        LineColumns::Amounts => table.gross.encode(out),
        LineColumns::Places => {}
        LineColumns::Others => table.rate.encode(out),
    }
    let names = columns.dimensions().iter();
    names
        .filter_map(|dimension| table.names[*dimension as usize].as_ref())
        .for_each(|codes| codes.encode(out));
}
