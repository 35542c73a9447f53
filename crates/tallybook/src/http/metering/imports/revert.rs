//! `DELETE .../imports/{id}`.

use super::{import, kind};
use crate::auth::{EndpointFamily, Grants};
use crate::http::account::NamedAccount;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{actor, to_the_end};
use crate::importing::answer;
use crate::wire::imports::ImportAnswer;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::sync::Arc;
use tallybook_core::account::AccountName;

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
    responses(
        (status = 200, description = "The import, now reverted", body = ImportAnswer),
        (status = 403, description = "It counts in the account of an earlier payer, and the token \
            is not for that"),
    )
)]
pub async fn revert(
    State(app): State<Arc<App>>,
    Path((plural, name, id)): Path<(String, String, String)>,
    context: RequestContext,
) -> Result<Json<ImportAnswer>, ApiError> {
    let kind = kind(&plural)?;
    let account = NamedAccount::find(&app, kind, &name)?;
    account.authorize(&app, EndpointFamily::WriteImports(kind), &context)?;
    let (found, snapshot) = account.snapshot(&app).await?;
    let (view, import) = import(&snapshot, &id)?;
    let (payer, id) = (view.account.name.clone(), import.record.id);
    if payer != found.payer && !names(&context, &payer)? {
        let message = format!(
            "Import {id} counts in the account that paid for {name} before; reverting it needs a \
             token for that account."
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    let (engine, actor, now) = (Arc::clone(&app.engine), actor(&context)?, context.now);
    let reverting = async move { engine.revert_import(&payer, id, &actor, now).await };
    let outcome = to_the_end(reverting).await??;
    Ok(Json(answer::import(
        &outcome.account,
        &outcome.import,
        &outcome.overlaps,
    )))
}

/// Whether a token that may revert imports also covers this account.
fn names(context: &RequestContext, account: &AccountName) -> Result<bool, ApiError> {
    Ok(match &context.viewer()?.grants {
        Grants::Importer { accounts } => accounts.contains(account),
        // A site administrator's token.
        _ => true,
    })
}
