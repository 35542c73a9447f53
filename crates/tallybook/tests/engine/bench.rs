//! An engine over some store, and imports small enough to be seen through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tallybook::engine::commit::Actor;
use tallybook::engine::entropy::Entropy;
use tallybook::engine::imports::{ImportError, ImportOutcome, ImportSession};
use tallybook::engine::{Engine, EngineError, Options, View};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::ids::Digest;
use tallybook_core::ledger::record::ImportedFile;
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::query::{Filter, Grain, Group, Query, Totals};
use tallybook_core::report::{Line, ReportKind};
use tallybook_core::time::{Hour, Instant, Month};
use tallybook_store::Store;

/// One line: day of January 2026, organization, quantity.
pub(crate) type Usage = (i8, &'static str, i128);

/// Sums of quantities by day and organization.
pub(crate) type Sums = BTreeMap<(String, String), i128>;

/// The time at which everything happens.
pub(crate) fn now() -> Instant {
    Instant::parse("2026-02-10T08:00:00Z").unwrap()
}

pub(crate) fn enterprise(slug: &str) -> AccountName {
    AccountName::new(AccountKind::Enterprise, slug)
}

pub(crate) fn actor() -> Actor {
    Actor::command("test")
}

/// An engine whose ids differ from those of every other.
pub(crate) async fn open(store: Arc<dyn Store>) -> Arc<Engine> {
    static SEED: AtomicU64 = AtomicU64::new(0);
    let entropy = Entropy::seeded(SEED.fetch_add(1, Ordering::Relaxed));
    let options = Options {
        entropy,
        ..Options::default()
    };
    Engine::open(store, options, now()).await.unwrap()
}

/// An import with its lines, not committed yet.
pub(crate) fn session(
    engine: &Arc<Engine>,
    account: &AccountName,
    usage: &[Usage],
) -> Result<ImportSession, ImportError> {
    let mut session = engine.begin_import(account, &actor(), now())?;
    for line in usage {
        session
            .push(ReportKind::Detailed, &reported(*line))
            .unwrap();
    }
    Ok(session)
}

/// The file that `label` stands for.
pub(crate) fn file(label: &str) -> ImportedFile {
    ImportedFile {
        name: label.into(),
        digest: Digest::of(label.as_bytes()),
        kind: ReportKind::Detailed,
        layout: "test".into(),
        bytes: 1,
        lines: 1,
        skipped: 0,
    }
}

/// Imports a file of detailed usage; the label stands for its bytes.
pub(crate) async fn import(
    engine: &Arc<Engine>,
    account: &AccountName,
    label: &str,
    usage: &[Usage],
) -> Result<ImportOutcome, ImportError> {
    let session = session(engine, account, usage)?;
    session.commit(vec![file(label)]).await
}

pub(crate) fn reported((day, organization, quantity): Usage) -> Line<'static> {
    let day = january().day(day).unwrap();
    Line {
        hour: day.first_hour(),
        product: "actions",
        sku: "actions_linux",
        unit: "minutes",
        organization,
        repository: "api",
        user: "mona",
        quantity: Quantity::from_nanos(quantity * 1_000_000_000),
        price: Price::from_picos(6_000_000_000),
        gross: Amount::from_nanos(quantity * 6_000_000),
        discount: Amount::from_nanos(quantity * 2_000_000),
        ..Line::default()
    }
}

pub(crate) fn january() -> Month {
    Month::new(2026, 1).unwrap()
}

/// The current state of an account; `None` when it is unknown.
pub(crate) async fn view(engine: &Engine, account: &AccountName) -> Option<Arc<View>> {
    let found = engine.site().directory.find(account)?;
    Some(engine.view(&found).await.unwrap())
}

/// What an account's usage adds up to in the first half of 2026.
pub(crate) async fn sums(engine: &Engine, account: &AccountName) -> Sums {
    try_sums(engine, account).await.unwrap()
}

/// The same, or why it can't be told.
pub(crate) async fn try_sums(engine: &Engine, account: &AccountName) -> Result<Sums, EngineError> {
    let Some(found) = engine.site().directory.find(account) else {
        return Ok(Sums::new());
    };
    let view = engine.view(&found).await?;
    let hour = |month: i8| -> Hour { Month::new(2026, month).unwrap().first_day().first_hour() };
    let query = Query {
        from: hour(1),
        to: hour(7),
        grain: Grain::Day,
        filter: Filter::default(),
        group: Group {
            repository: true,
            model: false,
        },
    };
    let mut sums = Sums::new();
    for period in query.periods() {
        let answer = engine.answer::<Totals>(&view, &query, period).await?;
        for row in answer.rows() {
            let key = (row.start.day().to_string(), row.organization.to_owned());
            assert_eq!(row.totals.quantity.nanos() % 1_000_000_000, 0);
            *sums.entry(key).or_default() += row.totals.quantity.nanos() / 1_000_000_000;
        }
    }
    // Writes are counted by tests: none goes on beside them.
    engine.settle().await;
    Ok(sums)
}

/// The sums that some usage should give.
pub(crate) fn expected(usage: &[Usage]) -> Sums {
    let mut sums = Sums::new();
    for (day, organization, quantity) in usage {
        let day = january().day(*day).unwrap().to_string();
        *sums.entry((day, (*organization).to_owned())).or_default() += quantity;
    }
    sums
}
