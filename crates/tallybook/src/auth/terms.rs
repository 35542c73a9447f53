//! A token's terms: what it may do, and the dialect of its answers.
//!
//! Invariant: stored as one line of JSON, the grants plus a `dialect` if the token has one of its
//! own; the dialect changes the shape of answers, never what is allowed.

use super::grants::{Grants, GrantsError};
use crate::config::Dialect;
use serde_json::Value;

/// A token's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTerms {
    /// What it may do.
    pub grants: Grants,
    /// The dialect of GitHub's answers; `None` is the server's default.
    pub dialect: Option<Dialect>,
}

impl From<Grants> for TokenTerms {
    fn from(grants: Grants) -> Self {
        Self {
            grants,
            dialect: None,
        }
    }
}

/// The JSON member for the dialect.
const DIALECT: &str = "dialect";

impl TokenTerms {
    /// One line of JSON, as stored.
    pub fn encode(&self) -> Result<String, GrantsError> {
        let Some(dialect) = self.dialect else {
            return self.grants.encode();
        };
        let mut line = serde_json::to_value(&self.grants).map_err(unreadable)?;
        line[DIALECT] = dialect.as_str().into();
        Ok(line.to_string())
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(line: &str) -> Result<Self, GrantsError> {
        let mut line: Value = serde_json::from_str(line).map_err(unreadable)?;
        let dialect = line
            .as_object_mut()
            .and_then(|members| members.remove(DIALECT));
        let dialect = dialect.map(|word| {
            let known = word.as_str().and_then(Dialect::parse);
            known.ok_or_else(|| GrantsError::Unreadable(format!("unknown dialect {word}")))
        });
        Ok(Self {
            grants: serde_json::from_value(line).map_err(unreadable)?,
            dialect: dialect.transpose()?,
        })
    }
}

fn unreadable(error: serde_json::Error) -> GrantsError {
    GrantsError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_they_were_written() {
        let sender = Grants::sender(["user/x"], vec!["/ci".to_owned()]).unwrap();
        for grants in [
            Grants::SiteAdmin,
            Grants::classic("hubot", ["user"]).unwrap(),
            Grants::fine_grained("hubot", ["plan=read"]).unwrap(),
            sender,
        ] {
            for dialect in [None, Some(Dialect::Documented), Some(Dialect::Observed)] {
                let grants = grants.clone();
                let terms = TokenTerms { grants, dialect };
                assert_eq!(TokenTerms::decode(&terms.encode().unwrap()), Ok(terms));
            }
        }
    }

    #[test]
    fn a_token_without_a_dialect_is_stored_as_ever() {
        let grants = Grants::classic("hubot", ["user"]).unwrap();
        let line = grants.encode().unwrap();
        assert_eq!(TokenTerms::from(grants.clone()).encode(), Ok(line.clone()));
        assert_eq!(TokenTerms::decode(&line), Ok(TokenTerms::from(grants)));
        assert!(TokenTerms::decode(&line.replace('{', r#"{"dialect":"klingon","#)).is_err());
        assert!(TokenTerms::decode(&line.replace('{', r#"{"more":1,"#)).is_err());
        assert!(TokenTerms::decode("[]").is_err() && TokenTerms::decode("").is_err());
    }
}
