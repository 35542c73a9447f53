//! The rules as a whole, against a slow and obvious model, and what must hold whatever comes.
//!
//! Look next: `model.rs` for what is right, `rig.rs` for how the core is driven, `generate.rs` for
//! what is fed to both.

mod answers;
mod calendar;
mod directory;
mod generate;
mod model;
mod rig;
mod robustness;
mod views;
