//! The engine over stores that mirror, fail, race, or were tampered with.
//!
//! Look next: `bench.rs` for how it is driven.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod below;
mod bench;
mod catalogue;
mod checkpoints;
mod concurrent;
mod corrections;
mod damage;
mod data_format;
mod derived;
mod events;
mod faults;
mod fuzz_seeds;
mod imports;
mod moved;
mod script;
mod since_format_2;
mod tampering;
