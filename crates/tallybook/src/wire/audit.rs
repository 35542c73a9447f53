//! The body of `GET /metering/v1/audit`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Lines of the audit log, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The lines.
    pub audit: Vec<AuditLine>,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    /// Its number in the log, in the order of commits; `before` takes it.
    pub number: u64,
    /// When.
    pub at: String,
    /// `token ID`, `user LOGIN` (by a link in a mail), `command NAME`, or `server`.
    pub actor: String,
    /// The user as whom the token acted.
    pub user: Option<String>,
    /// The client's address; `local` for a command on a data directory.
    pub address: Option<String>,
    /// What was done: `import.create`.
    pub action: String,
    /// Which account it is about: `enterprise/SLUG`.
    pub account: Option<String>,
    /// To what, and, where something changed, what was there before and is after.
    #[schema(value_type = Object)]
    pub detail: Value,
}
