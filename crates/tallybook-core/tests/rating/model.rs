//! What is right, slowly: big integers, and every line from all the lines before it.
//!
//! It shares no arithmetic with the rules: a pool is not spent, but what it pays of a line is what
//! of it lies beyond the usage before that line.

use crate::generate::{LineSpec, SEAT, Scenario, USERS, Worth};
use bigdecimal::num_bigint::BigInt;
use std::collections::BTreeSet;

/// Quantity, gross, what is included, discount; in billionths.
pub(crate) type Amounts = [BigInt; 4];

/// Numerator / denominator, rounded half to even.
fn rounded(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let two = BigInt::from(2);
    let floor = numerator / denominator;
    let twice_rest = (numerator - &floor * denominator) * &two;
    let is_odd = &floor % &two == BigInt::from(1);
    if twice_rest > *denominator || (twice_rest == *denominator && is_odd) {
        floor + 1
    } else {
        floor
    }
}

fn power(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

impl Scenario {
    fn price(&self, sku: usize, hour: i32) -> BigInt {
        BigInt::from(self.skus[sku].prices[usize::from(hour >= 9 * 24)])
    }

    fn quantity(&self, line: &LineSpec) -> BigInt {
        let [small, large, auto] = self.multipliers.map(BigInt::from);
        let factor = match line.model {
            _ if !self.skus[line.sku].multiplied => power(9),
            0 => power(9),
            1 => small,
            2 => large,
            _ => rounded(&(large * auto), &power(9)),
        };
        rounded(&(BigInt::from(line.quantity) * factor), &power(9))
    }

    fn gross(&self, line: &LineSpec) -> BigInt {
        rounded(
            &(self.quantity(line) * self.price(line.sku, line.hour)),
            &power(12),
        )
    }

    fn is_free(&self, line: &LineSpec) -> bool {
        line.public && self.skus[line.sku].free_in_public
    }

    /// What `amount` of the pool's words is in its own measure.
    fn granted_by(&self, pool: usize, amount: u64) -> BigInt {
        match self.pools[pool].worth {
            Worth::Units | Worth::Dollars => BigInt::from(amount),
            Worth::Sku(sku) => rounded(&(BigInt::from(amount) * self.price(sku, 0)), &power(12)),
        }
    }

    /// What a pool grants: to `user`, where each has their own.
    pub(crate) fn granted(&self, pool: usize, user: usize) -> BigInt {
        let spec = &self.pools[pool];
        let plan = self.granted_by(pool, spec.plan);
        let seat = self.granted_by(pool, spec.seat);
        let seats = |line: &&LineSpec| line.sku == SEAT && line.quantity > 0;
        let seated: BTreeSet<usize> = self
            .lines
            .iter()
            .filter(seats)
            .map(|line| line.user)
            .filter(|user| *user > 0)
            .collect();
        if spec.per_user {
            return if seated.contains(&user) {
                plan.max(seat)
            } else {
                plan
            };
        }
        let nameless = self
            .lines
            .iter()
            .filter(seats)
            .filter(|line| line.user == 0);
        let months: u64 = nameless.map(|line| line.quantity).sum();
        let count = seated.len() as u64 + months.div_ceil(1_000_000_000);
        plan + seat * count
    }

    /// What a line takes of the pool that covers it.
    fn needed(&self, line: &LineSpec) -> BigInt {
        let spec = &self.skus[line.sku];
        if self.price(line.sku, line.hour) == BigInt::ZERO || self.is_free(line) {
            return BigInt::ZERO;
        }
        match self.pools[spec.pool.unwrap()].worth {
            Worth::Units => self.quantity(line) * spec.weight,
            Worth::Dollars | Worth::Sku(_) => self.gross(line),
        }
    }

    /// What the lines take of a pool: of `user`, where each has their own.
    pub(crate) fn used(&self, pool: usize, user: usize, lines: &[LineSpec]) -> BigInt {
        let per_user = self.pools[pool].per_user;
        let mine = |line: &&LineSpec| {
            self.skus[line.sku].pool == Some(pool) && (!per_user || line.user == user)
        };
        lines
            .iter()
            .filter(mine)
            .map(|line| self.needed(line))
            .sum()
    }

    fn included(&self, place: usize) -> BigInt {
        let line = &self.lines[place];
        let Some(pool) = self.skus[line.sku].pool else {
            return BigInt::ZERO;
        };
        if self.pools[pool].per_user && USERS[line.user].is_empty() {
            return BigInt::ZERO;
        }
        let needed = self.needed(line);
        let before = self.used(pool, line.user, &self.lines[..place]);
        let left = (self.granted(pool, line.user) - before).max(BigInt::ZERO);
        let paid = needed.clone().min(left);
        match self.pools[pool].worth {
            Worth::Dollars | Worth::Sku(_) => paid,
            Worth::Units if paid == needed => self.gross(line),
            Worth::Units => {
                let weight = self.skus[line.sku].weight;
                rounded(
                    &(paid * self.price(line.sku, line.hour)),
                    &(power(12) * weight),
                )
            }
        }
    }

    /// What the line at `place` costs.
    pub(crate) fn amounts(&self, place: usize) -> Amounts {
        let line = &self.lines[place];
        let (quantity, gross) = (self.quantity(line), self.gross(line));
        if self.is_free(line) {
            return [quantity, gross.clone(), BigInt::ZERO, gross];
        }
        let included = if self.needed_is_zero(line) {
            BigInt::ZERO
        } else {
            self.included(place)
        };
        let percent = self.discounts.1[line.sku].or(self.discounts.0).unwrap_or(0);
        let rest = (&gross - &included) * percent;
        let discount = &included + rounded(&rest, &power(11));
        [quantity, gross, included, discount]
    }

    /// A line that needs nothing is not paid for by anything, even if its gross is not zero.
    fn needed_is_zero(&self, line: &LineSpec) -> bool {
        self.skus[line.sku].pool.is_none() || self.needed(line) == BigInt::ZERO
    }
}
