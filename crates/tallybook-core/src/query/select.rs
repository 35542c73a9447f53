//! Which lines of a statement a filter means: names become codes once, lines compare integers.

use super::run::Context;
use super::{CostCenterFilter, Filter, Rate, RepositoryName};
use crate::ledger::record::Dimension;
use crate::packed::Packed;
use crate::statement::{Statement, StatementRate};

/// A filter under one statement's codes.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// By rate code.
    rates: Vec<bool>,
    /// Columns that must hold a code.
    equal: Vec<(&'a Packed, u32)>,
    /// Alternatives of (organization, repository), when a repository is asked for.
    repositories: Option<Repositories<'a>>,
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
        statement: &'a Statement,
        filter: &Filter,
        context: Context<'_>,
    ) -> Option<Self> {
        let wanted = |known: &StatementRate| wants(known, filter, context);
        let rates: Vec<bool> = statement.rates.iter().map(wanted).collect();
        if !rates.contains(&true) {
            return None;
        }
        let cost_center = match &filter.cost_center {
            CostCenterFilter::Any => None,
            CostCenterFilter::None => Some(""),
            CostCenterFilter::Is(name) => Some(name.as_str()),
        };
        let named = [
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
        ];
        let mut equal = Vec::new();
        for (dimension, name) in named {
            if let Some(name) = name {
                let code = code(statement, dimension, name)?;
                equal.push((&statement.columns.names[dimension as usize], code));
            }
        }
        let repositories = match &filter.repository {
            None => None,
            Some(repository) => Some(Repositories::new(statement, repository, context)?),
        };
        Some(Self {
            rates,
            equal,
            repositories,
        })
    }

    /// Whether any rate of a run matches.
    pub(super) fn wants_any(&self, rates: (u32, u32)) -> bool {
        self.rates[rates.0 as usize..rates.1 as usize].contains(&true)
    }

    /// Marks which of the lines from `start` on match; `rates` are their rate codes.
    pub(super) fn matches(&self, start: usize, rates: &[u32], out: &mut [bool]) {
        let mut codes = vec![0; out.len()];
        for (matches, rate) in out.iter_mut().zip(rates) {
            *matches = self.rates[*rate as usize];
        }
        for (column, wanted) in &self.equal {
            column.read_codes(start, &mut codes);
            for (matches, code) in out.iter_mut().zip(&codes) {
                *matches &= code == wanted;
            }
        }
        if let Some(repositories) = &self.repositories {
            repositories.matches(start, out);
        }
    }
}

impl<'a> Repositories<'a> {
    fn new(
        statement: &'a Statement,
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
        // A report may name a repository of another owner than the organization it is billed to.
        let full = format!("{}/{}", wanted.owner, wanted.name);
        alternatives.extend(code(statement, Dimension::Repository, &full).map(|code| (None, code)));
        if alternatives.is_empty() {
            return None;
        }
        let column = |dimension: Dimension| &statement.columns.names[dimension as usize];
        let organization = column(Dimension::Organization);
        Some(Self {
            organization,
            repository: column(Dimension::Repository),
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

fn wants(known: &StatementRate, filter: &Filter, context: Context<'_>) -> bool {
    let Rate { product, sku, .. } = &known.rate;
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
fn code(statement: &Statement, dimension: Dimension, name: &str) -> Option<u32> {
    let folded = dimension.fold(name);
    let place = statement
        .names(dimension)
        .binary_search_by(|known| (**known).cmp(&folded))
        .ok()?;
    u32::try_from(place).ok()
}
