//! The bodies of `/metering/v1/catalog`, and what a month would cost.
//!
//! Invariant: prices, amounts and quantities are exact decimal numbers; lists stand in the order of
//! the catalogue's text, dated values with the oldest first.

use super::imports::{AccountAnswer, Decimal};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::catalog::{Catalog, Dated, MultiplierTable, Pool, Sku};
use tallybook_core::query::Totals;
use tallybook_core::site::catalogue::{Version, VersionChange};
use tallybook_core::time::Month;
use utoipa::ToSchema;

/// The catalogue at one version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CatalogAnswer {
    /// The version: the number of the site's commit that made it.
    pub version: u64,
    /// As of which day the built-in part was written.
    pub edition: Option<String>,
    /// The site's own text; empty when it has none.
    pub own: String,
    /// Products.
    pub products: Vec<ProductAnswer>,
    /// Units.
    pub units: Vec<UnitAnswer>,
    /// SKUs with their prices.
    pub skus: Vec<SkuAnswer>,
    /// Included usage.
    pub included: Vec<PoolAnswer>,
    /// What uses of AI models count.
    pub multipliers: Vec<MultipliersAnswer>,
}

/// What SKUs are grouped by.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProductAnswer {
    /// Its id.
    pub id: String,
    /// As people read it.
    pub name: String,
}

/// What a quantity counts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnitAnswer {
    /// Its id.
    pub id: String,
    /// As people read it.
    pub name: String,
}

/// One thing that is metered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SkuAnswer {
    /// Its id.
    pub id: String,
    /// As people read it.
    pub name: String,
    /// Other names, as they are compared.
    pub aliases: Vec<String>,
    /// The id of its product.
    pub product: String,
    /// The id of its unit.
    pub unit: String,
    /// The report that it is in besides the detailed and the summarized one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Whether it costs nothing in public repositories.
    pub free_in_public_repositories: bool,
    /// US dollars per unit; none where no price is known.
    pub prices: Vec<DatedAnswer>,
    /// The included usage that covers it.
    pub included: Vec<CoverAnswer>,
}

/// A number and the first day on which it holds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatedAnswer {
    /// The number.
    pub value: Decimal,
    /// The day; null when it has always held.
    pub from: Option<String>,
}

/// That included usage covers a SKU.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CoverAnswer {
    /// The id of the included usage.
    pub id: String,
    /// How many units of it one unit of the SKU takes.
    pub weight: u32,
}

/// Usage that is free each month until it is used up.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PoolAnswer {
    /// Its id.
    pub id: String,
    /// As people read it.
    pub name: String,
    /// Whether each user has their own.
    pub per_user: bool,
    /// The kinds of account that have it: `enterprise`, `organization`, `user`.
    #[serde(rename = "for")]
    pub kinds: Vec<String>,
    /// What the amounts count: `units` of what is covered, `dollars`, or units of this SKU.
    pub worth: String,
    /// By what the amounts are multiplied.
    pub times: u32,
    /// By plan.
    pub plans: Vec<GrantAnswer>,
    /// By SKU of a seat.
    pub seats: Vec<GrantAnswer>,
}

/// What a plan or a seat brings.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GrantAnswer {
    /// The plan, or the id of the seat's SKU.
    pub of: String,
    /// How much.
    pub amounts: Vec<DatedAnswer>,
}

/// What uses of AI models count; 1 where nothing is stated.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MultipliersAnswer {
    /// The table's id.
    pub id: String,
    /// The ids of the SKUs whose quantities are multiplied.
    pub skus: Vec<String>,
    /// By model.
    pub models: Vec<FactorAnswer>,
    /// By how a model's name begins: this times what the rest counts.
    pub prefixes: Vec<FactorAnswer>,
}

/// What a model counts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FactorAnswer {
    /// The model, or how its name begins.
    pub name: String,
    /// By what a quantity is multiplied.
    pub factors: Vec<DatedAnswer>,
}

/// Every version of the catalogue, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CatalogVersions {
    /// The versions.
    pub versions: Vec<CatalogVersionAnswer>,
}

/// One change of the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CatalogVersionAnswer {
    /// The version: the number of the site's commit that made it.
    pub version: u64,
    /// When.
    pub created_at: String,
    /// `edition` for the built-in part, `own` for the site's own text.
    pub changed: String,
    /// The day as of which the built-in part was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// The token or the command that changed the own text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What a month costs, and what it would cost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WhatIfAnswer {
    /// The month: `2026-06`.
    pub month: String,
    /// The account that was asked about, or every one with metered usage in the month.
    pub accounts: Vec<AccountDifferenceAnswer>,
}

/// What an account's month costs, and what it would cost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccountDifferenceAnswer {
    /// Whose.
    pub account: AccountAnswer,
    /// As it is.
    pub before: AmountsAnswer,
    /// As it would be.
    pub after: AmountsAnswer,
    /// By SKU.
    pub skus: Vec<SkuDifferenceAnswer>,
}

/// What usage of a SKU costs, and what it would cost.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SkuDifferenceAnswer {
    /// The SKU's id.
    pub sku: String,
    /// As it is.
    pub before: AmountsAnswer,
    /// As it would be.
    pub after: AmountsAnswer,
}

/// Amounts, in US dollars.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AmountsAnswer {
    /// Gross amount.
    pub gross_amount: Decimal,
    /// Discount.
    pub discount_amount: Decimal,
    /// Net amount.
    pub net_amount: Decimal,
}

impl From<&Totals> for AmountsAnswer {
    fn from(totals: &Totals) -> Self {
        Self {
            gross_amount: Decimal::new(totals.gross),
            discount_amount: Decimal::new(totals.discount),
            net_amount: Decimal::new(totals.net()),
        }
    }
}

impl WhatIfAnswer {
    /// Of a month and its accounts.
    #[must_use]
    pub fn new(month: Month, accounts: Vec<AccountDifferenceAnswer>) -> Self {
        let month = month.to_string();
        Self { month, accounts }
    }
}

impl AccountDifferenceAnswer {
    /// An account's current and hypothetical sums, and those of its SKUs.
    #[must_use]
    pub fn new(
        account: &AccountName,
        (before, after): (&Totals, &Totals),
        skus: Vec<SkuDifferenceAnswer>,
    ) -> Self {
        Self {
            account: AccountAnswer {
                kind: account.kind.to_string(),
                name: account.name.to_string(),
            },
            before: before.into(),
            after: after.into(),
            skus,
        }
    }
}

impl CatalogAnswer {
    /// The catalogue at a version, with the site's own text in it.
    #[must_use]
    pub fn new(version: u64, own: &str, catalog: &Catalog) -> Self {
        let products = catalog.products().map(|product| ProductAnswer {
            id: product.id.clone(),
            name: product.display.clone(),
        });
        let units = catalog.units().map(|unit| UnitAnswer {
            id: unit.id.clone(),
            name: unit.pascal.clone(),
        });
        let tables = catalog.multiplier_tables();
        Self {
            version,
            edition: catalog.edition().map(|day| day.to_string()),
            own: own.to_owned(),
            products: products.collect(),
            units: units.collect(),
            skus: catalog.skus().map(|it| sku(catalog, it)).collect(),
            included: catalog.pools().map(|it| pool(catalog, it)).collect(),
            multipliers: tables.iter().map(multipliers).collect(),
        }
    }
}

impl From<&Version> for CatalogVersionAnswer {
    fn from(version: &Version) -> Self {
        let (changed, edition, by) = match &version.change {
            VersionChange::Edition(day) => ("edition", day.map(|day| day.to_string()), None),
            VersionChange::Own { by } => ("own", None, Some(by.clone())),
        };
        Self {
            version: version.seq.0,
            created_at: version.at.to_string(),
            changed: changed.to_owned(),
            edition,
            by,
        }
    }
}

fn sku(catalog: &Catalog, sku: &Sku) -> SkuAnswer {
    let aliases = catalog.aliases(sku).into_iter();
    let included = catalog.covers(sku).map(|(pool, weight)| CoverAnswer {
        id: pool.id.clone(),
        weight,
    });
    SkuAnswer {
        id: sku.id.clone(),
        name: sku.display.clone(),
        aliases: aliases.map(str::to_owned).collect(),
        product: sku.product.clone(),
        unit: sku.unit.clone(),
        report: sku.report().map(|kind| kind.as_str().to_owned()),
        free_in_public_repositories: sku.is_free_in_public(),
        prices: dated(sku.prices()),
        included: included.collect(),
    }
}

fn pool(catalog: &Catalog, pool: &Pool) -> PoolAnswer {
    let kinds = [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ];
    let kinds = kinds.into_iter().filter(|kind| pool.is_for(*kind));
    let plans = pool.plans().map(|(plan, amounts)| GrantAnswer {
        of: plan.as_str().to_owned(),
        amounts: dated(amounts),
    });
    let seats = pool.seats().into_iter().map(|(sku, amounts)| GrantAnswer {
        of: sku.to_owned(),
        amounts: dated(amounts),
    });
    PoolAnswer {
        id: pool.id.clone(),
        name: pool.display.clone(),
        per_user: pool.per_user,
        kinds: kinds.map(|kind| kind.to_string()).collect(),
        worth: catalog.worth(pool).to_owned(),
        times: pool.times(),
        plans: plans.collect(),
        seats: seats.collect(),
    }
}

fn multipliers(table: &MultiplierTable<'_>) -> MultipliersAnswer {
    let factor = |(name, factors): &(&str, Vec<Dated<_>>)| FactorAnswer {
        name: (*name).to_owned(),
        factors: dated(factors.iter().copied()),
    };
    MultipliersAnswer {
        id: table.id.to_owned(),
        skus: table.skus.iter().map(|sku| (*sku).to_owned()).collect(),
        models: table.models.iter().map(factor).collect(),
        prefixes: table.prefixes.iter().map(factor).collect(),
    }
}

fn dated<T: Display>(values: impl IntoIterator<Item = Dated<T>>) -> Vec<DatedAnswer> {
    let values = values.into_iter();
    let values = values.map(|(from, value)| DatedAnswer {
        value: Decimal::new(value),
        from: from.map(|day| day.to_string()),
    });
    values.collect()
}
