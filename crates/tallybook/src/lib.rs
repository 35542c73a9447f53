//! The program: one writer and many readers over the ledger, and the faces that clients see.
//!
//! A library so that tests and benchmarks can use what the binary runs. Invariant: no billing rules
//! are here; they are in `tallybook-core`. Look next: [`cli`] for what each command does,
//! [`engine`] for reading and writing, [`http`] for the routes; ARCHITECTURE.md is the map.

pub mod auth;
pub mod billing_file;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod engine;
pub mod events;
pub mod http;
pub mod import;
pub mod importing;
pub mod jobs;
pub mod mail;
pub mod telemetry;
pub mod wire;
