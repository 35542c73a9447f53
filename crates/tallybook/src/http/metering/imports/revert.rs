//! `DELETE .../imports/{id}`.

use super::{import, kind};
use crate::auth::EndpointFamily;
use crate::http::account::Account;
use crate::http::app::App;
use crate::http::context::Context;
use crate::http::error::ApiError;
use crate::http::metering::{actor, to_the_end};
use crate::importing::answer;
use crate::wire::imports::ImportAnswer;
use axum::Json;
use axum::extract::{Path, State};
use std::sync::Arc;

/// Reverts an import: what it had hidden counts again. One that is reverted already is 404.
#[utoipa::path(
    delete,
    path = "/metering/v1/{kind}/{name}/imports/{id}",
    tag = "imports",
    params(
        ("kind" = String, Path, description = "`enterprises`, `organizations` or `users`"),
        ("name" = String, Path, description = "The slug or login"),
        ("id" = String, Path, description = "The import's id"),
    ),
    responses((status = 200, description = "The import, now reverted", body = ImportAnswer))
)]
pub async fn revert(
    State(app): State<Arc<App>>,
    Path((plural, name, id)): Path<(String, String, String)>,
    context: Context,
) -> Result<Json<ImportAnswer>, ApiError> {
    let kind = kind(&plural)?;
    let account = Account::find(&app, kind, &name)?;
    account.authorize(&app, EndpointFamily::WriteImports(kind), &context)?;
    let view = account.view(&app).await?;
    let id = import(&account, &view, &id)?.record.id;
    let (engine, actor) = (Arc::clone(&app.engine), actor(&context)?);
    let (payer, now) = (account.found.payer, context.now);
    let reverting = async move { engine.revert_import(&payer, id, &actor, now).await };
    let outcome = to_the_end(reverting).await??;
    Ok(Json(answer::import(
        &outcome.account,
        &outcome.import,
        &outcome.overlaps,
    )))
}
