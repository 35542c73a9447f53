//! Rating: cases that a person can read, and properties against a slow and obvious model.
//!
//! Look next: `cases/` for what is expected, `case.rs` for how a case is read and run, `model.rs`
//! for the model, `properties.rs` for what must hold whatever was used, `log.rs` for the settings.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod case;
mod cases;
mod generate;
mod limits;
mod log;
mod model;
mod own;
mod properties;
mod real;
