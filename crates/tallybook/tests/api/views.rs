//! Filters, organizations and rows: every part of a real report is what the file says of that part,
//! and every row stands once and in its place.

use crate::decimals::{Stated, Sums, normal};
use crate::server::{Server, enterprise, fixture};
use crate::sums::{add_up, id_of};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Line = BTreeMap<String, String>;

const BASE: &str = "/enterprises/octo-ent/settings/billing";
const DETAILED: &str = "detailed_2025-11-01_02.csv";
const REQUESTS: &str = "premium_request_2025-10.csv";

async fn server() -> Server {
    let server = Server::new("2025-12-05T12:00:00Z").await;
    for name in [DETAILED, REQUESTS] {
        server
            .import(&enterprise("octo-ent"), &[(name, fixture(name))])
            .await;
    }
    server
}

fn stated(report: &str) -> Stated {
    Stated::read(&fixture(report))
}

/// The parts of a report that have one value in a column, against what `path` answers for it.
async fn check_parts(server: &Server, report: &str, column: &str, path: impl Fn(&str) -> String) {
    let report = stated(report);
    let values = report.values(column);
    assert!(
        values.len() > 1,
        "{column} has too few values to prove anything"
    );
    for value in values {
        let expected = report.sums(|line| line[column].eq_ignore_ascii_case(value));
        let answered = add_up(server, [path(&encoded(value))]).await;
        assert_eq!(normal(&answered), normal(&expected), "{column} {value}");
    }
}

fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

#[tokio::test]
async fn each_organization_sees_its_own_usage() {
    let server = server().await;
    let own = |path: &'static str| {
        move |name: &str| format!("/organizations/{name}/settings/billing/{path}")
    };
    for path in [
        "usage?year=2025",
        "usage?month=11",
        "usage/summary?month=11",
    ] {
        check_parts(&server, DETAILED, "organization", own(path)).await;
    }
    let filtered = |name: &str| format!("{BASE}/usage/summary?month=11&organization={name}");
    check_parts(&server, DETAILED, "organization", filtered).await;
}

#[tokio::test]
async fn filters_keep_what_they_name() {
    let server = server().await;
    let summary = |name: &'static str| {
        move |value: &str| format!("{BASE}/usage/summary?month=11&{name}={value}")
    };
    check_parts(&server, DETAILED, "product", summary("product")).await;
    check_parts(&server, DETAILED, "sku", summary("sku")).await;
    let requests = |name: &'static str| {
        move |value: &str| format!("{BASE}/premium_request/usage?month=10&{name}={value}")
    };
    check_parts(&server, REQUESTS, "model", requests("model")).await;
    check_parts(&server, REQUESTS, "username", requests("user")).await;
    check_parts(&server, REQUESTS, "sku", |sku| {
        format!("{BASE}/usage/summary?month=10&sku={sku}")
    })
    .await;
}

/// A repository is one of an organization: names repeat.
#[tokio::test]
async fn each_repository_is_its_own() {
    let server = server().await;
    let report = stated(DETAILED);
    let repositories = report.pairs("organization", "repository");
    let some: Vec<_> = repositories.into_iter().step_by(5).collect();
    assert!(some.len() > 20, "{some:?}");
    for (organization, repository) in some {
        let is_its =
            |line: &Line| line["organization"] == organization && line["repository"] == repository;
        let path = format!("{BASE}/usage/summary?month=11&repository={organization}/{repository}");
        let answered = add_up(&server, [path]).await;
        let expected = report.sums(is_its);
        assert_eq!(
            normal(&answered),
            normal(&expected),
            "{organization}/{repository}"
        );
    }
}

/// Several filters at once keep what all of them name.
#[tokio::test]
async fn filters_narrow_each_other() {
    let server = server().await;
    let report = stated(DETAILED);
    let (mut some, mut none) = (0, 0);
    for (organization, sku) in report.pairs("organization", "sku") {
        let all = |line: &Line| {
            line["organization"] == organization
                && line["sku"] == sku
                && line["cost_center_name"].is_empty()
                && line["date"] == "2025-11-02"
        };
        let expected = report.sums(all);
        let path = format!(
            "{BASE}/usage/summary?month=11&day=2&organization={organization}&sku={sku}\
             &cost_center_id=none"
        );
        let answered = add_up(&server, [path]).await;
        assert_eq!(normal(&answered), normal(&expected), "{organization} {sku}");
        some += usize::from(!expected.is_empty());
        none += usize::from(expected.is_empty());
    }
    assert!(some > 5 && none > 5, "{some} {none}");
}

/// What distinguishes a row, in the order in which rows stand.
fn key(server: &Server, item: &Value) -> Vec<String> {
    let text = |key: &str| item[key].as_str().unwrap_or_default().to_lowercase();
    let sku = item["sku"].as_str().unwrap();
    // Prices are below ten thousand and have at most twelve decimals.
    let price = item["pricePerUnit"].to_string();
    let (whole, fraction) = price.split_once('.').unwrap_or((&price, ""));
    let price = format!("{whole:>04}.{fraction:0<12}");
    vec![
        text("date"),
        id_of(server, sku),
        price,
        text("model"),
        text("organizationName"),
        text("repositoryName"),
    ]
}

#[tokio::test]
async fn rows_stand_once() {
    let server = server().await;
    for path in [
        "usage?year=2025",
        "usage?month=11",
        "usage?month=10",
        "usage/summary?year=2025",
        "premium_request/usage?year=2025",
    ] {
        let items = server.get(&format!("{BASE}/{path}")).await.ok().items();
        assert!(!items.is_empty(), "{path}");
        let mut seen = BTreeSet::new();
        for item in &items {
            assert!(seen.insert(key(&server, item)), "{path} has {item} twice");
        }
    }
}

/// Dates first; then products and SKUs as their ids are ordered.
#[tokio::test]
async fn rows_stand_in_order() {
    let server = server().await;
    for (path, keys) in [
        ("usage?year=2025", 1),
        ("usage?month=11", 1),
        ("usage?month=10", 1),
    ] {
        let items = server.get(&format!("{BASE}/{path}")).await.ok().items();
        let keys: Vec<_> = items
            .iter()
            .map(|item| key(&server, item)[..keys].to_vec())
            .collect();
        assert!(keys.is_sorted(), "{path}");
    }
    for path in ["usage/summary?year=2025", "premium_request/usage?year=2025"] {
        let items = server.get(&format!("{BASE}/{path}")).await.ok().items();
        let product = |item: &Value| item["product"].as_str().unwrap().to_lowercase();
        let keys: Vec<_> = items
            .iter()
            .map(|item| {
                let key = key(&server, item);
                (
                    product(item),
                    key[1].clone(),
                    key[2].clone(),
                    key[3].clone(),
                )
            })
            .collect();
        assert!(keys.is_sorted(), "{path}: {keys:#?}");
    }
}

/// The sums of everything, for those who doubt that the parts above are compared at all.
#[tokio::test]
async fn a_wrong_part_is_noticed() {
    let server = server().await;
    let all = add_up(&server, [format!("{BASE}/usage/summary?month=11")]).await;
    let part = stated(DETAILED).sums(|line| line["organization"] == "misty-raven");
    assert_ne!(normal(&all), normal(&part));
    assert_ne!(normal(&part), normal(&Sums::new()));
}
