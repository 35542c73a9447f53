//! Sums by rate alone: what summaries ask for.
//!
//! Invariant: the numbers and their order are those of [`super::run::answer`] for a query that
//! groups by nothing else. The order of rates depends on the statements alone, so that it is made
//! once for all questions about the same months; a question is then one addition a row.

use super::compare_rates;
use super::run::{Asked, Context, Period, TableMissing};
use super::select::Selection;
use super::{Rate, Totals};
use crate::shares::Scratch;
use crate::statement::Source;
use crate::statement::groups::Matching;
use crate::statement::table::Table;

/// The rates of some statements in the order of answers.
#[derive(Debug)]
pub struct RateOrder {
    rates: Vec<Rate>,
    /// By statement, then its own code: the place in `rates`.
    places: Vec<Vec<u32>>,
}

impl RateOrder {
    /// The order of the rates of some months.
    #[must_use]
    pub fn new<'a>(sources: impl Iterator<Item = &'a Source> + Clone) -> Self {
        let every = sources.clone().flat_map(|source| &source.summary().rates);
        let mut rates: Vec<Rate> = every.map(|known| known.rate.clone()).collect();
        rates.sort_by(compare_rates);
        rates.dedup();
        let place = |rate: &Rate| {
            let found = rates.binary_search_by(|other| compare_rates(other, rate));
            found.map_or(u32::MAX, |place| u32::try_from(place).unwrap_or(u32::MAX))
        };
        let places = sources.map(|source| {
            let own = source.summary().rates.iter();
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

    /// Sums the lines that are asked for, by place in the order; `None` where there are none. The
    /// sources must be of the statements that the order was made of.
    ///
    /// # Panics
    ///
    /// When they are others, with rates that the order does not know.
    pub fn sums(
        &self,
        period: Period,
        asked: &[Asked<'_>],
        context: Context<'_>,
    ) -> Result<Vec<Option<Totals>>, TableMissing> {
        let mut sums = RateSums::new(self.rates.len());
        for (Asked { query, source }, places) in asked.iter().zip(&self.places) {
            if let Some(selection) = Selection::new(source, query, period, context)? {
                sums.add(&selection, places);
            }
        }
        Ok(sums.finish())
    }
}

/// Rows that are unpacked at a time.
const BLOCK: usize = 256;

/// Sums in the making.
struct RateSums {
    /// By place: quantity, discounted quantity, gross, discount. Rows that do not count are added
    /// to one place more, so that no row needs a branch.
    sums: Vec<[i128; 4]>,
    /// By place: whether a row counts.
    counted: Vec<bool>,
    // Columns of a block of rows, unpacked.
    places: [u32; BLOCK],
    numbers: [[i64; BLOCK]; 4],
    matches: [bool; BLOCK],
    scratch: Scratch,
}

impl RateSums {
    fn new(rates: usize) -> Self {
        Self {
            sums: vec![[0; 4]; rates + 1],
            counted: vec![false; rates + 1],
            places: [0; BLOCK],
            numbers: [[0; BLOCK]; 4],
            matches: [true; BLOCK],
            scratch: Scratch::default(),
        }
    }

    /// Adds the rows of a selection; `places` are those of the statement's rates.
    fn add(&mut self, selection: &Selection<'_>, places: &[u32]) {
        for (start, end) in &selection.ranges {
            for first in (*start..*end).step_by(BLOCK) {
                let count = BLOCK.min(end - first);
                self.find_places(selection, places, first, count);
                self.add_block(selection.table, first, count);
            }
        }
    }

    fn find_places(
        &mut self,
        selection: &Selection<'_>,
        places: &[u32],
        first: usize,
        count: usize,
    ) {
        let (rates, matches) = (&mut self.places[..count], &mut self.matches[..count]);
        selection.matches(first, rates, matches);
        selection.table.rate.read_codes(first, rates);
        let nowhere = u32::try_from(self.counted.len() - 1).unwrap_or(u32::MAX);
        for (place, matches) in rates.iter_mut().zip(matches) {
            *place = if *matches {
                places[*place as usize]
            } else {
                nowhere
            };
            self.counted[*place as usize] = true;
        }
    }

    fn add_block(&mut self, table: &Table, first: usize, count: usize) {
        let (columns, places) = ([&table.quantity, &table.gross], &self.places[..count]);
        if !columns.iter().all(|column| column.fits_i64()) {
            for (place, row) in places.iter().zip(first..) {
                let numbers = columns.map(|column| column.get(row));
                let sums = self.sums[*place as usize].iter_mut();
                sums.zip(numbers.as_flattened())
                    .for_each(|(sum, number)| *sum += number);
            }
            return;
        }
        let blocks = self.numbers.each_mut().map(|numbers| &mut numbers[..count]);
        let [quantity, discount_quantity, gross, discount] = blocks;
        let scratch = &mut self.scratch;
        table
            .quantity
            .read_i64(first, [quantity, discount_quantity], scratch);
        table.gross.read_i64(first, [gross, discount], scratch);
        // Slices of one length: no row is checked against each.
        let [quantity, discount_quantity, gross, discount] =
            self.numbers.each_ref().map(|numbers| &numbers[..count]);
        for row in 0..count {
            let sums = &mut self.sums[places[row] as usize];
            sums[0] += i128::from(quantity[row]);
            sums[1] += i128::from(discount_quantity[row]);
            sums[2] += i128::from(gross[row]);
            sums[3] += i128::from(discount[row]);
        }
    }

    fn finish(mut self) -> Vec<Option<Totals>> {
        self.sums.pop();
        let sums = self.sums.iter().zip(&self.counted);
        sums.map(|(sums, counted)| counted.then(|| Totals::from_nanos(*sums)))
            .collect()
    }
}
