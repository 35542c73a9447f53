//! What is set of an account and can change a number.

use crate::account::{Plan, Visibility};
use crate::discount::NegotiatedDiscount;
use crate::name::Name;

/// A setting of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The account's plan.
    Plan(Plan),
    /// A repository's visibility.
    Repository {
        /// The organization or user that owns it.
        owner: Name,
        /// Its own name.
        name: Name,
        /// Who can see it.
        visibility: Visibility,
    },
    /// Every discount that the account has negotiated; they carry their own days, so the newest
    /// list holds for all time. Sorted, each once.
    Discounts(Vec<NegotiatedDiscount>),
}

impl Setting {
    /// The setting that lists these discounts, in any order.
    #[must_use]
    pub fn discounts(mut discounts: Vec<NegotiatedDiscount>) -> Self {
        discounts.sort();
        discounts.dedup();
        Self::Discounts(discounts)
    }
}
