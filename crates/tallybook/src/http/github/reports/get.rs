//! `GET /enterprises/{enterprise}/settings/billing/reports/{report_id}`.

use super::{json, shown};
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::github::usage::read::with_as_of;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// One report; a header states what it is computed from, once known.
pub async fn get(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    context: RequestContext,
) -> Result<Response, ApiError> {
    let account = NamedAccount::find(&app, Enterprise::KIND, &name)?;
    account.authorize(&app, Enterprise::FAMILY, &context)?;
    let job = app.reports()?.find(&id.to_ascii_lowercase());
    // Reports of other accounts are hidden from the viewer.
    let ours = job.filter(|job| job.account == account.found.payer);
    let job = ours.ok_or_else(ApiError::not_found)?;
    let response = json(StatusCode::OK, &shown(&app, &job, &context).await?)?;
    Ok(match &job.as_of {
        Some(as_of) => with_as_of(response, as_of),
        None => response,
    })
}
