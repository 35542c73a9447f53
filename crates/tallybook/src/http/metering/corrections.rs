//! `GET /metering/v1/{enterprises|organizations|users}/{name}/corrections`.
//!
//! Invariant: an organization that another account pays for sees only the amends that name it.

use super::imports::kind;
use crate::auth::EndpointFamily;
use crate::engine::View;
use crate::engine::snapshot::{Snapshot, SnapshotPart};
use crate::http::account::NamedAccount;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, FieldError};
use crate::http::paging::{self, Page};
use crate::http::params::Params;
use crate::wire::corrections::{CorrectionAnswer, CorrectionList, state};
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use std::sync::Arc;
use tallybook_core::account::AccountKind;
use tallybook_core::ledger::metered::corrections::OpenCorrection;
use tallybook_core::name::Name;

/// Lists an account's corrections that do not act: those whose usage event has not come, and amends
/// that had no price when it came.
#[utoipa::path(
    get,
    path = "/metering/v1/{kind}/{name}/corrections",
    tag = "events",
    params(
        ("kind" = String, Path, description = "`enterprises`, `organizations` or `users`"),
        ("name" = String, Path, description = "The slug or login"),
        ("state" = Option<String>, Query, description = "`pending` or `failed`; both without it"),
        ("page" = Option<u32>, Query, description = "From 1"),
        ("per_page" = Option<u32>, Query, description = "1 to 100, by default 30"),
    ),
    responses((status = 200, description = "The corrections", body = CorrectionList))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Path((plural, name)): Path<(String, String)>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, ApiError> {
    let kind = kind(&plural)?;
    let account = NamedAccount::find(&app, kind, &name)?;
    account.authorize(&app, family(kind), &context)?;
    let params = Params::read(&uri)?;
    let wanted = wanted_state(&params)?;
    let page = Page::read(&params)?.unwrap_or(Page::FIRST);
    let (_, snapshot) = account.snapshot(&app).await?;
    let mut open = open_corrections(&snapshot);
    open.retain(|(_, open)| wanted.is_none_or(|wanted| wanted == state(open)));
    let shown = open[page.range(open.len())].iter();
    let corrections = shown.map(|(view, open)| CorrectionAnswer::new(open, &view.account));
    let list = CorrectionList {
        corrections: corrections.collect(),
    };
    paging::respond(&list, Some(page), open.len(), &app.public_url, &uri)
}

/// The corrections that a path shows, each with its account, in the order of their times and names.
fn open_corrections(snapshot: &Snapshot) -> Vec<(&View, &OpenCorrection)> {
    let mut found: Vec<(&View, &OpenCorrection)> = Vec::new();
    for SnapshotPart { view, only } in snapshot.parts() {
        let is_shown = |open: &OpenCorrection| {
            let usage = || open.amend?.usage(&view.account.dictionary);
            let names =
                |only: &Name| usage().is_some_and(|it| it.organization.as_ref() == Some(only));
            only.as_ref().is_none_or(names) && !acts_elsewhere(open, snapshot)
        };
        let open = view.account.metered.open_corrections();
        found.extend(
            open.filter(|open| is_shown(open))
                .map(|open| (&**view, open)),
        );
    }
    found.sort_by_key(|(_, open)| (open.time, &open.name));
    // A correction for an organization that moved waits in all of its payers' accounts.
    found.dedup_by_key(|(_, open)| &open.name);
    found
}

/// Whether a correction that waits here has found its usage event in another account.
fn acts_elsewhere(open: &OpenCorrection, snapshot: &Snapshot) -> bool {
    let waits = open.failed.is_none();
    waits
        && snapshot.parts().iter().any(|SnapshotPart { view, .. }| {
            let account = &view.account;
            let correction = account.metered.correction(open.target.key(account.log));
            correction.is_some_and(|correction| !correction.is_pending())
        })
}

/// A caller who may read an account's usage may read its corrections.
const fn family(kind: AccountKind) -> EndpointFamily {
    match kind {
        AccountKind::Enterprise => EndpointFamily::EnterpriseBilling,
        AccountKind::Organization => EndpointFamily::OrganizationBilling,
        AccountKind::User => EndpointFamily::UserBilling,
    }
}

fn wanted_state(params: &Params) -> Result<Option<&str>, ApiError> {
    let wanted = params.text("state")?;
    if wanted.is_none_or(|wanted| matches!(wanted, "pending" | "failed")) {
        return Ok(wanted);
    }
    let message = "state must be pending or failed".to_owned();
    let field = FieldError {
        resource: "Correction",
        field: "state".to_owned(),
        code: "invalid",
        message: Some(message.clone()),
    };
    Err(ApiError::validation(message, vec![field]))
}
