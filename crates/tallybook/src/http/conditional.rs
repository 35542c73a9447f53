//! Conditional requests: weak ETags and 304.
//!
//! Invariant: equal tags mean equal answers, on every server: the tag is a hash of everything that
//! decides a body. Nothing is loaded or rendered to answer 304.

use super::version::ApiVersion;
use crate::wire::{Dialect, RENDER_VERSION};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::hash::{Hash, Hasher};
use tallybook_core::ids::Digest;

/// What decides a body. `Q` is the resolved question, with its dates and echoes; questions that
/// hash alike are answered alike.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Identity<'a, Q> {
    /// The ledger's state that the answer is of, for people.
    pub as_of: &'a str,
    /// The same as a hash: equal numbers of batches may stand for different histories.
    pub state: Digest,
    /// What was asked.
    pub question: Q,
    /// Whose shape.
    pub dialect: Dialect,
    /// For which version of the API.
    pub version: ApiVersion,
}

/// The letters of a tag: `W/"`, a hash in hexadecimal digits, `"`.
const LENGTH: usize = 3 + 64 + 1;

/// A weak entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag([u8; LENGTH]);

impl ETag {
    /// The tag of a body.
    #[must_use]
    pub fn of<Q: Hash>(identity: &Identity<'_, Q>) -> Self {
        let mut said = Said(Vec::with_capacity(512));
        identity.hash(&mut said);
        RENDER_VERSION.hash(&mut said);
        let digest = blake3::hash(&said.0).to_hex();
        let mut tag = [b'"'; LENGTH];
        tag[..2].copy_from_slice(b"W/");
        tag[3..LENGTH - 1].copy_from_slice(digest.as_bytes());
        Self(tag)
    }

    /// `W/"..."`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII was written.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As a header's value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        // Hexadecimal digits and quotes are always a valid value.
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
    }

    /// Whether the client already holds this body (`If-None-Match`, compared weakly).
    #[must_use]
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let opaque = self.as_str().trim_start_matches("W/");
        let values = headers.get_all(header::IF_NONE_MATCH).iter();
        let mut tags = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == opaque)
    }

    /// 304, with the tag.
    #[must_use]
    pub fn not_modified(&self) -> Response {
        (StatusCode::NOT_MODIFIED, [(header::ETAG, self.header())]).into_response()
    }
}

/// Everything that a value's [`Hash`] says of it, one part after the other. `Hash` keeps neighbours
/// from running into each other: what differs says something else.
struct Said(Vec<u8>);

impl Hasher for Said {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Nobody asks: the tag is a hash of the bytes.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity<'_, &str> = Identity {
        as_of: "3.7",
        state: Digest([7; 32]),
        question: "usage",
        dialect: Dialect::Documented,
        version: ApiVersion::V20221128,
    };

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
        headers
    }

    #[test]
    fn everything_that_decides_a_body_changes_the_tag() {
        let tag = ETag::of(&IDENTITY);
        let others = [
            Identity {
                as_of: "3.8",
                ..IDENTITY
            },
            Identity {
                state: Digest([8; 32]),
                ..IDENTITY
            },
            Identity {
                question: "summary",
                ..IDENTITY
            },
            Identity {
                dialect: Dialect::Observed,
                ..IDENTITY
            },
            Identity {
                version: ApiVersion::V20260310,
                ..IDENTITY
            },
            Identity {
                as_of: "3.7u",
                question: "sage",
                ..IDENTITY
            },
        ];
        for other in others {
            assert_ne!(ETag::of(&other), tag, "{other:?}");
        }
        assert_eq!(ETag::of(&IDENTITY), tag);
    }

    #[test]
    fn any_of_several_tags_matches_weakly() {
        let tag = ETag::of(&IDENTITY);
        let strong = tag.as_str().trim_start_matches("W/");
        assert!(tag.matches(&headers(tag.as_str())));
        assert!(tag.matches(&headers(strong)));
        assert!(tag.matches(&headers(&format!("\"x\", {}", tag.as_str()))));
        assert!(tag.matches(&headers("*")));
        assert!(!tag.matches(&headers("W/\"x\"")));
        assert!(!tag.matches(&HeaderMap::new()));
    }
}
