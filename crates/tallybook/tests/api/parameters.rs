//! When: values that are refused, the period that is echoed, and which days an answer is of.

use crate::server::{Server, detailed, enterprise, fixture, organization, premium_requests, user};
use serde_json::{Value, json};
use tallybook::http::app::HttpSettings;

pub(crate) const ACCOUNTS: [&str; 3] = [
    "/enterprises/octo-ent",
    "/organizations/octo",
    "/users/monalisa",
];
const DATELESS: [&str; 3] = ["usage/summary", "premium_request/usage", "ai_credit/usage"];

/// One minute of Actions on each of these days, in every account.
pub(crate) async fn server(now: &str, days: &[&str]) -> Server {
    let server = Server::new(now).await;
    let line = |owner: &str| {
        let lines = days.iter().map(|day| {
            format!("{day},actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,{owner},api,,")
        });
        lines.collect::<Vec<_>>()
    };
    let accounts = [
        (enterprise("octo-ent"), "Octo"),
        (user("monalisa"), ""),
        (organization("alone"), "alone"),
    ];
    for (account, owner) in accounts {
        let lines = line(owner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let report = detailed(&lines);
        server.import(&account, &[("minutes", report)]).await;
    }
    server
}

pub(crate) fn path(account: &str, endpoint: &str, query: &str) -> String {
    format!("{account}/settings/billing/{endpoint}{query}")
}

/// The dates of an answer of `usage`.
async fn dates(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&path(ACCOUNTS[0], "usage", query)).await.ok();
    let date = |item: &Value| item["date"].as_str().unwrap().to_owned();
    answer.items().iter().map(date).collect()
}

#[tokio::test]
async fn bad_values_are_refused_by_name() {
    let server = server("2025-12-05", &["2025-12-01"]).await;
    let cases = [
        ("year=abc", "year"),
        ("year=25", "year"),
        ("year=0", "year"),
        ("year=-2025", "year"),
        ("year=%2B2025", "year"),
        ("year=02025", "year"),
        ("year=2025.0", "year"),
        ("year=2e3", "year"),
        ("year=1999", "year"),
        ("year=10000", "year"),
        ("year=99999999999999999999999", "year"),
        ("year=", "year"),
        ("year", "year"),
        ("year=%202025", "year"),
        ("year=2025&year=2025", "year"),
        ("year=%EF%BC%92%EF%BC%90%EF%BC%92%EF%BC%95", "year"),
        ("month=13", "month"),
        ("month=0", "month"),
        ("month=-1", "month"),
        ("month=january", "month"),
        ("month=1&month=2", "month"),
        ("month=", "month"),
        ("day=0", "day"),
        ("day=32", "day"),
        ("day=x", "day"),
        ("year=2025&month=2&day=30", "day"),
        ("year=2025&month=2&day=29", "day"),
        ("year=2025&month=4&day=31", "day"),
        ("month=11&day=31", "day"),
        ("day=1&day=1", "day"),
        ("day=", "day"),
    ];
    for account in ACCOUNTS {
        for endpoint in DATELESS.into_iter().chain(["usage"]) {
            for (query, name) in cases {
                let answer = server
                    .get(&path(account, endpoint, &format!("?{query}")))
                    .await;
                assert_eq!(answer.status, 400, "{endpoint}?{query}: {}", answer.text());
                let message = answer.message();
                assert!(message.contains(&format!("'{name}'")), "{query}: {message}");
            }
        }
        for hour in ["24", "-1", "x", "", "00000", "1&hour=1"] {
            let query = format!("?year=2025&month=12&day=1&hour={hour}");
            let answer = server.get(&path(account, "usage", &query)).await;
            assert_eq!(answer.status, 400, "{query}");
            assert!(answer.message().contains("'hour'"), "{}", answer.text());
        }
    }
}

/// Also those that another endpoint knows, whatever their values.
#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let server = server("2025-12-05", &["2025-12-01"]).await;
    let ignored = [
        ("usage", "?page=1&per_page=&since=never&since=never"),
        (
            "usage",
            "?product=&sku=&user=a&user=b&model=&organization=x",
        ),
        ("usage/summary", "?hour=99&user=nobody&model=x&Year=abc"),
        ("premium_request/usage", "?hour=99&sku=&repository=x"),
        ("ai_credit/usage", "?hour=&sku=&repository=x"),
    ];
    for account in ACCOUNTS {
        for (endpoint, query) in ignored {
            let plain = server.get(&path(account, endpoint, "")).await.ok();
            let asked = server.get(&path(account, endpoint, query)).await.ok();
            assert_eq!(asked.text(), plain.text(), "{account} {endpoint}{query}");
        }
    }
    // Cost centers are an enterprise's, and organizations are not a parameter of an organization.
    for account in &ACCOUNTS[1..] {
        for endpoint in DATELESS {
            let query = "?cost_center_id=nobody&organization=nobody";
            let plain = server.get(&path(account, endpoint, "")).await.ok();
            let asked = server.get(&path(account, endpoint, query)).await.ok();
            assert_eq!(asked.text(), plain.text(), "{account} {endpoint}");
        }
    }
}

#[tokio::test]
async fn the_resolved_period_is_echoed() {
    let server = server("2024-02-29T23:59:59Z", &["2024-02-01"]).await;
    let cases = [
        ("", json!({"year": 2024, "month": 2})),
        ("?year=2023", json!({"year": 2023})),
        ("?year=2024", json!({"year": 2024})),
        ("?month=1", json!({"year": 2024, "month": 1})),
        ("?day=3", json!({"year": 2024, "month": 2, "day": 3})),
        ("?day=29", json!({"year": 2024, "month": 2, "day": 29})),
        ("?year=2023&month=12", json!({"year": 2023, "month": 12})),
        (
            "?month=1&day=31",
            json!({"year": 2024, "month": 1, "day": 31}),
        ),
        (
            "?year=2023&day=28",
            json!({"year": 2023, "month": 2, "day": 28}),
        ),
        (
            "?year=2022&month=1&day=2",
            json!({"year": 2022, "month": 1, "day": 2}),
        ),
        ("?year=1901", Value::Null),
        ("?year=2023&day=29", Value::Null),
    ];
    for account in ACCOUNTS {
        for endpoint in DATELESS {
            for (query, expected) in &cases {
                let answer = server.get(&path(account, endpoint, query)).await;
                let status = if expected.is_null() { 400 } else { 200 };
                assert_eq!(answer.status, status, "{query}");
                assert_eq!(&answer.json()["timePeriod"], expected, "{endpoint}{query}");
            }
        }
        let usage = server.get(&path(account, "usage", "")).await.ok();
        assert!(usage.json().get("timePeriod").is_none(), "{}", usage.text());
    }
}

/// Rows of a year are dated the first of their month, those of a month by their day.
#[tokio::test]
async fn the_grain_follows_the_smallest_unit() {
    let days = [
        "2025-11-30",
        "2025-12-01",
        "2025-12-31",
        "2026-01-01",
        "2026-01-31",
    ];
    let server = server("2026-01-31T10:00:00Z", &days).await;
    let cases: [(&str, &[&str]); 12] = [
        ("", &["2026-01-01"]),
        ("?year=2025", &["2025-11-01", "2025-12-01"]),
        ("?year=2024", &[]),
        ("?month=1", &["2026-01-01", "2026-01-31"]),
        ("?year=2025&month=12", &["2025-12-01", "2025-12-31"]),
        ("?year=2025&month=12&day=31", &["2025-12-31"]),
        ("?day=1", &["2026-01-01"]),
        ("?year=2025&day=31", &[]),
        ("?month=1&day=31", &["2026-01-31"]),
        ("?hour=0", &["2026-01-31"]),
        ("?hour=1", &[]),
        ("?year=2025&month=11&day=30&hour=0", &["2025-11-30"]),
    ];
    for (query, expected) in cases {
        assert_eq!(dates(&server, query).await, expected, "{query}");
    }
}

/// What today is decides what is not said: at the year's turn, a month's end, on a leap day.
#[tokio::test]
async fn what_is_not_said_is_todays() {
    let days = [
        "2023-12-31",
        "2024-01-01",
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    ];
    let server = server("2023-12-31T23:59:59Z", &days).await;
    let cases: [(&str, &str, &[&str]); 9] = [
        ("2023-12-31T23:59:59Z", "", &["2023-12-01"]),
        ("2023-12-31T23:59:59Z", "?day=31", &["2023-12-31"]),
        (
            "2024-01-01T00:00:00Z",
            "",
            &["2024-01-01", "2024-02-01", "2024-03-01"],
        ),
        ("2024-01-01T00:00:00Z", "?day=1", &["2024-01-01"]),
        (
            "2024-02-29T00:00:00Z",
            "?month=2",
            &["2024-02-28", "2024-02-29"],
        ),
        ("2024-02-29T12:00:00Z", "?day=29", &["2024-02-29"]),
        ("2024-02-29T12:00:00Z", "?hour=0", &["2024-02-29"]),
        ("2024-02-29T12:00:00Z", "?month=3&day=1", &["2024-03-01"]),
        ("2024-03-31T12:00:00Z", "?day=1&hour=0", &["2024-03-01"]),
    ];
    for (now, query, expected) in cases {
        let server = server.later(now);
        assert_eq!(dates(&server, query).await, expected, "{now} {query}");
    }
    // On a leap day, `year=2023&hour=0` would be a day that there is not.
    let server = server.later("2024-02-29T12:00:00Z");
    let answer = server
        .get(&path(ACCOUNTS[0], "usage", "?year=2023&hour=0"))
        .await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("'day'"), "{}", answer.text());
    // On the 31st, a month alone is the whole month and not a day that it lacks.
    let server = server.later("2024-03-31T12:00:00Z");
    assert_eq!(
        dates(&server, "?month=2").await,
        ["2024-02-28", "2024-02-29"]
    );
}

/// Twenty-four months before the current one can be asked for, where the documents say so.
#[tokio::test]
async fn history_ends_where_the_documents_say() {
    let server = server("2025-12-15", &["2025-12-01"]).await;
    let day = |day: &str, count: u32, gross: u32| {
        format!(
            "{day},kim,copilot,copilot_premium_request,GPT-5,{count},requests,0.04,{gross},0,\
             {gross},False,300,Octo,,0,0"
        )
    };
    let lines = [
        day("2023-11-30", 25, 1),
        day("2023-12-01", 50, 2),
        day("2025-12-01", 100, 4),
    ];
    let lines = lines.each_ref().map(String::as_str);
    let report = premium_requests(&lines);
    server
        .import(&enterprise("octo-ent"), &[("requests", report)])
        .await;
    let quantity = async |server: &Server, endpoint: &str, query: &str| {
        let path = path(ACCOUNTS[0], endpoint, query);
        let items = server.get(&path).await.ok().items();
        let quantity = |item: &Value| item["grossQuantity"].as_u64().unwrap();
        items
            .iter()
            .filter(|item| item["product"] == "Copilot")
            .map(quantity)
            .sum::<u64>()
    };
    let everything = server.with(HttpSettings {
        history_months: 0,
        ..HttpSettings::default()
    });
    let one_month = server.with(HttpSettings {
        history_months: 1,
        ..HttpSettings::default()
    });
    let cases = [
        ("?year=2023&month=11", 0, 25, 0),
        ("?year=2023&month=11&day=30", 0, 25, 0),
        ("?year=2023&month=12", 50, 50, 0),
        ("?year=2023&month=12&day=1", 50, 50, 0),
        // Of a year, what is left of it.
        ("?year=2023", 50, 75, 0),
        ("?year=2025", 100, 100, 100),
        ("?year=2000", 0, 0, 0),
        ("?year=9999", 0, 0, 0),
    ];
    for endpoint in ["usage/summary", "premium_request/usage"] {
        for (query, by_default, all, month) in cases {
            for (server, expected) in [
                (&server, by_default),
                (&everything, all),
                (&one_month, month),
            ] {
                let quantity = quantity(server, endpoint, query).await;
                assert_eq!(quantity, expected, "{endpoint}{query}");
            }
        }
    }
    // The documents say nothing of it for `usage`.
    assert_eq!(
        dates(&server, "?year=2023").await,
        ["2023-11-01", "2023-12-01"]
    );
    assert_eq!(
        dates(&one_month, "?year=2023&month=11").await,
        ["2023-11-30"]
    );
}

/// Reports that say the hour: each hour has its own usage, and the day all of it.
#[tokio::test]
async fn hours_that_a_report_states_are_kept() {
    let server = Server::new("2025-05-02").await;
    let report = fixture("detailed_usage_at.csv");
    let octo = enterprise("octo-ent");
    server.import(&octo, &[("report", report)]).await;
    let day = "?year=2025&month=5&day=1";
    assert_eq!(dates(&server, day).await, ["2025-05-01", "2025-05-01"]);
    let observed = server.observed();
    for hour in 0..24 {
        let query = format!("{day}&hour={hour}");
        let expected = usize::from([13, 23].contains(&hour));
        assert_eq!(dates(&server, &query).await.len(), expected, "{hour}");
        let instant = format!("2025-05-01T{hour:02}:00:00Z");
        let instants = vec![instant; expected];
        assert_eq!(dates(&observed, &query).await, instants, "{hour}");
    }
    let day = dates(&observed, day).await;
    assert_eq!(day, ["2025-05-01T00:00:00Z", "2025-05-01T00:00:00Z"]);
}
