//! How a statement is made: collect lines under temporary codes, then sort and renumber.

use super::encode::LINES_APART;
use super::numbers::{Numbers, gather};
use super::table::{RollupKind, Table};
use super::{Extent, Run, Statement, StatementRate, Summary, rank};
use crate::dimension::Dimension;
use crate::money::{Amount, Quantity, discount_quantity};
use crate::name::Name;
use crate::packed::Packed;
use crate::rate::{Rate, RateKey};
use crate::report::ReportKind;
use crate::shares::Divided;
use crate::time::Month;
use std::collections::HashMap;
use std::sync::Arc;

/// Peak memory per line while a statement is built, in bytes: the collected line (54), plus its
/// sort key and number (16, rarely 32) or the columns being packed.
pub const BYTES_A_LINE: usize = 80;

/// With fewer lines per row, sums by day would not save enough time to justify their memory.
const LINES_A_ROW: usize = 2;

/// Collects the lines of one month, in any order.
#[derive(Debug)]
pub struct StatementBuilder {
    month: Month,
    names: [Codes<String>; 6],
    rates: Codes<RateKey>,
    reports: Vec<Option<ReportKind>>,
    hour: Vec<u16>,
    rate: Vec<u32>,
    codes: [Vec<u32>; 6],
    quantity: Numbers,
    gross: Numbers,
    discount: Numbers,
}

/// One line under the builder's codes.
#[derive(Debug, Clone, Copy)]
pub struct BuilderLine {
    /// Hours since the start of the month.
    pub hour: u16,
    /// From [`StatementBuilder::rate`].
    pub rate: u32,
    /// From [`StatementBuilder::name`].
    pub names: [u32; 6],
    /// In billionths.
    pub quantity: i128,
    /// In billionths of a dollar.
    pub gross: i128,
    /// In billionths of a dollar.
    pub discount: i128,
}

impl StatementBuilder {
    /// A month without lines.
    #[must_use]
    pub fn new(month: Month) -> Self {
        Self {
            month,
            names: Default::default(),
            rates: Codes::default(),
            reports: Vec::new(),
            hour: Vec::new(),
            rate: Vec::new(),
            codes: Default::default(),
            quantity: Numbers::default(),
            gross: Numbers::default(),
            discount: Numbers::default(),
        }
    }

    /// Reserves space for this many lines: columns that grow as they fill take up to twice as much.
    pub fn reserve(&mut self, lines: usize) {
        self.hour.reserve_exact(lines);
        self.rate.reserve_exact(lines);
        self.codes
            .iter_mut()
            .for_each(|column| column.reserve_exact(lines));
        [&mut self.quantity, &mut self.gross, &mut self.discount]
            .into_iter()
            .for_each(|column| column.reserve(lines));
    }

    /// The code of a name.
    pub fn name(&mut self, dimension: Dimension, text: &str) -> u32 {
        self.names[dimension as usize].code(dimension.fold(text))
    }

    /// The code of a rate; `report` is the request-level report that its SKU belongs to, if any.
    pub fn rate(&mut self, key: RateKey, report: Option<ReportKind>) -> u32 {
        let code = self.rates.code(key);
        if self.reports.len() <= code as usize {
            self.reports.push(report);
        }
        code
    }

    /// The folded name of a code.
    pub(crate) fn name_of(&self, dimension: Dimension, code: u32) -> &str {
        &self.names[dimension as usize].values[code as usize]
    }

    /// The request-level report that a rate's SKU belongs to.
    pub(crate) fn report_of(&self, rate: u32) -> Option<ReportKind> {
        self.reports[rate as usize]
    }

    /// Every name, sorted, and the index of each code in that order.
    pub(crate) fn sorted_names(&self) -> ([Vec<Box<str>>; 6], [Vec<u32>; 6]) {
        let sorted = Dimension::ALL.map(|dimension| self.names[dimension as usize].all_sorted());
        let mut names: [Vec<Box<str>>; 6] = Default::default();
        let mut ranks: [Vec<u32>; 6] = Default::default();
        for (place, (list, places)) in sorted.into_iter().enumerate() {
            names[place] = list.into_iter().map(String::into_boxed_str).collect();
            ranks[place] = places;
        }
        (names, ranks)
    }

    /// Every rate, sorted, and the index of each code in that order.
    pub(crate) fn sorted_rates(&self) -> (Vec<Rate>, Vec<u32>) {
        let (keys, ranks) = self.rates.all_sorted();
        (keys.into_iter().map(rate).collect(), ranks)
    }

    /// Adds a line.
    pub fn push(&mut self, line: BuilderLine) {
        self.hour.push(line.hour);
        self.rate.push(line.rate);
        self.codes
            .iter_mut()
            .zip(line.names)
            .for_each(|(column, code)| column.push(code));
        self.quantity.push(line.quantity);
        self.gross.push(line.gross);
        self.discount.push(line.discount);
    }

    /// Adds the lines of another statement of the month: all of them, or those of one organization.
    pub fn add_lines(&mut self, summary: &Summary, lines: &Table, organization: Option<&Name>) {
        let only = match organization.map(|name| summary.code(Dimension::Organization, name)) {
            Some(None) => return,
            Some(code) => code,
            None => None,
        };
        const UNKNOWN: u32 = u32::MAX;
        let mut names =
            Dimension::ALL.map(|dimension| vec![UNKNOWN; summary.names(dimension).len()]);
        let mut rates = vec![UNKNOWN; summary.rates.len()];
        for (run, rows) in summary.lines.rows_by_run() {
            for at in rows {
                let codes = Dimension::ALL.map(|dimension| {
                    let column = lines.names[dimension as usize].as_ref();
                    column.map_or(0, |column| column.code(at))
                });
                if only.is_some_and(|only| only != codes[Dimension::Organization as usize]) {
                    continue;
                }
                let rate = lines.rate.code(at);
                if rates[rate as usize] == UNKNOWN {
                    let known = &summary.rates[rate as usize];
                    let key = RateKey::of(&known.rate);
                    rates[rate as usize] = self.rate(key, known.report);
                }
                let translated = Dimension::ALL.map(|dimension| {
                    let code = codes[dimension as usize] as usize;
                    let own = &mut names[dimension as usize][code];
                    if *own == UNKNOWN {
                        *own = self.name(dimension, &summary.names(dimension)[code]);
                    }
                    *own
                });
                let [gross, discount] = lines.gross.get(at);
                self.push(BuilderLine {
                    hour: run.hour,
                    rate: rates[rate as usize],
                    names: translated,
                    quantity: lines.quantity.whole.get(at),
                    gross,
                    discount,
                });
            }
        }
    }

    /// Sorts and renumbers the lines, and makes the statement.
    #[must_use]
    pub fn finish(mut self) -> Statement {
        let used = self.codes.iter().map(|column| column.as_slice());
        let (names, ranks): (Vec<_>, Vec<_>) = self
            .names
            .iter_mut()
            .zip(used)
            .map(|(codes, used)| std::mem::take(codes).sorted(used))
            .unzip();
        for (column, ranks) in self.codes.iter_mut().zip(&ranks) {
            column
                .iter_mut()
                .for_each(|code| *code = ranks[*code as usize]);
        }
        let (rate_keys, rate_ranks) = std::mem::take(&mut self.rates).sorted(&self.rate);
        self.rate
            .iter_mut()
            .for_each(|code| *code = rate_ranks[*code as usize]);
        let mut reports = vec![None; rate_keys.len()];
        for (rank, report) in rate_ranks.iter().zip(&self.reports) {
            if let Some(sorted) = reports.get_mut(*rank as usize) {
                *sorted = *report;
            }
        }
        let sku_of = sku_ranks(&rate_keys);
        let order = self.order(&sku_of, &names);
        let runs = self.runs(&order, &sku_of);
        let rates = rate_keys.into_iter().zip(reports);
        let mut rates: Vec<_> = rates.map(statement_rate).collect();
        rank(&mut rates);
        let mut lists = names.into_iter().map(|list| {
            list.into_iter()
                .map(String::into_boxed_str)
                .collect::<Vec<_>>()
        });
        let names = std::array::from_fn(|_| lists.next().unwrap_or_default());
        let month = self.month;
        let lines = self.lines(&order);
        let is_request = |rate: u32| rates[rate as usize].is_request();
        let rollups = RollupKind::ALL.map(|kind| kind.of(&lines, is_request));
        let extent = Extent {
            runs,
            count: lines.len(),
            memory: lines.memory(),
        };
        let summary = Summary {
            month,
            names,
            rates,
            rollups,
            lines: extent,
            days: None,
        };
        let statement = Statement {
            summary: Arc::new(summary),
            lines: Arc::new(lines),
            days: None,
        };
        // A short statement has its lines in the summary's blob, and is quick to read.
        if statement.len() < LINES_APART {
            statement
        } else {
            statement.with_days(LINES_A_ROW)
        }
    }

    /// Line numbers in the order of the statement.
    fn order(&self, sku_of: &[u32], names: &[Vec<String>]) -> Vec<u32> {
        // As many leading parts of the sort key as fit are packed into one integer; the rest,
        // including tie-breakers that make the bytes independent of arrival order, is compared
        // separately.
        let mut widths = vec![bits(744), bits(sku_of.len())];
        widths.extend(names.iter().map(|list| bits(list.len())));
        let mut fitting = 128;
        let fits = |width: &&u32| match u32::checked_sub(fitting, **width) {
            Some(left) => {
                fitting = left;
                true
            }
            None => false,
        };
        let widths: Vec<u32> = widths.iter().take_while(fits).copied().collect();
        let key = |line: usize| {
            let first = [u32::from(self.hour[line]), sku_of[self.rate[line] as usize]];
            let rest = self.codes.iter().map(|column| column[line]);
            let parts = first.into_iter().chain(rest).zip(&widths);
            parts.fold(0u128, |key, (code, width)| {
                (key << width) | u128::from(code)
            })
        };
        if widths.iter().sum::<u32>() <= 64 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the widths add up to 64 bits"
            )]
            self.sorted(|line| key(line) as u64)
        } else {
            self.sorted(key)
        }
    }

    fn sorted<K: Ord>(&self, key: impl Fn(usize) -> K) -> Vec<u32> {
        let tie = |line: u32| {
            let line = line as usize;
            let codes: [u32; 6] = std::array::from_fn(|dimension| self.codes[dimension][line]);
            let sums = [&self.quantity, &self.gross, &self.discount].map(|column| column.get(line));
            (codes, self.rate[line], sums)
        };
        let mut keyed: Vec<(K, u32)> = (0..self.rate.len()).map(key).zip(0u32..).collect();
        keyed.sort_unstable_by(|left, right| {
            left.0
                .cmp(&right.0)
                .then_with(|| tie(left.1).cmp(&tie(right.1)))
        });
        let mut order: Vec<u32> = keyed.into_iter().map(|(_, line)| line).collect();
        // It is collected in place, reusing the keys' allocation.
        order.shrink_to_fit();
        order
    }

    fn runs(&self, order: &[u32], sku_of: &[u32]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last = None;
        for (place, line) in order.iter().enumerate() {
            let line = *line as usize;
            let sku = sku_of[self.rate[line] as usize];
            if last != Some((self.hour[line], sku)) {
                last = Some((self.hour[line], sku));
                let first = sku_of.partition_point(|other| *other < sku);
                let end = sku_of.partition_point(|other| *other <= sku);
                #[expect(clippy::cast_possible_truncation, reason = "fewer than 2^32 of each")]
                runs.push(Run {
                    hour: self.hour[line],
                    rates: (first as u32, end as u32),
                    start: place as u32,
                });
            }
        }
        runs
    }

    fn lines(mut self, order: &[u32]) -> Table {
        self.hour = Vec::new();
        let mut discounted = Numbers::Narrow(Vec::with_capacity(order.len()));
        order
            .iter()
            .for_each(|line| discounted.push(self.discounted(*line)));
        let discount_quantity = discounted.pack();
        let codes = |column: Vec<u32>| Packed::new(&gather(column, order));
        Table {
            rate: codes(self.rate),
            names: self.codes.map(|column| Some(codes(column))),
            quantity: Divided::new(self.quantity.gather(order), &discount_quantity),
            gross: Divided::new(self.gross.gather(order), &self.discount.gather(order)),
        }
    }

    fn discounted(&self, line: u32) -> i128 {
        let line = line as usize;
        discount_quantity(
            Quantity::from_nanos(self.quantity.get(line)),
            Amount::from_nanos(self.discount.get(line)),
            Amount::from_nanos(self.gross.get(line)),
        )
        .nanos()
    }
}

fn statement_rate((key, report): (RateKey, Option<ReportKind>)) -> StatementRate {
    StatementRate::new(rate(key), report)
}

fn rate(key: RateKey) -> Rate {
    Rate {
        product: key.product.into(),
        sku: key.sku.into(),
        unit: key.unit.into(),
        price: key.price,
    }
}

/// By rate, the rank of its SKU.
fn sku_ranks(rates: &[RateKey]) -> Vec<u32> {
    let mut rank = 0;
    let mut ranks = Vec::with_capacity(rates.len());
    for (index, key) in rates.iter().enumerate() {
        if index > 0 && rates[index - 1].folded_sku != key.folded_sku {
            rank += 1;
        }
        ranks.push(rank);
    }
    ranks
}

/// The number of bits for a code below `count`.
fn bits(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}

#[derive(Debug)]
struct Codes<T> {
    values: Vec<T>,
    codes: HashMap<T, u32>,
}

impl<T> Default for Codes<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            codes: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Ord + std::hash::Hash> Codes<T> {
    fn code(&mut self, value: T) -> u32 {
        if let Some(code) = self.codes.get(&value) {
            return *code;
        }
        let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.clone());
        self.codes.insert(value, code);
        code
    }

    /// Every value in order, and by code its index in that order.
    fn all_sorted(&self) -> (Vec<T>, Vec<u32>) {
        let mut keyed: Vec<(&T, u32)> = self.values.iter().zip(0u32..).collect();
        keyed.sort();
        let mut ranks = vec![0; keyed.len()];
        for ((_, code), rank) in keyed.iter().zip(0u32..) {
            ranks[*code as usize] = rank;
        }
        (
            keyed.into_iter().map(|(value, _)| value.clone()).collect(),
            ranks,
        )
    }

    /// The values in `used`, in order, and by code their index in that order (`u32::MAX` for unused
    /// values, so that the statement does not depend on them).
    fn sorted(self, used: &[u32]) -> (Vec<T>, Vec<u32>) {
        let mut ranks = vec![u32::MAX; self.values.len()];
        used.iter().for_each(|code| ranks[*code as usize] = 0);
        let keyed = self.values.into_iter().zip(0u32..);
        let mut keyed: Vec<(T, u32)> = keyed
            .filter(|(_, code)| ranks[*code as usize] == 0)
            .collect();
        keyed.sort();
        for ((_, code), rank) in keyed.iter().zip(0u32..) {
            ranks[*code as usize] = rank;
        }
        (keyed.into_iter().map(|(value, _)| value).collect(), ranks)
    }
}
