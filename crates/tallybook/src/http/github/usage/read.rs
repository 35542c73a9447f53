//! The handler of all twelve endpoints: find, authorize, make the query, load, render.

use super::render::{Answer, Shape};
use crate::http::account::{Account, PathKind};
use crate::http::app::App;
use crate::http::conditional::{ETag, Identity};
use crate::http::context::Context;
use crate::http::error::ApiError;
use crate::http::github::question::{Endpoint, Question, Subject};
use crate::http::headers::AS_OF;
use crate::http::params::Params;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The endpoints, as types: a route says which it is.
pub trait Report: Send + Sync + 'static {
    /// Which.
    const ENDPOINT: Endpoint;
}

/// `usage`.
#[derive(Debug)]
pub struct Usage;
/// `usage/summary`.
#[derive(Debug)]
pub struct Summary;
/// `premium_request/usage`.
#[derive(Debug)]
pub struct PremiumRequests;
/// `ai_credit/usage`.
#[derive(Debug)]
pub struct AiCredits;

impl Report for Usage {
    const ENDPOINT: Endpoint = Endpoint::Usage;
}
impl Report for Summary {
    const ENDPOINT: Endpoint = Endpoint::Summary;
}
impl Report for PremiumRequests {
    const ENDPOINT: Endpoint = Endpoint::PremiumRequest;
}
impl Report for AiCredits {
    const ENDPOINT: Endpoint = Endpoint::AiCredit;
}

/// Answers one of the twelve.
pub async fn read<K: PathKind, R: Report>(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    context: Context,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let account = Account::find(&app, K::KIND, &name)?;
    account.authorize(&app, K::FAMILY, &context)?;
    let view = account.view(&app).await?;
    let subject = Subject {
        kind: K::KIND,
        found: &account.found,
        site: &view.site,
        spellings: view.spellings(),
    };
    let params = Params::read(&uri)?;
    let question = Question::read(R::ENDPOINT, subject, &params, context.now, app.history)?;

    let as_of = view.as_of().to_string();
    let found = &account.found;
    let etag = ETag::of(&Identity {
        as_of: &as_of,
        question: &format!("{:?} {} {found:?} {question:?}", R::ENDPOINT, K::KIND),
        dialect: app.dialect,
        version: context.version,
    });
    let response = if etag.matches(&headers) {
        etag.not_modified()
    } else {
        let begin = || {
            let shape = Shape::new(R::ENDPOINT, K::KIND, &account.found, &question, app.dialect);
            let (engine, view) = (Arc::clone(&app.engine), Arc::clone(&view));
            Answer::new(engine, view, question.query.clone(), shape)
        };
        let body = app.room.body(begin).await?;
        let json = (
            header::CONTENT_TYPE,
            HeaderValue::from_static(crate::http::JSON),
        );
        ([json, (header::ETAG, etag.header())], body).into_response()
    };
    Ok(with_as_of(response, &as_of))
}

/// Says which commits an answer is of.
pub(in crate::http) fn with_as_of(mut response: Response, as_of: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(as_of) {
        response.headers_mut().insert(AS_OF, value);
    }
    response
}
