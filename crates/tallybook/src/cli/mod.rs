//! The command line: one file a command, each a thin face over the engine or a server's API.
//!
//! Invariant: what a command prints for programs goes to stdout, what it tells people to stderr; an
//! error is one line that begins with `error: `; the exit code is 1 for what failed and 2 for wrong
//! usage. Look next: [`arguments`] for every flag.

mod arguments;
mod place;

use std::process::ExitCode;

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
