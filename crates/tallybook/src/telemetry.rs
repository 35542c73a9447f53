//! Logs: one JSON object per line on stderr, or text when stderr is a terminal.
//!
//! Invariant: a log line never contains a token, the query of a link, or an authorization header;
//! log ids instead. `TALLYBOOK_LOG` selects what is logged (`info`, `tallybook=debug,warn`, ...).

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The text of `TALLYBOOK_LOG` is not a valid filter.
#[derive(Debug, thiserror::Error)]
#[error("TALLYBOOK_LOG: '{filter}' is not a log filter: {reason}")]
pub struct FilterError {
    filter: String,
    reason: String,
}

/// Starts logging; call it once per process.
pub fn start(filter: &str) -> Result<(), FilterError> {
    let fail = |reason: String| FilterError {
        filter: filter.to_owned(),
        reason,
    };
    let directives = EnvFilter::try_new(filter).map_err(|error| fail(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(directives)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|error| fail(error.to_string()))
}
