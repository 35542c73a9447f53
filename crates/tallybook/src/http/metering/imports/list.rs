//! `GET .../imports`.

use super::{imports, kind};
use crate::auth::EndpointFamily;
use crate::http::account::NamedAccount;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::paging::{self, Page};
use crate::http::params::Params;
use crate::importing::answer;
use crate::wire::imports::ImportList;
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use std::sync::Arc;

/// Lists an account's imports, live and reverted, the newest first.
#[utoipa::path(
    get,
    path = "/metering/v1/{kind}/{name}/imports",
    tag = "imports",
    params(
        ("kind" = String, Path, description = "`enterprises`, `organizations` or `users`"),
        ("name" = String, Path, description = "The slug or login"),
        ("page" = Option<u32>, Query, description = "From 1; everything without it"),
        ("per_page" = Option<u32>, Query, description = "1 to 100, by default 30"),
    ),
    responses((status = 200, description = "The imports", body = ImportList))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Path((plural, name)): Path<(String, String)>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, ApiError> {
    let kind = kind(&plural)?;
    let account = NamedAccount::find(&app, kind, &name)?;
    account.authorize(&app, EndpointFamily::Imports(kind), &context)?;
    let page = Page::read(&Params::read(&uri)?)?;
    let (_, snapshot) = account.snapshot(&app).await?;
    let found = imports(&snapshot);
    let range = page.map_or(0..found.len(), |page| page.range(found.len()));
    let mut list = ImportList {
        imports: Vec::new(),
    };
    for (view, import) in &found[range] {
        let overlaps = app.engine.overlaps(view, import).await?;
        let answer = answer::import(&view.account.name, import, &overlaps);
        list.imports.push(answer);
    }
    paging::respond(&list, page, found.len(), &app.public_url, &uri)
}
