//! Bodies of any length in bounded memory.
//!
//! Invariant: an answer of at most about [`WHOLE_BYTES`] is sent whole, with its length. Of a
//! longer one no more than that is held at its beginning, and then one chunk of about
//! [`CHUNK_BYTES`], however many items it has; in HTTP/2 nothing but such chunks ([`Handing`]).
//! What fails before anything was sent is an error with a status; what fails later breaks the
//! connection, so that no client takes half an answer for a whole one. Only so many answers of more
//! than a chunk hold anything at the same time, and none of them for longer than its client keeps
//! taking it.

use crate::config::Limits;
use axum::body::Body;
use axum::http::Version;
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

/// Up to so many bytes an answer is made whole before any of it is sent. A client that gets a piece
/// wakes up for it, and takes the core that the next piece is being made on.
pub const WHOLE_BYTES: usize = 1024 * 1024;

/// What a last item may be longer than a chunk, mostly.
pub const SLACK_BYTES: usize = 1024;

/// Something that writes itself a chunk at a time.
pub trait Chunks: Send + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Appends to `out` until it is at least `enough` bytes long, and hardly longer, or everything
    /// is written.
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
    ) -> impl Future<Output = Result<End, Self::Error>> + Send;
}

/// How an answer may be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handing {
    /// Whole, when it is not too long: the connection watches how a client takes it.
    Whole,
    /// A chunk at a time: in HTTP/2 the client may take other answers meanwhile, and what was
    /// handed on could be held for ever.
    Pieces,
}

impl Handing {
    /// How answers are handed on in a version of HTTP.
    #[must_use]
    pub fn of(version: Version) -> Self {
        if version <= Version::HTTP_11 {
            Self::Whole
        } else {
            Self::Pieces
        }
    }
}

/// Whether everything is written.
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
    pub async fn body<C: Chunks>(
        &self,
        handing: Handing,
        begin: impl Fn() -> C,
    ) -> Result<Body, NoBody<C::Error>> {
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
            return self.placed(handing, begun, place).await;
        }
        drop(begun);
        let place = timeout(self.queue, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(NoBody::NoRoom);
        };
        self.placed(handing, Begun::new(begin()), place).await
    }

    /// The body of an answer that has a place, which it keeps until it is taken.
    async fn placed<C: Chunks>(
        &self,
        handing: Handing,
        mut begun: Begun<C>,
        place: OwnedSemaphorePermit,
    ) -> Result<Body, NoBody<C::Error>> {
        let enough = match handing {
            Handing::Whole => WHOLE_BYTES,
            Handing::Pieces => CHUNK_BYTES,
        };
        let end = begun.write(enough).await?;
        let Begun { text, chunks } = begun;
        Ok(match end {
            End::Last => Body::from(Bytes::from_owner(Placed {
                text,
                _place: place,
            })),
            End::More => self.long(Bytes::from(text), chunks, place),
        })
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

/// What is written of an answer, and what writes it.
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

    /// Nothing when there is enough already.
    async fn write(&mut self, enough: usize) -> Result<End, C::Error> {
        if self.text.len() >= enough {
            return Ok(End::More);
        }
        self.chunks.write(&mut self.text, enough).await
    }
}

/// An answer that is made, and its place until the connection has let go of it.
struct Placed {
    text: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.text
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
            None => {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES + SLACK_BYTES);
                let end = self.chunks.write(&mut chunk, CHUNK_BYTES).await?;
                Ok((Bytes::from(chunk), end))
            }
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

    /// Chunks of one letter each, and how many answers hold some.
    struct Letters(std::vec::IntoIter<Letter>, Arc<AtomicUsize>);

    impl Chunks for Letters {
        type Error = std::fmt::Error;

        async fn write(
            &mut self,
            out: &mut Vec<u8>,
            enough: usize,
        ) -> Result<End, std::fmt::Error> {
            while out.len() < enough {
                let Some(letter) = self.0.next() else {
                    return Ok(End::Last);
                };
                out.extend_from_slice(&chunk(letter?));
            }
            Ok(End::More)
        }
    }

    fn chunk(letter: &str) -> Vec<u8> {
        letter.as_bytes().repeat(CHUNK_BYTES)
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
            self.handed(Handing::Pieces, chunks).await
        }

        async fn handed(
            &self,
            handing: Handing,
            chunks: &[Letter],
        ) -> Result<Body, NoBody<std::fmt::Error>> {
            let begin = || {
                self.1.fetch_add(1, Ordering::Relaxed);
                Letters(Vec::from(chunks).into_iter(), Arc::clone(&self.1))
            };
            self.0.body(handing, begin).await
        }

        fn held(&self) -> usize {
            self.1.load(Ordering::Relaxed)
        }
    }

    /// What is longer than may be sent whole.
    const VERY_LONG: [Letter; WHOLE_BYTES / CHUNK_BYTES + 2] =
        [Ok("x"); WHOLE_BYTES / CHUNK_BYTES + 2];
    const LONG: [Letter; 4] = [Ok("a"), Ok("b"), Ok(""), Ok("c")];

    fn long() -> Vec<u8> {
        ["a", "b", "c"].map(chunk).concat()
    }

    fn length(body: &Body) -> Option<u64> {
        axum::body::HttpBody::size_hint(body).exact()
    }

    #[tokio::test]
    async fn short_bodies_know_their_length_and_need_no_room() {
        let server = Server::new(1);
        let _long = server.body(&LONG).await.unwrap();
        let body = server.body(&[Ok("")]).await.unwrap();
        assert_eq!(length(&body), Some(0));
    }

    #[tokio::test]
    async fn long_bodies_come_whole_and_in_order() {
        let server = Server::new(1);
        for _ in 0..3 {
            let body = server.body(&LONG).await.unwrap();
            assert_eq!(length(&body), None);
            assert_eq!(body.collect().await.unwrap().to_bytes(), long());
        }
    }

    #[tokio::test]
    async fn what_may_be_whole_knows_its_length_and_keeps_its_place_until_it_is_taken() {
        let server = Server::new(1);
        let mut body = server.handed(Handing::Whole, &LONG).await.unwrap();
        assert_eq!(length(&body), Some(3 * CHUNK_BYTES as u64));
        assert_eq!(server.held(), 0, "what wrote it is not needed any more");
        let taken = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(taken, long());
        drop(body);
        assert_eq!(server.0.places.available_permits(), 0);
        drop(taken);
        assert_eq!(server.0.places.available_permits(), 1);
    }

    #[tokio::test]
    async fn what_is_too_long_to_be_whole_begins_with_as_much_and_goes_on_in_chunks() {
        let server = Server::new(1);
        let body = server.handed(Handing::Whole, &VERY_LONG).await.unwrap();
        assert_eq!(length(&body), None);
        assert_eq!(server.held(), 1);
        let mut frames = Vec::new();
        let mut body = body;
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap().len());
        }
        assert_eq!(frames[..3], [WHOLE_BYTES, CHUNK_BYTES, CHUNK_BYTES]);
        let all: usize = frames.iter().sum();
        assert_eq!(all, VERY_LONG.len() * CHUNK_BYTES);
    }

    #[test]
    fn only_versions_of_one_answer_at_a_time_get_it_whole() {
        let whole = [Version::HTTP_10, Version::HTTP_11].map(Handing::of);
        assert_eq!(whole, [Handing::Whole; 2]);
        assert_eq!(Handing::of(Version::HTTP_2), Handing::Pieces);
    }

    #[tokio::test]
    async fn what_fails_first_is_an_error_and_later_breaks_off() {
        let server = Server::new(1);
        let failed = server.body(&[Err(std::fmt::Error), Ok("a")]).await;
        assert!(matches!(failed, Err(NoBody::Failed(_))));
        let broken = server.body(&[Ok("a"), Err(std::fmt::Error)]).await;
        assert!(broken.unwrap().collect().await.is_err());
        let late = [Ok("a"), Err(std::fmt::Error)];
        let whole = server.handed(Handing::Whole, &late).await;
        assert!(
            matches!(whole, Err(NoBody::Failed(_))),
            "nothing of it was sent"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_frees_its_answer_and_its_place() {
        let server = Server::new(1);
        let stuck = server.body(&LONG).await.unwrap();
        assert_eq!(server.held(), 1);
        tokio::time::sleep(Limits::default().write * 3).await;
        assert_eq!(server.held(), 0);
        let next = server.body(&LONG).await.unwrap();
        assert_eq!(next.collect().await.unwrap().to_bytes(), long());
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
        assert_eq!(tokio::join!(second, leave).0, long());
        let _first = server.body(&LONG).await.unwrap();
        assert!(matches!(server.body(&LONG).await, Err(NoBody::NoRoom)));
    }

    #[tokio::test]
    async fn a_client_that_goes_away_frees_its_answer() {
        let server = Server::new(1);
        drop(server.body(&LONG).await.unwrap());
        let second = server.body(&LONG).await.unwrap();
        assert_eq!(server.held(), 1, "the second has the place of the first");
        assert_eq!(second.collect().await.unwrap().to_bytes(), long());
    }
}
