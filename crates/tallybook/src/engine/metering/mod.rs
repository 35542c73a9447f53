//! Intake of usage events: find the payer and what is new, with one commit for all waiting callers.
//!
//! Invariant: an event counts exactly once. What was acknowledged is on disk; an event in the log
//! is never accepted again, however late it is redelivered, and a different event with a known name
//! is refused. Submissions that arrive during a commit share the next one.
//! Look next: [`check`] for checks of single events, [`look_up`] for lookups before the turn,
//! [`plan`] for what is new, [`keys`] for how every event is remembered, [`seal`] for how an
//! account persists between restarts.

mod accounts;
mod block;
mod check;
mod filter;
mod hot;
mod keys;
mod look_up;
mod mend;
mod plan;
mod queue;
mod run;
mod seal;
mod stored;
mod stored_rows;
pub mod submission;
mod verify;

use super::EngineError;
use keys::{AllKeys, Published};
use look_up::Batches;
use queue::Queue;
pub(super) use seal::RECENT_KEYS;
pub(super) use stored::{Stored, Whole};
pub use submission::{
    Allowed, Incoming, OnError, Payer, Receipt, Rejection, RejectionCode, Submission, SubmitError,
};
pub(super) use verify::KeySums;

use super::Engine;
use std::sync::Arc;
use tallybook_core::time::Instant;

/// The engine's state for event intake.
#[derive(Debug)]
pub(super) struct Metering {
    queue: Queue,
    published: Arc<Published>,
    batches: Batches,
    /// Locked only while holding the writer's turn.
    keys: tokio::sync::Mutex<AllKeys>,
    pub(super) hot: hot::Hot,
}

impl Default for Metering {
    fn default() -> Self {
        let published = Arc::<Published>::default();
        Self {
            queue: Queue::default(),
            keys: tokio::sync::Mutex::new(AllKeys::new(Arc::clone(&published))),
            published,
            batches: Batches::default(),
            hot: hot::Hot::default(),
        }
    }
}

impl Metering {
    /// Drops the cached keys: the log is not what it was assumed to be.
    pub(super) fn forget(&self) {
        self.queue.forget();
        self.batches.clear();
    }
}

impl Engine {
    /// Accepts events. Returns after the commit; a submission whose caller stops waiting is still
    /// completed.
    pub async fn submit(
        self: &Arc<Self>,
        now: Instant,
        submission: Submission,
    ) -> Result<Receipt, SubmitError> {
        let engine = Arc::clone(self);
        // Hashing thousands of events takes milliseconds: keep it off the threads that answer
        // requests.
        let checked =
            tokio::task::spawn_blocking(move || check::check(&engine.site(), now, submission))
                .await
                .map_err(EngineError::from)?;
        if checked.is_refused() {
            return Err(SubmitError::Rejected(checked.into_receipt()));
        }
        if checked.events.is_empty() {
            return Ok(checked.into_receipt());
        }
        let reserved = self.metering.queue.reserve(checked.events.len())?;
        let checked = self.look_ahead(checked).await;
        let answer = reserved.push(checked);
        let engine = Arc::clone(self);
        tokio::spawn(async move { engine.commit_waiting(now).await });
        answer.await.map_err(|_| {
            EngineError::System("the commit of events ended without an answer".to_owned())
        })?
    }
}
