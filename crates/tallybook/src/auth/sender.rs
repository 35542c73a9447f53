//! The accounts that a sending token may send usage events for, and the sources it may use.
//!
//! Invariant: accounts and sources have been validated. The engine treats any other account as
//! nonexistent.

use super::accounts::{Accounts, AccountsError};
use serde::{Deserialize, Serialize};
use tallybook_core::account::AccountName;

/// The grants of a sending token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Sender {
    accounts: Accounts,
    sources: Vec<String>,
}

/// The stored form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    accounts: Vec<String>,
    sources: Vec<String>,
}

/// Why a sending token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// The accounts are invalid.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// A source is empty or contains a space or control character, so no event can have it.
    #[error("source {0:?} is not a URI reference")]
    Source(String),
}

impl Sender {
    /// Reads accounts such as `enterprise/octo-ent`; an empty list of sources means every source.
    pub fn new<'a>(
        accounts: impl IntoIterator<Item = &'a str>,
        sources: Vec<String>,
    ) -> Result<Self, SenderError> {
        let accounts = Accounts::parse(accounts)?;
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
        self.accounts.as_slice()
    }

    /// The sources; empty means every source.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// Each account in its text form.
    #[must_use]
    pub fn account_texts(&self) -> Vec<String> {
        self.accounts.texts()
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
    fn sources_are_uri_references() {
        let spaced = vec!["a b".to_owned()];
        let error = Sender::new(["user/x"], spaced);
        assert_eq!(error, Err(SenderError::Source("a b".to_owned())));
        let none = Sender::new([], Vec::new());
        assert_eq!(none, Err(SenderError::Accounts(AccountsError::None)));
    }
}
