//! Answering: filter and group statements' columns.
//!
//! Invariant: each line is counted in exactly one row, by integer addition only, so that every
//! view of the same usage adds up to the same total. Columns are read in blocks; runs of lines
//! that cannot match are skipped whole.

use super::select::Selection;
use super::{Grain, Query, Rate, Row, Totals};
use crate::fold::Spellings;
use crate::ledger::record::Dimension;
use crate::money::{Amount, Quantity};
use crate::name::Name;
use crate::statement::Statement;
use crate::time::{Hour, Month};
use crate::{catalog::Catalog, packed::Packed};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Hours for which rows share a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// What the rows are dated.
    pub start: Hour,
    /// The first hour that counts.
    pub from: Hour,
    /// The hour after the last that counts.
    pub to: Hour,
}

impl Query {
    /// The periods of the answer, in order: long answers are made one at a time.
    pub fn periods(&self) -> impl Iterator<Item = Period> + use<> {
        let (grain, to) = (self.grain, self.to);
        let mut next = Some(self.from).filter(|from| *from < to);
        std::iter::from_fn(move || {
            let from = next?;
            let end = match grain {
                Grain::Whole => to,
                Grain::Month => from.day().month().last_day().next().first_hour(),
                Grain::Day => from.day().next().first_hour(),
                Grain::Hour => Hour::from_index(from.index() + 1),
            };
            let end = end.min(to);
            next = Some(end).filter(|end| *end < to);
            let start = match grain {
                Grain::Whole | Grain::Hour => from,
                Grain::Month => from.day().month().first_day().first_hour(),
                Grain::Day => from.day().first_hour(),
            };
            Some(Period {
                start,
                from,
                to: end,
            })
        })
    }

    /// The months whose statements are needed.
    pub fn months(&self) -> impl Iterator<Item = Month> + use<> {
        months_between(self.from, self.to)
    }
}

impl Period {
    /// The months whose statements the period needs.
    pub fn months(&self) -> impl Iterator<Item = Month> + use<> {
        months_between(self.from, self.to)
    }
}

fn months_between(from: Hour, to: Hour) -> impl Iterator<Item = Month> {
    let last = Hour::from_index(to.index() - 1).day().month();
    let mut next = Some(from.day().month()).filter(|first| from < to && *first <= last);
    std::iter::from_fn(move || {
        let month = next?;
        next = Some(month.plus(1)).filter(|next| *next <= last && *next > month);
        Some(month)
    })
}

/// What a question is asked of, besides the statements.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What things are called.
    pub catalog: &'a Catalog,
    /// How names are shown.
    pub spellings: &'a Spellings,
    /// The user whose own account this is: owner of the repositories of no organization.
    pub user: Option<&'a Name>,
}

/// The rows of one period.
#[derive(Debug)]
pub struct PeriodAnswer {
    start: Hour,
    rates: Vec<Rate>,
    names: [Vec<Arc<str>>; 3],
    cells: Vec<(Key, Totals)>,
}

/// Codes of rate, organization, repository, model.
type Key = [u32; 4];

/// The dimensions that can group, in the order of keys.
const GROUPS: [Dimension; 3] = [
    Dimension::Organization,
    Dimension::Repository,
    Dimension::Model,
];

impl PeriodAnswer {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.cells
            .iter()
            .map(|([rate, organization, repository, model], totals)| Row {
                start: self.start,
                rate: &self.rates[*rate as usize],
                organization: &self.names[0][*organization as usize],
                repository: &self.names[1][*repository as usize],
                model: &self.names[2][*model as usize],
                totals: *totals,
            })
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

/// Answers for one period over the statements of its months.
#[must_use]
pub fn answer(
    query: &Query,
    period: Period,
    statements: &[Arc<Statement>],
    context: Context<'_>,
) -> PeriodAnswer {
    let scans: Vec<_> = statements
        .iter()
        .map(|statement| (statement.as_ref(), scan(statement, query, period, context)))
        .filter(|(_, cells)| !cells.is_empty())
        .collect();
    let rates = Merged::new(scans.iter().map(|(statement, _)| {
        statement
            .rates
            .iter()
            .map(|known| RateOrder(known.rate.clone()))
            .collect()
    }));
    let grouped = |place: usize| match place {
        2 => query.group.model,
        _ => query.group.repository,
    };
    let names: [Merged<Box<str>>; 3] = std::array::from_fn(|place| {
        Merged::new(scans.iter().map(|(statement, _)| {
            if grouped(place) {
                statement.names(GROUPS[place]).to_vec()
            } else {
                vec!["".into()]
            }
        }))
    });
    let mut cells: HashMap<Key, Totals> = HashMap::new();
    for (place, (_, scanned)) in scans.iter().enumerate() {
        for (key, totals) in scanned {
            let key = [
                rates.codes[place][key[0] as usize],
                names[0].codes[place][key[1] as usize],
                names[1].codes[place][key[2] as usize],
                names[2].codes[place][key[3] as usize],
            ];
            *cells.entry(key).or_default() += *totals;
        }
    }
    let mut cells: Vec<_> = cells.into_iter().collect();
    cells.sort_unstable_by_key(|(key, _)| *key);
    let mut shown = names.into_iter().zip(GROUPS).map(|(merged, dimension)| {
        let show = |folded: &Box<str>| Arc::from(context.spellings.show(dimension, folded));
        merged.values.iter().map(show).collect::<Vec<Arc<str>>>()
    });
    let names = std::array::from_fn(|_| shown.next().unwrap_or_default());
    let rates = rates
        .values
        .into_iter()
        .map(|RateOrder(rate)| rate)
        .collect();
    PeriodAnswer {
        start: period.start,
        rates,
        names,
        cells,
    }
}

/// Sorted lists of several statements as one, so that codes compare across them.
struct Merged<T> {
    values: Vec<T>,
    /// By list, then place in it, the place in `values`.
    codes: Vec<Vec<u32>>,
}

impl<T: Ord + Clone> Merged<T> {
    fn new(lists: impl Iterator<Item = Vec<T>>) -> Self {
        let lists: Vec<Vec<T>> = lists.collect();
        let mut values: Vec<T> = lists.iter().flatten().cloned().collect();
        values.sort();
        values.dedup();
        // Every value of every list is among them, so that the search finds it.
        let code = |value: &T| values.partition_point(|other| other < value);
        let code = |value: &T| u32::try_from(code(value)).unwrap_or(u32::MAX);
        let codes = lists
            .iter()
            .map(|list| list.iter().map(code).collect())
            .collect();
        Self { values, codes }
    }
}

/// Rates in the order of answers: product, SKU, price.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RateOrder(Rate);

impl Ord for RateOrder {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let names = |rate: &Rate| {
            (
                rate.product.to_ascii_lowercase(),
                rate.sku.to_ascii_lowercase(),
            )
        };
        let (left, right) = (&self.0, &other.0);
        let exact = |rate: &Rate| (rate.product.clone(), rate.sku.clone(), rate.unit.clone());
        names(left)
            .cmp(&names(right))
            .then(left.price.cmp(&right.price))
            .then_with(|| exact(left).cmp(&exact(right)))
    }
}

impl PartialOrd for RateOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

const BLOCK: usize = 1024;

/// The groups of one statement, in no order, under its own codes (0 where not grouped).
fn scan(
    statement: &Statement,
    query: &Query,
    period: Period,
    context: Context<'_>,
) -> Vec<(Key, Totals)> {
    let Some(selection) = Selection::new(statement, &query.filter, context) else {
        return Vec::new();
    };
    let mut groups = Groups::new(statement, query);
    let first = statement.first_hour().index();
    let hour = |hour: Hour| hour.index() - first;
    let (from, to) = (hour(period.from), hour(period.to));
    let start = statement
        .runs
        .partition_point(|run| i32::from(run.hour) < from);
    for (index, run) in statement.runs.iter().enumerate().skip(start) {
        if i32::from(run.hour) >= to {
            break;
        }
        if selection.wants_any(run.rates) {
            let lines = run.start as usize..statement.run_end(index);
            groups.add(&selection, lines);
        }
    }
    groups.cells.into_iter().collect()
}

/// Accumulates groups over blocks of lines.
struct Groups<'a> {
    statement: &'a Statement,
    by: [bool; 3],
    exact: bool,
    cells: HashMap<Key, Totals>,
    codes: [Vec<u32>; 4],
    numbers: [Vec<i64>; 4],
    matches: Vec<bool>,
}

impl<'a> Groups<'a> {
    fn new(statement: &'a Statement, query: &Query) -> Self {
        let columns = Self::number_columns(statement);
        Self {
            statement,
            by: [
                query.group.repository,
                query.group.repository,
                query.group.model,
            ],
            exact: columns.iter().all(|column| column.fits_i64()),
            cells: HashMap::new(),
            codes: std::array::from_fn(|_| vec![0; BLOCK]),
            numbers: std::array::from_fn(|_| vec![0; BLOCK]),
            matches: vec![true; BLOCK],
        }
    }

    fn number_columns(statement: &Statement) -> [&Packed; 4] {
        let columns = &statement.columns;
        [
            &columns.quantity,
            &columns.discount_quantity,
            &columns.gross,
            &columns.discount,
        ]
    }

    fn add(&mut self, selection: &Selection, lines: Range<usize>) {
        let mut start = lines.start;
        while start < lines.end {
            let count = BLOCK.min(lines.end - start);
            self.read(selection, start, count);
            self.sum(start, count);
            start += count;
        }
    }

    fn read(&mut self, selection: &Selection, start: usize, count: usize) {
        let columns = &self.statement.columns;
        columns.rate.read_codes(start, &mut self.codes[0][..count]);
        for (place, dimension) in GROUPS.into_iter().enumerate() {
            if self.by[place] {
                let codes = &mut self.codes[place + 1][..count];
                columns.names[dimension as usize].read_codes(start, codes);
            }
        }
        if self.exact {
            for (column, out) in Self::number_columns(self.statement)
                .iter()
                .zip(&mut self.numbers)
            {
                column.read_i64(start, &mut out[..count]);
            }
        }
        selection.matches(start, &self.codes[0][..count], &mut self.matches[..count]);
    }

    fn sum(&mut self, start: usize, count: usize) {
        let mut open: Option<(Key, Totals)> = None;
        for line in 0..count {
            if !self.matches[line] {
                continue;
            }
            let key: Key = std::array::from_fn(|place| self.codes[place][line]);
            let totals = self.totals(start, line);
            match &mut open {
                // Lines are sorted: neighbours mostly share their group.
                Some((last, sum)) if *last == key => *sum += totals,
                _ => {
                    if let Some((key, sum)) = open.replace((key, totals)) {
                        *self.cells.entry(key).or_default() += sum;
                    }
                }
            }
        }
        if let Some((key, sum)) = open {
            *self.cells.entry(key).or_default() += sum;
        }
    }

    fn totals(&self, start: usize, line: usize) -> Totals {
        let [quantity, discount_quantity, gross, discount] = if self.exact {
            std::array::from_fn(|column| i128::from(self.numbers[column][line]))
        } else {
            Self::number_columns(self.statement).map(|column| column.get(start + line))
        };
        Totals {
            quantity: Quantity::from_nanos(quantity),
            discount_quantity: Quantity::from_nanos(discount_quantity),
            gross: Amount::from_nanos(gross),
            discount: Amount::from_nanos(discount),
        }
    }
}
