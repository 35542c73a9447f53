//! `POST /metering/v1/events`: usage events in.
//!
//! Invariant: an answer of success comes after the commit; whatever refuses a body whole has
//! changed nothing. Look next: [`create`] for the handler, [`parts`] for how bodies are read,
//! [`stream`] for bodies that are longer than a batch, `crate::events` for what an event is.

pub mod create;
mod parts;
mod stream;
