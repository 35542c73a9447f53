//! Submissions waiting for the writer's turn.
//!
//! Invariant: bounded. When too many events are waiting, the next submission is refused and told to
//! retry, before memory grows.

use super::check::Checked;
use super::{Receipt, SubmitError};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The most events that may wait for a commit.
const MOST_WAITING: usize = 200_000;

/// The most events in one commit, unless a single submission is larger.
const MOST_A_COMMIT: usize = 50_000;

/// A submission and the channel for its answer.
#[derive(Debug)]
pub(super) struct Job {
    pub checked: Checked,
    pub answer: oneshot::Sender<Result<Receipt, SubmitError>>,
}

/// Submissions in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    forget: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Events of the jobs, and of submissions that have reserved room.
    events: usize,
}

/// Room for a submission; released if dropped unused.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    queue: &'a Queue,
    events: usize,
}

impl Reserved<'_> {
    /// Adds the submission, which has as many events as reserved.
    pub(super) fn push(
        mut self,
        checked: Checked,
    ) -> oneshot::Receiver<Result<Receipt, SubmitError>> {
        let (answer, receiver) = oneshot::channel();
        // From here on the job accounts for the events.
        self.events -= checked.events.len();
        self.queue.waiting().jobs.push_back(Job { checked, answer });
        receiver
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.queue.waiting().events -= self.events;
    }
}

impl Queue {
    /// Reserves room for a submission of this many events; refused when too many are already
    /// waiting.
    pub(super) fn reserve(&self, events: usize) -> Result<Reserved<'_>, SubmitError> {
        let mut waiting = self.waiting();
        if waiting.events > 0 && waiting.events + events > MOST_WAITING {
            return Err(SubmitError::Busy);
        }
        waiting.events += events;
        drop(waiting);
        Ok(Reserved {
            queue: self,
            events,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the submissions for the next commit.
    pub(super) fn take(&self) -> Vec<Job> {
        let mut waiting = self.waiting();
        let mut jobs = Vec::new();
        let mut events = 0;
        while let Some(job) = waiting
            .jobs
            .pop_front_if(|job| events == 0 || events + job.checked.events.len() <= MOST_A_COMMIT)
        {
            events += job.checked.events.len();
            jobs.push(job);
        }
        waiting.events -= events;
        jobs
    }

    /// Marks the cached keys as unreliable.
    pub(super) fn forget(&self) {
        self.forget.store(true, Ordering::Release);
    }

    /// Whether [`Self::forget`] was called since the last call of this.
    pub(super) fn was_forgotten(&self) -> bool {
        self.forget.swap(false, Ordering::AcqRel)
    }
}
