//! The program: engine, HTTP, what clients see, and the command line.
//!
//! Invariant: nothing here decides a number; the rules are `tallybook-core`'s.
//! Look next: [`http`] for the routes, [`wire`] for the shapes, [`auth`] for who may do what.

pub mod auth;
pub mod http;
pub mod wire;
