//! A catalogue read back as data: prices, grants and multipliers with their days.
//!
//! Invariant: everything that a text can state can be read back, in an order that depends on the
//! content and not on hashing. Look next: `difference.rs` for the differences between two
//! catalogues.

use super::history::History;
use super::included::Worth;
use super::{Catalog, Pool, Sku};
use crate::account::{AccountKind, Plan};
use crate::money::{Price, Quantity};
use crate::report::ReportKind;
use crate::time::Day;

/// A value and the first day on which it holds; `None` is the beginning of time.
pub type Dated<T> = (Option<Day>, T);

/// How much each use of an AI model counts: one table of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiplierTable<'a> {
    /// The table's id, folded for comparison.
    pub id: &'a str,
    /// The ids of the SKUs whose quantities it multiplies, in the order of the text.
    pub skus: Vec<&'a str>,
    /// By folded model, sorted.
    pub models: Vec<(&'a str, Vec<Dated<Quantity>>)>,
    /// By prefix of the model's name, folded, sorted.
    pub prefixes: Vec<(&'a str, Vec<Dated<Quantity>>)>,
}

impl Sku {
    /// The list prices in US dollars per unit, oldest first.
    pub fn prices(&self) -> impl Iterator<Item = Dated<Price>> + '_ {
        self.prices.iter()
    }

    /// The request-level report that it belongs to; the endpoint of that name returns it.
    #[must_use]
    pub fn report(&self) -> Option<ReportKind> {
        self.report
    }
}

impl Pool {
    /// The kinds of account that have it; empty means all.
    #[must_use]
    pub fn kinds(&self) -> &[AccountKind] {
        &self.kinds
    }

    /// The factor that its amounts are multiplied by.
    #[must_use]
    pub fn times(&self) -> u32 {
        self.times
    }

    /// What each plan grants, in the order of the plans.
    pub fn plans(&self) -> impl Iterator<Item = (Plan, Vec<Dated<Quantity>>)> + '_ {
        Plan::ALL.iter().filter_map(|plan| {
            let history = self.plans.get(plan)?;
            Some((*plan, history.iter().collect()))
        })
    }

    /// What a seat of each SKU grants, in the order of the SKUs' ids.
    #[must_use]
    pub fn seats(&self) -> Vec<(&str, Vec<Dated<Quantity>>)> {
        let seats = self.seats.iter();
        sorted(seats.map(|(sku, history)| (sku.as_str(), history)))
    }
}

impl Catalog {
    /// Names of a SKU other than its id and display name, folded, sorted.
    #[must_use]
    pub fn aliases(&self, sku: &Sku) -> Vec<&str> {
        self.skus.aliases(&sku.id, &sku.display)
    }

    /// What a pool's amounts count: `units`, `dollars`, or the id of the SKU whose units they are.
    #[must_use]
    pub fn worth<'a>(&'a self, pool: &Pool) -> &'a str {
        match pool.worth {
            Worth::Units => "units",
            Worth::Dollars => "dollars",
            Worth::Sku(place) => self.skus.entries.get(place).map_or("", |sku| &sku.id),
        }
    }

    /// The pools that cover a SKU, each with the number of pool units that one unit of the SKU
    /// consumes.
    pub fn covers<'a>(&'a self, sku: &'a Sku) -> impl Iterator<Item = (&'a Pool, u32)> {
        let covers = sku.covers.iter();
        covers.filter_map(|cover| Some((self.pools.entries.get(cover.pool)?, cover.weight)))
    }

    /// Every table of multipliers, in the order of the text.
    #[must_use]
    pub fn multiplier_tables(&self) -> Vec<MultiplierTable<'_>> {
        let tables = self.multipliers.entries.iter().enumerate();
        let tables = tables.map(|(place, table)| {
            let skus = self.skus.entries.iter();
            let skus = skus.filter(|sku| sku.multipliers == Some(place));
            let models = table.models.iter();
            let prefixes = table.prefixes.iter();
            MultiplierTable {
                id: self.multipliers.names(place).first().copied().unwrap_or(""),
                skus: skus.map(|sku| sku.id.as_str()).collect(),
                models: sorted(models.map(|(model, history)| (model.as_str(), history))),
                prefixes: sorted(prefixes.map(|(text, history)| (text.as_str(), history))),
            }
        });
        tables.collect()
    }
}

fn sorted<'a>(
    histories: impl Iterator<Item = (&'a str, &'a History<Quantity>)>,
) -> Vec<(&'a str, Vec<Dated<Quantity>>)> {
    let read = |(name, history): (&'a str, &History<Quantity>)| (name, history.iter().collect());
    let mut list: Vec<(&str, Vec<Dated<Quantity>>)> = histories.map(read).collect();
    list.sort_by_key(|(name, _)| *name);
    list
}
