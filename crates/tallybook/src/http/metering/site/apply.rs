//! `POST /metering/v1/apply`.

use crate::billing_file;
use crate::engine::apply::ApplyError;
use crate::http::app::App;
use crate::http::context::Context;
use crate::http::error::ApiError;
use crate::http::metering::{actor, authorize_site, small_body, to_the_end};
use crate::http::params::Params;
use crate::wire::site::{ChangeAnswer, Changes};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use std::sync::Arc;

/// Applies a billing file (YAML or JSON), all of it or nothing, and says what that changes.
#[utoipa::path(
    post,
    path = "/metering/v1/apply",
    tag = "site",
    params(("dry_run" = Option<bool>, Query, description = "Only say what would change")),
    request_body(content = String, content_type = "application/yaml"),
    responses(
        (status = 200, description = "The changes", body = Changes),
        (status = 422, description = "A file that is not understood, or cannot be applied"),
    )
)]
pub async fn apply(
    State(app): State<Arc<App>>,
    context: Context,
    uri: Uri,
    body: Body,
) -> Result<Json<Changes>, ApiError> {
    authorize_site(&context)?;
    let dry_run = Params::read(&uri)?.flag("dry_run")?;
    let body = small_body(&app, body).await?;
    let refused = |reason: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, reason);
    let text = std::str::from_utf8(&body)
        .map_err(|_| refused("The billing file is not a text in UTF-8.".to_owned()))?;
    let declarations = billing_file::parse(text).map_err(|error| refused(error.to_string()))?;
    let (engine, actor, now) = (Arc::clone(&app.engine), actor(&context)?, context.now);
    let applying = async move { engine.apply(now, &actor, &declarations, dry_run).await };
    let changes = to_the_end(applying).await??;
    Ok(Json(Changes {
        dry_run,
        changes: changes.into_iter().map(ChangeAnswer::from).collect(),
    }))
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Declare(error) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            ApplyError::Engine(error) => error.into(),
        }
    }
}
