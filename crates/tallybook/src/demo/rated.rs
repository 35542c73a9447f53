//! Prices the demo's usage: list prices, and the plan's included usage as discounts.
//!
//! Invariant: gross is quantity x price, rounded once; a discount never exceeds it. Included usage
//! is spent in the order of the report's lines. Facts sections 4.5 and 4.6 are the source.

use super::company::{COST_CENTERS, Company, ORGANIZATIONS};
use super::usage::{Key, Measure, Usage};
use std::collections::BTreeMap;
use tallybook_core::account::Visibility;
use tallybook_core::catalog::Catalog;
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::time::Day;

/// One line of a report.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) product: String,
    pub(super) unit: String,
    pub(super) quantity: Quantity,
    pub(super) credits: Quantity,
    pub(super) price: Price,
    pub(super) gross: Amount,
    pub(super) discount: Amount,
    /// Premium requests that the seat includes per month, and whether this line exceeds them.
    pub(super) quota: u32,
    pub(super) exceeds_quota: bool,
}

impl Row {
    /// Whether the line belongs to one of the two reports of AI usage.
    pub(super) fn is_ai(&self) -> bool {
        !self.key.model.is_empty()
    }

    pub(super) fn organization(&self) -> &'static str {
        ORGANIZATIONS[self.key.organization]
    }

    pub(super) fn cost_center(&self, company: &Company) -> &'static str {
        let key = &self.key;
        let center = company.cost_center(key.organization, key.repository, key.user);
        center.map_or("", |at| COST_CENTERS[at])
    }
}

/// What is left of the month's included usage of an enterprise.
struct Pools {
    /// Minutes count as money at the price of standard Linux.
    minutes: Amount,
    storage: Quantity,
    packages: Quantity,
    lfs_storage: Quantity,
    lfs_bandwidth: Quantity,
    /// Premium requests, of each user.
    requests: BTreeMap<usize, Quantity>,
    credits: Quantity,
}

const HOURS_A_MONTH: i128 = 744;

fn units(count: i128) -> Quantity {
    Quantity::from_nanos(count * 1_000_000_000)
}

impl Pools {
    fn new(catalog: &Catalog, company: &Company, day: Day, age: i32) -> Self {
        let seats = company.users.iter().filter_map(|user| user.seat);
        let credits = seats
            .filter(|(_, given)| *given <= age)
            .map(|(sku, _)| {
                if sku == "copilot_enterprise" {
                    3_900
                } else {
                    1_900
                }
            })
            .sum();
        Self {
            minutes: gross(price(catalog, "actions_linux", day), units(50_000)),
            storage: units(50 * HOURS_A_MONTH),
            packages: units(100),
            lfs_storage: units(250 * HOURS_A_MONTH),
            lfs_bandwidth: units(250),
            requests: BTreeMap::new(),
            credits: units(credits),
        }
    }

    /// The discount of a line, and whether it used more than its user's quota.
    fn discount(&mut self, company: &Company, row: &Row) -> (Amount, bool) {
        let repository = row.key.repository.map(|at| &company.repositories[at]);
        let public = repository.is_some_and(|it| it.visibility == Visibility::Public);
        let pool = match row.key.sku {
            "actions_linux" | "actions_windows" | "actions_macos" | "actions_linux_arm"
            | "actions_linux_slim" => {
                let covered = if public {
                    row.gross
                } else {
                    row.gross.min(self.minutes)
                };
                if !public {
                    self.minutes -= covered;
                }
                return (covered, false);
            }
            "actions_storage" | "packages_storage" if public => return (row.gross, false),
            "actions_storage" | "packages_storage" => &mut self.storage,
            "packages_bandwidth" => &mut self.packages,
            "git_lfs_storage" => &mut self.lfs_storage,
            "git_lfs_bandwidth" => &mut self.lfs_bandwidth,
            "copilot_ai_credit" | "coding_agent_ai_credit" | "spark_ai_credit" => &mut self.credits,
            sku if sku.ends_with("_premium_request") => {
                let user = row.key.user.unwrap_or(usize::MAX);
                self.requests
                    .entry(user)
                    .or_insert_with(|| units(row.quota.into()))
            }
            _ => return (Amount::ZERO, false),
        };
        let covered = row.quantity.min(*pool);
        *pool -= covered;
        let whole = covered == row.quantity;
        let discount = if whole {
            row.gross
        } else {
            gross(row.price, covered)
        };
        (discount, !whole)
    }
}

/// Prices the `usage` of one month.
pub(super) fn rate(catalog: &Catalog, company: &Company, age: i32, usage: Usage) -> Vec<Row> {
    let Some(first) = usage.keys().next() else {
        return Vec::new();
    };
    let mut pools = Pools::new(catalog, company, first.day, age);
    let mut rows = Vec::with_capacity(usage.len());
    for (key, measure) in usage {
        let mut row = list_price(catalog, key, measure);
        row.quota = quota(company, key.user);
        (row.discount, row.exceeds_quota) = pools.discount(company, &row);
        rows.push(row);
    }
    rows
}

/// The same for the owner's own account on the Pro plan: 3,000 minutes, storage left to the rest.
pub(super) fn rate_personal(catalog: &Catalog, usage: Usage) -> Vec<Row> {
    let mut minutes = Amount::ZERO;
    let mut rows: Vec<Row> = Vec::with_capacity(usage.len());
    for (key, measure) in usage {
        let mut row = list_price(catalog, key, measure);
        if rows.is_empty() {
            minutes = gross(price(catalog, "actions_linux", key.day), units(3_000));
        }
        if key.sku == "actions_linux" {
            row.discount = row.gross.min(minutes);
            minutes -= row.discount;
        }
        rows.push(row);
    }
    rows
}

/// The detailed report has no models: lines that differ only by model become one.
pub(super) fn without_models(rows: &[Row]) -> Vec<Row> {
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut row = row.clone();
        row.key.model = "";
        match merged.last_mut() {
            Some(last) if last.key == row.key => {
                last.quantity += row.quantity;
                last.gross += row.gross;
                last.discount += row.discount;
            }
            _ => merged.push(row),
        }
    }
    merged
}

fn list_price(catalog: &Catalog, key: Key, measure: Measure) -> Row {
    let sku = catalog
        .sku(key.sku)
        .expect("the demo uses SKUs of the built-in catalogue");
    let price = price(catalog, key.sku, key.day);
    Row {
        key,
        product: sku.product.clone(),
        unit: sku.unit.clone(),
        quantity: measure.quantity,
        credits: measure.credits,
        price,
        gross: gross(price, measure.quantity),
        discount: Amount::ZERO,
        quota: 0,
        exceeds_quota: false,
    }
}

fn quota(company: &Company, user: Option<usize>) -> u32 {
    match user.and_then(|at| company.users[at].seat) {
        Some(("copilot_enterprise", _)) => 1_000,
        Some(_) => 300,
        None => 0,
    }
}

fn price(catalog: &Catalog, sku: &str, day: Day) -> Price {
    let sku = catalog
        .sku(sku)
        .expect("the demo uses SKUs of the built-in catalogue");
    sku.price_on(day)
        .expect("the demo uses SKUs that have a price")
}

fn gross(price: Price, quantity: Quantity) -> Amount {
    price
        .gross_of(quantity)
        .expect("the demo's quantities are small")
}
