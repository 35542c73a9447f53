//! `DELETE /metering/v1/enterprises/{name}/reports/{id}`.

use crate::auth::Viewer;
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{actor, to_the_end};
use crate::jobs::state::Job;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use std::sync::Arc;

/// Deletes a usage report and its files at once, also one that is still to be made. Who asked for
/// it may, and a site administrator.
#[utoipa::path(
    delete,
    path = "/metering/v1/enterprises/{name}/reports/{id}",
    tag = "reports",
    params(
        ("name" = String, Path, description = "The enterprise's slug"),
        ("id" = String, Path, description = "The report's id"),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "A report that somebody else asked for"),
        (status = 404, description = "No such report"),
    )
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    Path((plural, name, id)): Path<(String, String, String)>,
    context: RequestContext,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1]), ApiError> {
    if plural != "enterprises" {
        return Err(ApiError::not_found());
    }
    let account = NamedAccount::find(&app, Enterprise::KIND, &name)?;
    account.authorize(&app, Enterprise::FAMILY, &context)?;
    let reports = Arc::clone(app.reports()?);
    let job = reports.find(&id.to_ascii_lowercase());
    let ours = job.filter(|job| job.account == account.found.payer);
    let job = ours.ok_or_else(ApiError::not_found)?;
    let viewer = context.viewer()?;
    if !viewer.is_site_admin() && !asked_for(viewer, &job) {
        let message = "Only who asked for a usage report, and a site administrator, may delete it.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    let (actor, now) = (actor(&context)?, context.now);
    let deleting = async move { reports.delete(&job.id, &actor, now).await };
    match to_the_end(deleting).await?? {
        true => Ok((
            StatusCode::NO_CONTENT,
            [(header::CACHE_CONTROL, "no-store")],
        )),
        false => Err(ApiError::not_found()),
    }
}

/// Whether a report was requested by the same user, or, without one, by the same token.
fn asked_for(viewer: &Viewer, job: &Job) -> bool {
    let name = viewer.grants.user().unwrap_or(&viewer.token_id);
    job.actor.eq_ignore_ascii_case(name)
}
