//! What the frame has determined about a request, for handlers.
//!
//! Invariant: `now` is read once per request, so that everything in one answer agrees on the time.

use super::app::App;
use super::error::ApiError;
use super::version::ApiVersion;
use crate::auth::{Unauthenticated, Viewer};
use crate::wire::Dialect;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::net::IpAddr;
use std::sync::Arc;
use tallybook_core::time::Instant;

/// One request's circumstances; copies are cheap.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// When the request came.
    pub now: Instant,
    /// The version of the API that it selected.
    pub version: ApiVersion,
    /// Who is asking; `None` only on endpoints that are open to all.
    pub viewer: Option<Arc<Viewer>>,
    /// The client's address, even behind a trusted proxy, if known.
    pub address: Option<IpAddr>,
}

impl RequestContext {
    /// Who is asking; 401 if not authenticated.
    pub fn viewer(&self) -> Result<&Viewer, ApiError> {
        self.viewer
            .as_deref()
            .ok_or_else(|| Unauthenticated::Absent.into())
    }

    /// The dialect of the answer: the token's, else the server's.
    #[must_use]
    pub fn dialect(&self, app: &App) -> Dialect {
        let own = self.viewer.as_ref().and_then(|viewer| viewer.dialect);
        own.unwrap_or(app.dialect)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| ApiError::internal("the route is not inside the frame"))
    }
}
