//! GitHub's billing endpoints.
//!
//! Invariant: each handler is five steps in one order: find, authorize, make the query, load,
//! render. Look next: [`question`] for what parameters mean, [`usage`] for the answers.

pub mod cost_centers;
pub mod legacy;
pub mod openapi;
pub mod planned;
pub mod question;
pub mod rate_limit;
pub mod reports;
pub mod usage;
pub mod versions;
