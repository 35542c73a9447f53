//! Conditional requests: weak ETags and 304.
//!
//! Invariant: equal tags mean equal answers, on every server: the tag is a hash of everything that
//! decides a body. Nothing is loaded or rendered to answer 304.

use super::version::ApiVersion;
use crate::wire::{Dialect, RENDER_VERSION};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What decides a body.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The ledger's state that the answer is of.
    pub as_of: &'a str,
    /// The resolved question, with its dates and echoes, in any one spelling.
    pub question: &'a str,
    /// Whose shape.
    pub dialect: Dialect,
    /// For which version of the API.
    pub version: ApiVersion,
}

/// A weak entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of a body.
    #[must_use]
    pub fn of(identity: &Identity<'_>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let parts = [
            identity.as_of,
            identity.question,
            identity.dialect.as_str(),
            identity.version.as_str(),
        ];
        for part in parts {
            // The length keeps neighbours from running into each other.
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&RENDER_VERSION.to_le_bytes());
        Self(format!("W/\"{}\"", hasher.finalize().to_hex()))
    }

    /// `W/"..."`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a header's value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        // Hexadecimal digits and quotes are always a valid value.
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
    }

    /// Whether the client already holds this body (`If-None-Match`, compared weakly).
    #[must_use]
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let opaque = self.0.trim_start_matches("W/");
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

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity<'_> = Identity {
        as_of: "3.7",
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
