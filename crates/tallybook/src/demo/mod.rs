//! The demo's enterprise.
