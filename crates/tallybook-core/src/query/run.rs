//! Answering: filter and group statements' columns, a period at a time.
//!
//! Invariant: each line is counted in exactly one row, so that every view of the same usage adds up
//! to the same total. Look next: [`super::select`] for which rows of which table are added up,
//! [`groups`](crate::statement::groups) for how, [`super::merge`] for how the groups of several
//! statements become one answer.

use super::merge::{GROUPS, Names, merged};
use super::rates::RateOrder;
use super::select::Selection;
use super::{Asked, Context, Group, Period, Query, Rate, Row, Sums, TableMissing, Totals};
use crate::statement::Source;
use crate::statement::groups::{Block, Cell, Key, Rows, groups};
use crate::time::Hour;
use std::sync::Arc;

/// The rows of one period.
#[derive(Debug)]
pub struct PeriodAnswer<S = Totals> {
    start: Hour,
    /// In the order of answers; not each has a row.
    rates: Vec<Arc<Rate>>,
    /// By code, as they are shown; `None` is `""`, or has no row.
    names: [Names; 3],
    cells: Vec<Cell<S>>,
}

impl<S: Sums> PeriodAnswer<S> {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_, S>> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// The row at an index, from 0: long answers are written a few rows at a time.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<'_, S>> {
        let (key, totals) = self.cells.get(index)?;
        let [rate, organization, repository, model] = key.codes();
        Some(Row {
            start: self.start,
            rate: &self.rates[rate as usize],
            organization: self.name(0, organization),
            repository: self.name(1, repository),
            model: self.name(2, model),
            totals: *totals,
        })
    }

    fn name(&self, dimension: usize, code: u32) -> &str {
        self.names[dimension][code as usize]
            .as_deref()
            .unwrap_or_default()
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

/// Answers for one period from the loaded tables of an account's months.
pub fn answer<S: Sums>(
    query: &Query,
    period: Period,
    sources: &[Source],
    context: Context<'_>,
) -> Result<PeriodAnswer<S>, TableMissing> {
    let asked = sources.iter().map(|source| Asked { query, source });
    let asked: Vec<Asked<'_>> = asked.collect();
    answer_merged(&asked, period, context)
}

/// Answers for one period from the loaded tables of several accounts' months, as if they were one
/// account.
pub fn answer_merged<S: Sums>(
    asked: &[Asked<'_>],
    period: Period,
    context: Context<'_>,
) -> Result<PeriodAnswer<S>, TableMissing> {
    let order = RateOrder::new(asked.iter().map(|asked| asked.source.summary()));
    let group = asked.first().map(|asked| asked.query.group);
    let group = group.unwrap_or_default();
    let (names, cells) = if group == Group::default() {
        let sums = order.sums(period, asked, context)?;
        let cells = sums.into_iter().zip(0..).filter_map(|(sums, place)| {
            let key = Key::new([place, 0, 0, 0]);
            sums.map(|sums| (key, sums))
        });
        ([0; 3].map(|_| vec![None]), cells.collect())
    } else {
        by_names(asked, &order, group, period, context)?
    };
    Ok(PeriodAnswer {
        start: period.start,
        rates: order.into_rates(),
        names,
        cells,
    })
}

/// The groups by rate and by names.
fn by_names<S: Sums>(
    asked: &[Asked<'_>],
    order: &RateOrder,
    group: Group,
    period: Period,
    context: Context<'_>,
) -> Result<([Names; 3], Vec<Cell<S>>), TableMissing> {
    let by = group.by();
    let mut block = Block::default();
    let mut scans = Vec::new();
    for (Asked { query, source }, rates) in asked.iter().zip(order.places()) {
        let Some(selection) = Selection::new(source, query, period, context)? else {
            continue;
        };
        let column = |place: usize| selection.table.names[GROUPS[place] as usize].as_ref();
        let rows = Rows {
            table: selection.table,
            ranges: &selection.ranges,
            matching: &selection,
            rates,
            names: [0, 1, 2].map(|place| column(place).filter(|_| by[place])),
        };
        let groups = groups(&rows, selection.expected_groups(), &mut block);
        if !groups.cells.is_empty() {
            scans.push((&**source.summary(), groups));
        }
    }
    Ok(merged(scans, by, context))
}
