//! `GET /enterprises/{enterprise}/settings/billing/reports`.

use super::{json, shown};
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::paging::Page;
use crate::http::params::Params;
use crate::wire::reports::UsageReportExports;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use std::sync::Arc;

/// Every report, newest first, on the first page.
pub async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    context: RequestContext,
    uri: Uri,
) -> Result<Response, ApiError> {
    let account = NamedAccount::find(&app, Enterprise::KIND, &name)?;
    account.authorize(&app, Enterprise::FAMILY, &context)?;
    let is_past_the_end = Page::is_past_the_only(&Params::read(&uri)?)?;
    let ours = app
        .reports()?
        .list(|job| job.account == account.found.payer && !is_past_the_end);
    let mut usage_report_exports = Vec::with_capacity(ours.len());
    for job in &ours {
        usage_report_exports.push(shown(&app, job, &context).await?);
    }
    let body = UsageReportExports {
        usage_report_exports,
    };
    json(StatusCode::OK, &body)
}
