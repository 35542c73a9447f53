//! The minimum pace of clients: a number of bytes within a time, or the connection is dropped.
//!
//! Invariant: only a client that is being waited for can be late; no time runs while the server
//! itself is busy. Look next: [`super::connection`] for what is written, [`super::body`] for long
//! answers; the pace of request bodies is enforced here.

use super::error::ApiError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, StatusCode};
use http_body::{Frame, SizeHint};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Bytes that must be transferred before the time restarts, so that an occasional byte is not
/// enough.
pub const PACE_BYTES: u64 = 64 * 1024;

/// Counts transferred bytes, and detects when they are too few.
#[derive(Debug)]
pub(super) struct Meter {
    within: Duration,
    moved: u64,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Meter {
    /// Requires [`PACE_BYTES`] to be transferred within this time.
    pub(super) fn new(within: Duration) -> Self {
        Self {
            within,
            moved: 0,
            alarm: None,
            waiting: false,
        }
    }

    /// Notes transferred bytes: the client is not being waited for.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.waiting = false;
        self.moved += bytes as u64;
        if self.moved >= PACE_BYTES {
            self.rest();
        }
    }

    /// Notes that everything available has been transferred.
    pub(super) fn rest(&mut self) {
        (self.waiting, self.moved, self.alarm) = (false, 0, None);
    }

    /// Notes that the client is being waited for, and returns whether it is too late.
    pub(super) fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        // An alarm that expired while not waiting does not count against the client.
        if !self.waiting && self.alarm.as_ref().is_some_and(|alarm| alarm.is_elapsed()) {
            self.rest();
        }
        self.waiting = true;
        let within = self.within;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        alarm.as_mut().poll(context).is_ready()
    }
}

/// The client sent too little for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("less than {PACE_BYTES} bytes of the body came in {} seconds ({})",
        .0.as_secs(), crate::config::Limits::BODY)]
pub struct SlowBody(pub Duration);

/// The error for a client whose body could not be read completely.
pub(super) fn broken_body(error: axum::Error) -> ApiError {
    match causes(&error).find_map(|cause| cause.downcast_ref::<SlowBody>()) {
        Some(slow) => ApiError::new(StatusCode::REQUEST_TIMEOUT, format!("Too slow: {slow}.")),
        None => ApiError::bad_request("The body of the request broke off."),
    }
}

/// An error and its chain of causes.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        error.source()
    })
}

/// A request whose body is aborted when the client sends it too slowly.
pub(super) fn paced(request: Request<Body>, within: Duration) -> Request<Body> {
    if request.body().is_end_stream() {
        return request;
    }
    request.map(|body| {
        let meter = Meter::new(within);
        Body::new(PacedBody { body, meter })
    })
}

struct PacedBody {
    body: Body,
    meter: Meter,
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match &polled {
            Poll::Pending if this.meter.is_late(context) => {
                let slow = SlowBody(this.meter.within);
                return Poll::Ready(Some(Err(axum::Error::new(slow))));
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.meter.moved(frame.data_ref().map_or(0, Bytes::len));
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    const WITHIN: Duration = Duration::from_secs(60);

    /// A body that another task sends.
    fn sent(receiver: mpsc::Receiver<usize>) -> Request<Body> {
        let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
            let bytes = Bytes::from(vec![b'x'; receiver.recv().await?]);
            Some((Ok::<_, axum::Error>(Frame::data(bytes)), receiver))
        });
        paced(
            Request::new(Body::new(StreamBody::new(Box::pin(frames)))),
            WITHIN,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_too_slow() {
        let (sender, receiver) = mpsc::channel(1);
        let sending = tokio::spawn(async move {
            while sender.send(1).await.is_ok() {
                sleep(WITHIN / 4).await;
            }
        });
        let error = sent(receiver).into_body().collect().await.unwrap_err();
        let expected = "less than 65536 bytes of the body came in 60 seconds (--timeout-body)";
        assert_eq!(error.to_string(), expected);
        sending.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_client_and_a_busy_server_may_take_any_time() {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            for _ in 0..100 {
                sleep(WITHIN / 2).await;
                sender
                    .send(usize::try_from(PACE_BYTES).unwrap())
                    .await
                    .unwrap();
            }
        });
        let mut body = sent(receiver).into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
            sleep(WITHIN * 2).await;
        }
        assert_eq!(bytes as u64, 100 * PACE_BYTES);
    }

    #[test]
    fn nothing_stands_around_a_request_without_a_body() {
        let request = paced(Request::new(Body::empty()), WITHIN);
        assert!(request.body().is_end_stream());
        let request = paced(Request::new(Body::from("short")), WITHIN);
        assert_eq!(request.body().size_hint().exact(), Some(5));
    }
}
