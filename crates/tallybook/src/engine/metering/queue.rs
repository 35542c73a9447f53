//! Submissions that wait for the writer's turn.
//!
//! Invariant: bounded. When more events wait than the limit, the next submission is told to come
//! back, before memory grows.

use super::check::Checked;
use super::{Receipt, SubmitError};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Events that may wait for a commit.
const MOST_WAITING: usize = 200_000;

/// Events of one commit, but for a single larger submission.
const MOST_A_COMMIT: usize = 50_000;

/// A submission and whoever waits for its answer.
#[derive(Debug)]
pub(super) struct Job {
    pub checked: Checked,
    pub answer: oneshot::Sender<Result<Receipt, SubmitError>>,
}

/// Submissions in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    forget: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Of the jobs, and of submissions that have room.
    events: usize,
}

/// Room for a submission; given back when it is dropped without one.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    queue: &'a Queue,
    events: usize,
}

impl Reserved<'_> {
    /// Adds the submission, of as many events as there is room for.
    pub(super) fn push(
        mut self,
        checked: Checked,
    ) -> oneshot::Receiver<Result<Receipt, SubmitError>> {
        let (answer, receiver) = oneshot::channel();
        // From now on the events are the job's.
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
    /// Makes room for a submission of so many events; refused when too much waits already.
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

    /// Takes what goes into the next commit.
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

    /// Says that what is remembered of the logs must not be believed.
    pub(super) fn forget(&self) {
        self.forget.store(true, Ordering::Release);
    }

    /// Whether that was said since the last time that this was asked.
    pub(super) fn was_forgotten(&self) -> bool {
        self.forget.swap(false, Ordering::AcqRel)
    }
}
