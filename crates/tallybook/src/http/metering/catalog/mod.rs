//! `/metering/v1/catalog`: what things are called and cost, for the site's administrators.
//!
//! Invariant: a version of the catalogue is its entity tag, so that concurrent edits of the site's
//! text do not overwrite each other (`If-Match`).

pub mod get;
pub mod put;
pub mod versions;

use crate::wire::RENDER_VERSION;
use axum::http::{HeaderMap, HeaderValue, header};
use tallybook_core::ids::Seq;

/// The tag of the own text at a version: `"12"`.
fn text_tag(version: Seq) -> String {
    format!("\"{}\"", version.0)
}

/// The tag of the whole catalogue as JSON: `"12.json.1"`.
fn json_tag(version: Seq) -> String {
    format!("\"{}.json.{RENDER_VERSION}\"", version.0)
}

/// The tags of a header of conditions, without quotes and marks of weakness.
fn tags(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(|value| value.split(','));
    tags.map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
}

fn tag_header(tag: &str) -> HeaderValue {
    // Digits, letters, dots and quotes are always a valid value.
    HeaderValue::from_str(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}
