//! `POST /enterprises/{enterprise}/settings/billing/reports`.

use super::question::Question;
use super::{json, shown};
use crate::http::account::{Account, Enterprise, PathKind};
use crate::http::app::App;
use crate::http::context::Context;
use crate::http::error::ApiError;
use crate::http::metering::{small_body, to_the_end};
use crate::jobs::state::{Job, Status};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use tallybook_core::ids::LogId;

/// Takes a report: the same request twice makes two.
pub async fn create(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    context: Context,
    body: Body,
) -> Result<Response, ApiError> {
    let account = Account::find(&app, Enterprise::KIND, &name)?;
    account.authorize(&app, Enterprise::FAMILY, &context)?;
    let body = small_body(&app, body).await?;
    let question = Question::read(&body, context.now.day())?;
    let reports = Arc::clone(app.reports()?);
    let viewer = context.viewer()?;
    let actor = viewer.grants.user().unwrap_or(&viewer.token_id).to_owned();
    let job = Job {
        id: app.engine.uuid()?,
        log: account.found.log.unwrap_or(LogId(u64::MAX)),
        account: account.found.payer,
        kind: question.kind,
        days: question.days,
        created_at: context.now,
        actor,
        status: Status::Processing,
        attempts: 0,
        reason: None,
        as_of: None,
        parts: Vec::new(),
    };
    let body = shown(&app, &job, context.now).await?;
    to_the_end(async move { reports.add(job).await }).await??;
    json(StatusCode::ACCEPTED, &body)
}
