//! Bodies of any length in bounded memory.
//!
//! Invariant: at most one chunk of about [`CHUNK_BYTES`] is held for an answer, however many items
//! it has; an answer that fits one chunk is sent whole, with its length. What fails before the
//! first chunk is an error with a status; what fails later breaks the connection, so that no
//! client takes half an answer for a whole one. Only so many long answers hold anything at the same
//! time, and none of them for longer than its client keeps taking it.

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

/// When a chunk is handed on.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Something that writes itself a chunk at a time.
pub trait Chunks: Send + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next chunk, of about [`CHUNK_BYTES`], and whether it is the last.
    fn next(&mut self) -> impl Future<Output = Result<(Bytes, End), Self::Error>> + Send;
}

/// Whether a chunk is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is.
    Last,
    /// More is to come.
    More,
}

/// Room for long answers: how many are written at the same time, and how slowly.
///
/// A long answer holds the rows of a period or two and a few chunks until its client has taken it;
/// a short one holds nothing once it is made, and so never waits for a place. Only a few of either
/// are begun at the same time, so that a flood of long ones leaves the cores to other requests.
#[derive(Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    begins: Semaphore,
    /// How long an answer waits for a place.
    queue: Duration,
    /// How long a client may take for a chunk.
    write: Duration,
}

/// There is no body.
#[derive(Debug, thiserror::Error)]
pub enum NoBody<E: std::error::Error> {
    /// No place became free in time.
    #[error("too many long answers at the same time")]
    NoRoom,
    /// The first chunk could not be made.
    #[error(transparent)]
    Failed(#[from] E),
}

impl Room {
    /// Room for so many long answers.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.long_answers as usize)),
            begins: Semaphore::new(2 * std::thread::available_parallelism().map_or(1, usize::from)),
            queue: limits.queue,
            write: limits.write,
        }
    }

    /// The body that chunks write, made as fast as the client takes it. What waits for a place
    /// holds nothing meanwhile: it is begun again when its turn comes.
    pub async fn body<C: Chunks>(&self, begin: impl Fn() -> C) -> Result<Body, NoBody<C::Error>> {
        let (first, end, chunks) = {
            let begins = timeout(self.queue, self.begins.acquire()).await;
            let Ok(Ok(_begins)) = begins else {
                return Err(NoBody::NoRoom);
            };
            let mut chunks = begin();
            let (first, end) = chunks.next().await?;
            (first, end, chunks)
        };
        if end == End::Last {
            return Ok(Body::from(first));
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(self.long(first, chunks, place));
        }
        drop((first, chunks));
        let place = timeout(self.queue, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(NoBody::NoRoom);
        };
        let mut chunks = begin();
        match chunks.next().await? {
            (first, End::Last) => Ok(Body::from(first)),
            (first, End::More) => Ok(self.long(first, chunks, place)),
        }
    }

    /// A body is not asked for its next chunk while its client takes nothing, and would never know
    /// the time: a task beside it does.
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
                    tracing::error!(%error, "an answer broke off");
                    (Err(BrokeOff), None)
                }
            })
        });
        // Compression polls once more after the end.
        Body::from_stream(pieces.fuse())
    }
}

/// Whoever wrote the answer stopped before its end; the log says why.
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
            None => self.chunks.next().await,
        }
    }
}

/// Where a long answer lies while its client takes a chunk; empty while the next one is made.
struct Slot<C> {
    answer: Option<LongAnswer<C>>,
    /// Chunks that were handed on.
    taken: u64,
}

fn lock<C>(slot: &Mutex<Slot<C>>) -> MutexGuard<'_, Slot<C>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops an answer of which no chunk was taken for so long, and that nobody makes one of.
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
            "a client that took too little of an answer is given up"
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
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Letter = Result<&'static str, std::fmt::Error>;

    /// Chunks, and how many answers hold some.
    struct Letters(std::vec::IntoIter<Letter>, Arc<AtomicUsize>);

    impl Chunks for Letters {
        type Error = std::fmt::Error;

        async fn next(&mut self) -> Result<(Bytes, End), std::fmt::Error> {
            let text = self.0.next().unwrap_or(Ok(""))?;
            let end = if self.0.len() == 0 {
                End::Last
            } else {
                End::More
            };
            Ok((Bytes::from(text), end))
        }
    }

    impl Drop for Letters {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }

    struct Server(Room, Arc<AtomicUsize>);

    impl Server {
        fn new(long_answers: u32) -> Self {
            let limits = Limits {
                long_answers,
                ..Limits::default()
            };
            Self(Room::new(&limits), Arc::default())
        }

        async fn body(&self, chunks: &[Letter]) -> Result<Body, NoBody<std::fmt::Error>> {
            let begin = || {
                self.1.fetch_add(1, Ordering::Relaxed);
                Letters(Vec::from(chunks).into_iter(), Arc::clone(&self.1))
            };
            self.0.body(begin).await
        }

        fn held(&self) -> usize {
            self.1.load(Ordering::Relaxed)
        }
    }

    const LONG: [Letter; 4] = [Ok("a"), Ok("b"), Ok(""), Ok("c")];

    #[tokio::test]
    async fn short_bodies_know_their_length_and_need_no_room() {
        let server = Server::new(1);
        let _long = server.body(&LONG).await.unwrap();
        let body = server.body(&[Ok("abc")]).await.unwrap();
        assert_eq!(axum::body::HttpBody::size_hint(&body).exact(), Some(3));
    }

    #[tokio::test]
    async fn long_bodies_come_whole_and_in_order() {
        let server = Server::new(1);
        for _ in 0..3 {
            let body = server.body(&LONG).await.unwrap();
            assert_eq!(axum::body::HttpBody::size_hint(&body).exact(), None);
            assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
        }
    }

    #[tokio::test]
    async fn what_fails_first_is_an_error_and_later_breaks_off() {
        let server = Server::new(1);
        let failed = server.body(&[Err(std::fmt::Error), Ok("a")]).await;
        assert!(matches!(failed, Err(NoBody::Failed(_))));
        let broken = server.body(&[Ok("a"), Err(std::fmt::Error)]).await;
        assert!(broken.unwrap().collect().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_frees_its_answer_and_its_place() {
        let server = Server::new(1);
        let stuck = server.body(&LONG).await.unwrap();
        assert_eq!(server.held(), 1);
        tokio::time::sleep(Limits::default().write * 3).await;
        assert_eq!(server.held(), 0);
        let next = server.body(&LONG).await.unwrap();
        assert_eq!(next.collect().await.unwrap().to_bytes(), "abc");
        assert!(
            stuck.collect().await.is_err(),
            "half an answer is no answer"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_answers_wait_holding_nothing_and_are_refused_in_the_end() {
        let server = Server::new(1);
        let first = server.body(&LONG).await.unwrap();
        let second = async {
            let body = server.body(&LONG).await.unwrap();
            body.collect().await.unwrap().to_bytes()
        };
        let leave = async {
            tokio::time::sleep(Limits::default().queue / 2).await;
            assert_eq!(server.held(), 1, "only the first holds anything");
            drop(first);
        };
        assert_eq!(tokio::join!(second, leave).0, "abc");
        let _first = server.body(&LONG).await.unwrap();
        assert!(matches!(server.body(&LONG).await, Err(NoBody::NoRoom)));
    }

    #[tokio::test]
    async fn a_client_that_goes_away_frees_its_answer() {
        let server = Server::new(1);
        drop(server.body(&LONG).await.unwrap());
        let second = server.body(&LONG).await.unwrap();
        assert_eq!(server.held(), 1, "the second has the place of the first");
        assert_eq!(second.collect().await.unwrap().to_bytes(), "abc");
    }
}
