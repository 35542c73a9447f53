//! `GET /enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id}`.

use super::cost_center;
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::github::question::{Subject, cost_centers};
use crate::http::paging::Page;
use crate::http::params::Params;
use crate::http::read::Read;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use std::sync::Arc;

/// One center; `page` and `per_page` page its resources.
pub async fn get(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    context: RequestContext,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let account = NamedAccount::find(&app, Enterprise::KIND, &name)?;
    account.authorize(&app, Enterprise::FAMILY, &context)?;
    let page = Page::read(&Params::read(&uri)?)?;
    let view = account.view(&app).await?;
    let subject = Subject {
        kind: Enterprise::KIND,
        found: &account.found,
        site: &view.site,
        spellings: view.spellings().into(),
    };
    let found = cost_centers(subject).find(|center| center.id.eq_ignore_ascii_case(&id));
    let found = found.ok_or_else(ApiError::not_found)?;
    // Reports do not list resources, so there is never another page of them.
    let body = cost_center(found, page.map(|page| page.has_next(0)));
    Read::of(&app, &context, &headers, &view).json(&body)
}
