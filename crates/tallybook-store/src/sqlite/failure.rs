//! Failures inside the SQLite store, before the file and task are attached.
//!
//! Invariant: a sign of damage (from SQLite, or from a row that cannot have been written) always
//! becomes [`StoreError::Damaged`] naming the file; it is never treated as a transient fault.

use crate::StoreError;
use rusqlite::ErrorCode;
use std::path::Path;
use tallybook_core::ids::{LogId, Seq};

/// The outcome of one statement or one request, without its context.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite returned an error.
    Sqlite(rusqlite::Error),
    /// The log has moved on.
    Conflict { log: LogId, newest: Seq },
    /// The file's structure is not sound.
    Corrupt { detail: String },
    /// A stored row is not what was written; `what` names the row.
    Damaged { what: String, detail: String },
    /// The request itself is wrong: the store is fine.
    Refused { doing: String, detail: String },
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    pub(super) fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            detail: detail.into(),
        }
    }

    pub(super) fn refused(doing: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Refused {
            doing: doing.into(),
            detail: detail.into(),
        }
    }

    /// Whether the file's structure is damaged, rather than only a value in it.
    pub(super) fn is_structural(&self) -> bool {
        match self {
            Self::Sqlite(error) => is_damage(error),
            Self::Corrupt { .. } => true,
            _ => false,
        }
    }

    /// Adds the file and the task. A conflict has no variant in [`StoreError`]: only appends can
    /// conflict.
    pub(super) fn at(self, path: &Path, doing: &str) -> StoreError {
        match self {
            Self::Sqlite(error) => sqlite_error(&error, path, doing),
            Self::Conflict { log, newest } => StoreError::Io {
                doing: doing.to_owned(),
                detail: format!("log {} has moved on to batch {}", log.0, newest.0),
            },
            Self::Corrupt { detail } => StoreError::Damaged {
                what: path.display().to_string(),
                detail,
            },
            Self::Damaged { what, detail } => StoreError::Damaged {
                what: format!("{what} in {}", path.display()),
                detail,
            },
            Self::Refused { doing, detail } => StoreError::Io { doing, detail },
        }
    }
}

/// Chooses the variant by what the caller does next.
pub(super) fn sqlite_error(error: &rusqlite::Error, path: &Path, doing: &str) -> StoreError {
    let detail = error.to_string();
    if is_damage(error) {
        return StoreError::Damaged {
            what: path.display().to_string(),
            detail: format!("{doing}: {detail}"),
        };
    }
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return StoreError::Full {
            path: path.to_owned(),
            detail,
        };
    }
    StoreError::Io {
        doing: format!("{doing} ({})", path.display()),
        detail,
    }
}

pub(super) fn io_error(error: &std::io::Error, doing: impl Into<String>) -> StoreError {
    StoreError::Io {
        doing: doing.into(),
        detail: error.to_string(),
    }
}

/// The tables are STRICT, so a value of the wrong type or range is damage as well.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
    }
}
