//! Accounts: who pays. An enterprise, a standalone organization, or a user.

use crate::name::Name;
use std::fmt;

/// The three kinds of account, and of names in GitHub's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// An enterprise, named by its slug.
    Enterprise,
    /// An organization, named by its login.
    Organization,
    /// A user, named by their login.
    User,
}

impl AccountKind {
    /// `enterprise`, `organization` or `user`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enterprise => "enterprise",
            Self::Organization => "organization",
            Self::User => "user",
        }
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind and a name: how people and paths identify an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName {
    /// What it is.
    pub kind: AccountKind,
    /// Its slug or login.
    pub name: Name,
}

impl AccountName {
    /// An account name from its two parts.
    pub fn new(kind: AccountKind, name: impl Into<Name>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// Parses a kind's word and a slug or login; `None` when either is invalid.
    #[must_use]
    pub fn parse(kind: &str, name: &str) -> Option<Self> {
        let kinds = [
            AccountKind::Enterprise,
            AccountKind::Organization,
            AccountKind::User,
        ];
        let kind = kinds.into_iter().find(|it| it.as_str() == kind)?;
        check_name(name).ok()?;
        Some(Self::new(kind, name))
    }
}

/// `enterprise octo-ent`.
impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Why a text is not a valid slug or login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_NAME} letters, digits, '-', '_' or '.'")]
pub struct InvalidName;

/// The longest slug, login or repository name, in bytes.
pub const MAX_NAME: usize = 100;

/// Checks a slug, a login, or a repository's own name.
pub fn check_name(text: &str) -> Result<(), InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(allowed) {
        return Err(InvalidName);
    }
    // "." and ".." would be path segments.
    if text.bytes().all(|byte| byte == b'.') {
        Err(InvalidName)
    } else {
        Ok(())
    }
}

macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in files and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The value for a word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// A GitHub plan; it decides what usage is included.
    Plan {
        /// A user's or an organization's free plan.
        Free = "free",
        /// A user's paid plan.
        Pro = "pro",
        /// An organization's paid plan.
        Team = "team",
        /// Enterprise Cloud.
        Enterprise = "enterprise",
    }
}

words! {
    /// Who can see a repository; standard runners are free in public ones.
    Visibility {
        /// Everyone.
        Public = "public",
        /// Members of the enterprise.
        Internal = "internal",
        /// People who were given access.
        Private = "private",
    }
}
