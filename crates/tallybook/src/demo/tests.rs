//! The demo is reproducible, and the importer reads it.

use super::*;
use crate::billing_file;
use crate::import::{self, Layout, ReadOptions, Sink, SinkError};
use std::collections::{BTreeMap, BTreeSet};
use tallybook_core::ids::Digest;
use tallybook_core::money::Amount;
use tallybook_core::report::Line;

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn csv(report: &Report) -> Vec<u8> {
    let mut bytes = Vec::new();
    report
        .write_csv(&mut bytes)
        .expect("memory takes everything");
    bytes
}

fn digest(dataset: &Dataset) -> Digest {
    let mut bytes = dataset.billing_file().into_bytes();
    for report in dataset.reports().take(3).chain(dataset.personal_reports()) {
        bytes.extend_from_slice(report.file_name.as_bytes());
        bytes.extend_from_slice(&csv(&report));
    }
    Digest::of(&bytes)
}

#[test]
fn the_seed_and_the_day_decide_every_byte() {
    let until = day("2026-10-17");
    let known = digest(&Dataset::new(7, until));
    assert_eq!(digest(&Dataset::new(7, until)), known);
    assert_ne!(digest(&Dataset::new(8, until)), known);
}

#[test]
fn an_earlier_day_gives_the_beginning_of_the_same_data() {
    let later = Dataset::new(7, day("2026-10-17"));
    let earlier = Dataset::new(7, day("2026-10-02"));
    let last = |dataset: &Dataset| csv(&dataset.reports().last().expect("a report"));
    let (later, earlier) = (last(&later), last(&earlier));
    assert!(later.starts_with(&earlier) && later.len() > earlier.len());
}

/// What the reader found.
#[derive(Default)]
struct Found {
    layout: Option<Layout>,
    gross: Amount,
    discount: Amount,
    days: BTreeSet<Day>,
    /// Gross per (day, SKU).
    by_sku: BTreeMap<(Day, String), Amount>,
    names: BTreeSet<String>,
    products: BTreeSet<String>,
    keys: BTreeSet<String>,
    /// (SKU, `organization/repository`, discount) of every line.
    discounts: Vec<(String, String, Amount)>,
}

impl Sink for Found {
    fn begin(&mut self, layout: Layout) -> Result<(), SinkError> {
        self.layout = Some(layout);
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError> {
        let day = line.hour.day();
        self.gross += line.gross;
        self.discount += line.discount;
        self.days.insert(day);
        self.products.insert(line.product.to_owned());
        *self.by_sku.entry((day, line.sku.to_owned())).or_default() += line.gross;
        self.names.insert(line.user.to_owned());
        let repository = format!("{}/{}", line.organization, line.repository);
        self.discounts
            .push((line.sku.to_owned(), repository, line.discount));
        if !line.organization.is_empty() {
            self.names.insert(line.organization.to_owned());
            if !line.repository.is_empty() {
                self.names
                    .insert(format!("{}/{}", line.organization, line.repository));
            }
        }
        let key = [
            line.user,
            line.organization,
            line.repository,
            line.workflow,
            line.model,
        ];
        assert!(
            self.keys.insert(format!("{day} {} {key:?}", line.sku)),
            "two lines for {day} {} {key:?}",
            line.sku
        );
        assert_eq!(line.price.gross_of(line.quantity), Ok(line.gross));
        assert!(line.discount <= line.gross && line.discount >= Amount::ZERO);
        Ok(())
    }
}

fn read(report: &Report) -> Found {
    let mut found = Found::default();
    let bytes = csv(report);
    let options = ReadOptions::default();
    let summary = import::read_file(&report.file_name, &bytes[..], &options, &mut found);
    let summary = summary.expect("a report without a bad line");
    assert_eq!(summary.kind, report.kind);
    assert_eq!(summary.lines, report.lines() as u64);
    assert_eq!(summary.adjusted_nets, 0);
    assert_eq!(summary.unknown_columns, [""; 0]);
    assert_eq!(
        (found.gross, found.discount),
        report.totals(),
        "{}",
        report.file_name
    );
    assert!(found.days.iter().all(|day| day.month() == report.month));
    found
}

#[test]
fn every_report_reads_back_and_they_agree() {
    let until = day("2026-11-21");
    let dataset = Dataset::new(1, until);
    let billing = dataset.billing_file();
    let (mut lines, mut products, mut days) = (0, BTreeSet::new(), BTreeSet::new());
    let mut kinds = BTreeMap::<&str, u32>::new();
    let mut detailed = Found::default();
    for report in dataset.reports() {
        let found = read(&report);
        lines += report.lines();
        *kinds.entry(report.kind.as_str()).or_default() += 1;
        for name in found.names.iter().filter(|name| !name.is_empty()) {
            assert!(
                billing.contains(&format!(": {name}\n")),
                "{name} is not declared"
            );
        }
        if report.kind == ReportKind::Detailed {
            products.extend(found.products.iter().cloned());
            days.extend(found.days.iter().copied());
            detailed = found;
            continue;
        }
        // The finer report agrees with the detailed one on its SKUs.
        for (key, gross) in &found.by_sku {
            assert_eq!(detailed.by_sku.get(key), Some(gross), "{key:?}");
        }
    }
    assert_eq!(kinds["detailed"], 24);
    assert_eq!((kinds["premium_request"], kinds["ai_credit"]), (8, 6));
    assert_eq!(days.first(), Some(&day("2024-12-01")));
    assert_eq!((days.last(), days.len()), (Some(&until), 721));
    for product in [
        "actions",
        "packages",
        "git_lfs",
        "codespaces",
        "copilot",
        "spark",
        "ghas",
        "ghec",
        "models",
        "sandbox",
    ] {
        assert!(products.contains(product), "{product}");
    }
    assert!((150_000..300_000).contains(&lines), "{lines} lines");
}

#[test]
fn included_usage_is_spent_to_the_last_cent() {
    let dataset = Dataset::new(1, day("2026-11-30"));
    let billing = dataset.billing_file();
    let names = [
        "detailed_2025-11.csv",
        "premium_request_2025-11.csv",
        "detailed_2026-09.csv",
        "ai_credit_2026-11.csv",
    ];
    let named = dataset
        .reports()
        .filter(|report| names.contains(&report.file_name.as_str()));
    let found: BTreeMap<String, Found> = named
        .map(|report| (report.file_name.clone(), read(&report)))
        .collect();
    let standard = [
        "actions_linux",
        "actions_linux_arm",
        "actions_linux_slim",
        "actions_macos",
        "actions_windows",
    ];
    // 50,000 minutes at the standard Linux rate of each price era.
    for (name, included) in [("detailed_2025-11.csv", 400), ("detailed_2026-09.csv", 300)] {
        let spent: Amount = found[name]
            .discounts
            .iter()
            .filter(|(sku, repository, _)| {
                let public = format!("name: {repository}\n    visibility: public\n");
                standard.contains(&sku.as_str()) && !billing.contains(&public)
            })
            .map(|(_, _, discount)| *discount)
            .sum();
        assert_eq!(
            spent,
            Amount::from_nanos(included * 1_000_000_000),
            "{name}"
        );
    }
    let credits = &found["ai_credit_2026-11.csv"];
    assert_eq!(credits.layout, Some(Layout::AiCreditTokens));
    assert!(credits.discount > Amount::ZERO && credits.discount < credits.gross);
    let requests = &found["premium_request_2025-11.csv"];
    assert!(requests.discount > Amount::ZERO && requests.discount < requests.gross);
}

#[test]
fn the_billing_file_is_one() {
    let text = Dataset::new(1, day("2026-11-21")).billing_file();
    let declarations = billing_file::parse(&text).expect("a billing file");
    // One enterprise, 6 organizations, 250 users, 300 repositories and 3 of the owner's own.
    assert_eq!(declarations.len(), 1 + 6 + 250 + 300 + 3);
}

#[test]
fn the_owner_has_usage_of_their_own() {
    let dataset = Dataset::new(1, day("2026-11-21"));
    let reports: Vec<Report> = dataset.personal_reports().collect();
    assert_eq!(reports.len(), 24);
    for report in &reports {
        let found = read(report);
        assert_eq!(found.names.into_iter().collect::<Vec<_>>(), [OWNER]);
    }
    assert_eq!(reports[23].file_name, "monalisa_detailed_2026-11.csv");
}
