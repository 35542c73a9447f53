//! What changes from one catalogue to another.
//!
//! Invariant: two catalogues with the same facts rate all usage alike. A name that had a price on
//! some day and no longer has one is a loss, because usage of it could not be priced.

use super::{Catalog, Dated, Sku};
use crate::time::Day;
use std::collections::BTreeMap;
use std::fmt::Display;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What differs: `sku gpu_minutes`.
    pub subject: String,
    /// Which of its fields: `price from 2026-07-01`.
    pub field: String,
    /// The current value; `None` where the catalogue states none.
    pub before: Option<String>,
    /// The new value.
    pub after: Option<String>,
}

/// A name of a SKU that loses its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostPrice {
    /// The name, folded for comparison.
    pub name: String,
    /// The first day on which it will have a price; `None` if it never will.
    pub until: Option<Day>,
}

type Facts = BTreeMap<(String, String), String>;

impl Catalog {
    /// What `next` changes, sorted by subject and field.
    #[must_use]
    pub fn difference(&self, next: &Self) -> Vec<Fact> {
        let (mut before, after) = (self.facts(), next.facts());
        let mut changed = BTreeMap::new();
        for (key, value) in after {
            let known = before.remove(&key);
            if known.as_ref() != Some(&value) {
                changed.insert(key, (known, Some(value)));
            }
        }
        for (key, value) in before {
            changed.insert(key, (Some(value), None));
        }
        let facts = changed.into_iter();
        let facts = facts.map(|((subject, field), (before, after))| Fact {
            subject,
            field,
            before,
            after,
        });
        facts.collect()
    }

    /// The names of SKUs that have a price now on days when `next` has none, sorted.
    #[must_use]
    pub fn lost_prices(&self, next: &Self) -> Vec<LostPrice> {
        // Once a SKU has a price it always has one, so comparing first days is enough.
        let first = |sku: &Sku| sku.prices().next().map(|(from, _)| from);
        let mut lost = Vec::new();
        for (name, place) in &self.skus.places {
            let Some(before) = self.skus.entries.get(*place).and_then(first) else {
                continue;
            };
            let until = match next.sku(name.as_str()).and_then(first) {
                Some(after) if after <= before => continue,
                after => after.flatten(),
            };
            let name = name.as_str().to_owned();
            lost.push(LostPrice { name, until });
        }
        lost.sort_by(|left, right| left.name.cmp(&right.name));
        lost
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        let mut say = |subject: &str, field: &str, value: String| {
            facts.insert((subject.to_owned(), field.to_owned()), value);
        };
        for product in self.products() {
            let subject = format!("product {}", product.id);
            say(&subject, "name", product.display.clone());
            let aliases = self.products.aliases(&product.id, &product.display);
            stated(&subject, "alias", &aliases.join(", "), &mut say);
        }
        for unit in self.units() {
            let subject = format!("unit {}", unit.id);
            say(&subject, "name", unit.pascal.clone());
            let aliases = self.units.aliases(&unit.id, &unit.pascal);
            stated(&subject, "alias", &aliases.join(", "), &mut say);
        }
        for sku in self.skus() {
            self.sku_facts(sku, &mut say);
        }
        self.pool_facts(&mut say);
        for table in self.multiplier_tables() {
            let subject = format!("multipliers {}", table.id);
            say(&subject, "covers", table.skus.join(", "));
            for (word, list) in [("model", &table.models), ("prefix", &table.prefixes)] {
                for (name, history) in list {
                    dated(&subject, &format!("{word} {name}"), history, &mut say);
                }
            }
        }
        facts
    }

    fn sku_facts(&self, sku: &Sku, say: &mut impl FnMut(&str, &str, String)) {
        let subject = format!("sku {}", sku.id);
        say(&subject, "name", sku.display.clone());
        say(&subject, "product", sku.product.clone());
        say(&subject, "unit", sku.unit.clone());
        stated(&subject, "alias", &self.aliases(sku).join(", "), say);
        if let Some(report) = sku.report() {
            say(&subject, "report", report.as_str().to_owned());
        }
        if sku.is_free_in_public() {
            say(&subject, "free in public repositories", "yes".to_owned());
        }
        for (pool, weight) in self.covers(sku) {
            let field = format!("included in {}", pool.id);
            say(&subject, &field, format!("weight {weight}"));
        }
        dated(&subject, "price", &sku.prices().collect::<Vec<_>>(), say);
    }

    fn pool_facts(&self, say: &mut impl FnMut(&str, &str, String)) {
        for pool in self.pools() {
            let subject = format!("included {}", pool.id);
            say(&subject, "name", pool.display.clone());
            if pool.per_user {
                say(&subject, "per user", "yes".to_owned());
            }
            let kinds: Vec<String> = pool.kinds().iter().map(ToString::to_string).collect();
            stated(&subject, "for", &kinds.join(", "), say);
            say(&subject, "worth", self.worth(pool).to_owned());
            if pool.times() != 1 {
                say(&subject, "times", pool.times().to_string());
            }
            for (plan, history) in pool.plans() {
                dated(&subject, &format!("plan {}", plan.as_str()), &history, say);
            }
            for (sku, history) in pool.seats() {
                dated(&subject, &format!("seat {sku}"), &history, say);
            }
        }
    }
}

/// A fact, unless the value is empty.
fn stated(subject: &str, field: &str, value: &str, say: &mut impl FnMut(&str, &str, String)) {
    if !value.is_empty() {
        say(subject, field, value.to_owned());
    }
}

/// One fact for each day from which a value holds.
fn dated<T: Display>(
    subject: &str,
    field: &str,
    history: &[Dated<T>],
    say: &mut impl FnMut(&str, &str, String),
) {
    for (from, value) in history {
        match from {
            Some(day) => say(subject, &format!("{field} from {day}"), value.to_string()),
            None => say(subject, field, value.to_string()),
        }
    }
}
