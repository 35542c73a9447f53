//! Fields: how names, rates and numbers are printed, once each where they come again.
//!
//! Invariant: every field is quoted; quotes in it are doubled; a line break in a name becomes a
//! space, because readers of these reports take a line for a row.

use super::Column;
use crate::decimal::{Buffer, append_nanos};
use crate::fold::Spellings;
use crate::ledger::record::Dimension;
use crate::query::Rate;
use crate::statement::Table;
use crate::time::Day;

/// Appends a text in quotes.
pub(super) fn append_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\"\""),
            b'\r' | b'\n' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

fn quoted(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len() + 2);
    append_quoted(&mut out, text);
    out.into()
}

/// A rate's fields, printed.
struct RateFields {
    product: Box<[u8]>,
    sku: Box<[u8]>,
    unit: Box<[u8]>,
    price: Box<[u8]>,
}

/// The fields of a month's rows, printed once each.
pub(super) struct Fields {
    columns: &'static [Column],
    names: [Vec<Box<[u8]>>; 6],
    rates: Vec<RateFields>,
    day: Box<[u8]>,
}

/// One row under the codes of [`Fields`].
pub(super) struct Row<'a> {
    pub rate: u32,
    pub names: [u32; 6],
    pub sums: Sums,
    pub extras: Extras<'a>,
}

/// What only the reports of requests and credits have.
#[derive(Clone, Copy, Default)]
pub(super) struct Extras<'a> {
    pub exceeds_quota: Option<bool>,
    pub total_monthly_quota: &'a str,
    /// Credits, their gross, and the four counts of tokens, in billionths.
    pub numbers: [Option<i128>; 6],
}

/// Quantity, gross and discount, in billionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub quantity: i128,
    pub gross: i128,
    pub discount: i128,
}

impl Sums {
    /// Those of one line.
    pub(super) fn of(lines: &Table, at: usize) -> Self {
        let [gross, discount] = lines.gross.get(at);
        Self {
            quantity: lines.quantity.whole.get(at),
            gross,
            discount,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.quantity += other.quantity;
        self.gross += other.gross;
        self.discount += other.discount;
    }
}

impl Fields {
    /// Prints folded names as they are shown, and rates.
    pub(super) fn new<'a>(
        columns: &'static [Column],
        names: [&[Box<str>]; 6],
        rates: impl Iterator<Item = &'a Rate>,
        spellings: &Spellings,
    ) -> Self {
        let shown = |dimension: Dimension| {
            let names = names[dimension as usize].iter();
            names
                .map(|name| quoted(spellings.show(dimension, name)))
                .collect()
        };
        let rate = |rate: &Rate| RateFields {
            product: quoted(&rate.product),
            sku: quoted(&rate.sku),
            unit: quoted(&rate.unit),
            price: quoted(Buffer::new().format(rate.price.picos(), 12)),
        };
        Self {
            columns,
            names: Dimension::ALL.map(shown),
            rates: rates.map(rate).collect(),
            day: Box::default(),
        }
    }

    /// The day of the rows that follow.
    pub(super) fn begin(&mut self, day: Day) {
        self.day = quoted(&day.to_string());
    }

    /// Replaces `out` by a line.
    pub(super) fn print(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        out.clear();
        for column in self.columns {
            self.append(*column, row, out);
            out.push(b',');
        }
        out.pop();
        out.extend_from_slice(b"\r\n");
    }

    fn append(&self, column: Column, row: &Row<'_>, out: &mut Vec<u8>) {
        let rate = &self.rates[row.rate as usize];
        let name = |dimension: Dimension| {
            let place = dimension as usize;
            &self.names[place][row.names[place] as usize]
        };
        let sums = &row.sums;
        let extra = |place: usize| row.extras.numbers[place];
        match column {
            Column::Date => out.extend_from_slice(&self.day),
            Column::Product => out.extend_from_slice(&rate.product),
            Column::Sku => out.extend_from_slice(&rate.sku),
            Column::Unit => out.extend_from_slice(&rate.unit),
            Column::Price => out.extend_from_slice(&rate.price),
            Column::Quantity => append_number(out, sums.quantity),
            Column::Gross => append_number(out, sums.gross),
            Column::Discount => append_number(out, sums.discount),
            Column::Net => append_number(out, sums.gross - sums.discount),
            Column::User => out.extend_from_slice(name(Dimension::User)),
            Column::Organization => out.extend_from_slice(name(Dimension::Organization)),
            Column::Repository => out.extend_from_slice(name(Dimension::Repository)),
            Column::WorkflowPath => out.extend_from_slice(name(Dimension::Workflow)),
            Column::CostCenter => out.extend_from_slice(name(Dimension::CostCenter)),
            Column::Model => out.extend_from_slice(name(Dimension::Model)),
            Column::ExceedsQuota => out.extend_from_slice(match row.extras.exceeds_quota {
                None => b"\"\"",
                Some(true) => b"\"True\"",
                Some(false) => b"\"False\"",
            }),
            Column::TotalMonthlyQuota => append_quoted(out, row.extras.total_monthly_quota),
            Column::AicQuantity => append_optional(out, extra(0)),
            Column::AicGross => append_optional(out, extra(1)),
            Column::InputTokens => append_optional(out, extra(2)),
            Column::OutputTokens => append_optional(out, extra(3)),
            Column::CacheReadTokens => append_optional(out, extra(4)),
            Column::CacheWriteTokens => append_optional(out, extra(5)),
        }
    }
}

fn append_number(out: &mut Vec<u8>, nanos: i128) {
    out.push(b'"');
    append_nanos(out, nanos);
    out.push(b'"');
}

fn append_optional(out: &mut Vec<u8>, nanos: Option<i128>) {
    match nanos {
        Some(nanos) => append_number(out, nanos),
        None => out.extend_from_slice(b"\"\""),
    }
}
