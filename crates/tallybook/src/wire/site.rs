//! The bodies of `/metering/v1/apply` and `/metering/v1/verify`.

use super::catalog::WhatIfAnswer;
use serde::{Deserialize, Serialize};
use tallybook_core::site::declare::Change;
use utoipa::ToSchema;

/// What applying a billing file, or putting an own catalogue, changed or would change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// Whether nothing was changed, because only the difference was asked for.
    pub dry_run: bool,
    /// The differences; none when everything was so already.
    pub changes: Vec<ChangeAnswer>,
    /// The version of the catalogue that is in force now.
    #[serde(default)]
    pub catalog_version: u64,
    /// What the month that was asked about costs, and would cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what_if: Option<WhatIfAnswer>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeAnswer {
    /// Of what: `organization octo-org`.
    pub subject: String,
    /// Which of its fields.
    pub field: String,
    /// As it was; null when the subject or the field is new.
    pub before: Option<String>,
    /// As it is declared; `(removed)` when nothing is said of it any more.
    pub after: String,
}

impl From<Change> for ChangeAnswer {
    fn from(change: Change) -> Self {
        Self {
            subject: change.subject,
            field: change.field.into_owned(),
            before: change.before,
            after: change.after,
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Whether everything agrees.
    pub ok: bool,
    /// The first difference, when something does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// What was read, when everything agrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<VerifiedAnswer>,
}

/// What was read and found to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedAnswer {
    /// Accounts.
    pub accounts: u64,
    /// Batches of all logs.
    pub batches: u64,
    /// Imports, live and reverted.
    pub imports: u64,
    /// Lines of all imports.
    pub lines: u64,
    /// Blobs of the ledger: the lines of imports and their sums.
    #[serde(default)]
    pub ledger_blobs: u64,
    /// Statements recomputed.
    pub statements: u64,
    /// Checkpoints compared with what the ledger gives.
    pub checkpoints: u64,
    /// Blobs of checkpoints: they are made again from the ledger when they are lost.
    #[serde(default)]
    pub derived_blobs: u64,
    /// Blobs that nothing names, which the next start of the server removes.
    #[serde(default)]
    pub unused_blobs: u64,
    /// The size of these as stored, in bytes.
    #[serde(default)]
    pub unused_bytes: u64,
}

impl VerifiedAnswer {
    /// Every count with its name, except the bytes.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 9] {
        [
            ("accounts", self.accounts),
            ("batches", self.batches),
            ("imports", self.imports),
            ("lines", self.lines),
            ("blobs of the ledger", self.ledger_blobs),
            ("statements", self.statements),
            ("checkpoints", self.checkpoints),
            ("derived blobs", self.derived_blobs),
            ("unused blobs", self.unused_blobs),
        ]
    }
}
