//! Versions of the REST API: which one a request selects.
//!
//! Invariant: every answer states its version. The billing endpoints behave the same under both;
//! differences are documented where they occur (`/rate_limit`). To add a version: a variant, its
//! date, and a place in [`ApiVersion::ALL`], newest last.

use super::error::ApiError;

/// A dated version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiVersion {
    /// The default.
    #[default]
    V20221128,
    /// The most recent.
    V20260310,
}

impl ApiVersion {
    /// Every supported version, oldest first.
    pub const ALL: [Self; 2] = [Self::V20221128, Self::V20260310];

    /// The date.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V20221128 => "2022-11-28",
            Self::V20260310 => "2026-03-10",
        }
    }

    /// The version that the header `X-GitHub-Api-Version` selects; the default without one.
    pub fn select(header: Option<&[u8]>) -> Result<Self, ApiError> {
        let Some(asked) = header else {
            return Ok(Self::default());
        };
        let known = Self::ALL.into_iter();
        let mut known = known.filter(|version| version.as_str().as_bytes() == asked);
        known.next().ok_or_else(|| unsupported(asked))
    }
}

/// GitHub's message: newest first, marked as such.
fn unsupported(asked: &[u8]) -> ApiError {
    let mut supported = Vec::new();
    for (index, version) in ApiVersion::ALL.into_iter().rev().enumerate() {
        let note = if index == 0 { " (most recent)" } else { "" };
        supported.push(format!("\"{}\"{note}", version.as_str()));
    }
    let message = format!(
        "The version you specified in the \"X-GitHub-API-Version\" request header, \"{}\", is not \
         a supported version. The following versions are currently supported: {}.",
        String::from_utf8_lossy(asked),
        supported.join(", ")
    );
    ApiError::bad_request(message).documented_at("https://docs.github.com/rest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_selected_by_their_date() {
        assert_eq!(ApiVersion::select(None).unwrap(), ApiVersion::V20221128);
        for version in ApiVersion::ALL {
            let selected = ApiVersion::select(Some(version.as_str().as_bytes()));
            assert_eq!(selected.unwrap(), version);
        }
    }

    #[test]
    fn unknown_versions_are_refused_in_github_s_words() {
        let error = ApiVersion::select(Some(b"v3")).unwrap_err();
        let expected = concat!(
            r#"The version you specified in the "X-GitHub-API-Version" request header, "v3", "#,
            r#"is not a supported version. The following versions are currently supported: "#,
            r#""2026-03-10" (most recent), "2022-11-28"."#,
        );
        assert_eq!(error.message, expected);
        assert_eq!(error.status.as_u16(), 400);
    }
}
