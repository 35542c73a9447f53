//! What a token may do: everything, a classic token's scopes, a fine-grained one's permissions,
//! sending usage events, or importing reports.
//!
//! Invariant: grants name a user and never exceed what that user's roles allow: both are asked in
//! [`super::decide`]. Tokens of site administrators have no user, nor do those that send events or
//! import reports: these write for the accounts that they name and allow nothing else. Grants are
//! stored as one line of JSON.

use super::accounts::{Accounts, AccountsError};
use super::sender::{Sender, SenderError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a token was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Grants {
    /// Reads everything and changes everything.
    SiteAdmin,
    /// Acts as a user, within scopes.
    Classic {
        /// The user's login.
        user: String,
        /// Its scopes, in the order of [`Scope`].
        scopes: Vec<Scope>,
    },
    /// Acts as a user, within permissions.
    FineGrained {
        /// The user's login.
        user: String,
        /// The level of each permission.
        permissions: BTreeMap<Permission, Level>,
    },
    /// Sends usage events (`metering:write`) and reads nothing.
    Sender(Sender),
    /// Imports usage reports, and lists and reverts imports.
    Importer {
        /// The accounts whose usage it may import.
        accounts: Accounts,
    },
}

/// Why grants are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantsError {
    /// No scope has this name.
    #[error("unknown scope {0:?}; known scopes: {known}", known = known_scopes())]
    UnknownScope(String),
    /// No permission has this name.
    #[error("unknown permission {0:?}; known permissions: {known}", known = known_permissions())]
    UnknownPermission(String),
    /// The permission does not have this level.
    #[error("permission {permission}: unknown level {level:?}; known levels: {known}")]
    UnknownLevel {
        /// The permission's name.
        permission: &'static str,
        /// What was asked for.
        level: String,
        /// The levels that it has.
        known: String,
    },
    /// A permission is not written `name=level`.
    #[error("permission {0:?} must be written name=level, such as plan=read")]
    Malformed(String),
    /// The same permission is given twice.
    #[error("permission {0} is given more than once")]
    Repeated(&'static str),
    /// The accounts of an importing token are invalid.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The accounts or the sources of a sending token are invalid.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// Nothing is granted.
    #[error("a token needs at least one scope or permission")]
    Nothing,
    /// The stored line is not in a format that this version writes.
    #[error("the stored grants cannot be read: {0}")]
    Unreadable(String),
}

impl Grants {
    /// A classic token's grants, from scope names.
    pub fn classic<'a>(
        user: impl Into<String>,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, GrantsError> {
        let mut scopes = scopes
            .into_iter()
            .map(|name| {
                Scope::parse(name).ok_or_else(|| GrantsError::UnknownScope(name.to_owned()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(GrantsError::Nothing);
        }
        let user = user.into();
        Ok(Self::Classic { user, scopes })
    }

    /// A fine-grained token's grants, from texts like `organization_administration=read`.
    pub fn fine_grained<'a>(
        user: impl Into<String>,
        permissions: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, GrantsError> {
        let mut granted = BTreeMap::new();
        for text in permissions {
            let (permission, level) = Permission::parse_with_level(text)?;
            if granted.insert(permission, level).is_some() {
                return Err(GrantsError::Repeated(permission.as_str()));
            }
        }
        if granted.is_empty() {
            return Err(GrantsError::Nothing);
        }
        Ok(Self::FineGrained {
            user: user.into(),
            permissions: granted,
        })
    }

    /// The user that a token acts as; `None` for a site administrator's.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::SiteAdmin | Self::Sender(_) | Self::Importer { .. } => None,
            Self::Classic { user, .. } | Self::FineGrained { user, .. } => Some(user),
        }
    }

    /// A sending token's grants, from accounts such as `enterprise/octo-ent` and, if it is limited
    /// to some sources, those sources.
    pub fn sender<'a>(
        accounts: impl IntoIterator<Item = &'a str>,
        sources: Vec<String>,
    ) -> Result<Self, GrantsError> {
        Ok(Self::Sender(Sender::new(accounts, sources)?))
    }

    /// An importing token's grants, from accounts such as `enterprise/octo-ent`.
    pub fn importer<'a>(accounts: impl IntoIterator<Item = &'a str>) -> Result<Self, GrantsError> {
        let accounts = Accounts::parse(accounts)?;
        Ok(Self::Importer { accounts })
    }

    /// One line of JSON, as stored.
    pub fn encode(&self) -> Result<String, GrantsError> {
        serde_json::to_string(self).map_err(|error| GrantsError::Unreadable(error.to_string()))
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(line: &str) -> Result<Self, GrantsError> {
        serde_json::from_str(line).map_err(|error| GrantsError::Unreadable(error.to_string()))
    }
}

/// A classic token's scope; the names and implications are GitHub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Implies every other scope of enterprises.
    #[serde(rename = "admin:enterprise")]
    AdminEnterprise,
    /// Reads and writes an enterprise's billing.
    #[serde(rename = "manage_billing:enterprise")]
    ManageBillingEnterprise,
    /// Reads an enterprise's profile; opens no billing.
    #[serde(rename = "read:enterprise")]
    ReadEnterprise,
    /// Implies the other two scopes of organizations.
    #[serde(rename = "admin:org")]
    AdminOrg,
    /// Implies `read:org`.
    #[serde(rename = "write:org")]
    WriteOrg,
    /// Reads an organization's billing.
    #[serde(rename = "read:org")]
    ReadOrg,
    /// Reads the user's own billing, and implies `read:user`.
    #[serde(rename = "user")]
    User,
    /// Reads the user's profile; opens no billing.
    #[serde(rename = "read:user")]
    ReadUser,
}

impl Scope {
    /// Every scope, in order.
    pub const ALL: [Self; 8] = [
        Self::AdminEnterprise,
        Self::ManageBillingEnterprise,
        Self::ReadEnterprise,
        Self::AdminOrg,
        Self::WriteOrg,
        Self::ReadOrg,
        Self::User,
        Self::ReadUser,
    ];

    /// The name that GitHub gave it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdminEnterprise => "admin:enterprise",
            Self::ManageBillingEnterprise => "manage_billing:enterprise",
            Self::ReadEnterprise => "read:enterprise",
            Self::AdminOrg => "admin:org",
            Self::WriteOrg => "write:org",
            Self::ReadOrg => "read:org",
            Self::User => "user",
            Self::ReadUser => "read:user",
        }
    }

    /// The scope with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// Whether a token with this scope can do what `needed` allows.
    #[must_use]
    pub fn includes(self, needed: Self) -> bool {
        self == needed || self.implied().contains(&needed)
    }

    const fn implied(self) -> &'static [Self] {
        match self {
            Self::AdminEnterprise => &[Self::ManageBillingEnterprise, Self::ReadEnterprise],
            Self::AdminOrg => &[Self::WriteOrg, Self::ReadOrg],
            Self::WriteOrg => &[Self::ReadOrg],
            Self::User => &[Self::ReadUser],
            _ => &[],
        }
    }
}

/// A fine-grained token's permission. A new one is a variant here and a line in each `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// "Administration" of organizations.
    OrganizationAdministration,
    /// "Plan" of the user.
    Plan,
}

/// The level of a permission; writing implies reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Reads only.
    Read,
    /// Changes.
    Write,
}

impl Permission {
    /// Every permission, in order.
    pub const ALL: [Self; 2] = [Self::OrganizationAdministration, Self::Plan];

    /// The name that GitHub gave it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationAdministration => "organization_administration",
            Self::Plan => "plan",
        }
    }

    /// The levels that it can be granted at.
    #[must_use]
    pub const fn levels(self) -> &'static [Level] {
        match self {
            Self::OrganizationAdministration => &[Level::Read, Level::Write],
            Self::Plan => &[Level::Read],
        }
    }

    fn parse_with_level(text: &str) -> Result<(Self, Level), GrantsError> {
        let (name, level) = text
            .split_once('=')
            .ok_or_else(|| GrantsError::Malformed(text.to_owned()))?;
        let permission = Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == name)
            .ok_or_else(|| GrantsError::UnknownPermission(name.to_owned()))?;
        let levels = permission.levels();
        let found = levels.iter().find(|known| known.as_str() == level);
        let level = found.ok_or_else(|| GrantsError::UnknownLevel {
            permission: permission.as_str(),
            level: level.to_owned(),
            known: join(levels.iter().map(|level| level.as_str())),
        })?;
        Ok((permission, *level))
    }
}

impl Level {
    /// `read` or `write`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

fn known_scopes() -> String {
    join(Scope::ALL.into_iter().map(Scope::as_str))
}

fn known_permissions() -> String {
    let known = Permission::ALL.into_iter().flat_map(|permission| {
        let levels = permission.levels().iter();
        levels.map(move |level| format!("{}={}", permission.as_str(), level.as_str()))
    });
    known.collect::<Vec<_>>().join(", ")
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_survive_being_stored() {
        let classic = Grants::classic("monalisa", ["user", "admin:org", "user"]).unwrap();
        let fine = Grants::fine_grained("hubot", ["organization_administration=write"]).unwrap();
        let sender = Grants::sender(["enterprise/octo-ent"], vec!["/ci".to_owned()]).unwrap();
        assert_eq!(
            sender.encode().unwrap(),
            r#"{"kind":"sender","accounts":["enterprise/octo-ent"],"sources":["/ci"]}"#,
            "stored lines must stay readable"
        );
        let importer = Grants::importer(["enterprise/octo-ent"]).unwrap();
        assert_eq!(
            importer.encode().unwrap(),
            r#"{"kind":"importer","accounts":["enterprise/octo-ent"]}"#,
            "stored lines must stay readable"
        );
        for grants in [Grants::SiteAdmin, classic, fine, sender, importer] {
            let line = grants.encode().unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(Grants::decode(&line).unwrap(), grants);
        }
        let stored = r#"{"kind":"classic","user":"monalisa","scopes":["admin:org","user"]}"#;
        let classic = Grants::classic("monalisa", ["user", "admin:org"]).unwrap();
        assert_eq!(
            classic.encode().unwrap(),
            stored,
            "stored lines must stay readable"
        );
    }

    #[test]
    fn refusals_name_what_is_known() {
        let message = Grants::classic("m", ["admin:galaxy"])
            .unwrap_err()
            .to_string();
        assert!(message.contains("\"admin:galaxy\""), "{message}");
        assert!(
            message.contains("manage_billing:enterprise, read:enterprise"),
            "{message}"
        );
        let message = Grants::fine_grained("m", ["billing=read"])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("organization_administration=write, plan=read"),
            "{message}"
        );
        let message = Grants::fine_grained("m", ["plan=write"])
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "permission plan: unknown level \"write\"; known levels: read"
        );
        assert!(matches!(
            Grants::fine_grained("m", ["plan"]),
            Err(GrantsError::Malformed(_))
        ));
        let twice = ["plan=read", "plan=read"];
        assert_eq!(
            Grants::fine_grained("m", twice),
            Err(GrantsError::Repeated("plan"))
        );
        assert_eq!(Grants::classic("m", []), Err(GrantsError::Nothing));
        assert!(matches!(
            Grants::decode("{}"),
            Err(GrantsError::Unreadable(_))
        ));
    }

    #[test]
    fn scopes_imply_what_they_imply_at_github() {
        assert!(Scope::AdminEnterprise.includes(Scope::ManageBillingEnterprise));
        assert!(Scope::AdminOrg.includes(Scope::ReadOrg));
        assert!(Scope::WriteOrg.includes(Scope::ReadOrg));
        assert!(!Scope::ReadOrg.includes(Scope::AdminOrg));
        assert!(!Scope::ReadUser.includes(Scope::User));
        assert!(!Scope::ManageBillingEnterprise.includes(Scope::ReadOrg));
    }
}
