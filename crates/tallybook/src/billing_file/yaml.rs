//! Parses YAML into values, at a cost bounded by the text's length.
//!
//! Invariant: a text is refused as soon as it exceeds the limits on size, nesting or repetition by
//! aliases; nothing after that position is parsed.

use super::{BillingFileError, unlocated};
use serde::de::DeserializeOwned;
use serde_saphyr::UserMessageFormatter;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Budget, DuplicateKeyPolicy, Error, MessageFormatter, Options};

/// The largest text, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// How deep sequences and mappings may nest; a billing file needs five levels.
const MAX_DEPTH: usize = 32;

/// The most nodes that aliases may repeat: enough for lists of logins shared by several
/// organizations.
const MAX_REPEATED: usize = 100_000;

/// Reads a text as one document.
pub(super) fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, BillingFileError> {
    if text.len() > MAX_BYTES {
        return Err(unlocated(format!(
            "the file has {} bytes; a billing file has at most {MAX_BYTES}",
            text.len()
        )));
    }
    let mut path = None;
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |input| {
        serde_path_to_error::deserialize(input).map_err(|error| {
            path = Some(error.path().to_string());
            error.into_inner()
        })
    });
    read.map_err(|error| located(&error, path.as_deref()))
}

fn options() -> Options {
    let mut options = Options::default();
    options.with_snippet = false;
    // The target types refuse the second of two equal keys, and name both.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.alias_limits.max_total_replayed_events = MAX_REPEATED;
    let mut budget = Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.flow_nesting_limit = MAX_DEPTH;
    // The length of the text bounds the rest.
    budget.max_nodes = MAX_BYTES;
    budget.max_events = MAX_BYTES;
    options.budget = Some(budget);
    options
}

fn located(error: &Error, path: Option<&str>) -> BillingFileError {
    let place = error.location().and_then(|at| {
        let (line, column) = (at.line().try_into().ok()?, at.column().try_into().ok()?);
        Some((line, column))
    });
    let reason = reason(error);
    BillingFileError {
        place,
        reason: match path {
            Some(path) if !matches!(path, "." | "?") => format!("{path}: {reason}"),
            _ => reason,
        },
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => reason(error),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => too_deep(),
        // The underlying parser counts brackets, and has no other error for it.
        Error::ExternalMessage { msg, .. } if msg.contains("recursion limit") => too_deep(),
        Error::AliasReplayLimitExceeded { .. } => {
            format!("aliases repeat more than {MAX_REPEATED} values")
        }
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}

fn too_deep() -> String {
    format!("it is nested more than {MAX_DEPTH} levels deep")
}
