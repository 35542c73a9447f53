//! GitHub's read endpoints.

use super::*;
use tallybook::config::Dialect;

const ENT: &str = "/enterprises/octo-ent/settings/billing";
const DETAILED: &str = "detailed_2025-11-01_02.csv";

#[tokio::test]
async fn every_read_endpoint_answers_in_its_documented_shape() {
    let server = Server::new().await;
    for file in [
        DETAILED,
        "premium_request_2025-10.csv",
        "summarized_2025-07.csv",
    ] {
        assert_eq!(server.import(file).await.status, StatusCode::CREATED);
    }
    let schema = include_str!("../fixtures/github-billing-openapi.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let organization = server.get(&format!("{ENT}/usage?month=11")).await.json();
    let organization = organization["usageItems"][0]["organizationName"]
        .as_str()
        .unwrap();
    let accounts = [
        ("enterprises", "octo-ent", "{enterprise}"),
        ("organizations", organization, "{org}"),
        ("users", "stranger", "{username}"),
    ];
    for (kind, name, parameter) in accounts {
        for report in [
            "usage",
            "usage/summary",
            "premium_request/usage",
            "ai_credit/usage",
        ] {
            for query in [
                "",
                "?year=2025",
                "?year=2025&month=10",
                "?year=2025&month=11&day=1",
            ] {
                let path = format!("/{kind}/{name}/settings/billing/{report}{query}");
                let answer = server.get(&path).await;
                assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
                let route = format!("/{kind}/{parameter}/settings/billing/{report}");
                validate(&schema, &route, &answer.json());
            }
        }
    }
}

/// Validates a body against the schema that the document gives for a route's success.
fn validate(document: &Value, route: &str, body: &Value) {
    let resolve = |value: &Value| -> Value {
        match value["$ref"].as_str() {
            Some(reference) => document
                .pointer(reference.trim_start_matches('#'))
                .unwrap()
                .clone(),
            None => value.clone(),
        }
    };
    let responses = &document["paths"][route]["get"]["responses"];
    let success = resolve(&responses["200"]);
    let mut schema = resolve(&success["content"]["application/json"]["schema"]);
    assert!(schema.is_object(), "{route} has no schema");
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(body) {
        panic!("{route}: {error}");
    }
}

#[tokio::test]
async fn bad_parameters_are_400_and_named() {
    let server = Server::new().await;
    server.import(DETAILED).await;
    let cases = [
        ("usage?month=13", "month"),
        ("usage?year=2025&month=2&day=30", "day"),
        ("usage/summary?year=abc", "year"),
        ("usage?hour=24", "hour"),
        ("usage/summary?month=1&month=1", "month"),
        ("usage/summary?repository=api", "repository"),
        ("premium_request/usage?user=", "user"),
        ("cost-centers?state=gone", "state"),
    ];
    for (path, parameter) in cases {
        let answer = server.get(&format!("{ENT}/{path}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains(&format!("'{parameter}'")),
            "{path}: {message}"
        );
    }
}

#[tokio::test]
async fn unknown_filters_are_404_on_premium_requests_and_empty_elsewhere() {
    let server = Server::new().await;
    server.import("premium_request_2025-10.csv").await;
    let status = async |path: &str| {
        let answer = server.get(&format!("{ENT}/{path}")).await;
        (
            answer.status.as_u16(),
            answer.json()["usageItems"].as_array().map(Vec::len),
        )
    };
    // The site knows stranger, and the enterprise does not.
    for filter in [
        "organization=nobody",
        "user=nobody",
        "user=stranger",
        "cost_center_id=x",
    ] {
        let path = format!("premium_request/usage?month=10&{filter}");
        assert_eq!(status(&path).await, (404, None), "{path}");
    }
    assert_eq!(
        status("premium_request/usage?month=10&user=member").await,
        (200, Some(0))
    );
    assert_eq!(
        status("premium_request/usage?month=10&model=x").await,
        (200, Some(0))
    );
    assert_eq!(
        status("usage/summary?month=10&organization=nobody").await,
        (200, Some(0))
    );
    assert_eq!(
        status("usage/summary?month=10&cost_center_id=x").await,
        (200, Some(0))
    );
    assert_ne!(
        status("premium_request/usage?month=10").await,
        (200, Some(0))
    );
}

#[tokio::test]
async fn unchanged_answers_are_304_until_something_changes() {
    let server = Server::new().await;
    server.import(DETAILED).await;
    let path = format!("{ENT}/usage?year=2025&month=11");
    let first = server.get(&path).await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    assert!(etag.starts_with("W/\""));
    assert!(first.headers.contains_key("x-tallybook-as-of"));
    let again = server
        .ask("GET", &path, ADMIN, &[("if-none-match", &etag)])
        .await;
    assert_eq!(
        (again.status, again.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    let other = format!("{ENT}/usage?year=2025&month=11&day=1");
    let other = server
        .ask("GET", &other, ADMIN, &[("if-none-match", &etag)])
        .await;
    assert_eq!(other.status, StatusCode::OK);
    server.import("summarized_2025-07.csv").await;
    let changed = server
        .ask("GET", &path, ADMIN, &[("if-none-match", &etag)])
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.body, first.body);
}

#[tokio::test]
async fn both_base_paths_head_and_gzip_give_the_same() {
    let server = Server::new().await;
    server.import(DETAILED).await;
    let path = format!("{ENT}/usage?year=2025&month=11");
    let plain = server.get(&path).await;
    let based = server.get(&format!("/api/v3{path}")).await;
    assert_eq!((based.status, &based.body), (StatusCode::OK, &plain.body));
    let head = server.ask("HEAD", &path, ADMIN, &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["etag"], plain.headers["etag"]);
    let gzip = server
        .ask("GET", &path, ADMIN, &[("accept-encoding", "gzip")])
        .await;
    assert_eq!(gzip.headers["content-encoding"], "gzip");
    let mut unzipped = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(gzip.body.as_slice());
    std::io::Read::read_to_end(&mut reader, &mut unzipped).unwrap();
    assert_eq!(unzipped, plain.body);
}

#[tokio::test]
async fn dialects_differ_in_words_and_not_in_numbers() {
    let observed = HttpSettings {
        dialect: Dialect::Observed,
        ..HttpSettings::default()
    };
    let (documented, observed) = (Server::new().await, Server::with(observed).await);
    let path = format!("{ENT}/usage?year=2025&month=11");
    let mut numbers = Vec::new();
    for server in [&documented, &observed] {
        server.import(DETAILED).await;
        let body = server.get(&path).await.json();
        let items = body["usageItems"].as_array().unwrap().clone();
        let keys = [
            "quantity",
            "pricePerUnit",
            "grossAmount",
            "discountAmount",
            "netAmount",
        ];
        let number = |item: &Value| keys.map(|key| item[key].to_string()).join(" ");
        numbers.push(items.iter().map(number).collect::<Vec<_>>());
        let date = items[0]["date"].as_str().unwrap().to_owned();
        assert_eq!(
            date.ends_with("T00:00:00Z"),
            std::ptr::eq(server, &observed),
            "{date}"
        );
    }
    assert!(!numbers[0].is_empty());
    assert_eq!(numbers[0], numbers[1]);
}

#[tokio::test]
async fn cost_centers_are_those_that_reports_name() {
    let server = Server::new().await;
    server.import(DETAILED).await;
    let list = server.get(&format!("{ENT}/cost-centers")).await.json();
    let centers = list["costCenters"].as_array().unwrap().clone();
    for center in &centers {
        let id = center["id"].as_str().unwrap();
        let one = server.get(&format!("{ENT}/cost-centers/{id}")).await.json();
        assert_eq!(&one, center);
        let paged = server
            .get(&format!("{ENT}/cost-centers/{id}?page=1"))
            .await
            .json();
        assert_eq!(paged["has_next_page"], false);
        let summary = format!("{ENT}/usage/summary?year=2025&cost_center_id={id}");
        assert_eq!(
            server.get(&summary).await.json()["costCenter"]["name"],
            center["name"]
        );
    }
    let deleted = server
        .get(&format!("{ENT}/cost-centers?state=deleted"))
        .await
        .json();
    assert_eq!(deleted["costCenters"], Value::Array(Vec::new()));
    let nothing = server.get(&format!("{ENT}/cost-centers/nothing")).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn retired_endpoints_say_so_to_everybody() {
    let server = Server::new().await;
    for account in ["orgs/o", "organizations/o", "users/u", "enterprises/e"] {
        for what in ["actions", "packages", "shared-storage"] {
            let path = format!("/{account}/settings/billing/{what}");
            let answer = server.ask("GET", &path, "", &[]).await;
            let expected = concat!(
                r#"{"message":"This endpoint has been moved.","documentation_url":"#,
                r#""https://gh.io/billing-api-updates-org","status":"410"}"#,
            );
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (410, expected),
                "{path}"
            );
        }
    }
}

/// A report from before 2024 states no amounts: they are quantity x price, as the API shows both.
#[tokio::test]
async fn a_report_from_before_2024_has_the_amounts_of_its_prices() {
    let settings = HttpSettings {
        history_months: 0,
        ..HttpSettings::default()
    };
    let server = Server::with(settings).await;
    let made = server.import("before_2024.csv").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let usage = server.get(&format!("{ENT}/usage?year=2023&month=3")).await;
    let items = usage.json()["usageItems"].as_array().unwrap().clone();
    assert_eq!(items.len(), 4, "{}", usage.text());
    for item in &items {
        let number = |key: &str| item[key].as_f64().unwrap();
        let gross = number("quantity") * number("pricePerUnit");
        assert!((gross - number("grossAmount")).abs() < 1e-9, "{item}");
    }
    let macos = items.iter().find(|item| item["quantity"] == 402.0).unwrap();
    assert_eq!(macos["grossAmount"], 32.16, "{macos}");
    assert_eq!(macos["pricePerUnit"], 0.08, "{macos}");
}
