//! Request ids, which clients quote and operators search the log for.
//!
//! Invariant: the form is GitHub's (`B646:3E30C6:703151:87B13E:69A9546A`): four groups that differ
//! from request to request and the time of the request in seconds, all in upper-case hexadecimal
//! digits. An id is no secret and guards nothing: it need not be unguessable, only unique, so the
//! operating system is asked for randomness once per process rather than per request.

use axum::http::HeaderValue;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use tallybook_core::time::Instant;

const LENGTH: usize = 34;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// An odd number with well mixed bits (2^64 divided by the golden ratio): its multiples visit every
/// 64-bit number once.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator of ids.
#[derive(Debug)]
pub struct RequestIds {
    /// Distinguishes processes.
    process: u64,
    /// Advances by [`STEP`] with each id.
    next: AtomicU64,
}

/// One id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; LENGTH]);

/// A generator with its own process value.
impl Default for RequestIds {
    fn default() -> Self {
        // The random keys of hash maps: good enough for non-secret ids, and infallible.
        let random = RandomState::new();
        Self {
            process: random.hash_one("process"),
            next: AtomicU64::new(random.hash_one("next")),
        }
    }
}

impl RequestIds {
    /// The next id.
    pub fn next(&self, now: Instant) -> RequestId {
        let number = mix(self.next.fetch_add(STEP, Ordering::Relaxed));
        let (number, process) = (number.to_be_bytes(), self.process.to_be_bytes());
        let seconds = now.seconds().to_be_bytes();
        let mut id = RequestId([b':'; LENGTH]);
        id.write(0, &number[..2]);
        id.write(5, &number[2..5]);
        id.write(12, &number[5..]);
        id.write(19, &process[..3]);
        id.write(26, &seconds[4..]);
        id
    }
}

/// A permutation of 64-bit numbers that leaves no pattern of a counter (the finalizer of
/// SplitMix64).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl RequestId {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let digits = self.0[at..].chunks_exact_mut(2);
        for (digits, byte) in digits.zip(bytes) {
            digits[0] = HEX[usize::from(byte >> 4)];
            digits[1] = HEX[usize::from(byte & 15)];
        }
    }

    /// As a header's value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        // Hexadecimal digits and colons are always a valid value.
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_have_github_s_form() {
        let now = Instant::parse("2026-03-05T10:00:00Z").unwrap();
        let id = RequestIds::default().next(now).to_string();
        let lengths: Vec<_> = id.split(':').map(str::len).collect();
        assert_eq!(lengths, [4, 6, 6, 6, 8]);
        assert!(
            id.bytes()
                .all(|b| b == b':' || b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
        );
        assert!(id.ends_with(&format!(":{:08X}", now.seconds())), "{id}");
    }

    #[test]
    fn no_id_comes_again_in_a_process() {
        let now = Instant::parse("2026-03-05T10:00:00Z").unwrap();
        let ids = RequestIds::default();
        let given: HashSet<_> = (0..10_000).map(|_| ids.next(now).to_string()).collect();
        assert_eq!(given.len(), 10_000);
    }
}
