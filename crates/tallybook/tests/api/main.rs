//! GitHub's billing API as its clients see it: the whole router in process, over real reports.
//!
//! Invariant: the time is fixed, ports are the system's choice, and nothing but the store outlives
//! a request. Look next: `server.rs` for how it is driven, then the module that you change:
//! `schemas`, `examples` and `observed` say what answers look like, `sums`, `views` and `reverts`
//! what they add up to, `parameters` and `filters` what can be asked, `authorization` who may ask,
//! `tenants` what they learn of each other, `manners` and `conditional` the rest; `client` is a
//! client of others.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod answer;
mod audit;
mod authorization;
mod client;
mod conditional;
mod decimals;
mod downloads;
mod examples;
mod exports;
mod filters;
mod golden;
mod kept_reports;
mod mail;
mod maker;
mod manners;
mod moves;
mod observed;
mod parameters;
mod paths;
mod reports;
mod reverts;
mod round_trip;
mod routes;
mod schemas;
mod server;
mod single_requests;
mod smtp;
mod sums;
mod tenants;
mod views;
