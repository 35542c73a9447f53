//! The handler of `POST /metering/v1/events`.
//!
//! Reading and checking 10,000 events takes some ten milliseconds, so both run on threads that may
//! block and the workers stay free for answers; for a single event the handover costs a few
//! microseconds. The engine completes a submission even if the client disconnects.

use super::parts::{Part, PartError, Parts, format};
use super::stream;
use crate::auth::{EndpointFamily, Grants, Standing, Viewer, authorize};
use crate::engine::EngineError;
use crate::engine::metering::{Allowed, OnError, Receipt, Submission, SubmitError};
use crate::events::answer::{has_conflict, refused, taken};
use crate::http::app::App;
use crate::http::content_encoding::ContentEncoding;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::frame::SHORT_BODY_BYTES;
use crate::http::params::{BadParameter, Params};
use crate::http::upload;
use crate::wire::events::{ChunkAnswer, EventsAnswer};
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tallybook_core::time::Instant;

/// Seconds after which a client may retry when the server is busy.
const RETRY_AFTER: &str = "1";

/// Where the errors of this endpoint are explained.
const DOCUMENTATION: &str = "/openapi.json";

/// Takes in usage events; each counts once, however often it is sent.
///
/// An event is a `CloudEvent` 1.0: `specversion`, `id`, `source`, `type` (`usage`, `void` or
/// `amend`), `time` (with an offset) and `data`. `data` of `usage` has `sku` and `quantity` (a
/// number or a decimal string), names who pays by `enterprise`, `organization` or `user`, and may
/// have `repository`, `model`, `workflow_path` and `tokens` (`input`, `output`, `cache_read`,
/// `cache_write`). `data` of `void` and `amend` has `target` (`source`, `id`) and names who pays in
/// the same way; `amend` has everything else that the usage should have said.
///
/// A body is one atomic batch; with `on_error=skip` the good events of it are taken. NDJSON that is
/// longer than a batch needs `on_error=skip` and is answered by a line of NDJSON for each chunk
/// that is on disk, and a last line with the totals, or with a `message` where it could not go on.
#[utoipa::path(
    post,
    path = "/metering/v1/events",
    tag = "events",
    params(
        ("on_error" = Option<String>, Query,
         description = "`reject` (default): one bad event and nothing changes; `skip`: the good \
                        ones are taken"),
    ),
    request_body(
        description = "Events, plain or with `Content-Encoding: gzip` or `zstd`",
        content(
            (serde_json::Value = "application/cloudevents+json"),
            (Vec<serde_json::Value> = "application/cloudevents-batch+json"),
            (serde_json::Value = "application/json"),
            (String = "application/x-ndjson"),
        ),
    ),
    responses(
        (status = 200, description = "What came of them, on disk; NDJSON for a long stream",
         content((EventsAnswer = "application/json"), (ChunkAnswer = "application/x-ndjson"))),
        (status = 400, description = "Not JSON, or a body that broke off"),
        (status = 409, description = "Something else is known under an event's name; nothing \
                                      changes", body = EventsAnswer),
        (status = 413, description = "Larger than a batch"),
        (status = 415, description = "Another content type or encoding"),
        (status = 422, description = "Bad events; nothing changes", body = EventsAnswer),
        (status = 503, description = "Too much is waiting: try again after `Retry-After`"),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    context: RequestContext,
    request: Request,
) -> Result<Response, ApiError> {
    let viewer = context.viewer()?;
    authorize(EndpointFamily::Events, viewer, Standing::None)?;
    let on_error = on_error(&Params::read(request.uri())?)?;
    let format = format(request.headers())?;
    let encoding = ContentEncoding::of(request.headers())?;
    let (pump, upload) = upload::channel();
    let exact = request.body().size_hint().exact();
    let is_short = exact.is_some_and(|bytes| bytes <= SHORT_BODY_BYTES as u64);
    let parts = match Parts::new(upload, encoding, format, &app, is_short) {
        Ok(parts) => parts,
        Err(error) => return Ok(unread(error.into())),
    };
    tokio::spawn(pump.body(request.into_body().into_data_stream()));
    let sending = Sending {
        app,
        allowed: allowed(viewer),
        on_error,
    };
    let (parts, part) = match next(parts).await {
        Ok(read) => read,
        Err(error) => return Ok(unread(error)),
    };
    if part.more && on_error == OnError::Reject {
        return Err(parts.too_large().into());
    }
    if part.more {
        return stream::answer(sending, parts, part).await;
    }
    let submitted = sending.submit(context.now, part).await;
    // The body's share of memory is released only now.
    drop(parts);
    match submitted {
        Ok(Answered::Taken(answer)) => Ok(Json(answer).into_response()),
        Ok(Answered::Refused(status, answer)) => Ok((status, Json(answer)).into_response()),
        Err(error) => Ok(unavailable(error)),
    }
}

/// The sender, and the options of a request.
pub(super) struct Sending {
    pub(super) app: Arc<App>,
    pub(super) allowed: Allowed,
    pub(super) on_error: OnError,
}

/// The outcome of a part.
pub(super) enum Answered {
    /// Its events, or at least the valid ones, were accepted.
    Taken(EventsAnswer),
    /// It was refused completely.
    Refused(StatusCode, EventsAnswer),
}

/// Why a part has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendingError {
    /// Too many events are waiting to be committed.
    #[error("Too many events are waiting to be committed.")]
    Busy,
    /// It failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Sending {
    /// Passes a part to the engine and waits for its commit.
    pub(super) async fn submit(&self, now: Instant, part: Part) -> Result<Answered, SendingError> {
        let events = part.events;
        let sent = events.count();
        if self.on_error == OnError::Reject && !events.bad.is_empty() {
            return Ok(self.refuse(events.bad, sent));
        }
        let submission = Submission {
            events: events.good,
            on_error: self.on_error,
            allowed: self.allowed.clone(),
        };
        let receipt = if submission.events.is_empty() {
            Receipt::default()
        } else {
            match self.app.engine.submit(now, submission).await {
                Ok(receipt) => receipt,
                Err(SubmitError::Rejected(receipt)) => {
                    return Ok(self.refuse(receipt.rejected, sent));
                }
                Err(SubmitError::Busy) => return Err(SendingError::Busy),
                Err(SubmitError::Engine(error)) => return Err(error.into()),
            }
        };
        let answer = taken(receipt, events.bad);
        let rejected = answer.rejected.len() as u64;
        let metrics = &self.app.metrics;
        metrics.events(answer.accepted, answer.duplicates, rejected);
        Ok(Answered::Taken(answer))
    }

    fn refuse(&self, rejected: Vec<crate::engine::metering::Rejection>, sent: usize) -> Answered {
        let status = if has_conflict(&rejected) {
            StatusCode::CONFLICT
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        self.app.metrics.events(0, 0, rejected.len() as u64);
        let answer = EventsAnswer {
            documentation_url: Some(DOCUMENTATION.to_owned()),
            status: Some(status.as_str().to_owned()),
            ..refused(rejected, sent)
        };
        Answered::Refused(status, answer)
    }
}

/// Reads the next part on a thread that may block.
pub(super) async fn next(mut parts: Parts) -> Result<(Parts, Part), NextError> {
    let reading = tokio::task::spawn_blocking(move || {
        let part = parts.next();
        (parts, part)
    });
    let (parts, part) = reading.await.map_err(EngineError::from)?;
    Ok((parts, part?))
}

/// Why there is no next part.
#[derive(Debug, thiserror::Error)]
pub(super) enum NextError {
    /// The body is invalid, or other bodies use up the memory.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The thread panicked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn unread(error: NextError) -> Response {
    match error {
        NextError::Part(PartError::Busy) => retry_later(PartError::Busy.into()),
        NextError::Part(error) => ApiError::from(error).into_response(),
        NextError::Engine(error) => ApiError::from(error).into_response(),
    }
}

/// The answer when the engine did not accept a part.
pub(super) fn unavailable(error: SendingError) -> Response {
    match error {
        SendingError::Busy => {
            let message = SendingError::Busy.to_string();
            retry_later(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message))
        }
        SendingError::Engine(error) => {
            let error = ApiError::from(error);
            if error.status == StatusCode::SERVICE_UNAVAILABLE {
                retry_later(error)
            } else {
                error.into_response()
            }
        }
    }
}

fn retry_later(error: ApiError) -> Response {
    let mut response = error.into_response();
    let value = HeaderValue::from_static(RETRY_AFTER);
    response.headers_mut().insert(header::RETRY_AFTER, value);
    response
}

fn on_error(params: &Params) -> Result<OnError, ApiError> {
    match params.text("on_error")? {
        None | Some("reject") => Ok(OnError::Reject),
        Some("skip") => Ok(OnError::Skip),
        Some(_) => Err(BadParameter::new("on_error", "it must be reject or skip").into()),
    }
}

/// What the token may write; a site administrator's may send for every account.
fn allowed(viewer: &Viewer) -> Allowed {
    match &viewer.grants {
        Grants::SiteAdmin => Allowed::default(),
        Grants::Sender(sender) => Allowed {
            accounts: Some(sender.accounts().to_vec()),
            sources: (!sender.sources().is_empty()).then(|| sender.sources().to_vec()),
        },
        // These are never authorized here and may write nothing.
        Grants::Classic { .. } | Grants::FineGrained { .. } | Grants::Importer { .. } => Allowed {
            accounts: Some(Vec::new()),
            sources: Some(Vec::new()),
        },
    }
}
