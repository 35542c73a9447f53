//! Selects the rows of a statement for a query: the smallest table that can answer, and the ranges
//! of rows that can match. Names are translated to codes once, so that rows compare integers.

use super::{Context, CostCenterFilter, Filter, Period, Query, Rate, RepositoryName, TableMissing};
use crate::dimension::Dimension;
use crate::packed::Packed;
use crate::report::ReportKind;
use crate::statement::days;
use crate::statement::groups::Matching;
use crate::statement::table::{RollupKind, Table};
use crate::statement::{Detail, Extent, Source, StatementRate, Summary};
use crate::time::Month;

/// A query's selection from one statement: a table, the rows that can match, and the remaining
/// comparisons.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// The lines, or the smallest of their sums that can answer.
    pub table: &'a Table,
    kind: TableKind,
    /// Rows that can match; of sums by day, a range has one day and rate.
    pub ranges: Vec<(usize, usize)>,
    /// By rate code.
    rates: Vec<bool>,
    /// Columns that must hold a code.
    equal: Vec<(Dimension, &'a Packed, u32)>,
    /// Alternatives of (organization, repository), when filtering by repository.
    repositories: Option<Repositories<'a>>,
}

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TableKind {
    Rollup(RollupKind),
    Dated(Detail),
}

#[derive(Debug)]
struct Repositories<'a> {
    organization: &'a Packed,
    repository: &'a Packed,
    alternatives: Vec<(Option<u32>, u32)>,
}

impl<'a> Selection<'a> {
    /// `None` when no line of the statement can match.
    pub(super) fn new(
        source: &'a Source,
        query: &Query,
        period: Period,
        context: Context<'_>,
    ) -> Result<Option<Self>, TableMissing> {
        let statement = source.summary();
        let kind = query.table(period, statement);
        let table = match kind {
            TableKind::Rollup(kind) => statement.rollup(kind),
            TableKind::Dated(detail) => source.table(detail).ok_or(TableMissing {
                month: statement.month(),
                detail,
            })?,
        };
        Ok(Self::of(table, kind, statement, query, period, context))
    }

    fn of(
        table: &'a Table,
        kind: TableKind,
        statement: &Summary,
        query: &Query,
        period: Period,
        context: Context<'_>,
    ) -> Option<Self> {
        let filter = &query.filter;
        let rates = wanted_rates(statement, filter, context)?;
        let mut equal = Vec::new();
        for (dimension, name) in named(filter) {
            if let (Some(name), Some(column)) = (name, &table.names[dimension as usize]) {
                equal.push((dimension, column, code(statement, dimension, name)?));
            }
        }
        let repositories = match &filter.repository {
            None => None,
            Some(wanted) => Some(Repositories::new(statement, table, wanted, context)?),
        };
        let mut selection = Self {
            table,
            kind,
            ranges: Vec::new(),
            rates,
            equal,
            repositories,
        };
        match kind {
            TableKind::Rollup(kind) => selection.narrow_rollup(kind),
            TableKind::Dated(detail) => {
                selection.narrow_dated(statement.extent(detail)?, statement, period);
            }
        }
        Some(selection)
    }

    /// A rollup is sorted by its dimensions, so a filter on the first is one range of rows.
    fn narrow_rollup(&mut self, kind: RollupKind) {
        let all = (0, self.table.len());
        let first = kind.dimensions().first();
        if let (Some(Dimension::Repository), Some(wanted)) = (first, &self.repositories) {
            let mut codes: Vec<u32> = wanted.alternatives.iter().map(|(_, code)| *code).collect();
            codes.sort_unstable();
            codes.dedup();
            let range = |code| self.table.range(Dimension::Repository, code, all);
            self.ranges = codes.into_iter().map(range).collect();
            return;
        }
        let place = self
            .equal
            .iter()
            .position(|(dimension, _, _)| Some(dimension) == first);
        self.ranges = vec![match place {
            Some(place) => {
                let (dimension, _, code) = self.equal.swap_remove(place);
                self.table.range(dimension, code, all)
            }
            None => all,
        }];
    }

    /// Rows are sorted by hour or day, SKU or rate, organization, repository: runs that cannot
    /// match are skipped, and within a run an organization is one range.
    fn narrow_dated(&mut self, extent: &Extent, statement: &Summary, period: Period) {
        let place = |(dimension, _, _): &(Dimension, _, _)| *dimension == Dimension::Organization;
        let organization = self.equal.iter().position(place);
        let organization = organization.map(|place| self.equal.swap_remove(place).2);
        let first = statement.first_hour().index();
        let (from, to) = (period.from.index() - first, period.to.index() - first);
        let by_rate = self.kind == TableKind::Dated(Detail::Days);
        let runs = &extent.runs;
        let start = runs.partition_point(|run| i32::from(run.hour) < from);
        for (index, run) in runs.iter().enumerate().skip(start) {
            if i32::from(run.hour) >= to {
                break;
            }
            let (first, end) = run.rates;
            if !self.rates[first as usize..end as usize].contains(&true) {
                continue;
            }
            let mut range = (run.start as usize, extent.run_end(index));
            if let Some(code) = organization {
                range = self.table.range(Dimension::Organization, code, range);
            }
            match self.ranges.last_mut() {
                _ if range.0 == range.1 => {}
                Some(last) if last.1 == range.0 && !by_rate => last.1 = range.1,
                _ => self.ranges.push(range),
            }
        }
        if by_rate {
            // A day's rows then come in the order of answers, and nothing is sorted after.
            let rank = |range: &(usize, usize)| {
                let rate = self.table.rate.code(range.0);
                statement.rates[rate as usize].rank
            };
            self.ranges.sort_by_key(rank);
        }
    }

    /// An estimate of the number of groups, to allocate them at once and avoid copying on growth.
    pub(super) fn expected_groups(&self) -> usize {
        let rows: usize = self.ranges.iter().map(|(start, end)| end - start).sum();
        match self.kind {
            TableKind::Dated(Detail::Lines) => rows / LINES_A_GROUP,
            TableKind::Dated(Detail::Days) | TableKind::Rollup(_) => rows,
        }
    }
}

/// An underestimate for most groups.
const LINES_A_GROUP: usize = 4;

impl Matching for Selection<'_> {
    fn matches(&self, start: usize, codes: &mut [u32], out: &mut [bool]) -> usize {
        out.fill(true);
        if self.rates.contains(&false) {
            self.table.rate.read_codes(start, codes);
            for (matches, rate) in out.iter_mut().zip(codes.iter()) {
                *matches = self.rates[*rate as usize];
            }
        }
        for (_, column, wanted) in &self.equal {
            column.read_codes(start, codes);
            for (matches, code) in out.iter_mut().zip(codes.iter()) {
                *matches &= code == wanted;
            }
        }
        if let Some(repositories) = &self.repositories {
            repositories.matches(start, out);
        }
        out.iter().filter(|matches| **matches).count()
    }
}

/// The names in a filter; `""` is the absent name.
fn named(filter: &Filter) -> [(Dimension, Option<&str>); 4] {
    let cost_center = match &filter.cost_center {
        CostCenterFilter::Any => None,
        CostCenterFilter::None => Some(""),
        CostCenterFilter::Is(name) => Some(name.as_str()),
    };
    [
        (
            Dimension::Organization,
            filter.organization.as_ref().map(|name| name.as_str()),
        ),
        (
            Dimension::User,
            filter.user.as_ref().map(|name| name.as_str()),
        ),
        (
            Dimension::Model,
            filter.model.as_ref().map(|name| name.as_str()),
        ),
        (Dimension::CostCenter, cost_center),
    ]
}

impl Query {
    /// The table with times that is needed to answer for a month's part of a period; `None` when
    /// its summary is enough.
    #[must_use]
    pub fn needs(&self, period: Period, summary: &Summary) -> Option<Detail> {
        match self.table(period, summary) {
            TableKind::Rollup(_) => None,
            TableKind::Dated(detail) => Some(detail),
        }
    }

    /// The smallest table that can answer.
    fn table(&self, period: Period, summary: &Summary) -> TableKind {
        if let Some(kind) = self.rollup(period, summary.month()) {
            return TableKind::Rollup(kind);
        }
        let days = [period.from, period.to]
            .iter()
            .all(|hour| hour.of_day() == 0);
        let kept = |dimension: &Dimension| days::DIMENSIONS.contains(dimension);
        let by_day = days && Dimension::ALL.iter().all(|d| !self.asks_for(*d) || kept(d));
        TableKind::Dated(match summary.extent(Detail::Days) {
            Some(_) if by_day => Detail::Days,
            _ => Detail::Lines,
        })
    }

    /// Whether a dimension groups or is filtered by.
    fn asks_for(&self, dimension: Dimension) -> bool {
        let filter = &self.filter;
        let by_repository = self.group.repository || filter.repository.is_some();
        match dimension {
            Dimension::Repository => by_repository,
            Dimension::Organization => by_repository || filter.organization.is_some(),
            Dimension::User => filter.user.is_some(),
            Dimension::Model => self.group.model || filter.model.is_some(),
            Dimension::Workflow => false,
            Dimension::CostCenter => filter.cost_center != CostCenterFilter::Any,
        }
    }

    /// The smallest rollup that can answer, when the period is the whole month.
    fn rollup(&self, period: Period, month: Month) -> Option<RollupKind> {
        let first = month.first_day().first_hour();
        let end = month.last_day().next().first_hour();
        if period.from > first || period.to < end {
            return None;
        }
        let of_requests = matches!(
            self.filter.report,
            Some(ReportKind::PremiumRequest | ReportKind::AiCredit)
        );
        let answers = |kind: &RollupKind| {
            (of_requests || !kind.is_of_requests())
                && Dimension::ALL
                    .iter()
                    .all(|d| !self.asks_for(*d) || kind.dimensions().contains(d))
        };
        RollupKind::ALL.into_iter().find(answers)
    }
}

impl<'a> Repositories<'a> {
    fn new(
        statement: &Summary,
        table: &'a Table,
        wanted: &RepositoryName,
        context: Context<'_>,
    ) -> Option<Self> {
        let organization = |name: &str| code(statement, Dimension::Organization, name);
        let own = code(statement, Dimension::Repository, wanted.name.as_str());
        let mut alternatives = Vec::new();
        if let Some(repository) = own {
            let owner = organization(wanted.owner.as_str());
            alternatives.extend(owner.map(|owner| (Some(owner), repository)));
            if context.user == Some(&wanted.owner) {
                alternatives.extend(organization("").map(|none| (Some(none), repository)));
            }
        }
        // A report may name a repository whose owner is not the organization it is billed to.
        let full = format!("{}/{}", wanted.owner, wanted.name);
        alternatives.extend(code(statement, Dimension::Repository, &full).map(|code| (None, code)));
        if alternatives.is_empty() {
            return None;
        }
        let column = |dimension: Dimension| table.names[dimension as usize].as_ref();
        let (organization, repository) = (
            column(Dimension::Organization)?,
            column(Dimension::Repository)?,
        );
        Some(Self {
            organization,
            repository,
            alternatives,
        })
    }

    fn matches(&self, start: usize, out: &mut [bool]) {
        let (mut organizations, mut repositories) = (vec![0; out.len()], vec![0; out.len()]);
        self.organization.read_codes(start, &mut organizations);
        self.repository.read_codes(start, &mut repositories);
        for ((matches, organization), repository) in
            out.iter_mut().zip(&organizations).zip(&repositories)
        {
            *matches &= self.alternatives.iter().any(|(owner, name)| {
                name == repository && owner.is_none_or(|owner| owner == *organization)
            });
        }
    }
}

/// Which rates are wanted, by code; `None` when none is.
fn wanted_rates(statement: &Summary, filter: &Filter, context: Context<'_>) -> Option<Vec<bool>> {
    let every = filter.product.is_none() && filter.sku.is_none() && filter.report.is_none();
    if every {
        return Some(vec![true; statement.rates.len()]);
    }
    let wanted = |known: &StatementRate| wants(known, filter, context);
    let rates: Vec<bool> = statement.rates.iter().map(wanted).collect();
    rates.contains(&true).then_some(rates)
}

fn wants(known: &StatementRate, filter: &Filter, context: Context<'_>) -> bool {
    let Rate { product, sku, .. } = &*known.rate;
    let same = |left: &str, right: &str| left.eq_ignore_ascii_case(right);
    let product_matches = filter.product.as_ref().is_none_or(|wanted| {
        let wanted = wanted.as_str();
        same(wanted, product)
            || context
                .catalog
                .product(wanted)
                .is_some_and(|found| same(&found.id, product))
    });
    let sku_matches = filter.sku.as_ref().is_none_or(|wanted| {
        let wanted = wanted.as_str();
        same(wanted, sku)
            || context
                .catalog
                .sku(wanted)
                .is_some_and(|found| same(&found.id, sku))
    });
    product_matches && sku_matches && filter.report.is_none_or(|kind| known.is_in(kind))
}

/// The code of a name; `None` when no line has it.
fn code(statement: &Summary, dimension: Dimension, name: &str) -> Option<u32> {
    let folded = dimension.fold(name);
    let place = statement
        .names(dimension)
        .binary_search_by(|known| (**known).cmp(&folded))
        .ok()?;
    u32::try_from(place).ok()
}
