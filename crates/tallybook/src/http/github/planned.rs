//! Operations of GitHub's billing API that this server does not implement yet: 501 for callers who
//! may use their sibling endpoints, to distinguish them from a wrong path.
//!
//! Invariant: [`PLANNED`] is the only list of them. An operation that is implemented gets its own
//! handler and route, and its line here is removed.

use crate::http::account::{NamedAccount, PathKind};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::endpoint::{DOCUMENTATION, Methods, Routes, guarded};
use crate::http::error::ApiError;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use tallybook_core::account::AccountKind;

/// One path of the API.
struct Planned {
    /// The kind of account that it belongs to.
    kind: AccountKind,
    /// Below `settings/billing/`.
    path: &'static str,
    methods: &'static [Method],
    /// The name of the missing feature in the error.
    what: &'static str,
    documentation_url: &'static str,
}

const BUDGETS: &str = "https://docs.github.com/enterprise-cloud@latest/rest/billing/budgets";
const ORGANIZATION_BUDGETS: &str = "https://docs.github.com/rest/billing/budgets";
const COST_CENTERS: &str =
    "https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers";
const COMMITTERS: &str =
    "https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/licensing";
const ORGANIZATION_COMMITTERS: &str =
    "https://docs.github.com/enterprise-cloud@latest/rest/billing/billing";

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const GET_POST: &[Method] = &[Method::GET, Method::POST];
const CHANGES: &[Method] = &[Method::PATCH, Method::DELETE];
const GET_CHANGES: &[Method] = &[Method::GET, Method::PATCH, Method::DELETE];
const POST_DELETE: &[Method] = &[Method::POST, Method::DELETE];

const fn enterprise(
    path: &'static str,
    methods: &'static [Method],
    what: &'static str,
    documentation_url: &'static str,
) -> Planned {
    Planned {
        kind: AccountKind::Enterprise,
        path,
        methods,
        what,
        documentation_url,
    }
}

const fn organization(
    path: &'static str,
    methods: &'static [Method],
    what: &'static str,
    documentation_url: &'static str,
) -> Planned {
    Planned {
        kind: AccountKind::Organization,
        ..enterprise(path, methods, what, documentation_url)
    }
}

const CENTER: &str = "cost-centers/{cost_center_id}";
const RESOURCE: &str = "cost-centers/{cost_center_id}/resource";
const WRITES: &str = "Writing cost centers";

static PLANNED: [Planned; 10] = [
    enterprise("advanced-security", GET, "Advanced Security", COMMITTERS),
    enterprise("budgets", GET_POST, "Budgets", BUDGETS),
    enterprise("budgets/{budget_id}", GET_CHANGES, "Budgets", BUDGETS),
    enterprise("budgets/{budget_id}/user-states", GET, "Budgets", BUDGETS),
    enterprise("cost-centers", POST, WRITES, COST_CENTERS),
    enterprise(CENTER, CHANGES, WRITES, COST_CENTERS),
    enterprise(RESOURCE, POST_DELETE, WRITES, COST_CENTERS),
    organization(
        "advanced-security",
        GET,
        "Advanced Security",
        ORGANIZATION_COMMITTERS,
    ),
    organization("budgets", GET_POST, "Budgets", ORGANIZATION_BUDGETS),
    organization(
        "budgets/{budget_id}",
        GET_CHANGES,
        "Budgets",
        ORGANIZATION_BUDGETS,
    ),
];

/// The routes of the kind of account, below its path.
pub fn routes<K: PathKind>(account: &str) -> Routes<Arc<App>> {
    let ours = PLANNED.iter().filter(|planned| planned.kind == K::KIND);
    ours.fold(Routes::default(), |routes, planned| {
        let path = format!("{account}/settings/billing/{}", planned.path);
        let methods = planned
            .methods
            .iter()
            .fold(Methods::none(), |methods, method| {
                let answer = move |app, names, context| not_yet::<K>(planned, app, names, context);
                methods.on(method.clone(), guarded(K::FAMILY, DOCUMENTATION, answer))
            });
        routes.route(&path, methods)
    })
}

/// Answers 501 to callers who may know of the account.
async fn not_yet<K: PathKind>(
    planned: &Planned,
    State(app): State<Arc<App>>,
    Path(names): Path<Vec<(String, String)>>,
    context: RequestContext,
) -> Result<Infallible, ApiError> {
    let (_, name) = names.first().ok_or_else(ApiError::not_found)?;
    let account = NamedAccount::find(&app, K::KIND, name)?;
    account.authorize(&app, K::FAMILY, &context)?;
    let what = planned.what;
    let message = format!("{what}: this server does not have this part of GitHub's API yet.");
    let error = ApiError::new(StatusCode::NOT_IMPLEMENTED, message);
    Err(error.documented_at(planned.documentation_url))
}
