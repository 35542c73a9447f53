//! Vocabularies: the names of products, SKUs and units on each endpoint.
//!
//! Invariant: only this file knows the dialects' words. The documented dialect follows GitHub's
//! documentation; the observed one is what GitHub actually sends where that differs, which is only
//! on `usage`.

use tallybook_core::catalog::Catalog;
use tallybook_core::query::Rate;

pub use crate::config::Dialect;
pub use tallybook_core::catalog::Words;

/// The names for a rate; names that the catalogue lacks are the rate's own.
pub(super) fn words<'a>(catalog: &'a Catalog, rate: &'a Rate) -> Words<'a> {
    catalog.words(&rate.product, &rate.sku, &rate.unit)
}

/// The three words that one endpoint shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown<'a> {
    pub(super) product: &'a str,
    pub(super) sku: &'a str,
    pub(super) unit: &'a str,
}

/// Endpoints with a vocabulary of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// `usage`.
    Usage(Dialect),
    /// `usage/summary`.
    Summary,
    /// `premium_request/usage` and `ai_credit/usage`.
    Requests,
}

/// The names of a product, SKU and unit in `vocabulary`.
pub(super) const fn shown<'a>(words: &Words<'a>, vocabulary: Vocabulary) -> Shown<'a> {
    let (product, sku, unit) = match vocabulary {
        Vocabulary::Usage(Dialect::Documented) | Vocabulary::Requests => {
            (words.product_display, words.sku_display, words.unit_id)
        }
        Vocabulary::Usage(Dialect::Observed) => {
            (words.product_id, words.sku_display, words.unit_pascal)
        }
        Vocabulary::Summary => (words.product_display, words.sku_id, words.unit_id),
    };
    Shown { product, sku, unit }
}
