//! Made-up catalogues, accounts and usage of one month, as plain numbers.

use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt::Write;

pub(crate) const SKUS: usize = 5;
pub(crate) const USERS: [&str; 4] = ["", "ann", "bob", "cyd"];
pub(crate) const MODELS: [&str; 4] = ["", "small", "large", "auto: large"];
/// The SKU that is a seat.
pub(crate) const SEAT: usize = 0;

/// A SKU; amounts are in the smallest unit of their type.
#[derive(Debug, Clone)]
pub(crate) struct SkuSpec {
    /// From the beginning, and from the 10th.
    pub(crate) prices: [u64; 2],
    pub(crate) pool: Option<usize>,
    pub(crate) weight: u32,
    pub(crate) free_in_public: bool,
    pub(crate) multiplied: bool,
}

/// How a pool is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    Units,
    Dollars,
    Sku(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct PoolSpec {
    pub(crate) worth: Worth,
    pub(crate) per_user: bool,
    pub(crate) plan: u64,
    pub(crate) seat: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineSpec {
    pub(crate) hour: i32,
    pub(crate) sku: usize,
    pub(crate) public: bool,
    pub(crate) user: usize,
    pub(crate) model: usize,
    pub(crate) quantity: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) skus: Vec<SkuSpec>,
    pub(crate) pools: Vec<PoolSpec>,
    /// Of `small` and `large`, and of what begins with `auto: `; in billionths.
    pub(crate) multipliers: [u64; 3],
    /// On everything, on each SKU; in billionths of a percent.
    pub(crate) discounts: (Option<u64>, Vec<Option<u64>>),
    pub(crate) lines: Vec<LineSpec>,
}

pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    let pools = vec(pool(), 0..3);
    let percent = || prop::option::weighted(0.3, 1..=100_000_000_000u64);
    let discounts = (percent(), vec(percent(), SKUS));
    let multipliers = prop::array::uniform3(0..4_000_000_000u64);
    let lines = vec(line(), 0..40);
    (vec(sku(), SKUS), pools, multipliers, discounts, lines).prop_map(
        |(mut skus, pools, multipliers, discounts, mut lines)| {
            for sku in &mut skus {
                sku.pool = sku.pool.filter(|pool| *pool < pools.len());
            }
            lines.sort();
            // A statement has one line of a key: its usage is added up.
            lines.dedup_by(|next, line| {
                LineSpec {
                    quantity: 0,
                    ..next.clone()
                } == LineSpec {
                    quantity: 0,
                    ..line.clone()
                }
            });
            Scenario {
                skus,
                pools,
                multipliers,
                discounts,
                lines,
            }
        },
    )
}

fn sku() -> impl Strategy<Value = SkuSpec> {
    let price = || prop_oneof![Just(0), 1..1_000_000u64, 1..50_000_000_000_000u64];
    let pool = prop::option::weighted(0.8, 0..2usize);
    (
        [price(), price()],
        pool,
        1..20u32,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(prices, pool, weight, free_in_public, multiplied)| SkuSpec {
                prices,
                pool,
                weight,
                free_in_public,
                multiplied,
            },
        )
}

fn pool() -> impl Strategy<Value = PoolSpec> {
    let worth = prop_oneof![
        Just(Worth::Units),
        Just(Worth::Dollars),
        (0..SKUS).prop_map(Worth::Sku)
    ];
    let amount = || prop_oneof![Just(0), 0..1_000_000_000_000u64, 0..5_000u64];
    (worth, any::<bool>(), amount(), amount()).prop_map(|(worth, per_user, plan, seat)| PoolSpec {
        worth,
        per_user,
        plan,
        seat,
    })
}

fn line() -> impl Strategy<Value = LineSpec> {
    let quantity = prop_oneof![0..5_000u64, 0..1_000_000_000_000u64];
    let names = (any::<bool>(), 0..USERS.len(), 0..MODELS.len());
    (0..672i32, 0..SKUS, names, quantity).prop_map(
        |(hour, sku, (public, user, model), quantity)| LineSpec {
            hour,
            sku,
            public,
            user,
            model,
            quantity,
        },
    )
}

impl Scenario {
    /// The catalogue as a person would write it.
    pub(crate) fn catalogue(&self) -> String {
        let nanos = |value: u64| format!("{}.{:09}", value / 1_000_000_000, value % 1_000_000_000);
        let picos = |value: u64| {
            let whole = 1_000_000_000_000;
            format!("{}.{:012}", value / whole, value % whole)
        };
        let mut text = "product p \"P\"\nunit u U\n".to_owned();
        for (place, sku) in self.skus.iter().enumerate() {
            let [old, new] = sku.prices.map(picos);
            write!(text, "sku s{place} \"S {place}\" p u\nprice {old}\n").unwrap();
            writeln!(text, "price {new} from 2026-02-10").unwrap();
            if sku.free_in_public {
                text.push_str("free in public repositories\n");
            }
        }
        for (place, pool) in self.pools.iter().enumerate() {
            let user = if pool.per_user { " per user" } else { "" };
            writeln!(text, "included i{place} \"I {place}\"{user}").unwrap();
            match pool.worth {
                Worth::Units => {}
                Worth::Dollars => text.push_str("worth dollars\n"),
                Worth::Sku(sku) => writeln!(text, "worth s{sku}").unwrap(),
            }
            let (plan, seat) = (nanos(pool.plan), nanos(pool.seat));
            write!(text, "plan team {plan}\nseat s{SEAT} {seat}\n").unwrap();
            for (sku, spec) in self.skus.iter().enumerate() {
                if spec.pool == Some(place) {
                    writeln!(text, "covers s{sku} weight {}", spec.weight).unwrap();
                }
            }
        }
        let [small, large, auto] = self.multipliers.map(nanos);
        write!(
            text,
            "multipliers m\nmodel small {small}\nmodel large {large}\n"
        )
        .unwrap();
        writeln!(text, "prefix \"Auto: \" {auto}").unwrap();
        for (sku, spec) in self.skus.iter().enumerate() {
            if spec.multiplied {
                writeln!(text, "covers s{sku}").unwrap();
            }
        }
        text
    }
}
