//! Usage report exports of an enterprise: create, list, show and download them.
//!
//! Invariant: handlers only query and render; [`crate::jobs`] generates reports. Links are newly
//! signed for each answer.

pub mod create;
pub mod download;
pub mod get;
mod links;
pub mod list;
mod question;

use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::jobs::LINK_SECONDS;
use crate::jobs::state::{Job, Status};
use crate::wire::reports::UsageReportExport;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A job as clients see it.
async fn shown(
    app: &App,
    job: &Job,
    context: &RequestContext,
) -> Result<UsageReportExport, ApiError> {
    let download_urls = match job.status {
        Status::Completed => {
            let holder = links::holder(app, context.viewer()?);
            let links = app
                .reports()?
                .links(job, &holder, context.now, LINK_SECONDS);
            Some(links.await?)
        }
        Status::Processing | Status::Failed => None,
    };
    Ok(UsageReportExport {
        id: job.id.clone(),
        report_type: job.kind.as_str(),
        start_date: job.days.first.to_string(),
        end_date: job.days.last.to_string(),
        status: match job.status {
            Status::Processing => "processing",
            Status::Completed => "completed",
            Status::Failed => "failed",
        },
        download_urls,
        created_at: job.created_at.to_string(),
        actor: job.actor.clone(),
    })
}

/// An answer that changes over time and must not be cached, because clients poll it.
fn json<T: Serialize>(status: StatusCode, body: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(body).map_err(ApiError::internal)?;
    let json = HeaderValue::from_static(crate::http::JSON);
    let no_cache = HeaderValue::from_static("no-cache");
    let headers = [
        (header::CONTENT_TYPE, json),
        (header::CACHE_CONTROL, no_cache),
    ];
    Ok((status, headers, body).into_response())
}
