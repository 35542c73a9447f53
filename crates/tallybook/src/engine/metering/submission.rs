//! What is submitted, and what comes of it.

use tallybook_core::account::AccountName;
use tallybook_core::event::Event;
use tallybook_core::ids::Seq;
use tallybook_core::name::Name;

/// An event with the one thing that it does not itself say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The event.
    pub event: Event,
    /// The enterprise that pays, where the sender says so. Corrections find their payer in the same
    /// way as usage does: by what their data names.
    pub payer: Payer,
}

/// By what the payer is found: the first that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Payer {
    /// An enterprise.
    pub enterprise: Option<Name>,
    /// An organization, billed to whoever paid for it at the event's time.
    pub organization: Option<Name>,
    /// A user, who pays alone.
    pub user: Option<Name>,
}

/// Events that are taken in together.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// The events, each with its place in what was sent.
    pub events: Vec<(u64, Incoming)>,
    /// What happens to the good ones beside a bad one.
    pub on_error: OnError,
    /// What the sender may write.
    pub allowed: Allowed,
}

/// What happens to good events beside bad ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// One bad event and nothing changes.
    #[default]
    Reject,
    /// The good ones are taken.
    Skip,
}

/// What a sender may write; whatever else is answered like an account that does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The accounts; `None` is every one.
    pub accounts: Option<Vec<AccountName>>,
    /// The sources; `None` is every one.
    pub sources: Option<Vec<String>>,
}

impl Payer {
    /// Without what has no say: a user pays only where nothing else is named.
    pub(super) fn what_counts(self) -> Self {
        let user = match (&self.enterprise, &self.organization) {
            (None, None) => self.user,
            _ => None,
        };
        Self { user, ..self }
    }
}

impl Allowed {
    /// Whether an event may be written to an account: from its source, and about the source of the
    /// event that a correction names. Asked without the log, so that the answer does not tell
    /// whether that event exists.
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

/// What came of a submission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that count now.
    pub accepted: u64,
    /// Events that counted before.
    pub duplicates: u64,
    /// Of the accepted ones, corrections whose event has not come.
    pub pending: u64,
    /// Events that do not count, in the order in which they were sent.
    pub rejected: Vec<Rejection>,
    /// The newest batch of each account that was written to, in the order of the accounts.
    pub commits: Vec<(AccountName, Seq)>,
}

/// An event that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in what was sent, from 0.
    pub index: u64,
    /// Why, for programs.
    pub code: RejectionCode,
    /// Why, for people.
    pub reason: String,
}

/// Why an event does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionCode {
    /// It is not an event, or a value in it is not what it must be.
    Invalid,
    /// Its time is too far ahead.
    InFuture,
    /// Nobody whom the sender may bill is named.
    UnknownPayer,
    /// The catalogue has no such SKU.
    UnknownSku,
    /// The SKU has no price at that time.
    NoPrice,
    /// Its amount is beyond what can be counted.
    Overflow,
    /// An event of this name is known, and says something else.
    Conflict,
    /// It corrects a correction.
    NotUsage,
}

impl RejectionCode {
    /// As the wire has it.
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

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Some events are bad, and the submission is all or nothing.
    #[error("{} of the events were rejected", .0.rejected.len())]
    Rejected(Receipt),
    /// More is waiting to be committed than memory is kept for.
    #[error("too much is waiting to be committed")]
    Busy,
    /// The engine failed; nothing of it is acknowledged.
    #[error(transparent)]
    Engine(#[from] super::EngineError),
}
