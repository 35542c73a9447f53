//! GitHub's billing endpoints.
//!
//! Invariant: each handler is five steps in one order: find, authorize, make the query, load,
//! render. Look next: [`question`] for what parameters mean.

pub mod question;
