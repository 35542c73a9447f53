//! A statement's lines summed by day, from which most dated answers are computed.
//!
//! Invariant: each line is in exactly one row, so an answer from here equals the answer from the
//! lines to the last digit. Rows are sorted by (day, rate, organization, repository, cost center),
//! each of these once. Look next: [`super::groups`] for how rows are added up.

use super::groups::{Block, Cell, Every, Rows, groups};
use super::numbers::Numbers;
use super::table::Table;
use super::{Extent, Run};
use crate::dimension::Dimension;
use crate::packed::Packed;
use crate::shares::Divided;
use crate::sums::Totals;

/// The dimensions that its rows keep, in sort order.
pub(crate) const DIMENSIONS: [Dimension; 3] = [
    Dimension::Organization,
    Dimension::Repository,
    Dimension::CostCenter,
];

const HOURS_A_DAY: u16 = 24;

/// The sums of `lines`, which has the given extent; `None` if there would be more than `most` rows.
pub(super) fn of(lines: &Table, extent: &Extent, most: usize) -> Option<(Table, Extent)> {
    let names = DIMENSIONS.map(|dimension| lines.names[dimension as usize].as_ref());
    let mut columns = Columns::default();
    let last_rate = extent.runs.iter().map(|run| run.rates.1).max();
    let rates: Vec<u32> = (0..last_rate.unwrap_or(0)).collect();
    let mut block = Block::default();
    for (day, range) in days(extent) {
        let rows = Rows {
            table: lines,
            ranges: &[range],
            matching: &Every,
            rates: &rates,
            names,
        };
        let expected = (range.1 - range.0).min(most);
        let cells = groups(&rows, expected, &mut block).cells;
        if columns.rate.len() + cells.len() > most {
            return None;
        }
        columns.add(day, &cells);
    }
    Some(columns.finish())
}

/// Each day that has lines, with the index of its first line and the one after its last.
fn days(extent: &Extent) -> impl Iterator<Item = (u16, (usize, usize))> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let first = extent.runs.get(next)?;
        let day = day(first);
        let of_day = extent.runs[next..]
            .iter()
            .take_while(|run| self::day(run) == day);
        next += of_day.count();
        Some((day, (first.start as usize, extent.run_end(next - 1))))
    })
}

/// Days since the month's first.
fn day(run: &Run) -> u16 {
    run.hour / HOURS_A_DAY
}

/// Rows under construction.
#[derive(Debug, Default)]
struct Columns {
    runs: Vec<Run>,
    rate: Vec<u32>,
    codes: [Vec<u32>; 3],
    /// Quantity, discounted quantity, gross, discount.
    numbers: [Numbers; 4],
}

impl Columns {
    fn add(&mut self, day: u16, cells: &[Cell<Totals>]) {
        let mut last = None;
        for (key, totals) in cells {
            let [rate, names @ ..] = key.codes();
            if last.replace(rate) != Some(rate) {
                #[expect(clippy::cast_possible_truncation, reason = "fewer than 2^32 rows")]
                self.runs.push(Run {
                    hour: day * HOURS_A_DAY,
                    rates: (rate, rate + 1),
                    start: self.rate.len() as u32,
                });
            }
            self.rate.push(rate);
            for (column, code) in self.codes.iter_mut().zip(names) {
                column.push(code);
            }
            let Totals {
                quantity,
                discount_quantity,
                gross,
                discount,
            } = totals;
            let quantities = [quantity.nanos(), discount_quantity.nanos()];
            let numbers = quantities
                .into_iter()
                .chain([gross.nanos(), discount.nanos()]);
            for (column, number) in self.numbers.iter_mut().zip(numbers) {
                column.push(number);
            }
        }
    }

    fn finish(self) -> (Table, Extent) {
        let [quantity, discount_quantity, gross, discount] = self.numbers.map(Numbers::pack);
        let mut names = [const { None }; 6];
        for (dimension, codes) in DIMENSIONS.into_iter().zip(&self.codes) {
            names[dimension as usize] = Some(Packed::new(codes));
        }
        let table = Table {
            rate: Packed::new(&self.rate),
            names,
            quantity: Divided::new(quantity, &discount_quantity),
            gross: Divided::new(gross, &discount),
        };
        let extent = Extent {
            runs: self.runs,
            count: table.len(),
            memory: table.memory(),
        };
        (table, extent)
    }
}
