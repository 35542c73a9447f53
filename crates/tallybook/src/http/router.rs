//! Every route on one page: its path, guard, documentation page and handler.
//!
//! Invariant: every route has a guard, see [`super::endpoint`]. A path that is not listed here is
//! 404 in JSON, as is a path with a trailing slash or with another method. The same routes answer
//! under `/api/v3`, as on GitHub Enterprise Server.

use super::accept_encoding::accept_identity;
use super::account::{Enterprise, Organization, PathKind, User};
use super::app::App;
use super::endpoint::{
    DOCUMENTATION, Facts, Routes, any, delete, get, guarded, guarded_by_kind, open,
    open_with_standing, post,
};
use super::error::ApiError;
use super::github::usage::read::{AiCredits, PremiumRequests, UsageItems, UsageSummary, read};
use super::github::{cost_centers, legacy, planned, rate_limit, reports, versions};
use super::metering::reports as enterprise_reports;
use super::metering::{audit, catalog, corrections, events, imports, openapi, site, tokens};
use super::{frame, operations, pages};
use crate::auth::EndpointFamily;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::{from_fn_with_state, map_request};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Answers smaller than this many bytes are not worth compressing.
const COMPRESS_ABOVE: u64 = 1024;

/// The base under which GitHub Enterprise Server serves the same routes.
const SERVER_BASE: &str = "/api/v3";

/// The whole server.
pub fn router(app: Arc<App>) -> Router {
    let compressible = SizeAbove::new(COMPRESS_ABOVE)
        .and(NotForContentType::const_new("application/octet-stream"))
        // Each line must be delivered immediately.
        .and(NotForContentType::const_new("application/x-ndjson"));
    let (router, facts) = routes().into_parts();
    let around = (Arc::clone(&app.frame), Arc::new(facts));
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(map_request(accept_identity))
        .layer(from_fn_with_state(around, frame::frame))
        .with_state(app)
}

/// The metadata of every route.
#[must_use]
pub fn facts() -> Facts {
    routes().into_parts().1
}

fn routes() -> Routes<Arc<App>> {
    let github = github();
    Routes::default()
        .nest(SERVER_BASE, github.clone())
        .merge(github)
        .nest("/metering/v1", metering())
        // The signed link grants access.
        .route(
            "/reports/{id}/{part}",
            get(open(DOCUMENTATION, reports::download::download)),
        )
        .route("/openapi.json", get(open(DOCUMENTATION, openapi::get)))
        .route("/healthz", get(open(DOCUMENTATION, operations::healthz)))
        .route("/readyz", get(open(DOCUMENTATION, operations::readyz)))
        .route("/metrics", get(open(DOCUMENTATION, operations::metrics)))
}

/// GitHub's API.
fn github() -> Routes<Arc<App>> {
    Routes::default()
        .merge(usage::<Enterprise>("/enterprises/{enterprise}"))
        .merge(usage::<Organization>("/organizations/{org}"))
        // GitHub also answers here, and clients use it.
        .merge(usage::<Organization>("/orgs/{org}"))
        .merge(usage::<User>("/users/{username}"))
        .merge(planned::routes::<Enterprise>("/enterprises/{enterprise}"))
        .merge(planned::routes::<Organization>("/organizations/{org}"))
        .merge(planned::routes::<Organization>("/orgs/{org}"))
        .merge(retired("/enterprises/{enterprise}"))
        .merge(retired("/organizations/{org}"))
        .merge(retired("/orgs/{org}"))
        .merge(retired("/users/{username}"))
        .merge(of_enterprises())
        .route("/versions", get(open(DOCUMENTATION, versions::list)))
        .route(
            "/rate_limit",
            get(open_with_standing(DOCUMENTATION, rate_limit::get)),
        )
}

/// Routes that only enterprises have.
fn of_enterprises() -> Routes<Arc<App>> {
    const FAMILY: EndpointFamily = Enterprise::FAMILY;
    Routes::default()
        .route(
            "/enterprises/{enterprise}/settings/billing/cost-centers",
            get(guarded(
                FAMILY,
                pages::COST_CENTERS,
                cost_centers::list::list,
            )),
        )
        .route(
            "/enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id}",
            get(guarded(FAMILY, pages::COST_CENTER, cost_centers::get::get)),
        )
        .route(
            "/enterprises/{enterprise}/settings/billing/reports",
            get(guarded(FAMILY, pages::REPORTS, reports::list::list)).on(
                Method::POST,
                guarded(FAMILY, pages::CREATE_REPORT, reports::create::create),
            ),
        )
        .route(
            "/enterprises/{enterprise}/settings/billing/reports/{report_id}",
            get(guarded(FAMILY, pages::REPORT, reports::get::get)),
        )
}

/// The four endpoints that answer with usage, below an account's path.
fn usage<K: PathKind>(account: &str) -> Routes<Arc<App>> {
    let (family, pages) = (K::FAMILY, K::PAGES);
    let path = |endpoint: &str| format!("{account}/settings/billing/{endpoint}");
    Routes::default()
        .route(
            &path("usage"),
            get(guarded(family, pages.usage, read::<K, UsageItems>)),
        )
        .route(
            &path("usage/summary"),
            get(guarded(family, pages.summary, read::<K, UsageSummary>)),
        )
        .route(
            &path("premium_request/usage"),
            get(guarded(
                family,
                pages.premium_requests,
                read::<K, PremiumRequests>,
            )),
        )
        .route(
            &path("ai_credit/usage"),
            get(guarded(family, pages.ai_credits, read::<K, AiCredits>)),
        )
}

/// The endpoints that GitHub retired, below an account's path, which reveal nothing.
fn retired(account: &str) -> Routes<Arc<App>> {
    let path = |endpoint: &str| format!("{account}/settings/billing/{endpoint}");
    Routes::default()
        .route(&path("actions"), any(open(DOCUMENTATION, legacy::gone)))
        .route(&path("packages"), any(open(DOCUMENTATION, legacy::gone)))
        .route(
            &path("shared-storage"),
            any(open(DOCUMENTATION, legacy::gone)),
        )
}

/// Tallybook's own API.
fn metering() -> Routes<Arc<App>> {
    of_accounts()
        .merge(of_the_site())
        .route(
            "/events",
            post(guarded(
                EndpointFamily::Events,
                pages::METERING,
                events::create::create,
            )),
        )
        // Each handler has its own limits, which its errors name.
        .layered(|router| router.layer(DefaultBodyLimit::disable()))
}

/// Routes that accounts of every kind have.
fn of_accounts() -> Routes<Arc<App>> {
    use EndpointFamily::{Imports, WriteImports};
    Routes::default()
        .route(
            "/{kind}/{name}/imports",
            get(guarded_by_kind(
                Imports,
                pages::METERING,
                imports::list::list,
            ))
            .on(
                Method::POST,
                guarded_by_kind(WriteImports, pages::METERING, imports::create::create),
            ),
        )
        .route(
            "/{kind}/{name}/imports/{id}",
            get(guarded_by_kind(Imports, pages::METERING, imports::get::get)).on(
                Method::DELETE,
                guarded_by_kind(WriteImports, pages::METERING, imports::revert::revert),
            ),
        )
        .route(
            "/{kind}/{name}/corrections",
            get(guarded_by_kind(Imports, pages::METERING, corrections::list)),
        )
        .route(
            "/{kind}/{name}/reports/{id}",
            delete(guarded_by_kind(
                enterprise_reports::family,
                pages::METERING,
                enterprise_reports::delete::delete,
            )),
        )
}

/// Routes of the whole site.
fn of_the_site() -> Routes<Arc<App>> {
    const SITE: EndpointFamily = EndpointFamily::Site;
    const PAGE: &str = pages::METERING;
    Routes::default()
        .route(
            "/tokens",
            get(guarded(SITE, PAGE, tokens::list::list))
                .on(Method::POST, guarded(SITE, PAGE, tokens::create::create)),
        )
        .route(
            "/tokens/{id}",
            delete(guarded(SITE, PAGE, tokens::revoke::revoke)),
        )
        .route(
            "/catalog",
            get(guarded(SITE, PAGE, catalog::get::get))
                .on(Method::PUT, guarded(SITE, PAGE, catalog::put::put)),
        )
        .route(
            "/catalog/versions",
            get(guarded(SITE, PAGE, catalog::versions::versions)),
        )
        .route("/audit", get(guarded(SITE, PAGE, audit::list)))
        .route("/apply", post(guarded(SITE, PAGE, site::apply::apply)))
        .route("/verify", post(guarded(SITE, PAGE, site::verify::verify)))
        .route("/backup", get(guarded(SITE, PAGE, site::backup::backup)))
}

async fn not_found() -> ApiError {
    ApiError::not_found()
}
