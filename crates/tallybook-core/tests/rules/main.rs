//! The rules as a whole, against a slow and obvious model, and what must hold whatever comes.
//!
//! Look next: `model.rs` for what is right, `rig.rs` for how the core is driven, `generate.rs` for
//! what is fed to both.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod answers;
mod calendar;
mod catalogue;
mod columns;
mod directory;
mod files;
mod generate;
mod model;
mod rig;
mod robustness;
mod usage;
mod views;
