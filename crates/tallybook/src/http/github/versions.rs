//! `GET /versions`: the dates of the API's versions.

use crate::http::version::ApiVersion;
use axum::Json;

/// Every supported version, oldest first.
pub async fn list() -> Json<[&'static str; 2]> {
    Json(ApiVersion::ALL.map(ApiVersion::as_str))
}
