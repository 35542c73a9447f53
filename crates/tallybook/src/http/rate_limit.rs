//! Rate limits: requests per hour by token, or by address without one.
//!
//! Invariant: without a limit nothing is counted and no header is sent. Windows are fixed hours
//! from the first request of a key, as at GitHub; memory is bounded by the keys of the last hour.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use tallybook_core::time::Instant;

const WINDOW_SECONDS: i64 = 3600;

/// Windows are swept when this many keys are held, and again after each further batch of this many.
const SWEEP_AT: usize = 10_000;

/// The key that requests are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A token, by its public id.
    Token(String),
    /// An address, for requests without a valid token; `None` if unknown.
    Address(Option<IpAddr>),
}

/// The rate-limit standing of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStanding {
    /// Requests in an hour.
    pub limit: u32,
    /// Requests made in this hour.
    pub used: u32,
    /// When the hour ends, in seconds since 1970.
    pub reset: i64,
    /// Whether this request is within the limit.
    pub allowed: bool,
}

impl LimitStanding {
    /// Requests left in this hour.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    started: i64,
    used: u32,
}

impl Window {
    const fn is_over(self, now: i64) -> bool {
        // A clock that steps back must not keep a window open for ever.
        now >= self.started + WINDOW_SECONDS || now < self.started
    }
}

#[derive(Debug, Default)]
struct Windows {
    by_key: HashMap<Key, Window>,
    sweep_at: usize,
}

/// Counts requests.
#[derive(Debug)]
pub struct RateLimiter {
    limit: u32,
    windows: Mutex<Windows>,
}

impl RateLimiter {
    /// Allows `limit` requests an hour.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            windows: Mutex::default(),
        }
    }

    /// Counts one request. One beyond the limit is not counted.
    pub fn take(&self, key: Key, now: Instant) -> LimitStanding {
        self.with_window(key, now, |window, limit| {
            let allowed = window.used < limit;
            window.used += u32::from(allowed);
            allowed
        })
    }

    /// Takes one request back: a conditional one that was answered 304 is free.
    pub fn give_back(&self, key: Key, now: Instant) -> LimitStanding {
        self.with_window(key, now, |window, _| {
            window.used = window.used.saturating_sub(1);
            true
        })
    }

    /// The standing of a key, without counting.
    pub fn look(&self, key: Key, now: Instant) -> LimitStanding {
        self.with_window(key, now, |window, limit| window.used < limit)
    }

    fn with_window(
        &self,
        key: Key,
        now: Instant,
        change: impl FnOnce(&mut Window, u32) -> bool,
    ) -> LimitStanding {
        let now = now.seconds();
        // Counters are consistent even if a panic poisoned the lock.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.sweep(now);
        let fresh = Window {
            started: now,
            used: 0,
        };
        let window = windows.by_key.entry(key).or_insert(fresh);
        if window.is_over(now) {
            *window = fresh;
        }
        let allowed = change(window, self.limit);
        LimitStanding {
            limit: self.limit,
            used: window.used,
            reset: window.started + WINDOW_SECONDS,
            allowed,
        }
    }
}

impl Windows {
    fn sweep(&mut self, now: i64) {
        if self.by_key.len() < self.sweep_at.max(SWEEP_AT) {
            return;
        }
        self.by_key.retain(|_, window| !window.is_over(now));
        self.sweep_at = self.by_key.len() + SWEEP_AT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_800_000_000 + seconds).unwrap()
    }

    fn key() -> Key {
        Key::Token("t".to_owned())
    }

    #[test]
    fn the_limit_holds_for_an_hour_and_a_key() {
        let limiter = RateLimiter::new(2);
        assert!(limiter.take(key(), at(0)).allowed);
        let second = limiter.take(key(), at(10));
        assert_eq!(
            (second.allowed, second.used, second.remaining()),
            (true, 2, 0)
        );
        let third = limiter.take(key(), at(3599));
        assert_eq!(
            (third.allowed, third.used, third.reset),
            (false, 2, 1_800_003_600)
        );
        assert!(
            limiter.take(Key::Address(None), at(3599)).allowed,
            "another key"
        );
        assert_eq!(limiter.take(key(), at(3600)).used, 1, "a new hour");
    }

    #[test]
    fn looking_and_304_cost_nothing() {
        let limiter = RateLimiter::new(1);
        assert_eq!(limiter.look(key(), at(0)).used, 0);
        limiter.take(key(), at(0));
        assert_eq!(limiter.give_back(key(), at(0)).used, 0);
        assert!(limiter.take(key(), at(1)).allowed);
    }

    #[test]
    fn keys_of_past_hours_are_forgotten() {
        let limiter = RateLimiter::new(1);
        for number in 0..SWEEP_AT {
            limiter.take(Key::Token(number.to_string()), at(0));
        }
        limiter.take(key(), at(4000));
        assert_eq!(limiter.windows.lock().unwrap().by_key.len(), 1);
    }
}
