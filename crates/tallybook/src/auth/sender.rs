//! For whom a sending token may send usage events, and under which sources.
//!
//! Invariant: at least one account is named, for a token that sends for everybody is a site
//! administrator's; names and sources were checked. What is not named is answered by the engine as
//! an account that does not exist.

use serde::{Deserialize, Serialize};
use tallybook_core::account::{AccountKind, AccountName, check_name};

/// What a sending token was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Sender {
    accounts: Vec<AccountName>,
    sources: Vec<String>,
}

/// As it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    accounts: Vec<String>,
    sources: Vec<String>,
}

/// Why a sending token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// An account is not written `kind/name`.
    #[error("account {0:?} must be written kind/name, such as enterprise/octo-ent")]
    Malformed(String),
    /// No account is named.
    #[error("a sending token needs at least one account, such as enterprise/octo-ent")]
    NoAccount,
    /// A source is empty or has a space or control character, so that no event can have it.
    #[error("source {0:?} is not a URI reference")]
    Source(String),
}

impl Sender {
    /// Reads accounts such as `enterprise/octo-ent`; no sources are every source.
    pub fn new<'a>(
        accounts: impl IntoIterator<Item = &'a str>,
        sources: Vec<String>,
    ) -> Result<Self, SenderError> {
        let accounts: Vec<AccountName> = accounts
            .into_iter()
            .map(|text| account(text).ok_or_else(|| SenderError::Malformed(text.to_owned())))
            .collect::<Result<_, _>>()?;
        if accounts.is_empty() {
            return Err(SenderError::NoAccount);
        }
        let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let bad = |text: &&String| text.is_empty() || !is_graphic(text);
        if let Some(source) = sources.iter().find(bad) {
            return Err(SenderError::Source(source.clone()));
        }
        Ok(Self { accounts, sources })
    }

    /// The accounts, at least one.
    #[must_use]
    pub fn accounts(&self) -> &[AccountName] {
        &self.accounts
    }

    /// The sources; none is every one.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

fn account(text: &str) -> Option<AccountName> {
    let (kind, name) = text.split_once('/')?;
    let kinds = [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ];
    let kind = kinds.into_iter().find(|known| known.as_str() == kind)?;
    check_name(name).ok()?;
    Some(AccountName::new(kind, name))
}

impl From<Sender> for Stored {
    fn from(sender: Sender) -> Self {
        let accounts = sender.accounts.iter();
        let accounts = accounts.map(|account| format!("{}/{}", account.kind, account.name));
        Self {
            accounts: accounts.collect(),
            sources: sender.sources,
        }
    }
}

impl TryFrom<Stored> for Sender {
    type Error = SenderError;

    fn try_from(stored: Stored) -> Result<Self, SenderError> {
        Self::new(stored.accounts.iter().map(String::as_str), stored.sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_a_kind_and_a_name() {
        let sender = Sender::new(["enterprise/octo-ent", "user/hubot"], Vec::new()).unwrap();
        let expected = [
            AccountName::new(AccountKind::Enterprise, "octo-ent"),
            AccountName::new(AccountKind::User, "hubot"),
        ];
        assert_eq!(sender.accounts(), expected);
        for bad in ["octo-ent", "team/x", "enterprise/", "enterprise/a/b", "/x"] {
            let error = Sender::new([bad], Vec::new());
            assert_eq!(error, Err(SenderError::Malformed(bad.to_owned())));
        }
        assert_eq!(Sender::new([], Vec::new()), Err(SenderError::NoAccount));
        let spaced = vec!["a b".to_owned()];
        let error = Sender::new(["user/x"], spaced);
        assert_eq!(error, Err(SenderError::Source("a b".to_owned())));
    }
}
