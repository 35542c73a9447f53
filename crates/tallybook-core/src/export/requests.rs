//! Reports of premium requests and AI credits: made from the ledger, because they have columns that
//! no statement keeps.
//!
//! Invariant: the same lines count as in the statement, by the same fold. A report holds the SKUs
//! of its kind, and everything that imported reports of its kind named: AI-credit reports also have
//! premium requests. Rows are ordered by day, model, user, SKU, organization, repository, cost
//! center and quota. Only the rows of one month are held in memory.

use super::Cells;
use super::fields::{Extras, Fields, Row, Sums};
use super::lines::Selection;
use super::tokens::LineTokens;
use crate::catalog::Catalog;
use crate::dimension::Dimension;
use crate::fold::{Fold, ForeignCode, MergedSpellings, MonthPlan, Unrated};
use crate::hash::QuickMap;
use crate::ids::Digest;
use crate::ledger::chunk::{Chunk, Optional};
use crate::ledger::metered::rows;
use crate::ledger::metered::tokens::TokenSums;
use crate::name::Name;
use crate::rate::Rate;
use crate::rate::RateKey;
use crate::report::{Column, Layout, ReportKind};
use crate::time::Day;
use std::collections::HashMap;
use std::sync::Arc;

/// The numbers that only these reports have, in the order of their columns.
const NUMBERS: [Optional; 6] = [
    Optional::AicQuantity,
    Optional::AicGross,
    Optional::Input,
    Optional::Output,
    Optional::CacheRead,
    Optional::CacheWrite,
];

/// The index of the first token count among them.
const FIRST_TOKENS: usize = 2;

/// One, in billionths.
const NANOS: i128 = 1_000_000_000;

/// A row's key, in the codes of the fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    day: Day,
    rate: u32,
    names: [u32; 6],
    exceeds_quota: Option<bool>,
    quota: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Values {
    sums: Sums,
    /// From imported reports.
    numbers: [Option<i128>; 6],
    /// From events.
    tokens: TokenSums,
}

impl Values {
    fn add(&mut self, other: &Self) {
        self.sums.add(&other.sums);
        self.tokens.add(&other.tokens);
        for (sum, number) in self.numbers.iter_mut().zip(other.numbers) {
            *sum = sum_of(*sum, number);
        }
    }

    /// The totals of reports and events.
    fn all_numbers(&self) -> [Option<i128>; 6] {
        let mut numbers = self.numbers;
        for (number, count) in numbers[FIRST_TOKENS..].iter_mut().zip(self.tokens.known()) {
            *number = sum_of(*number, count.map(|count| count.saturating_mul(NANOS)));
        }
        if !self.tokens.all_known() {
            numbers[FIRST_TOKENS..].fill(None);
        }
        numbers
    }
}

fn sum_of(left: Option<i128>, right: Option<i128>) -> Option<i128> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.saturating_add(right)),
        (left, right) => left.or(right),
    }
}

/// A month of such a report under construction: feed it every chunk of the plan and the rows that
/// the plan names, like the fold of a statement.
pub struct Requests<'a> {
    fold: Fold<'a>,
    catalog: &'a Catalog,
    selection: Selection<'a>,
    has_repository: bool,
    rows: QuickMap<Key, Values>,
    quotas: Vec<Arc<str>>,
    quota_codes: HashMap<Arc<str>, u32>,
}

impl<'a> Requests<'a> {
    /// A month without rows.
    #[must_use]
    pub fn new(plan: &'a MonthPlan, catalog: &'a Catalog, selection: Selection<'a>) -> Self {
        Self {
            fold: plan.fold_names(catalog),
            catalog,
            selection,
            has_repository: Layout::written(selection.kind).has(Column::Repository),
            rows: QuickMap::default(),
            quotas: vec!["".into()],
            quota_codes: HashMap::from([("".into(), 0)]),
        }
    }

    /// Adds the lines of a chunk that count.
    pub fn add(
        &mut self,
        contender: usize,
        digest: Digest,
        chunk: &Chunk,
    ) -> Result<(), ForeignCode> {
        let foreign = || self.fold.foreign(contender, digest);
        let texts = self.fold.texts(contender);
        let mut quota_codes = Vec::with_capacity(texts.len());
        for text in texts {
            let next = u32::try_from(self.quotas.len()).map_err(|_| foreign())?;
            let code = *self.quota_codes.entry(Arc::clone(text)).or_insert(next);
            if code == next {
                self.quotas.push(Arc::clone(text));
            }
            quota_codes.push(code);
        }
        let numbers = NUMBERS.map(|column| values_of(chunk, column));
        let first = chunk.month.first_day().index();
        let mut missing = false;
        let (rows, selection) = (&mut self.rows, &self.selection);
        let has_repository = self.has_repository;
        // Anything named by an imported report of this kind belongs in this one, whatever its SKU.
        let is_named = self.fold.kind(contender) == selection.kind;
        self.fold
            .add_each(contender, digest, chunk, |fold, line, at| {
                let day = Day::from_index(first + i32::from(line.hour / 24));
                let is_held = is_named || selection.kind.is_about(fold.report_of(line.rate));
                if !is_held || !is_wanted(fold, selection, day, line.names) {
                    return;
                }
                let text = usize::try_from(chunk.texts[0].get(at)).ok();
                let Some(quota) = text.and_then(|text| quota_codes.get(text)) else {
                    missing = true;
                    return;
                };
                let key = Key {
                    day,
                    rate: line.rate,
                    names: shown_names(line.names, has_repository),
                    exceeds_quota: match chunk.exceeds_quota.get(at) {
                        1 => Some(false),
                        2 => Some(true),
                        _ => None,
                    },
                    quota: *quota,
                };
                let values = Values {
                    sums: Sums::derived(line.quantity, line.gross, line.discount),
                    numbers: std::array::from_fn(|place| numbers[place].get(at).copied().flatten()),
                    tokens: TokenSums::default(),
                };
                rows.entry(key).or_default().add(&values);
            })?;
        match missing {
            true => Err(self.fold.foreign(contender, digest)),
            false => Ok(()),
        }
    }

    /// Takes the rows that [`MonthPlan::stored_rows`] names.
    pub fn add_rows(&mut self, rows: Vec<rows::MeteredRow>) {
        self.fold.add_rows(rows);
    }

    /// Continues with the same month of another account, whose usage is merged with the rows so
    /// far.
    pub fn with_account(
        mut self,
        plan: &'a MonthPlan,
        organization: Option<&'a Name>,
    ) -> Result<Self, Unrated> {
        self.add_metered()?;
        self.fold = self.fold.with_plan(plan);
        self.selection.organization = organization;
        Ok(self)
    }

    /// Adds usage from events, and sorts; fails when an amount overflows.
    pub fn finish(mut self) -> Result<Sorted, Unrated> {
        self.add_metered()?;
        Ok(self.sorted())
    }

    fn add_metered(&mut self) -> Result<(), Unrated> {
        let metered = self.fold.metered()?;
        let tokens = LineTokens::new(&mut self.fold, self.catalog)?;
        let (summary, lines) = (metered.summary(), metered.lines());
        let first = summary.month().first_day().index();
        for (run, rows) in summary.lines.rows_by_run() {
            let day = Day::from_index(first + i32::from(run.hour / 24));
            for at in rows {
                let rate = &summary.rates[lines.rate.code(at) as usize];
                if !rate.is_in(self.selection.kind) {
                    continue;
                }
                let names = Dimension::ALL.map(|dimension| {
                    let column = &lines.names[dimension as usize];
                    let code = column.as_ref().map_or(0, |column| column.code(at));
                    let text = &summary.names(dimension)[code as usize];
                    self.fold.builder().name(dimension, text)
                });
                let (rate_of_line, report) = (&rate.rate, rate.report);
                let builder = self.fold.builder();
                let rate = builder.rate(RateKey::of(rate_of_line), report);
                if !is_wanted(builder, &self.selection, day, names) {
                    continue;
                }
                let sums = Sums::of(lines, at);
                let key = Key {
                    day,
                    rate,
                    names: shown_names(names, self.has_repository),
                    // Usage within the included amount is fully discounted.
                    exceeds_quota: Some(sums.gross != sums.discount()),
                    quota: 0,
                };
                let counts = tokens.of(run.hour, &rate_of_line.sku, names);
                let values = Values {
                    sums,
                    numbers: [None; 6],
                    tokens: counts.copied().unwrap_or_default(),
                };
                self.rows.entry(key).or_default().add(&values);
            }
        }
        Ok(())
    }

    fn sorted(mut self) -> Sorted {
        let builder = self.fold.builder();
        let (names, name_ranks) = builder.sorted_names();
        let (rates, rate_ranks) = builder.sorted_rates();
        let ranked = |(key, values): (Key, Values)| {
            let names = std::array::from_fn(|place| match key.names[place] {
                ABSENT => ABSENT,
                code => name_ranks[place][code as usize],
            });
            let rate = rate_ranks[key.rate as usize];
            (Key { rate, names, ..key }, values)
        };
        let mut rows: Vec<(Key, Values)> = self.rows.drain().map(ranked).collect();
        let quotas = self.quotas;
        rows.sort_unstable_by(|(left, _), (right, _)| {
            let order = |key: &Key| {
                let [organization, repository, user, model, _, center] = key.names;
                let place = [model, user, key.rate, organization, repository, center];
                (key.day, place, key.exceeds_quota)
            };
            let quota = |key: &Key| &*quotas[key.quota as usize];
            (order(left), quota(left)).cmp(&(order(right), quota(right)))
        });
        Sorted {
            names,
            rates,
            quotas,
            rows,
            kind: self.selection.kind,
            cells: self.selection.cells,
        }
    }
}

/// The code for a dimension that the report lacks.
const ABSENT: u32 = u32::MAX;

/// The names in a row's key: no report of requests has workflows.
fn shown_names(mut names: [u32; 6], has_repository: bool) -> [u32; 6] {
    names[Dimension::Workflow as usize] = ABSENT;
    if !has_repository {
        names[Dimension::Repository as usize] = ABSENT;
    }
    names
}

fn is_wanted(
    builder: &crate::statement::build::StatementBuilder,
    selection: &Selection<'_>,
    day: Day,
    names: [u32; 6],
) -> bool {
    let organization = names[Dimension::Organization as usize];
    let shown = |only: &Name| {
        let dimension = Dimension::Organization;
        builder.name_of(dimension, organization) == dimension.fold(only.as_str())
    };
    selection.days.contains(day) && selection.organization.is_none_or(shown)
}

/// An optional column, one entry per line; empty when no line has a value.
fn values_of(chunk: &Chunk, column: Optional) -> Vec<Option<i128>> {
    let (present, values) = &chunk.optional[column as usize];
    if values.is_empty() {
        return Vec::new();
    }
    let mut values = values.iter();
    let value = |present: i128| if present == 1 { values.next() } else { None };
    present.iter().map(value).collect()
}

/// A month's rows, sorted.
pub struct Sorted {
    kind: ReportKind,
    cells: Cells,
    names: [Vec<Box<str>>; 6],
    rates: Vec<Rate>,
    quotas: Vec<Arc<str>>,
    rows: Vec<(Key, Values)>,
}

impl Sorted {
    /// Passes every row to `line`, as written to the file.
    pub fn write<E>(
        &self,
        spellings: MergedSpellings<'_>,
        line: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let names = Dimension::ALL.map(|dimension| &*self.names[dimension as usize]);
        let mut fields = Fields::new(self.kind, names, self.rates.iter(), spellings, self.cells);
        let mut day = None;
        let mut text = Vec::new();
        for (key, values) in &self.rows {
            if day != Some(key.day) {
                day = Some(key.day);
                fields.begin(key.day);
            }
            let row = Row {
                rate: key.rate,
                names: key.names,
                sums: values.sums,
                extras: Extras {
                    exceeds_quota: key.exceeds_quota,
                    total_monthly_quota: &self.quotas[key.quota as usize],
                    numbers: values.all_numbers(),
                },
            };
            fields.print(row, &mut text, line)?;
        }
        Ok(())
    }
}
