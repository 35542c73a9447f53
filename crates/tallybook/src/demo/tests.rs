//! The demo is the same every time, and is what the importer reads.

use super::*;
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
        // The finer report says the same as the detailed one about its SKUs.
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
fn included_usage_runs_out_during_the_month() {
    let dataset = Dataset::new(1, day("2026-11-30"));
    let report = dataset
        .reports()
        .find(|report| report.file_name == "detailed_2026-09.csv");
    let found = read(&report.expect("September's report"));
    assert!(found.discount > Amount::ZERO && found.discount < found.gross);
    let agent = dataset.reports().last().expect("November's AI credits");
    let found = read(&agent);
    assert_eq!(found.layout, Some(Layout::AiCreditTokens));
    assert!(found.discount > Amount::ZERO);
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
