//! `POST /enterprises/{enterprise}/settings/billing/reports`.

use super::question::Question;
use super::{json, shown};
use crate::auth::Viewer;
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{self, small_body, to_the_end};
use crate::http::params::BadParameter;
use crate::jobs::state::{Job, Mail, Status};
use crate::mail::is_address;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use tallybook_core::ids::LogId;

/// `documentation_url` of its errors: by path alone it would be the list's page.
const DOCUMENTATION: &str = "https://docs.github.com/enterprise-cloud@latest/rest/billing/\
                             usage-reports#create-a-usage-report-export";

/// Accepts a report request; repeating it creates another report.
pub async fn create(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    context: RequestContext,
    body: Body,
) -> Result<Response, ApiError> {
    let accepted = accept(&app, &name, &context, body).await;
    accepted.map_err(|error| error.documented_at(DOCUMENTATION))
}

async fn accept(
    app: &Arc<App>,
    name: &str,
    context: &RequestContext,
    body: Body,
) -> Result<Response, ApiError> {
    let account = NamedAccount::find(app, Enterprise::KIND, name)?;
    account.authorize(app, Enterprise::FAMILY, context)?;
    let body = small_body(app, body).await?;
    let question = Question::read(&body, context.now.day())?;
    let reports = Arc::clone(app.reports()?);
    let viewer = context.viewer()?;
    let mail = match question.send_email {
        true => Some(wanted_mail(app, viewer)?),
        false => None,
    };
    let actor = viewer.grants.user().unwrap_or(&viewer.token_id).to_owned();
    let job = Job {
        id: app.engine.uuid()?,
        log: account.found.log.unwrap_or(LogId(u64::MAX)),
        account: account.found.payer,
        kind: question.kind,
        days: question.days,
        cells: question.cells,
        created_at: context.now,
        actor,
        status: Status::Processing,
        attempts: 0,
        reason: None,
        as_of: None,
        parts: Vec::new(),
        mail,
    };
    let body = shown(app, &job, context).await?;
    let by = metering::actor(context)?;
    to_the_end(async move { reports.add(job, &by).await }).await??;
    json(StatusCode::ACCEPTED, &body)
}

/// The mail for the requester; fails if it could not be sent.
fn wanted_mail(app: &App, viewer: &Viewer) -> Result<Mail, ApiError> {
    let bad = |reason: String| ApiError::from(BadParameter::new("send_email", reason));
    if !app.reports()?.has_mailer() {
        let reason = "no SMTP server is set, so that no mail can be sent";
        return Err(bad(reason.to_owned()));
    }
    let login = viewer.grants.user();
    let login = login.ok_or_else(|| bad("the token is no user's, so it has no address".into()))?;
    let site = app.engine.site();
    let user = site.directory.user(&login.into());
    let address = user.and_then(|user| user.email.clone());
    let to = address.ok_or_else(|| bad(format!("no mail address of {login} is known")))?;
    if !is_address(&to) {
        return Err(bad(format!(
            "no mail can be sent to the address of {login}"
        )));
    }
    Ok(Mail::Wanted { to, attempts: 0 })
}
