//! `GET /metering/v1/backup`.
//!
//! Invariant: the copy on this side is in a directory that only this user can read, and is gone
//! when the download ends, however it ends.

use crate::http::app::App;
use crate::http::context::Context;
use crate::http::error::ApiError;
use crate::http::metering::authorize_site;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::sync::Arc;
use tokio_util::io::ReaderStream;

/// Bytes read from the copy at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Downloads a consistent copy of everything, taken while the server goes on.
#[utoipa::path(
    get,
    path = "/metering/v1/backup",
    tag = "site",
    responses((
        status = 200,
        description = "A backup, for `tallybook restore`",
        body = String,
        content_type = "application/octet-stream",
    ))
)]
pub async fn backup(State(app): State<Arc<App>>, context: Context) -> Result<Response, ApiError> {
    authorize_site(&context)?;
    let directory = tempfile::tempdir().map_err(ApiError::internal)?;
    let path = directory.path().join("tallybook.backup");
    app.engine
        .store()
        .backup(&path)
        .await
        .map_err(ApiError::internal)?;
    let file = tokio::fs::File::open(&path)
        .await
        .map_err(ApiError::internal)?;
    let length = file.metadata().await.map_err(ApiError::internal)?.len();
    // The directory is deleted when the stream that holds it is dropped.
    let chunks = ReaderStream::with_capacity(file, CHUNK_BYTES).map(move |chunk| {
        let _held = &directory;
        chunk
    });
    let name = format!(
        "attachment; filename=\"tallybook-{}.backup\"",
        context.now.day()
    );
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}
