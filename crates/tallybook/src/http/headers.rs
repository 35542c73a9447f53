//! The headers that GitHub sends with every answer.
//!
//! Invariant: a header is written in one place, here, whatever made the answer. Look next:
//! [`super::frame`], which calls this.

use super::context::RequestContext;
use super::endpoint::Endpoint;
use super::rate_limit::LimitStanding;
use super::request_id::RequestId;
use super::version::ApiVersion;
use crate::auth::{EndpointFamily, Grants, Viewer};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use tallybook_core::time::Instant;

/// The commits that an answer is computed from: the account's batch and the site's.
pub const AS_OF: HeaderName = HeaderName::from_static("x-tallybook-as-of");

/// The request's id, as clients quote it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-github-request-id");

const VERSION_SELECTED: HeaderName = HeaderName::from_static("x-github-api-version-selected");

const EXPOSED: &str = "ETag, Link, Location, Retry-After, X-GitHub-OTP, X-RateLimit-Limit, \
     X-RateLimit-Remaining, X-RateLimit-Used, X-RateLimit-Resource, X-RateLimit-Reset, \
     X-OAuth-Scopes, X-Accepted-OAuth-Scopes, X-Poll-Interval, X-GitHub-Media-Type, X-GitHub-SSO, \
     X-GitHub-Request-Id, Deprecation, Sunset, Accept-Ranges, Content-Disposition, \
     Content-Length, Content-Range, X-Checksum-Sha256, X-Tallybook-As-Of";

/// The most headers of an answer, to reserve at once: growing step by step costs more than writing
/// them.
const MOST: usize = 24;

/// Headers that are the same on every answer.
static ALWAYS: [(HeaderName, HeaderValue); 9] = [
    fixed("access-control-allow-origin", "*"),
    fixed("access-control-expose-headers", EXPOSED),
    fixed(
        "referrer-policy",
        "origin-when-cross-origin, strict-origin-when-cross-origin",
    ),
    fixed("server", "tallybook"),
    fixed(
        "vary",
        "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With",
    ),
    fixed("x-content-type-options", "nosniff"),
    fixed("x-frame-options", "deny"),
    fixed("x-xss-protection", "0"),
    fixed("x-github-media-type", "github.v3; format=json"),
];

/// The headers of an answer to a browser's preflight request, besides [`ALWAYS`].
static PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    fixed(
        "access-control-allow-headers",
        "Authorization, Content-Type, Content-Encoding, If-Match, If-None-Match, If-Range, Range, \
         X-GitHub-Api-Version",
    ),
    fixed("access-control-allow-methods", "GET, POST, PUT, DELETE"),
    fixed("access-control-max-age", "86400"),
];

/// The resource of rate-limit standings.
static RESOURCE: [(HeaderName, HeaderValue); 1] = [fixed("x-ratelimit-resource", "core")];

/// A header, checked when the program is built.
const fn fixed(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}

/// Reserves space for all headers of an answer at once.
pub fn make_room(headers: &mut HeaderMap) {
    headers.reserve(MOST.saturating_sub(headers.len()));
}

/// Writes what every answer carries.
pub fn write_always(headers: &mut HeaderMap, request_id: RequestId, strict_transport: bool) {
    insert_all(headers, &ALWAYS);
    headers.insert(REQUEST_ID, request_id.header());
    if strict_transport {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubdomains; preload"),
        );
    }
}

/// Writes what an answer to `OPTIONS` carries.
pub fn write_preflight(headers: &mut HeaderMap) {
    insert_all(headers, &PREFLIGHT);
}

/// Writes what depends on the route and on who is asking.
pub fn write_context(headers: &mut HeaderMap, endpoint: Endpoint, context: &RequestContext) {
    let cached = match endpoint.guard.family() {
        // Answers with an ETag may be cached for a minute, like GitHub's.
        Some(
            EndpointFamily::EnterpriseBilling
            | EndpointFamily::OrganizationBilling
            | EndpointFamily::UserBilling,
        ) => "private, max-age=60, s-maxage=60",
        Some(
            EndpointFamily::Imports(_)
            | EndpointFamily::WriteImports(_)
            | EndpointFamily::Events
            | EndpointFamily::Site,
        ) => "no-store",
        None => "no-cache",
    };
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
    }
    write_version(headers, context.version);
    if let Some(viewer) = &context.viewer {
        write_viewer(headers, endpoint, viewer);
    }
}

/// Writes the standing of the key that the request was counted for.
pub fn write_standing(headers: &mut HeaderMap, standing: &LimitStanding) {
    let values = [
        ("x-ratelimit-limit", i64::from(standing.limit)),
        ("x-ratelimit-remaining", i64::from(standing.remaining())),
        ("x-ratelimit-used", i64::from(standing.used)),
        ("x-ratelimit-reset", standing.reset),
    ];
    for (name, value) in values {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    insert_all(headers, &RESOURCE);
}

fn write_version(headers: &mut HeaderMap, version: ApiVersion) {
    headers.insert(VERSION_SELECTED, HeaderValue::from_static(version.as_str()));
}

fn write_viewer(headers: &mut HeaderMap, endpoint: Endpoint, viewer: &Viewer) {
    match &viewer.grants {
        Grants::SiteAdmin | Grants::Sender(_) | Grants::Importer { .. } => {}
        Grants::Classic { scopes, .. } => {
            let has: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
            let accepted = endpoint
                .guard
                .family()
                .map_or(&[][..], |family| family.accepted_scopes());
            let name = HeaderName::from_static("x-oauth-scopes");
            insert(headers, name, &has.join(", "));
            let name = HeaderName::from_static("x-accepted-oauth-scopes");
            insert(headers, name, &accepted.join(", "));
        }
        Grants::FineGrained { .. } => {
            let accepted = endpoint
                .guard
                .family()
                .and_then(|family| family.accepted_permission());
            if let Some((permission, level)) = accepted {
                let name = HeaderName::from_static("x-accepted-github-permissions");
                let value = format!("{}={}", permission.as_str(), level.as_str());
                insert(headers, name, &value);
            }
        }
    }
    if let Some(at) = viewer.expires_at {
        let name = HeaderName::from_static("github-authentication-token-expiration");
        insert(headers, name, &expiration(at));
    }
}

/// GitHub's form of an instant in this one header: `2025-04-29 18:00:09 UTC`.
fn expiration(at: Instant) -> String {
    at.to_string().replace('T', " ").replace('Z', " UTC")
}

fn insert_all(headers: &mut HeaderMap, values: &[(HeaderName, HeaderValue)]) {
    for (name, value) in values {
        headers.insert(name, value.clone());
    }
}

/// Omits a value that is not valid in a header, which ids and scope names always are.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
