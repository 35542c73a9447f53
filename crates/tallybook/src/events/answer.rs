//! The outcome of submitted events, for programs and people.
//!
//! Invariant: an atomic refusal reports that nothing was accepted, even if some events were valid.

use crate::engine::metering::{Receipt, Rejection, RejectionCode};
use crate::wire::events::{CommitAnswer, EventsAnswer, RejectedEvent};
use crate::wire::imports::AccountAnswer;

/// The answer when the valid events were accepted. `bad` are those that could not be read.
#[must_use]
pub fn taken(receipt: Receipt, bad: Vec<Rejection>) -> EventsAnswer {
    let mut rejected = receipt.rejected;
    rejected.extend(bad);
    rejected.sort_by_key(|rejection| rejection.index);
    let commits = receipt.commits.into_iter().map(|(account, seq)| {
        let account = AccountAnswer {
            kind: account.kind.as_str().to_owned(),
            name: account.name.to_string(),
        };
        CommitAnswer {
            account,
            seq: seq.0,
        }
    });
    EventsAnswer {
        accepted: receipt.accepted,
        duplicates: receipt.duplicates,
        pending: receipt.pending,
        rejected: rejected.into_iter().map(shown).collect(),
        commits: commits.collect(),
        ..EventsAnswer::default()
    }
}

/// The answer when no event was accepted because some are invalid.
#[must_use]
pub fn refused(rejected: Vec<Rejection>, sent: usize) -> EventsAnswer {
    let count = rejected.len();
    let message = format!("{count} of {sent} events were rejected, so none was taken.");
    EventsAnswer {
        message: Some(message),
        rejected: rejected.into_iter().map(shown).collect(),
        ..EventsAnswer::default()
    }
}

/// Whether an event was rejected because a different one with its name is known.
#[must_use]
pub fn has_conflict(rejected: &[Rejection]) -> bool {
    let mut codes = rejected.iter().map(|rejection| rejection.code);
    codes.any(|code| code == RejectionCode::Conflict)
}

fn shown(rejection: Rejection) -> RejectedEvent {
    RejectedEvent {
        index: rejection.index,
        code: rejection.code.as_str().to_owned(),
        reason: rejection.reason,
    }
}
