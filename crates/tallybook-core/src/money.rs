//! Money and quantities: fixed-point integers, never floats.
//!
//! Invariant: a value is an exact multiple of its unit (1e-9 for quantities and amounts, 1e-12 for
//! prices) and its magnitude is at most [`LIMIT_UNITS`] units, so a sum of 2^40 of them cannot
//! overflow an `i128`. Text becomes a value in [`crate::decimal`]; this file only computes.
//! Look next: [`crate::decimal`] for parsing and printing.

pub use crate::decimal::LIMIT_UNITS;
use crate::decimal::{self, ParseDecimalError};
use crate::wide::mul_div_half_even;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

const NANOS: i128 = 1_000_000_000;
const PICOS: i128 = 1_000_000_000_000;
const LIMIT_NANOS: i128 = LIMIT_UNITS * NANOS;

/// The result of an exact computation does not fit the limits of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result is larger than {LIMIT_UNITS} units")]
pub struct Overflow;

/// A usage quantity in billionths of the SKU's unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// An amount of money in billionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// A price per unit in trillionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i128);

macro_rules! fixed_point {
    ($name:ident, $from:ident, $get:ident, $digits:literal) => {
        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// From a count of the smallest unit.
            #[must_use]
            pub const fn $from(value: i128) -> Self {
                Self(value)
            }

            /// As a count of the smallest unit.
            #[must_use]
            pub const fn $get(self) -> i128 {
                self.0
            }

            /// Parses the text of a report or a setting; see [`decimal::parse`] for what counts as
            /// noise and what is refused.
            pub fn parse(text: &str) -> Result<Self, ParseDecimalError> {
                decimal::parse(text.as_bytes(), $digits).map(Self)
            }

            /// Like [`Self::parse`], from the bytes of a file.
            pub fn parse_bytes(text: &[u8]) -> Result<Self, ParseDecimalError> {
                decimal::parse(text, $digits).map(Self)
            }

            /// Whether the value is exactly zero.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        /// The shortest plain decimal: no exponent, no trailing zeros, whole numbers without a
        /// point.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(decimal::Buffer::new().format(self.0, $digits))
            }
        }
    };
}

fixed_point!(Quantity, from_nanos, nanos, 9);
fixed_point!(Amount, from_nanos, nanos, 9);
fixed_point!(Price, from_picos, picos, 12);

macro_rules! additive {
    ($name:ident) => {
        // Plain operators: values are bounded by LIMIT_UNITS, so sums of 2^40 of them fit; every
        // build of this crate panics instead of wrapping (overflow-checks in the profile).
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                values.fold(Self::ZERO, Add::add)
            }
        }
    };
}

additive!(Quantity);
additive!(Amount);

impl Price {
    /// Quantity times price, rounded half-even once to a billionth of a dollar.
    ///
    /// This is the only place where a metered amount is rounded.
    pub fn gross_of(self, quantity: Quantity) -> Result<Amount, Overflow> {
        let rounded = mul_div_half_even(quantity.0, self.0, PICOS).ok_or(Overflow)?;
        within_limit(rounded).map(Amount)
    }

    /// [`Self::gross_of`] for a sum of many quantities, each of which was within the limit: the
    /// amount may exceed the limit of a single one.
    pub fn gross_of_sum(self, quantity: Quantity) -> Result<Amount, Overflow> {
        let rounded = mul_div_half_even(quantity.0, self.0, PICOS).ok_or(Overflow)?;
        Ok(Amount(rounded))
    }

    /// Quantity divided by `divisor` times price, rounded half-even once to a billionth of a
    /// dollar; an overflow when the divisor is zero.
    ///
    /// Used when the remaining included core-hours pay for part of a machine's hours: gives the
    /// amount of that part.
    pub fn gross_of_divided(self, quantity: Quantity, divisor: u32) -> Result<Amount, Overflow> {
        let divisor = PICOS * i128::from(divisor);
        let rounded = mul_div_half_even(quantity.0, self.0, divisor).ok_or(Overflow)?;
        Ok(Amount(rounded))
    }
}

impl Quantity {
    /// Times `factor`, rounded half-even once to a billionth.
    ///
    /// A metered quantity is multiplied by its model's multiplier before it is priced. It may be
    /// the sum of many quantities, so the result may exceed the limit of a single one.
    pub fn times(self, factor: Self) -> Result<Self, Overflow> {
        if factor.0 == NANOS {
            return Ok(self);
        }
        let rounded = mul_div_half_even(self.0, factor.0, NANOS).ok_or(Overflow)?;
        Ok(Self(rounded))
    }

    /// The quantity itself, if it is within the limit of a single one.
    pub fn within_limit(self) -> Result<Self, Overflow> {
        within_limit(self.0).map(Self)
    }
}

pub(crate) fn within_limit(nanos: i128) -> Result<i128, Overflow> {
    if nanos.unsigned_abs() > LIMIT_NANOS.unsigned_abs() {
        Err(Overflow)
    } else {
        Ok(nanos)
    }
}

/// The part of `quantity` that `discount` pays for: quantity x discount / gross, rounded half-even
/// to a billionth; zero when gross is zero.
///
/// Discount / price would be wrong: in a quarter of the lines of real reports, gross is not
/// quantity x price. When discount equals gross the result is exactly `quantity`.
///
/// # Panics
///
/// When the result does not fit an `i128`, which is possible only for a discount far larger than
/// its gross: [`checked_discount_quantity`] keeps such lines out; a wrong number would be worse.
#[must_use]
pub fn discount_quantity(quantity: Quantity, discount: Amount, gross: Amount) -> Quantity {
    if gross.0 == 0 || discount.0 == 0 {
        return Quantity::ZERO;
    }
    if discount == gross {
        return quantity;
    }
    match mul_div_half_even(quantity.0, discount.0, gross.0) {
        Some(nanos) => Quantity(nanos),
        None => panic!("discount {discount} of gross {gross} for {quantity}: {Overflow}"),
    }
}

/// [`discount_quantity`] for validating a reported line: an error when the result is beyond
/// [`LIMIT_UNITS`].
pub fn checked_discount_quantity(
    quantity: Quantity,
    discount: Amount,
    gross: Amount,
) -> Result<Quantity, Overflow> {
    if gross.0 == 0 || discount.0 == 0 {
        return Ok(Quantity::ZERO);
    }
    let rounded = mul_div_half_even(quantity.0, discount.0, gross.0).ok_or(Overflow)?;
    within_limit(rounded).map(Quantity)
}
