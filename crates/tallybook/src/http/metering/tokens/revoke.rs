//! `DELETE /metering/v1/tokens/{id}`.

use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{actor, authorize_site, to_the_end};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::sync::Arc;

/// Revokes a token, from now on. One that is revoked already is 404.
#[utoipa::path(
    delete,
    path = "/metering/v1/tokens/{id}",
    tag = "tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "Revoked"))
)]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    context: RequestContext,
) -> Result<StatusCode, ApiError> {
    authorize_site(&context)?;
    let (engine, actor, now) = (Arc::clone(&app.engine), actor(&context)?, context.now);
    let revoking = async move { engine.revoke_token(&id, now, &actor).await };
    if to_the_end(revoking).await?? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found())
    }
}
