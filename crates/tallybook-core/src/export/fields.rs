//! Fields: how names, rates and numbers are printed; repeated ones are printed once and reused.
//!
//! Invariant: every field is quoted; quotes in it are doubled; a line break in a name becomes a
//! space, because readers of these reports treat each line as a row. What a reader derives from a
//! row, or from the rows that [`Sums::rows`] splits it into, adds up to what the row's lines say,
//! including the discounted quantities.

use crate::decimal::{Buffer, append_nanos};
use crate::dimension::Dimension;
use crate::fold::MergedSpellings;
use crate::money::{Amount, Quantity, checked_discount_quantity, discount_quantity};
use crate::rate::Rate;
use crate::report::{Column, Layout, ReportKind};
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

/// How text cells are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cells {
    /// Unchanged: the file can be imported again.
    #[default]
    Exact,
    /// With an apostrophe before text that a spreadsheet would take for a formula.
    Guarded,
}

impl Cells {
    /// Appends a text in quotes.
    fn append(self, out: &mut Vec<u8>, text: &str) {
        match self {
            Self::Guarded if is_formula(text) => append_quoted(out, &format!("'{text}")),
            Self::Exact | Self::Guarded => append_quoted(out, text),
        }
    }

    fn quoted(self, text: &str) -> Box<[u8]> {
        let mut out = Vec::with_capacity(text.len() + 3);
        self.append(&mut out, text);
        out.into()
    }
}

/// Whether spreadsheets would take a text for a formula; a signed number is not one.
fn is_formula(text: &str) -> bool {
    match text.as_bytes() {
        [b'=' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [b'+' | b'-', rest @ ..] => !rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.')),
        _ => false,
    }
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
    columns: Vec<Column>,
    names: [Vec<Box<[u8]>>; 6],
    rates: Vec<RateFields>,
    day: Box<[u8]>,
    cells: Cells,
}

/// One row, with the codes of [`Fields`].
pub(super) struct Row<'a> {
    pub rate: u32,
    pub names: [u32; 6],
    pub sums: Sums,
    pub extras: Extras<'a>,
}

/// Columns that only the reports of requests and credits have.
#[derive(Clone, Copy, Default)]
pub(super) struct Extras<'a> {
    pub exceeds_quota: Option<bool>,
    pub total_monthly_quota: &'a str,
    /// Credits, their gross, and the four counts of tokens, in billionths.
    pub numbers: [Option<i128>; 6],
}

/// Sums of lines, in billionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub quantity: i128,
    pub gross: i128,
    /// Of lines with a positive discount, and of lines with a negative one.
    discounts: [Discount; 2],
}

/// A discount and the quantity that it pays for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Discount {
    quantity: i128,
    amount: i128,
}

impl Sums {
    /// Those of one line of a statement.
    pub(super) fn of(lines: &Table, at: usize) -> Self {
        let [quantity, discount_quantity] = lines.quantity.get(at);
        let [gross, discount] = lines.gross.get(at);
        Self::new(quantity, gross, discount, discount_quantity)
    }

    /// Those of one line of a report; the quantity that its discount pays for is derived.
    pub(super) fn derived(quantity: i128, gross: i128, discount: i128) -> Self {
        let of = [gross, discount].map(Amount::from_nanos);
        let derived = discount_quantity(Quantity::from_nanos(quantity), of[1], of[0]);
        Self::new(quantity, gross, discount, derived.nanos())
    }

    fn new(quantity: i128, gross: i128, discount: i128, discount_quantity: i128) -> Self {
        let mut discounts = [Discount::default(); 2];
        discounts[usize::from(discount < 0)] = Discount {
            quantity: discount_quantity,
            amount: discount,
        };
        Self {
            quantity,
            gross,
            discounts,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.quantity += other.quantity;
        self.gross += other.gross;
        for (sum, discount) in self.discounts.iter_mut().zip(other.discounts) {
            sum.quantity += discount.quantity;
            sum.amount += discount.amount;
        }
    }

    /// The discount.
    pub(super) fn discount(&self) -> i128 {
        self.discounts.iter().map(|discount| discount.amount).sum()
    }

    /// The quantity that the discount pays for.
    fn discount_quantity(&self) -> i128 {
        let quantities = self.discounts.iter().map(|discount| discount.quantity);
        quantities.sum()
    }

    /// The rows that state these sums. A report has no column for the quantity that a discount pays
    /// for; readers derive it from the row. Where that differs from the sum over the lines, the
    /// discounted part and the part to be paid become separate rows.
    pub(super) fn rows(self) -> impl Iterator<Item = Self> {
        let stated = self.discount_quantity();
        let of = [self.gross, self.discount()].map(Amount::from_nanos);
        let quantity = Quantity::from_nanos(self.quantity);
        // An import would refuse anything beyond the limits.
        let derived = checked_discount_quantity(quantity, of[1], of[0]);
        let one_row = derived.is_ok_and(|derived| derived.nanos() == stated);
        let discounted = self.discounts.map(|discount| {
            let Discount { quantity, amount } = discount;
            Self::new(quantity, amount, amount, quantity)
        });
        let to_pay = Self {
            quantity: self.quantity - stated,
            gross: self.gross - self.discount(),
            ..Self::default()
        };
        let parts = discounted.into_iter().chain([to_pay]);
        let parts = parts.filter(move |part| !one_row && *part != Self::default());
        one_row.then_some(self).into_iter().chain(parts)
    }
}

impl Fields {
    /// Prints display spellings of folded names, and rates, for one kind of report.
    pub(super) fn new<'a>(
        kind: ReportKind,
        names: [&[Box<str>]; 6],
        rates: impl Iterator<Item = &'a Rate>,
        spellings: MergedSpellings<'_>,
        cells: Cells,
    ) -> Self {
        let shown = |dimension: Dimension| {
            let names = names[dimension as usize].iter();
            names
                .map(|name| cells.quoted(spellings.show(dimension, name)))
                .collect()
        };
        let rate = |rate: &Rate| RateFields {
            product: cells.quoted(&rate.product),
            sku: cells.quoted(&rate.sku),
            unit: cells.quoted(&rate.unit),
            price: quoted(Buffer::new().format(rate.price.picos(), 12)),
        };
        Self {
            columns: Layout::written(kind).columns().collect(),
            names: Dimension::ALL.map(shown),
            rates: rates.map(rate).collect(),
            day: Box::default(),
            cells,
        }
    }

    /// The day of the rows that follow.
    pub(super) fn begin(&mut self, day: Day) {
        self.day = quoted(&day.to_string());
    }

    /// Passes the lines of a row to `line`; `text` is scratch space.
    pub(super) fn print<E>(
        &self,
        mut row: Row<'_>,
        text: &mut Vec<u8>,
        line: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for sums in row.sums.rows() {
            row.sums = sums;
            text.clear();
            for column in &self.columns {
                self.append(*column, &row, text);
                text.push(b',');
            }
            text.pop();
            text.extend_from_slice(b"\r\n");
            line(text)?;
            // The first of several rows carries them in full.
            row.extras.numbers = [None; 6];
        }
        Ok(())
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
            Column::Discount => append_number(out, sums.discount()),
            Column::Net => append_number(out, sums.gross - sums.discount()),
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
            Column::TotalMonthlyQuota => self.cells.append(out, row.extras.total_monthly_quota),
            Column::AicQuantity => append_optional(out, extra(0)),
            Column::AicGross => append_optional(out, extra(1)),
            Column::InputTokens => append_optional(out, extra(2)),
            Column::OutputTokens => append_optional(out, extra(3)),
            Column::CacheReadTokens => append_optional(out, extra(4)),
            Column::CacheWriteTokens => append_optional(out, extra(5)),
            // No written layout has these columns.
            Column::UsedAt
            | Column::WorkflowName
            | Column::OldPrice
            | Column::Multiplier
            | Column::Notes => append_optional(out, None),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Quantity, gross and discount of a line, mostly with realistic prices and shares.
    fn line() -> impl Strategy<Value = [i128; 3]> {
        let share = prop_oneof![Just(0), Just(1_000), 0..1_000i128];
        let sign = prop_oneof![9 => Just(1), 1 => Just(-1)];
        (0..5_000_000_000i128, 0..90i128, share, sign).prop_map(|(quantity, price, share, sign)| {
            let gross = quantity * price / 1_000;
            [sign * quantity, sign * gross, sign * gross * share / 1_000]
        })
    }

    proptest! {
        /// Deriving from the rows what discounts pay for gives the sums of the lines.
        #[test]
        fn rows_give_back_the_sums_of_their_lines(lines in proptest::collection::vec(line(), 1..9)) {
            let mut sum = Sums::default();
            for [quantity, gross, discount] in lines {
                sum.add(&Sums::derived(quantity, gross, discount));
            }
            let mut read = Sums::default();
            let rows: Vec<Sums> = sum.rows().collect();
            for row in &rows {
                read.add(&Sums::derived(row.quantity, row.gross, row.discount()));
            }
            prop_assert!(rows.len() <= 3);
            let totals =
                |it: Sums| [it.quantity, it.gross, it.discount(), it.discount_quantity()];
            prop_assert_eq!(totals(read), totals(sum));
        }
    }

    #[test]
    fn a_row_is_divided_only_where_it_must_be() {
        let mut exact = Sums::derived(3_000, 24, 24);
        exact.add(&Sums::derived(5_000, 40, 0));
        assert_eq!(exact.rows().collect::<Vec<_>>(), [exact]);
        // A line too small to cost anything.
        let mut sum = Sums::derived(1_000, 8, 4);
        sum.add(&Sums::derived(10, 0, 0));
        let parts = [Sums::derived(500, 4, 4), Sums::derived(510, 4, 0)];
        assert_eq!(sum.rows().collect::<Vec<_>>(), parts);
    }

    #[test]
    fn what_a_spreadsheet_would_compute_gets_an_apostrophe_when_that_was_asked_for() {
        use Cells::{Exact, Guarded};
        let written = |cells: Cells, text| String::from_utf8(cells.quoted(text).into()).unwrap();
        for text in ["=1+2", "+a", "-a", "@SUM(1)", "\t=1", "-1+2", "=\"x\""] {
            let exact = written(Exact, text);
            assert_eq!(exact, format!("\"{}\"", text.replace('"', "\"\"")));
            assert_eq!(written(Guarded, text), exact.replacen('"', "\"'", 1));
        }
        // A line break is written as a space; one before a formula does not hide the formula.
        assert_eq!(written(Guarded, "\r=1"), "\"' =1\"");
        for text in ["", "a=b", "api", "'=1", "-1.5", "+20", "ü"] {
            assert_eq!(written(Guarded, text), written(Exact, text), "{text}");
        }
    }
}
