//! Every route on one page.
//!
//! Invariant: a path that is not here is 404 in JSON, and so is a path with a slash at its end or
//! with another method. The same routes answer under `/api/v3`, as on GitHub Enterprise Server.

use super::accept_encoding::accept_identity;
use super::account::{Enterprise, Organization, PathKind, User};
use super::app::App;
use super::endpoint::SERVER_BASE;
use super::error::ApiError;
use super::github::usage::read::{AiCredits, PremiumRequests, Summary, Usage, read};
use super::github::{cost_centers, legacy, planned, rate_limit, reports, versions};
use super::metering::reports as enterprise_reports;
use super::metering::{audit, catalog, corrections, events, imports, openapi, site, tokens};
use super::{frame, operations};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_request};
use axum::routing::{any, delete, get, post};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Answers smaller than this many bytes are not worth compressing.
const COMPRESS_ABOVE: u64 = 1024;

/// The whole server.
pub fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .merge(usage::<Enterprise>("/enterprises/{enterprise}"))
        .merge(usage::<Organization>("/organizations/{org}"))
        // GitHub answers there, too, and clients ask there.
        .merge(usage::<Organization>("/orgs/{org}"))
        .merge(usage::<User>("/users/{username}"))
        .merge(planned::routes::<Enterprise>("/enterprises/{enterprise}"))
        .merge(planned::routes::<Organization>("/organizations/{org}"))
        .merge(planned::routes::<Organization>("/orgs/{org}"))
        .merge(retired("/enterprises/{enterprise}"))
        .merge(retired("/organizations/{org}"))
        .merge(retired("/orgs/{org}"))
        .merge(retired("/users/{username}"))
        .route(
            "/enterprises/{enterprise}/settings/billing/cost-centers",
            get(cost_centers::list::list),
        )
        .route(
            "/enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id}",
            get(cost_centers::get::get),
        )
        .route(
            "/enterprises/{enterprise}/settings/billing/reports",
            get(reports::list::list).post(reports::create::create),
        )
        .route(
            "/enterprises/{enterprise}/settings/billing/reports/{report_id}",
            get(reports::get::get),
        )
        .route("/versions", get(versions::list))
        .route("/rate_limit", get(rate_limit::get));
    let compressible = SizeAbove::new(COMPRESS_ABOVE)
        .and(NotForContentType::const_new("application/octet-stream"))
        // Each of its lines is wanted as soon as it is there.
        .and(NotForContentType::const_new("application/x-ndjson"));
    let frame = Arc::clone(&app.frame);
    Router::new()
        .nest(SERVER_BASE, api.clone())
        .merge(api)
        .nest("/metering/v1", metering())
        .route("/reports/{id}/{part}", get(reports::download::download))
        .route("/openapi.json", get(openapi::get))
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(map_request(accept_identity))
        .layer(from_fn_with_state(frame, frame::frame))
        .with_state(app)
}

/// Our own API.
fn metering() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/{kind}/{name}/imports",
            get(imports::list::list).post(imports::create::create),
        )
        .route(
            "/{kind}/{name}/imports/{id}",
            get(imports::get::get).delete(imports::revert::revert),
        )
        .route("/{kind}/{name}/corrections", get(corrections::list))
        .route(
            "/{kind}/{name}/reports/{id}",
            delete(enterprise_reports::delete::delete),
        )
        .route(
            "/tokens",
            get(tokens::list::list).post(tokens::create::create),
        )
        .route("/events", post(events::create::create))
        .route("/tokens/{id}", delete(tokens::revoke::revoke))
        .route("/catalog", get(catalog::get::get).put(catalog::put::put))
        .route("/catalog/versions", get(catalog::versions::versions))
        .route("/audit", get(audit::list))
        .route("/apply", post(site::apply::apply))
        .route("/verify", post(site::verify::verify))
        .route("/backup", get(site::backup::backup))
        // Each handler has limits of its own, which its errors name.
        .layer(DefaultBodyLimit::disable())
}

/// The four endpoints that answer with usage, below an account's path.
fn usage<K: PathKind>(account: &str) -> Router<Arc<App>> {
    let path = |endpoint: &str| format!("{account}/settings/billing/{endpoint}");
    Router::new()
        .route(&path("usage"), get(read::<K, Usage>))
        .route(&path("usage/summary"), get(read::<K, Summary>))
        .route(
            &path("premium_request/usage"),
            get(read::<K, PremiumRequests>),
        )
        .route(&path("ai_credit/usage"), get(read::<K, AiCredits>))
}

/// The endpoints that GitHub retired, below an account's path.
fn retired(account: &str) -> Router<Arc<App>> {
    let path = |endpoint: &str| format!("{account}/settings/billing/{endpoint}");
    Router::new()
        .route(&path("actions"), any(legacy::gone))
        .route(&path("packages"), any(legacy::gone))
        .route(&path("shared-storage"), any(legacy::gone))
}

async fn not_found() -> ApiError {
    ApiError::not_found()
}
