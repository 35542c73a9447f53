//! What usage is of, and at what price.
//!
//! Invariant: product, SKU and unit are the catalogue's ids, or as reported when it lacks them.

use crate::money::Price;
use crate::name::compare;
use std::cmp::Ordering;

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

/// A rate by its catalogue ids, in the order in which rates are sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateKey {
    /// The SKU's id, folded.
    pub folded_sku: String,
    /// The SKU's id.
    pub sku: String,
    /// The product's id.
    pub product: String,
    /// The unit's id.
    pub unit: String,
    /// Per unit.
    pub price: Price,
}

impl RateKey {
    /// The key of a rate.
    #[must_use]
    pub fn of(rate: &Rate) -> Self {
        Self {
            folded_sku: rate.sku.to_ascii_lowercase(),
            sku: rate.sku.to_string(),
            product: rate.product.to_string(),
            unit: rate.unit.to_string(),
            price: rate.price,
        }
    }
}

/// The order of rates in answers: product, SKU, price.
pub(crate) fn compare_rates(left: &Rate, right: &Rate) -> Ordering {
    fn exact(rate: &Rate) -> (&str, &str, &str) {
        (&rate.product, &rate.sku, &rate.unit)
    }
    compare(&left.product, &right.product)
        .then_with(|| compare(&left.sku, &right.sku))
        .then(left.price.cmp(&right.price))
        .then_with(|| exact(left).cmp(&exact(right)))
}
