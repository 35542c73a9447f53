//! `GET /metering/v1/tokens`.

use super::shown;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::authorize_site;
use crate::http::paging::{self, Page};
use crate::http::params::Params;
use crate::wire::tokens::TokenList;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use std::sync::Arc;

/// Lists every token, without secrets, the oldest first.
#[utoipa::path(
    get,
    path = "/metering/v1/tokens",
    tag = "tokens",
    params(
        ("page" = Option<u32>, Query, description = "From 1; everything without it"),
        ("per_page" = Option<u32>, Query, description = "1 to 100, by default 30"),
    ),
    responses((status = 200, description = "The tokens", body = TokenList))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, ApiError> {
    authorize_site(&context)?;
    let page = Page::read(&Params::read(&uri)?)?;
    let rows = app.engine.tokens();
    let range = page.map_or(0..rows.len(), |page| page.range(rows.len()));
    let tokens = rows[range].iter().map(shown).collect::<Result<_, _>>()?;
    paging::respond(
        &TokenList { tokens },
        page,
        rows.len(),
        &app.public_url,
        &uri,
    )
}
