//! The program: one writer and many readers over the ledger, and the faces that clients see.
//!
//! Look next: `cli` for what each command does, then ARCHITECTURE.md for the map.

pub mod billing_file;
pub mod cli;
pub mod clock;
pub mod config;
pub mod telemetry;
