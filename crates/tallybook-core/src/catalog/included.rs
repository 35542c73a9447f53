//! Included usage and the multipliers of models, as the catalogue states them.
//!
//! Invariant: an account's usage of a SKU is covered by at most one pool, so the order of the text
//! never matters. This file says what is granted; `rating` says how it is spent.

use super::history::{History, Layer};
use super::{Catalog, Sku};
use crate::account::{AccountKind, Plan};
use crate::money::{Amount, Overflow, Price, Quantity, within_limit};
use crate::name::NameKey;
use crate::time::Day;
use std::collections::HashMap;

/// Usage that is free each calendar month, until it is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// `actions_minutes`.
    pub id: String,
    /// For display: `Included Actions minutes`.
    pub display: String,
    /// Whether every user has their own allowance, or the account shares one.
    pub per_user: bool,
    pub(super) kinds: Vec<AccountKind>,
    pub(super) worth: Worth,
    pub(super) times: u32,
    pub(super) plans: HashMap<Plan, History<Quantity>>,
    pub(super) seats: HashMap<String, History<Quantity>>,
}

/// What the numbers of a pool's `plan` and `seat` lines count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Worth {
    /// Units of the SKUs that it covers.
    #[default]
    Units,
    /// Dollars.
    Dollars,
    /// Units of one SKU, given by its index in the catalogue, each worth that SKU's price on the
    /// month's first day.
    Sku(usize),
}

/// How a pool is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// In units of the SKUs that it covers, each times its weight.
    Quantity,
    /// In dollars: a SKU of twice the price uses it up twice as fast.
    Money,
}

/// A pool's coverage of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cover {
    /// The pool, by its index in the catalogue.
    pub(super) pool: usize,
    /// How many units of the pool one unit of the SKU consumes.
    pub(super) weight: u32,
}

impl Pool {
    /// Whether accounts of `kind` have it.
    #[must_use]
    pub fn is_for(&self, kind: AccountKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether it is measured in quantity or in money.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        match self.worth {
            Worth::Units => Measure::Quantity,
            Worth::Dollars | Worth::Sku(_) => Measure::Money,
        }
    }

    /// The ids of the SKUs whose seats grant something.
    pub fn seat_skus(&self) -> impl Iterator<Item = &str> {
        self.seats.keys().map(String::as_str)
    }
}

impl Catalog {
    /// What `plan` grants of `pool` under the rule in force on `day`, in billionths of a unit or of
    /// a dollar.
    ///
    /// Where units are granted as money, their price on `first`, the month's first day, applies all
    /// month; units without a price are worth nothing.
    pub fn plan_grant(
        &self,
        pool: &Pool,
        plan: Plan,
        day: Day,
        first: Day,
    ) -> Result<i128, Overflow> {
        self.grant(pool, pool.plans.get(&plan), day, first)
    }

    /// What one seat of the SKU with this id grants of `pool`; see [`Self::plan_grant`].
    pub fn seat_grant(
        &self,
        pool: &Pool,
        sku: &str,
        day: Day,
        first: Day,
    ) -> Result<i128, Overflow> {
        self.grant(pool, pool.seats.get(sku), day, first)
    }

    fn grant(
        &self,
        pool: &Pool,
        history: Option<&History<Quantity>>,
        day: Day,
        first: Day,
    ) -> Result<i128, Overflow> {
        let Some(count) = history.and_then(|history| history.on(day)) else {
            return Ok(0);
        };
        let nanos = count.nanos().checked_mul(i128::from(pool.times));
        let nanos = within_limit(nanos.ok_or(Overflow)?)?;
        match pool.worth {
            Worth::Units | Worth::Dollars => Ok(nanos),
            Worth::Sku(place) => {
                let price = self
                    .skus
                    .entries
                    .get(place)
                    .and_then(|sku| sku.price_on(first));
                let gross = price
                    .unwrap_or(Price::ZERO)
                    .gross_of(Quantity::from_nanos(nanos));
                gross.map(Amount::nanos)
            }
        }
    }

    /// The pool that covers an account's usage of `sku`, by its index in [`Self::pools`], and how
    /// many units of the pool one unit of the SKU consumes.
    #[must_use]
    pub fn pool_of(&self, sku: &Sku, kind: AccountKind) -> Option<(usize, u32)> {
        let covers = sku.covers.iter();
        let mut mine = covers.filter(|cover| self.pools.entries[cover.pool].is_for(kind));
        mine.next().map(|cover| (cover.pool, cover.weight))
    }

    /// How much one use of `model` (folded) counts for `sku` on `day`: 1 unless stated otherwise.
    pub fn multiplier(&self, sku: &Sku, model: &str, day: Day) -> Result<Quantity, Overflow> {
        match sku.multipliers {
            Some(place) => self.multipliers.entries[place].on(model, day),
            None => Ok(ONCE),
        }
    }
}

/// How much one use of a model counts, for the SKUs that have multipliers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Multipliers {
    pub(super) models: HashMap<NameKey, History<Quantity>>,
    /// Prefixes of model names, and the factor applied to the multiplier of the remaining name.
    pub(super) prefixes: Vec<(NameKey, History<Quantity>)>,
}

impl Multipliers {
    /// The multiplier of a model; 1 for a model that the text does not name.
    pub(super) fn on(&self, model: &str, day: Day) -> Result<Quantity, Overflow> {
        if let Some(own) = self.models.get(model).and_then(|history| history.on(day)) {
            return Ok(own);
        }
        for (prefix, history) in &self.prefixes {
            if let (Some(rest), Some(factor)) =
                (model.strip_prefix(prefix.as_str()), history.on(day))
            {
                return self.on(rest, day)?.times(factor);
            }
        }
        Ok(ONCE)
    }

    pub(super) fn add_model(
        &mut self,
        name: &str,
        from: Option<Day>,
        layer: Layer,
        value: Quantity,
    ) -> bool {
        let history = self.models.entry(NameKey::new(name)).or_default();
        history.add(from, layer, value)
    }

    pub(super) fn add_prefix(
        &mut self,
        text: &str,
        from: Option<Day>,
        layer: Layer,
        value: Quantity,
    ) -> bool {
        let key = NameKey::new(text);
        let known = self.prefixes.iter_mut().find(|(prefix, _)| *prefix == key);
        match known {
            Some((_, history)) => history.add(from, layer, value),
            None => {
                let mut history = History::default();
                history.add(from, layer, value);
                self.prefixes.push((key, history));
                // The longest matching prefix wins.
                self.prefixes
                    .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.as_str().len()));
                true
            }
        }
    }
}

const ONCE: Quantity = Quantity::from_nanos(1_000_000_000);
