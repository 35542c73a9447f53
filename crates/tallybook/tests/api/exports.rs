//! Reports that are written: their bytes, and that they are what was imported.

use crate::server::{ADMIN, Server, detailed, enterprise, fixture};
use axum::body::Body;
use axum::http::Request;
use bigdecimal::{BigDecimal, RoundingMode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::str::FromStr;
use tallybook::engine::export::{ExportRequest, ExportSink};
use tallybook_core::account::AccountName;
use tallybook_core::export::{Cells, Days, head};
use tallybook_core::report::{Column, Layout, ReportKind};
use tallybook_core::time::Day;
use tower::ServiceExt;

const NOW: &str = "2025-12-05T12:00:00Z";

/// A real report: its name, its kind, and days around it.
type Real = (&'static str, ReportKind, &'static str, &'static str);

const REAL: [Real; 3] = [
    (
        "detailed_2025-11-01_02.csv",
        ReportKind::Detailed,
        "2025-11-01",
        "2025-11-30",
    ),
    (
        "premium_request_2025-10.csv",
        ReportKind::PremiumRequest,
        "2025-10-01",
        "2025-10-31",
    ),
    (
        "summarized_2025-07.csv",
        ReportKind::Summarized,
        "2025-07-01",
        "2025-07-31",
    ),
];

struct Collected(Vec<u8>);

impl ExportSink for Collected {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(line);
        Ok(())
    }

    fn month_done(&mut self, _done: u64, _of: u64) {}
}

/// A report of `octo-ent`, whole.
async fn export(server: &Server, kind: ReportKind, first: &str, last: &str) -> Vec<u8> {
    export_of(server, &enterprise("octo-ent"), kind, (first, last)).await
}

/// A report of an account, whole.
pub(crate) async fn export_of(
    server: &Server,
    account: &AccountName,
    kind: ReportKind,
    (first, last): (&str, &str),
) -> Vec<u8> {
    let days = Days {
        first: Day::parse(first).unwrap(),
        last: Day::parse(last).unwrap(),
    };
    let request = ExportRequest {
        kind,
        days,
        cells: Cells::Exact,
    };
    let (_, snapshot) = server.engine.snapshot(account).await.unwrap().unwrap();
    let sink = Collected(head(kind));
    let exported = server.engine.export(&snapshot, &request, sink).await;
    exported.unwrap().0
}

/// What a row says besides its sums, and the sums, each rounded to nine digits before it is added:
/// by a CSV reader and decimals that have nothing to do with ours.
pub(crate) type Rows = BTreeMap<BTreeMap<String, String>, BTreeMap<String, BigDecimal>>;

const SUMS: [&str; 10] = [
    "quantity",
    "gross_amount",
    "discount_amount",
    "net_amount",
    "aic_quantity",
    "aic_gross_amount",
    "input",
    "output",
    "cache_read",
    "cache_write",
];

pub(crate) fn rows(bytes: &[u8]) -> Rows {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    let mut rows = Rows::new();
    for record in reader.records() {
        let record = record.unwrap();
        let fields = || header.iter().zip(&record);
        let normal = |(name, text): (&str, &str)| {
            let text = match name {
                "applied_cost_per_quantity" => {
                    let price = BigDecimal::from_str(text).unwrap();
                    price.normalized().to_plain_string()
                }
                _ => text.to_owned(),
            };
            (name.to_owned(), text)
        };
        let key = fields().filter(|(name, _)| !SUMS.contains(name));
        let sums = rows.entry(key.map(normal).collect()).or_default();
        let stated = fields().filter(|(name, text)| SUMS.contains(name) && !text.is_empty());
        for (name, text) in stated {
            let value = BigDecimal::from_str(text).unwrap();
            let value = value.with_scale_round(9, RoundingMode::HalfEven);
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
    rows
}

async fn with_real_reports() -> Server {
    let server = Server::new(NOW).await;
    for (name, ..) in REAL {
        let file = (name, fixture(name));
        server.import(&enterprise("octo-ent"), &[file]).await;
    }
    server
}

#[tokio::test]
async fn an_export_is_the_imported_report_summed() {
    let server = with_real_reports().await;
    for (name, kind, first, last) in REAL {
        let exported = rows(&export(&server, kind, first, last).await);
        let imported = rows(&fixture(name));
        assert_eq!(exported.len(), imported.len(), "{name}");
        for (row, sums) in imported {
            assert_eq!(exported.get(&row), Some(&sums), "{name}: {row:?}");
        }
    }
}

#[tokio::test]
async fn token_counts_survive() {
    let name = "ai_credit_21_columns.csv";
    let server = Server::new("2026-10-02").await;
    let file = (name, fixture(name));
    server.import(&enterprise("octo-ent"), &[file]).await;
    let exported = export(&server, ReportKind::AiCredit, "2026-09-01", "2026-09-30").await;
    assert_eq!(rows(&exported), rows(&fixture(name)));
}

/// Token counts of events are those of what counts after corrections, added to what reports say.
#[tokio::test]
async fn token_counts_of_events_are_exported() {
    let server = Server::new("2026-10-02").await;
    server
        .apply("enterprises: [{slug: octo-ent, organizations: [octo]}]")
        .await;
    let event = |id: &str, kind: &str, mut data: Value| {
        data["enterprise"] = "octo-ent".into();
        serde_json::json!({
            "specversion": "1.0", "id": id, "source": "/gateway", "type": kind,
            "time": format!("2026-09-01T10:00:0{}Z", id.len()), "data": data,
        })
    };
    let used = |tokens: Value| {
        serde_json::json!({"sku": "copilot_ai_credit", "quantity": 2, "organization": "octo",
                           "user": "Zoe", "model": "GPT-5", "tokens": tokens})
    };
    let target = |id: &str| serde_json::json!({"source": "/gateway", "id": id});
    let full = serde_json::json!({"input": 5, "output": 7, "cache_read": 11, "cache_write": 0});
    let mut amended = used(serde_json::json!({"input": 100}));
    amended["target"] = target("2");
    let batches = [
        vec![
            event("1", "usage", used(full.clone())),
            event("2", "usage", used(full.clone())),
            event("3", "usage", used(full)),
        ],
        vec![
            event("a2", "amend", amended),
            event("v3", "void", serde_json::json!({"target": target("3")})),
        ],
    ];
    for batch in batches {
        let request = Request::post("/metering/v1/events")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", "application/cloudevents-batch+json")
            .body(Body::from(Value::from(batch).to_string()))
            .unwrap();
        let answer = server.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let credits = export(&server, ReportKind::AiCredit, "2026-09-01", "2026-09-30").await;
    let text = String::from_utf8(credits).unwrap().replace('"', "");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let expected = "2026-09-01,Zoe,copilot,copilot_ai_credit,GPT-5,4,ai-credits,0.01,0.04,0,0.04,\
                    ,octo,,,,,105,7,11,0";
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn bytes_are_quoted_sorted_and_end_in_crlf() {
    let server = Server::new(NOW).await;
    let lines = [
        r#"2025-11-02,actions,actions_windows,1,minutes,0.016,0.016,0,0.016,zoe,octo,"a ""b""",,"#,
        "2025-11-02,actions,actions_linux,1.5,minutes,0.008,0.012,0.012,0,amy,octo,api,w.yml,Core",
        "2025-11-02,actions,actions_linux,2,minutes,0.008,0.016,0,0.016,amy,octo,api,w.yml,Core",
        "2025-11-01,actions,actions_linux,3,minutes,0.008,0.024,0,0.024,,octo,,,",
    ];
    let file = ("report", detailed(&lines));
    server.import(&enterprise("octo-ent"), &[file]).await;
    let detailed = export(&server, ReportKind::Detailed, "2025-11-01", "2025-11-30").await;
    let expected = concat!(
        "\u{feff}\"date\",\"product\",\"sku\",\"quantity\",\"unit_type\",",
        "\"applied_cost_per_quantity\",\"gross_amount\",\"discount_amount\",\"net_amount\",",
        "\"username\",\"organization\",\"repository\",\"workflow_path\",\"cost_center_name\"\r\n",
        "\"2025-11-01\",\"actions\",\"actions_linux\",\"3\",\"minutes\",\"0.008\",\"0.024\",\"0\",",
        "\"0.024\",\"\",\"octo\",\"\",\"\",\"\"\r\n",
        "\"2025-11-02\",\"actions\",\"actions_linux\",\"3.5\",\"minutes\",\"0.008\",\"0.028\",",
        "\"0.012\",\"0.016\",\"amy\",\"octo\",\"api\",\"w.yml\",\"Core\"\r\n",
        "\"2025-11-02\",\"actions\",\"actions_windows\",\"1\",\"minutes\",\"0.016\",\"0.016\",",
        "\"0\",\"0.016\",\"zoe\",\"octo\",\"a \"\"b\"\"\",\"\",\"\"\r\n",
    );
    assert_eq!(String::from_utf8(detailed).unwrap(), expected);
    let summarized = export(&server, ReportKind::Summarized, "2025-11-02", "2025-11-02").await;
    let text = String::from_utf8(summarized).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let line = "\"2025-11-02\",\"actions\",\"actions_linux\",\"3.5\",\"minutes\",\"0.008\",\
                \"0.028\",\"0.012\",\"0.016\",\"octo\",\"api\",\"Core\"\r\n";
    assert!(text.contains(line), "{text}");
}

/// Programs that read the AI-credit report refuse another order of its first seventeen columns.
#[test]
fn the_columns_are_github_s() {
    let names = |kind| {
        let columns = Layout::written(kind).columns();
        let names: Vec<&str> = columns.map(Column::name).collect();
        names.join(",")
    };
    let of_file = |name: &str| {
        let text = String::from_utf8(fixture(name)).unwrap();
        let header = text.lines().next().unwrap().replace('"', "");
        header.trim_start_matches('\u{feff}').trim().to_owned()
    };
    for (name, kind) in [
        ("detailed_2025-11-01_02.csv", ReportKind::Detailed),
        ("summarized_2025-07.csv", ReportKind::Summarized),
        ("premium_request_2025-10.csv", ReportKind::PremiumRequest),
        ("ai_credit_21_columns.csv", ReportKind::AiCredit),
    ] {
        assert_eq!(names(kind), of_file(name), "{kind}");
    }
}

/// Several hours are one row, and their rows stand in the order of the names.
#[tokio::test]
async fn the_hours_of_a_day_are_one_row() {
    let server = Server::new(NOW).await;
    let report = "\
usage_at,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,discount_amount,\
net_amount,username,organization,repository,workflow_path
2025-11-01T01:05:00Z,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,zoe,octo,api,ci.yml
2025-11-01T02:00:00Z,actions,actions_linux,2,minutes,0.008,0.016,0,0.016,amy,octo,api,ci.yml
2025-11-01T13:00:00Z,actions,actions_linux,4,minutes,0.008,0.032,0.032,0,zoe,octo,api,ci.yml
2025-11-01T14:00:00Z,actions,actions_linux,8,minutes,0.008,0.064,0,0.064,zoe,octo,api,a.yml
2025-11-01T23:00:00Z,actions,actions_arm,16,minutes,0.005,0.08,0,0.08,bob,octo,api,ci.yml
";
    let file = ("report", report.as_bytes().to_vec());
    server.import(&enterprise("octo-ent"), &[file]).await;
    let exported = export(&server, ReportKind::Detailed, "2025-11-01", "2025-11-01").await;
    let text = String::from_utf8(exported).unwrap().replace('"', "");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let expected = [
        "2025-11-01,actions,actions_arm,16,minutes,0.005,0.08,0,0.08,bob,octo,api,ci.yml,",
        "2025-11-01,actions,actions_linux,2,minutes,0.008,0.016,0,0.016,amy,octo,api,ci.yml,",
        "2025-11-01,actions,actions_linux,8,minutes,0.008,0.064,0,0.064,zoe,octo,api,a.yml,",
        "2025-11-01,actions,actions_linux,5,minutes,0.008,0.04,0.032,0.008,zoe,octo,api,ci.yml,",
    ];
    assert_eq!(lines, expected);
}

/// What events say is in every report that is about its SKU.
#[tokio::test]
async fn events_are_exported_too() {
    let server = Server::new(NOW).await;
    let file = "enterprises: [{slug: octo-ent, organizations: [octo]}]";
    server.apply(file).await;
    let event = serde_json::json!({
        "specversion": "1.0", "id": "1", "source": "/gateway", "type": "usage",
        "time": "2025-12-01T10:00:00Z",
        "data": {"sku": "copilot_premium_request", "quantity": 3, "organization": "octo",
                 "user": "zoe", "model": "GPT-5"},
    });
    let request = Request::post("/metering/v1/events")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {ADMIN}"))
        .header("content-type", "application/cloudevents+json")
        .body(Body::from(event.to_string()))
        .unwrap();
    let answer = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let days = ("2025-12-01", "2025-12-01");
    let premium = export(&server, ReportKind::PremiumRequest, days.0, days.1).await;
    let text = String::from_utf8(premium).unwrap().replace('"', "");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let expected = "2025-12-01,zoe,copilot,copilot_premium_request,GPT-5,3,requests,0.04,0.12,0,\
                    0.12,True,,octo,,,";
    assert_eq!(lines, [expected]);
    let detailed = export(&server, ReportKind::Detailed, days.0, days.1).await;
    assert_eq!(String::from_utf8(detailed).unwrap().lines().count(), 2);
    let credits = export(&server, ReportKind::AiCredit, days.0, days.1).await;
    assert_eq!(String::from_utf8(credits).unwrap().lines().count(), 1);
}
