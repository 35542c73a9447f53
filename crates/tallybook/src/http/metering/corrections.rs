//! `GET /metering/v1/{enterprises|organizations|users}/{name}/corrections`.
//!
//! Invariant: an organization that another account pays for sees only the amends that name it.

use super::imports::kind;
use crate::auth::EndpointFamily;
use crate::http::account::Account;
use crate::http::app::App;
use crate::http::context::Context;
use crate::http::error::{ApiError, FieldError};
use crate::http::paging::{self, Page};
use crate::http::params::Params;
use crate::wire::corrections::{CorrectionAnswer, CorrectionList, state};
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use std::sync::Arc;
use tallybook_core::account::AccountKind;
use tallybook_core::ledger::metered::corrections::OpenCorrection;

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
    context: Context,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, ApiError> {
    let kind = kind(&plural)?;
    let account = Account::find(&app, kind, &name)?;
    account.authorize(&app, family(kind), &context)?;
    let params = Params::read(&uri)?;
    let wanted = wanted_state(&params)?;
    let page = Page::read(&params)?.unwrap_or(Page::FIRST);
    let view = account.view(&app).await?;
    let only = account.found.only.as_ref();
    let is_shown = |open: &OpenCorrection| {
        let usage = || open.amend?.usage(&view.account.dictionary);
        wanted.is_none_or(|wanted| wanted == state(open))
            && only
                .is_none_or(|only| usage().is_some_and(|it| it.organization.as_ref() == Some(only)))
    };
    let open = view.account.metered.open_corrections();
    let mut open: Vec<&OpenCorrection> = open.filter(|open| is_shown(open)).collect();
    open.sort_unstable_by_key(|open| (open.time, &open.name));
    let shown = open[page.range(open.len())].iter();
    let corrections = shown.map(|open| CorrectionAnswer::new(open, &view.account));
    let list = CorrectionList {
        corrections: corrections.collect(),
    };
    paging::respond(&list, Some(page), open.len(), &app.public_url, &uri)
}

/// Who may read what an account uses may read its corrections.
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
