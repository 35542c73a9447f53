//! Our own API under `/metering/v1`: events, imports, tokens, the catalogue, and what the site's
//! administrators do.
//!
//! Invariant: the same conventions as GitHub's endpoints (errors, tokens, versions, paging), and
//! the OpenAPI document is generated from the handlers. Look next: [`openapi`] for an overview.

pub mod audit;
pub mod catalog;
pub mod corrections;
pub mod events;
pub mod imports;
pub mod openapi;
pub mod reports;
pub mod site;
pub mod tokens;

use super::app::App;
use super::context::RequestContext;
use super::error::ApiError;
use super::pace;
use crate::auth::{EndpointFamily, Standing, authorize};
use crate::engine::EngineError;
use crate::engine::commit::Actor;
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::LengthLimitError;
use std::future::Future;

/// Fails unless the caller is a site administrator.
fn authorize_site(context: &RequestContext) -> Result<(), ApiError> {
    let viewer = context.viewer()?;
    Ok(authorize(EndpointFamily::Site, viewer, Standing::None)?)
}

/// The actor for the audit log.
pub(super) fn actor(context: &RequestContext) -> Result<Actor, ApiError> {
    let viewer = context.viewer()?;
    Ok(Actor {
        name: format!("token {}", viewer.token_id),
        user: viewer.grants.user().map(str::to_owned),
        address: context.address.map(|address| address.to_string()),
        is_site_admin: viewer.is_site_admin(),
    })
}

/// Completes a change even if the client disconnects in the middle of it.
pub(super) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::spawn(change)
        .await
        .map_err(|error| EngineError::from(error).into())
}

/// Reads a small body completely; 413 when it is too large.
pub(super) async fn small_body(app: &App, body: Body) -> Result<Bytes, ApiError> {
    let limit = usize::try_from(app.limits.body_bytes).unwrap_or(usize::MAX);
    to_bytes(body, limit).await.map_err(|error| {
        if !pace::causes(&error).any(|cause| cause.is::<LengthLimitError>()) {
            return pace::broken_body(error);
        }
        let flag = crate::config::Limits::BODY_BYTES;
        let message = format!("The body has more than {limit} bytes ({flag}).");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })
}
