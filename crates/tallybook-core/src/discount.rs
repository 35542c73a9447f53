//! Discounts that an account has negotiated: percentages of the cost of usage, by day.
//!
//! Invariant: a percentage is above 0 and at most 100, `from` is before `until`. Of several that
//! match a line only one counts, whatever their order: see [`crate::rating`], which applies them.

use crate::codec::{DecodeError, Reader, Writer};
use crate::decimal::{self, ParseDecimalError};
use crate::money::Amount;
use crate::time::Day;
use crate::wide::mul_div_half_even;
use std::fmt;

/// A percentage, in billionths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(i128);

/// Why a text is not a valid discount percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePercentError {
    /// Not a decimal number.
    #[error(transparent)]
    Decimal(#[from] ParseDecimalError),
    /// Zero, negative, or above 100.
    #[error("must be above 0 and at most 100")]
    Range,
}

const DIGITS: u32 = 9;
const HUNDRED: i128 = 100_000_000_000;

impl Percent {
    /// Reads `12.5`.
    pub fn parse(text: &str) -> Result<Self, ParsePercentError> {
        let nanos = decimal::parse(text.as_bytes(), DIGITS)?;
        Self::from_nanos(nanos).ok_or(ParsePercentError::Range)
    }

    /// From billionths of a percent, above 0 and at most 100.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        (1..=HUNDRED).contains(&nanos).then_some(Self(nanos))
    }

    /// As billionths of a percent.
    #[must_use]
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// This percentage of `amount`, rounded half-even once to a billionth of a dollar.
    ///
    /// # Panics
    ///
    /// Never: a part is no larger than the whole.
    #[must_use]
    pub fn of(self, amount: Amount) -> Amount {
        match mul_div_half_even(amount.nanos(), self.0, HUNDRED) {
            Some(nanos) => Amount::from_nanos(nanos),
            None => panic!("{self} of {amount} is more than the whole"),
        }
    }
}

/// `12.5`.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(decimal::Buffer::new().format(self.0, DIGITS))
    }
}

/// What a discount applies to; later variants are more specific.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscountScope {
    /// Everything.
    Account,
    /// A product, by any of its names in the catalogue.
    Product(String),
    /// A SKU, by any of its names in the catalogue.
    Sku(String),
}

/// One agreed discount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NegotiatedDiscount {
    /// What it applies to.
    pub scope: DiscountScope,
    /// How much.
    pub percent: Percent,
    /// The first day it applies to; `None` is the beginning of time.
    pub from: Option<Day>,
    /// The first day it no longer applies to; `None` is never.
    pub until: Option<Day>,
}

/// `everything`, `product actions`, `sku actions_linux`.
impl fmt::Display for DiscountScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str("everything"),
            Self::Product(name) => write!(f, "product {name}"),
            Self::Sku(name) => write!(f, "sku {name}"),
        }
    }
}

/// `12.5% on sku actions_linux from 2026-01-01 until 2026-07-01`.
impl fmt::Display for NegotiatedDiscount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}% on {}", self.percent, self.scope)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        match self.until {
            Some(until) => write!(f, " until {until}"),
            None => Ok(()),
        }
    }
}

const ACCOUNT: u8 = 0;
const PRODUCT: u8 = 1;
const SKU: u8 = 2;

impl NegotiatedDiscount {
    /// Whether it applies on `day`.
    #[must_use]
    pub fn holds_on(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }

    /// Appends it to an entry of the account's log.
    pub(super) fn encode(&self, out: &mut Writer) {
        match &self.scope {
            DiscountScope::Account => out.byte(ACCOUNT),
            DiscountScope::Product(id) => {
                out.byte(PRODUCT);
                out.text(id);
            }
            DiscountScope::Sku(id) => {
                out.byte(SKU);
                out.text(id);
            }
        }
        out.signed(self.percent.0);
        for day in [self.from, self.until] {
            out.byte(u8::from(day.is_some()));
            if let Some(day) = day {
                out.signed(i128::from(day.index()));
            }
        }
    }

    /// Reads it back.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let scope = match reader.byte("discount's scope")? {
            ACCOUNT => DiscountScope::Account,
            PRODUCT => DiscountScope::Product(reader.text("discount's product")?.to_owned()),
            SKU => DiscountScope::Sku(reader.text("discount's SKU")?.to_owned()),
            _ => return Err(reader.invalid("discount's scope")),
        };
        let percent = Percent::from_nanos(reader.signed("discount's percentage")?);
        let percent = percent.ok_or_else(|| reader.invalid("discount's percentage"))?;
        let mut day = || match reader.byte("discount's day")? {
            0 => Ok(None),
            1 => {
                let index = i64::try_from(reader.signed("discount's day")?);
                let day = index.ok().and_then(|index| Day::try_from_index(index).ok());
                day.map(Some)
                    .ok_or_else(|| reader.invalid("discount's day"))
            }
            _ => Err(reader.invalid("discount's day")),
        };
        let (from, until) = (day()?, day()?);
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            return Err(reader.invalid("discount's days"));
        }
        Ok(Self {
            scope,
            percent,
            from,
            until,
        })
    }
}
