//! Questions about statements: which usage, grouped how.
//!
//! Invariant: an answer depends only on the statements' lines and the question; rows come in the
//! order (start, product, SKU, price, organization, repository, model), names by their folded
//! bytes. Look next: [`run`] for how they are answered, [`rates`] for the fast path of summaries.

mod merge;
mod period;
pub mod rates;
pub mod run;
mod select;

pub use crate::rate::Rate;
pub use crate::sums::{Charges, Sums, Totals};
pub use period::Period;

use crate::catalog::Catalog;
use crate::fold::MergedSpellings;
use crate::name::Name;
use crate::report::ReportKind;
use crate::statement::{Detail, Source};
use crate::time::{Hour, Month};
use std::sync::Arc;

/// Which usage to sum and how to group it. Product, SKU, unit and price always group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// The first hour.
    pub from: Hour,
    /// The hour after the last.
    pub to: Hour,
    /// How long a row's period is.
    pub grain: Grain,
    /// Which usage counts.
    pub filter: Filter,
    /// The additional dimensions to group by.
    pub group: Group,
}

/// The length of the periods that rows stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grain {
    /// One period from `from` to `to`.
    Whole,
    /// A row a month, dated its first day.
    Month,
    /// A row a day.
    Day,
    /// A row an hour.
    Hour,
}

/// Dimensions that group besides product, SKU, unit and price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// By organization and repository.
    pub repository: bool,
    /// By AI model.
    pub model: bool,
}

impl Group {
    /// Whether organization, repository and model group.
    pub(crate) fn by(self) -> [bool; 3] {
        [self.repository, self.repository, self.model]
    }
}

/// Which usage counts; `None` is any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this organization.
    pub organization: Option<Name>,
    /// Of this repository.
    pub repository: Option<RepositoryName>,
    /// Of this user.
    pub user: Option<Name>,
    /// Of this AI model.
    pub model: Option<Name>,
    /// Of the product with this id or display name.
    pub product: Option<Name>,
    /// Of the SKU with this id, alias or display name.
    pub sku: Option<Name>,
    /// Of SKUs that this kind of report is about (premium requests, AI credits).
    pub report: Option<ReportKind>,
    /// In which cost centers.
    pub cost_center: CostCenterFilter,
}

/// `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryName {
    /// The organization or user that owns it.
    pub owner: Name,
    /// Its own name.
    pub name: Name,
}

/// Which cost centers count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum CostCenterFilter {
    /// All usage, in any cost center or none.
    #[default]
    Any,
    /// Usage in no cost center.
    None,
    /// Usage in the center of this name.
    Is(Name),
}

/// One group of an answer, with the requested sums. An absent name is `""`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a, S = Totals> {
    /// The first hour of the row's period.
    pub start: Hour,
    /// The product, SKU, unit and price.
    pub rate: &'a Arc<Rate>,
    /// The organization, as it is shown; `""` unless grouped by repository.
    pub organization: &'a str,
    /// The repository's own name, as it is shown, without its owner.
    pub repository: &'a str,
    /// The AI model, as it is shown.
    pub model: &'a str,
    /// The sums.
    pub totals: S,
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

/// A month of an account, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked; of the accounts of one answer, queries differ in their filters alone.
    pub query: &'a Query,
    /// What is at hand of the month.
    pub source: &'a Source,
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
