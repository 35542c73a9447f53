//! Paths with two spellings, answers that have one page, and operations that are not there yet.

use crate::server::{Server, detailed, enterprise, fixture};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tallybook::auth::Grants;
use tower::ServiceExt;

const NOW: &str = "2025-12-05T12:00:00Z";
const REPORTS: [&str; 4] = [
    "usage",
    "usage/summary",
    "premium_request/usage",
    "ai_credit/usage",
];

const BILLING_FILE: &str = "
enterprises: [{slug: ent, owners: [boss], organizations: [org]}]
organizations: [{login: org, owners: [owner], members: [Seated]}]
";

async fn server() -> Server {
    let server = Server::new(NOW).await.with_reports().await;
    server.apply(BILLING_FILE).await;
    let minutes = detailed(&[
        "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,kim,org,api,,Media",
        "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,kim,org,api,,",
    ]);
    server
        .import(&enterprise("ent"), &[("minutes", minutes)])
        .await;
    let requests = fixture("premium_request_2025-10.csv");
    server
        .import(&enterprise("ent"), &[("requests", requests)])
        .await;
    server
}

async fn ask_for_report(server: &Server, path: &str, body: String) {
    let request = Request::builder()
        .method("POST")
        .uri(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", crate::server::ADMIN));
    let request = request.body(Body::from(body)).unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 202);
}

#[tokio::test]
async fn organizations_answer_at_orgs_too() {
    let server = server().await;
    let owner = Grants::classic("owner", ["admin:org"]).unwrap();
    let owner = server.token("owner", &owner, None).await;
    let stranger = Grants::classic("stranger", ["admin:org"]).unwrap();
    let stranger = server.token("stranger", &stranger, None).await;
    for base in ["", "/api/v3"] {
        for report in REPORTS {
            let path =
                |kind: &str| format!("{base}/{kind}/org/settings/billing/{report}?year=2025");
            let mut answers = Vec::new();
            for kind in ["organizations", "orgs"] {
                let path = path(kind);
                let mut answer = server.get_as(&owner, &path).await.ok();
                answer.headers.remove("x-github-request-id");
                answers.push(answer);
                assert_eq!(server.send(Method::GET, &path, &[]).await.status, 401);
                assert_eq!(server.get_as(&stranger, &path).await.status, 404, "{path}");
            }
            assert_eq!(answers[0], answers[1], "{report}");
        }
    }
    let usage = "/orgs/org/settings/billing/usage?year=2025";
    assert!(!server.get(usage).await.ok().items().is_empty());
}

/// A client that asks until less than a hundred items come ends at the second page.
#[tokio::test]
async fn what_has_one_page_is_empty_from_the_second_on() {
    let server = server().await;
    let base = "/enterprises/ent/settings/billing";
    let report = json!({"report_type": "detailed", "start_date": "2025-12-01"}).to_string();
    ask_for_report(&server, &format!("{base}/reports"), report).await;
    for (path, list) in [
        ("usage?year=2025", "usageItems"),
        ("usage/summary?year=2025", "usageItems"),
        ("premium_request/usage?year=2025", "usageItems"),
        ("cost-centers?state=active", "costCenters"),
        ("reports?", "usage_report_exports"),
    ] {
        let get = async |page: &str| server.get(&format!("{base}/{path}&{page}")).await;
        let count = |answer: &Value| answer[list].as_array().unwrap().len();
        let all = get("").await.ok();
        assert!(count(&all.json()) > 0, "{path}");
        for page in [
            "page=1",
            "per_page=1",
            "per_page=1000",
            "page=1&per_page=100",
        ] {
            assert_eq!(get(page).await.ok().text(), all.text(), "{path} {page}");
        }
        for page in ["page=2", "page=3&per_page=100"] {
            let beyond = get(page).await.ok();
            assert_eq!(count(&beyond.json()), 0, "{path} {page}");
            assert_eq!(beyond.header("link"), "");
        }
        for page in ["page=0", "page=-1", "page=x", "page="] {
            let refused = get(page).await;
            assert_eq!(refused.status, 400, "{path} {page}");
            assert!(refused.message().contains("'page'"), "{}", refused.text());
        }
    }
    // The rest of the answer is that of every page.
    let beyond = server
        .get(&format!("{base}/usage/summary?year=2025&page=2"))
        .await;
    let expected = json!({"timePeriod": {"year": 2025}, "enterprise": "ent", "usageItems": []});
    assert_eq!(beyond.ok().json(), expected);
}

#[tokio::test]
async fn an_unknown_user_is_named_and_a_member_without_usage_is_known() {
    let server = server().await;
    for account in ["/enterprises/ent", "/organizations/org", "/orgs/org"] {
        for report in ["premium_request/usage", "ai_credit/usage"] {
            let get = async |user: &str| {
                let path = format!("{account}/settings/billing/{report}?year=2025&user={user}");
                server.get(&path).await
            };
            let unknown = get("no-body").await;
            assert_eq!(unknown.status, 404);
            assert_eq!(unknown.message(), "User 'no-body' not found");
            let member = get("seated").await.ok();
            assert!(member.items().is_empty(), "{}", member.text());
        }
    }
    // Who is unknown for another reason is told nothing more.
    let path = "/enterprises/ent/settings/billing/ai_credit/usage?organization=nobody";
    assert_eq!(server.get(path).await.message(), "Not Found");
}

/// Every operation of GitHub's description is there, or says that it is not there yet.
#[tokio::test]
async fn operations_that_are_not_there_yet_say_so() {
    let server = server().await;
    let description = include_str!("../fixtures/github-billing-openapi.json");
    let description: Value = serde_json::from_str(description).unwrap();
    let member = Grants::classic("Seated", ["admin:org", "manage_billing:enterprise"]).unwrap();
    let member = server.token("member", &member, None).await;
    let member = format!("Bearer {member}");
    let admin = format!("Bearer {}", crate::server::ADMIN);
    let mut planned = 0;
    for (pattern, operations) in description["paths"].as_object().unwrap() {
        let path = pattern.replace("{enterprise}", "ent");
        let path = path.replace("{org}", "org").replace(['{', '}'], "");
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            if operations[method.to_lowercase()].is_null() {
                continue;
            }
            let writes_centers = pattern.contains("/cost-centers") && method != "GET";
            let is_planned = writes_centers
                || pattern.contains("/budgets")
                || pattern.contains("/advanced-security");
            planned += usize::from(is_planned);
            let ask = async |path: &str, headers: &[(&str, &str)]| {
                server.send(method.parse().unwrap(), path, headers).await
            };
            for base in ["", "/api/v3"] {
                let path = format!("{base}{path}");
                let answer = ask(&path, &[("authorization", &admin)]).await;
                assert_eq!(answer.status == 501, is_planned, "{method} {path}");
                assert_eq!(ask(&path, &[]).await.status, 401, "{method} {path}");
                if !is_planned {
                    continue;
                }
                let message = answer.message();
                let expected = ": this server does not have this part of GitHub's API yet.";
                assert!(message.ends_with(expected), "{message}");
                assert_eq!(answer.json()["status"], "501");
                let url = answer.json()["documentation_url"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                assert!(url.starts_with("https://docs.github.com/"), "{url}");
                let member = ask(&path, &[("authorization", &member)]).await;
                assert_eq!(member.status, 403, "{method} {path}");
                let nobody = path
                    .replace("/ent/", "/nobody/")
                    .replace("/org/", "/nobody/");
                let nobody = ask(&nobody, &[("authorization", &admin)]).await;
                assert_eq!(nobody.status, 404, "{method} {path}");
            }
        }
    }
    assert_eq!(planned, 18);
    for wrong in [
        "budget",
        "budgets/1/user-state",
        "cost-center",
        "advanced_security",
    ] {
        let path = format!("/enterprises/ent/settings/billing/{wrong}");
        assert_eq!(server.get(&path).await.status, 404, "{wrong}");
    }
}
