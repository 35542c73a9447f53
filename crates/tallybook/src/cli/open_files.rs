//! How many files the process may open, and how many of them connections may take.
//!
//! Invariant: half of them are reserved for the database, reports, uploads and downloads, so that
//! open connections can't block a commit.

use crate::config::Limits;
use crate::http::connection::REFUSED_AT_ONCE;

/// Raises the soft limit of open files to the hard one; returns the maximum number of connections.
pub(super) fn connections(limits: &Limits) -> usize {
    let files = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(%error, "could not raise the limit of open files");
            DEFAULT_OPEN_FILES
        }
    };
    let asked = usize::try_from(limits.connections).unwrap_or(usize::MAX);
    let most = within(asked, files);
    // Somewhat fewer than the default are still plenty, and no reason for a warning.
    if most < asked / 2 {
        tracing::warn!(
            connections = most,
            open_files = files,
            "fewer connections than {} allows, because the process may open so few files: raise \
             its limit (ulimit -n, LimitNOFILE=)",
            Limits::CONNECTIONS
        );
    }
    most
}

/// The assumed limit where the system does not report one.
const DEFAULT_OPEN_FILES: u64 = 1024;

/// The number of connections, including those answered with 503, that fit in half of the files.
fn within(asked: usize, files: u64) -> usize {
    let half = usize::try_from(files / 2).unwrap_or(usize::MAX);
    asked.min(half.saturating_sub(REFUSED_AT_ONCE)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_files_are_for_other_things() {
        assert_eq!(within(10_000, 1024), 512 - REFUSED_AT_ONCE);
        assert_eq!(within(100, 1024), 100);
        assert_eq!(within(10_000, u64::MAX), 10_000);
        assert_eq!(within(10_000, 40), 1);
    }
}
