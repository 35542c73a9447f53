//! `POST /metering/v1/events`: usage events in.
//!
//! Invariant: success is answered only after the commit; refusing a whole body changes nothing.
//! Look next: [`create`] for the handler, [`parts`] for how bodies are read, [`stream`] for bodies
//! that are longer than a batch, `crate::events` for the format of events.

pub mod create;
mod parts;
mod stream;
