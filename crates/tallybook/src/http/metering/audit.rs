//! `GET /metering/v1/audit`.
//!
//! Invariant: for site administrators only, because lines reveal everyone's tokens and addresses.
//! Pages are delimited by line numbers, so that none is missed or seen twice while others are
//! recorded.

use super::site::apply::account;
use crate::engine::audit::Action;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::authorize_site;
use crate::http::paging::{self, Page};
use crate::http::params::{BadParameter, Params};
use crate::wire::audit::{AuditLine, AuditList};
use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use tallybook_core::time::Instant;
use tallybook_store::{AuditFilter, NumberedAudit};

/// Lists what was done, by whom, from where, and what it changed; the newest first. Where there is
/// more, the `Link` header leads to it.
#[utoipa::path(
    get,
    path = "/metering/v1/audit",
    tag = "site",
    params(
        ("actor" = Option<String>, Query,
            description = "A token's id, a command, `server`, or a user's login"),
        ("action" = Option<String>, Query,
            description = "An action, or all those of a noun: `import.revert` or `import`"),
        ("account" = Option<String>, Query, description = "Such as `enterprise/SLUG`"),
        ("since" = Option<String>, Query, description = "From this day or instant (UTC) on"),
        ("until" = Option<String>, Query, description = "Before this day or instant (UTC)"),
        ("before" = Option<u64>, Query,
            description = "Recorded before the line of this number: the page that follows it"),
        ("per_page" = Option<u32>, Query, description = "1 to 100, by default 30"),
    ),
    responses(
        (status = 200, description = "Lines of the audit log", body = AuditList),
        (status = 400, description = "A filter that cannot be used"),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, ApiError> {
    authorize_site(&context)?;
    let params = Params::read(&uri)?;
    let filter = filter(&params)?;
    let size = Page::read(&params)?.unwrap_or(Page::FIRST).size;
    // One extra, to know whether there is more.
    let mut lines = app.engine.audit(filter, size + 1).await?;
    let has_more = lines.len() > size;
    lines.truncate(size);
    let last = lines.last().filter(|_| has_more).map(|line| line.number);
    let audit = lines.into_iter().map(answer).collect();
    let mut response = Json(AuditList { audit }).into_response();
    if let Some(last) = last {
        let path = paging::with_parameters(&uri, &[("before", &last.to_string())]);
        let link = format!("<{}{path}>; rel=\"next\"", app.public_url);
        let link = HeaderValue::from_str(&link).map_err(ApiError::internal)?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn filter(params: &Params) -> Result<AuditFilter, BadParameter> {
    if params.text("page")?.is_some() {
        let reason = "the log goes on with 'before', as the Link header says";
        return Err(BadParameter::new("page", reason));
    }
    let action = params.text("action")?;
    if action.is_some_and(|action| !Action::is_known(action)) {
        let reason = format!("it must be one of {}, or its noun", Action::list());
        return Err(BadParameter::new("action", reason));
    }
    let (since, until) = (instant(params, "since")?, instant(params, "until")?);
    if since
        .zip(until)
        .is_some_and(|(since, until)| since >= until)
    {
        return Err(BadParameter::new("until", "it must be after 'since'"));
    }
    let account = account(params)?;
    Ok(AuditFilter {
        who: params.text("actor")?.map(str::to_owned),
        action: action.map(str::to_owned),
        account: account.map(|it| format!("{}/{}", it.kind, it.name)),
        since,
        until,
        before: number(params, "before")?,
    })
}

/// A stored line, as it is answered.
#[must_use]
pub fn answer(line: NumberedAudit) -> AuditLine {
    let NumberedAudit { number, row } = line;
    AuditLine {
        number,
        at: row.at.to_string(),
        actor: row.actor,
        user: row.user,
        address: row.address,
        action: row.action,
        account: row.account,
        // One damaged line must not hide the others: it is shown unchanged.
        detail: serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail)),
    }
}

fn instant(params: &Params, name: &'static str) -> Result<Option<Instant>, BadParameter> {
    let Some(text) = params.text(name)? else {
        return Ok(None);
    };
    let form = "it must be like 2026-10-02 or 2026-10-02T13:00:00Z";
    let instant = Instant::parse(text);
    instant.map(Some).map_err(|_| BadParameter::new(name, form))
}

fn number(params: &Params, name: &'static str) -> Result<Option<u64>, BadParameter> {
    let Some(text) = params.text(name)? else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    let form = "it must be the number of a line";
    number.map(Some).ok_or(BadParameter::new(name, form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_store::AuditRow;

    #[test]
    fn a_damaged_detail_is_shown_as_it_stands() {
        let line = |detail: &str| NumberedAudit {
            number: 1,
            row: AuditRow {
                at: Instant::parse("2026-11-21").unwrap(),
                actor: "server".to_owned(),
                user: None,
                address: None,
                action: "apply".to_owned(),
                account: None,
                detail: detail.to_owned(),
            },
        };
        assert_eq!(answer(line("{\"a\":1}")).detail["a"], 1);
        assert_eq!(answer(line("{\"a\":")).detail, "{\"a\":");
    }
}
