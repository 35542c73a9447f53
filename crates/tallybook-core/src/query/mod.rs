//! Questions about statements: which usage, grouped how.
//!
//! Invariant: an answer depends only on the statements' lines and the question; rows come in the
//! order (start, product, SKU, price, organization, repository, model), names by their folded
//! bytes. Look next: [`run`] for how they are answered, [`rates`] for the quick way of summaries.

mod day;
mod merge;
pub mod rates;
pub mod run;
mod scan;
mod select;

use crate::money::{Amount, Price, Quantity};
use crate::name::{Name, compare};
use crate::report::ReportKind;
use crate::time::Hour;
use std::ops::AddAssign;

/// What usage to sum, and by what to group it. Product, SKU, unit and price always group.
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
    /// What else groups.
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
    /// All usage, in whatever center or none.
    #[default]
    Any,
    /// Usage in no cost center.
    None,
    /// Usage in the center of this name.
    Is(Name),
}

/// Product, SKU, unit and price, by their catalogue ids (or as reported, when not in it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// `actions`.
    pub product: Box<str>,
    /// `actions_linux`.
    pub sku: Box<str>,
    /// `minutes`.
    pub unit: Box<str>,
    /// Per unit.
    pub price: Price,
}

/// The order of rates in answers: product, SKU, price.
pub(crate) fn compare_rates(left: &Rate, right: &Rate) -> std::cmp::Ordering {
    fn exact(rate: &Rate) -> (&str, &str, &str) {
        (&rate.product, &rate.sku, &rate.unit)
    }
    compare(&left.product, &right.product)
        .then_with(|| compare(&left.sku, &right.sku))
        .then(left.price.cmp(&right.price))
        .then_with(|| exact(left).cmp(&exact(right)))
}

/// One group of an answer, with the sums that were asked for. An absent name is `""`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a, S = Totals> {
    /// The first hour of the row's period.
    pub start: Hour,
    /// What was used, at what price.
    pub rate: &'a Rate,
    /// The organization, as it is shown; `""` unless grouped by repository.
    pub organization: &'a str,
    /// The repository's own name, as it is shown, without its owner.
    pub repository: &'a str,
    /// The AI model, as it is shown.
    pub model: &'a str,
    /// The sums.
    pub totals: S,
}

/// Which sums an answer has: what nobody asks for is not read. An answer reads its columns from
/// memory once, and their number decides what it costs.
pub trait Sums: From<Totals> + AddAssign + Copy + Default + Send + 'static {
    /// Whether discounted quantities are among them; if not, they are not added up.
    const DISCOUNT_QUANTITY: bool;
}

/// Sums over lines; net is what is left after the discount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Quantity used.
    pub quantity: Quantity,
    /// The part of it that discounts paid for.
    pub discount_quantity: Quantity,
    /// Amount at the price.
    pub gross: Amount,
    /// What discounts took off.
    pub discount: Amount,
}

impl Sums for Totals {
    const DISCOUNT_QUANTITY: bool = true;
}

/// Sums over lines without what discounts paid for of quantities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charges {
    /// Quantity used.
    pub quantity: Quantity,
    /// Amount at the price.
    pub gross: Amount,
    /// What discounts took off.
    pub discount: Amount,
}

impl Sums for Charges {
    const DISCOUNT_QUANTITY: bool = false;
}

impl From<Totals> for Charges {
    fn from(totals: Totals) -> Self {
        let Totals {
            quantity,
            gross,
            discount,
            discount_quantity: _,
        } = totals;
        Self {
            quantity,
            gross,
            discount,
        }
    }
}

impl Charges {
    /// Amount to pay.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.gross - self.discount
    }
}

impl AddAssign for Charges {
    fn add_assign(&mut self, other: Self) {
        self.quantity += other.quantity;
        self.gross += other.gross;
        self.discount += other.discount;
    }
}

impl Totals {
    /// From billionths.
    pub(crate) fn from_nanos([quantity, discount_quantity, gross, discount]: [i128; 4]) -> Self {
        Self {
            quantity: Quantity::from_nanos(quantity),
            discount_quantity: Quantity::from_nanos(discount_quantity),
            gross: Amount::from_nanos(gross),
            discount: Amount::from_nanos(discount),
        }
    }

    /// Quantity that was not discounted.
    #[must_use]
    pub fn net_quantity(&self) -> Quantity {
        self.quantity - self.discount_quantity
    }

    /// Amount to pay.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.gross - self.discount
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.quantity += other.quantity;
        self.discount_quantity += other.discount_quantity;
        self.gross += other.gross;
        self.discount += other.discount;
    }
}
