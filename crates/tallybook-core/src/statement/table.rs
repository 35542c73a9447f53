//! Tables: a statement's lines, and its rollups, as columns of the same form.
//!
//! Invariant: the rows of a rollup are the sums of the lines, each line in exactly one row, so an
//! answer from a rollup equals the answer from the lines to the last digit.

use crate::dimension::Dimension;
use crate::hash::QuickMap;
use crate::packed::Packed;
use crate::shares::Divided;
use crate::sums::{Sums, Totals};

/// Columns of rates, of some dimensions' codes, and of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub(crate) rate: Packed,
    /// By dimension; `None` where the rows are summed over it.
    pub(crate) names: [Option<Packed>; 6],
    /// Quantities, and the discounted part of each.
    pub(crate) quantity: Divided,
    /// Gross amounts, and their discounts.
    pub(crate) gross: Divided,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.rate.len()
    }

    /// The numbers of a row.
    pub(crate) fn sums<S: Sums>(&self, row: usize) -> S {
        let [gross, discount] = self.gross.get(row);
        let [quantity, discount_quantity] = if S::DISCOUNT_QUANTITY {
            self.quantity.get(row)
        } else {
            [self.quantity.whole.get(row), 0]
        };
        S::from(Totals::from_nanos([
            quantity,
            discount_quantity,
            gross,
            discount,
        ]))
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        let codes = self.names.iter().flatten().chain([&self.rate]);
        let codes: usize = codes.map(Packed::memory).sum();
        codes + self.quantity.memory() + self.gross.memory()
    }

    /// The rows from `start` to `end` whose code in a sorted column is `code`.
    pub(crate) fn range(
        &self,
        dimension: Dimension,
        code: u32,
        (start, end): (usize, usize),
    ) -> (usize, usize) {
        let Some(column) = &self.names[dimension as usize] else {
            return (start, end);
        };
        let first = column.partition_point((start, end), |other| other < code);
        (
            first,
            column.partition_point((first, end), |other| other <= code),
        )
    }
}

/// Which sums a rollup holds, in the order in which a query tries them: the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RollupKind {
    /// By rate.
    Rates,
    /// By rate, organization and cost center.
    Centers,
    /// Of premium requests and AI credits: by user, model, organization, cost center and rate.
    Users,
    /// By repository, organization, cost center and rate.
    Repositories,
}

impl RollupKind {
    pub(crate) const ALL: [Self; 4] = [Self::Rates, Self::Centers, Self::Users, Self::Repositories];

    /// The dimensions that its rows keep, in sort order.
    pub(crate) fn dimensions(self) -> &'static [Dimension] {
        use Dimension::{CostCenter, Model, Organization, Repository, User};
        match self {
            Self::Rates => &[],
            Self::Centers => &[Organization, CostCenter],
            Self::Users => &[User, Model, Organization, CostCenter],
            Self::Repositories => &[Repository, Organization, CostCenter],
        }
    }

    /// Whether it holds only premium requests and AI credits.
    pub(crate) fn is_of_requests(self) -> bool {
        self == Self::Users
    }

    /// Sums `lines`; `is_request` tells rates of premium requests and AI credits.
    pub(crate) fn of(self, lines: &Table, is_request: impl Fn(u32) -> bool) -> Table {
        let dimensions = self.dimensions();
        let mut sums: QuickMap<[u32; 5], Totals> = QuickMap::default();
        let mut open: Option<([u32; 5], Totals)> = None;
        let mut block = Block::default();
        for start in (0..lines.len()).step_by(BLOCK) {
            let count = BLOCK.min(lines.len() - start);
            block.read(lines, dimensions, start, count);
            for line in 0..count {
                let rate = block.rate[line];
                if self.is_of_requests() && !is_request(rate) {
                    continue;
                }
                let mut key = [0; 5];
                for (part, codes) in key.iter_mut().zip(&block.codes[..dimensions.len()]) {
                    *part = codes[line];
                }
                key[dimensions.len()] = rate;
                let totals = lines.sums::<Totals>(start + line);
                match &mut open {
                    Some((last, sum)) if *last == key => *sum += totals,
                    _ => {
                        if let Some((key, sum)) = open.replace((key, totals)) {
                            *sums.entry(key).or_default() += sum;
                        }
                    }
                }
            }
        }
        if let Some((key, sum)) = open {
            *sums.entry(key).or_default() += sum;
        }
        let mut rows: Vec<_> = sums.into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        table(dimensions, &rows)
    }
}

const BLOCK: usize = 1024;

#[derive(Debug)]
struct Block {
    rate: Vec<u32>,
    codes: [Vec<u32>; 4],
}

impl Default for Block {
    fn default() -> Self {
        Self {
            rate: vec![0; BLOCK],
            codes: std::array::from_fn(|_| vec![0; BLOCK]),
        }
    }
}

impl Block {
    fn read(&mut self, lines: &Table, dimensions: &[Dimension], start: usize, count: usize) {
        lines.rate.read_codes(start, &mut self.rate[..count]);
        for (codes, dimension) in self.codes.iter_mut().zip(dimensions) {
            if let Some(column) = &lines.names[*dimension as usize] {
                column.read_codes(start, &mut codes[..count]);
            }
        }
    }
}

fn table(dimensions: &[Dimension], rows: &[([u32; 5], Totals)]) -> Table {
    let codes =
        |place: usize| Packed::new(&rows.iter().map(|(key, _)| key[place]).collect::<Vec<_>>());
    let numbers = |number: fn(&Totals) -> i128| {
        Packed::new(
            &rows
                .iter()
                .map(|(_, totals)| number(totals))
                .collect::<Vec<_>>(),
        )
    };
    let mut names = [const { None }; 6];
    for (place, dimension) in dimensions.iter().enumerate() {
        names[*dimension as usize] = Some(codes(place));
    }
    Table {
        rate: codes(dimensions.len()),
        names,
        quantity: Divided::new(
            numbers(|totals| totals.quantity.nanos()),
            &numbers(|totals| totals.discount_quantity.nanos()),
        ),
        gross: Divided::new(
            numbers(|totals| totals.gross.nanos()),
            &numbers(|totals| totals.discount.nanos()),
        ),
    }
}
