//! The examples of GitHub's documents, byte for byte but for white space: the usage that they show
//! is imported, the request that they show is sent, and the body must be the one that they show.

use crate::answer::compact;
use crate::maker::{Maker, folder};
use crate::server::{Server, at, detailed, enterprise, organization, premium_requests, user};
use axum::http::Method;
use tallybook::auth::Grants;
use tallybook::jobs::state::{Job, Status};
use tallybook_core::export::{Cells, Days};
use tallybook_core::ids::LogId;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Day;
use tallybook_store::Effect;

/// The report lines of every `usage` example.
const MINUTES: &str = "2023-08-01,actions,actions_linux,100,minutes,0.008,0.8,0,0.8,,GitHub,\
                       github/example,,";
const USER_MINUTES: &str =
    "2023-08-01,actions,actions_linux,100,minutes,0.008,0.8,0,0.8,,,user/example,,";
const REQUESTS: &str = "2025-03-01,,copilot,copilot_premium_request,GPT-5,100,requests,0.04,4,0,4,\
                        False,300,GitHub,,0,0";
const USER_REQUESTS: &str = "2025-03-01,monalisa,copilot,copilot_premium_request,GPT-5,100,\
                             requests,0.04,4,0,4,False,300,,,0,0";
/// Of which the summary's example shows the sum.
const THOUSAND_MINUTES: [&str; 2] = [
    "2025-02-01,actions,actions_linux,400,minutes,0.008,3.2,0,3.2,,GitHub,github/example,,",
    "2025-04-01,actions,actions_linux,600,minutes,0.008,4.8,0,4.8,,GitHub,,,Engineering",
];

const ENTERPRISE_PREMIUM_REQUESTS: &str = r#"
{ "timePeriod": { "year": 2025 }, "enterprise": "GitHub", "usageItems": [ { "product": "Copilot",
"sku": "Copilot Premium Request", "model": "GPT-5", "unitType": "requests", "pricePerUnit": 0.04,
"grossQuantity": 100, "grossAmount": 4, "discountQuantity": 0, "discountAmount": 0,
"netQuantity": 100, "netAmount": 4 } ] }"#;

/// The documents write `github/example` beside `GitHub`. Names compare without case and are shown
/// in one spelling each, so that the owner of a repository is spelled as the organization is.
const USAGE: &str = r#"
{ "usageItems": [ { "date": "2023-08-01", "product": "Actions", "sku": "Actions Linux",
"quantity": 100, "unitType": "minutes", "pricePerUnit": 0.008, "grossAmount": 0.8,
"discountAmount": 0, "netAmount": 0.8, "organizationName": "GitHub",
"repositoryName": "GitHub/example" } ] }"#;

const ENTERPRISE_SUMMARY: &str = r#"
{ "timePeriod": { "year": 2025 }, "enterprise": "GitHub", "usageItems": [ { "product": "Actions",
"sku": "actions_linux", "unitType": "minutes", "pricePerUnit": 0.008, "grossQuantity": 1000,
"grossAmount": 8, "discountQuantity": 0, "discountAmount": 0, "netQuantity": 1000,
"netAmount": 8 } ] }"#;

const ORGANIZATION_PREMIUM_REQUESTS: &str = r#"
{ "timePeriod": { "year": 2025 }, "organization": "GitHub", "usageItems": [ {
"product": "Copilot", "sku": "Copilot Premium Request", "model": "GPT-5", "unitType": "requests",
"pricePerUnit": 0.04, "grossQuantity": 100, "grossAmount": 4, "discountQuantity": 0,
"discountAmount": 0, "netQuantity": 100, "netAmount": 4 } ] }"#;

const USER_PREMIUM_REQUESTS: &str = r#"
{ "timePeriod": { "year": 2025 }, "user": "monalisa", "usageItems": [ { "product": "Copilot",
"sku": "Copilot Premium Request", "model": "GPT-5", "unitType": "requests", "pricePerUnit": 0.04,
"grossQuantity": 100, "grossAmount": 4, "discountQuantity": 0, "discountAmount": 0,
"netQuantity": 100, "netAmount": 4 } ] }"#;

const USER_USAGE: &str = r#"
{ "usageItems": [ { "date": "2023-08-01", "product": "Actions", "sku": "Actions Linux",
"quantity": 100, "unitType": "minutes", "pricePerUnit": 0.008, "grossAmount": 0.8,
"discountAmount": 0, "netAmount": 0.8, "repositoryName": "user/example" } ] }"#;

/// The request, the answer to it, the answer once it is completed, and the list: of one report.
const EXPORT_REQUEST: &str =
    r#"{ "report_type": "detailed", "start_date": "2024-01-01", "end_date": "2024-01-31" }"#;

const EXPORT: &str = r#"
{ "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "report_type": "detailed",
"start_date": "2024-01-01", "end_date": "2024-01-31", "status": "completed",
"download_urls": [ "https://github.com/enterprises/github/metered_exports/1234" ],
"created_at": "2024-01-15T10:30:00Z", "actor": "monalisa" }"#;

const EXPORTS: &str = r#"
{ "usage_report_exports": [ { "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
"report_type": "detailed", "start_date": "2024-01-01", "end_date": "2024-01-31",
"status": "completed",
"download_urls": [ "https://github.com/enterprises/github/metered_exports/1234" ],
"created_at": "2024-01-15T10:30:00Z", "actor": "monalisa" }, {
"id": "b2c3d4e5-f6a7-8901-bcde-f12345678901", "report_type": "summarized",
"start_date": "2024-01-01", "end_date": "2024-01-31", "status": "processing",
"created_at": "2024-01-14T09:00:00Z", "actor": "monalisa" }, {
"id": "c3d4e5f6-a7b8-9012-cdef-123456789012", "report_type": "premium_request",
"start_date": "2024-01-01", "end_date": "2024-01-31", "status": "processing",
"created_at": "2024-01-13T08:00:00Z", "actor": "octocat" } ] }"#;

/// An enterprise, its organization and a user who hold what the examples show.
async fn server(now: &str, path: &str) -> Server {
    let server = Server::new(now).await;
    let file = "
enterprises: [{slug: enterprise, name: GitHub, owners: [hubot], organizations: [GitHub]}]
organizations: [{login: GitHub, owners: [octocat]}]
users: [{login: monalisa}]";
    server.apply(file).await;
    let github = enterprise("enterprise");
    let mut lines = vec![MINUTES];
    lines.extend(THOUSAND_MINUTES);
    let monalisa = user("monalisa");
    // The summary's example is one of minutes only.
    let (ours, theirs) = if path.contains("premium_request") {
        (
            premium_requests(&[REQUESTS]),
            premium_requests(&[USER_REQUESTS]),
        )
    } else {
        (detailed(&lines), detailed(&[USER_MINUTES]))
    };
    server.import(&github, &[("report", ours)]).await;
    server.import(&monalisa, &[("report", theirs)]).await;
    server
}

/// Sends the documentation's request, headers included, as the user that it says may send it.
async fn check(now: &str, user: &str, grants: &[&str], path: &str, example: &str) {
    let server = server(now, path).await;
    let grants = if grants[0].contains('=') {
        Grants::fine_grained(user, grants.iter().copied())
    } else {
        Grants::classic(user, grants.iter().copied())
    };
    let token = server.token("token", &grants.unwrap(), None).await;
    for base in ["", "/api/v3"] {
        let headers = [
            ("accept", "application/vnd.github+json"),
            ("authorization", &format!("Bearer {token}")),
            ("x-github-api-version", "2022-11-28"),
        ];
        let path = format!("{base}{path}");
        let answer = server.send(Method::GET, &path, &headers).await.ok();
        assert_eq!(answer.text(), compact(example), "{path}");
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
    }
}

const ENTERPRISE: &[&str] = &["manage_billing:enterprise"];
const ADMINISTRATION: &[&str] = &["organization_administration=read"];
const PLAN: &[&str] = &["plan=read"];

#[tokio::test]
async fn enterprise_premium_requests() {
    let path = "/enterprises/enterprise/settings/billing/premium_request/usage?year=2025";
    check(
        "2025-12-05",
        "hubot",
        ENTERPRISE,
        path,
        ENTERPRISE_PREMIUM_REQUESTS,
    )
    .await;
}

/// In the year of the example no parameter is needed.
#[tokio::test]
async fn enterprise_usage() {
    let path = "/enterprises/ENTERPRISE/settings/billing/usage";
    check("2023-08-20", "hubot", ENTERPRISE, path, USAGE).await;
    for query in [
        "?year=2023",
        "?year=2023&month=8",
        "?year=2023&month=8&day=1",
    ] {
        let path = format!("{path}{query}");
        check("2025-12-05", "hubot", ENTERPRISE, &path, USAGE).await;
    }
}

#[tokio::test]
async fn enterprise_summary() {
    let path = "/enterprises/enterprise/settings/billing/usage/summary?year=2025";
    check("2025-12-05", "hubot", ENTERPRISE, path, ENTERPRISE_SUMMARY).await;
}

#[tokio::test]
async fn organization_premium_requests() {
    let path = "/organizations/github/settings/billing/premium_request/usage?year=2025";
    check(
        "2025-12-05",
        "octocat",
        ADMINISTRATION,
        path,
        ORGANIZATION_PREMIUM_REQUESTS,
    )
    .await;
}

/// Also with the oldest document's `hour`.
#[tokio::test]
async fn organization_usage() {
    let path = "/organizations/GitHub/settings/billing/usage";
    check("2023-12-05", "octocat", ADMINISTRATION, path, USAGE).await;
    for query in ["?year=2023&month=8", "?year=2023&month=8&day=1&hour=0"] {
        let path = format!("{path}{query}");
        check("2025-12-05", "octocat", ADMINISTRATION, &path, USAGE).await;
    }
}

#[tokio::test]
async fn user_premium_requests() {
    let path = "/users/MonaLisa/settings/billing/premium_request/usage?year=2025";
    check("2025-12-05", "monalisa", PLAN, path, USER_PREMIUM_REQUESTS).await;
}

#[tokio::test]
async fn user_usage() {
    let path = "/users/monalisa/settings/billing/usage";
    check("2023-12-05", "monalisa", PLAN, path, USER_USAGE).await;
    let path = format!("{path}?year=2023&month=8&day=1&hour=0");
    check("2025-12-05", "monalisa", PLAN, &path, USER_USAGE).await;
}

/// The same answers when the organization pays for itself.
#[tokio::test]
async fn a_standalone_organization_answers_alike() {
    let server = Server::new("2025-12-05").await;
    let files = [
        ("minutes", detailed(&[MINUTES])),
        ("requests", premium_requests(&[REQUESTS])),
    ];
    server.import(&organization("GitHub"), &files).await;
    let base = "/organizations/github/settings/billing";
    let usage = server.get(&format!("{base}/usage?year=2023")).await.ok();
    assert_eq!(usage.text(), compact(USAGE));
    let path = format!("{base}/premium_request/usage?year=2025");
    let requests = server.get(&path).await.ok();
    assert_eq!(requests.text(), compact(ORGANIZATION_PREMIUM_REQUESTS));
}

/// A report as the examples show it.
fn export(id: &str, kind: ReportKind, created_at: &str, actor: &str) -> Job {
    let day = |text| Day::parse(text).unwrap();
    Job {
        id: id.to_owned(),
        log: LogId(1),
        account: enterprise("enterprise"),
        kind,
        days: Days {
            first: day("2024-01-01"),
            last: day("2024-01-31"),
        },
        cells: Cells::Exact,
        created_at: at(created_at),
        actor: actor.to_owned(),
        status: Status::Processing,
        attempts: 0,
        reason: None,
        as_of: None,
        parts: Vec::new(),
        mail: None,
    }
}

/// The links are ours, and the id of a new report is chance.
fn as_shown(text: &str, id: &str) -> String {
    let ours = "https://billing.example.com/reports/";
    let theirs = "https://github.com/enterprises/github/metered_exports/1234";
    let shown = match text.split_once(ours) {
        Some((before, rest)) => {
            let (_, after) = rest.split_once('"').unwrap();
            format!("{before}{theirs}\"{after}")
        }
        None => text.to_owned(),
    };
    shown.replace(id, "a1b2c3d4-e5f6-7890-abcd-ef1234567890")
}

#[tokio::test]
async fn usage_report_exports() {
    let now = "2024-01-15T10:30:00Z";
    let server = Server::new(now).await;
    let file = "enterprises: [{slug: enterprise, name: GitHub, owners: [monalisa]}]";
    server.apply(file).await;
    let usage = detailed(&[&MINUTES.replace("2023-08-01", "2024-01-05")]);
    let usage = ("report", usage);
    server.import(&enterprise("enterprise"), &[usage]).await;
    let grants = Grants::classic("monalisa", ENTERPRISE.iter().copied()).unwrap();
    let token = server.token("token", &grants, None).await;
    let maker = Maker::over(&server, folder(), now).await;
    let path = "/enterprises/enterprise/settings/billing/reports";

    let answer = maker
        .ask_as(&token, Method::POST, path, EXPORT_REQUEST)
        .await;
    assert_eq!(answer.status, 202);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let links =
        r#" "download_urls": [ "https://github.com/enterprises/github/metered_exports/1234" ],"#;
    let accepted = EXPORT.replace('\n', " ").replace(links, "");
    let accepted = accepted.replace("completed", "processing");
    assert_eq!(as_shown(answer.text(), &id), compact(&accepted));
    maker.make().await;
    let of_one = format!("{path}/{id}");
    let one = maker.ask_as(&token, Method::GET, &of_one, "").await.ok();
    assert_eq!(as_shown(one.text(), &id), compact(EXPORT));

    // The list's other reports were requested earlier, some by another user, and are still pending.
    let made = maker.reports.find(&id).unwrap();
    let premium = ReportKind::PremiumRequest;
    let (second, third) = (
        "b2c3d4e5-f6a7-8901-bcde-f12345678901",
        "c3d4e5f6-a7b8-9012-cdef-123456789012",
    );
    let before = [
        export(third, premium, "2024-01-13T08:00:00Z", "octocat"),
        export(
            second,
            ReportKind::Summarized,
            "2024-01-14T09:00:00Z",
            "monalisa",
        ),
        made,
    ];
    let remove = Effect::RemoveJob { id: id.clone() };
    let put = before.iter().map(|job| Effect::PutJob(job.row().unwrap()));
    let effects = [remove].into_iter().chain(put).collect();
    server
        .engine
        .store()
        .append(Vec::new(), effects)
        .await
        .unwrap();
    let restarted = Maker::over(&server, folder(), now).await;
    let list = restarted.ask_as(&token, Method::GET, path, "").await.ok();
    assert_eq!(as_shown(list.text(), &id), compact(EXPORTS));
}
