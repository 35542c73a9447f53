//! Stores for tests, and the contract that every store keeps.
//!
//! [`MemoryStore`] is the plainest implementation, [`MirrorStore`] runs two stores as one and
//! panics when they differ, [`FaultyStore`] fails the k-th write, or holds a reader back.
//! [`contract`] is one suite of checks for every backend. Behind the feature `testing`: none of it reaches a release.

mod contents;
pub mod contract;
mod faulty;
mod memory;
mod mirror;

pub use contents::contents;
pub use faulty::{Fault, FaultyStore, HeldRead};
pub use memory::MemoryStore;
pub use mirror::MirrorStore;
