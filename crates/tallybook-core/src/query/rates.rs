//! Sums by rate alone, for summaries.
//!
//! Invariant: each matching row is counted at the place of its rate. The order of rates depends on
//! the statements alone, so that it can be made once for all questions about the same months; a
//! question is then one addition a row, and nothing is sorted. Look next: [`super::run`] for
//! questions that group by names, too.

use super::select::Selection;
use super::{Asked, Context, Period, TableMissing};
use crate::hash::QuickMap;
use crate::rate::{Rate, compare_rates};
use crate::statement::groups::{Block, Rows};
use crate::statement::{StatementRate, Summary};
use crate::sums::Sums;
use std::sync::Arc;

/// The rates of some statements in the order of answers: product, SKU, price.
#[derive(Debug)]
pub struct RateOrder {
    rates: Vec<Arc<Rate>>,
    /// By statement, then its own code: the index into `rates`.
    places: Vec<Vec<u32>>,
}

impl RateOrder {
    /// The order of the rates of some months.
    #[must_use]
    pub fn new<'a>(statements: impl Iterator<Item = &'a Arc<Summary>>) -> Self {
        let statements: Vec<&Summary> = statements.map(|statement| &**statement).collect();
        if let [only] = statements.as_slice() {
            let rate = |code: u32| Arc::clone(&only.rates[code as usize].rate);
            return Self {
                rates: only.rates_in_order().into_iter().map(rate).collect(),
                places: vec![only.rates.iter().map(|known| known.rank).collect()],
            };
        }
        let mut distinct = Distinct::default();
        let mut places: Vec<Vec<u32>> = Vec::with_capacity(statements.len());
        for statement in statements {
            let mut own = vec![0; statement.rates.len()];
            // In their order, so that there is little to sort.
            for code in statement.rates_in_order() {
                own[code as usize] = distinct.place(&statement.rates[code as usize]);
            }
            places.push(own);
        }
        let mut found: Vec<(&Arc<Rate>, u32)> = distinct.rates.into_iter().zip(0..).collect();
        found.sort_by(|(left, _), (right, _)| compare_rates(left, right));
        let mut ranks = vec![0; found.len()];
        for ((_, place), rank) in found.iter().zip(0..) {
            ranks[*place as usize] = rank;
        }
        let every = places.iter_mut().flatten();
        every.for_each(|place| *place = ranks[*place as usize]);
        let rates = found.into_iter().map(|(rate, _)| Arc::clone(rate));
        Self {
            rates: rates.collect(),
            places,
        }
    }

    /// The rates, in order.
    #[must_use]
    pub fn rates(&self) -> &[Arc<Rate>] {
        &self.rates
    }

    pub(super) fn into_rates(self) -> Vec<Arc<Rate>> {
        self.rates
    }

    /// By statement, then its own code of a rate: the rate's place.
    pub(super) fn places(&self) -> &[Vec<u32>] {
        &self.places
    }

    /// Sums the selected lines, by index in the order; `None` where there are none. The sources
    /// must be of the statements that the order was built from.
    ///
    /// # Panics
    ///
    /// If they are of other statements, with rates that the order lacks.
    pub fn sums<S: Sums>(
        &self,
        period: Period,
        asked: &[Asked<'_>],
        context: Context<'_>,
    ) -> Result<Vec<Option<S>>, TableMissing> {
        let mut sums: Vec<Option<S>> = vec![None; self.rates.len()];
        let mut block = Block::default();
        for (Asked { query, source }, places) in asked.iter().zip(&self.places) {
            let Some(selection) = Selection::new(source, query, period, context)? else {
                continue;
            };
            let rows = Rows {
                table: selection.table,
                ranges: &selection.ranges,
                matching: &selection,
                rates: places,
                names: [None; 3],
            };
            rows.for_each(&mut block, |key, numbers: S| {
                *sums[key.rate()].get_or_insert_default() += numbers;
            });
        }
        Ok(sums)
    }
}

/// Rates, each once, in the order in which they are found.
#[derive(Default)]
struct Distinct<'a> {
    rates: Vec<&'a Arc<Rate>>,
    by_key: QuickMap<u64, u32>,
}

impl<'a> Distinct<'a> {
    fn place(&mut self, known: &'a StatementRate) -> u32 {
        let is = |at: &u32| *self.rates[*at as usize] == known.rate;
        let hashed = self.by_key.get(&known.key).copied();
        let place = match hashed.filter(is) {
            // Two rates of one hash: look at every one.
            None if hashed.is_some() => (0..).take(self.rates.len()).find(is),
            place => place,
        };
        place.unwrap_or_else(|| {
            let place = u32::try_from(self.rates.len()).unwrap_or(u32::MAX);
            self.rates.push(&known.rate);
            self.by_key.entry(known.key).or_insert(place);
            place
        })
    }
}
