//! From an `Authorization` header to a [`Viewer`].
//!
//! Invariant: the text of a secret lives no longer than the request, and is compared by hash or in
//! constant time. Looking up a hash is up to the caller: nothing here reads a database.

use super::grants::Grants;
use super::secret;
use super::terms::TokenTerms;
use crate::config::Dialect;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tallybook_core::time::Instant;
use tallybook_store::TokenRow;

/// Why a request is not authenticated; each is answered 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No `Authorization` header.
    #[error("Requires authentication")]
    Absent,
    /// Another scheme, or a token that is unknown, expired or revoked. The answer does not say
    /// which.
    #[error("Bad credentials")]
    Bad,
}

/// The hash of a secret that a client sent.
#[derive(Clone, Copy)]
pub struct Credential {
    hash: [u8; 32],
}

impl Credential {
    /// Reads `Bearer SECRET` or `token SECRET`; the scheme's case does not matter. Passwords
    /// (`Basic`) are refused as at GitHub.
    pub fn read(header: Option<&[u8]>) -> Result<Self, Unauthenticated> {
        let header = header.ok_or(Unauthenticated::Absent)?;
        let text = std::str::from_utf8(header).map_err(|_| Unauthenticated::Bad)?;
        let (scheme, secret) = text.trim().split_once(' ').ok_or(Unauthenticated::Bad)?;
        let known = ["bearer", "token"];
        let secret = secret.trim();
        if secret.is_empty() || !known.iter().any(|word| scheme.eq_ignore_ascii_case(word)) {
            return Err(Unauthenticated::Bad);
        }
        let hash = secret::hash(secret);
        Ok(Self { hash })
    }

    /// The hash that the token is stored under.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

/// The token that `TALLYBOOK_ADMIN_TOKEN` names: a site administrator's while it is set.
#[derive(Clone)]
pub struct AdminToken {
    hash: [u8; 32],
    viewer: Arc<Viewer>,
}

impl AdminToken {
    /// Its id in logs; stored tokens' ids have no dash.
    pub const ID: &'static str = "environment-admin";

    /// Keeps the hash of the configured text.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let viewer = Viewer {
            token_id: Self::ID.to_owned(),
            grants: Grants::SiteAdmin,
            dialect: None,
            expires_at: None,
        };
        Self {
            hash: secret::hash(secret),
            viewer: Arc::new(viewer),
        }
    }

    /// Identifies this secret without revealing it.
    #[must_use]
    pub fn proof(&self) -> [u8; 32] {
        *blake3::hash(&self.hash).as_bytes()
    }

    /// The site administrator, if this is what was sent; compared in constant time.
    #[must_use]
    pub fn viewer(&self, credential: &Credential) -> Option<Arc<Viewer>> {
        let same: bool = self.hash.ct_eq(&credential.hash).into();
        same.then(|| Arc::clone(&self.viewer))
    }
}

/// Who is asking, and with which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The token's public id, for logs and for counting requests.
    pub token_id: String,
    /// What it may do.
    pub grants: Grants,
    /// The dialect of GitHub's answers for it; `None` is the server's default.
    pub dialect: Option<Dialect>,
    /// When it stops working.
    pub expires_at: Option<Instant>,
}

impl Viewer {
    /// The viewer that a stored token represents at `now`. A token with unreadable grants is
    /// rejected.
    pub fn of(token: &TokenRow, now: Instant) -> Result<Self, Unauthenticated> {
        let expired = token.expires_at.is_some_and(|at| at <= now);
        let revoked = token.revoked_at.is_some_and(|at| at <= now);
        if expired || revoked {
            return Err(Unauthenticated::Bad);
        }
        let terms = TokenTerms::decode(&token.grants).map_err(|_| Unauthenticated::Bad)?;
        Ok(Self {
            token_id: token.id.clone(),
            grants: terms.grants,
            dialect: terms.dialect,
            expires_at: token.expires_at,
        })
    }

    /// Whether this is a site administrator.
    #[must_use]
    pub fn is_site_admin(&self) -> bool {
        self.grants == Grants::SiteAdmin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn row() -> TokenRow {
        TokenRow {
            id: "abc".to_owned(),
            hash: secret::hash("tally_x"),
            grants: Grants::SiteAdmin.encode().unwrap(),
            created_at: at("2026-01-01"),
            expires_at: Some(at("2026-03-01")),
            revoked_at: None,
        }
    }

    #[test]
    fn both_schemes_in_any_case_name_the_same_credential() {
        let expected = secret::hash("tally_x");
        for header in [
            "Bearer tally_x",
            "token tally_x",
            "BEARER  tally_x",
            "Token tally_x",
        ] {
            let credential = Credential::read(Some(header.as_bytes())).ok();
            assert_eq!(credential.map(|c| c.hash()), Some(expected), "{header}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(Credential::read(None).err(), Some(Unauthenticated::Absent));
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Basic dGFsbHk6eA==",
            "tally_x",
            "Bearertally_x",
        ] {
            let read = Credential::read(Some(header.as_bytes()));
            assert_eq!(read.err(), Some(Unauthenticated::Bad), "{header:?}");
        }
        assert_eq!(
            Credential::read(Some(b"Bearer \xff")).err(),
            Some(Unauthenticated::Bad)
        );
    }

    #[test]
    fn tokens_end_at_the_instant_that_they_say() {
        let token = row();
        assert!(Viewer::of(&token, at("2026-02-28T23:59:59Z")).is_ok());
        assert_eq!(
            Viewer::of(&token, at("2026-03-01")),
            Err(Unauthenticated::Bad)
        );
        let revoked_at = Some(at("2026-02-01"));
        let revoked = TokenRow {
            revoked_at,
            ..token.clone()
        };
        assert_eq!(
            Viewer::of(&revoked, at("2026-02-02")),
            Err(Unauthenticated::Bad)
        );
        let damaged = TokenRow {
            grants: "?".to_owned(),
            ..token
        };
        assert_eq!(
            Viewer::of(&damaged, at("2026-02-01")),
            Err(Unauthenticated::Bad)
        );
    }

    #[test]
    fn the_configured_token_is_a_site_administrator() {
        let admin = AdminToken::new("s3cret");
        let right = Credential::read(Some(b"Bearer s3cret")).ok().unwrap();
        let wrong = Credential::read(Some(b"Bearer s3cres")).ok().unwrap();
        assert!(
            admin
                .viewer(&right)
                .is_some_and(|viewer| viewer.is_site_admin())
        );
        assert!(admin.viewer(&wrong).is_none());
    }
}
