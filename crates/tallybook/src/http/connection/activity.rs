//! What the two ends of a connection know of each other: bytes below HTTP, requests above.
//!
//! Invariant: a connection is at rest only when the HTTP library has nothing of it but its buffers,
//! and bytes of a next head, which it gives back. Look next: [`super::stream`] and
//! [`super::requests`], which say what they see; [`super::serving`], which acts on it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// No number of answers: what it would be the number of has not happened.
const NEVER: u64 = u64::MAX;

/// What stream and service of one connection have seen.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests whose answers are not made to their end.
    under_way: AtomicUsize,
    /// Requests that were answered.
    answered: AtomicU64,
    /// Whether the client speaks HTTP/2, in which more than headers comes between requests.
    multiplexed: AtomicBool,
    /// Whether the latest request has a body whose end was not seen.
    body_open: AtomicBool,
    /// After how many answers bytes came last.
    received: AtomicU64,
    /// After how many answers all was written, when nothing was since.
    flushed: AtomicU64,
    /// Whether the connection is being closed.
    closing: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            under_way: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            body_open: AtomicBool::new(false),
            received: AtomicU64::new(NEVER),
            flushed: AtomicU64::new(NEVER),
            closing: AtomicBool::new(false),
        }
    }
}

impl Activity {
    /// A request has come.
    pub(super) fn begin(&self, has_body: bool) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.body_open.store(has_body, Ordering::Release);
    }

    /// A request's answer is made, or given up.
    pub(super) fn end(&self) {
        self.answered.fetch_add(1, Ordering::AcqRel);
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// The body of the latest request was taken to its end.
    pub(super) fn body_ended(&self) {
        self.body_open.store(false, Ordering::Release);
    }

    /// The client speaks HTTP/2.
    pub(super) fn multiplexes(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    /// Bytes came.
    pub(super) fn receives(&self) {
        self.received.store(self.answered(), Ordering::Release);
    }

    /// Something is to be written.
    pub(super) fn writes(&self) {
        self.flushed.store(NEVER, Ordering::Release);
    }

    /// All is written: hyper passes a flush on only when its own buffer is empty.
    pub(super) fn flushes(&self) {
        self.flushed.store(self.answered(), Ordering::Release);
    }

    /// The library has ended the connection.
    pub(super) fn closes(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// Whether the latest bytes came after the latest answer: they begin a head.
    pub(super) fn is_receiving_head(&self) -> bool {
        self.received.load(Ordering::Acquire) == self.answered()
    }

    /// Whether a connection of HTTP/1 waits for its next request and for nothing else.
    ///
    /// Asked between two polls of the library. Each condition is one way in which it might hold
    /// more than buffers: a request, the beginning of a head, the rest of a body (which would be
    /// taken for a head), an answer that is not written, or the decision to close.
    pub(super) fn is_at_rest(&self) -> bool {
        let answered = self.answered();
        answered > 0
            && !self.is_under_way()
            && !self.is_receiving_head()
            && !self.body_open.load(Ordering::Acquire)
            && self.flushed.load(Ordering::Acquire) == answered
            && !self.closing.load(Ordering::Acquire)
    }
}
