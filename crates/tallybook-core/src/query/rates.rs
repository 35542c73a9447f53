//! Sums by rate alone: what summaries ask for.
//!
//! Invariant: the numbers and their order are those of [`super::run::answer`] for a query that
//! groups by nothing else. The order of rates depends on the statements alone, so that it is made
//! once for all questions about the same months; a question is then one addition a row.

use super::run::{Context, Period, compare_rates};
use super::select::Selection;
use super::{Query, Rate, Totals};
use crate::money::{Amount, Quantity};
use crate::statement::Statement;
use crate::statement::table::Table;
use std::sync::Arc;

/// The rates of some statements in the order of answers.
#[derive(Debug)]
pub struct RateOrder {
    rates: Vec<Rate>,
    /// By statement, then its own code: the place in `rates`.
    places: Vec<Vec<u32>>,
}

impl RateOrder {
    /// The order of the rates of `statements`.
    #[must_use]
    pub fn new(statements: &[Arc<Statement>]) -> Self {
        let every = statements.iter().flat_map(|statement| &statement.rates);
        let mut rates: Vec<Rate> = every.map(|known| known.rate.clone()).collect();
        rates.sort_by(compare_rates);
        rates.dedup();
        let place = |rate: &Rate| {
            let found = rates.binary_search_by(|other| compare_rates(other, rate));
            found.map_or(u32::MAX, |place| u32::try_from(place).unwrap_or(u32::MAX))
        };
        let places = statements.iter().map(|statement| {
            let own = statement.rates.iter();
            own.map(|known| place(&known.rate)).collect()
        });
        let places = places.collect();
        Self { rates, places }
    }

    /// The rates, in order.
    #[must_use]
    pub fn rates(&self) -> &[Rate] {
        &self.rates
    }

    /// Sums the lines that `query` means, by place in the order; `None` where there are none.
    /// `statements` must be those that the order was made of.
    ///
    /// # Panics
    ///
    /// When they are others, with rates that the order does not know.
    #[must_use]
    pub fn sums(
        &self,
        query: &Query,
        period: Period,
        statements: &[Arc<Statement>],
        context: Context<'_>,
    ) -> Vec<Option<Totals>> {
        let mut sums = vec![None; self.rates.len()];
        let mut block = Block::default();
        for (statement, places) in statements.iter().zip(&self.places) {
            let selection = Selection::new(statement, query, period, context);
            if let Some(selection) = selection {
                block.add_all(&selection, places, &mut sums);
            }
        }
        sums
    }
}

/// Rows that are unpacked at a time.
const BLOCK: usize = 256;

/// Columns of a block of rows, unpacked.
struct Block {
    rates: [u32; BLOCK],
    numbers: [[i64; BLOCK]; 4],
    compared: [u32; BLOCK],
    matches: [bool; BLOCK],
}

impl Default for Block {
    fn default() -> Self {
        Self {
            rates: [0; BLOCK],
            numbers: [[0; BLOCK]; 4],
            compared: [0; BLOCK],
            matches: [true; BLOCK],
        }
    }
}

impl Block {
    /// Adds every row of a selection to the sum of its rate.
    fn add_all(&mut self, selection: &Selection<'_>, places: &[u32], sums: &mut [Option<Totals>]) {
        let table = selection.table;
        // Nearly always: then no number is made of 128 bits before it is added.
        let exact = table.numbers().iter().all(|column| column.fits_i64());
        for (start, end) in &selection.ranges {
            for first in (*start..*end).step_by(BLOCK) {
                let count = BLOCK.min(end - first);
                self.read(selection, first, count, exact);
                for row in (0..count).filter(|row| self.matches[*row]) {
                    let totals = if exact {
                        self.totals(row)
                    } else {
                        wide_totals(table, first + row)
                    };
                    let place = places[self.rates[row] as usize] as usize;
                    *sums[place].get_or_insert_default() += totals;
                }
            }
        }
    }

    fn read(&mut self, selection: &Selection<'_>, first: usize, count: usize, exact: bool) {
        let table = selection.table;
        let rates = &mut self.rates[..count];
        table.rate.read_codes(first, rates);
        if exact {
            for (column, out) in table.numbers().iter().zip(&mut self.numbers) {
                column.read_i64(first, &mut out[..count]);
            }
        }
        let (compared, matches) = (&mut self.compared[..count], &mut self.matches[..count]);
        selection.matches(first, rates, compared, matches);
    }

    fn totals(&self, row: usize) -> Totals {
        let number = |column: usize| i128::from(self.numbers[column][row]);
        Totals {
            quantity: Quantity::from_nanos(number(0)),
            discount_quantity: Quantity::from_nanos(number(1)),
            gross: Amount::from_nanos(number(2)),
            discount: Amount::from_nanos(number(3)),
        }
    }
}

fn wide_totals(table: &Table, row: usize) -> Totals {
    let [quantity, discount_quantity, gross, discount] =
        table.numbers().map(|column| column.get(row));
    Totals {
        quantity: Quantity::from_nanos(quantity),
        discount_quantity: Quantity::from_nanos(discount_quantity),
        gross: Amount::from_nanos(gross),
        discount: Amount::from_nanos(discount),
    }
}
