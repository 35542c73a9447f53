//! Answering: filter and group statements' columns, a period at a time.
//!
//! Invariant: each line is counted in exactly one row, so that every view of the same usage adds up
//! to the same total. Look next: [`super::scan`] for how a statement's lines are added up,
//! [`super::merge`] for how the groups of several statements become one answer.

use super::day::a_day;
use super::merge::{by_rate, merge_names, merge_rates, translated, ungrouped};
use super::scan::scan;
use super::select::Selection;
use super::{Grain, Query, Rate, Row, Sums, Totals};
use crate::catalog::Catalog;
use crate::fold::MergedSpellings;
use crate::name::Name;
use crate::statement::groups::{Buffers, Cell};
use crate::statement::{Detail, Source, Summary};
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
    pub spellings: MergedSpellings<'a>,
    /// The user whose own account this is: owner of the repositories of no organization.
    pub user: Option<&'a Name>,
}

/// The rows of one period.
#[derive(Debug)]
pub struct PeriodAnswer<S = Totals> {
    pub(super) start: Hour,
    pub(super) statements: Vec<Arc<Summary>>,
    /// Each rate as a statement's place and its code there, in the order of answers.
    pub(super) rates: Vec<(usize, u32)>,
    /// By code, as they are shown; `None` is `""`.
    pub(super) names: [Vec<Option<Arc<str>>>; 3],
    pub(super) cells: Vec<Cell<S>>,
}

impl<S: Sums> PeriodAnswer<S> {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_, S>> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// The row at a place, from 0: long answers are written some rows at a time.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<'_, S>> {
        let (key, totals) = self.cells.get(index)?;
        let [rate, organization, repository, model] = key.codes();
        Some(Row {
            start: self.start,
            rate: self.rate(self.rates[rate as usize]),
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

/// A month was given without the table that [`Query::needs`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {detail:?} of {month} are needed and were not given")]
pub struct TableMissing {
    /// Of which month.
    pub month: Month,
    /// Which.
    pub detail: Detail,
}

/// A month of an account, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked; of the accounts of one answer, queries differ in their filters alone.
    pub query: &'a Query,
    /// What is at hand of the month.
    pub source: &'a Source,
}

/// Answers for one period from what is at hand of an account's months.
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

/// Answers for one period from what is at hand of the months of several accounts, as if they were
/// one.
pub fn answer_merged<S: Sums>(
    asked: &[Asked<'_>],
    period: Period,
    context: Context<'_>,
) -> Result<PeriodAnswer<S>, TableMissing> {
    let mut selections = Vec::new();
    for Asked { query, source } in asked {
        let selection = Selection::new(source, query, period, context)?;
        selections.extend(selection.map(|selection| (*query, source.summary(), selection)));
    }
    if let [(query, summary, selection)] = selections.as_slice()
        && selection.is_a_day(query, period)
        && let Some(answer) = a_day(summary, selection, period, context)
    {
        return Ok(answer);
    }
    let mut buffers = Buffers::default();
    let mut scans = Vec::new();
    for (query, summary, selection) in selections {
        let cells = scan(&selection, query, &mut buffers);
        if !cells.is_empty() {
            scans.push((Arc::clone(summary), cells));
        }
    }
    let (rates, rate_codes) = merge_rates(&scans);
    let group = asked.first().map(|asked| asked.query.group);
    let by = group.unwrap_or_default().by();
    let names = [0, 1, 2].map(|place| {
        if by[place] {
            merge_names(&scans, place, context)
        } else {
            ungrouped(&scans)
        }
    });
    let cells = if by.contains(&true) {
        translated(&scans, &rate_codes, &names)
    } else {
        by_rate(rates.len(), &scans, &rate_codes)
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
