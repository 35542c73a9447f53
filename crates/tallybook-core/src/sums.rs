//! Sums over usage: what totals are made of.
//!
//! Invariant: integer addition only; net is what is left after the discount.

use crate::money::{Amount, Quantity};
use std::ops::AddAssign;

/// The sums that an answer computes: columns that are not needed are not read. An answer reads each
/// column from memory once, so the number of columns determines its cost.
pub trait Sums: From<Totals> + AddAssign + Copy + Default + Send + 'static {
    /// Whether discounted quantities are among them; if not, they are not added up.
    const DISCOUNT_QUANTITY: bool;
}

/// Sums over lines; net is what is left after the discount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Quantity used.
    pub quantity: Quantity,
    /// The part of it that discounts paid for.
    pub discount_quantity: Quantity,
    /// Amount at the price.
    pub gross: Amount,
    /// What discounts took off.
    pub discount: Amount,
}

impl Sums for Totals {
    const DISCOUNT_QUANTITY: bool = true;
}

/// Sums over lines without what discounts paid for of quantities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charges {
    /// Quantity used.
    pub quantity: Quantity,
    /// Amount at the price.
    pub gross: Amount,
    /// What discounts took off.
    pub discount: Amount,
}

impl Sums for Charges {
    const DISCOUNT_QUANTITY: bool = false;
}

impl From<Totals> for Charges {
    fn from(totals: Totals) -> Self {
        let Totals {
            quantity,
            gross,
            discount,
            discount_quantity: _,
        } = totals;
        Self {
            quantity,
            gross,
            discount,
        }
    }
}

impl Charges {
    /// Amount to pay.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.gross - self.discount
    }
}

impl AddAssign for Charges {
    fn add_assign(&mut self, other: Self) {
        self.quantity += other.quantity;
        self.gross += other.gross;
        self.discount += other.discount;
    }
}

impl Totals {
    /// From billionths.
    pub(crate) fn from_nanos([quantity, discount_quantity, gross, discount]: [i128; 4]) -> Self {
        Self {
            quantity: Quantity::from_nanos(quantity),
            discount_quantity: Quantity::from_nanos(discount_quantity),
            gross: Amount::from_nanos(gross),
            discount: Amount::from_nanos(discount),
        }
    }

    /// Quantity that was not discounted.
    #[must_use]
    pub fn net_quantity(&self) -> Quantity {
        self.quantity - self.discount_quantity
    }

    /// Amount to pay.
    #[must_use]
    pub fn net(&self) -> Amount {
        self.gross - self.discount
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.quantity += other.quantity;
        self.discount_quantity += other.discount_quantity;
        self.gross += other.gross;
        self.discount += other.discount;
    }
}
