//! The rules of Tallybook: money, time, names, the catalogue, ledger batches, fold, statements and
//! queries.
//!
//! Pure: no I/O, no async, no clock, no randomness, no floats. Time and random numbers come in as
//! arguments. Look next: [`money`], then [`batch`](batch), then [`statement`](statement).

pub mod account;
pub mod batch;
pub mod catalog;
pub mod codec;
pub mod cost_center;
pub mod decimal;
pub mod declaration;
pub mod dimension;
pub mod discount;
pub mod event;
pub mod export;
pub mod fold;
pub mod hash;
pub mod ids;
pub mod layered;
pub mod ledger;
pub mod money;
pub mod name;
pub mod names;
pub mod packed;
pub mod query;
pub mod rate;
pub mod rating;
pub mod report;
pub mod setting;
pub mod shares;
pub mod site;
pub mod statement;
mod sums;
pub mod time;
mod wide;
