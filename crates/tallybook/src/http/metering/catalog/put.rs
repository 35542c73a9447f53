//! `PUT /metering/v1/catalog`.

use super::{tag_header, tags, text_tag};
use crate::engine::apply::ApplyOptions;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::site::apply::{answer, options};
use crate::http::metering::{actor, authorize_site, small_body, to_the_end};
use crate::http::params::Params;
use crate::wire::site::Changes;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tallybook_core::declaration::Declaration;
use tallybook_core::ids::Seq;

/// Puts the site's own text in the place of the one in force; an empty one takes it away.
#[utoipa::path(
    put,
    path = "/metering/v1/catalog",
    operation_id = "put_catalog",
    tag = "catalog",
    params(
        (
            "If-Match" = Option<String>,
            Header,
            description = "The version that was edited, as the entity tag of GET"
        ),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change"),
        (
            "month" = Option<String>,
            Query,
            description = "With dry_run: also say what this month (2026-06) costs and would cost"
        ),
        (
            "account" = Option<String>,
            Query,
            description = "With month: of this account alone, such as enterprise/SLUG"
        ),
    ),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, description = "The changes and the new version", body = Changes),
        (status = 409, description = "Usage could not be priced any more"),
        (status = 412, description = "The catalogue is at another version"),
        (status = 415, description = "The body is not text/plain"),
        (status = 422, description = "What is wrong with the text, with line and column"),
    )
)]
pub async fn put(
    State(app): State<Arc<App>>,
    context: RequestContext,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    authorize_site(&context)?;
    check_type(&headers)?;
    let current = app.engine.site().catalogue.version();
    let options = ApplyOptions {
        if_version: expected(&headers, current)?,
        ..options(&Params::read(&uri)?)?
    };
    let body = small_body(&app, body).await?;
    let text = String::from_utf8(body.into()).map_err(|_| {
        let message = "The catalogue is not a text in UTF-8.";
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    })?;
    let declarations = [Declaration::Catalogue(text)];
    let (engine, actor, now) = (Arc::clone(&app.engine), actor(&context)?, context.now);
    let asked = options.clone();
    let putting = async move {
        engine
            .apply_with(now, &actor, &declarations, &options)
            .await
    };
    let applied = to_the_end(putting).await??;
    let tag = [(header::ETAG, tag_header(&text_tag(applied.version)))];
    Ok((tag, Json(answer(&asked, applied))).into_response())
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let is_text = value.to_str().is_ok_and(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("text/plain")
    });
    if is_text {
        Ok(())
    } else {
        let message = "The body must be text/plain: the site's own catalogue.";
        Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
    }
}

/// The version that the text is based on, if the client states one. The engine compares it again
/// during the writer's turn.
fn expected(headers: &HeaderMap, current: Seq) -> Result<Option<Seq>, ApiError> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(None);
    }
    let matches = tags(headers, header::IF_MATCH).any(|tag| {
        // Both forms of the catalogue share a version.
        let version = tag.split('.').next().unwrap_or_default();
        tag == "*" || version.parse() == Ok(current.0)
    });
    if matches {
        return Ok(Some(current));
    }
    let message = format!("The catalogue is at version {}.", current.0);
    Err(ApiError::new(StatusCode::PRECONDITION_FAILED, message))
}
