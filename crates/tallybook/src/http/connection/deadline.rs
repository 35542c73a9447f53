//! What a connection's client has to do next, and by when.
//!
//! Invariant: checked after each poll of a connection, when everything read, answered or written in
//! it has already moved the deadline.

use crate::clock::runtime_now;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// For the head of a request, from its first byte.
    pub(super) head: Duration,
    /// Between an answer and the next request.
    pub(super) idle: Duration,
    /// For the next part of an answer.
    pub(super) write: Duration,
}

/// The phase of a connection.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Idle since this time.
    Idle(Instant),
    /// The head of a request began at this time.
    Head(Instant),
    /// A request is being answered: the client need not do anything.
    Answering,
}

/// The activity seen by a connection's stream and service.
#[derive(Debug)]
pub(super) struct Activity {
    deadlines: Deadlines,
    phase: Mutex<Phase>,
}

impl Activity {
    /// The activity of a new connection.
    pub(super) fn new(deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            phase: Mutex::new(Phase::Idle(runtime_now())),
        }
    }

    /// Notes received bytes. While a request is being answered they belong to its body, or the next
    /// request's head.
    pub(super) fn received(&self) {
        self.change(|phase| match phase {
            Phase::Idle(_) => Phase::Head(runtime_now()),
            other => other,
        });
    }

    /// Notes bytes sent to the client, which restart the idle time if no request is pending.
    pub(super) fn sent(&self) {
        self.change(|phase| match phase {
            Phase::Idle(_) => Phase::Idle(runtime_now()),
            other => other,
        });
    }

    /// Notes a request; it is being answered until the returned guard is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.change(|_| Phase::Answering);
        Answering(Arc::clone(self))
    }

    /// Completes when the client has let its time run out.
    pub(super) fn expired(&self) -> Expired<'_> {
        Expired {
            activity: self,
            alarm: Box::pin(tokio::time::sleep(self.deadlines.idle)),
        }
    }

    /// When the client must have done something; `None` while it is not its turn.
    fn deadline(&self) -> Option<Instant> {
        match *self.phase.lock().unwrap_or_else(PoisonError::into_inner) {
            Phase::Idle(since) => Some(since + self.deadlines.idle),
            Phase::Head(since) => Some(since + self.deadlines.head),
            Phase::Answering => None,
        }
    }

    fn change(&self, change: impl FnOnce(Phase) -> Phase) {
        // A phase is a plain value: it is consistent even if a panic poisoned the lock.
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = change(*phase);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.change(|_| Phase::Idle(runtime_now()));
    }
}

/// See [`Activity::expired`]. It must be polled after each poll of the connection.
#[derive(Debug)]
pub(super) struct Expired<'a> {
    activity: &'a Activity,
    alarm: Pin<Box<Sleep>>,
}

impl Future for Expired<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.activity.deadline() else {
            return Poll::Pending;
        };
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        self.alarm.as_mut().poll(context)
    }
}
