//! `POST /metering/v1/tokens`.

use super::shown;
use crate::auth::{Secret, TokenTerms, secret};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, FieldError};
use crate::http::metering::{actor, authorize_site, small_body, to_the_end};
use crate::wire::tokens::{NewToken, NewTokenError, Token};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use tallybook_store::TokenRow;

/// Makes a token. Its secret is in this answer only.
#[utoipa::path(
    post,
    path = "/metering/v1/tokens",
    tag = "tokens",
    request_body = NewToken,
    responses(
        (status = 201, description = "The token and its secret", body = Token),
        (status = 422, description = "Unknown scopes, permissions or dialect"),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    context: RequestContext,
    body: Body,
) -> Result<(StatusCode, Json<Token>), ApiError> {
    authorize_site(&context)?;
    let body = small_body(&app, body).await?;
    let asked: NewToken = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_request(format!("Problems parsing JSON: {error}")))?;
    let terms = TokenTerms {
        grants: asked.grants()?,
        dialect: asked.dialect()?,
    };
    let expires_at = asked.expiry(context.now)?;
    let secret = Secret::generate().map_err(ApiError::internal)?;
    let row = TokenRow {
        id: secret::generate_id().map_err(ApiError::internal)?,
        hash: secret.hash(),
        grants: terms.encode().map_err(ApiError::internal)?,
        created_at: context.now,
        expires_at,
        revoked_at: None,
    };
    let mut token = shown(&row)?;
    let (engine, actor) = (Arc::clone(&app.engine), actor(&context)?);
    to_the_end(async move { engine.add_token(row, &actor).await }).await??;
    token.token = Some(secret.expose().to_owned());
    Ok((StatusCode::CREATED, Json(token)))
}

impl From<NewTokenError> for ApiError {
    fn from(error: NewTokenError) -> Self {
        let field = FieldError {
            resource: "Token",
            field: error.field.to_owned(),
            code: "invalid",
            message: Some(error.reason),
        };
        Self::validation("Validation Failed", vec![field])
    }
}
