//! The frame around test routes: no engine, no socket.

use super::*;
use crate::auth::EndpointFamily;
use crate::auth::{Grants, secret};
use crate::http::endpoint::{DOCUMENTATION, Routes, get, guarded, open};
use crate::http::pages;
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;

const USAGE: &str = "/users/monalisa/settings/billing/usage";

struct OneToken(Grants);

impl TokenLookup for OneToken {
    fn token(&self, hash: &[u8; 32]) -> Option<TokenRow> {
        let row = TokenRow {
            id: "abc123".to_owned(),
            hash: *hash,
            grants: self.0.encode().unwrap(),
            created_at: at("2026-01-01"),
            expires_at: Some(at("2027-04-29T18:00:09Z")),
            revoked_at: None,
        };
        (*hash == secret::hash("tally_good")).then_some(row)
    }
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn app(grants: Grants, rate_limit: Option<u32>) -> Router {
    let state = Arc::new(Frame {
        tokens: Arc::new(OneToken(grants)),
        clock: Clock::Fixed(at("2026-11-21T13:00:00Z")),
        admin_token: Some(AdminToken::new("boss")),
        wrong_tokens: WrongTokens::default(),
        repeats: Repeats::default(),
        rate_limiter: rate_limit.map(RateLimiter::new),
        strict_transport: false,
        trusted_proxies: TrustedProxies::parse("10.0.0.0/8").unwrap(),
        limits: Limits::default(),
        metrics: Arc::default(),
        request_ids: RequestIds::default(),
    });
    let usage = |context: RequestContext, headers: HeaderMap| async move {
        if headers.contains_key(header::IF_NONE_MATCH) {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
        context
            .viewer()
            .map(|viewer| viewer.token_id.clone().into_response())
    };
    async fn fail() -> Result<(), ApiError> {
        Err(ApiError::internal("secret cause"))
    }
    async fn panic() {
        panic!("oh no");
    }
    const FAMILY: EndpointFamily = EndpointFamily::UserBilling;
    let routes = Routes::default()
        .route(
            "/users/{username}/settings/billing/usage",
            get(guarded(FAMILY, pages::USER.usage, usage)),
        )
        .route(
            "/users/{username}/settings/billing/usage/summary",
            get(guarded(FAMILY, pages::USER.summary, fail)),
        )
        .route(
            "/users/{username}/settings/billing/ai_credit/usage",
            get(guarded(FAMILY, pages::USER.ai_credits, panic)),
        )
        .route("/healthz", get(open(DOCUMENTATION, || async { "ok" })));
    let (router, facts) = routes.into_parts();
    let around = (state, Arc::new(facts));
    router
        .fallback(|| async { ApiError::not_found() })
        .layer(axum::middleware::from_fn_with_state(around, frame))
}

async fn ask(app: &Router, path: &str, headers: &[(&str, &str)]) -> (Response<()>, String) {
    let mut request = Request::builder().uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (Response::from_parts(parts, ()), text)
}

fn classic() -> Grants {
    Grants::classic("monalisa", ["user", "read:org"]).unwrap()
}

const GOOD: (&str, &str) = ("authorization", "Bearer tally_good");

#[tokio::test]
async fn good_answers_carry_github_s_headers() {
    let (response, body) = ask(&app(classic(), None), USAGE, &[GOOD]).await;
    assert_eq!(
        (response.status(), body.as_str()),
        (StatusCode::OK, "abc123")
    );
    let expected = [
        ("access-control-allow-origin", "*"),
        ("cache-control", "private, max-age=60, s-maxage=60"),
        ("server", "tallybook"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "deny"),
        ("x-github-media-type", "github.v3; format=json"),
        ("x-github-api-version-selected", "2022-11-28"),
        ("x-oauth-scopes", "read:org, user"),
        ("x-accepted-oauth-scopes", "user"),
        (
            "github-authentication-token-expiration",
            "2027-04-29 18:00:09 UTC",
        ),
    ];
    for (name, value) in expected {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    assert!(response.headers().contains_key("x-github-request-id"));
    assert!(!response.headers().contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn fine_grained_tokens_show_permissions_instead_of_scopes() {
    let grants = Grants::fine_grained("monalisa", ["plan=read"]).unwrap();
    let (response, _) = ask(&app(grants, None), USAGE, &[GOOD]).await;
    assert_eq!(
        response.headers()["x-accepted-github-permissions"],
        "plan=read"
    );
    assert!(!response.headers().contains_key("x-oauth-scopes"));
}

#[tokio::test]
async fn nobody_and_bad_tokens_get_401() {
    let app = app(classic(), None);
    let (response, body) = ask(&app, USAGE, &[]).await;
    let expected = concat!(
        r#"{"message":"Requires authentication","#,
        r#""documentation_url":"https://docs.github.com/rest","status":"401"}"#,
    );
    assert_eq!((response.status().as_u16(), body.as_str()), (401, expected));
    let (response, body) = ask(&app, USAGE, &[("authorization", "token tally_bad")]).await;
    assert_eq!(response.status().as_u16(), 401);
    assert!(body.contains("Bad credentials"), "{body}");
    let (response, body) = ask(&app, USAGE, &[("authorization", "Bearer boss")]).await;
    assert_eq!(
        (response.status().as_u16(), body.as_str()),
        (200, AdminToken::ID)
    );
}

#[tokio::test]
async fn errors_point_at_their_route_s_page_and_hide_causes() {
    let app = app(classic(), None);
    let (response, body) = ask(&app, &format!("{USAGE}/summary"), &[GOOD]).await;
    let expected = concat!(
        r#"{"message":"Server Error","documentation_url":"https://docs.github.com/rest/billing/"#,
        r#"usage#get-billing-usage-summary-for-a-user","status":"500"}"#,
    );
    assert_eq!((response.status().as_u16(), body.as_str()), (500, expected));
    let panics = USAGE.replace("usage", "ai_credit/usage");
    let (response, body) = ask(&app, &panics, &[GOOD]).await;
    assert_eq!(response.status().as_u16(), 500);
    assert!(!body.contains("oh no"), "{body}");
}

#[tokio::test]
async fn versions_are_negotiated() {
    let app = app(classic(), None);
    let newer = ("x-github-api-version", "2026-03-10");
    let (response, _) = ask(&app, USAGE, &[GOOD, newer]).await;
    assert_eq!(
        response.headers()["x-github-api-version-selected"],
        "2026-03-10"
    );
    let (response, body) = ask(&app, USAGE, &[GOOD, ("x-github-api-version", "v3")]).await;
    assert_eq!(response.status().as_u16(), 400);
    assert!(body.contains("not a supported version"), "{body}");
    assert!(response.headers().contains_key("x-github-request-id"));
}

#[tokio::test]
async fn limits_count_tokens_and_spare_304() {
    let app = app(classic(), Some(2));
    let (response, _) = ask(&app, USAGE, &[GOOD]).await;
    assert_eq!(response.headers()["x-ratelimit-remaining"], "1");
    assert_eq!(response.headers()["x-ratelimit-reset"], "1795269600");
    let (response, _) = ask(&app, USAGE, &[GOOD, ("if-none-match", "*")]).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(response.headers()["x-ratelimit-remaining"], "1");
    ask(&app, USAGE, &[GOOD]).await;
    let (response, body) = ask(&app, USAGE, &[GOOD]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(
        body.contains("API rate limit exceeded for token abc123."),
        "{body}"
    );
    assert_eq!(response.headers()["x-ratelimit-remaining"], "0");
    let (response, _) = ask(&app, "/healthz", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn what_no_route_knows_is_404_in_json() {
    let app = app(classic(), None);
    for path in ["/nothing", "/users/monalisa/settings/billing/usage/"] {
        let (response, body) = ask(&app, path, &[GOOD]).await;
        assert_eq!(response.status().as_u16(), 404, "{path}");
        assert!(body.starts_with(r#"{"message":"Not Found""#), "{body}");
    }
}

#[tokio::test]
async fn browsers_may_ask_first() {
    let request = Request::builder()
        .method("OPTIONS")
        .uri(USAGE)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let response = app(classic(), None).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let allowed = response.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(allowed.contains("Authorization"));
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let app = app(classic(), None);
    let status = async |version: Version, hosts: &[&str]| {
        let mut request = Request::builder().uri("/healthz").version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        let request = request.body(Body::empty()).unwrap();
        app.clone()
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(status(Version::HTTP_11, &["a"]).await, 200);
    assert_eq!(status(Version::HTTP_10, &[]).await, 200);
    assert_eq!(status(Version::HTTP_11, &[]).await, 400);
    assert_eq!(status(Version::HTTP_11, &["a", "b"]).await, 400);
    assert_eq!(status(Version::HTTP_10, &["a", "a"]).await, 400);
}

/// How long a proxy waits for an answer to a client's token.
async fn waits(app: &Router, client: &str, secret: &str) -> (u16, f64) {
    let proxy = std::net::SocketAddr::from(([10, 0, 0, 1], 7));
    let request = Request::builder()
        .uri(USAGE)
        .header("host", "localhost")
        .header("x-forwarded-for", client)
        .header("authorization", format!("Bearer {secret}"))
        .extension(axum::extract::ConnectInfo(proxy))
        .body(Body::empty())
        .unwrap();
    let began = tokio::time::Instant::now();
    let response = app.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), began.elapsed().as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_are_slowed_by_address_and_good_ones_are_not() {
    let app = app(classic(), None);
    for number in 0..30 {
        let (status, waited) = waits(&app, "203.0.113.9", &format!("guess-{number}")).await;
        assert_eq!(status, 401);
        assert!(number >= 10 || waited == 0.0, "{number}: {waited}");
        assert!(number < 20 || waited > 9.0, "{number}: {waited}");
    }
    assert_eq!(waits(&app, "203.0.113.9", "tally_good").await, (200, 0.0));
    assert_eq!(waits(&app, "203.0.113.10", "guess").await, (401, 0.0));
}
