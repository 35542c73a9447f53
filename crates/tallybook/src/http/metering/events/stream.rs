//! NDJSON longer than a batch: accepted chunk by chunk, answered line by line.
//!
//! Invariant: a line of the answer is written after its chunk is on disk. The next chunk is read
//! when the client can take the previous chunk's line, so a stream is never faster than the disk.
//! If the last line of an answer is not the totals, the stream was not completely accepted; sending
//! it again is safe.

use super::create::{Answered, NextError, Sending, SendingError, next, unavailable};
use super::parts::{Part, Parts};
use crate::http::error::ApiError;
use crate::wire::events::{ChunkAnswer, EventTotals, TotalAnswer};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use std::convert::Infallible;
use std::time::Duration;

/// The pause between attempts to submit a chunk, and the number of attempts.
const WAIT: Duration = Duration::from_millis(250);
const MOST_WAITS: u32 = 120;

/// Answers a stream whose first part was read.
pub(super) async fn answer(
    sending: Sending,
    parts: Parts,
    first: Part,
) -> Result<Response, ApiError> {
    let mut stream = Stream {
        sending,
        parts: Some(parts),
        totals: EventTotals::default(),
    };
    // A failure at this point can still be reported by a status.
    let line = match stream.submit(first).await {
        Ok(line) => line,
        Err(error) => return Ok(unavailable(error)),
    };
    let lines = futures_util::stream::unfold(Some((Some(line), stream)), |state| async move {
        let (line, mut stream) = state?;
        if let Some(line) = line {
            return Some((line, Some((None, stream))));
        }
        match stream.next().await {
            Ok(Some(line)) => Some((line, Some((None, stream)))),
            Ok(None) => {
                let total = std::mem::take(&mut stream.totals);
                Some((as_line(&TotalAnswer { total }), None))
            }
            Err(failure) => Some((as_line(&failure.told()), None)),
        }
    });
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>).fuse());
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

struct Stream {
    sending: Sending,
    /// `None` after the last one.
    parts: Option<Parts>,
    totals: EventTotals,
}

impl Stream {
    /// The line of the next chunk; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(parts) = self.parts.take() else {
            return Ok(None);
        };
        let (parts, part) = next(parts).await?;
        if part.more {
            self.parts = Some(parts);
        }
        Ok(Some(self.submit(part).await?))
    }

    async fn submit(&mut self, part: Part) -> Result<Bytes, SendingError> {
        let first_line = part.first_line;
        let mut waits = 0;
        let answered = loop {
            // The client's connection acts as the queue: a stream waits while the engine is busy.
            let copy = Part {
                events: part.events.clone(),
                ..part
            };
            // A stream may be long: each chunk has its own time.
            let now = self.sending.app.frame.clock.now();
            let now = now.map_err(|error| crate::engine::EngineError::System(error.to_string()))?;
            match self.sending.submit(now, copy).await {
                Err(SendingError::Busy) if waits < MOST_WAITS => {
                    waits += 1;
                    tokio::time::sleep(WAIT).await;
                }
                other => break other?,
            }
        };
        let (Answered::Taken(answer) | Answered::Refused(_, answer)) = answered;
        let chunk = self.totals.chunks;
        self.totals.add(&answer);
        Ok(as_line(&ChunkAnswer {
            chunk,
            first_line,
            answer,
        }))
    }
}

/// Why a stream ended prematurely.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Next(#[from] NextError),
    #[error(transparent)]
    Sending(#[from] SendingError),
}

/// The last line of an aborted answer, worded like the corresponding error.
#[derive(Serialize)]
struct Told {
    message: String,
    status: String,
}

impl Failure {
    fn told(self) -> Told {
        let error = match self {
            Self::Next(NextError::Part(error)) => error.into(),
            Self::Next(NextError::Engine(error)) | Self::Sending(SendingError::Engine(error)) => {
                tracing::error!(%error, "a stream of events was aborted");
                ApiError::from(error)
            }
            Self::Sending(SendingError::Busy) => {
                let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
                ApiError::new(status, SendingError::Busy.to_string())
            }
        };
        Told {
            status: error.status.as_str().to_owned(),
            message: error.message,
        }
    }
}

fn as_line(value: &impl Serialize) -> Bytes {
    // Numbers and texts always serialize; without its last line an answer shows that it was
    // aborted.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
