//! Slows down guessing of tokens: the more wrong ones an address sent recently, the later the
//! answer.
//!
//! Invariant: only the answer to a wrong token waits, so that other clients with the same address
//! are not slowed; memory is bounded by [`MOST_ADDRESSES`].

use crate::clock::runtime_now;
use crate::http::client_address::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens answered without delay, to allow for a typo or a token that has just expired.
const FREE: u32 = 10;

/// The delay of the first answer after those; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The number of wrong tokens from which on the delay no longer grows.
const MOST_COUNTED: u32 = FREE + 8;

/// The time after which one wrong token is forgotten.
const FORGET_ONE: Duration = Duration::from_secs(30);

/// The most addresses remembered.
const MOST_ADDRESSES: usize = 10_000;

/// Recent wrong tokens, by address.
#[derive(Debug, Default)]
pub struct WrongTokens(Mutex<HashMap<IpAddr, Tries>>);

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Instant,
}

impl Tries {
    /// The count that is not forgotten yet.
    fn count_at(self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.last);
        let forgotten = since.as_secs() / FORGET_ONE.as_secs();
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        self.count.saturating_sub(forgotten)
    }
}

impl WrongTokens {
    /// Counts a wrong token, and waits out the delay of its answer.
    pub(super) async fn slow_down(&self, address: IpAddr) {
        let delay = delay(self.add(network(address), runtime_now()));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Counts one more for an address, and returns the count.
    fn add(&self, address: IpAddr, now: Instant) -> u32 {
        // Counts are whole whatever panicked while they were held.
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= MOST_ADDRESSES && !tries.contains_key(&address) {
            forget_oldest(&mut tries);
        }
        let before = tries.get(&address).map_or(0, |tries| tries.count_at(now));
        let count = (before + 1).min(MOST_COUNTED);
        tries.insert(address, Tries { count, last: now });
        count
    }
}

/// Forgets the half that has been silent longest, so that this is rarely necessary.
fn forget_oldest(tries: &mut HashMap<IpAddr, Tries>) {
    let mut instants: Vec<Instant> = tries.values().map(|tries| tries.last).collect();
    let middle = instants.len() / 2;
    let (_, median, _) = instants.select_nth_unstable(middle);
    let median = *median;
    let mut left = middle;
    tries.retain(|_, tries| {
        let stays = tries.last >= median && left > 0;
        left -= usize::from(stays);
        stays
    });
}

fn delay(count: u32) -> Duration {
    match count.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => (FIRST_DELAY * (1 << doublings.min(16))).min(LONGEST_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    async fn waited(tokens: &WrongTokens, address: IpAddr) -> Duration {
        let began = Instant::now();
        tokens.slow_down(address).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_waits_longer_and_longer_and_is_forgiven() {
        let tokens = WrongTokens::default();
        for _ in 0..FREE {
            assert_eq!(waited(&tokens, address(1)).await, Duration::ZERO);
        }
        for seconds in [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0] {
            let waited = waited(&tokens, address(1)).await;
            // The clock of the tests counts whole milliseconds.
            let difference = (waited.as_secs_f64() - seconds).abs();
            assert!(difference < 0.005, "{waited:?} instead of {seconds} s");
        }
        assert_eq!(waited(&tokens, address(2)).await, Duration::ZERO);
        tokio::time::sleep(FORGET_ONE * MOST_COUNTED).await;
        assert_eq!(waited(&tokens, address(1)).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_addresses_are_remembered() {
        let tokens = WrongTokens::default();
        let most = u32::try_from(MOST_ADDRESSES).expect("small");
        for number in 0..most {
            tokens.add(address(number), Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(tokens.add(address(most), Instant::now()), 1);
        let newest = tokens.add(address(most - 1), Instant::now());
        let oldest = tokens.add(address(0), Instant::now());
        assert_eq!((newest, oldest), (2, 1));
        let count = tokens.0.lock().unwrap().len();
        assert!(count <= MOST_ADDRESSES / 2 + 2, "{count}");
    }
}
