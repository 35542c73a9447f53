//! Answering: filter and group statements' columns.
//!
//! Invariant: each line is counted in exactly one row, by integer addition only, so that every
//! view of the same usage adds up to the same total. Columns are read in blocks; runs of lines
//! that cannot match are skipped whole.

use super::select::Selection;
use super::{Grain, Query, Rate, Row, Totals};
use crate::catalog::Catalog;
use crate::fold::Spellings;
use crate::hash::QuickMap;
use crate::ledger::record::Dimension;
use crate::money::{Amount, Quantity};
use crate::name::{Name, compare};
use crate::statement::{Source, Summary};
use crate::time::{Hour, Month};
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
    statements: Vec<Arc<Summary>>,
    /// Each rate as a statement's place and its code there, in the order of answers.
    rates: Vec<(usize, u32)>,
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
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// The row at a place, from 0: long answers are written some rows at a time.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        let ([rate, organization, repository, model], totals) = self.cells.get(index)?;
        Some(Row {
            start: self.start,
            rate: self.rate(self.rates[*rate as usize]),
            organization: &self.names[0][*organization as usize],
            repository: &self.names[1][*repository as usize],
            model: &self.names[2][*model as usize],
            totals: *totals,
        })
    }

    fn rate(&self, (statement, code): (usize, u32)) -> &Rate {
        &self.statements[statement].rates[code as usize].rate
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

/// A month was given without the lines that [`Query::needs_lines`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lines of {0} are needed and were not given")]
pub struct LinesMissing(pub Month);

/// Answers for one period from what is at hand of its months.
pub fn answer(
    query: &Query,
    period: Period,
    sources: &[Source],
    context: Context<'_>,
) -> Result<PeriodAnswer, LinesMissing> {
    let mut buffers = Buffers::default();
    let mut scans = Vec::new();
    for source in sources {
        let cells = scan(source, query, period, context, &mut buffers)?;
        if !cells.is_empty() {
            scans.push((Arc::clone(source.summary()), cells));
        }
    }
    let (rates, rate_codes) = merge_rates(&scans);
    let grouped = [
        query.group.repository,
        query.group.repository,
        query.group.model,
    ];
    let names = [0, 1, 2].map(|place| {
        if grouped[place] {
            merge_names(&scans, place, context)
        } else {
            ungrouped(&scans)
        }
    });
    let translate = |place: usize, key: &Key| {
        let name = |dimension: usize| {
            let codes: &Vec<u32> = &names[dimension].codes[place];
            codes.get(key[dimension + 1] as usize).copied().unwrap_or(0)
        };
        [
            rate_codes[place][key[0] as usize],
            name(0),
            name(1),
            name(2),
        ]
    };
    let scanned = scans.iter().enumerate().flat_map(|(place, (_, cells))| {
        cells.iter().map(move |(key, totals)| (place, key, *totals))
    });
    let translated = scanned.map(|(place, key, totals)| (translate(place, key), totals));
    let cells = if grouped.contains(&true) {
        let mut cells: Vec<(Key, Totals)> = translated.collect();
        merge(&mut cells);
        cells
    } else {
        by_rate(rates.len(), translated)
    };
    let names = names.map(|merged| merged.shown);
    let statements = scans.into_iter().map(|(statement, _)| statement).collect();
    Ok(PeriodAnswer {
        start: period.start,
        statements,
        rates,
        names,
        cells,
    })
}

/// The groups when rates alone group: each has its place.
fn by_rate(rates: usize, cells: impl Iterator<Item = (Key, Totals)>) -> Vec<(Key, Totals)> {
    let place = |rate: u32| ([rate, 0, 0, 0], Totals::default());
    let mut sums: Vec<(Key, Totals)> = (0..).take(rates).map(place).collect();
    for (key, totals) in cells {
        sums[key[0] as usize].1 += totals;
    }
    sums
}

/// Sorts groups, and adds up those of the same key.
fn merge(cells: &mut Vec<(Key, Totals)>) {
    cells.sort_unstable_by_key(|(key, _)| *key);
    cells.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
}

/// Groups of one statement, under its own codes.
type Scan = (Arc<Summary>, Vec<(Key, Totals)>);

/// By statement, then its own code, the code in the answer.
type Codes = Vec<Vec<u32>>;

/// The rates in the order of answers: product, SKU, price.
fn merge_rates(scans: &[Scan]) -> (Vec<(usize, u32)>, Codes) {
    let mut distinct: Vec<(usize, u32)> = Vec::new();
    let mut by_key: QuickMap<u64, u32> = QuickMap::default();
    let mut codes: Codes = Vec::with_capacity(scans.len());
    let rate = |(place, code): (usize, u32)| &scans[place].0.rates[code as usize];
    for (place, (statement, cells)) in scans.iter().enumerate() {
        let mut own = vec![u32::MAX; statement.rates.len()];
        for (key, _) in cells {
            let slot = &mut own[key[0] as usize];
            if *slot != u32::MAX {
                continue;
            }
            let this = &statement.rates[key[0] as usize];
            let is = |at: &u32| rate(distinct[*at as usize]).rate == this.rate;
            let hashed = by_key.get(&this.key).copied();
            let known = match hashed.filter(is) {
                // Two rates of one hash: look at every one.
                None if hashed.is_some() => (0..).take(distinct.len()).find(is),
                known => known,
            };
            *slot = known.unwrap_or_else(|| {
                let at = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
                distinct.push((place, key[0]));
                by_key.entry(this.key).or_insert(at);
                at
            });
        }
        codes.push(own);
    }
    let mut order: Vec<u32> = (0..).take(distinct.len()).collect();
    order.sort_by(|left, right| {
        let of = |at: &u32| &rate(distinct[*at as usize]).rate;
        compare_rates(of(left), of(right))
    });
    let mut ranks = vec![0; order.len()];
    order
        .iter()
        .zip(0u32..)
        .for_each(|(at, rank)| ranks[*at as usize] = rank);
    for code in codes.iter_mut().flatten() {
        *code = ranks.get(*code as usize).copied().unwrap_or(u32::MAX);
    }
    (
        order.into_iter().map(|at| distinct[at as usize]).collect(),
        codes,
    )
}

fn compare_rates(left: &Rate, right: &Rate) -> std::cmp::Ordering {
    let exact = |rate: &Rate| (rate.product.clone(), rate.sku.clone(), rate.unit.clone());
    compare(&left.product, &right.product)
        .then_with(|| compare(&left.sku, &right.sku))
        .then(left.price.cmp(&right.price))
        .then_with(|| exact(left).cmp(&exact(right)))
}

/// The names of one dimension, as they are shown, and their codes.
struct MergedNames {
    shown: Vec<Arc<str>>,
    codes: Codes,
}

fn ungrouped(scans: &[Scan]) -> MergedNames {
    MergedNames {
        shown: vec!["".into()],
        codes: vec![Vec::new(); scans.len()],
    }
}

fn merge_names(scans: &[Scan], place: usize, context: Context<'_>) -> MergedNames {
    let dimension = GROUPS[place];
    let mut used: Vec<(&str, usize, u32)> = Vec::new();
    let mut codes: Codes = Vec::with_capacity(scans.len());
    for (scan, (statement, cells)) in scans.iter().enumerate() {
        let names = statement.names(dimension);
        let mut own = vec![u32::MAX; names.len()];
        cells
            .iter()
            .for_each(|(key, _)| own[key[place + 1] as usize] = 0);
        let present = (0u32..).zip(&own).filter(|(_, mark)| **mark == 0);
        used.extend(present.map(|(code, _)| (&*names[code as usize], scan, code)));
        codes.push(own);
    }
    if scans.len() > 1 {
        used.sort_unstable();
    }
    let mut shown: Vec<Arc<str>> = Vec::new();
    let mut last = None;
    for (folded, scan, code) in used {
        if last != Some(folded) {
            last = Some(folded);
            let spelled = context.spellings.find(dimension, folded);
            shown.push(spelled.map_or_else(|| folded.into(), Arc::clone));
        }
        codes[scan][code as usize] = u32::try_from(shown.len() - 1).unwrap_or(u32::MAX);
    }
    MergedNames { shown, codes }
}

const BLOCK: usize = 1024;

/// Columns of a block of rows, unpacked; made once an answer.
#[derive(Default)]
struct Buffers {
    codes: [Vec<u32>; 4],
    numbers: [Vec<i64>; 4],
    compared: Vec<u32>,
    matches: Vec<bool>,
}

impl Buffers {
    fn grow(&mut self, rows: usize) {
        if self.matches.len() < rows {
            self.codes
                .iter_mut()
                .for_each(|codes| codes.resize(rows, 0));
            self.numbers
                .iter_mut()
                .for_each(|numbers| numbers.resize(rows, 0));
            self.compared.resize(rows, 0);
            self.matches.resize(rows, true);
        }
    }
}

/// The groups of one statement, in no order, under its own codes (0 where not grouped).
fn scan(
    source: &Source,
    query: &Query,
    period: Period,
    context: Context<'_>,
    buffers: &mut Buffers,
) -> Result<Vec<(Key, Totals)>, LinesMissing> {
    let Some(selection) = Selection::new(source, query, period, context)? else {
        return Ok(Vec::new());
    };
    let rows = selection
        .ranges
        .iter()
        .map(|(start, end)| end - start)
        .max()
        .unwrap_or(0);
    buffers.grow(rows.min(BLOCK));
    let by = [
        query.group.repository,
        query.group.repository,
        query.group.model,
    ];
    for (codes, by) in buffers.codes[1..].iter_mut().zip(by) {
        if !by {
            codes.fill(0);
        }
    }
    let exact = selection
        .table
        .numbers()
        .iter()
        .all(|column| column.fits_i64());
    let mut groups = Groups {
        selection: &selection,
        by,
        exact,
        open: None,
        cells: Vec::new(),
        most: FEW_GROUPS,
    };
    for (start, end) in &selection.ranges {
        for block in (*start..*end).step_by(BLOCK) {
            groups.add(buffers, block, BLOCK.min(end - block));
        }
    }
    Ok(groups.finish())
}

/// Accumulates groups over blocks of rows.
struct Groups<'a> {
    selection: &'a Selection<'a>,
    by: [bool; 3],
    /// Whether every number fits 64 bits, as all but absurd ones do.
    exact: bool,
    /// The group of the last row: rows are sorted, neighbours mostly share their group.
    open: Option<(Key, Totals)>,
    /// Groups that ended; one that came back is there again until [`merge`].
    cells: Vec<(Key, Totals)>,
    /// When to merge: memory is bounded by the number of groups, not of rows.
    most: usize,
}

/// So many groups are kept before they are merged.
const FEW_GROUPS: usize = 4096;

impl Groups<'_> {
    fn add(&mut self, buffers: &mut Buffers, start: usize, count: usize) {
        let table = self.selection.table;
        table.rate.read_codes(start, &mut buffers.codes[0][..count]);
        for (place, dimension) in GROUPS.into_iter().enumerate() {
            if let (true, Some(column)) = (self.by[place], &table.names[dimension as usize]) {
                column.read_codes(start, &mut buffers.codes[place + 1][..count]);
            }
        }
        if self.exact {
            for (column, out) in table.numbers().iter().zip(&mut buffers.numbers) {
                column.read_i64(start, &mut out[..count]);
            }
        }
        let (rates, compared) = (&buffers.codes[0][..count], &mut buffers.compared[..count]);
        self.selection
            .matches(start, rates, compared, &mut buffers.matches[..count]);
        for row in 0..count {
            if buffers.matches[row] {
                let key: Key = std::array::from_fn(|place| buffers.codes[place][row]);
                self.sum(key, self.totals(buffers, start, row));
            }
        }
    }

    fn sum(&mut self, key: Key, totals: Totals) {
        match &mut self.open {
            Some((last, sum)) if *last == key => *sum += totals,
            _ => {
                if let Some(ended) = self.open.replace((key, totals)) {
                    self.end(ended);
                }
            }
        }
    }

    fn end(&mut self, group: (Key, Totals)) {
        self.cells.push(group);
        if self.cells.len() >= self.most {
            merge(&mut self.cells);
            self.most = FEW_GROUPS.max(2 * self.cells.len());
        }
    }

    fn totals(&self, buffers: &Buffers, start: usize, row: usize) -> Totals {
        let [quantity, discount_quantity, gross, discount] = if self.exact {
            std::array::from_fn(|column| i128::from(buffers.numbers[column][row]))
        } else {
            self.selection
                .table
                .numbers()
                .map(|column| column.get(start + row))
        };
        Totals {
            quantity: Quantity::from_nanos(quantity),
            discount_quantity: Quantity::from_nanos(discount_quantity),
            gross: Amount::from_nanos(gross),
            discount: Amount::from_nanos(discount),
        }
    }

    fn finish(mut self) -> Vec<(Key, Totals)> {
        self.cells.extend(self.open);
        self.cells
    }
}
