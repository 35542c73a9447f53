//! The middleware around every request: its id, version, token, rate limit, headers, errors, log.
//!
//! Invariant: every answer leaves through [`frame`], so that each has an id, GitHub's headers and,
//! when it is an error, GitHub's body; secrets and queries never reach the log. Handlers find what
//! the frame found out in their [`RequestContext`].
//! Look next: [`super::headers`], [`super::error`].

mod wrong_tokens;

use super::client_address::client_address;
use super::conditional;
use super::connection::Overload;
use super::context::RequestContext;
use super::endpoint::{Endpoint, Facts, Guard};
use super::error::ApiError;
use super::headers;
use super::metrics::Metrics;
use super::pace;
use super::rate_limit::{Key, LimitStanding, RateLimiter};
use super::repeats::{Refused, Repeats};
use super::request_id::{RequestId, RequestIds};
use super::version::ApiVersion;
use crate::auth::{AdminToken, Credential, Unauthenticated, Viewer};
use crate::clock::{Clock, Stopwatch};
use crate::config::{Limits, TrustedProxies};
use crate::engine::Engine;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tallybook_core::time::Instant;
use tallybook_store::TokenRow;

pub use wrong_tokens::WrongTokens;

/// A lookup of tokens.
pub trait TokenLookup: Send + Sync {
    /// The token whose secret has this hash, even if expired or revoked.
    fn token(&self, hash: &[u8; 32]) -> Option<TokenRow>;
}

impl TokenLookup for Engine {
    fn token(&self, hash: &[u8; 32]) -> Option<TokenRow> {
        Self::token(self, hash)
    }
}

/// What the frame needs of the server.
pub struct Frame {
    /// The lookup of tokens.
    pub tokens: Arc<dyn TokenLookup>,
    /// The clock.
    pub clock: Clock,
    /// The configured site administrator's token.
    pub admin_token: Option<AdminToken>,
    /// The addresses that recently sent wrong tokens.
    pub wrong_tokens: WrongTokens,
    /// Refused credentials, which are written to the audit log a few times an hour.
    pub repeats: Repeats,
    /// Limits requests per hour; `None` for no limit.
    pub rate_limiter: Option<RateLimiter>,
    /// Whether the server terminates TLS itself.
    pub strict_transport: bool,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// How large and how slow requests may be.
    pub limits: Limits,
    /// Where answers are counted.
    pub metrics: Arc<Metrics>,
    /// The source of request ids.
    pub request_ids: RequestIds,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// What is known about a request before authentication.
struct Arrival {
    method: Method,
    uri: Uri,
    pattern: Option<MatchedPath>,
    endpoint: Endpoint,
    request_id: RequestId,
    now: Instant,
}

/// Answers a request: the middleware around every route.
pub async fn frame(
    State((frame, facts)): State<(Arc<Frame>, Arc<Facts>)>,
    request: Request,
    next: Next,
) -> Response {
    let stopwatch = Stopwatch::start();
    let now = match frame.clock.now() {
        Ok(now) => now,
        Err(error) => {
            tracing::error!(%error, "no request can be answered");
            return ApiError::internal(error).into_response();
        }
    };
    let arrival = Arrival::of(&request, &facts, now, frame.request_ids.next(now));
    let (mut response, viewer) = frame.answer(&arrival, request, next).await;
    finish_error(&mut response, &arrival);
    let strict = frame.strict_transport;
    headers::write_always(response.headers_mut(), arrival.request_id, strict);
    let status = response.status().as_u16();
    let duration = stopwatch.elapsed();
    let route = arrival.pattern().unwrap_or("unmatched");
    frame
        .metrics
        .answered(&arrival.method, route, status, duration);
    let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                request_id = %arrival.request_id,
                method = %arrival.method,
                path = arrival.uri.path(),
                status,
                token = viewer.as_ref().map(|viewer| viewer.token_id.as_str()),
                microseconds,
                "request"
            )
        };
    }
    // Successful reads are too frequent to log at info level.
    if arrival.method.is_safe() && status < 400 {
        log!(debug);
    } else {
        log!(info);
    }
    response
}

impl Arrival {
    fn of(request: &Request, facts: &Facts, now: Instant, request_id: RequestId) -> Self {
        let pattern = request.extensions().get::<MatchedPath>();
        let text = pattern.map(MatchedPath::as_str);
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            endpoint: facts.endpoint(request.method(), text, request.uri().path()),
            pattern: pattern.cloned(),
            request_id,
            now,
        }
    }

    fn pattern(&self) -> Option<&str> {
        self.pattern.as_ref().map(MatchedPath::as_str)
    }

    /// Whether credentials are examined: on the billing and metering routes, and where a token's
    /// standing is shown. Probes cost no lookup.
    fn authenticates(&self) -> bool {
        self.endpoint.guard != Guard::Open
    }

    /// Whether the request is counted.
    const fn is_counted(&self) -> bool {
        self.endpoint.guard.family().is_some()
    }
}

/// Refuses a request before its body is read.
fn check_head(request: &Request, limits: &Limits) -> Result<(), ApiError> {
    if let Some(overload) = request.extensions().get::<Overload>() {
        return Err((*overload).into());
    }
    check_host(request)?;
    check_size(request, limits)
}

/// Refuses requests that two servers may attribute to different hosts (RFC 9112, section 3.2).
fn check_host(request: &Request) -> Result<(), ApiError> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    match hosts {
        1 => Ok(()),
        0 if request.version() < Version::HTTP_11 => Ok(()),
        0 => Err(ApiError::bad_request("The Host header is missing.")),
        _ => Err(ApiError::bad_request("There is more than one Host header.")),
    }
}

/// Refuses URLs and headers that exceed a limit.
fn check_size(request: &Request, limits: &Limits) -> Result<(), ApiError> {
    let (uri, most) = (request.uri(), limits.url_bytes);
    let url = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if url as u64 > most {
        let flag = Limits::URL_BYTES;
        let message = format!("The path and query have more than {most} bytes ({flag}).");
        return Err(ApiError::new(StatusCode::URI_TOO_LONG, message));
    }
    let headers = request.headers().iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let most = limits.header_bytes;
    if headers as u64 > most {
        let flag = Limits::HEADER_BYTES;
        let message = format!("The headers have more than {most} bytes ({flag}).");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(ApiError::new(status, message));
    }
    Ok(())
}

/// Bodies of at most this size are read before anything is answered.
pub(super) const SHORT_BODY_BYTES: usize = 16 * 1024;

/// Reads a short body completely. If a request is refused unread, the client may see a broken
/// connection instead of the reason.
async fn with_short_body(request: Request) -> Result<Request, ApiError> {
    let exact = request.body().size_hint().exact();
    if exact.is_none_or(|bytes| bytes == 0 || bytes > SHORT_BODY_BYTES as u64) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, SHORT_BODY_BYTES).await;
    let bytes = bytes.map_err(pace::broken_body)?;
    Ok(Request::from_parts(parts, bytes.into()))
}

/// Why a request is not authenticated.
struct Unknown {
    why: Unauthenticated,
    /// The id of a token that is known, but is expired or revoked.
    token: Option<String>,
}

impl From<Unauthenticated> for Unknown {
    fn from(why: Unauthenticated) -> Self {
        Self { why, token: None }
    }
}

impl Frame {
    /// The answer, and who asked.
    async fn answer(
        &self,
        arrival: &Arrival,
        request: Request,
        next: Next,
    ) -> (Response, Option<Arc<Viewer>>) {
        if arrival.method == Method::OPTIONS {
            let mut response = StatusCode::NO_CONTENT.into_response();
            headers::write_preflight(response.headers_mut());
            return (response, None);
        }
        let request = match check_head(&request, &self.limits) {
            Ok(()) => with_short_body(pace::paced(request, self.limits.body)).await,
            Err(error) => Err(error),
        };
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return (error.into_response(), None),
        };
        let version = match select_version(request.headers()) {
            Ok(version) => version,
            Err(error) => return (error.into_response(), None),
        };
        let address = client_address(&request, &self.trusted_proxies);
        let viewer = match self.authenticate(arrival, request.headers()) {
            Ok(viewer) => Ok(viewer),
            Err(unknown) => Err(self.refuse(unknown, address, arrival.now).await),
        };
        let context = RequestContext {
            now: arrival.now,
            version,
            viewer: viewer.as_ref().ok().cloned().flatten(),
            address,
        };
        let standing = self.count(arrival, &context);
        let allowed = standing.as_ref().is_none_or(|standing| standing.allowed);
        let mut response = match viewer {
            _ if !allowed => rate_limited(&context).into_response(),
            Err(error) => error.into_response(),
            Ok(_) => {
                request.extensions_mut().insert(context.clone());
                run(next, request).await
            }
        };
        if response.headers().contains_key(header::CONTENT_ENCODING) {
            conditional::weaken(response.headers_mut());
        }
        headers::make_room(response.headers_mut());
        headers::write_context(response.headers_mut(), arrival.endpoint, &context);
        if let Some(standing) = self.settle(standing, &response, &context) {
            headers::write_standing(response.headers_mut(), &standing);
        }
        (response, context.viewer)
    }

    /// Who is asking. On routes that require authentication, its absence is an error.
    fn authenticate(
        &self,
        arrival: &Arrival,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Viewer>>, Unknown> {
        if !arrival.authenticates() {
            return Ok(None);
        }
        let header = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        if header.is_none() && arrival.endpoint.guard == Guard::Standing {
            return Ok(None);
        }
        let credential = Credential::read(header)?;
        let admin = self
            .admin_token
            .as_ref()
            .and_then(|admin| admin.viewer(&credential));
        if admin.is_some() {
            return Ok(admin);
        }
        let token = self
            .tokens
            .token(&credential.hash())
            .ok_or(Unauthenticated::Bad)?;
        let viewer = Viewer::of(&token, arrival.now).map_err(|why| Unknown {
            why,
            token: Some(token.id),
        })?;
        Ok(Some(Arc::new(viewer)))
    }

    /// Counts a wrong credential, and refuses it after a delay.
    async fn refuse(&self, unknown: Unknown, address: Option<IpAddr>, now: Instant) -> ApiError {
        if unknown.why == Unauthenticated::Bad {
            let repeats = &self.repeats;
            repeats.refuse(Refused::Token, address, unknown.token, now);
            if let Some(address) = address {
                self.wrong_tokens.slow_down(address).await;
            }
        }
        unknown.why.into()
    }

    fn count(&self, arrival: &Arrival, context: &RequestContext) -> Option<LimitStanding> {
        let limiter = self
            .rate_limiter
            .as_ref()
            .filter(|_| arrival.is_counted())?;
        Some(limiter.take(key(context), context.now))
    }

    /// Uncounts a conditional request that was answered without a body.
    fn settle(
        &self,
        standing: Option<LimitStanding>,
        response: &Response,
        context: &RequestContext,
    ) -> Option<LimitStanding> {
        let limiter = self.rate_limiter.as_ref()?;
        if response.status() == StatusCode::NOT_MODIFIED && context.viewer.is_some() {
            return Some(limiter.give_back(key(context), context.now));
        }
        standing
    }
}

/// The key that a request is counted for.
pub(super) fn key(context: &RequestContext) -> Key {
    match &context.viewer {
        Some(viewer) => Key::Token(viewer.token_id.clone()),
        None => Key::Address(context.address),
    }
}

fn rate_limited(context: &RequestContext) -> ApiError {
    let whom = match (&context.viewer, context.address) {
        (Some(viewer), _) => format!("token {}", viewer.token_id),
        (None, Some(address)) => address.to_string(),
        (None, None) => "requests without a token".to_owned(),
    };
    let message = format!("API rate limit exceeded for {whom}.");
    ApiError::new(StatusCode::FORBIDDEN, message)
        .documented_at("https://docs.github.com/rest/overview/rate-limits-for-the-rest-api")
}

/// Runs the handler; a panic in it becomes an internal error rather than a broken connection.
async fn run(next: Next, request: Request) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "without a message".to_owned());
        ApiError::internal(format!("a handler panicked: {text}")).into_response()
    })
}

/// Adds the route's documentation to an error, and logs the cause, which the client does not see.
/// Errors from the HTTP library get GitHub's shape, too.
fn finish_error(response: &mut Response, arrival: &Arrival) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return;
    }
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None if response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(is_json) =>
        {
            return;
        }
        None => ApiError::new(status, status.canonical_reason().unwrap_or("Error")),
    };
    if let Some(cause) = &error.cause {
        tracing::error!(
            request_id = %arrival.request_id,
            method = %arrival.method,
            path = arrival.uri.path(),
            status = status.as_u16(),
            cause = %Causes(cause.as_ref()),
            "request failed"
        );
    }
    *response.body_mut() = error.body(arrival.endpoint.documentation_url).into();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(super::JSON));
    // An error may be gone in a moment, so it must not be cached.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

fn is_json(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().starts_with(b"application/json")
}

/// An error and its chain of causes.
struct Causes<'a>(&'a (dyn std::error::Error + Send + Sync));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

fn select_version(headers: &HeaderMap) -> Result<ApiVersion, ApiError> {
    let header = headers.get("x-github-api-version");
    ApiVersion::select(header.map(HeaderValue::as_bytes))
}

#[cfg(test)]
mod tests;
