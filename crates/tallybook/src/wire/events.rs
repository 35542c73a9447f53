//! The bodies that `/metering/v1/events` answers with.
//!
//! Invariant: the same keys whatever the outcome, so that one parser handles every status; a
//! complete refusal adds the keys of GitHub's errors.

use super::imports::AccountAnswer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What came of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsAnswer {
    /// Why nothing was taken; absent when something could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Events that count now.
    pub accepted: u64,
    /// Events that counted before.
    pub duplicates: u64,
    /// Of the accepted ones, corrections of events that have not come yet.
    pub pending: u64,
    /// Events that do not count, in the order in which they were sent.
    pub rejected: Vec<RejectedEvent>,
    /// The newest batch of each account that was written to.
    pub commits: Vec<CommitAnswer>,
    /// As GitHub's errors have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation_url: Option<String>,
    /// As GitHub's errors have it: the status, as a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// An event that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedEvent {
    /// Its place in the array, or its line in NDJSON, from 0.
    pub index: u64,
    /// `invalid`, `in_future`, `unknown_payer`, `unknown_sku`, `no_price`, `overflow`, `conflict`
    /// or `not_usage`.
    pub code: String,
    /// The member and what is wrong with it, for people.
    pub reason: String,
}

/// A batch of an account's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitAnswer {
    /// The account.
    pub account: AccountAnswer,
    /// The batch's number.
    pub seq: u64,
}

/// A line of the answer to a long stream: one chunk, which is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChunkAnswer {
    /// The chunk's number, from 0.
    pub chunk: u64,
    /// The first line of the chunk, from 0.
    pub first_line: u64,
    /// What came of its events; `index` counts the lines of the whole stream.
    #[serde(flatten)]
    pub answer: EventsAnswer,
}

/// The last line of the answer to a long stream that was taken to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotalAnswer {
    /// The sums of all chunks.
    pub total: EventTotals,
}

/// Sums over chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventTotals {
    /// Chunks.
    pub chunks: u64,
    /// Events that count now.
    pub accepted: u64,
    /// Events that counted before.
    pub duplicates: u64,
    /// Of the accepted ones, corrections of events that have not come yet.
    pub pending: u64,
    /// Events that do not count.
    pub rejected: u64,
}

impl EventTotals {
    /// Adds a chunk.
    pub fn add(&mut self, answer: &EventsAnswer) {
        self.chunks += 1;
        self.accepted += answer.accepted;
        self.duplicates += answer.duplicates;
        self.pending += answer.pending;
        self.rejected += answer.rejected.len() as u64;
    }
}
