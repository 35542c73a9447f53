//! The same stack with fixed bodies: what the server's requests a second are held against.

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use std::sync::Arc;

/// Bodies by their sizes.
type Bodies = Arc<Vec<Bytes>>;

/// Serves `/{index}`: a fixed JSON body of the index-th size.
pub(crate) async fn serve_fixed(listen: &str, sizes: &[usize]) -> Result<()> {
    let body = |size: &usize| Bytes::from([b"\"", "x".repeat(*size).as_bytes(), b"\""].concat());
    let bodies: Bodies = Arc::new(sizes.iter().map(body).collect());
    let app = Router::new()
        .route("/{index}", get(fixed))
        .with_state(bodies);
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .context("the address")?;
    println!("fixed bodies at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn fixed(State(bodies): State<Bodies>, Path(index): Path<usize>) -> impl IntoResponse {
    let body = bodies.get(index).cloned().unwrap_or_default();
    (
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        body,
    )
}
