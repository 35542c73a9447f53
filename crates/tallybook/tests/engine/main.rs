//! The engine over stores that mirror, fail, race, or were tampered with.
//!
//! Look next: `bench.rs` for how it is driven.

mod bench;
mod concurrent;
mod data_format;
mod faults;
mod imports;
mod tampering;
