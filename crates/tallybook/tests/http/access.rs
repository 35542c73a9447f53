//! Who may do what, through the router.

use super::*;

#[tokio::test]
async fn roles_and_tokens_decide_the_status() {
    let server = Server::new().await;
    server.import("detailed_2025-11-01_02.csv").await;
    let enterprise = "/enterprises/octo-ent/settings/billing/usage";
    let organization = "/organizations/octo-org/settings/billing/usage";
    let user = "/users/hubot/settings/billing/usage";
    let classic = |user: &str, scope: &str| format!(r#"{{"user":"{user}","scopes":["{scope}"]}}"#);
    let fine = |user: &str, name: &str| {
        format!(r#"{{"user":"{user}","permissions":{{"{name}":"read"}}}}"#)
    };
    let cases = [
        (
            classic("monalisa", "manage_billing:enterprise"),
            [200, 200, 404],
        ),
        (classic("monalisa", "admin:org"), [403, 200, 404]),
        (classic("hubot", "user"), [403, 403, 200]),
        (classic("hubot", "read:user"), [403, 403, 404]),
        (fine("hubot", "plan"), [403, 403, 200]),
        (
            fine("monalisa", "organization_administration"),
            [403, 200, 404],
        ),
        (classic("orgowner", "read:org"), [403, 200, 404]),
        (classic("member", "admin:org"), [403, 403, 404]),
        (classic("stranger", "admin:enterprise"), [404, 404, 404]),
        (r#"{"site_admin":true}"#.to_owned(), [200, 200, 200]),
    ];
    // A user's page exists only if the user is known.
    let known = "users: [{login: hubot}]";
    server
        .post("/metering/v1/apply", "application/yaml", known)
        .await;
    for (token, statuses) in cases {
        let secret = server.token(&token).await;
        for (path, expected) in [enterprise, organization, user].into_iter().zip(statuses) {
            let answer = server.ask("GET", path, &secret, &[]).await;
            assert_eq!(
                answer.status.as_u16(),
                expected,
                "{token} {path}: {}",
                answer.text()
            );
        }
    }
    let nowhere = server
        .get("/enterprises/nowhere/settings/billing/usage")
        .await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn revoked_and_expired_tokens_stop_working() {
    let server = Server::new().await;
    let body = r#"{"user":"monalisa","scopes":["manage_billing:enterprise"]}"#;
    let made = server
        .post("/metering/v1/tokens", "application/json", body)
        .await
        .json();
    let (id, secret) = (
        made["id"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    let path = "/enterprises/octo-ent/settings/billing/usage";
    assert_eq!(
        server.ask("GET", path, secret, &[]).await.status,
        StatusCode::OK
    );
    let list = server.get("/metering/v1/tokens").await;
    assert!(list.text().contains(id) && !list.text().contains(secret));
    let revoke = format!("/metering/v1/tokens/{id}");
    let revoked = server.ask("DELETE", &revoke, ADMIN, &[]).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(
        server.ask("GET", path, secret, &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
    let again = server.ask("DELETE", &revoke, ADMIN, &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_site_is_for_its_administrators() {
    let server = Server::new().await;
    let secret = server
        .token(r#"{"user":"monalisa","scopes":["admin:enterprise"]}"#)
        .await;
    let routes = [
        ("GET", "/metering/v1/tokens"),
        ("POST", "/metering/v1/tokens"),
        ("DELETE", "/metering/v1/tokens/x"),
        ("POST", "/metering/v1/apply"),
        ("POST", "/metering/v1/verify"),
        ("GET", "/metering/v1/backup"),
        ("GET", "/metering/v1/audit"),
    ];
    for (method, path) in routes {
        let answer = server.ask(method, path, &secret, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        let answer = server.ask(method, path, "", &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn open_routes_need_no_token_and_unknown_ones_are_404() {
    let server = Server::new().await;
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/versions",
    ] {
        let answer = server.ask("GET", path, "", &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        let names = ["octo-ent", "monalisa"];
        let shows = names.iter().any(|name| answer.text().contains(name));
        assert!(!shows, "{path}: {}", answer.text());
    }
    let unlimited = server.ask("GET", "/rate_limit", "", &[]).await;
    assert_eq!(unlimited.status, StatusCode::NOT_FOUND);
    let usage = "/users/hubot/settings/billing/usage";
    for (method, path) in [("GET", "/"), ("GET", "/users/hubot/x"), ("POST", usage)] {
        let answer = server.ask(method, path, ADMIN, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(answer.json()["status"], "404");
    }
    let slash = server.get(&format!("{usage}/")).await;
    assert_eq!(slash.json()["message"], "Not Found");
}

#[tokio::test]
async fn standings_are_shown_by_version() {
    let settings = HttpSettings {
        rate_limit: 100,
        ..HttpSettings::default()
    };
    let server = Server::with(settings).await;
    let old = server.get("/rate_limit").await.json();
    assert_eq!(old["rate"], old["resources"]["core"]);
    assert_eq!(old["rate"]["used"], 1, "apply was counted, asking is not");
    let newer = [("x-github-api-version", "2026-03-10")];
    let new = server.ask("GET", "/rate_limit", ADMIN, &newer).await.json();
    assert!(new["rate"].is_null());
}

/// What was done is never answered as if it had not been.
#[tokio::test]
async fn a_client_that_accepts_no_encoding_of_ours_gets_its_answer_as_it_is() {
    let server = Server::new().await;
    let event = r#"{"specversion":"1.0","id":"1","source":"/ci","type":"usage",
        "time":"2025-11-20T10:00:00Z",
        "data":{"sku":"actions_linux","quantity":1,"organization":"octo-org"}}"#;
    let token = r#"{"user":"monalisa","scopes":["user"]}"#;
    for (path, body, status) in [
        ("/metering/v1/tokens", token, StatusCode::CREATED),
        ("/metering/v1/events", event, StatusCode::OK),
    ] {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", "application/json")
            .header("accept-encoding", "br, *;q=0")
            .body(Body::from(body))
            .unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(!answer.headers.contains_key("content-encoding"));
    }
}
