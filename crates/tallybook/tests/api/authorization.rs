//! Who may ask what: every role with every kind of token, on every family of endpoints.
//!
//! The table is `authorization.txt`. After a change that is meant, `TALLYBOOK_BLESS=1` writes it
//! anew; review its difference line by line.

use crate::golden::assert_golden;
use crate::server::{Server, at, detailed, enterprise, organization, user};
use axum::body::Body;
use axum::http::{Method, Request, header};
use std::fmt::Write as _;
use tallybook::auth::Grants;
use tallybook::engine::commit::Actor;
use tower::ServiceExt;

const NOW: &str = "2025-12-05T12:00:00Z";

const BILLING_FILE: &str = "
enterprises:
  - slug: ent
    owners: [ent-owner]
    billing_managers: [ent-billing]
    organizations: [org, other-org]
organizations:
  - {login: org, owners: [org-owner], billing_managers: [org-billing], members: [member]}
  - {login: other-org, owners: [other-owner]}
  - {login: solo, owners: [org-owner], billing_managers: [org-billing], members: [member]}
users: [{login: self}]
";

/// Users, with what they are.
const ROLES: [(&str, &str); 8] = [
    ("stranger", "nothing to any of the accounts"),
    ("member", "a member of org and solo"),
    (
        "other-owner",
        "an owner of other-org, which ent pays for too",
    ),
    ("org-owner", "an owner of org and solo"),
    ("org-billing", "a billing manager of org and solo"),
    ("ent-owner", "an owner of ent"),
    ("ent-billing", "a billing manager of ent"),
    ("self", "the user"),
];

/// The grants of a user's token, one at a time.
const GRANTS: [&str; 11] = [
    "admin:enterprise",
    "manage_billing:enterprise",
    "read:enterprise",
    "admin:org",
    "write:org",
    "read:org",
    "user",
    "read:user",
    "organization_administration=read",
    "organization_administration=write",
    "plan=read",
];

/// A column: its head, method, path, and the body that is sent.
type Column = (&'static str, &'static str, &'static str, &'static str);

const IMPORT: &str = "date,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,\
                      discount_amount,net_amount,organization,repository,cost_center_name\n";

const EVENTS: &str = "/metering/v1/events";

macro_rules! event {
    ($payer:literal) => {
        concat!(
            r#"{"specversion":"1.0","id":"1","source":"/ci","type":"usage","#,
            r#""time":"2025-12-01T00:00:00Z","data":{"sku":"actions_linux","quantity":1,"#,
            $payer,
            "}}"
        )
    };
}

const ENTERPRISE_EVENT: &str = event!(r#""enterprise":"ent","organization":"org""#);
const ORGANIZATION_EVENT: &str = event!(r#""organization":"solo""#);
const USER_EVENT: &str = event!(r#""user":"self""#);

const COLUMNS: [Column; 29] = [
    (
        "e:usage",
        "GET",
        "/enterprises/ent/settings/billing/usage",
        "",
    ),
    (
        "e:cc",
        "GET",
        "/enterprises/ent/settings/billing/cost-centers",
        "",
    ),
    (
        "e:rep",
        "GET",
        "/enterprises/ent/settings/billing/reports",
        "",
    ),
    (
        "e:ask",
        "POST",
        "/enterprises/ent/settings/billing/reports",
        r#"{"report_type":"detailed","start_date":"2025-12-01"}"#,
    ),
    (
        "e:not",
        "GET",
        "/enterprises/ent/settings/billing/budgets",
        "",
    ),
    ("e:imp", "GET", "/metering/v1/enterprises/ent/imports", ""),
    (
        "e:post",
        "POST",
        "/metering/v1/enterprises/ent/imports",
        IMPORT,
    ),
    (
        "o:usage",
        "GET",
        "/organizations/org/settings/billing/usage",
        "",
    ),
    ("o:orgs", "GET", "/orgs/org/settings/billing/usage", ""),
    (
        "o:not",
        "POST",
        "/organizations/org/settings/billing/budgets",
        "{}",
    ),
    ("o:imp", "GET", "/metering/v1/organizations/org/imports", ""),
    (
        "o:post",
        "POST",
        "/metering/v1/organizations/org/imports",
        IMPORT,
    ),
    (
        "s:usage",
        "GET",
        "/organizations/solo/settings/billing/usage",
        "",
    ),
    (
        "s:imp",
        "GET",
        "/metering/v1/organizations/solo/imports",
        "",
    ),
    ("u:usage", "GET", "/users/self/settings/billing/usage", ""),
    ("u:imp", "GET", "/metering/v1/users/self/imports", ""),
    ("u:post", "POST", "/metering/v1/users/self/imports", IMPORT),
    (
        "nobody",
        "GET",
        "/organizations/nobody/settings/billing/usage",
        "",
    ),
    ("e:send", "POST", EVENTS, ENTERPRISE_EVENT),
    ("s:send", "POST", EVENTS, ORGANIZATION_EVENT),
    ("u:send", "POST", EVENTS, USER_EVENT),
    ("tokens", "GET", "/metering/v1/tokens", ""),
    (
        "apply",
        "POST",
        "/metering/v1/apply",
        "users: [{login: self}]",
    ),
    ("verify", "POST", "/metering/v1/verify", ""),
    ("audit", "GET", "/metering/v1/audit", ""),
    ("catalog", "GET", "/metering/v1/catalog", ""),
    ("putcat", "PUT", "/metering/v1/catalog", ""),
    ("gone", "GET", "/orgs/org/settings/billing/actions", ""),
    ("open", "GET", "/openapi.json", ""),
];

const HEAD: &str = "\
# Who may ask what: the status that each role and token is answered with.
#
# Accounts: the enterprise ent (e:), its organization org (o:), the organization solo, which pays
# for itself (s:), and the user self (u:). `usage` stands for the four usage endpoints (`orgs` for
# those of an organization at /orgs), `cc` for cost centers, `rep` and `ask` for listing usage
# reports and asking for one, `not` for what is not there yet (501), `imp` and `post` for listing
# imports and importing, `nobody` for a name that nobody has, `send` for an event of usage
# that the account pays for (422 is how an account that does not exist is answered), `tokens`,
# `apply`, `verify`, `audit`, `catalog` (read) and `putcat` (written) for the site's own endpoints
# (as are revoking, backup and the catalogue's versions), `gone` for GitHub's retired endpoints and
# `open` for what anybody may read.
#
# Written by TALLYBOOK_BLESS=1 cargo test -p tallybook --test api authorization
";

pub(crate) async fn server() -> Server {
    let server = Server::on_disk(NOW).await;
    server.apply(BILLING_FILE).await;
    let minutes = |owner: &str| {
        let line = format!(
            "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,{owner},api,,"
        );
        detailed(&[&line])
    };
    let accounts = [
        (enterprise("ent"), "org"),
        (organization("solo"), "solo"),
        (user("self"), ""),
    ];
    for (account, owner) in accounts {
        server
            .import(&account, &[("minutes", minutes(owner))])
            .await;
    }
    // From here on, importing it is a repetition.
    for account in [enterprise("ent"), organization("org"), user("self")] {
        let report = IMPORT.as_bytes().to_vec();
        server.import(&account, &[("empty", report)]).await;
    }
    server
}

async fn status(server: &Server, secret: Option<&str>, column: Column) -> u16 {
    let (_, method, path, body) = column;
    let mut request = Request::builder().method(method).uri(path);
    let content_type = match (method, body) {
        ("PUT", _) => "text/plain",
        (_, IMPORT) => "text/csv",
        _ => "application/json",
    };
    request = request.header(header::HOST, "localhost");
    request = request.header(header::CONTENT_TYPE, content_type);
    if let Some(secret) = secret {
        request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
    }
    let request = request.body(Body::from(body)).unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    response.status().as_u16()
}

/// One line of the table.
async fn row(server: &Server, table: &mut String, token: &str, secret: Option<&str>) {
    write!(table, "{token:<36}").unwrap();
    for column in COLUMNS {
        let width = column.0.len().max(4);
        let status = status(server, secret, column).await;
        write!(table, " {status:<width$}").unwrap();
    }
    finish_line(table);
}

fn finish_line(table: &mut String) {
    table.truncate(table.trim_end().len());
    table.push('\n');
}

fn heads(table: &mut String, title: &str) {
    write!(table, "\n{title}\n{:<36}", "token").unwrap();
    for (head, ..) in COLUMNS {
        let width = head.len().max(4);
        write!(table, " {head:<width$}").unwrap();
    }
    finish_line(table);
}

/// Tokens for which it does not matter whose they are.
async fn whoever(server: &Server, table: &mut String) {
    let owner = Grants::classic("ent-owner", ["admin:enterprise", "admin:org"]).unwrap();
    let boss = Grants::SiteAdmin;
    let expired_at = Some(at("2025-12-05T12:00:00Z"));
    let expired = server.token("expired", &owner, expired_at).await;
    let expired_boss = server.token("expiredboss", &boss, expired_at).await;
    let ends = server
        .token("ends", &boss, Some(at("2025-12-05T12:00:01Z")))
        .await;
    let site_admin = server.token("siteadmin", &boss, None).await;
    let revoked = server.token("revoked", &owner, None).await;
    let revoked_boss = server.token("revokedboss", &boss, None).await;
    for id in ["revoked", "revokedboss"] {
        let actor = Actor::command("test");
        server
            .engine
            .revoke_token(id, at(NOW), &actor)
            .await
            .unwrap();
    }
    heads(table, "whoever");
    let rows = [
        ("no token", None),
        ("an unknown token", Some("tally_unknown")),
        ("an expired token of ent's owner", Some(expired.as_str())),
        ("a revoked token of ent's owner", Some(revoked.as_str())),
        (
            "an expired site administrator's",
            Some(expired_boss.as_str()),
        ),
        (
            "a revoked site administrator's",
            Some(revoked_boss.as_str()),
        ),
        ("a site administrator's, last second", Some(ends.as_str())),
        ("a site administrator's", Some(site_admin.as_str())),
        ("TALLYBOOK_ADMIN_TOKEN", Some(crate::server::ADMIN)),
    ];
    for (token, secret) in rows {
        row(server, table, token, secret).await;
    }
}

/// Tokens that send for an account and read nothing, not even of that account.
async fn senders(server: &Server, table: &mut String) {
    heads(table, "sending tokens");
    let elsewhere = ["/elsewhere".to_owned()];
    let here = ["/ci".to_owned()];
    let rows: [(&str, &[&str], &[String]); 6] = [
        ("sends for ent", &["enterprise/ent"], &[]),
        ("sends for ent from its source", &["enterprise/ent"], &here),
        (
            "sends for ent from elsewhere",
            &["enterprise/ent"],
            &elsewhere,
        ),
        (
            "sends for org, which does not pay",
            &["organization/org"],
            &[],
        ),
        (
            "sends for solo and self",
            &["organization/solo", "user/self"],
            &[],
        ),
        ("sends for nobody", &["enterprise/nobody"], &[]),
    ];
    for (index, (token, accounts, sources)) in rows.into_iter().enumerate() {
        let grants = Grants::sender(accounts.iter().copied(), sources.to_vec()).unwrap();
        let secret = server.token(&format!("sender{index}"), &grants, None).await;
        row(server, table, token, Some(&secret)).await;
    }
}

/// Tokens that import for an account, look at its imports, and read nothing else.
async fn importers(server: &Server, table: &mut String) {
    heads(table, "importing tokens");
    let rows: [(&str, &[&str]); 4] = [
        ("imports for ent", &["enterprise/ent"]),
        ("imports for org, which does not pay", &["organization/org"]),
        (
            "imports for solo and self",
            &["organization/solo", "user/self"],
        ),
        ("imports for nobody", &["enterprise/nobody"]),
    ];
    for (index, (token, accounts)) in rows.into_iter().enumerate() {
        let grants = Grants::importer(accounts.iter().copied()).unwrap();
        let secret = server
            .token(&format!("importer{index}"), &grants, None)
            .await;
        row(server, table, token, Some(&secret)).await;
    }
}

async fn table() -> String {
    let server = server().await.with_reports().await;
    let mut table = HEAD.to_owned();
    whoever(&server, &mut table).await;
    senders(&server, &mut table).await;
    importers(&server, &mut table).await;
    for (role, what) in ROLES {
        heads(&mut table, &format!("{role}: {what}"));
        for (index, grant) in GRANTS.into_iter().enumerate() {
            let grants = if grant.contains('=') {
                Grants::fine_grained(role, [grant])
            } else {
                Grants::classic(role, [grant])
            };
            let id = format!("{role}{index}").replace('-', "");
            let secret = server.token(&id, &grants.unwrap(), None).await;
            row(&server, &mut table, grant, Some(&secret)).await;
        }
    }
    table
}

#[tokio::test]
async fn every_role_and_token_is_answered_as_the_table_says() {
    let table = table().await;
    assert_golden("authorization.txt", &table);
}

/// Who reads billing is told which token imports and reverts; a token that was made for it does so,
/// and only in its own account.
#[tokio::test]
async fn imports_and_reverts_need_a_token_that_was_made_for_them() {
    let server = server().await;
    let grants = ["admin:enterprise", "admin:org", "user"];
    let grants = Grants::classic("ent-owner", grants).unwrap();
    let reader = server.token("reader", &grants, None).await;
    let [ours, theirs] =
        ["enterprise/ent", "organization/solo"].map(|account| Grants::importer([account]).unwrap());
    let ours = server.token("ours", &ours, None).await;
    let theirs = server.token("theirs", &theirs, None).await;

    let imports = "/metering/v1/enterprises/ent/imports";
    let list = server.get_as(&reader, imports).await;
    assert_eq!(list.status, 200);
    let id = list.json()["imports"][0]["id"].as_str().unwrap().to_owned();
    let revert = format!("{imports}/{id}");
    let at_theirs = format!("/metering/v1/organizations/solo/imports/{id}");
    for (secret, path, status) in [
        (&reader, &revert, 403),
        (&theirs, &revert, 404),
        (&theirs, &at_theirs, 404),
        (&ours, &at_theirs, 404),
        (&ours, &revert, 200),
    ] {
        let bearer = format!("Bearer {secret}");
        let headers = [("authorization", bearer.as_str())];
        let answer = server.send(Method::DELETE, path, &headers).await;
        assert_eq!(answer.status, status, "{secret} {path}: {answer:?}");
        if status == 403 {
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            assert!(message.contains("token create --import"), "{message}");
        }
    }
}

/// Strangers cannot tell an account that exists from one that does not, by anything in the answer.
#[tokio::test]
async fn to_a_stranger_no_account_exists() {
    let server = server().await;
    let grants = ["admin:enterprise", "admin:org", "user"];
    let grants = Grants::classic("stranger", grants).unwrap();
    let secret = server.token("stranger", &grants, None).await;
    for path in [
        "/enterprises/NAME/settings/billing/usage",
        "/enterprises/NAME/settings/billing/usage/summary?month=13",
        "/enterprises/NAME/settings/billing/cost-centers",
        "/organizations/NAME/settings/billing/premium_request/usage",
        "/users/NAME/settings/billing/ai_credit/usage",
        "/metering/v1/enterprises/NAME/imports",
        "/metering/v1/organizations/NAME/imports",
        "/metering/v1/users/NAME/imports",
    ] {
        let name = match path {
            path if path.contains("enterprises") => "ent",
            path if path.contains("organizations") => "org",
            _ => "self",
        };
        let mut known = server.get_as(&secret, &path.replace("NAME", name)).await;
        let mut unknown = server
            .get_as(&secret, &path.replace("NAME", "nobody"))
            .await;
        assert_eq!(known.status, 404, "{path}");
        for answer in [&mut known, &mut unknown] {
            answer.headers.remove("x-github-request-id");
        }
        assert_eq!(known, unknown, "{path}");
    }
}

/// A sender cannot tell an account that it may not send for from a nonexistent one.
#[tokio::test]
async fn to_a_sender_no_other_account_exists() {
    let server = server().await;
    let grants = Grants::sender(["organization/solo"], Vec::new()).unwrap();
    let secret = server.token("sender", &grants, None).await;
    // Nor by naming it beside an account that it may send for.
    let both = Grants::sender(["enterprise/ent"], Vec::new()).unwrap();
    let both = server.token("both", &both, None).await;
    let mut answers = Vec::new();
    for name in ["solo", "nobody"] {
        let payer = format!("\"enterprise\":\"ent\",\"organization\":\"{name}\"");
        let event = ORGANIZATION_EVENT.replace("\"organization\":\"solo\"", &payer);
        let answer = post_as(&server, &both, event).await;
        answers.push(answer.replace(&format!(" {name} "), " NAME "));
    }
    assert_eq!(answers[0], answers[1]);
    for (member, known) in [
        ("enterprise", "ent"),
        ("organization", "org"),
        ("user", "self"),
    ] {
        let mut answers = Vec::new();
        for name in [known, "nobody"] {
            let payer = format!("\"{member}\":\"{name}\"");
            let event = ORGANIZATION_EVENT.replace("\"organization\":\"solo\"", &payer);
            let answer = post_as(&server, &secret, event).await;
            assert!(answer.contains("\"code\":\"unknown_payer\""), "{answer}");
            answers.push(answer.replace(&format!(" {name} "), " NAME "));
        }
        assert_eq!(answers[0], answers[1]);
    }
}

/// The answer to an event that is refused.
async fn post_as(server: &Server, secret: &str, event: String) -> String {
    let request = Request::builder()
        .method("POST")
        .uri(EVENTS)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {secret}"));
    let request = request.body(Body::from(event)).unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 422);
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    String::from_utf8(body.unwrap().to_vec()).unwrap()
}
