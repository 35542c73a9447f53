//! `POST /metering/v1/apply`.

use crate::billing_file;
use crate::engine::apply::{Applied, ApplyError, ApplyOptions};
use crate::engine::what_if::WhatIf;
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{actor, authorize_site, small_body, to_the_end};
use crate::http::params::{BadParameter, Params};
use crate::wire::catalog::{AccountDifferenceAnswer, SkuDifferenceAnswer, WhatIfAnswer};
use crate::wire::site::{ChangeAnswer, Changes};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::time::Month;

/// Applies a billing file (YAML or JSON), all of it or nothing, and says what that changes.
#[utoipa::path(
    post,
    path = "/metering/v1/apply",
    tag = "site",
    params(
        ("dry_run" = Option<bool>, Query, description = "Only say what would change"),
        (
            "month" = Option<String>,
            Query,
            description = "With dry_run: also say what this month (2026-06) costs and would cost"
        ),
        (
            "account" = Option<String>,
            Query,
            description = "With month: of this account alone, such as enterprise/SLUG"
        ),
        (
            "move_payers" = Option<bool>,
            Query,
            description = "Let organizations with usage go to another payer from now on"
        ),
    ),
    request_body(content = String, content_type = "application/yaml"),
    responses(
        (status = 200, description = "The changes", body = Changes),
        (status = 409, description = "Usage stands against it"),
        (status = 422, description = "A file that is not understood, or cannot be applied"),
    )
)]
pub async fn apply(
    State(app): State<Arc<App>>,
    context: RequestContext,
    uri: Uri,
    body: Body,
) -> Result<Json<Changes>, ApiError> {
    authorize_site(&context)?;
    let params = Params::read(&uri)?;
    let options = ApplyOptions {
        move_payers: params.flag("move_payers")?,
        ..options(&params)?
    };
    let body = small_body(&app, body).await?;
    let refused = |reason: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, reason);
    let text = std::str::from_utf8(&body)
        .map_err(|_| refused("The billing file is not a text in UTF-8.".to_owned()))?;
    let declarations = billing_file::parse(text).map_err(|error| refused(error.to_string()))?;
    let (engine, actor, now) = (Arc::clone(&app.engine), actor(&context)?, context.now);
    let asked = options.clone();
    let applying = async move {
        engine
            .apply_with(now, &actor, &declarations, &options)
            .await
    };
    let applied = to_the_end(applying).await??;
    Ok(Json(answer(&asked, applied)))
}

/// The options of applying a billing file, and of replacing the catalogue.
pub(in crate::http::metering) fn options(params: &Params) -> Result<ApplyOptions, ApiError> {
    let dry_run = params.flag("dry_run")?;
    let month = match params.text("month")? {
        None => None,
        Some(text) => {
            let month = Month::parse(text);
            Some(month.map_err(|_| BadParameter::new("month", "it must be like 2026-06"))?)
        }
    };
    let account = account(params)?;
    if month.is_some() && !dry_run {
        return Err(BadParameter::new("month", "it needs dry_run=true").into());
    }
    if account.is_some() && month.is_none() {
        return Err(BadParameter::new("account", "it needs month").into());
    }
    Ok(ApplyOptions {
        dry_run,
        what_if: month.map(|month| WhatIf { month, account }),
        ..ApplyOptions::default()
    })
}

/// The account of `account=enterprise/octo-ent`.
pub(in crate::http::metering) fn account(
    params: &Params,
) -> Result<Option<AccountName>, BadParameter> {
    let Some(text) = params.text("account")? else {
        return Ok(None);
    };
    let parts = text.split_once('/');
    let account = parts.and_then(|(kind, name)| AccountName::parse(kind, name));
    let form = "it must be like enterprise/octo-ent";
    account.map(Some).ok_or(BadParameter::new("account", form))
}

/// The result of applying, as answered.
#[must_use]
pub fn answer(options: &ApplyOptions, applied: Applied) -> Changes {
    let what_if = options.what_if.as_ref().map(|asked| {
        let accounts = applied.what_if.iter().map(|it| {
            let skus = it.skus.iter().map(|sku| SkuDifferenceAnswer {
                sku: sku.sku.clone(),
                before: (&sku.before).into(),
                after: (&sku.after).into(),
            });
            let sums = (&it.before, &it.after);
            AccountDifferenceAnswer::new(&it.account, sums, skus.collect())
        });
        WhatIfAnswer::new(asked.month, accounts.collect())
    });
    let changes = applied.changes.into_iter().map(ChangeAnswer::from);
    Changes {
        dry_run: options.dry_run,
        changes: changes.collect(),
        catalog_version: applied.version.0,
        what_if,
    }
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        let status = match &error {
            ApplyError::Declare(_) | ApplyError::Unrated(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ApplyError::HasUsage { .. } | ApplyError::InUse { .. } | ApplyError::Awaited { .. } => {
                StatusCode::CONFLICT
            }
            ApplyError::OtherVersion { .. } => StatusCode::PRECONDITION_FAILED,
            ApplyError::NoAccount(_) => StatusCode::NOT_FOUND,
            ApplyError::Engine(error) => return error.clone().into(),
        };
        Self::new(status, error.to_string())
    }
}
