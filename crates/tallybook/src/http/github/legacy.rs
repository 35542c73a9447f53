//! The endpoints that GitHub retired: 410 to everybody, in GitHub's words.

use crate::http::error::ApiError;
use axum::http::StatusCode;

/// `actions`, `packages` and `shared-storage`, of whatever account.
pub async fn gone() -> ApiError {
    ApiError::new(StatusCode::GONE, "This endpoint has been moved.")
        .documented_at("https://gh.io/billing-api-updates-org")
}
