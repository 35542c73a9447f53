//! Rating: what a line of metered usage costs, and how much of it is free.
//!
//! Invariant: pure, and integers throughout. For each line `0 <= discount <= gross` (the other way
//! round for a negative quantity), and a pool pays for exactly what it grants: the line that
//! exhausts it is partly free. Lines come in the order of the statement, so that the result depends
//! on what was used and not on when it was reported.
//!
//! The rules, in their order:
//!
//! 1. The quantity is multiplied by its model's multiplier of that day.
//! 2. Gross is quantity times the list price of that day, rounded half-even once.
//! 3. SKUs that are free in public repositories are fully discounted there and use up nothing.
//! 4. Included usage pays until it is used up.
//! 5. A negotiated discount is a percentage of what then remains, rounded half-even once. Of
//!    several that match, the most specific applies (SKU, product, account), and of equally
//!    specific ones the greatest; they never add up.
//!
//! Look next: `catalog::included` for what is granted, [`terms`] for the account's side, [`seats`]
//! for the pass over the month that comes first, [`pools`] for how pools are spent.

pub mod pools;
pub mod seats;
pub mod terms;

use crate::catalog::{Catalog, Sku};
use crate::money::{Amount, Overflow, Price, Quantity};
use crate::time::{Day, Hour, Month};
use pools::{Balance, Pools};
use seats::Seats;
use terms::Terms;

/// One line of metered usage; names are folded, `""` is none.
#[derive(Debug, Clone, Copy)]
pub struct UsageLine<'a> {
    /// When, within the rater's month.
    pub hour: Hour,
    /// Of what.
    pub sku: &'a Sku,
    /// Where: the organization's login, none for a user's own usage.
    pub organization: &'a str,
    /// Where: the repository's own name.
    pub repository: &'a str,
    /// By whom.
    pub user: &'a str,
    /// With which AI model.
    pub model: &'a str,
    /// How much, before the model's multiplier.
    pub quantity: Quantity,
}

/// The cost of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rated {
    /// How much, after the model's multiplier, if the SKU has any.
    pub quantity: Quantity,
    /// The list price per unit.
    pub price: Price,
    /// Quantity times price.
    pub gross: Amount,
    /// The total deducted; the rest is the net amount.
    pub discount: Amount,
    /// The part of the discount from included usage.
    pub included: Amount,
    /// The negotiated part of the discount. The remainder is free use of a public repository.
    pub negotiated: Amount,
}

/// Whether usage can be admitted: it has a price on its day, and its quantity and amount are within
/// the limits of a single event. Every line of admitted usage can be rated, however many events it
/// sums up. `model` is folded.
pub fn check(
    catalog: &Catalog,
    sku: &Sku,
    model: &str,
    day: Day,
    quantity: Quantity,
) -> Result<(), RatingError> {
    let price = sku.price_on(day).ok_or(RatingError::NoPrice)?;
    let multiplier = catalog.multiplier(sku, model, day)?;
    let multiplied = quantity.times(multiplier)?.within_limit()?;
    price.gross_of(multiplied)?;
    Ok(())
}

/// Why a line has no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// No price is known for the SKU on that day: usage of it must not be admitted.
    #[error("the SKU has no price on that day")]
    NoPrice,
    /// The amount overflows.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// One month of one account, with its pools as they are being spent.
///
/// A copy captures the state before the next line: rating can resume from there when later lines
/// change.
#[derive(Debug, Clone)]
pub struct Rater<'a> {
    catalog: &'a Catalog,
    terms: &'a Terms,
    pools: Pools<'a>,
}

impl<'a> Rater<'a> {
    /// Starts before the month's first line; `seats` covers all its lines.
    pub fn new(
        month: Month,
        catalog: &'a Catalog,
        terms: &'a Terms,
        seats: Seats,
    ) -> Result<Self, Overflow> {
        Ok(Self {
            catalog,
            terms,
            pools: Pools::new(month, catalog, terms, seats)?,
        })
    }

    /// Rates the next line in the order of the statement: hour, SKU, organization, repository,
    /// user, model, workflow, cost center.
    pub fn rate(&mut self, line: &UsageLine<'_>) -> Result<Rated, RatingError> {
        let day = line.hour.day();
        let price = line.sku.price_on(day).ok_or(RatingError::NoPrice)?;
        let multiplier = self.catalog.multiplier(line.sku, line.model, day)?;
        let quantity = line.quantity.times(multiplier)?;
        let gross = price.gross_of_sum(quantity)?;
        let mut rated = Rated {
            quantity,
            price,
            gross,
            discount: gross,
            included: Amount::ZERO,
            negotiated: Amount::ZERO,
        };
        if line.sku.is_free_in_public()
            && self
                .terms
                .is_public(line.organization, line.repository, line.hour)
        {
            return Ok(rated);
        }
        if let Some((pool, weight)) = self.catalog.pool_of(line.sku, self.terms.kind) {
            rated.included = self.pools.spend(pool, weight, line.user, &rated)?;
        }
        if let Some(percent) = self.terms.discount_on(line.sku, day) {
            rated.negotiated = percent.of(gross - rated.included);
        }
        rated.discount = rated.included + rated.negotiated;
        Ok(rated)
    }

    /// What every pool granted and what is left of it, by pool in catalogue order and by user; for
    /// a per-user pool, only users who were granted something.
    #[must_use]
    pub fn balances(&self) -> Vec<Balance<'a>> {
        self.pools.balances()
    }
}
