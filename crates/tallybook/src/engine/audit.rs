//! The audit log: who did what, from where, and to what.
//!
//! Invariant: every change is recorded in the commit that makes it; no line holds a secret. Look
//! next: [`super::commit::Changes::audit`] for changes of the ledger.

use super::{Engine, EngineError};
use serde_json::{Map, Value};
use tallybook_core::account::AccountName;
use tallybook_core::time::Instant;
use tallybook_store::{AppendError, AuditFilter, AuditRow, Effect, NumberedAudit, Store};

/// The address of commands on a data directory.
const LOCAL: &str = "local";

/// The most characters recorded of a text of unlimited length.
const LONGEST_TEXT: usize = 16_000;

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A kind and a name: `token ID`, `user LOGIN`, `command NAME`; or `server`.
    pub name: String,
    /// The user that a token acts as.
    pub user: Option<String>,
    /// The client's address, or [`LOCAL`].
    pub address: Option<String>,
    /// Whether they may create accounts that do not exist.
    pub is_site_admin: bool,
}

impl Actor {
    /// A command on a data directory: anyone who can read the files may do everything.
    #[must_use]
    pub fn command(name: &str) -> Self {
        Self {
            name: format!("command {name}"),
            user: None,
            address: Some(LOCAL.to_owned()),
            is_site_admin: true,
        }
    }

    /// The server itself: it generates and removes reports, and refuses credentials.
    #[must_use]
    pub fn server() -> Self {
        Self {
            name: "server".to_owned(),
            user: None,
            address: None,
            is_site_admin: false,
        }
    }

    /// The audit log line for what this actor did.
    #[must_use]
    pub fn did(&self, at: Instant, deed: Deed) -> Effect {
        let account = deed.account.map(|it| format!("{}/{}", it.kind, it.name));
        Effect::Audit(AuditRow {
            at,
            actor: self.name.clone(),
            user: self.user.clone(),
            address: self.address.clone(),
            account,
            action: deed.action.as_str().to_owned(),
            detail: Value::Object(deed.detail).to_string(),
        })
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])+ $variant:ident = $word:literal,)+) => {
        /// The recorded actions: a noun and a verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])+ $variant,)+ }

        impl Action {
            /// All of them, sorted by noun.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

actions! {
    /// A billing file or a catalogue was applied.
    Apply = "apply",
    /// A copy of all data was written, or sent.
    BackupCreate = "backup.create",
    /// The data directory was restored from a backup.
    BackupRestore = "backup.restore",
    /// An import was made.
    ImportCreate = "import.create",
    /// An import was reverted.
    ImportRevert = "import.revert",
    /// Links to files of reports were refused.
    LinkRefuse = "link.refuse",
    /// A report was completed.
    ReportComplete = "report.complete",
    /// A report was requested.
    ReportCreate = "report.create",
    /// A report was deleted by a user.
    ReportDelete = "report.delete",
    /// A file of a report was downloaded.
    ReportDownload = "report.download",
    /// A report was deleted because it had expired.
    ReportExpire = "report.expire",
    /// A report was written by a command on the data directory.
    ReportExport = "report.export",
    /// Generating a report failed.
    ReportFail = "report.fail",
    /// A token was made.
    TokenCreate = "token.create",
    /// Tokens were refused.
    TokenRefuse = "token.refuse",
    /// A token was revoked.
    TokenRevoke = "token.revoke",
    /// Everything was read again and compared.
    Verify = "verify",
}

impl Action {
    /// Whether this text is a valid filter: an action, or the noun of some actions.
    #[must_use]
    pub fn is_known(text: &str) -> bool {
        Self::ALL.iter().any(|action| {
            let rest = action.as_str().strip_prefix(text);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// All of them as one text, for messages.
    #[must_use]
    pub fn list() -> String {
        let words: Vec<&str> = Self::ALL.iter().map(|action| action.as_str()).collect();
        words.join(", ")
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    action: Action,
    /// The account that it affects; `None` for the site.
    account: Option<AccountName>,
    /// What was affected, and its values before and after.
    detail: Map<String, Value>,
}

impl Deed {
    /// About the site.
    #[must_use]
    pub fn site(action: Action) -> Self {
        Self {
            action,
            account: None,
            detail: Map::new(),
        }
    }

    /// About an account.
    #[must_use]
    pub fn on(account: &AccountName, action: Action) -> Self {
        Self {
            account: Some(account.clone()),
            ..Self::site(action)
        }
    }

    /// Adds a detail, which must not be a secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// A text as recorded: one that is too long is cut and ends in an ellipsis.
#[must_use]
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether [`shortened`] cuts something off.
#[must_use]
pub fn is_long(text: &str) -> bool {
    text.chars().nth(LONGEST_TEXT).is_some()
}

/// [`Engine::record`] for a store without an engine: a restored backup, before anything else uses
/// it.
pub async fn record(store: &dyn Store, lines: Vec<Effect>) -> Result<(), EngineError> {
    let recorded = store.append(Vec::new(), lines).await;
    recorded.map_err(|error| match error {
        AppendError::Refused(error) | AppendError::Unknown(error) => error.into(),
        AppendError::Conflict { .. } => EngineError::System(error.to_string()),
    })
}

impl Engine {
    /// Records actions that did not change the ledger: a download, a backup. All of them or none.
    pub async fn record(&self, lines: Vec<Effect>) -> Result<(), EngineError> {
        record(self.store.as_ref(), lines).await
    }

    /// The newest `limit` lines of the audit log that match the filter, newest first.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<NumberedAudit>, EngineError> {
        Ok(self.store.audit(filter, limit).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_name_an_action_or_a_noun() {
        for known in ["apply", "import", "import.create", "verify"] {
            assert!(Action::is_known(known), "{known}");
        }
        for unknown in ["", "imp", "import.", "imports", "import.create.x", "create"] {
            assert!(!Action::is_known(unknown), "{unknown}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("ü"), "ü");
        let long = "ü".repeat(LONGEST_TEXT);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&format!("{long}x")), format!("{long}…"));
    }
}
