//! The endpoints that GitHub retired: 410 for everyone, in GitHub's words.

use crate::http::error::ApiError;
use axum::http::StatusCode;

/// `actions`, `packages` and `shared-storage`, of any account.
pub async fn gone() -> ApiError {
    ApiError::new(StatusCode::GONE, "This endpoint has been moved.")
        .documented_at("https://gh.io/billing-api-updates-org")
}
