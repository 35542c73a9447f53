//! HTTP: GitHub's billing API, our own API, and the conventions of both.
//!
//! Invariant: handlers hold no rule of billing, no SQL and no arithmetic on money. A read is five
//! steps in one order: find, authorize, make the query, load, render. Look next: [`router`] for
//! every route on one page, [`frame`] for the middleware around each request.

mod accept_encoding;
pub mod account;
pub mod app;
pub mod body;
mod client_address;
pub mod conditional;
pub mod connection;
pub mod content_encoding;
pub mod context;
pub mod endpoint;
pub mod error;
pub mod form;
pub mod frame;
pub mod github;
pub mod headers;
pub mod metering;
pub mod metrics;
pub mod operations;
pub mod pace;
pub mod pages;
pub mod paging;
pub mod params;
pub mod period;
pub mod rate_limit;
pub mod read;
pub mod repeats;
pub mod request_id;
pub mod router;
pub mod upload;
pub mod version;

/// The content type of every JSON answer, as GitHub writes it.
pub const JSON: &str = "application/json; charset=utf-8";
