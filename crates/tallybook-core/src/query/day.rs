//! Rows of one day from a statement's sums by day: they stand there as they are answered.
//!
//! Invariant: the same rows as by [`super::scan`] and [`super::merge`], which answer everything
//! else. A day's ranges are put in the order of answers before they are read, so that nothing is
//! sorted or renumbered after: answers of `usage` are mostly such days, of thousands of rows.

use super::run::{Context, Period, PeriodAnswer};
use super::select::Selection;
use super::{Sums, Totals};
use crate::ledger::record::Dimension;
use crate::packed::Packed;
use crate::shares::Scratch;
use crate::statement::Summary;
use crate::statement::groups::{Cell, Key, Matching};
use crate::statement::table::Table;
use std::sync::Arc;

/// The dimensions that group.
const NAMES: [Dimension; 2] = [Dimension::Organization, Dimension::Repository];

/// The rows of a selection that is a day; `None` where a number is too large to be read so.
pub(super) fn a_day<S: Sums>(
    summary: &Arc<Summary>,
    selection: &Selection<'_>,
    period: Period,
    context: Context<'_>,
) -> Option<PeriodAnswer<S>> {
    let table = selection.table;
    let [Some(organizations), Some(repositories)] =
        NAMES.map(|dimension| table.names[dimension as usize].as_ref())
    else {
        return None;
    };
    if !(table.quantity.fits_i64() && table.gross.fits_i64()) {
        return None;
    }
    let mut ranges: Vec<(u32, (usize, usize))> = selection
        .ranges
        .iter()
        .map(|range| (table.rate.code(range.0), *range))
        .collect();
    ranges.sort_unstable_by_key(|(rate, _)| summary.rates[*rate as usize].rank);
    let mut rows = Rows {
        selection,
        names: [organizations, repositories],
        used: NAMES.map(|dimension| vec![false; summary.names(dimension).len()]),
        cells: Vec::with_capacity(selection.expected_groups()),
        block: Block::new(ranges.iter().map(|(_, (start, end))| end - start).max()),
    };
    let mut rates = Vec::with_capacity(ranges.len());
    for (rate, (start, end)) in ranges {
        let place = u32::try_from(rates.len()).ok()?;
        rates.push((0, rate));
        for first in (start..end).step_by(BLOCK) {
            rows.add(place, first, BLOCK.min(end - first));
        }
    }
    let Rows { used, cells, .. } = rows;
    let [organizations, repositories] = used;
    Some(PeriodAnswer {
        start: period.start,
        statements: vec![Arc::clone(summary)],
        rates,
        names: [
            shown(summary, NAMES[0], &organizations, context),
            shown(summary, NAMES[1], &repositories, context),
            vec![None],
        ],
        cells,
    })
}

/// The names that are used, as they are shown, at the places of their codes.
fn shown(
    summary: &Summary,
    dimension: Dimension,
    used: &[bool],
    context: Context<'_>,
) -> Vec<Option<Arc<str>>> {
    let shown = |folded: &str| {
        let spelled = context.spellings.of_folded(dimension, folded);
        spelled.map_or_else(|| Arc::from(folded), Arc::clone)
    };
    let names = summary.names(dimension).iter().zip(used);
    let names = names.map(|(folded, used)| used.then(|| shown(folded)));
    names.collect()
}

/// Rows that are unpacked at a time.
const BLOCK: usize = 1024;

/// Columns of a block of rows, unpacked; allocated once an answer.
struct Block {
    codes: [Vec<u32>; 2],
    matches: Vec<bool>,
    /// Quantity, discounted quantity, gross, discount.
    numbers: [Vec<i64>; 4],
    scratch: Scratch,
}

impl Block {
    fn new(rows: Option<usize>) -> Self {
        let rows = rows.unwrap_or(0).min(BLOCK);
        Self {
            codes: [vec![0; rows], vec![0; rows]],
            matches: vec![true; rows],
            numbers: std::array::from_fn(|_| vec![0; rows]),
            scratch: Scratch::default(),
        }
    }

    fn read<S: Sums>(&mut self, table: &Table, start: usize, count: usize) {
        let numbers = self.numbers.each_mut().map(|numbers| &mut numbers[..count]);
        let [quantity, discount_quantity, gross, discount] = numbers;
        let scratch = &mut self.scratch;
        if S::DISCOUNT_QUANTITY {
            let both = [quantity, discount_quantity];
            table.quantity.read_i64(start, both, scratch);
        } else {
            table.quantity.whole.read_i64(start, quantity);
        }
        table.gross.read_i64(start, [gross, discount], scratch);
    }
}

struct Rows<'a, S> {
    selection: &'a Selection<'a>,
    /// Organizations and repositories.
    names: [&'a Packed; 2],
    /// By code, whether a row has the name.
    used: [Vec<bool>; 2],
    cells: Vec<Cell<S>>,
    block: Block,
}

impl<S: Sums> Rows<'_, S> {
    /// Adds the matching ones of rows of one rate; those that differ in the cost center alone are
    /// one row of the answer.
    fn add(&mut self, rate: u32, start: usize, count: usize) {
        let block = &mut self.block;
        let matches = &mut block.matches[..count];
        if self
            .selection
            .matches(start, &mut block.codes[0][..count], matches)
            == 0
        {
            return;
        }
        for (codes, column) in block.codes.iter_mut().zip(self.names) {
            column.read_codes(start, &mut codes[..count]);
        }
        block.read::<S>(self.selection.table, start, count);
        // Slices of one length: no row is checked against each.
        let matches = &block.matches[..count];
        let [organizations, repositories] = block.codes.each_ref().map(|codes| &codes[..count]);
        let [quantity, discount_quantity, gross, discount] =
            block.numbers.each_ref().map(|numbers| &numbers[..count]);
        for row in 0..count {
            if !matches[row] {
                continue;
            }
            let (organization, repository) = (organizations[row], repositories[row]);
            let numbers = [
                quantity[row],
                discount_quantity[row],
                gross[row],
                discount[row],
            ];
            let totals = Totals::from_nanos(numbers.map(i128::from));
            let key = Key::new([rate, organization, repository, 0]);
            match self.cells.last_mut() {
                Some((last, sum)) if *last == key => *sum += S::from(totals),
                _ => {
                    self.used[0][organization as usize] = true;
                    self.used[1][repository as usize] = true;
                    self.cells.push((key, S::from(totals)));
                }
            }
        }
    }
}
