//! The bodies of `/metering/v1/tokens`.
//!
//! Invariant: a secret appears in only one body, the answer that creates it.

use crate::auth::{Grants, GrantsError, Level, Permission, Scope, SenderError, TokenTerms};
use crate::config::Dialect;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tallybook_core::time::Instant;
use utoipa::ToSchema;

/// What a new token is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// The login of the user as whom it acts.
    pub user: Option<String>,
    /// A classic token's scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A fine-grained token's permissions, such as `{"plan": "read"}`.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    /// Whether it is a site administrator's; then it has no user.
    #[serde(default)]
    pub site_admin: bool,
    /// Whether it sends usage events; then it has accounts and no user.
    #[serde(default)]
    pub metering_write: bool,
    /// Whether it imports usage reports, and lists and reverts imports; then it has accounts and
    /// no user.
    #[serde(default)]
    pub import: bool,
    /// The accounts for which a sending token may send, or into which an importing token may
    /// import, each as `enterprise/SLUG`, `organization/LOGIN` or `user/LOGIN`.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// The sources of the events that a sending token may send; none is every one.
    #[serde(default)]
    pub sources: Vec<String>,
    /// In which shape GitHub's answers come to it, `documented` or `observed`; the server's when it
    /// is left out.
    pub dialect: Option<String>,
    /// When it stops working, as a date or an instant.
    pub expires_at: Option<String>,
}

/// Why a request for a new token is invalid: the field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NewTokenError {
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl NewToken {
    /// The requested grants.
    pub fn grants(&self) -> Result<Grants, NewTokenError> {
        let wrong = |field: &'static str, reason: &str| NewTokenError {
            field,
            reason: reason.to_owned(),
        };
        let is_a_user_s =
            self.user.is_some() || !self.scopes.is_empty() || !self.permissions.is_empty();
        if self.metering_write {
            if is_a_user_s || self.site_admin || self.import {
                let reason = "a sending token has no user, scopes or permissions, and does \
                              nothing but send";
                return Err(wrong("metering_write", reason));
            }
            return self.sender();
        }
        if !self.sources.is_empty() {
            let reason = "only a sending token (metering_write) has sources";
            return Err(wrong("sources", reason));
        }
        if self.import {
            if is_a_user_s || self.site_admin {
                let reason = "an importing token has no user, scopes or permissions";
                return Err(wrong("import", reason));
            }
            let accounts = self.accounts.iter().map(String::as_str);
            return Grants::importer(accounts)
                .map_err(|error| wrong("accounts", &error.to_string()));
        }
        if !self.accounts.is_empty() {
            let reason = "only a sending token (metering_write) and an importing token (import) \
                          have accounts";
            return Err(wrong("accounts", reason));
        }
        if self.site_admin {
            let nothing_else = !is_a_user_s;
            return if nothing_else {
                Ok(Grants::SiteAdmin)
            } else {
                let reason = "a site administrator's token has no user, scopes or permissions";
                Err(wrong("site_admin", reason))
            };
        }
        let Some(user) = self.user.as_deref().filter(|user| !user.is_empty()) else {
            return Err(wrong("user", "the login of a user is needed"));
        };
        let refused = |field: &'static str| {
            move |error: GrantsError| NewTokenError {
                field,
                reason: error.to_string(),
            }
        };
        match (self.scopes.is_empty(), self.permissions.is_empty()) {
            (false, false) => {
                let reason = "a token has scopes or permissions, not both";
                Err(wrong("permissions", reason))
            }
            (_, true) => {
                let scopes = self.scopes.iter().map(String::as_str);
                Grants::classic(user, scopes).map_err(refused("scopes"))
            }
            (true, false) => {
                let pairs = self.permissions.iter();
                let pairs: Vec<_> = pairs
                    .map(|(name, level)| format!("{name}={level}"))
                    .collect();
                let pairs = pairs.iter().map(String::as_str);
                Grants::fine_grained(user, pairs).map_err(refused("permissions"))
            }
        }
    }

    fn sender(&self) -> Result<Grants, NewTokenError> {
        let accounts = self.accounts.iter().map(String::as_str);
        Grants::sender(accounts, self.sources.clone()).map_err(|error| NewTokenError {
            field: match error {
                GrantsError::Sender(SenderError::Source(_)) => "sources",
                _ => "accounts",
            },
            reason: error.to_string(),
        })
    }

    /// The requested dialect.
    pub fn dialect(&self) -> Result<Option<Dialect>, NewTokenError> {
        let Some(word) = &self.dialect else {
            return Ok(None);
        };
        let wrong = |reason: &str| NewTokenError {
            field: "dialect",
            reason: reason.to_owned(),
        };
        if self.metering_write || self.import {
            let reason = "a sending or importing token reads no billing, and has no dialect";
            return Err(wrong(reason));
        }
        let dialect = Dialect::parse(word);
        dialect
            .map(Some)
            .ok_or_else(|| wrong("it must be documented or observed"))
    }

    /// When it stops working; must be after `now`.
    pub fn expiry(&self, now: Instant) -> Result<Option<Instant>, NewTokenError> {
        let Some(text) = &self.expires_at else {
            return Ok(None);
        };
        let wrong = |reason: &str| NewTokenError {
            field: "expires_at",
            reason: reason.to_owned(),
        };
        let at = Instant::parse(text)
            .map_err(|_| wrong("it must be a date or an instant, such as 2027-01-01"))?;
        if at <= now {
            return Err(wrong("it must be in the future"));
        }
        Ok(Some(at))
    }
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Token {
    /// By which it is revoked, and called in logs.
    pub id: String,
    /// `site_admin`, `classic`, `fine_grained`, `sender` or `importer`.
    pub kind: &'static str,
    /// As whom it acts; null for a token that acts as no user.
    pub user: Option<String>,
    /// A classic token's scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub scopes: Option<Vec<Scope>>,
    /// A fine-grained token's permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub permissions: Option<BTreeMap<Permission, Level>>,
    /// The accounts for which a sending token may send, or into which an importing token may
    /// import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<String>>,
    /// The sources by which a sending token may send, where they are limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// In which shape GitHub's answers come to it; null is the server's.
    pub dialect: Option<&'static str>,
    /// When it was made.
    pub created_at: String,
    /// When it stops working; null is never.
    pub expires_at: Option<String>,
    /// When it was revoked; null is not.
    pub revoked_at: Option<String>,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Instants of a token's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it was made.
    pub created_at: Instant,
    /// When it stops working.
    pub expires_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

impl Token {
    /// A token as it is shown.
    #[must_use]
    pub fn new(id: &str, terms: &TokenTerms, life: Life) -> Self {
        let grants = &terms.grants;
        let (kind, scopes, permissions) = match grants {
            Grants::SiteAdmin => ("site_admin", None, None),
            Grants::Classic { scopes, .. } => ("classic", Some(scopes.clone()), None),
            Grants::FineGrained { permissions, .. } => {
                ("fine_grained", None, Some(permissions.clone()))
            }
            Grants::Sender(_) => ("sender", None, None),
            Grants::Importer { .. } => ("importer", None, None),
        };
        let (accounts, sources) = match grants {
            Grants::Sender(sender) => (
                Some(sender.account_texts()),
                Some(sender.sources().to_vec()),
            ),
            Grants::Importer { accounts } => (Some(accounts.texts()), None),
            _ => (None, None),
        };
        Self {
            id: id.to_owned(),
            kind,
            user: grants.user().map(str::to_owned),
            scopes,
            permissions,
            accounts,
            sources: sources.filter(|sources| !sources.is_empty()),
            dialect: terms.dialect.map(Dialect::as_str),
            created_at: life.created_at.to_string(),
            expires_at: life.expires_at.map(|at| at.to_string()),
            revoked_at: life.revoked_at.map(|at| at.to_string()),
            token: None,
        }
    }
}

/// Every token, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenList {
    /// The tokens.
    pub tokens: Vec<Token>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_token(body: &str) -> NewToken {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn the_kinds_are_told_apart() {
        let admin = new_token(r#"{"site_admin":true}"#).grants();
        assert_eq!(admin, Ok(Grants::SiteAdmin));
        let classic = new_token(r#"{"user":"hubot","scopes":["user"]}"#).grants();
        assert_eq!(classic, Ok(Grants::classic("hubot", ["user"]).unwrap()));
        let sender = r#"{"metering_write":true,"accounts":["user/hubot"],"sources":["/ci"]}"#;
        let expected = Grants::sender(["user/hubot"], vec!["/ci".to_owned()]).unwrap();
        assert_eq!(new_token(sender).grants(), Ok(expected));
        let importer = r#"{"import":true,"accounts":["enterprise/octo-ent"]}"#;
        let expected = Grants::importer(["enterprise/octo-ent"]).unwrap();
        assert_eq!(new_token(importer).grants(), Ok(expected));
        let fine = new_token(r#"{"user":"hubot","permissions":{"plan":"read"}}"#).grants();
        assert_eq!(
            fine,
            Ok(Grants::fine_grained("hubot", ["plan=read"]).unwrap())
        );
    }

    #[test]
    fn what_cannot_be_done_names_its_field() {
        let field = |body: &str| new_token(body).grants().unwrap_err().field;
        assert_eq!(field(r#"{"scopes":["user"]}"#), "user");
        assert_eq!(field(r#"{"user":"hubot"}"#), "scopes");
        assert_eq!(field(r#"{"user":"hubot","scopes":["x"]}"#), "scopes");
        assert_eq!(
            field(r#"{"user":"hubot","permissions":{"x":"read"}}"#),
            "permissions"
        );
        assert_eq!(field(r#"{"user":"hubot","site_admin":true}"#), "site_admin");
        assert_eq!(field(r#"{"metering_write":true}"#), "accounts");
        assert_eq!(field(r#"{"accounts":["user/x"]}"#), "accounts");
        assert_eq!(field(r#"{"import":true}"#), "accounts");
        let sources = r#"{"import":true,"accounts":["user/x"],"sources":["/ci"]}"#;
        assert_eq!(field(sources), "sources");
        let both = r#"{"import":true,"user":"x","accounts":["user/x"]}"#;
        assert_eq!(field(both), "import");
        let both = r#"{"import":true,"metering_write":true,"accounts":["user/x"]}"#;
        assert_eq!(field(both), "metering_write");
        let both = r#"{"metering_write":true,"user":"x","accounts":["user/x"]}"#;
        assert_eq!(field(both), "metering_write");
        let sources = r#"{"metering_write":true,"accounts":["user/x"],"sources":[""]}"#;
        assert_eq!(field(sources), "sources");
        let both = r#"{"user":"h","scopes":["user"],"permissions":{"plan":"read"}}"#;
        assert_eq!(field(both), "permissions");
        let dialect = |body: &str| new_token(body).dialect();
        assert_eq!(dialect("{}"), Ok(None));
        assert_eq!(
            dialect(r#"{"dialect":"observed"}"#),
            Ok(Some(Dialect::Observed))
        );
        for body in [
            r#"{"dialect":"x"}"#,
            r#"{"metering_write":true,"dialect":"observed"}"#,
            r#"{"import":true,"dialect":"observed"}"#,
        ] {
            assert_eq!(dialect(body).unwrap_err().field, "dialect", "{body}");
        }
        let now = Instant::parse("2026-11-21").unwrap();
        let expiry = |text: &str| {
            let expires_at = Some(text.to_owned());
            NewToken {
                expires_at,
                ..NewToken::default()
            }
            .expiry(now)
        };
        assert!(expiry("2026-11-21").is_err() && expiry("soon").is_err());
        assert_eq!(
            expiry("2027-01-01"),
            Ok(Some(Instant::parse("2027-01-01").unwrap()))
        );
    }

    #[test]
    fn lists_show_no_secret() {
        let life = Life {
            created_at: Instant::parse("2026-11-21").unwrap(),
            expires_at: None,
            revoked_at: None,
        };
        let terms = TokenTerms {
            grants: Grants::classic("hubot", ["user"]).unwrap(),
            dialect: Some(Dialect::Observed),
        };
        let expected = concat!(
            r#"{"id":"abc","kind":"classic","user":"hubot","scopes":["user"],"#,
            r#""dialect":"observed","created_at":"2026-11-21T00:00:00Z","expires_at":null,"revoked_at":null}"#,
        );
        assert_eq!(
            serde_json::to_string(&Token::new("abc", &terms, life)).unwrap(),
            expected
        );
    }
}
