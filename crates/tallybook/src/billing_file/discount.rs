//! Negotiated discounts as a billing file states them.
//!
//! Invariant: a percentage is read from its digits, never via a float; a discount without a scope
//! applies to everything, and none applies to a product and a SKU at once.

use super::Checked;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, Percent};
use tallybook_core::time;

/// Every discount of an account.
pub(super) struct Discounts(Vec<NegotiatedDiscount>);

impl Discounts {
    pub(super) fn into_list(self) -> Vec<NegotiatedDiscount> {
        self.0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discount {
    percent: Percentage,
    product: Option<String>,
    sku: Option<String>,
    from: Option<Day>,
    until: Option<Day>,
}

struct Percentage(Percent);

struct Day(time::Day);

impl<'de> Deserialize<'de> for Percentage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked {
            expecting: "a percentage",
            check: |text| {
                let percent = Percent::parse(text);
                percent
                    .map(Self)
                    .map_err(|error| format!("the percentage '{text}' {error}"))
            },
        })
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked {
            expecting: "a day",
            check: |text| {
                let day = time::Day::parse(text);
                day.map(Self)
                    .map_err(|error| format!("'{text}' is not a day: {error}"))
            },
        })
    }
}

impl<'de> Deserialize<'de> for Discounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stated = Vec::<Discount>::deserialize(deserializer)?;
        let read = |discount| negotiated(discount).map_err(D::Error::custom);
        let list = stated.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self(list))
    }
}

fn negotiated(stated: Discount) -> Result<NegotiatedDiscount, String> {
    let scope = match (stated.product, stated.sku) {
        (Some(_), Some(_)) => {
            return Err("a discount is on a product or on a SKU, not on both".to_owned());
        }
        (Some(product), None) => DiscountScope::Product(product),
        (None, Some(sku)) => DiscountScope::Sku(sku),
        (None, None) => DiscountScope::Account,
    };
    let (from, until) = (stated.from.map(|day| day.0), stated.until.map(|day| day.0));
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return Err(
            "a discount's until is the first day without it, and must be later than from"
                .to_owned(),
        );
    }
    Ok(NegotiatedDiscount {
        scope,
        percent: stated.percent.0,
        from,
        until,
    })
}
