//! What came of events, as programs and people are told.
//!
//! Invariant: an atomic refusal says that nothing was taken, whatever would have been.

use crate::engine::metering::{Receipt, Rejection, RejectionCode};
use crate::wire::events::{CommitAnswer, EventsAnswer, RejectedEvent};
use crate::wire::imports::AccountAnswer;

/// The answer to events of which the good ones were taken. `bad` are those that could not be read.
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

/// The answer to events of which none was taken because some are bad.
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

/// Whether a rejection is that something else is known under an event's name.
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
