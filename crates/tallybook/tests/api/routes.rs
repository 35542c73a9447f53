//! Who may ask what, of every route that the router has: the status that each token is answered
//! with. [`super::authorization`] asks more closely, of the families of endpoints.
//!
//! The table is `routes.txt`. Its lines come from the router itself, so that a new route cannot be
//! forgotten: the test fails until `TALLYBOOK_BLESS=1` writes its line, which is to be reviewed.

use crate::authorization::server;
use crate::golden::assert_golden;
use crate::server::{ADMIN, Server};
use axum::http::Method;
use std::fmt::Write as _;
use tallybook::auth::Grants;
use tallybook::http::router::facts;

const HEAD: &str = "\
# Who may ask what, of every route: the status that each token is answered with, without a body.
#
# Accounts are those of authorization.txt; ids are of things that do not exist. Users have tokens
# with every scope: `stranger`, who is nothing to the accounts, `ent` and `org`, owners of the
# enterprise and of its organization, and `self`. `sends` and `imports` are tokens of the enterprise
# that send events and import; `admin` is a site administrator's. What is below /api/v3, too, is
# answered there alike. `*` is every method.
#
# Written by TALLYBOOK_BLESS=1 cargo test -p tallybook --test api routes

";

/// Tokens: the head of their column, and the secret.
type Tokens = Vec<(&'static str, Option<String>)>;

async fn tokens(server: &Server) -> Tokens {
    let mut tokens = vec![("none", None), ("wrong", Some("tally_unknown".to_owned()))];
    let users = [
        ("stranger", "stranger"),
        ("ent", "ent-owner"),
        ("org", "org-owner"),
        ("self", "self"),
    ];
    for (head, login) in users {
        let grants = Grants::classic(login, ["admin:enterprise", "admin:org", "user"]).unwrap();
        tokens.push((head, Some(server.token(head, &grants, None).await)));
    }
    let sender = Grants::sender(["enterprise/ent"], Vec::new()).unwrap();
    tokens.push(("sends", Some(server.token("sends", &sender, None).await)));
    let importer = Grants::importer(["enterprise/ent"]).unwrap();
    tokens.push((
        "imports",
        Some(server.token("imports", &importer, None).await),
    ));
    tokens.push(("admin", Some(ADMIN.to_owned())));
    tokens
}

/// Paths that match a pattern: one for each kind of account where it has `{kind}`.
fn paths(pattern: &str) -> Vec<String> {
    let accounts = [
        ("enterprises", "ent"),
        ("organizations", "org"),
        ("users", "self"),
    ];
    let named = if pattern.contains("{kind}") {
        let named = |(kind, name)| pattern.replace("{kind}", kind).replace("{name}", name);
        accounts.map(named).to_vec()
    } else {
        vec![pattern.to_owned()]
    };
    let fill = |path: String| {
        let known = [
            ("{enterprise}", "ent"),
            ("{org}", "org"),
            ("{username}", "self"),
        ];
        let path = known
            .iter()
            .fold(path, |path, (name, value)| path.replace(name, value));
        let parts = path.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { "0" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    named.into_iter().map(fill).collect()
}

async fn line(server: &Server, tokens: &Tokens, method: &Method, path: &str) -> String {
    let mut line = String::new();
    for (head, secret) in tokens {
        let bearer = secret.as_ref().map(|secret| format!("Bearer {secret}"));
        let headers: Vec<_> = bearer
            .iter()
            .map(|it| ("authorization", it.as_str()))
            .collect();
        let status = server.send(method.clone(), path, &headers).await.status;
        let width = head.len().max(4);
        write!(line, " {status:<width$}").unwrap();
    }
    line.trim_end().to_owned()
}

async fn table() -> String {
    let server = server().await.with_reports().await;
    let tokens = tokens(&server).await;
    let mut table = HEAD.to_owned();
    write!(table, "{:<86}", "route").unwrap();
    for (head, _) in &tokens {
        write!(table, " {head:<4}").unwrap();
    }
    table.push('\n');
    for (pattern, methods) in facts().all() {
        let every = vec![&Method::GET];
        let shown = |method: &Method| match methods.is_empty() {
            true => "*".to_owned(),
            false => method.to_string(),
        };
        for method in if methods.is_empty() { &every } else { &methods } {
            for path in paths(pattern) {
                let line = line(&server, &tokens, method, &path).await;
                match path.strip_prefix("/api/v3") {
                    Some(path) => {
                        let same = self::line(&server, &tokens, method, path).await;
                        assert_eq!(line, same, "{path}");
                    }
                    None => writeln!(table, "{:<7}{path:<79}{line}", shown(method)).unwrap(),
                }
            }
        }
    }
    table
}

#[tokio::test]
async fn every_route_is_answered_as_the_table_says() {
    let table = table().await;
    assert_golden("routes.txt", &table);
}

/// No route admits requests without a token, except where a line of this test says so.
#[tokio::test]
async fn without_a_token_only_what_is_meant_to_be_is_open() {
    let server = server().await.with_reports().await;
    let open = [
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/rate_limit",
        "/readyz",
        "/versions",
        // Signed links.
        "/reports/{id}/{part}",
    ];
    let retired = ["/actions", "/packages", "/shared-storage"];
    for (pattern, methods) in facts().all() {
        let plain = pattern.strip_prefix("/api/v3").unwrap_or(pattern);
        let is_retired = plain.split_once("/settings/billing");
        let is_retired = is_retired.is_some_and(|(_, rest)| retired.contains(&rest));
        if open.contains(&plain) || is_retired {
            continue;
        }
        assert!(!methods.is_empty(), "{pattern}");
        let beside = [Method::GET, Method::PUT];
        for method in methods.into_iter().chain(&beside) {
            for path in paths(pattern) {
                let answer = server.send(method.clone(), &path, &[]).await;
                assert_eq!(answer.status, 401, "{method} {path}");
            }
        }
    }
}
