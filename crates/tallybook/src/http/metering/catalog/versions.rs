//! `GET /metering/v1/catalog/versions`.

use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::authorize_site;
use crate::wire::catalog::{CatalogVersionAnswer, CatalogVersions};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

/// Every version of the catalogue, the newest first: when it came about, and by whom.
#[utoipa::path(
    get,
    path = "/metering/v1/catalog/versions",
    operation_id = "list_catalog_versions",
    tag = "catalog",
    responses((status = 200, description = "The versions", body = CatalogVersions))
)]
pub async fn versions(
    State(app): State<Arc<App>>,
    context: RequestContext,
) -> Result<Json<CatalogVersions>, ApiError> {
    authorize_site(&context)?;
    let site = app.engine.site();
    let versions = site.catalogue.versions().iter().rev();
    let versions = versions.map(CatalogVersionAnswer::from).collect();
    Ok(Json(CatalogVersions { versions }))
}
