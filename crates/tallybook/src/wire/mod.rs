//! What clients see of billing: the JSON of usage, summaries and cost centers.
//!
//! Invariant: key names, their order, which keys are optional and how numbers are formatted follow
//! GitHub's documentation, and are decided only here. This folder never sees the store or the
//! engine, and computes nothing: it is given rows and words. Look next: [`words`] for the dialects,
//! [`usage`] and [`summary`] for the items.

pub mod audit;
pub mod catalog;
pub mod corrections;
pub mod cost_centers;
pub mod events;
pub mod imports;
pub mod json;
pub mod reports;
pub mod rows;
pub mod site;
pub mod summary;
pub mod tokens;
pub mod usage;
pub mod words;

pub use words::{Dialect, Words};

/// Changes when any body changes for the same statement, so that no cached answer outlives it
/// (part of every ETag).
pub const RENDER_VERSION: u32 = 1;
