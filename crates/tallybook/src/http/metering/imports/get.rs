//! `GET .../imports/{id}`.

use super::{import, kind};
use crate::auth::EndpointFamily;
use crate::http::account::NamedAccount;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::importing::answer;
use crate::wire::imports::ImportAnswer;
use axum::Json;
use axum::extract::{Path, State};
use std::sync::Arc;

/// Shows one import.
#[utoipa::path(
    get,
    path = "/metering/v1/{kind}/{name}/imports/{id}",
    tag = "imports",
    params(
        ("kind" = String, Path, description = "`enterprises`, `organizations` or `users`"),
        ("name" = String, Path, description = "The slug or login"),
        ("id" = String, Path, description = "The import's id"),
    ),
    responses((status = 200, description = "The import", body = ImportAnswer))
)]
pub async fn get(
    State(app): State<Arc<App>>,
    Path((plural, name, id)): Path<(String, String, String)>,
    context: RequestContext,
) -> Result<Json<ImportAnswer>, ApiError> {
    let kind = kind(&plural)?;
    let account = NamedAccount::find(&app, kind, &name)?;
    account.authorize(&app, EndpointFamily::Imports(kind), &context)?;
    let (_, snapshot) = account.snapshot(&app).await?;
    let (view, found) = import(&snapshot, &id)?;
    let overlaps = app.engine.overlaps(view, found).await?;
    let answer = answer::import(&view.account.name, found, &overlaps);
    Ok(Json(answer))
}
