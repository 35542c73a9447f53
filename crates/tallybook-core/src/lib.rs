//! The rules of Tallybook: money, time, names, the catalogue, ledger batches, fold, statements and
//! queries.
//!
//! Pure: no I/O, no async, no clock, no randomness, no floats. Time and random numbers come in as
//! arguments. Look next: [`money`], then [`batch`](batch), then [`statement`](statement).

pub mod account;
pub mod catalog;
pub mod decimal;
pub mod declaration;
pub mod ids;
pub mod money;
pub mod name;
pub mod query;
pub mod report;
pub mod time;
