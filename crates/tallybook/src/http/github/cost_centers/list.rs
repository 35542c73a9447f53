//! `GET /enterprises/{enterprise}/settings/billing/cost-centers`.

use super::cost_center;
use crate::http::account::{Enterprise, NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::github::question::{Subject, cost_centers};
use crate::http::paging::Page;
use crate::http::params::{BadParameter, Params};
use crate::http::read::Read;
use crate::wire::cost_centers::{CostCenterState, CostCenters};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use std::sync::Arc;

/// Every center, by name, on the first page; `state` keeps those of one state.
pub async fn list(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    context: RequestContext,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let account = NamedAccount::find(&app, Enterprise::KIND, &name)?;
    account.authorize(&app, Enterprise::FAMILY, &context)?;
    let params = Params::read(&uri)?;
    let (state, is_past_the_end) = (state(&params)?, Page::is_past_the_only(&params)?);
    let view = account.view(&app).await?;
    let subject = Subject {
        kind: Enterprise::KIND,
        found: &account.found,
        site: &view.site,
        spellings: view.spellings().into(),
    };
    let centers = cost_centers(subject).map(|center| cost_center(center, None));
    let kept = centers
        .filter(|center| state.is_none_or(|state| state == center.state))
        .filter(|_| !is_past_the_end);
    let body = CostCenters {
        cost_centers: kept.collect(),
    };
    Read::of(&app, &context, &headers, &view).json(&body)
}

fn state(params: &Params) -> Result<Option<CostCenterState>, BadParameter> {
    let parse = |word| {
        let reason = "it must be active or deleted";
        CostCenterState::parse(word).ok_or_else(|| BadParameter::new("state", reason))
    };
    params.text("state")?.map(parse).transpose()
}
