//! A script of events and corrections over SQLite, and the check of what is left of it.
//!
//! Invariant: rounds are sent one after the other, each all or nothing and until it is
//! acknowledged, so that whatever happens, what is stored is a number of first rounds.

use crate::bench::{Sums, actor, enterprise, now, sums};
use std::path::Path;
use std::sync::Arc;
use tallybook::engine::metering::{Incoming, Payer, Receipt, Submission, SubmitError};
use tallybook::engine::{Engine, Options};
use tallybook_core::declaration::{Declaration, EnterpriseDeclaration};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::time::Timestamp;
use tallybook_store::StoreError;
use tallybook_store::sqlite::SqliteStore;

/// How many rounds there are; each has five events or corrections.
pub(crate) const ROUNDS: usize = 8;

/// How often in a row a round is tried again.
const RETRIES: usize = 3;

/// Keys grow old early, so that runs and checkpoints are written within the script.
const RECENT_KEYS: usize = 11;

const SLUG: &str = "ent";

/// An engine on a directory. A child that is being started by another thread has this program's
/// locks for a moment, until it becomes another program: so a held directory is waited for.
pub(crate) async fn open(directory: &Path) -> Result<Arc<Engine>, String> {
    let mut tries = 0;
    let store = loop {
        match SqliteStore::open(directory, "a test") {
            Err(StoreError::Held { .. }) if tries < 1000 => tries += 1,
            opened => break opened.map_err(|error| error.to_string())?,
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    over(Arc::new(store)).await
}

/// An engine over a store.
pub(crate) async fn over(store: Arc<SqliteStore>) -> Result<Arc<Engine>, String> {
    let options = Options {
        recent_keys: RECENT_KEYS,
        ..Options::default()
    };
    let engine = Engine::open(store, options, now()).await;
    engine.map_err(|error| error.to_string())
}

/// Says who pays.
pub(crate) async fn declare(engine: &Engine) -> Result<(), String> {
    let declaration = Declaration::Enterprise(EnterpriseDeclaration {
        discounts: None,
        slug: SLUG.into(),
        name: None,
        plan: None,
        owners: None,
        billing_managers: None,
        organizations: None,
    });
    let applied = engine.apply(now(), &actor(), &[declaration], false).await;
    applied.map(drop).map_err(|error| error.to_string())
}

/// Sends every round, and says `ack ROUND` of what was acknowledged; gives up when a round fails
/// again and again.
pub(crate) async fn run(engine: &Arc<Engine>) {
    let mut declared = declare(engine).await;
    for _ in 0..RETRIES {
        if let Err(error) = &declared {
            println!("retry: {error}");
            declared = declare(engine).await;
        }
    }
    for round in 0..ROUNDS {
        let mut sent = submit(engine, round).await;
        for _ in 0..RETRIES {
            if let Err(error) = &sent {
                println!("retry: {error}");
                sent = submit(engine, round).await;
            }
        }
        match sent {
            Ok(_) => println!("ack {round}"),
            Err(error) => return println!("failed: {error}"),
        }
        engine.settle().await;
    }
}

/// How many rounds were acknowledged.
pub(crate) fn acknowledged(said: &str) -> usize {
    let lines = said.lines();
    lines.filter(|line| line.contains("ack ")).count()
}

/// What is there is what some first rounds give, the acknowledged ones among them; and all rounds
/// sent again, old ones included, make it whole.
pub(crate) async fn check(directory: &Path, acknowledged: usize, what: &str) {
    let engine = open(directory).await;
    let engine = engine.unwrap_or_else(|error| panic!("{what}: {error}"));
    check_engine(&engine, acknowledged, what).await;
    close(engine).await;
    let again = open(directory).await.unwrap();
    assert_eq!(counted(&again).await, expected(ROUNDS), "{what}, again");
}

/// Waits until nothing holds the directory any more: a commit's task may end after its answer.
pub(crate) async fn close(engine: Arc<Engine>) {
    engine.settle().await;
    while Arc::strong_count(&engine) > 1 {
        tokio::task::yield_now().await;
    }
}

/// The same of an engine that runs.
pub(crate) async fn check_engine(engine: &Arc<Engine>, acknowledged: usize, what: &str) {
    let found = counted(engine).await;
    let most = (acknowledged + 1).min(ROUNDS);
    let whole = (acknowledged..=most).find(|rounds| found == expected(*rounds));
    let there = whole.unwrap_or_else(|| panic!("{what}: {acknowledged} rounds gave {found:?}"));
    verify(engine, what).await;
    declare(engine).await.unwrap();
    for round in 0..ROUNDS {
        let receipt = submit(engine, round).await.unwrap();
        let (new, known) = if round < there { (0, 5) } else { (5, 0) };
        assert_eq!(
            (receipt.accepted, receipt.duplicates),
            (new, known),
            "{what}, round {round}"
        );
    }
    engine.settle().await;
    assert_eq!(counted(engine).await, expected(ROUNDS), "{what}, whole");
    verify(engine, what).await;
}

async fn verify(engine: &Engine, what: &str) {
    let verified = engine.verify().await;
    verified.unwrap_or_else(|error| panic!("{what}: {error}"));
}

/// What is counted by day.
pub(crate) async fn counted(engine: &Engine) -> Sums {
    sums(engine, &enterprise(SLUG)).await
}

/// What some first rounds give: of quantities 1, 2 and 4 on the round's day the 1 is voided and the
/// 2 of the round before amended to 10.
pub(crate) fn expected(rounds: usize) -> Sums {
    let day = |round: usize| (format!("2026-01-{:02}", round + 1), String::new());
    let quantity = |round: usize| if round + 1 < rounds { 4 + 10 } else { 4 + 2 };
    (0..rounds)
        .map(|round| (day(round), quantity(round)))
        .collect()
}

/// Sends a round, all or nothing.
pub(crate) async fn submit(engine: &Arc<Engine>, round: usize) -> Result<Receipt, SubmitError> {
    let name = |id: String| EventName {
        source: "/ci".into(),
        id: id.into(),
    };
    let used = |quantity: i128| Usage {
        sku: "actions_linux".into(),
        quantity: Quantity::from_nanos(quantity * 1_000_000_000),
        user: Some(Name::from(format!("user-{round}").as_str())),
        ..Usage::default()
    };
    let event = |id: String, body: EventBody| {
        let time = format!("2026-01-{:02}T10:00:00Z", round + 1);
        let event = Event {
            name: name(id),
            time: Timestamp::parse(&time).unwrap(),
            body,
        };
        let payer = Payer {
            enterprise: Some(Name::from(SLUG)),
            ..Payer::default()
        };
        Incoming { event, payer }
    };
    // A round without an earlier one amends an event that never comes.
    let earlier = round
        .checked_sub(1)
        .map_or("none".to_owned(), |it| format!("{it}-2"));
    let events = [
        event(format!("{round}-1"), EventBody::Usage(used(1))),
        event(
            format!("{round}-void"),
            EventBody::Void(name(format!("{round}-1"))),
        ),
        event(format!("{round}-2"), EventBody::Usage(used(2))),
        event(
            format!("{round}-amend"),
            EventBody::Amend(name(earlier), used(10)),
        ),
        event(format!("{round}-4"), EventBody::Usage(used(4))),
    ];
    let submission = Submission {
        events: (0..).zip(events).collect(),
        ..Submission::default()
    };
    engine.submit(now(), submission).await
}
