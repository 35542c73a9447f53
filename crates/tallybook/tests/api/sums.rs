//! Every view of the same usage adds up to the same total, to the last digit: that of the files.

use crate::answer::Answer;
use crate::decimals::{Sums, add, items, joined, normal, stated};
use crate::server::{Server, enterprise, fixture};
use std::collections::BTreeSet;

const BASE: &str = "/enterprises/octo-ent/settings/billing";
const NOW: &str = "2025-12-05T12:00:00Z";

/// A real report, with the months and days that it is of.
struct Report {
    file: &'static str,
    month: u8,
    days: std::ops::RangeInclusive<u8>,
}

const DETAILED: Report = Report {
    file: "detailed_2025-11-01_02.csv",
    month: 11,
    days: 1..=2,
};
const PREMIUM_REQUESTS: Report = Report {
    file: "premium_request_2025-10.csv",
    month: 10,
    days: 1..=31,
};
const SUMMARIZED: Report = Report {
    file: "summarized_2025-07.csv",
    month: 7,
    days: 1..=4,
};

/// A server that holds reports, and what these add up to.
async fn server(reports: &[Report]) -> (Server, Sums) {
    let server = Server::on_disk(NOW).await;
    let mut expected = Sums::new();
    for report in reports {
        let bytes = fixture(report.file);
        expected = joined(expected, stated(&bytes));
        server
            .import(&enterprise("octo-ent"), &[(report.file, bytes)])
            .await;
    }
    (server, expected)
}

/// The filters that together are everything in `usage`: no cost center, and each of them.
async fn cost_centers(server: &Server) -> Vec<String> {
    let list = server.get(&format!("{BASE}/cost-centers")).await.ok();
    let list = list.json();
    let centers = list["costCenters"].as_array().unwrap();
    let filter =
        |center: &serde_json::Value| format!("&cost_center_id={}", center["id"].as_str().unwrap());
    std::iter::once(String::new())
        .chain(centers.iter().map(filter))
        .collect()
}

/// Sums of several answers below the enterprise's path.
async fn sums(server: &Server, paths: impl IntoIterator<Item = String>) -> Sums {
    let whole = |path: String| format!("{BASE}/{path}");
    add_up(server, paths.into_iter().map(whole)).await
}

/// Sums of several answers, by SKU id whatever the endpoint calls it.
pub(crate) async fn add_up(server: &Server, paths: impl IntoIterator<Item = String>) -> Sums {
    let mut shown = Sums::new();
    for path in paths {
        add(&mut shown, &server.get(&path).await.ok());
    }
    let by_id = shown
        .into_iter()
        .map(|(sku, values)| (id_of(server, &sku), values));
    by_id.fold(Sums::new(), |sums, one| joined(sums, Sums::from([one])))
}

/// A SKU's id, by any of its names.
pub(crate) fn id_of(server: &Server, sku: &str) -> String {
    let site = server.engine.site();
    site.catalog
        .sku(sku)
        .map_or(sku, |known| &*known.id)
        .to_owned()
}

#[track_caller]
fn assert_same(sums: &Sums, expected: &Sums, view: &str) {
    assert_eq!(normal(sums), normal(expected), "{view}");
}

/// Every view of whole reports, down to days.
async fn check(reports: &[Report]) {
    let (server, expected) = server(reports).await;
    assert!(!expected.is_empty());
    let summary = sums(&server, ["usage/summary?year=2025".to_owned()]).await;
    assert_same(&summary, &expected, "summary");
    let months = (1..=12).map(|month| format!("usage/summary?year=2025&month={month}"));
    assert_same(&sums(&server, months).await, &expected, "summary by month");
    let days = days(reports).into_iter();
    let days = days.map(|day| format!("usage/summary?{day}"));
    assert_same(&sums(&server, days).await, &expected, "summary by day");
    let filters = cost_centers(&server).await;
    let centers = filters.iter().map(|filter| match filter.as_str() {
        "" => "usage/summary?year=2025&cost_center_id=none".to_owned(),
        filter => format!("usage/summary?year=2025{filter}"),
    });
    assert_same(
        &sums(&server, centers).await,
        &expected,
        "summary by center",
    );

    let year = filters
        .iter()
        .map(|filter| format!("usage?year=2025{filter}"));
    assert_same(&sums(&server, year).await, &expected, "usage by month");
    let now = filters
        .iter()
        .map(|filter| format!("usage?{}", &filter[usize::from(!filter.is_empty())..]));
    assert_same(&sums(&server, now).await, &expected, "usage of this year");
    let mut paths = Vec::new();
    for month in 1..=12 {
        paths.extend(
            filters
                .iter()
                .map(|filter| format!("usage?year=2025&month={month}{filter}")),
        );
    }
    assert_same(&sums(&server, paths).await, &expected, "usage by day");
    check_requests(&server, reports, &expected).await;
}

/// The days of reports, as queries.
fn days(reports: &[Report]) -> Vec<String> {
    let day = |report: &Report, day: u8| format!("year=2025&month={}&day={day}", report.month);
    let days = reports
        .iter()
        .flat_map(|report| report.days.clone().map(move |d| day(report, d)));
    days.collect()
}

/// Premium requests are a part of everything, and AI credits another.
async fn check_requests(server: &Server, reports: &[Report], expected: &Sums) {
    let paths = [
        "premium_request/usage?year=2025".to_owned(),
        "ai_credit/usage?year=2025".to_owned(),
    ];
    let requests = sums(server, paths).await;
    let are_requests = |sku: &String| sku.contains("premium_request") || sku.contains("ai_");
    let part = expected.iter().filter(|(sku, _)| are_requests(sku));
    let part: Sums = part
        .map(|(sku, values)| (sku.clone(), values.clone()))
        .collect();
    let has_requests = reports
        .iter()
        .any(|report| report.file.starts_with("premium"));
    assert!(!has_requests || !part.is_empty());
    assert_same(&requests, &part, "premium requests and AI credits");
}

#[tokio::test]
async fn the_detailed_report() {
    check(&[DETAILED]).await;
}

#[tokio::test]
async fn the_premium_request_report() {
    check(&[PREMIUM_REQUESTS]).await;
}

#[tokio::test]
async fn the_summarized_report() {
    check(&[SUMMARIZED]).await;
}

#[tokio::test]
async fn all_three_together() {
    check(&[DETAILED, PREMIUM_REQUESTS, SUMMARIZED]).await;
}

/// Usage that is known by day only stands at the day's first hour.
#[tokio::test]
async fn twenty_four_hours_are_a_day() {
    let (server, expected) = server(&[DETAILED, SUMMARIZED]).await;
    let filters = cost_centers(&server).await;
    let (mut of_days, mut of_hours) = (Vec::new(), Vec::new());
    for day in days(&[DETAILED, SUMMARIZED]) {
        for filter in &filters {
            of_days.push(format!("usage?{day}{filter}"));
            of_hours.extend((0..24).map(|hour| format!("usage?{day}&hour={hour}{filter}")));
        }
    }
    assert_same(
        &sums(&server, of_days).await,
        &expected,
        "usage of each day",
    );
    assert_same(
        &sums(&server, of_hours).await,
        &expected,
        "usage of each hour",
    );
}

/// Parts of an import are joined; alone or in one command, the same usage gives the same rows.
#[tokio::test]
async fn one_import_of_all_is_three_imports_of_one() {
    let reports = [DETAILED, PREMIUM_REQUESTS, SUMMARIZED];
    let (apart, _) = server(&reports).await;
    let together = Server::new(NOW).await;
    let files = reports.map(|report| (report.file, fixture(report.file)));
    together.import(&enterprise("octo-ent"), &files).await;
    for path in paths() {
        let (left, right) = (apart.get(&path).await.ok(), together.get(&path).await.ok());
        assert_eq!(left.text(), right.text(), "{path}");
    }
}

/// Some questions of every kind.
pub(crate) fn paths() -> Vec<String> {
    let paths = [
        "usage",
        "usage?year=2025&month=11",
        "usage?year=2025&month=7",
        "usage?year=2025&month=11&day=2",
        "usage?year=2025&month=11&day=2&hour=0",
        "usage?year=2025&month=11&day=2&hour=1",
        "usage/summary?year=2025",
        "usage/summary?year=2025&month=11",
        "premium_request/usage?year=2025",
        "premium_request/usage?year=2025&month=10&day=3",
        "ai_credit/usage?year=2025",
        "cost-centers",
    ];
    paths.map(|path| format!("{BASE}/{path}")).to_vec()
}

/// A dialect changes words and never a number, nor which rows there are.
#[tokio::test]
async fn both_dialects_give_the_same_numbers() {
    let (documented, _) = server(&[DETAILED, PREMIUM_REQUESTS, SUMMARIZED]).await;
    let observed = documented.observed();
    let numbers =
        |answer: &Answer| -> Vec<_> { items(answer).iter().map(|i| i.numbers()).collect() };
    let mut different = BTreeSet::new();
    for path in paths() {
        let (left, right) = (
            documented.get(&path).await.ok(),
            observed.get(&path).await.ok(),
        );
        if path.ends_with("cost-centers") {
            assert_eq!(left.text(), right.text());
            continue;
        }
        assert_eq!(numbers(&left), numbers(&right), "{path}");
        if left.text() != right.text() {
            different.insert(path.split(['?']).next().unwrap().to_owned());
        }
    }
    // Words differ on `usage` only.
    assert_eq!(different, BTreeSet::from([format!("{BASE}/usage")]));
}
