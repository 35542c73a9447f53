//! The accounts that a token was made for.
//!
//! Invariant: at least one account is named, because only a site administrator's token covers all
//! accounts; every name has been validated.

use serde::{Deserialize, Serialize};
use tallybook_core::account::{AccountKind, AccountName, check_name};

/// One or more accounts, stored as texts such as `enterprise/octo-ent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Accounts(Vec<AccountName>);

/// Why a list of accounts is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// An account is not written `kind/name`.
    #[error("account {0:?} must be written kind/name, such as enterprise/octo-ent")]
    Malformed(String),
    /// No account is named.
    #[error("this token needs at least one account, such as enterprise/octo-ent")]
    None,
}

impl Accounts {
    /// Reads texts such as `enterprise/octo-ent`.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, AccountsError> {
        let accounts: Vec<AccountName> = texts
            .into_iter()
            .map(|text| account(text).ok_or_else(|| AccountsError::Malformed(text.to_owned())))
            .collect::<Result<_, _>>()?;
        if accounts.is_empty() {
            return Err(AccountsError::None);
        }
        Ok(Self(accounts))
    }

    /// The accounts, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[AccountName] {
        &self.0
    }

    /// Whether `account` is one of them.
    #[must_use]
    pub fn contains(&self, account: &AccountName) -> bool {
        self.0.contains(account)
    }

    /// Each in its text form: `enterprise/octo-ent`.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let accounts = self.0.iter();
        let texts = accounts.map(|account| format!("{}/{}", account.kind, account.name));
        texts.collect()
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

impl From<Accounts> for Vec<String> {
    fn from(accounts: Accounts) -> Self {
        accounts.texts()
    }
}

impl TryFrom<Vec<String>> for Accounts {
    type Error = AccountsError;

    fn try_from(texts: Vec<String>) -> Result<Self, AccountsError> {
        Self::parse(texts.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_a_kind_and_a_name() {
        let accounts = Accounts::parse(["enterprise/octo-ent", "user/hubot"]).unwrap();
        let expected = [
            AccountName::new(AccountKind::Enterprise, "octo-ent"),
            AccountName::new(AccountKind::User, "hubot"),
        ];
        assert_eq!(accounts.as_slice(), expected);
        for bad in ["octo-ent", "team/x", "enterprise/", "enterprise/a/b", "/x"] {
            let error = Accounts::parse([bad]);
            assert_eq!(error, Err(AccountsError::Malformed(bad.to_owned())));
        }
        assert_eq!(Accounts::parse([]), Err(AccountsError::None));
    }
}
