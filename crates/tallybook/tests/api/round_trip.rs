//! What is imported, exported and imported again answers alike: real reports, for an enterprise
//! and all its organizations, for an organization that stands alone, and for a user.

use crate::exports::{export_of, rows};
use crate::server::{Server, enterprise, fixture, organization, user};
use std::collections::BTreeSet;
use tallybook_core::account::AccountName;
use tallybook_core::report::ReportKind;

const NOW: &str = "2026-10-02T12:00:00Z";

/// A real report: its name, its kind, and the month that it is of.
const REAL: [(&str, ReportKind, (&str, &str)); 4] = [
    (
        "detailed_2025-11-01_02.csv",
        ReportKind::Detailed,
        ("2025-11-01", "2025-11-30"),
    ),
    (
        "premium_request_2025-10.csv",
        ReportKind::PremiumRequest,
        ("2025-10-01", "2025-10-31"),
    ),
    (
        "summarized_2025-07.csv",
        ReportKind::Summarized,
        ("2025-07-01", "2025-07-31"),
    ),
    (
        "ai_credit_21_columns.csv",
        ReportKind::AiCredit,
        ("2026-09-01", "2026-09-30"),
    ),
];

const ENDPOINTS: [&str; 4] = [
    "usage",
    "usage/summary",
    "premium_request/usage",
    "ai_credit/usage",
];

/// Periods of every grain in which there is usage.
const PERIODS: [&str; 7] = [
    "year=2025",
    "year=2025&month=7",
    "year=2025&month=10",
    "year=2025&month=11",
    "year=2025&month=11&day=2",
    "year=2025&month=10&day=14",
    "year=2026&month=9",
];

/// The real reports as an account of another kind would get them: all of it is of `owner`, without
/// cost centers, so that many rows become one.
fn reports(owner: Option<&str>) -> Vec<Vec<u8>> {
    let files = REAL.iter().map(|(name, ..)| fixture(name));
    let given = |bytes| match owner {
        Some(owner) => owned(bytes, owner),
        None => bytes,
    };
    files.map(given).collect()
}

fn owned(bytes: Vec<u8>, owner: &str) -> Vec<u8> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers().unwrap().clone();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        let fields = header.iter().zip(&record).map(|(name, text)| match name {
            "organization" => owner,
            "cost_center_name" => "",
            _ => text,
        });
        writer.write_record(fields).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Every account, and the reports that it imports.
fn imported() -> [(AccountName, Vec<Vec<u8>>); 3] {
    [
        (enterprise("octo-ent"), reports(None)),
        (organization("solo-org"), reports(Some("solo-org"))),
        (user("monalisa"), reports(Some(""))),
    ]
}

/// Every organization that a report names.
fn organizations() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for bytes in reports(None) {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::Reader::from_reader(text);
        let header = reader.headers().unwrap().clone();
        let column = header.iter().position(|name| name == "organization");
        for record in reader.records() {
            let name = record.unwrap()[column.unwrap()].to_owned();
            names.insert(name);
        }
    }
    names.remove("");
    names
}

#[tokio::test]
async fn every_path_answers_alike_after_a_round_trip() {
    let (first, second) = (Server::new(NOW).await, Server::new(NOW).await);
    for (account, files) in imported() {
        for ((name, kind, days), bytes) in REAL.into_iter().zip(files) {
            first.import(&account, &[(name, bytes.clone())]).await;
            let exported = export_of(&first, &account, kind, days).await;
            // The export is the import, rounded to nine digits and summed.
            assert!(rows(&exported) == rows(&bytes), "{account:?}: {name}");
            second.import(&account, &[(name, exported)]).await;
        }
        for (_, kind, days) in REAL {
            let left = export_of(&first, &account, kind, days).await;
            let right = export_of(&second, &account, kind, days).await;
            assert!(
                left == right,
                "{account:?}: the {kind} export of what was exported"
            );
        }
    }
    let organizations = organizations();
    assert!(organizations.len() > 100, "{}", organizations.len());
    let mut paths: Vec<String> = organizations
        .into_iter()
        .map(|login| format!("/organizations/{login}"))
        .collect();
    for path in [
        "/enterprises/octo-ent",
        "/organizations/solo-org",
        "/users/monalisa",
    ] {
        paths.push(path.to_owned());
    }
    let mut with_usage = 0;
    for path in &paths {
        for endpoint in ENDPOINTS {
            for period in PERIODS {
                let path = format!("{path}/settings/billing/{endpoint}?{period}");
                let (left, right) = (first.get(&path).await.ok(), second.get(&path).await.ok());
                assert_eq!(left.text(), right.text(), "{path}");
                let items = left.json()["usageItems"].as_array().map_or(0, Vec::len);
                with_usage += usize::from(items > 0);
            }
        }
    }
    // An organization of the enterprise has usage in hardly more than one month.
    assert!(
        with_usage > 3 * paths.len(),
        "{with_usage} of {}",
        paths.len()
    );
    let path = "/enterprises/octo-ent/settings/billing/cost-centers";
    let (left, right) = (first.get(path).await.ok(), second.get(path).await.ok());
    assert_eq!(left.text(), right.text());
    assert!(left.json()["costCenters"].as_array().unwrap().len() > 20);
}
