//! Bodies sent whole and in chunks, to clients that read them, stall, or disconnect.

use super::*;
use http_body_util::BodyExt;
use std::sync::atomic::{AtomicUsize, Ordering};

type Letter = Result<&'static str, std::fmt::Error>;

/// Chunks of one letter each, and how many answers hold some.
struct Letters(std::vec::IntoIter<Letter>, Arc<AtomicUsize>);

impl Chunks for Letters {
    type Error = std::fmt::Error;

    async fn write(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<End, std::fmt::Error> {
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

/// Longer than one chunk.
const LONG: [Letter; 4] = [Ok("a"), Ok("b"), Ok(""), Ok("c")];

/// Longer than a body that is sent whole.
fn very_long() -> Vec<Letter> {
    [&[Ok("a"); WHOLE_BYTES / CHUNK_BYTES][..], &LONG].concat()
}

fn text(letters: &[Letter]) -> Vec<u8> {
    letters
        .iter()
        .flat_map(|letter| chunk(letter.expect("a letter")))
        .collect()
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
        let body = server.body(&very_long()).await.unwrap();
        assert_eq!(length(&body), None);
        assert_eq!(body.collect().await.unwrap().to_bytes(), text(&very_long()));
    }
}

#[tokio::test]
async fn what_may_be_whole_knows_its_length_and_keeps_its_place_until_it_is_taken() {
    let server = Server::new(1);
    let mut body = server.body(&LONG).await.unwrap();
    assert_eq!(length(&body), Some(3 * CHUNK_BYTES as u64));
    assert_eq!(server.held(), 0, "what wrote it is not needed any more");
    let taken = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(taken, text(&LONG));
    drop(body);
    assert_eq!(server.0.places.available_permits(), 0);
    drop(taken);
    assert_eq!(server.0.places.available_permits(), 1);
}

#[tokio::test]
async fn what_is_too_long_to_be_whole_begins_with_as_much_and_goes_on_in_chunks() {
    let server = Server::new(1);
    let body = server.body(&very_long()).await.unwrap();
    assert_eq!(length(&body), None);
    assert_eq!(server.held(), 1);
    let mut frames = Vec::new();
    let mut body = body;
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap().len());
    }
    assert_eq!(frames[..3], [WHOLE_BYTES, CHUNK_BYTES, CHUNK_BYTES]);
    let all: usize = frames.iter().sum();
    assert_eq!(all, text(&very_long()).len());
}

#[tokio::test]
async fn what_fails_first_is_an_error_and_later_breaks_off() {
    let server = Server::new(1);
    let failed = server.body(&[Err(std::fmt::Error), Ok("a")]).await;
    assert!(matches!(failed, Err(NoBody::Failed(_))));
    let mut breaks = very_long();
    breaks.push(Err(std::fmt::Error));
    let broken = server.body(&breaks).await;
    assert!(broken.unwrap().collect().await.is_err());
    let late = [Ok("a"), Err(std::fmt::Error)];
    let whole = server.body(&late).await;
    assert!(
        matches!(whole, Err(NoBody::Failed(_))),
        "nothing of it was sent"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_frees_its_answer_and_its_place() {
    let server = Server::new(1);
    let stuck = server.body(&very_long()).await.unwrap();
    assert_eq!(server.held(), 1);
    tokio::time::sleep(Limits::default().write * 3).await;
    assert_eq!(server.held(), 0);
    let next = server.body(&very_long()).await.unwrap();
    assert_eq!(next.collect().await.unwrap().to_bytes(), text(&very_long()));
    assert!(
        stuck.collect().await.is_err(),
        "half an answer is no answer"
    );
}

#[tokio::test(start_paused = true)]
async fn without_room_answers_wait_holding_nothing_and_are_refused_in_the_end() {
    let server = Server::new(1);
    let first = server.body(&very_long()).await.unwrap();
    let second = async {
        let body = server.body(&very_long()).await.unwrap();
        body.collect().await.unwrap().to_bytes()
    };
    let leave = async {
        tokio::time::sleep(Limits::default().queue / 2).await;
        assert_eq!(server.held(), 1, "only the first holds anything");
        drop(first);
    };
    assert_eq!(tokio::join!(second, leave).0, text(&very_long()));
    let _first = server.body(&very_long()).await.unwrap();
    assert!(matches!(
        server.body(&very_long()).await,
        Err(NoBody::NoRoom)
    ));
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_answer() {
    let server = Server::new(1);
    drop(server.body(&very_long()).await.unwrap());
    let second = server.body(&very_long()).await.unwrap();
    assert_eq!(server.held(), 1, "the second has the place of the first");
    assert_eq!(
        second.collect().await.unwrap().to_bytes(),
        text(&very_long())
    );
}
