//! `/metering/v1/{enterprises|organizations|users}/{name}/imports`.
//!
//! Invariant: an organization that another account pays for sees and reverts only the imports that
//! were limited to it; those in past payers' accounts are reverted with tokens for these accounts.

pub mod create;
pub mod get;
pub mod list;
pub mod revert;
pub mod slots;

use crate::config::Limits;
use crate::engine::View;
use crate::engine::imports::ImportError;
use crate::engine::snapshot::{Snapshot, SnapshotPart};
use crate::http::endpoint::kind_of;
use crate::http::error::{ApiError, FieldError};
use axum::http::StatusCode;
use std::cmp::Reverse;
use std::sync::Arc;
use tallybook_core::account::AccountKind;
use tallybook_core::ids::ImportId;
use tallybook_core::ledger::Import;

/// The kind of account in a path's first part.
pub(super) fn kind(plural: &str) -> Result<AccountKind, ApiError> {
    kind_of(plural).ok_or_else(ApiError::not_found)
}

/// An import, and the account in which it counts.
type Found<'a> = (&'a Arc<View>, &'a Arc<Import>);

/// The imports that belong to a path, newest first.
fn imports(snapshot: &Snapshot) -> Vec<Found<'_>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    for SnapshotPart { view, only } in snapshot.parts() {
        let all = view.account.imports.iter().rev();
        let shown = all.filter(|it| only.is_none() || it.record.organization == *only);
        found.extend(shown.map(|import| (view, import)));
    }
    // The imports of one account are already in this order.
    if snapshot.parts().len() > 1 {
        found.sort_by_key(|(_, import)| Reverse(import.at));
    }
    found
}

/// The import with this id, if it belongs to the path.
fn import<'a>(snapshot: &'a Snapshot, id: &str) -> Result<Found<'a>, ApiError> {
    let id = ImportId::parse(id).ok_or_else(ApiError::not_found)?;
    let found = imports(snapshot)
        .into_iter()
        .find(|(_, import)| import.record.id == id);
    found.ok_or_else(ApiError::not_found)
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::NoAccount(_) | ImportError::NoImport(_) => Self::not_found(),
            ImportError::BadName { .. } => {
                let field = FieldError {
                    resource: "Account",
                    field: "name".to_owned(),
                    code: "invalid",
                    message: None,
                };
                Self::validation(error.to_string(), vec![field])
            }
            ImportError::NotOwn(not_own) => {
                let fields = not_own.organizations.iter().map(|organization| FieldError {
                    resource: "UsageReport",
                    field: "organization".to_owned(),
                    code: "invalid",
                    message: Some(organization.to_string()),
                });
                Self::validation(not_own.to_string(), fields.collect())
            }
            // Only a site administrator learns who pays.
            ImportError::OtherPayer { .. }
            | ImportError::AlsoMetered(_)
            | ImportError::FilesOverlap(_) => Self::conflict(error.to_string()),
            ImportError::SameFile { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            ImportError::TooManyNames { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("{error} ({}).", Limits::ACCOUNT_NAMES),
            ),
            ImportError::Engine(error) => error.into(),
        }
    }
}
