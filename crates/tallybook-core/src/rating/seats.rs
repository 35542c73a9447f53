//! Who has a seat in a month: determined by a pass over its lines before any of them is rated.
//!
//! Invariant: independent of the order of the lines. A user with usage of a seat's SKU in the month
//! has that seat for the whole of it: a seat that is added counts at once, one that is removed
//! counts until the month ends.

use crate::catalog::Sku;
use crate::money::Quantity;
use std::collections::{BTreeMap, BTreeSet};

/// The seats of one account's month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seats {
    /// The SKUs of each user's seats, by the folded name.
    users: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// User-months of lines without a user, in billionths.
    nameless: BTreeMap<Box<str>, i128>,
}

impl Seats {
    /// No seats.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line of the month into account; only lines of seat SKUs matter ([`Sku::is_seat`]).
    /// `user` is folded, `""` for none.
    pub fn add(&mut self, sku: &Sku, user: &str, quantity: Quantity) {
        if !sku.is_seat() || quantity <= Quantity::ZERO {
            return;
        }
        if user.is_empty() {
            *self.nameless.entry(sku.id.as_str().into()).or_default() += quantity.nanos();
            return;
        }
        if !self.users.contains_key(user) {
            self.users.insert(user.into(), BTreeSet::new());
        }
        let skus = self.users.get_mut(user);
        if let Some(skus) = skus.filter(|skus| !skus.contains(sku.id.as_str())) {
            skus.insert(sku.id.as_str().into());
        }
    }

    /// Every named user with the SKUs of their seats.
    pub(super) fn users(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.users
            .iter()
            .map(|(user, skus)| (&**user, skus.iter().map(|sku| &**sku)))
    }

    /// The SKUs of a user's seats.
    pub(super) fn of(&self, user: &str) -> impl Iterator<Item = &str> {
        let skus = self.users.get(user);
        skus.into_iter().flatten().map(|sku| &**sku)
    }

    /// The number of seats of each SKU besides those of named users: the number of user-months,
    /// rounded up (a day's share is truncated to nine decimals).
    pub(super) fn nameless(&self) -> impl Iterator<Item = (&str, i128)> {
        const WHOLE: i128 = 1_000_000_000;
        let whole = |nanos: i128| nanos / WHOLE + i128::from(nanos % WHOLE > 0);
        self.nameless
            .iter()
            .map(move |(sku, nanos)| (&**sku, whole(*nanos)))
    }
}
