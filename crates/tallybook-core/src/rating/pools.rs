//! Included usage as it is being spent, line by line.
//!
//! Invariant: what a pool has paid for and what is left of it add up to what was granted, always.
//!
//! A month's grant is the greatest of its days, whether the plan or its amount changes: an increase
//! takes effect at once and for the whole month, a decrease from the next month on. That is how
//! seats are billed; it never charges for usage that was free when it happened, and it does not
//! depend on the order of changes.

use super::Rated;
use super::seats::Seats;
use super::terms::Terms;
use crate::catalog::{Catalog, Measure, Pool};
use crate::money::{Amount, Overflow, Quantity};
use crate::time::{Day, Month};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a pool granted in the month, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// The user, for a pool per user.
    pub user: Option<Box<str>>,
    /// The amount granted, in billionths of the pool's unit or of a dollar.
    pub granted: i128,
    /// The amount left, in the same unit.
    pub left: i128,
}

/// Every pool of one account's month, by its index in the catalogue.
#[derive(Debug, Clone)]
pub(super) struct Pools<'a> {
    /// Shared by copies.
    seats: Arc<Seats>,
    purses: Vec<Purse<'a>>,
}

#[derive(Debug, Clone)]
struct Purse<'a> {
    pool: &'a Pool,
    /// What the account's plan grants: to the account, or to each user.
    plan: i128,
    /// What one seat grants, by its SKU.
    seats: BTreeMap<&'a str, i128>,
    /// The account's balance, for a shared pool.
    account: Account,
    /// The users with usage, each with the index of their balance in `lefts`.
    users: BTreeMap<Box<str>, usize>,
    lefts: Vec<i128>,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    granted: i128,
    left: i128,
}

impl<'a> Pools<'a> {
    pub(super) fn new(
        month: Month,
        catalog: &'a Catalog,
        terms: &Terms,
        seats: Seats,
    ) -> Result<Self, Overflow> {
        let first = month.first_day();
        let days: Vec<Day> = (0..month.days())
            .map(|day| Day::from_index(first.index() + day))
            .collect();
        let mut purses = Vec::with_capacity(catalog.pools().len());
        for pool in catalog.pools() {
            let mut plan = 0;
            for day in &days {
                if let Some(name) = terms.plan_on(*day) {
                    plan = plan.max(catalog.plan_grant(pool, name, *day, first)?);
                }
            }
            let mut by_sku = BTreeMap::new();
            for sku in pool.seat_skus() {
                let mut granted = 0;
                for day in &days {
                    granted = granted.max(catalog.seat_grant(pool, sku, *day, first)?);
                }
                by_sku.insert(sku, granted);
            }
            let mut purse = Purse {
                pool,
                plan,
                seats: by_sku,
                account: Account {
                    granted: 0,
                    left: 0,
                },
                users: BTreeMap::new(),
                lefts: Vec::new(),
            };
            if !pool.per_user {
                let granted = purse.of_all(&seats)?;
                purse.account = Account {
                    granted,
                    left: granted,
                };
            }
            purses.push(purse);
        }
        Ok(Self {
            seats: Arc::new(seats),
            purses,
        })
    }

    /// What the pool at index `place` pays of a line, each of whose units consumes `weight` units
    /// of the pool.
    pub(super) fn spend(
        &mut self,
        place: usize,
        weight: u32,
        user: &str,
        line: &Rated,
    ) -> Result<Amount, Overflow> {
        // Free usage consumes nothing, and a correction gives nothing back.
        if line.price.is_zero() || line.quantity <= Quantity::ZERO {
            return Ok(Amount::ZERO);
        }
        let purse = &mut self.purses[place];
        let measure = purse.pool.measure();
        let left = match (purse.pool.per_user, user) {
            (false, _) => &mut purse.account.left,
            // Usage without a user has no per-user allowance.
            (true, "") => return Ok(Amount::ZERO),
            (true, user) => purse.left_of(user, &self.seats),
        };
        let needed = match measure {
            Measure::Money => line.gross.nanos(),
            // Saturating is safe: no pool holds that much.
            Measure::Quantity => line.quantity.nanos().saturating_mul(i128::from(weight)),
        };
        if needed <= *left {
            *left -= needed;
            return Ok(line.gross);
        }
        let rest = std::mem::take(left);
        match measure {
            Measure::Money => Ok(Amount::from_nanos(rest)),
            Measure::Quantity => line
                .price
                .gross_of_divided(Quantity::from_nanos(rest), weight),
        }
    }

    pub(super) fn balances(&self) -> Vec<Balance<'a>> {
        let mut balances = Vec::new();
        for purse in &self.purses {
            if !purse.pool.per_user {
                let Account { granted, left } = purse.account;
                balances.push(Balance {
                    pool: purse.pool,
                    user: None,
                    granted,
                    left,
                });
                continue;
            }
            let seated = self.seats.users().map(|(user, _)| user);
            let mut users: Vec<&str> = seated
                .chain(purse.users.keys().map(|user| &**user))
                .collect();
            users.sort_unstable();
            users.dedup();
            for user in users {
                let granted = purse.of_user(self.seats.of(user));
                if granted > 0 {
                    balances.push(Balance {
                        pool: purse.pool,
                        user: Some(user.into()),
                        granted,
                        left: purse
                            .users
                            .get(user)
                            .map_or(granted, |place| purse.lefts[*place]),
                    });
                }
            }
        }
        balances
    }
}

impl Purse<'_> {
    /// A user's balance; initially their full grant.
    fn left_of(&mut self, user: &str, seats: &Seats) -> &mut i128 {
        let place = match self.users.get(user) {
            Some(place) => *place,
            None => {
                self.lefts.push(self.of_user(seats.of(user)));
                let place = self.lefts.len() - 1;
                self.users.insert(user.into(), place);
                place
            }
        };
        &mut self.lefts[place]
    }

    /// A user's grant: the greatest of their seats' and the account plan's.
    fn of_user<'s>(&self, seats: impl Iterator<Item = &'s str>) -> i128 {
        self.best(seats).max(self.plan)
    }

    /// If a user has several seats, the greatest grant counts.
    fn best<'s>(&self, seats: impl Iterator<Item = &'s str>) -> i128 {
        let granted = seats.filter_map(|sku| self.seats.get(sku));
        granted.copied().max().unwrap_or(0)
    }

    /// The account's grant: its plan's plus that of all seats.
    fn of_all(&self, seats: &Seats) -> Result<i128, Overflow> {
        let mut granted = self.plan;
        for (_, skus) in seats.users() {
            granted = granted.checked_add(self.best(skus)).ok_or(Overflow)?;
        }
        for (sku, count) in seats.nameless() {
            let each = self.seats.get(sku).copied().unwrap_or(0);
            let all = each.checked_mul(count).ok_or(Overflow)?;
            granted = granted.checked_add(all).ok_or(Overflow)?;
        }
        Ok(granted)
    }
}
