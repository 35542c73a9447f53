//! Headers, versions, conditional requests, limits: what every answer does beside its body.

use crate::answer::Answer;
use crate::server::{ADMIN, Server, at, detailed, enterprise, fixture};
use axum::http::Method;
use flate2::read::GzDecoder;
use std::fmt::Write as _;
use std::io::Read;
use tallybook::auth::Grants;
use tallybook::http::app::HttpSettings;

pub(crate) const NOW: &str = "2025-12-05T12:00:00Z";
pub(crate) const USAGE: &str = "/enterprises/octo-ent/settings/billing/usage";
pub(crate) const SUMMARY: &str = "/enterprises/octo-ent/settings/billing/usage/summary?year=2025";

pub(crate) async fn server() -> Server {
    let server = Server::new(NOW).await;
    let owners = "enterprises: [{slug: octo-ent, owners: [hubot]}]";
    server.apply(owners).await;
    let name = "detailed_2025-11-01_02.csv";
    server
        .import(&enterprise("octo-ent"), &[(name, fixture(name))])
        .await;
    server
}

/// Another day's usage.
pub(crate) fn more() -> Vec<u8> {
    let line = "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,octo,api,,";
    detailed(&[line])
}

/// The headers of an answer, without what differs each time.
fn headers(answer: &Answer) -> String {
    let mut text = String::new();
    let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let value = match (name, answer.header(name)) {
            ("access-control-expose-headers", value) => {
                assert!(value.contains("ETag, Link") && value.ends_with("X-Tallybook-As-Of"));
                "..."
            }
            ("etag", value) if value.starts_with("W/\"") => "W/\"...\"",
            ("x-github-request-id", _) => "...",
            (_, value) => value,
        };
        writeln!(text, "{name}: {value}").unwrap();
    }
    text
}

#[tokio::test]
async fn good_answers_carry_githubs_headers() {
    let server = server().await;
    let grants = Grants::classic("hubot", ["manage_billing:enterprise", "read:org"]).unwrap();
    let expires_at = Some(at("2026-04-29T18:00:09Z"));
    let token = server.token("hubot", &grants, expires_at).await;
    let server = server.with(HttpSettings {
        rate_limit: 5000,
        ..HttpSettings::default()
    });
    let answer = server
        .get_as(&token, &format!("{USAGE}?year=2024"))
        .await
        .ok();
    insta::assert_snapshot!(headers(&answer), @r#"
    access-control-allow-origin: *
    access-control-expose-headers: ...
    cache-control: private, max-age=60, s-maxage=60
    content-length: 17
    content-type: application/json; charset=utf-8
    etag: W/"..."
    github-authentication-token-expiration: 2026-04-29 18:00:09 UTC
    referrer-policy: origin-when-cross-origin, strict-origin-when-cross-origin
    server: tallybook
    vary: Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With
    x-accepted-oauth-scopes: manage_billing:enterprise
    x-content-type-options: nosniff
    x-frame-options: deny
    x-github-api-version-selected: 2022-11-28
    x-github-media-type: github.v3; format=json
    x-github-request-id: ...
    x-oauth-scopes: manage_billing:enterprise, read:org
    x-ratelimit-limit: 5000
    x-ratelimit-remaining: 4999
    x-ratelimit-reset: 1764939600
    x-ratelimit-resource: core
    x-ratelimit-used: 1
    x-tallybook-as-of: account=1;site=3;rules=2
    x-xss-protection: 0
    "#);
}

#[tokio::test]
async fn errors_carry_githubs_headers() {
    let server = server().await;
    let grants = Grants::fine_grained("hubot", ["plan=read"]).unwrap();
    let token = server.token("hubot", &grants, None).await;
    let answer = server.get_as(&token, USAGE).await;
    assert_eq!(answer.status, 403);
    insta::assert_snapshot!(headers(&answer), @r"
    access-control-allow-origin: *
    access-control-expose-headers: ...
    cache-control: no-cache
    content-length: 209
    content-type: application/json; charset=utf-8
    referrer-policy: origin-when-cross-origin, strict-origin-when-cross-origin
    server: tallybook
    vary: Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With
    x-content-type-options: nosniff
    x-frame-options: deny
    x-github-api-version-selected: 2022-11-28
    x-github-media-type: github.v3; format=json
    x-github-request-id: ...
    x-xss-protection: 0
    ");
}

/// Classic tokens say their scopes, fine-grained ones what would have been enough.
#[tokio::test]
async fn tokens_are_told_what_they_lack() {
    let server = Server::new(NOW).await;
    server
        .apply("organizations: [{login: octo, owners: [kim]}]")
        .await;
    let path = "/organizations/octo/settings/billing/usage";
    let classic = Grants::classic("kim", ["user", "read:enterprise"]).unwrap();
    let classic = server.token("classic", &classic, None).await;
    let answer = server.get_as(&classic, path).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("x-oauth-scopes"), "read:enterprise, user");
    assert_eq!(
        answer.header("x-accepted-oauth-scopes"),
        "admin:org, read:org"
    );
    assert!(
        answer
            .headers
            .get("x-accepted-github-permissions")
            .is_none()
    );
    let fine = Grants::fine_grained("kim", ["plan=read"]).unwrap();
    let fine = server.token("fine", &fine, None).await;
    let answer = server.get_as(&fine, path).await;
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (403, "Resource not accessible by personal access token")
    );
    assert_eq!(
        answer.header("x-accepted-github-permissions"),
        "organization_administration=read"
    );
    assert!(answer.headers.get("x-oauth-scopes").is_none());
    // GitHub answers a user's own endpoints 404, and says the scopes all the same.
    let reader = Grants::classic("kim", ["read:user"]).unwrap();
    let reader = server.token("reader", &reader, None).await;
    server.apply("users: [{login: kim}]").await;
    let answer = server
        .get_as(&reader, "/users/kim/settings/billing/usage")
        .await;
    assert_eq!(
        (answer.status, answer.header("x-oauth-scopes")),
        (404, "read:user")
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = server().await;
    let mut ids = std::collections::BTreeSet::new();
    for path in [
        USAGE,
        SUMMARY,
        "/nothing",
        "/healthz",
        "/orgs/x/settings/billing/actions",
    ] {
        for _ in 0..3 {
            let answer = server.get(path).await;
            let id = answer.header("x-github-request-id").to_owned();
            let parts: Vec<_> = id.split(':').map(str::len).collect();
            assert_eq!(parts, [4, 6, 6, 6, 8], "{id}");
            assert!(
                id.bytes()
                    .all(|byte| byte == b':' || byte.is_ascii_hexdigit()),
                "{id}"
            );
            ids.insert(id);
        }
    }
    assert_eq!(ids.len(), 15);
}

#[tokio::test]
async fn versions_are_negotiated() {
    let server = server().await;
    let get = async |version| {
        server
            .get_with(SUMMARY, &[("x-github-api-version", version)])
            .await
    };
    let (old, new) = (get("2022-11-28").await.ok(), get("2026-03-10").await.ok());
    assert_eq!(old.text(), new.text());
    assert_eq!(
        server
            .get(SUMMARY)
            .await
            .header("x-github-api-version-selected"),
        "2022-11-28"
    );
    for version in ["v3", "2026-03-11", "2022-11-28 ", "", "20221128"] {
        let answer = get(version).await;
        let version = version.trim();
        if version == "2022-11-28" {
            // White space around a header's value is not part of it.
            continue;
        }
        let expected = format!(
            "The version you specified in the \"X-GitHub-API-Version\" request header, \
             \"{version}\", is not a supported version. The following versions are currently \
             supported: \"2026-03-10\" (most recent), \"2022-11-28\"."
        );
        assert_eq!(
            (answer.status, answer.message()),
            (400, expected),
            "{version:?}"
        );
        assert_eq!(
            answer.json()["documentation_url"],
            "https://docs.github.com/rest"
        );
    }
    let versions = server.send(Method::GET, "/versions", &[]).await.ok();
    assert_eq!(versions.text(), r#"["2022-11-28","2026-03-10"]"#);
}

#[tokio::test]
async fn enterprise_servers_base_path_is_the_same_server() {
    let server = server().await;
    let center = format!("{}/cost-centers", USAGE.trim_end_matches("/usage"));
    for path in [USAGE, SUMMARY, &center, "/versions", "/nothing"] {
        let (plain, based) = (
            server.get(path).await,
            server.get(&format!("/api/v3{path}")).await,
        );
        assert_eq!(
            (plain.status, plain.text()),
            (based.status, based.text()),
            "{path}"
        );
        assert_eq!(plain.header("etag"), based.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn unknown_routes_are_not_found() {
    let server = server().await;
    let gets = [
        "/".to_owned(),
        "/nothing".to_owned(),
        "/api/v3".to_owned(),
        "/api/v3/".to_owned(),
        format!("{USAGE}/"),
        format!("{USAGE}/summary/"),
        format!("/{USAGE}"),
        "/enterprises//settings/billing/usage".to_owned(),
        "/orgs/octo/settings/billing/usage".to_owned(),
        "/enterprises/octo-ent/settings/billing/cost-centers/".to_owned(),
        "/enterprises/octo%2Fent/settings/billing/usage".to_owned(),
        "/enterprises/octo-ent%00/settings/billing/usage".to_owned(),
        "/enterprises/%F0%9F%90%99/settings/billing/usage".to_owned(),
        format!("/enterprises/{}/settings/billing/usage", "x".repeat(5000)),
    ];
    for path in gets {
        let answer = server.get(&path).await;
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (404, "Not Found"),
            "{path}"
        );
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
    // A name that is no text is a bad request, in the same shape.
    let answer = server.get("/enterprises/%ff/settings/billing/usage").await;
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (400, "Bad Request")
    );
    let bearer = format!("Bearer {ADMIN}");
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let headers = [("authorization", bearer.as_str())];
        let answer = server.send(method.clone(), USAGE, &headers).await;
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (404, "Not Found"),
            "{method}"
        );
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = server().await;
    let bearer = format!("Bearer {ADMIN}");
    let detailed = format!("{USAGE}?year=2025&month=11");
    for path in [USAGE, SUMMARY, &detailed, "/nothing", "/versions"] {
        let headers = [("authorization", bearer.as_str())];
        let mut get = server.send(Method::GET, path, &headers).await;
        let mut head = server.send(Method::HEAD, path, &headers).await;
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
        for answer in [&mut get, &mut head] {
            answer.headers.remove("x-github-request-id");
        }
        // A long answer streams, and has no length to tell.
        get.body.clear();
        assert_eq!(head, get, "{path}");
    }
}

#[tokio::test]
async fn both_schemes_carry_a_token() {
    let server = server().await;
    for (authorization, status) in [
        ("Bearer boss", 200),
        ("bearer boss", 200),
        ("token boss", 200),
        ("TOKEN boss", 200),
        ("Basic Ym9zczpib3Nz", 401),
        ("boss", 401),
        ("Bearer ", 401),
        ("Bearer boss boss", 401),
        ("Bearer Boss", 401),
    ] {
        let answer = server
            .send(Method::GET, USAGE, &[("authorization", authorization)])
            .await;
        assert_eq!(answer.status, status, "{authorization}");
    }
}

#[tokio::test]
async fn long_answers_are_compressed_when_asked() {
    let server = server().await;
    let path = format!("{USAGE}?year=2025&month=11");
    let plain = server.get(&path).await.ok();
    assert!(plain.headers.get("content-encoding").is_none());
    let zipped = server
        .get_with(&path, &[("accept-encoding", "gzip, br")])
        .await
        .ok();
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert_eq!(
        zipped.header("etag"),
        plain.header("etag"),
        "a weak tag holds for both"
    );
    assert!(zipped.body.len() * 5 < plain.body.len());
    let mut text = String::new();
    GzDecoder::new(&zipped.body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, plain.text());
    let short = server
        .get_with("/versions", &[("accept-encoding", "gzip")])
        .await
        .ok();
    assert!(short.headers.get("content-encoding").is_none());
}

/// An answer of up to a megabyte has a length.
#[tokio::test]
async fn long_answers_come_whole() {
    let server = server().await;
    let path = format!("{USAGE}?year=2025&month=11");
    let whole = server.get(&path).await.ok();
    assert!(whole.body.len() > 128 * 1024, "{}", whole.body.len());
    let length = whole.body.len().to_string();
    assert_eq!(whole.header("content-length"), length);
}

#[tokio::test]
async fn names_in_paths_compare_without_case() {
    let server = server().await;
    let path = "/organizations/misty-raven/settings/billing/usage/summary?year=2025";
    let expected = server.get(path).await.ok();
    for name in ["Misty-Raven", "MISTY-RAVEN"] {
        let answer = server.get(&path.replace("misty-raven", name)).await.ok();
        assert_eq!(answer.text(), expected.text());
    }
    assert_eq!(expected.json()["organization"], "misty-raven");
    server
        .apply("enterprises: [{slug: octo-ent, organizations: [Misty-Raven]}]")
        .await;
    assert_eq!(
        server.get(path).await.ok().json()["organization"],
        "Misty-Raven"
    );
}

#[tokio::test]
async fn browsers_may_ask() {
    let server = server().await;
    let answer = server
        .send(Method::OPTIONS, USAGE, &[("origin", "https://example.com")])
        .await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("Authorization")
    );
}
