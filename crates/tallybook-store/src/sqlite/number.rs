//! Conversion between Rust's numbers and SQLite's only integer type, signed 64-bit.
//!
//! Invariant: nothing wraps. A number too large to store is refused; a stored one that cannot have
//! been written is damage.

use super::failure::Failure;
use tallybook_core::time::Instant;

/// A number as it is stored.
pub(super) fn stored(value: u64) -> Result<i64, Failure> {
    i64::try_from(value).map_err(|_| {
        Failure::refused(
            format!("storing the number {value}"),
            "it is larger than a 64-bit signed integer",
        )
    })
}

/// A number as it is read from `what`.
pub(super) fn loaded<T: TryFrom<i64>>(value: i64, what: &str) -> Result<T, Failure> {
    T::try_from(value).map_err(|_| Failure::damaged(what, format!("{value} is out of range")))
}

/// An instant as it is read from `what`.
pub(super) fn loaded_instant(seconds: i64, what: &str) -> Result<Instant, Failure> {
    Instant::from_seconds(seconds).map_err(|error| Failure::damaged(what, error.to_string()))
}
