//! Conditional requests: weak ETags of answers, strong ones of files, and 304.
//!
//! Invariant: equal tags mean equal answers, on every server: the tag is a hash of everything that
//! determines a body. Nothing is loaded or rendered to answer 304.

use super::version::ApiVersion;
use crate::wire::{Dialect, RENDER_VERSION};
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::hash::{Hash, Hasher};
use tallybook_core::ids::Digest;

/// Everything that determines a body. `Q` is the resolved question, with its dates and echoes;
/// questions with equal hashes have equal answers.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Identity<'a, Q> {
    /// The state of the ledger that the answer is computed from, for people.
    pub as_of: &'a str,
    /// The same as a hash: equal numbers of batches may stand for different histories.
    pub state: Digest,
    /// The question.
    pub question: Q,
    /// The dialect.
    pub dialect: Dialect,
    /// The version of the API.
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
        matches_any(headers, self.as_str())
    }

    /// 304, with the tag.
    #[must_use]
    pub fn not_modified(&self) -> Response {
        (StatusCode::NOT_MODIFIED, [(header::ETAG, self.header())]).into_response()
    }
}

/// Whether `If-None-Match` names a tag, compared weakly.
fn matches_any(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = tag.trim_start_matches("W/");
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == opaque)
}

/// The strong entity tag of a file, which guarantees identical bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTag(HeaderValue);

impl FileTag {
    /// The tag of a file whose bytes have this digest, in hexadecimal digits.
    pub fn of(digest: &str) -> Result<Self, InvalidHeaderValue> {
        HeaderValue::from_str(&format!("\"{digest}\"")).map(Self)
    }

    /// As a header's value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether the client already holds the file (`If-None-Match`, compared weakly).
    #[must_use]
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        matches_any(headers, self.0.to_str().unwrap_or_default())
    }

    /// Whether a range of the file continues what the client holds: always without `If-Range`,
    /// otherwise only if that has this tag. Files have no modification date to compare with.
    #[must_use]
    pub fn allows_range(&self, headers: &HeaderMap) -> bool {
        let stated = headers.get(header::IF_RANGE);
        stated.is_none_or(|stated| *stated == self.0)
    }
}

/// Makes a strong tag weak, for an answer whose bytes were changed by compression.
pub fn weaken(headers: &mut HeaderMap) {
    let strong = headers.get(header::ETAG).map(HeaderValue::as_bytes);
    let Some(strong) = strong.filter(|tag| tag.starts_with(b"\"")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

/// Collects the bytes that a value's [`Hash`] feeds to a hasher. `Hash` delimits the parts, so
/// different values give different bytes.
struct Said(Vec<u8>);

impl Hasher for Said {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Never used: the tag is a hash of the bytes.
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

    #[test]
    fn a_range_of_a_file_goes_on_only_from_the_same_bytes() {
        let tag = FileTag::of("00ff").unwrap();
        let with = |name, value: &str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        assert!(tag.allows_range(&HeaderMap::new()));
        assert!(tag.allows_range(&with(header::IF_RANGE, "\"00ff\"")));
        for other in ["\"00fe\"", "W/\"00ff\"", "Fri, 02 Oct 2026 13:00:00 GMT"] {
            assert!(!tag.allows_range(&with(header::IF_RANGE, other)), "{other}");
        }
        assert!(tag.matches(&headers("\"x\", W/\"00ff\"")));
        assert!(!tag.matches(&headers("\"00fe\"")));
    }

    #[test]
    fn only_strong_tags_are_made_weak() {
        for (tag, weak) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
            let mut headers = HeaderMap::from_iter([(header::ETAG, tag.parse().unwrap())]);
            weaken(&mut headers);
            assert_eq!(headers[header::ETAG], weak);
        }
    }
}
