//! Submissions of events, and their outcome.

use tallybook_core::account::AccountName;
use tallybook_core::event::Event;
use tallybook_core::ids::Seq;
use tallybook_core::name::Name;

/// An event and its payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The event.
    pub event: Event,
    /// The fields that determine the payer. Corrections find their payer in the same way as usage:
    /// by the names in their data.
    pub payer: Payer,
}

/// The fields that determine the payer: the first one given counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Payer {
    /// An enterprise.
    pub enterprise: Option<Name>,
    /// An organization, billed to the account that paid for it at the event's time.
    pub organization: Option<Name>,
    /// A user with an account of their own.
    pub user: Option<Name>,
}

/// Events submitted together.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// The events, each with its index in the request.
    pub events: Vec<(u64, Incoming)>,
    /// What happens to the valid events when one is invalid.
    pub on_error: OnError,
    /// What the sender may write.
    pub allowed: Allowed,
}

/// What happens to valid events when others are invalid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// One invalid event, and nothing changes.
    #[default]
    Reject,
    /// The valid ones are accepted.
    Skip,
}

/// What a sender may write; anything else is treated as an account that does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The accounts; `None` is every one.
    pub accounts: Option<Vec<AccountName>>,
    /// The sources; `None` is every one.
    pub sources: Option<Vec<String>>,
}

impl Payer {
    /// Drops the fields that do not count: a user pays only if nothing else is named.
    pub(super) fn what_counts(self) -> Self {
        let user = match (&self.enterprise, &self.organization) {
            (None, None) => self.user,
            _ => None,
        };
        Self { user, ..self }
    }
}

impl Allowed {
    /// Whether an event may be written to an account, given its source, and for a correction the
    /// source of its target. Decided without the log, so that the answer does not reveal whether
    /// the target exists.
    pub(super) fn may_write(&self, account: &AccountName, event: &Event) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_none_or(|accounts| accounts.contains(account))
            && self.allows_source(&event.name.source)
            && (event.target()).is_none_or(|target| self.allows_source(&target.source))
    }

    fn allows_source(&self, source: &str) -> bool {
        let sources = self.sources.as_ref();
        sources.is_none_or(|sources| sources.iter().any(|allowed| allowed == source))
    }
}

/// The outcome of a submission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that count from now on.
    pub accepted: u64,
    /// Events that already counted.
    pub duplicates: u64,
    /// Accepted corrections whose event has not arrived.
    pub pending: u64,
    /// Events that do not count, in the order in which they were sent.
    pub rejected: Vec<Rejection>,
    /// The newest batch of each account written to, in the order of the accounts.
    pub commits: Vec<(AccountName, Seq)>,
}

/// An event that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its index in the request, from 0.
    pub index: u64,
    /// Why, for programs.
    pub code: RejectionCode,
    /// Why, in words.
    pub reason: String,
}

/// Why an event does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionCode {
    /// It is not an event, or one of its values is invalid.
    Invalid,
    /// Its time is too far ahead.
    InFuture,
    /// It names no account that the sender may bill.
    UnknownPayer,
    /// The catalogue has no such SKU.
    UnknownSku,
    /// The SKU has no price at that time.
    NoPrice,
    /// Its amount overflows.
    Overflow,
    /// An event with this name is known, with different content.
    Conflict,
    /// It corrects a correction.
    NotUsage,
}

impl RejectionCode {
    /// The code in API answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::InFuture => "in_future",
            Self::UnknownPayer => "unknown_payer",
            Self::UnknownSku => "unknown_sku",
            Self::NoPrice => "no_price",
            Self::Overflow => "overflow",
            Self::Conflict => "conflict",
            Self::NotUsage => "not_usage",
        }
    }
}

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Some events are invalid, and the submission is all or nothing.
    #[error("{} of the events were rejected", .0.rejected.len())]
    Rejected(Receipt),
    /// Too many events are waiting to be committed.
    #[error("too many events are waiting to be committed")]
    Busy,
    /// The engine failed; nothing of it is acknowledged.
    #[error(transparent)]
    Engine(#[from] super::EngineError),
}
