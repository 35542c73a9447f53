//! The handler of all twelve endpoints: find, authorize, make the query, load, render.

use super::render::{self, Shown};
use crate::http::account::{NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::conditional::{ETag, Identity};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::github::question::{Question, Subject, UsageEndpoint};
use crate::http::headers::{AS_OF, make_room};
use crate::http::params::Params;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use std::sync::Arc;

/// The endpoints, as types: a route states which one it is.
pub trait UsageRoute: Send + Sync + 'static {
    /// The endpoint.
    const ENDPOINT: UsageEndpoint;
}

/// `usage`.
#[derive(Debug)]
pub struct UsageItems;
/// `usage/summary`.
#[derive(Debug)]
pub struct UsageSummary;
/// `premium_request/usage`.
#[derive(Debug)]
pub struct PremiumRequests;
/// `ai_credit/usage`.
#[derive(Debug)]
pub struct AiCredits;

impl UsageRoute for UsageItems {
    const ENDPOINT: UsageEndpoint = UsageEndpoint::Usage;
}
impl UsageRoute for UsageSummary {
    const ENDPOINT: UsageEndpoint = UsageEndpoint::Summary;
}
impl UsageRoute for PremiumRequests {
    const ENDPOINT: UsageEndpoint = UsageEndpoint::PremiumRequest;
}
impl UsageRoute for AiCredits {
    const ENDPOINT: UsageEndpoint = UsageEndpoint::AiCredit;
}

/// Answers one of the twelve.
pub async fn read<K: PathKind, R: UsageRoute>(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    context: RequestContext,
    request: Request,
) -> Result<Response, ApiError> {
    let account = NamedAccount::find(&app, K::KIND, &name)?;
    account.authorize(&app, K::FAMILY, &context)?;
    let (found, snapshot) = account.snapshot(&app).await?;
    let subject = Subject {
        kind: K::KIND,
        found: &found,
        site: snapshot.site(),
        spellings: snapshot.spellings(),
    };
    let params = Params::read(request.uri())?;
    let question = Question::read(R::ENDPOINT, subject, &params, context.now, app.history)?;

    let dialect = context.dialect(&app);
    let etag = ETag::of(&Identity {
        as_of: snapshot.as_of_text(),
        state: snapshot.state(),
        question: (R::ENDPOINT, K::KIND, &found, &question),
        dialect,
        version: context.version,
    });
    let response = if etag.matches(request.headers()) {
        etag.not_modified()
    } else {
        let shown = Shown {
            kind: K::KIND,
            account: found.display,
            dialect,
        };
        let body = render::body(&app, R::ENDPOINT, &snapshot, question, shown).await?;
        json(body, &etag)
    };
    Ok(with_as_of(response, snapshot.as_of_text()))
}

fn json(body: Body, etag: &ETag) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    make_room(headers);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(crate::http::JSON),
    );
    headers.insert(header::ETAG, etag.header());
    response
}

/// Adds the header that states which commits an answer is computed from.
pub(in crate::http) fn with_as_of(mut response: Response, as_of: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(as_of) {
        response.headers_mut().insert(AS_OF, value);
    }
    response
}
