//! Filters: what is refused, what is echoed, and how cost centers and prices divide usage.

use crate::parameters::{ACCOUNTS, path, server};
use crate::server::{Server, detailed, enterprise, premium_requests};
use serde_json::{Value, json};

#[tokio::test]
async fn bad_filters_are_refused_by_name() {
    let server = server("2025-12-05", &["2025-12-01"]).await;
    let filters = [
        ("usage", &["cost_center_id"][..]),
        (
            "usage/summary",
            &[
                "organization",
                "repository",
                "product",
                "sku",
                "cost_center_id",
            ],
        ),
        (
            "premium_request/usage",
            &["organization", "user", "model", "product", "cost_center_id"],
        ),
        (
            "ai_credit/usage",
            &["organization", "user", "model", "product", "cost_center_id"],
        ),
    ];
    for (endpoint, names) in filters {
        for name in names {
            for query in [format!("?{name}="), format!("?{name}=a/b&{name}=a/b")] {
                let answer = server.get(&path(ACCOUNTS[0], endpoint, &query)).await;
                assert_eq!(answer.status, 400, "{endpoint}{query}");
                let message = answer.message();
                assert!(message.contains(&format!("'{name}'")), "{query}: {message}");
            }
        }
    }
    for repository in ["api", "octo/", "/api", "octo/api/more"] {
        let query = format!("?repository={repository}");
        let answer = server
            .get(&path(ACCOUNTS[0], "usage/summary", &query))
            .await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.message().contains("'repository'"),
            "{}",
            answer.text()
        );
    }
    let answer = server
        .get("/users/monalisa/settings/billing/usage?x=%zz%ff")
        .await;
    assert!([200, 400].contains(&answer.status), "{}", answer.text());
}

#[tokio::test]
async fn a_year_across_two_prices_shows_two_rows() {
    let server = Server::new("2026-03-01").await;
    let report = detailed(&[
        "2025-12-31,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,octo,api,,",
        "2026-01-01,actions,actions_linux,2,minutes,0.006,0.012,0,0.012,,octo,api,,",
        "2026-01-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,octo,api,,",
    ]);
    server
        .import(&enterprise("octo-ent"), &[("minutes", report)])
        .await;
    let answer = server
        .get(&path(ACCOUNTS[0], "usage/summary", "?year=2026"))
        .await
        .ok();
    let prices: Vec<_> = answer
        .items()
        .iter()
        .map(|item| item["pricePerUnit"].to_string())
        .collect();
    assert_eq!(prices, ["0.006", "0.008"]);
}

/// A server with names in capitals, and the id of a cost center.
async fn server_with_capitals() -> (Server, String) {
    let server = Server::new("2025-12-05").await;
    server
        .apply("enterprises: [{slug: octo-ent, name: Octo Enterprise}]")
        .await;
    let octo = enterprise("octo-ent");
    let report = detailed(&[
        "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,Kim,Octo-Org,API,,Web Shop",
        "2025-12-01,actions,actions_linux,9,minutes,0.008,0.072,0,0.072,Kim,Acme,API,,",
    ]);
    let requests = premium_requests(&[
        "2025-12-01,Kim,copilot,copilot_premium_request,GPT-5,3,requests,0.04,0.12,0,0.12,\
         False,300,Octo-Org,Web Shop,0,0",
    ]);
    server
        .import(&octo, &[("minutes", report), ("requests", requests)])
        .await;
    let list = server
        .get("/enterprises/octo-ent/settings/billing/cost-centers")
        .await
        .ok();
    let id = list.json()["costCenters"][0]["id"].clone();
    (server, id.as_str().unwrap().to_owned())
}

/// Whatever the case of a filter, the answer is the same, and echoes the name as it is.
#[tokio::test]
async fn filters_are_echoed_as_the_names_are() {
    let (server, id) = server_with_capitals().await;
    let upper = id.to_uppercase();
    let cases = [
        (
            "usage/summary",
            "organization=oCTO-oRG",
            json!({"organization": "Octo-Org"}),
        ),
        (
            "usage/summary",
            "repository=octo-org/api",
            json!({"repository": "Octo-Org/API"}),
        ),
        (
            "usage/summary",
            "repository=OCTO-ORG%2FAPI",
            json!({"repository": "Octo-Org/API"}),
        ),
        (
            "usage/summary",
            "product=ACTIONS",
            json!({"product": "Actions"}),
        ),
        (
            "usage/summary",
            "sku=Actions%20Linux",
            json!({"sku": "actions_linux"}),
        ),
        (
            "usage/summary",
            "sku=ACTIONS_LINUX",
            json!({"sku": "actions_linux"}),
        ),
        (
            "usage/summary",
            &format!("cost_center_id={upper}"),
            json!({"costCenter": {"id": id, "name": "Web Shop"}}),
        ),
        ("usage/summary", "cost_center_id=none", json!({})),
        ("premium_request/usage", "user=KIM", json!({"user": "Kim"})),
        (
            "premium_request/usage",
            "model=gpt-5",
            json!({"model": "GPT-5"}),
        ),
        (
            "premium_request/usage",
            "product=copilot",
            json!({"product": "Copilot"}),
        ),
        (
            "premium_request/usage",
            &format!("cost_center_id={id}"),
            json!({"costCenter": {"id": id, "name": "Web Shop"}}),
        ),
    ];
    for (endpoint, filter, echo) in cases {
        let path = format!("/enterprises/OCTO-ent/settings/billing/{endpoint}?{filter}");
        let answer = server.get(&path).await.ok();
        let mut body = answer.json();
        let body = body.as_object_mut().unwrap();
        assert_eq!(body.remove("enterprise"), Some(json!("Octo Enterprise")));
        let period = json!({"year": 2025, "month": 12});
        assert_eq!(body.remove("timePeriod"), Some(period));
        let items = body.remove("usageItems").unwrap();
        assert!(!items.as_array().unwrap().is_empty(), "{filter}");
        assert_eq!(Value::Object(body.clone()), echo, "{filter}");
    }
}

#[tokio::test]
async fn an_organization_is_called_as_its_name_is() {
    let (server, _) = server_with_capitals().await;
    let answer = server
        .get("/organizations/OCTO-ORG/settings/billing/usage/summary")
        .await
        .ok();
    assert_eq!(answer.json()["organization"], "Octo-Org");
    assert_eq!(answer.json()["usageItems"][0]["grossQuantity"], 1);
}

/// `usage` leaves out what is in a cost center unless it is asked for; the others do not.
#[tokio::test]
async fn cost_centers_divide_the_usage() {
    let server = Server::new("2025-12-05").await;
    let report = detailed(&[
        "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,octo,api,,Web Shop",
        "2025-12-01,actions,actions_linux,2,minutes,0.008,0.016,0,0.016,,octo,api,,Back Office",
        "2025-12-01,actions,actions_linux,4,minutes,0.008,0.032,0,0.032,,octo,api,,",
    ]);
    server
        .import(&enterprise("octo-ent"), &[("minutes", report)])
        .await;
    let list = server
        .get("/enterprises/octo-ent/settings/billing/cost-centers")
        .await
        .ok();
    let list = list.json();
    let centers: Vec<_> = list["costCenters"].as_array().unwrap().iter().collect();
    assert_eq!(
        [&centers[0]["name"], &centers[1]["name"]],
        ["Back Office", "Web Shop"]
    );
    let back_office = format!("?cost_center_id={}", centers[0]["id"].as_str().unwrap());
    let cases = [
        ("usage", "", 4),
        ("usage", "?cost_center_id=none", 4),
        ("usage/summary", "?cost_center_id=NONE", 4),
        ("usage", back_office.as_str(), 2),
        ("usage/summary", "", 7),
        ("usage/summary", "?cost_center_id=none", 4),
        ("usage/summary", back_office.as_str(), 2),
    ];
    for (endpoint, query, expected) in cases {
        let answer = server.get(&path(ACCOUNTS[0], endpoint, query)).await.ok();
        let key = if endpoint == "usage" {
            "quantity"
        } else {
            "grossQuantity"
        };
        let quantity: u64 = answer
            .items()
            .iter()
            .map(|item| item[key].as_u64().unwrap())
            .sum();
        assert_eq!(quantity, expected, "{endpoint}{query}");
    }
}
