//! The audit log: who did what, from where, and what it was about.
//!
//! Invariant: what changes something is recorded in the commit that changes it; no line holds a
//! secret. Look next: [`super::commit::Changes::audit`] for changes of the ledger.

use super::{Engine, EngineError};
use serde_json::{Map, Value};
use tallybook_core::account::AccountName;
use tallybook_core::time::Instant;
use tallybook_store::{AppendError, AuditFilter, AuditRow, Effect, NumberedAudit, Store};

/// From where commands on a data directory act.
const LOCAL: &str = "local";

/// The most characters that are recorded of a text that may have any length.
const LONGEST_TEXT: usize = 16_000;

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A kind and a name: `token ID`, `user LOGIN`, `command NAME`; or `server`.
    pub name: String,
    /// The user as whom a token acts.
    pub user: Option<String>,
    /// The client's address, or [`LOCAL`].
    pub address: Option<String>,
    /// Whether they may create what does not exist.
    pub is_site_admin: bool,
}

impl Actor {
    /// A command on a data directory: whoever may read the files may do everything.
    #[must_use]
    pub fn command(name: &str) -> Self {
        Self {
            name: format!("command {name}"),
            user: None,
            address: Some(LOCAL.to_owned()),
            is_site_admin: true,
        }
    }

    /// The server by itself: it makes and removes reports, and refuses credentials.
    #[must_use]
    pub fn server() -> Self {
        Self {
            name: "server".to_owned(),
            user: None,
            address: None,
            is_site_admin: false,
        }
    }

    /// The line of the audit log that says what this actor did.
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
        /// What is recorded: a noun and a verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])+ $variant,)+ }

        impl Action {
            /// All of them, by their nouns.
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
    /// A copy of everything was written, or sent.
    BackupCreate = "backup.create",
    /// The data directory was made from a backup.
    BackupRestore = "backup.restore",
    /// An import was taken in.
    ImportCreate = "import.create",
    /// An import was reverted.
    ImportRevert = "import.revert",
    /// Links to files of reports were refused.
    LinkRefuse = "link.refuse",
    /// A report was completed.
    ReportComplete = "report.complete",
    /// A report was asked for.
    ReportCreate = "report.create",
    /// A report was deleted by somebody.
    ReportDelete = "report.delete",
    /// A file of a report was downloaded.
    ReportDownload = "report.download",
    /// A report was deleted because its time had passed.
    ReportExpire = "report.expire",
    /// A report was written by a command on the data directory.
    ReportExport = "report.export",
    /// A report could not be made.
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
    /// Whether a filter with this text asks for something that can be there: for an action, or for
    /// all those of a noun.
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
    /// Whose account it is about; `None` when it is about the site.
    account: Option<AccountName>,
    /// To what, and what was there before and is after.
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

    /// Says more of it. Never a secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// A text as it is recorded: what is too long ends in an ellipsis.
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

/// [`Engine::record`] for a database that need not be understood: a backup's, before anything else
/// is done with it.
pub async fn record(store: &dyn Store, lines: Vec<Effect>) -> Result<(), EngineError> {
    let recorded = store.append(Vec::new(), lines).await;
    recorded.map_err(|error| match error {
        AppendError::Refused(error) | AppendError::Unknown(error) => error.into(),
        AppendError::Conflict { .. } => EngineError::System(error.to_string()),
    })
}

impl Engine {
    /// Records what changed nothing in the ledger: a download, a backup. All of it or nothing.
    pub async fn record(&self, lines: Vec<Effect>) -> Result<(), EngineError> {
        record(self.store.as_ref(), lines).await
    }

    /// The newest `limit` lines of the audit log that the filter lets through, the newest first.
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
