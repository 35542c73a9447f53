//! `GET /rate_limit`: the caller's rate-limit standing; this request is not counted.

use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::frame::key;
use crate::http::rate_limit::LimitStanding;
use crate::http::version::ApiVersion;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;

/// One resource's standing.
#[derive(Debug, Serialize)]
pub struct LimitedResource {
    limit: u32,
    used: u32,
    remaining: u32,
    reset: i64,
}

/// Every resource's standing.
#[derive(Debug, Serialize)]
pub struct Body {
    resources: Resources,
    /// Left out since 2026-03-10.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<LimitedResource>,
}

/// There is one resource only.
#[derive(Debug, Serialize)]
pub struct Resources {
    core: LimitedResource,
}

impl From<&LimitStanding> for LimitedResource {
    fn from(standing: &LimitStanding) -> Self {
        Self {
            limit: standing.limit,
            used: standing.used,
            remaining: standing.remaining(),
            reset: standing.reset,
        }
    }
}

/// 404 when nothing is limited, as on GitHub Enterprise Server.
pub async fn get(
    State(app): State<Arc<App>>,
    context: RequestContext,
) -> Result<Json<Body>, ApiError> {
    let Some(limiter) = &app.frame.rate_limiter else {
        let mut error = ApiError::not_found();
        error.message = "Rate limiting is not enabled.".to_owned();
        return Err(error);
    };
    let standing = limiter.look(key(&context), context.now);
    let rate = context.version < ApiVersion::V20260310;
    Ok(Json(Body {
        resources: Resources {
            core: LimitedResource::from(&standing),
        },
        rate: rate.then(|| LimitedResource::from(&standing)),
    }))
}
