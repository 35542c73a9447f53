//! `GET /metering/v1/catalog`.

use super::{json_tag, tag_header, tags, text_tag};
use crate::engine::catalogue::CatalogueVersion;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::authorize_site;
use crate::http::params::{BadParameter, Params};
use crate::wire::catalog::CatalogAnswer;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tallybook_core::ids::Seq;

/// The catalogue in force, or one of its earlier versions: as JSON the whole of it, as `text/plain`
/// the site's own text, which `PUT` takes back.
#[utoipa::path(
    get,
    path = "/metering/v1/catalog",
    operation_id = "get_catalog",
    tag = "catalog",
    params(("version" = Option<u64>, Query, description = "An earlier version")),
    responses(
        (
            status = 200,
            description = "The catalogue; the entity tag is its version",
            content((CatalogAnswer = "application/json"), (String = "text/plain")),
        ),
        (status = 304, description = "The client has it already"),
        (status = 404, description = "There never was such a version"),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    context: RequestContext,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    authorize_site(&context)?;
    let version = version(&Params::read(&uri)?)?;
    let found = find(&app, version).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let is_text = wants_text(&headers);
    let tag = if is_text {
        text_tag(found.version)
    } else {
        json_tag(found.version)
    };
    let tag_headers = [(header::ETAG, tag_header(&tag))];
    let held = tag.trim_matches('"');
    if tags(&headers, header::IF_NONE_MATCH).any(|it| it == "*" || it == held) {
        return Ok((StatusCode::NOT_MODIFIED, tag_headers).into_response());
    }
    if is_text {
        return Ok((tag_headers, found.own).into_response());
    }
    let answer = CatalogAnswer::new(found.version.0, &found.own, &found.catalog);
    Ok((tag_headers, Json(answer)).into_response())
}

fn version(params: &Params) -> Result<Option<Seq>, BadParameter> {
    let Some(text) = params.text("version")? else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    let number = number.ok_or_else(|| BadParameter::new("version", "it must be a number"))?;
    Ok(Some(Seq(number)))
}

async fn find(app: &App, version: Option<Seq>) -> Result<Option<CatalogueVersion>, ApiError> {
    if let Some(version) = version {
        return Ok(app.engine.catalogue_at(version).await?);
    }
    let site = app.engine.site();
    Ok(Some(CatalogueVersion {
        version: site.catalogue.version(),
        own: site.catalogue.own().to_owned(),
        catalog: Arc::clone(&site.catalog),
    }))
}

/// Whether the first media type that can be answered with is the text.
fn wants_text(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    let mut types = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
    let known = types.find(|it| {
        it.starts_with("text/") || it.starts_with("application/") || it.starts_with("*/")
    });
    known.is_some_and(|it| it.starts_with("text/"))
}
