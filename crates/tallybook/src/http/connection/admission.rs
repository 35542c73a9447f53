//! Limits on the number of connections: in total, and per address.
//!
//! Invariant: an admitted connection frees its slot when dropped. Some of the excess connections
//! are answered with 503; the rest are closed.

use crate::config::{Limits, TrustedProxies};
use crate::http::client_address::network;
use crate::http::error::ApiError;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections beyond the limits that are answered with 503 at one time.
pub(crate) const REFUSED_AT_ONCE: usize = 32;

/// The limit that a connection exceeds, for which its requests are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overload {
    /// Of all connections.
    All(usize),
    /// Of those from one address.
    Address(usize),
}

impl From<Overload> for ApiError {
    fn from(overload: Overload) -> Self {
        Self::busy(match overload {
            Overload::All(most) => {
                let flag = Limits::CONNECTIONS;
                format!("Too many connections: at most {most} are served ({flag}).")
            }
            Overload::Address(most) => {
                let flag = Limits::CONNECTIONS_PER_ADDRESS;
                format!(
                    "Too many connections from your address: at most {most} are served ({flag})."
                )
            }
        })
    }
}

/// Counts connections.
#[derive(Debug)]
pub(super) struct Admission {
    most: usize,
    most_per_address: usize,
    proxies: TrustedProxies,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that may be served, or told why it is not.
#[derive(Debug)]
pub(super) struct Admitted {
    overload: Option<Overload>,
    _place: OwnedSemaphorePermit,
    _address: Option<Counted>,
}

impl Admitted {
    /// Why it is not served.
    pub(super) const fn overload(&self) -> Option<Overload> {
        self.overload
    }
}

impl Admission {
    /// At most `most` in total, and per address according to the limits.
    pub(super) fn new(most: usize, limits: &Limits, proxies: TrustedProxies) -> Self {
        let per_address = usize::try_from(limits.connections_per_address);
        Self {
            most,
            most_per_address: per_address.unwrap_or(usize::MAX),
            proxies,
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            refusals: Arc::new(Semaphore::new(REFUSED_AT_ONCE)),
            by_address: Mutex::default(),
        }
    }

    /// Admits a connection; `None` when it must be closed.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        // Behind a proxy all clients have one address.
        let address = match self.proxies.contains(peer) {
            true => None,
            false => match self.count(network(peer)) {
                Some(counted) => Some(counted),
                None => return self.refuse(Overload::Address(self.most_per_address)),
            },
        };
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some(Admitted {
                overload: None,
                _place: place,
                _address: address,
            }),
            Err(_) => self.refuse(Overload::All(self.most)),
        }
    }

    fn refuse(&self, overload: Overload) -> Option<Admitted> {
        let place = Arc::clone(&self.refusals).try_acquire_owned().ok()?;
        Some(Admitted {
            overload: Some(overload),
            _place: place,
            _address: None,
        })
    }

    fn count(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let mut by_address = self.by_address();
        let count = by_address.entry(address).or_default();
        if *count >= self.most_per_address {
            return None;
        }
        *count += 1;
        let admission = Arc::clone(self);
        Some(Counted { admission, address })
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Counts are consistent even if a panic poisoned the lock.
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of an address's connections.
#[derive(Debug)]
struct Counted {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_address = self.admission.by_address();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(most: usize, per_address: u32, proxies: &str) -> Arc<Admission> {
        let limits = Limits {
            connections_per_address: per_address,
            ..Limits::default()
        };
        let proxies = TrustedProxies::parse(proxies).expect("a list");
        Arc::new(Admission::new(most, &limits, proxies))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn overload(admitted: &Option<Admitted>) -> Option<Overload> {
        admitted.as_ref().expect("not closed").overload()
    }

    #[test]
    fn one_address_takes_no_more_than_its_share() {
        let admission = admission(10, 2, "");
        // Addresses of one /64 belong to one client.
        let held = ["2001:db8::1", "2001:db8::2"].map(|it| admission.admit(ip(it)));
        assert_eq!(held.each_ref().map(overload), [None, None]);
        let third = admission.admit(ip("2001:db8::3"));
        assert_eq!(overload(&third), Some(Overload::Address(2)));
        assert_eq!(overload(&admission.admit(ip("2001:db8:0:1::1"))), None);
        drop(held);
        assert_eq!(overload(&admission.admit(ip("2001:db8::3"))), None);
        drop(third);
        assert!(admission.by_address().is_empty());
    }

    #[test]
    fn a_trusted_proxy_may_take_all_and_no_more() {
        let admission = admission(3, 1, "10.0.0.0/8");
        let held: Vec<_> = (0..3).map(|_| admission.admit(ip("10.0.0.1"))).collect();
        assert!(held.iter().all(|it| overload(it).is_none()));
        let fourth = admission.admit(ip("10.0.0.1"));
        assert_eq!(overload(&fourth), Some(Overload::All(3)));
        assert!(admission.by_address().is_empty());
    }

    #[test]
    fn beyond_those_that_are_told_connections_are_closed() {
        let admission = admission(1, 1, "");
        let _held = admission.admit(ip("192.0.2.1"));
        let told: Vec<_> = (0..REFUSED_AT_ONCE)
            .map(|_| admission.admit(ip("192.0.2.1")))
            .collect();
        assert!(told.iter().all(|it| overload(it).is_some()));
        assert!(admission.admit(ip("192.0.2.2")).is_none());
        drop(told);
        assert!(admission.admit(ip("192.0.2.2")).is_some());
    }
}
