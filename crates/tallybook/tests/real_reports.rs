//! Real reports: what is imported is what the files say, to the last digit, in every view.

#![expect(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

use bigdecimal::{BigDecimal, RoundingMode};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use tallybook::engine::commit::Actor;
use tallybook::engine::{Engine, Options, View};
use tallybook::import::ReadOptions;
use tallybook::importing::{ImportReport, Importer};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::query::{CostCenterFilter, Filter, Grain, Group, Query, Totals};
use tallybook_core::time::{Instant, Month};
use tallybook_store::sqlite::SqliteStore;

const FILES: [&str; 3] = [
    "detailed_2025-11-01_02.csv",
    "premium_request_2025-10.csv",
    "summarized_2025-07.csv",
];

/// Per SKU: quantity, gross, discount, net.
type Sums = BTreeMap<String, [BigDecimal; 4]>;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/fixtures/reports/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).unwrap()
}

/// What a file adds up to, by a CSV reader and decimals that have nothing to do with ours.
fn stated(name: &str) -> Sums {
    let bytes = fixture(name);
    let text = String::from_utf8(bytes).unwrap();
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let columns = ["quantity", "gross_amount", "discount_amount", "net_amount"].map(column);
    let sku = column("sku");
    let mut sums = Sums::new();
    for record in reader.records() {
        let record = record.unwrap();
        let sum = sums.entry(record[sku].to_owned()).or_default();
        for (sum, column) in sum.iter_mut().zip(columns) {
            let value = BigDecimal::from_str(&record[column]).unwrap();
            *sum += value.with_scale_round(9, RoundingMode::HalfEven);
        }
    }
    sums
}

fn add(sums: &mut Sums, sku: &str, totals: &Totals) {
    let decimal = |value: String| BigDecimal::from_str(&value).unwrap();
    let values = [
        decimal(totals.quantity.to_string()),
        decimal(totals.gross.to_string()),
        decimal(totals.discount.to_string()),
        decimal(totals.net().to_string()),
    ];
    let sum = sums.entry(sku.to_owned()).or_default();
    sum.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
}

fn assert_same(answered: &Sums, stated: &Sums, what: &str) {
    let skus = |sums: &Sums| sums.keys().cloned().collect::<Vec<_>>();
    assert_eq!(skus(answered), skus(stated), "{what}: SKUs");
    for (sku, sum) in stated {
        for (index, column) in ["quantity", "gross", "discount", "net"].iter().enumerate() {
            assert_eq!(
                answered[sku][index], sum[index],
                "{what}: {column} of {sku}"
            );
        }
    }
}

struct Bench {
    _directory: tempfile::TempDir,
    engine: Arc<Engine>,
    now: Instant,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path(), "test").unwrap());
        let now = Instant::parse("2025-11-21T12:00:00Z").unwrap();
        let engine = Engine::open(store, Options::default(), now).await.unwrap();
        Self {
            _directory: directory,
            engine,
            now,
        }
    }

    async fn import(&self, names: &[&str]) -> ImportReport {
        let session = self
            .engine
            .begin_import(&enterprise(), &Actor::command("test"), self.now);
        let mut importer = Importer::new(session.unwrap(), ReadOptions::default());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let importer = tokio::task::spawn_blocking(move || {
            for name in names {
                importer.read(&name, fixture(&name).as_slice()).unwrap();
            }
            importer
        });
        importer.await.unwrap().commit().await.unwrap()
    }

    async fn view(&self) -> Arc<View> {
        let found = self.engine.site().directory.find(&enterprise()).unwrap();
        self.engine.view(&found).await.unwrap()
    }

    async fn sums(&self, query: &Query) -> Sums {
        let view = self.view().await;
        let mut sums = Sums::new();
        for period in query.periods() {
            let answer = self
                .engine
                .answer::<Totals>(&view, query, period)
                .await
                .unwrap();
            answer
                .rows()
                .for_each(|row| add(&mut sums, &row.rate.sku, &row.totals));
        }
        sums
    }
}

fn enterprise() -> AccountName {
    AccountName::new(AccountKind::Enterprise, "octo-ent")
}

fn year(grain: Grain) -> Query {
    let first = |year| Month::new(year, 1).unwrap().first_day().first_hour();
    let (filter, group) = (
        Filter::default(),
        Group {
            repository: true,
            model: true,
        },
    );
    Query {
        from: first(2025),
        to: first(2026),
        grain,
        filter,
        group,
    }
}

#[tokio::test]
async fn every_view_adds_up_to_the_files() {
    let mut together = Sums::new();
    let bench = Bench::new().await;
    for name in FILES {
        let alone = Bench::new().await;
        alone.import(&[name]).await;
        assert_same(&alone.sums(&year(Grain::Whole)).await, &stated(name), name);
        bench.import(&[name]).await;
        for (sku, sum) in stated(name) {
            let total = together.entry(sku).or_default();
            total
                .iter_mut()
                .zip(sum)
                .for_each(|(total, value)| *total += value);
        }
    }
    for grain in [Grain::Whole, Grain::Month, Grain::Day, Grain::Hour] {
        assert_same(
            &bench.sums(&year(grain)).await,
            &together,
            &format!("{grain:?}"),
        );
    }
    assert_same(
        &in_and_out_of_centers(&bench).await,
        &together,
        "cost centers",
    );
    bench.engine.settle().await;
    assert!(bench.engine.verify().await.unwrap().checkpoints >= 3);
}

/// No cost center, plus each of them.
async fn in_and_out_of_centers(bench: &Bench) -> Sums {
    use tallybook_core::dimension::Dimension;
    let view = bench.view().await;
    let centers = view.spellings().all(Dimension::CostCenter);
    assert!(centers.len() > 25, "{} cost centers", centers.len());
    let named = centers
        .iter()
        .map(|name| CostCenterFilter::Is(name.to_string().into()));
    let mut sums = Sums::new();
    for center in named.chain([CostCenterFilter::None]) {
        let mut query = year(Grain::Day);
        query.filter.cost_center = center;
        for (sku, part) in bench.sums(&query).await {
            let sum = sums.entry(sku).or_default();
            sum.iter_mut()
                .zip(part)
                .for_each(|(sum, value)| *sum += value);
        }
    }
    sums
}

#[tokio::test]
async fn importing_again_changes_nothing() {
    let bench = Bench::new().await;
    let first = bench.import(&FILES).await;
    let before = bench.view().await.as_of();
    let again = bench.import(&FILES).await;
    assert!(!first.outcome.repeated && again.outcome.repeated);
    assert_eq!(
        again.outcome.import.record.id,
        first.outcome.import.record.id
    );
    assert_eq!(bench.view().await.as_of(), before);
}

#[tokio::test]
async fn reverting_gives_back_the_statement_from_before() {
    let bench = Bench::new().await;
    bench.import(&["detailed_2025-11-01_02.csv"]).await;
    let november = Month::new(2025, 11).unwrap();
    let bytes = async || {
        let view = bench.view().await;
        bench
            .engine
            .statement(&view, november)
            .await
            .unwrap()
            .encode()
    };
    let before = bytes().await;
    // The same report without its last line owns the same days.
    let shorter: Vec<u8> = {
        let all = fixture("detailed_2025-11-01_02.csv");
        let end = all[..all.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap();
        all[..=end].to_vec()
    };
    let session = bench
        .engine
        .begin_import(&enterprise(), &Actor::command("test"), bench.now);
    let mut importer = Importer::new(session.unwrap(), ReadOptions::default());
    let importer = tokio::task::spawn_blocking(move || {
        importer.read("shorter.csv", shorter.as_slice()).unwrap();
        importer
    });
    let report = importer.await.unwrap().commit().await.unwrap();
    assert_eq!(
        report.outcome.overlaps.len(),
        1,
        "the newer import hides the older one"
    );
    assert_eq!(report.outcome.overlaps[0].hidden_sum.lines, 3836);
    assert_eq!(report.outcome.overlaps[0].counted_sum.lines, 3835);
    assert_ne!(bytes().await, before);
    let id = report.outcome.import.record.id;
    let actor = Actor::command("test");
    bench
        .engine
        .revert_import(&enterprise(), id, &actor, bench.now)
        .await
        .unwrap();
    assert_eq!(bytes().await, before);
}
