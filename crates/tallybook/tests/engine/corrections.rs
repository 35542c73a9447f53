//! Amends that come before their usage events: priced when these come, else listed as failed.

use crate::bench::{actor, enterprise, import, now, open, view};
use crate::events::{counts, event, minutes, name, submit, submit_with, used, void};
use std::sync::Arc;
use tallybook::engine::metering::{Incoming, OnError, RejectionCode, SubmitError};
use tallybook::engine::{Engine, Options};
use tallybook_core::declaration::Declaration;
use tallybook_core::event::{EventBody, Usage};
use tallybook_core::ledger::events::AmendFailure;
use tallybook_core::statement::Statement;
use tallybook_core::time::Month;
use tallybook_store::testing::MemoryStore;

/// A SKU that has a price from the middle of the month on.
const LATER: &str = "sku later \"Later\" actions minutes\n  price 0.5 from 2026-01-15\n";

async fn put(engine: &Engine, own: &str) {
    let declared = Declaration::Catalogue(own.to_owned());
    let applied = engine.apply(now(), &actor(), &[declared], false).await;
    applied.unwrap();
}

async fn engine(store: &Arc<MemoryStore>) -> Arc<Engine> {
    let engine = open(Arc::<MemoryStore>::clone(store)).await;
    let imported = import(&engine, &enterprise("ent"), "some", &[(1, "octo", 5)]).await;
    imported.unwrap();
    put(&engine, LATER).await;
    engine
}

fn amend_day(id: &str, day: i8, target: &str, sku: &str, quantity: i128) -> Incoming {
    let usage = Usage {
        sku: sku.into(),
        ..minutes(quantity)
    };
    event(id, day, EventBody::Amend(name(target), usage))
}

fn to_later(id: &str, target: &str) -> Incoming {
    amend_day(id, 20, target, "later", 1)
}

/// An account's statement of the month.
async fn january(engine: &Engine) -> Statement {
    let view = view(engine, &enterprise("ent")).await.unwrap();
    let month = Month::new(2026, 1).unwrap();
    engine.statement(&view, month).await.unwrap()
}

/// Ids of the corrections that do not act, with why amends have failed.
async fn open_corrections(engine: &Engine) -> Vec<(String, Option<AmendFailure>)> {
    let view = view(engine, &enterprise("ent")).await.unwrap();
    let open = view.account.metered.open_corrections();
    let open = open.map(|open| {
        let failed = open.failed.map(|(_, reason)| reason);
        (open.name.id.to_string(), failed)
    });
    let mut open: Vec<_> = open.collect();
    open.sort();
    open
}

/// Whether the usage event or the amend comes first, together or not: the same statement.
#[tokio::test]
async fn an_amend_before_its_event_is_priced_when_that_comes() {
    let usage = || vec![used("1", 2, 3), used("2", 16, 4)];
    let amends = || vec![to_later("a", "1"), to_later("b", "2")];
    let mut statements = Vec::new();
    for recent_keys in [1_000, 1] {
        let store = Arc::new(MemoryStore::default());
        drop(engine(&store).await);
        let options = || Options {
            recent_keys,
            ..Options::default()
        };
        let shared = || Arc::<MemoryStore>::clone(&store);
        let first = Engine::open(shared(), options(), now()).await.unwrap();
        let receipt = submit(&first, amends()).await.unwrap();
        assert_eq!(counts(&receipt), (2, 0, 2));
        first.settle().await;
        let waiting = [("a".to_owned(), None), ("b".to_owned(), None)];
        assert_eq!(open_corrections(&first).await, waiting);
        submit(&first, usage()).await.unwrap();
        first.settle().await;
        let failed = [("a".to_owned(), Some(AmendFailure::NoPrice))];
        assert_eq!(open_corrections(&first).await, failed);
        first.verify().await.unwrap();
        statements.push(january(&first).await);
        // What was decided stands: neither a price of later nor a replay changes it.
        put(&first, &LATER.replace("2026-01-15", "2026-01-01")).await;
        let again = Engine::open(shared(), options(), now()).await.unwrap();
        statements.push(january(&again).await);
        assert_eq!(open_corrections(&again).await, failed);
        let known = submit(&again, amends()).await.unwrap();
        assert_eq!(counts(&known), (0, 2, 0));
        again.verify().await.unwrap();
    }
    let last = engine(&Arc::new(MemoryStore::default())).await;
    submit(&last, usage()).await.unwrap();
    let receipt = submit_with(&last, OnError::Skip, amends()).await.unwrap();
    assert_eq!(receipt.rejected[0].code, RejectionCode::NoPrice);
    statements.push(january(&last).await);
    assert!(statements.iter().all(|other| *other == statements[0]));
}

/// Sent together, the order within the batch says nothing.
#[tokio::test]
async fn an_amend_and_its_event_may_be_sent_together_in_any_order() {
    let mut statements = Vec::new();
    for reversed in [false, true] {
        let engine = engine(&Arc::new(MemoryStore::default())).await;
        let mut batch = vec![
            used("2", 16, 4),
            to_later("b", "2"),
            void("v", "3"),
            used("3", 5, 1),
        ];
        let mut unpriced = vec![used("1", 2, 3), to_later("a", "1")];
        if reversed {
            batch.reverse();
            unpriced.reverse();
        }
        let receipt = submit(&engine, batch).await.unwrap();
        assert_eq!(counts(&receipt), (4, 0, 0));
        let Err(SubmitError::Rejected(refused)) = submit(&engine, unpriced).await else {
            panic!("an amend without a price was taken");
        };
        assert_eq!(refused.rejected[0].code, RejectionCode::NoPrice);
        assert_eq!(open_corrections(&engine).await, []);
        statements.push(january(&engine).await);
    }
    assert_eq!(statements[0], statements[1]);
}

/// Of several amends that wait, the greatest that has a price acts.
#[tokio::test]
async fn an_amend_that_fails_leaves_an_earlier_one_in_force() {
    let amends = || {
        [
            amend_day("low", 17, "1", "actions_linux", 7),
            amend_day("high", 19, "1", "later", 9),
            amend_day("lowest", 16, "1", "actions_linux", 8),
        ]
    };
    let first = engine(&Arc::new(MemoryStore::default())).await;
    for amend in amends() {
        submit(&first, vec![amend]).await.unwrap();
    }
    submit(&first, vec![used("1", 2, 3)]).await.unwrap();
    let failed = [("high".to_owned(), Some(AmendFailure::NoPrice))];
    assert_eq!(open_corrections(&first).await, failed);

    let last = engine(&Arc::new(MemoryStore::default())).await;
    submit(&last, vec![used("1", 2, 3)]).await.unwrap();
    let receipt = submit_with(&last, OnError::Skip, amends().into()).await;
    assert_eq!(counts(&receipt.unwrap()), (2, 0, 0));
    assert_eq!(january(&first).await, january(&last).await);
    let plain = engine(&Arc::new(MemoryStore::default())).await;
    submit(&plain, vec![used("1", 2, 7)]).await.unwrap();
    assert_eq!(january(&first).await, january(&plain).await);
}
