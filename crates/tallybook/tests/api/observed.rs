//! Bodies that GitHub was seen to send, with names of our own: the observed dialect has the same
//! keys, words and values. (It writes whole numbers without `.0`, as both dialects do. Where the
//! recorded date lay within the day, ours is the day's first instant, as GitHub's is by now.)

use crate::server::{
    Server, ai_credits, detailed, enterprise, organization, premium_requests, user,
};
use serde_json::{Value, json};
use tallybook::auth::{Grants, TokenTerms};
use tallybook::config::Dialect;
use tallybook_core::account::AccountName;

/// Imports a report for `account` at `now`, and asks.
async fn answer(now: &str, account: &AccountName, report: Vec<u8>, path: &str) -> Value {
    let server = Server::new(now).await;
    server.import(account, &[("report", report)]).await;
    server.observed().get(path).await.ok().json()
}

/// Keys and values; whole numbers are whole, however they are written.
#[track_caller]
fn assert_same(ours: Value, recorded: Value) {
    assert_eq!(plain(ours), plain(recorded));
}

fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 => json!(float.to_string()),
            _ => json!(number.to_string()),
        },
        Value::Array(values) => values.into_iter().map(plain).collect(),
        Value::Object(object) => object
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect(),
        other => other,
    }
}

#[tokio::test]
async fn a_users_summary() {
    let report = detailed(&[
        "2026-10-01,actions,actions_linux,2192,minutes,0.006,13.152,13.152,0,monalisa,,site,,",
        "2026-10-01,actions,actions_storage,0.815204913,gigabyte-hours,0.00033602,0.000273846,\
         0.000273846,0,monalisa,,site,,",
        "2026-10-02,actions,actions_windows,114,minutes,0.01,1.14,1.14,0,monalisa,,site,,",
    ]);
    let path = "/users/monalisa/settings/billing/usage/summary?product=actions";
    let ours = answer("2026-10-02T15:00:00Z", &user("monalisa"), report, path).await;
    let recorded = json!({
        "timePeriod": {"year": 2026, "month": 10},
        "user": "monalisa",
        "product": "Actions",
        "usageItems": [
            {"product": "Actions", "sku": "actions_linux", "grossQuantity": 2192.0,
             "discountQuantity": 2192.0, "netQuantity": 0.0, "grossAmount": 13.152,
             "discountAmount": 13.152, "netAmount": 0.0, "pricePerUnit": 0.006,
             "unitType": "minutes"},
            {"product": "Actions", "sku": "actions_storage", "grossQuantity": 0.815204913,
             "discountQuantity": 0.815204913, "netQuantity": 0.0, "grossAmount": 0.000273846,
             "discountAmount": 0.000273846, "netAmount": 0.0, "pricePerUnit": 0.00033602,
             "unitType": "gigabyte-hours"},
            {"product": "Actions", "sku": "actions_windows", "grossQuantity": 114.0,
             "discountQuantity": 114.0, "netQuantity": 0.0, "grossAmount": 1.14,
             "discountAmount": 1.14, "netAmount": 0.0, "pricePerUnit": 0.01,
             "unitType": "minutes"},
        ],
    });
    assert_same(ours, recorded);
}

#[tokio::test]
async fn a_users_usage_by_month() {
    let report = detailed(&[
        "2026-01-01,actions,actions_linux,4057,minutes,0.006,24.342,24.342,0,monalisa,,\
         personal-website,,",
        "2026-01-06,actions,actions_linux,1182,minutes,0.006,7.092,7.092,0,monalisa,,\
         example.github.io,,",
        "2026-01-06,actions,actions_storage,642.224551374,gigabyte-hours,0.00033602,0.21580002,\
         0.21580002,0,monalisa,,personal-website,,",
    ]);
    let path = "/users/monalisa/settings/billing/usage";
    let ours = answer("2026-01-28", &user("monalisa"), report, path).await;
    let item = |sku, quantity, unit, price, gross, repository| {
        json!({"date": "2026-01-01T00:00:00Z", "product": "actions", "sku": sku,
               "quantity": quantity, "unitType": unit, "pricePerUnit": price,
               "grossAmount": gross, "discountAmount": gross, "netAmount": 0.0,
               "repositoryName": repository})
    };
    let recorded = json!({"usageItems": [
        item("Actions Linux", 1182.0, "Minutes", 0.006, 7.092, "example.github.io"),
        item("Actions Linux", 4057.0, "Minutes", 0.006, 24.342, "personal-website"),
        item("Actions storage", 642.224551374, "GigabyteHours", 0.00033602, 0.21580002,
             "personal-website"),
    ]});
    assert_same(ours, recorded);
}

#[tokio::test]
async fn an_organizations_usage_by_month() {
    let report = detailed(&[
        "2026-04-03,actions,actions_linux,36952,minutes,0.006,221.712,221.712,0,,octo-org,repo-a,,",
        "2026-04-09,actions,actions_storage,1511.614,gigabyte-hours,0.00033602,0.507,0.507,0,,\
         octo-org,repo-b,,",
    ]);
    let path = "/organizations/octo-org/settings/billing/usage";
    let ours = answer("2026-04-20", &organization("octo-org"), report, path).await;
    let recorded = json!({"usageItems": [
        {"date": "2026-04-01T00:00:00Z", "product": "actions", "sku": "Actions Linux",
         "quantity": 36952.0, "unitType": "Minutes", "pricePerUnit": 0.006,
         "grossAmount": 221.712, "discountAmount": 221.712, "netAmount": 0.0,
         "organizationName": "octo-org", "repositoryName": "repo-a"},
        {"date": "2026-04-01T00:00:00Z", "product": "actions", "sku": "Actions storage",
         "quantity": 1511.614, "unitType": "GigabyteHours", "pricePerUnit": 0.00033602,
         "grossAmount": 0.507, "discountAmount": 0.507, "netAmount": 0.0,
         "organizationName": "octo-org", "repositoryName": "repo-b"},
    ]});
    assert_same(ours, recorded);
}

#[tokio::test]
async fn a_row_of_macos_minutes() {
    let line = "2026-08-01,actions,actions_macos,29177,minutes,0.062,1808.974,1686.482,122.492,,\
                octo-org,repo-a,,";
    let path = "/organizations/octo-org/settings/billing/usage";
    let ours = answer(
        "2026-08-20",
        &organization("octo-org"),
        detailed(&[line]),
        path,
    )
    .await;
    let recorded = json!({"usageItems": [
        {"date": "2026-08-01T00:00:00Z", "product": "actions", "sku": "Actions macOS 3-core",
         "quantity": 29177.0, "unitType": "Minutes", "pricePerUnit": 0.062,
         "grossAmount": 1808.974, "discountAmount": 1686.482, "netAmount": 122.492,
         "organizationName": "octo-org", "repositoryName": "repo-a"},
    ]});
    assert_same(ours, recorded);
}

/// Only its item was recorded.
#[tokio::test]
async fn an_organizations_premium_requests() {
    let line = "2026-02-03,kim,copilot,copilot_premium_request,GPT-5.2,5054,requests,0.04,202.16,\
                198.96,3.2,False,300,octo-org,,0,0";
    let path = "/organizations/octo-org/settings/billing/premium_request/usage";
    let report = premium_requests(&[line]);
    let ours = answer("2026-02-20", &organization("octo-org"), report, path).await;
    let recorded = json!([
        {"product": "Copilot", "sku": "Copilot Premium Request", "model": "GPT-5.2",
         "unitType": "requests", "pricePerUnit": 0.04, "grossQuantity": 5054.0,
         "grossAmount": 202.16, "discountQuantity": 4974.0, "discountAmount": 198.96,
         "netQuantity": 80.0, "netAmount": 3.2},
    ]);
    assert_same(ours["usageItems"].clone(), recorded);
}

#[tokio::test]
async fn an_enterprises_ai_credits_of_a_day() {
    let report = ai_credits(&[
        "2026-06-08,kim,copilot,copilot_ai_credit,Claude Opus 4.8,5445.77595,ai-credits,0.01,\
         54.4577595,54.4577595,0,3900,octo-org,,,0,0",
        "2026-06-08,kim,copilot,copilot_ai_credit,Claude Sonnet 4.6,176.97417,ai-credits,0.01,\
         1.7697417,1.753533,0.0162087,3900,octo-org,,,0,0",
    ]);
    let server = Server::new("2026-06-20").await;
    server
        .apply("enterprises: [{slug: avocado, name: Avocado Corp}]")
        .await;
    server
        .import(&enterprise("avocado"), &[("report", report)])
        .await;
    let path = "/enterprises/avocado/settings/billing/ai_credit/usage?year=2026&month=6&day=8";
    let ours = server.observed().get(path).await.ok().json();
    let recorded = json!({
        "timePeriod": {"year": 2026, "month": 6, "day": 8},
        "enterprise": "Avocado Corp",
        "usageItems": [
            {"product": "Copilot", "sku": "Copilot AI Credits", "model": "Claude Opus 4.8",
             "unitType": "ai-credits", "pricePerUnit": 0.01, "grossQuantity": 5445.77595,
             "grossAmount": 54.4577595, "discountQuantity": 5445.77595,
             "discountAmount": 54.4577595, "netQuantity": 0.0, "netAmount": 0.0},
            {"product": "Copilot", "sku": "Copilot AI Credits", "model": "Claude Sonnet 4.6",
             "unitType": "ai-credits", "pricePerUnit": 0.01, "grossQuantity": 176.97417,
             "grossAmount": 1.7697417, "discountQuantity": 175.3533, "discountAmount": 1.753533,
             "netQuantity": 1.62087, "netAmount": 0.0162087},
        ],
    });
    assert_same(ours, recorded);
}

#[tokio::test]
async fn an_enterprises_usage_by_day() {
    let report = detailed(&[
        "2025-10-15,actions,actions_linux,3,minutes,0.006,0.018,0.018,0,,my-org,my-repo-a,,",
        "2025-10-15,copilot,copilot_for_business,0.249999995,user-months,19,4.749999905,0,\
         4.749999905,,my-org,,,",
        "2025-10-16,codespaces,codespaces_prebuild_storage,7.234838112,gigabyte-hours,0.07,\
         0.506438496,0,0.506438496,,my-org,my-repo-c,,",
    ]);
    let path = "/enterprises/my-ent/settings/billing/usage?year=2025&month=10";
    let ours = answer("2026-02-20", &enterprise("my-ent"), report, path).await;
    let recorded = json!({"usageItems": [
        {"date": "2025-10-15T00:00:00Z", "product": "actions", "sku": "Actions Linux",
         "quantity": 3, "unitType": "Minutes", "pricePerUnit": 0.006, "grossAmount": 0.018,
         "discountAmount": 0.018, "netAmount": 0, "organizationName": "my-org",
         "repositoryName": "my-repo-a"},
        {"date": "2025-10-15T00:00:00Z", "product": "copilot", "sku": "Copilot Business",
         "quantity": 0.249999995, "unitType": "UserMonths", "pricePerUnit": 19,
         "grossAmount": 4.749999905, "discountAmount": 0, "netAmount": 4.749999905,
         "organizationName": "my-org", "repositoryName": ""},
        {"date": "2025-10-16T00:00:00Z", "product": "codespaces",
         "sku": "Codespaces prebuild storage", "quantity": 7.234838112,
         "unitType": "GigabyteHours", "pricePerUnit": 0.07, "grossAmount": 0.506438496,
         "discountAmount": 0, "netAmount": 0.506438496, "organizationName": "my-org",
         "repositoryName": "my-repo-c"},
    ]});
    assert_same(ours, recorded);
}

/// Only its message was recorded.
#[tokio::test]
async fn a_member_without_a_role_in_billing() {
    let server = Server::new("2026-02-20").await;
    server
        .apply("organizations: [{login: octo-org, members: [kim]}]")
        .await;
    let grants = Grants::classic("kim", ["admin:org"]).unwrap();
    let token = server.token("kim", &grants, None).await;
    let path = "/organizations/octo-org/settings/billing/usage";
    let refused = server.observed().get_as(&token, path).await;
    let recorded = (403, "No access to billing usage data.".to_owned());
    assert_eq!((refused.status, refused.message()), recorded);
}

/// One server answers clients of both kinds, and an answer of one is never one of the other's.
#[tokio::test]
async fn a_token_has_a_dialect_of_its_own() {
    let server = Server::new("2025-12-05").await;
    let report =
        detailed(&["2025-12-01,copilot,copilot_for_business,1,user-months,19,19,0,19,kim,octo,,,"]);
    let octo = enterprise("octo-ent");
    server.import(&octo, &[("report", report)]).await;
    let mut tokens = Vec::new();
    for (id, dialect) in [
        ("server", None),
        ("documented", Some(Dialect::Documented)),
        ("observed", Some(Dialect::Observed)),
    ] {
        let grants = Grants::SiteAdmin;
        let terms = TokenTerms { grants, dialect };
        tokens.push(server.token_of(id, &terms, None).await);
    }
    let path = "/enterprises/octo-ent/settings/billing/usage?year=2025&month=12";
    for (ours, expected) in [
        (server.clone(), ["documented", "documented", "observed"]),
        (server.observed(), ["observed", "documented", "observed"]),
    ] {
        let mut tags = Vec::new();
        for (token, expected) in tokens.iter().zip(expected) {
            let answer = ours.get_as(token, path).await.ok();
            let item = &answer.items()[0];
            let words = [&item["date"], &item["product"]].map(|word| word.as_str().unwrap());
            match expected {
                "observed" => assert_eq!(words, ["2025-12-01T00:00:00Z", "copilot"]),
                _ => assert_eq!(words, ["2025-12-01", "Copilot"]),
            }
            tags.push(answer.header("etag").to_owned());
        }
        assert_ne!(tags[1], tags[2]);
        assert_eq!(tags[0], tags[if expected[0] == "observed" { 2 } else { 1 }]);
        for (token, tag, status) in [(1, 1, 304), (1, 2, 200), (2, 1, 200), (2, 2, 304)] {
            let bearer = format!("Bearer {}", tokens[token]);
            let headers = [
                ("authorization", bearer.as_str()),
                ("if-none-match", &tags[tag]),
            ];
            let answer = ours.send(axum::http::Method::GET, path, &headers).await;
            assert_eq!(answer.status, status, "{token} {tag}");
        }
    }
}
