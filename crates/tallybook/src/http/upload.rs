//! Passes the body of a request from the asynchronous side to a thread that reads it.
//!
//! Invariant: a few chunks are in memory, however long the body; a truncated body is an error to
//! the reader, never a normal end, so that half a report is never taken for a whole one. Look next:
//! [`super::content_encoding`] and [`super::form`], which read from it.

use super::pace::{self, SlowBody};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use std::error::Error;
use std::io::{self, Read};
use std::ops::ControlFlow;
use tokio::sync::mpsc;

/// Chunks on their way from the socket to the reader.
const CHUNKS_IN_FLIGHT: usize = 16;

/// How much of an upload is read after its reader gave up, so that a client that writes before it
/// reads sees the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// The reading end.
#[derive(Debug)]
pub struct Upload {
    pieces: mpsc::Receiver<io::Result<Piece>>,
    chunk: Bytes,
    ended: bool,
}

/// The writing end.
#[derive(Debug)]
pub struct Pump {
    pieces: mpsc::Sender<io::Result<Piece>>,
    /// Whether the reader gave up.
    unwanted: bool,
    /// Bytes received since.
    drained: usize,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

/// Two ends of one upload.
#[must_use]
pub fn channel() -> (Pump, Upload) {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let upload = Upload {
        pieces: receiver,
        chunk: Bytes::new(),
        ended: false,
    };
    let pump = Pump {
        pieces: sender,
        unwanted: false,
        drained: 0,
    };
    (pump, upload)
}

impl Pump {
    /// Passes on a body.
    pub async fn body<E: Error + Send + Sync + 'static>(
        mut self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) {
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() {
            flow = match body.next().await {
                Some(Ok(chunk)) => self.give(chunk).await,
                Some(Err(error)) => self.fail(error).await,
                None => self.end().await,
            };
        }
    }

    /// Passes a chunk to the reader. If the reader gave up, further chunks are discarded, up to a
    /// limit.
    async fn give(&mut self, chunk: Bytes) -> ControlFlow<()> {
        let size = chunk.len();
        if self.unwanted {
            self.drained += size;
        } else {
            self.unwanted = self.pieces.send(Ok(Piece::Data(chunk))).await.is_err();
            self.drained = size;
        }
        if self.unwanted && self.drained > DRAINED_BYTES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    async fn end(&mut self) -> ControlFlow<()> {
        // If the reader is gone, the end does not matter.
        let _ = self.pieces.send(Ok(Piece::End)).await;
        ControlFlow::Break(())
    }

    async fn fail<E: Error + Send + Sync + 'static>(&mut self, error: E) -> ControlFlow<()> {
        let kind = match slow_body(&error) {
            Some(_) => io::ErrorKind::TimedOut,
            None => io::ErrorKind::UnexpectedEof,
        };
        // If the reader is gone, the error does not matter.
        let _ = self.pieces.send(Err(io::Error::new(kind, error))).await;
        ControlFlow::Break(())
    }
}

/// The cause, if a body was aborted because it came too slowly.
pub fn slow_body<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a SlowBody> {
    pace::causes(error).find_map(|cause| cause.downcast_ref::<SlowBody>())
}

/// Blocks: read it from a thread that may block.
impl Read for Upload {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.ended {
            let broke_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off");
            match self.pieces.blocking_recv().ok_or_else(broke_off)?? {
                Piece::Data(chunk) => self.chunk = chunk,
                Piece::End => self.ended = true,
            }
        }
        let count = self.chunk.len().min(out.len());
        self.chunk.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

/// The input exceeds a limit of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body has more than {0} bytes")]
pub struct TooLong(pub u64);

/// Reads up to a limit of bytes; more is the error [`TooLong`].
#[derive(Debug)]
pub struct AtMost<R> {
    input: R,
    limit: u64,
    left: u64,
}

impl<R> AtMost<R> {
    /// Wraps a reader without reading from it.
    pub fn new(input: R, limit: u64) -> Self {
        Self {
            input,
            limit,
            left: limit,
        }
    }
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        let left = self.left.checked_sub(count as u64);
        self.left = left.ok_or_else(|| io::Error::other(TooLong(self.limit)))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn read(mut upload: impl Read + Send + 'static) -> io::Result<String> {
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            upload.read_to_string(&mut text).map(|_| text)
        });
        reading.await.unwrap()
    }

    fn chunks(texts: &[&'static str]) -> Vec<Result<Bytes, axum::Error>> {
        texts.iter().map(|text| Ok(Bytes::from(*text))).collect()
    }

    async fn sent(chunks: Vec<Result<Bytes, axum::Error>>) -> io::Result<String> {
        let (pump, upload) = channel();
        let body = futures_util::stream::iter(chunks);
        tokio::join!(pump.body(body), read(upload)).1
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end() {
        let text = sent(chunks(&["Date,", "", "Product\n"])).await;
        assert_eq!(text.unwrap(), "Date,Product\n");
    }

    #[tokio::test]
    async fn a_broken_body_is_an_error() {
        let mut broken = chunks(&["Date"]);
        broken.push(Err(axum::Error::new("connection reset")));
        let error = sent(broken).await.unwrap_err();
        assert_eq!(error.to_string(), "connection reset");
    }

    #[tokio::test]
    async fn a_body_that_is_too_slow_says_so() {
        let slow = SlowBody(Duration::from_secs(60));
        let error = sent(vec![Err(axum::Error::new(slow))]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_request_that_went_away_is_an_error() {
        let (mut pump, upload) = channel();
        assert!(pump.give(Bytes::from("Date")).await.is_continue());
        drop(pump);
        let error = read(upload).await.unwrap_err();
        assert_eq!(error.to_string(), "the upload broke off");
    }

    #[tokio::test]
    async fn a_reader_that_gave_up_does_not_stop_the_client() {
        let (pump, upload) = channel();
        drop(upload);
        let chunks = (0..1000).map(|_| Ok::<_, io::Error>(Bytes::from("x")));
        pump.body(futures_util::stream::iter(chunks)).await;
    }

    #[tokio::test]
    async fn more_bytes_than_the_limit_are_an_error() {
        assert_eq!(read(AtMost::new(&b"1234"[..], 4)).await.unwrap(), "1234");
        let error = read(AtMost::new(&b"12345"[..], 4)).await.unwrap_err();
        assert_eq!(error.to_string(), "the body has more than 4 bytes");
    }
}
