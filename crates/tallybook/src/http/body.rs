//! Bodies of any length in bounded memory.
//!
//! Invariant: an answer of at most about [`WHOLE_BYTES`] is sent whole, with its length. Of a
//! longer one no more than that is buffered at its beginning, and then one chunk of about
//! [`CHUNK_BYTES`], however many items it has. A failure before anything was sent is an error with
//! a status; a later one breaks the connection, so that no client takes half an answer for a whole
//! one. Only a limited number of long answers hold memory at the same time, and only while their
//! clients keep reading.

use crate::config::Limits;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The size at which a chunk is sent.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Up to this many bytes an answer is completed before any of it is sent. A client on the same
/// machine wakes up for each piece, and takes the core that the next piece is being made on.
pub const WHOLE_BYTES: usize = 1024 * 1024;

/// The typical overrun of a chunk's last item.
pub const SLACK_BYTES: usize = 1024;

/// A body that writes itself a chunk at a time.
pub trait Chunks: Send + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Appends to `out` until it is at least `enough` bytes long, but hardly longer, or everything
    /// is written.
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
    ) -> impl Future<Output = Result<End, Self::Error>> + Send;
}

/// Whether everything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything is written.
    Last,
    /// There is more to write.
    More,
}

/// The capacity for long answers: how many are written at the same time, and how slow their clients
/// may be.
///
/// A long answer holds the rows of a period or two and a few chunks until its client has taken it;
/// a short one holds nothing once it is made, so it never waits for a slot. Only a few of either
/// kind are started at the same time, so that a flood of long ones leaves cores to other requests.
#[derive(Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    begins: Semaphore,
    /// How long an answer waits for a slot.
    queue: Duration,
    /// How long a client may take for a chunk.
    write: Duration,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum NoBody<E: std::error::Error> {
    /// No slot became free in time.
    #[error("too many long answers at the same time")]
    NoRoom,
    /// The first chunk could not be made.
    #[error(transparent)]
    Failed(#[from] E),
}

impl Room {
    /// Capacity for this many long answers.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.long_answers as usize)),
            begins: Semaphore::new(2 * std::thread::available_parallelism().map_or(1, usize::from)),
            queue: limits.queue,
            write: limits.write,
        }
    }

    /// The body written by chunks, made as fast as the client reads it. An answer that waits for a
    /// slot holds nothing meanwhile: it is restarted when its turn comes.
    pub async fn body<C: Chunks>(&self, begin: impl Fn() -> C) -> Result<Body, NoBody<C::Error>> {
        let begun = {
            let begins = timeout(self.queue, self.begins.acquire()).await;
            let Ok(Ok(_begins)) = begins else {
                return Err(NoBody::NoRoom);
            };
            let mut begun = Begun::new(begin());
            if begun.write(CHUNK_BYTES).await? == End::Last {
                return Ok(Body::from(begun.text));
            }
            begun
        };
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return self.placed(begun, place).await;
        }
        drop(begun);
        let place = timeout(self.queue, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(NoBody::NoRoom);
        };
        self.placed(Begun::new(begin()), place).await
    }

    /// The body of an answer that has a slot, which it keeps until it is sent.
    async fn placed<C: Chunks>(
        &self,
        mut begun: Begun<C>,
        place: OwnedSemaphorePermit,
    ) -> Result<Body, NoBody<C::Error>> {
        let end = begun.write(WHOLE_BYTES).await?;
        let Begun { text, chunks } = begun;
        Ok(match end {
            End::Last => Body::from(Bytes::from_owner(Placed {
                text,
                _place: place,
            })),
            End::More => self.long(Bytes::from(text), chunks, place),
        })
    }

    /// A body is not polled while its client reads nothing, so it cannot notice a timeout: a
    /// separate task does.
    fn long<C: Chunks>(&self, first: Bytes, chunks: C, place: OwnedSemaphorePermit) -> Body {
        let long = LongAnswer {
            pending: Some(first),
            chunks,
            _place: place,
        };
        let slot = Arc::new(Mutex::new(Slot {
            answer: Some(long),
            taken: 0,
        }));
        let watching = tokio::spawn(give_up_when_stuck(Arc::clone(&slot), self.write));
        let state = Some((slot, Watch(watching)));
        let pieces = futures_util::stream::unfold(state, |state| async {
            let (slot, watch) = state?;
            let answer = lock(&slot).answer.take();
            let Some(mut answer) = answer else {
                return Some((Err(BrokeOff), None));
            };
            Some(match answer.next().await {
                Ok((chunk, End::More)) => {
                    let mut held = lock(&slot);
                    held.answer = Some(answer);
                    held.taken += 1;
                    drop(held);
                    (Ok(chunk), Some((slot, watch)))
                }
                Ok((chunk, End::Last)) => (Ok(chunk), None),
                Err(error) => {
                    tracing::error!(%error, "a response was aborted");
                    (Err(BrokeOff), None)
                }
            })
        });
        // Compression polls once more after the end.
        Body::from_stream(pieces.fuse())
    }
}

/// The part of an answer written so far, and its writer.
struct Begun<C> {
    text: Vec<u8>,
    chunks: C,
}

impl<C: Chunks> Begun<C> {
    const fn new(chunks: C) -> Self {
        Self {
            text: Vec::new(),
            chunks,
        }
    }

    /// Does nothing when there is already enough.
    async fn write(&mut self, enough: usize) -> Result<End, C::Error> {
        if self.text.len() >= enough {
            return Ok(End::More);
        }
        self.chunks.write(&mut self.text, enough).await
    }
}

/// A finished answer, and its slot until the connection has released it.
struct Placed {
    text: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// The answer's writer stopped before its end; the log says why.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
struct BrokeOff;

/// What a long answer holds between two chunks.
struct LongAnswer<C> {
    pending: Option<Bytes>,
    chunks: C,
    _place: OwnedSemaphorePermit,
}

impl<C: Chunks> LongAnswer<C> {
    async fn next(&mut self) -> Result<(Bytes, End), C::Error> {
        match self.pending.take() {
            Some(first) => Ok((first, End::More)),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES + SLACK_BYTES);
                let end = self.chunks.write(&mut chunk, CHUNK_BYTES).await?;
                Ok((Bytes::from(chunk), end))
            }
        }
    }
}

/// Holds a long answer while its client reads a chunk; empty while the next one is made.
struct Slot<C> {
    answer: Option<LongAnswer<C>>,
    /// Chunks sent so far.
    taken: u64,
}

fn lock<C>(slot: &Mutex<Slot<C>>) -> MutexGuard<'_, Slot<C>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops an answer of which no chunk was read for too long, unless one is being made.
async fn give_up_when_stuck<C>(slot: Arc<Mutex<Slot<C>>>, patience: Duration) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(patience).await;
        let mut held = lock(&slot);
        if held.taken != seen || held.answer.is_none() {
            seen = held.taken;
            continue;
        }
        let answer = held.answer.take();
        drop(held);
        drop(answer);
        let seconds = patience.as_secs();
        tracing::info!(
            seconds,
            "closing the connection of a client that reads its response too slowly"
        );
        return;
    }
}

/// The task that watches an answer, which ends with its body.
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
