//! Our own API.

use super::*;
use serde_json::json;

const IMPORTS: &str = "/metering/v1/enterprises/octo-ent/imports";
const SUMMARIZED: &str = "summarized_2025-07.csv";
const SUMMARY: &str = "/enterprises/octo-ent/settings/billing/usage/summary?year=2025";

#[tokio::test]
async fn an_import_counts_once_and_its_revert_gives_the_bytes_back() {
    let server = Server::new().await;
    let before = server.get(SUMMARY).await;
    let made = server.import(SUMMARIZED).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let counted = server.get(SUMMARY).await;
    assert_ne!(counted.body, before.body);
    let again = server.import(SUMMARIZED).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["reading"]["repeated"], true);
    assert_eq!(server.get(SUMMARY).await.body, counted.body);

    let id = made.json()["id"].as_str().unwrap().to_owned();
    let list = server.get(IMPORTS).await.json();
    assert_eq!(list["imports"].as_array().map(Vec::len), Some(1));
    let one = format!("{IMPORTS}/{id}");
    assert_eq!(server.get(&one).await.json()["state"], "live");
    let reverted = server.ask("DELETE", &one, ADMIN, &[]).await;
    assert_eq!(reverted.json()["state"], "reverted", "{}", reverted.text());
    assert_eq!(server.get(SUMMARY).await.body, before.body);
    assert_eq!(
        server.ask("DELETE", &one, ADMIN, &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn compressed_bodies_and_forms_are_the_same_import() {
    let server = Server::new().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &fixture(SUMMARIZED)).unwrap();
    let made = server
        .post(IMPORTS, "text/csv", gzip.finish().unwrap())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let mut form = Vec::new();
    let head = "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n";
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(&fixture(SUMMARIZED));
    form.extend_from_slice(b"\r\n--X--\r\n");
    let again = server
        .post(IMPORTS, "multipart/form-data; boundary=X", form)
        .await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.json()["id"], made.json()["id"]);
}

#[tokio::test]
async fn the_same_file_twice_in_a_form_is_refused() {
    let server = Server::new().await;
    let mut form = Vec::new();
    for name in ["a.csv", "b.csv"] {
        let head = "Content-Disposition: form-data; name=\"file\"; filename=";
        form.extend_from_slice(format!("--X\r\n{head}\"{name}\"\r\n\r\n").as_bytes());
        form.extend_from_slice(&fixture(SUMMARIZED));
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--X--\r\n");
    let refused = server
        .post(IMPORTS, "multipart/form-data; boundary=X", form)
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "b.csv: it has the same content as a.csv");
    let imports = server.get(IMPORTS).await.json();
    assert_eq!(imports["imports"].as_array().map(Vec::len), Some(0));
}

/// Days and SKUs that only one side has are not told; totals are of the days that both have.
#[tokio::test]
async fn usage_that_events_reported_too_is_told_or_refused() {
    let server = Server::new().await;
    let event = |id: u8, sku: &str, time: &str, quantity: u8| {
        json!({
            "specversion": "1.0", "id": id.to_string(), "source": "/ci", "type": "usage",
            "time": time,
            "data": {"sku": sku, "quantity": quantity, "organization": "octo-org"},
        })
    };
    let events = json!([
        event(1, "actions_linux", "2025-07-01T10:00:00Z", 10),
        event(2, "Actions_Linux", "2025-07-03T23:59:59Z", 5),
        event(3, "actions_linux", "2025-07-05T10:00:00Z", 7),
        event(4, "actions_windows", "2025-07-01T10:00:00Z", 3),
    ]);
    let sent = server
        .post(
            "/metering/v1/events",
            "application/json",
            events.to_string(),
        )
        .await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());

    let before = server.get(SUMMARY).await;
    let strict = format!("{IMPORTS}?refuse_overlap=true");
    let refused = server.post(&strict, "text/csv", fixture(SUMMARIZED)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    let expected = "events report some of this usage, too: actions_linux on 2 days from 2025-07-01 \
                    to 2025-07-03 (gross 59.584 in the import, 0.12 in events)";
    assert_eq!(message, expected);
    assert_eq!(server.get(SUMMARY).await.body, before.body);

    let made = server.import(SUMMARIZED).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let both = &made.json()["reading"]["also_metered"];
    assert_eq!(both.as_array().map(Vec::len), Some(1), "{both}");
    assert_eq!(both[0]["sku"], "actions_linux");
    assert_eq!(both[0]["days"], 2);
    assert_eq!(both[0]["last_day"], "2025-07-03");
    let (imported, metered) = (&both[0]["imported"], &both[0]["metered"]);
    assert_eq!(
        (&imported["quantity"], &metered["quantity"]),
        (&json!(7448), &json!(15))
    );
    assert_eq!(imported["totals"]["lines"], 11);
    assert_eq!(metered["totals"]["lines"], 2);
    // The same bytes again change nothing, and so there is nothing to refuse.
    let again = server.post(&strict, "text/csv", fixture(SUMMARIZED)).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
}

#[tokio::test]
async fn a_bad_line_refuses_the_import_and_says_where() {
    let server = Server::new().await;
    let mut report = fixture(SUMMARIZED);
    report.extend_from_slice(b"2025-07-31,actions\n");
    let path = format!("{IMPORTS}?file_name=july.csv");
    let refused = server.post(&path, "text/csv", report.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("july.csv, line "), "{message}");
    assert_eq!(
        server.get(IMPORTS).await.json()["imports"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    let path = format!("{IMPORTS}?skip_bad_lines=true");
    let taken = server.post(&path, "text/csv", report).await;
    assert_eq!(taken.status, StatusCode::CREATED);
    assert_eq!(
        taken.json()["reading"]["skipped"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn other_bodies_are_refused() {
    let server = Server::new().await;
    let answer = server.post(IMPORTS, "application/json", "{}").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let answer = server.post(IMPORTS, "text/csv", "").await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text()
    );
    let nobody = server
        .post("/metering/v1/galaxies/x/imports", "text/csv", "")
        .await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_a_site_administrator_s_import_makes_an_account() {
    let server = Server::new().await;
    let path = "/metering/v1/enterprises/new-ent/imports";
    let secret = server
        .token(r#"{"user":"monalisa","scopes":["admin:enterprise"]}"#)
        .await;
    let request = |token: &str| {
        Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "text/csv")
            .body(Body::from(fixture(SUMMARIZED)))
            .unwrap()
    };
    assert_eq!(
        server.send(request(&secret)).await.status,
        StatusCode::NOT_FOUND
    );
    let made = server.send(request(ADMIN)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(
        made.json()["reading"]["created"]["account"]["name"],
        "new-ent"
    );
}

#[tokio::test]
async fn apply_says_what_changes_and_a_dry_run_changes_nothing() {
    let server = Server::new().await;
    let file = "users: [{login: octocat, email: octocat@example.com}]";
    let dry = server
        .post("/metering/v1/apply?dry_run=true", "application/yaml", file)
        .await;
    assert_eq!(dry.json()["dry_run"], true);
    assert_ne!(dry.json()["changes"], Value::Array(Vec::new()));
    let path = "/users/octocat/settings/billing/usage";
    assert_eq!(server.get(path).await.status, StatusCode::NOT_FOUND);
    server
        .post("/metering/v1/apply", "application/yaml", file)
        .await;
    assert_eq!(
        server.get(path).await.json()["usageItems"],
        Value::Array(Vec::new())
    );
    let bad = server
        .post(
            "/metering/v1/apply",
            "application/yaml",
            "users: [{log: x}]",
        )
        .await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn verify_agrees_and_a_backup_comes_whole() {
    let server = Server::new().await;
    server.import(SUMMARIZED).await;
    let verified = server
        .post("/metering/v1/verify", "application/json", "")
        .await
        .json();
    assert_eq!(verified["ok"], true, "{verified}");
    assert_eq!(verified["verified"]["imports"], 1);
    assert_eq!(verified["verified"]["ledger_blobs"], 2);
    assert_eq!(verified["verified"]["unused_bytes"], 0);
    let backup = server.get("/metering/v1/backup").await;
    assert_eq!(backup.status, StatusCode::OK);
    assert_eq!(
        backup.headers["content-length"],
        backup.body.len().to_string().as_str()
    );
    assert!(!backup.body.is_empty());
    let folder = server.directory.path().join("backups");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let server = Server::new().await;
    let document = server.ask("GET", "/openapi.json", "", &[]).await.json();
    let paths = document["paths"].as_object().unwrap().keys();
    let (of_github, own): (Vec<&str>, Vec<&str>) = paths
        .map(String::as_str)
        .partition(|path| path.contains("/settings/billing/"));
    let expected = [
        "/metering/v1/apply",
        "/metering/v1/audit",
        "/metering/v1/backup",
        "/metering/v1/catalog",
        "/metering/v1/catalog/versions",
        "/metering/v1/enterprises/{name}/reports/{id}",
        "/metering/v1/events",
        "/metering/v1/tokens",
        "/metering/v1/tokens/{id}",
        "/metering/v1/verify",
        "/metering/v1/{kind}/{name}/corrections",
        "/metering/v1/{kind}/{name}/imports",
        "/metering/v1/{kind}/{name}/imports/{id}",
        "/reports/{id}/{part}",
    ];
    assert_eq!(own, expected);
    let usage = [
        "ai_credit/usage",
        "premium_request/usage",
        "usage",
        "usage/summary",
    ];
    let below = |account: &str, operations: &[&str]| -> Vec<String> {
        let path = |operation: &&str| format!("{account}/settings/billing/{operation}");
        operations.iter().map(path).collect()
    };
    let of_enterprises = [
        "ai_credit/usage",
        "cost-centers",
        "cost-centers/{cost_center_id}",
        "premium_request/usage",
        "reports",
        "reports/{report_id}",
        "usage",
        "usage/summary",
    ];
    let expected = [
        below("/enterprises/{enterprise}", &of_enterprises),
        below("/organizations/{org}", &usage),
        below("/orgs/{org}", &usage),
        below("/users/{username}", &usage),
    ];
    assert_eq!(of_github, expected.concat());
}

#[tokio::test]
async fn links_lead_to_the_same_list() {
    let server = Server::new().await;
    for file in [SUMMARIZED, "premium_request_2025-10.csv"] {
        server.import(file).await;
    }
    server.token(r#"{"site_admin": true}"#).await;
    server.token(r#"{"site_admin": true}"#).await;
    for (path, list) in [(IMPORTS, "imports"), ("/metering/v1/tokens", "tokens")] {
        let all = server.get(path).await.json();
        let first = server.get(&format!("{path}?per_page=1")).await;
        let link = first.headers["link"].to_str().unwrap();
        let next = link.split('>').next().unwrap();
        let next = &next[next.find(path).expect("the whole path")..];
        let second = server.get(next).await.json();
        assert_eq!(second[list][0]["id"], all[list][1]["id"], "{link}");
    }
}

/// A summarized report with a line for each day.
fn summarized(days: &[&str]) -> String {
    let mut text = "date,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,\
                    discount_amount,net_amount,organization,repository,cost_center_name\n"
        .to_owned();
    for day in days {
        text += day;
        text += ",actions,actions_linux,1,minutes,0.008,0.008,0,0.008,octo-org,api,\n";
    }
    text
}

#[tokio::test]
async fn an_import_says_its_days_and_asks_where_it_cannot_tell_them() {
    let server = Server::new().await;
    let report = summarized(&["1/11/2025", "2/11/2025"]);
    let unclear = server.post(IMPORTS, "text/csv", report.clone()).await;
    assert_eq!(unclear.status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = unclear.json()["message"].as_str().unwrap().to_owned();
    let expected = "body, line 2: \"1/11/2025\" is 2025-01-11 or 2025-11-01";
    assert!(message.starts_with(expected), "{message}");
    assert!(message.contains("?dates=dmy"), "{message}");
    let bad = server
        .post(&format!("{IMPORTS}?dates=ydm"), "text/csv", report.clone())
        .await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST, "{}", bad.text());
    let made = server
        .post(&format!("{IMPORTS}?dates=dmy"), "text/csv", report)
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let days = |answer: &Value| [&answer["first_day"], &answer["last_day"]].map(Value::to_string);
    let expected = ["\"2025-11-01\"", "\"2025-11-02\""];
    assert_eq!(days(&made.json()), expected);
    let list = server.get(IMPORTS).await.json();
    assert_eq!(days(&list["imports"][0]), expected);
}

#[tokio::test]
async fn usage_after_tomorrow_is_refused_unless_it_is_expected() {
    let server = Server::new().await;
    let tomorrow = summarized(&["2025-11-22"]);
    let made = server.post(IMPORTS, "text/csv", tomorrow).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let later = summarized(&["2025-11-21", "2025-11-23"]);
    let refused = server.post(IMPORTS, "text/csv", later.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("line 3, column date: \"2025-11-23\""),
        "{message}"
    );
    let path = format!("{IMPORTS}?future=true");
    let made = server.post(&path, "text/csv", later).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
}
