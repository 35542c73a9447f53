//! Detailed and summarized reports: a statement's lines, summed over the hours of a day and over
//! the dimensions that the report lacks.
//!
//! Invariant: rows come by day, SKU, organization, repository, (user, workflow,) cost center and
//! price, names by their folded bytes. Memory does not grow with the statement: the hours of a day
//! are merged in sorted order, and only one repository's (user's) rows of a day and SKU are held at
//! a time.

use super::fields::{Extras, Fields, Row, Sums};
use super::{Cells, Days};
use crate::dimension::Dimension;
use crate::fold::MergedSpellings;
use crate::name::Name;
use crate::report::ReportKind;
use crate::statement::{Summary, Table};
use crate::time::Day;

/// Which part of a month is written.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Detailed or summarized; for other kinds, the lines of their SKUs in the detailed grouping.
    pub kind: ReportKind,
    /// Which days.
    pub days: Days,
    /// Only this organization.
    pub organization: Option<&'a Name>,
    /// How text cells are written.
    pub cells: Cells,
}

/// Passes every row of a month to `line`, as written to the file.
pub fn write<E>(
    summary: &Summary,
    lines: &Table,
    selection: Selection<'_>,
    spellings: MergedSpellings<'_>,
    line: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let only = match selection.organization {
        None => None,
        Some(name) => match summary.code(Dimension::Organization, name) {
            None => return Ok(()),
            code => code,
        },
    };
    let names = Dimension::ALL.map(|dimension| summary.names(dimension));
    let rates = summary.rates.iter().map(|rate| &*rate.rate);
    let mut month = Month {
        table: lines,
        only,
        detailed: selection.kind != ReportKind::Summarized,
        fields: Fields::new(selection.kind, names, rates, spellings, selection.cells),
        group: Group::default(),
        text: Vec::new(),
    };
    let mut runs = 0..summary.lines.runs.len();
    while let Some(first) = runs.next() {
        let day = day_of(summary, first);
        while runs.start < summary.lines.runs.len() && day_of(summary, runs.start) == day {
            runs.next();
        }
        if selection.days.contains(day) {
            month.fields.begin(day);
            for mut hours in by_sku(summary, first..runs.start) {
                month.sku(&mut hours, line)?;
            }
        }
    }
    Ok(())
}

fn day_of(summary: &Summary, run: usize) -> Day {
    let first = summary.month().first_day().index();
    Day::from_index(first + i32::from(summary.lines.runs[run].hour / 24))
}

/// The lines of each hour, by SKU in the order of rates.
fn by_sku(summary: &Summary, runs: std::ops::Range<usize>) -> Vec<Vec<Hour>> {
    let mut keyed: Vec<(u32, Hour)> = runs
        .map(|run| {
            let start = summary.lines.runs[run].start as usize;
            let end = summary.lines.run_end(run);
            (summary.lines.runs[run].rates.0, Hour { next: start, end })
        })
        .collect();
    keyed.sort_by_key(|(sku, hour)| (*sku, hour.next));
    keyed
        .chunk_by(|left, right| left.0 == right.0)
        .map(|same| same.iter().map(|(_, hour)| *hour).collect())
        .collect()
}

/// Unread lines of one hour and SKU, sorted.
#[derive(Debug, Clone, Copy)]
struct Hour {
    next: usize,
    end: usize,
}

/// What a group's rows share: organization, repository, and in detailed reports the user.
type GroupKey = [u32; 3];

/// What distinguishes rows within a group: workflow, cost center, rate.
type RowKey = [u32; 3];

struct Month<'a> {
    table: &'a Table,
    only: Option<u32>,
    detailed: bool,
    fields: Fields,
    group: Group,
    text: Vec<u8>,
}

impl Month<'_> {
    /// Merges the hours of a day.
    fn sku<E>(
        &mut self,
        hours: &mut Vec<Hour>,
        line: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(key) = hours.iter().map(|hour| self.key(hour.next)).min() {
            let wanted = self.only.is_none_or(|only| only == key[0]);
            for hour in hours.iter_mut() {
                while hour.next < hour.end && self.key(hour.next) == key {
                    if wanted {
                        self.add(hour.next);
                    }
                    hour.next += 1;
                }
            }
            hours.retain(|hour| hour.next < hour.end);
            self.flush(key, line)?;
        }
        Ok(())
    }

    fn code(&self, dimension: Dimension, at: usize) -> u32 {
        let column = &self.table.names[dimension as usize];
        column.as_ref().map_or(0, |column| column.code(at))
    }

    fn key(&self, at: usize) -> GroupKey {
        let user = match self.detailed {
            true => self.code(Dimension::User, at),
            false => 0,
        };
        let organization = self.code(Dimension::Organization, at);
        [organization, self.code(Dimension::Repository, at), user]
    }

    fn add(&mut self, at: usize) {
        let workflow = match self.detailed {
            true => self.code(Dimension::Workflow, at),
            false => 0,
        };
        let center = self.code(Dimension::CostCenter, at);
        let sums = Sums::of(self.table, at);
        let row = [workflow, center, self.table.rate.code(at)];
        self.group.add(row, &sums);
    }

    fn flush<E>(
        &mut self,
        [organization, repository, user]: GroupKey,
        line: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.group.merge();
        for ([workflow, center, rate], sums) in self.group.rows.drain(..) {
            let row = Row {
                rate,
                names: [organization, repository, user, 0, workflow, center],
                sums,
                extras: Extras::default(),
            };
            self.fields.print(row, &mut self.text, line)?;
        }
        Ok(())
    }
}

/// Rows of one group. Lines of the same row are mostly adjacent.
#[derive(Debug, Default)]
struct Group {
    rows: Vec<(RowKey, Sums)>,
    unsorted: bool,
    /// The length at which to merge next, which bounds memory by rows rather than lines.
    most: usize,
}

/// How many lines are held before they are merged.
const FEW_ROWS: usize = 4096;

impl Group {
    fn add(&mut self, key: RowKey, sums: &Sums) {
        if let Some((last, sum)) = self.rows.last_mut() {
            if *last == key {
                sum.add(sums);
                return;
            }
            self.unsorted |= *last > key;
        }
        self.rows.push((key, *sums));
        if self.rows.len() >= self.most.max(FEW_ROWS) {
            self.merge();
            self.most = 2 * self.rows.len();
        }
    }

    fn merge(&mut self) {
        if !self.unsorted {
            return;
        }
        self.unsorted = false;
        self.rows.sort_unstable_by_key(|(key, _)| *key);
        self.rows.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1.add(&next.1);
            }
            same
        });
    }
}
