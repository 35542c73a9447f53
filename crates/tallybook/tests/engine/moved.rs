//! Events of organizations that moved to another payer: each counts once, in one account, and
//! corrections find it there.

use crate::bench::{actor, enterprise, now, open};
use std::sync::Arc;
use tallybook::engine::apply::ApplyOptions;
use tallybook::engine::metering::{
    Allowed, Incoming, Payer, Receipt, RejectionCode, Submission, SubmitError,
};
use tallybook::engine::{Engine, Options};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::query::{Filter, Grain, Group, Query, Totals};
use tallybook_core::time::{Instant, Month, Timestamp};
use tallybook_store::Store;
use tallybook_store::testing::MemoryStore;

/// When `octo` and `near` are in `old`, and when `octo` is in `new`.
const BEFORE: &str = "2026-01-10T10:00:00Z";
const AFTER: &str = "2026-01-20T10:00:00Z";

fn name(id: &str) -> EventName {
    EventName {
        source: "/ci".into(),
        id: id.into(),
    }
}

fn minutes(organization: &str, quantity: i128) -> Usage {
    Usage {
        sku: "actions_linux".into(),
        quantity: Quantity::from_nanos(quantity * 1_000_000_000),
        organization: Some(organization.into()),
        ..Usage::default()
    }
}

fn event(organization: &str, id: &str, time: &str, body: EventBody) -> Incoming {
    let event = Event {
        name: name(id),
        time: Timestamp::parse(time).unwrap(),
        body,
    };
    let payer = Payer {
        organization: Some(Name::from(organization)),
        ..Payer::default()
    };
    Incoming { event, payer }
}

fn used(id: &str, time: &str, quantity: i128) -> Incoming {
    event(
        "octo",
        id,
        time,
        EventBody::Usage(minutes("octo", quantity)),
    )
}

fn void(id: &str, time: &str, target: &str) -> Incoming {
    event("octo", id, time, EventBody::Void(name(target)))
}

fn amend(id: &str, time: &str, target: &str, quantity: i128) -> Incoming {
    let body = EventBody::Amend(name(target), minutes("octo", quantity));
    event("octo", id, time, body)
}

async fn apply(engine: &Engine, when: &str, file: &str) {
    let declarations = tallybook::billing_file::parse(file).unwrap();
    let options = ApplyOptions {
        move_payers: true,
        ..ApplyOptions::default()
    };
    let (when, actor) = (Instant::parse(when).unwrap(), actor());
    let applied = engine.apply_with(when, &actor, &declarations, &options);
    applied.await.unwrap();
}

async fn engine() -> Arc<Engine> {
    let engine = open(Arc::new(MemoryStore::default())).await;
    settle_in(&engine).await;
    engine
}

async fn settle_in(engine: &Engine) {
    let file = "enterprises: [{slug: old, organizations: [octo, near]}, {slug: new}]";
    apply(engine, "2026-01-01T00:00:00Z", file).await;
}

async fn move_to(engine: &Engine, slug: &str, when: &str) {
    let file = format!("enterprises: [{{slug: {slug}, organizations: [octo]}}]");
    apply(engine, when, &file).await;
}

async fn move_on(engine: &Engine) {
    move_to(engine, "new", "2026-01-15T00:00:00Z").await;
}

async fn submit(engine: &Arc<Engine>, events: Vec<Incoming>) -> Result<Receipt, SubmitError> {
    submit_as(engine, None, events).await
}

async fn submit_as(
    engine: &Arc<Engine>,
    accounts: Option<&[&str]>,
    events: Vec<Incoming>,
) -> Result<Receipt, SubmitError> {
    let accounts = accounts.map(|slugs| slugs.iter().map(|slug| enterprise(slug)).collect());
    let submission = Submission {
        events: (0..).zip(events).collect(),
        allowed: Allowed {
            accounts,
            sources: None,
        },
        ..Submission::default()
    };
    engine.submit(now(), submission).await
}

/// Accepted, duplicates, pending, and the accounts that were written to.
fn outcome(receipt: &Receipt) -> (u64, u64, u64, Vec<&str>) {
    let written = receipt
        .commits
        .iter()
        .map(|(account, _)| account.name.as_str());
    let (accepted, duplicates) = (receipt.accepted, receipt.duplicates);
    (accepted, duplicates, receipt.pending, written.collect())
}

fn refusal(answer: Result<Receipt, SubmitError>) -> RejectionCode {
    match answer {
        Err(SubmitError::Rejected(receipt)) => receipt.rejected[0].code,
        other => panic!("{other:?}"),
    }
}

/// Minutes of January that an account, or an organization, shows.
async fn shown(engine: &Engine, kind: AccountKind, name: &str) -> i128 {
    let account = AccountName::new(kind, name);
    let (_, snapshot) = engine.snapshot(&account).await.unwrap().unwrap();
    let month = Month::new(2026, 1).unwrap();
    let query = Query {
        from: month.first_day().first_hour(),
        to: month.last_day().next().first_hour(),
        grain: Grain::Whole,
        filter: Filter::default(),
        group: Group::default(),
    };
    let period = query.periods().next().unwrap();
    let answer = engine.answer_merged::<Totals>(&snapshot, &query, period);
    let answer = answer.await.unwrap();
    let nanos: i128 = answer.rows().map(|row| row.totals.quantity.nanos()).sum();
    engine.settle().await;
    nanos / 1_000_000_000
}

async fn octo(engine: &Engine) -> i128 {
    shown(engine, AccountKind::Organization, "octo").await
}

async fn of_enterprise(engine: &Engine, slug: &str) -> i128 {
    shown(engine, AccountKind::Enterprise, slug).await
}

#[tokio::test]
async fn a_redelivery_across_the_move_is_a_duplicate() {
    let engine = engine().await;
    let near = event("near", "n", BEFORE, EventBody::Usage(minutes("near", 100)));
    submit(&engine, vec![used("1", BEFORE, 5), near])
        .await
        .unwrap();
    move_on(&engine).await;
    // As it was sent, and stamped anew.
    for time in [BEFORE, AFTER] {
        let receipt = submit(&engine, vec![used("1", time, 5)]).await.unwrap();
        assert_eq!(outcome(&receipt), (0, 1, 0, vec![]), "{time}");
        let other = submit(&engine, vec![used("1", time, 6)]).await;
        assert_eq!(refusal(other), RejectionCode::Conflict, "{time}");
    }
    // Also for whom the old account does not exist.
    let receipt = submit_as(&engine, Some(&["new"]), vec![used("1", AFTER, 5)]).await;
    assert_eq!(outcome(&receipt.unwrap()), (0, 1, 0, vec![]));
    // What another organization of the old account is called is its own affair.
    let receipt = submit(&engine, vec![used("n", AFTER, 7)]).await.unwrap();
    assert_eq!(outcome(&receipt), (1, 0, 0, vec!["new"]));
    assert_eq!(octo(&engine).await, 12);
    assert_eq!(of_enterprise(&engine, "old").await, 105);
    assert_eq!(of_enterprise(&engine, "new").await, 7);
    // There and back again, and once more.
    move_to(&engine, "old", "2026-01-25T00:00:00Z").await;
    for time in [BEFORE, AFTER, "2026-01-26T10:00:00Z"] {
        let again = vec![used("1", time, 5), used("n", time, 7)];
        let receipt = submit(&engine, again).await;
        if time == AFTER {
            assert_eq!(outcome(&receipt.unwrap()), (0, 2, 0, vec![]));
        } else {
            // In the old account, `n` is the neighbour's.
            assert_eq!(refusal(receipt), RejectionCode::Conflict, "{time}");
        }
    }
    engine.verify().await.unwrap();
}

#[tokio::test]
async fn a_correction_finds_its_event_in_the_account_that_paid() {
    let engine = engine().await;
    let events = ["1", "2", "3"].map(|id| used(id, BEFORE, 5));
    submit(&engine, events.to_vec()).await.unwrap();
    move_on(&engine).await;
    submit(&engine, vec![used("4", AFTER, 50)]).await.unwrap();
    let corrections = vec![void("v", AFTER, "1"), amend("a", AFTER, "2", 1)];
    let receipt = submit(&engine, corrections.clone()).await.unwrap();
    assert_eq!(outcome(&receipt), (2, 0, 0, vec!["old"]));
    assert_eq!(octo(&engine).await, 56);
    assert_eq!(of_enterprise(&engine, "old").await, 6);
    // Again, with any time.
    let again = vec![void("v", BEFORE, "1"), amend("a", BEFORE, "2", 1)];
    for corrections in [corrections, again] {
        let receipt = submit(&engine, corrections).await.unwrap();
        assert_eq!(outcome(&receipt), (0, 2, 0, vec![]));
    }
    // The other way round: what was used after the move, by a correction dated before it.
    let receipt = submit(&engine, vec![void("w", BEFORE, "4")]).await.unwrap();
    assert_eq!(outcome(&receipt), (1, 0, 0, vec!["new"]));
    assert_eq!(octo(&engine).await, 6);
    // Event and correction in one submission.
    for (id, correction) in [("5", "x"), ("6", "y")] {
        let mut both = vec![void(correction, AFTER, id), used(id, BEFORE, 9)];
        if id == "6" {
            both.reverse();
        }
        let receipt = submit(&engine, both).await.unwrap();
        assert_eq!(outcome(&receipt), (2, 0, 0, vec!["old"]), "{id}");
    }
    assert_eq!(octo(&engine).await, 6);
    engine.verify().await.unwrap();
}

/// Whatever comes first, and with whichever time the event comes in the end.
#[tokio::test]
async fn a_correction_may_come_before_its_event() {
    for time in [BEFORE, AFTER] {
        for correction_first in [true, false] {
            let engine = engine().await;
            submit(&engine, vec![used("0", BEFORE, 100)]).await.unwrap();
            move_on(&engine).await;
            let events = vec![used("1", time, 5), used("2", time, 5)];
            let corrections = vec![void("v", AFTER, "1"), amend("a", AFTER, "2", 1)];
            if correction_first {
                let receipt = submit(&engine, corrections).await.unwrap();
                assert_eq!(outcome(&receipt), (2, 0, 2, vec!["new", "old"]));
                submit(&engine, events).await.unwrap();
            } else {
                submit(&engine, events).await.unwrap();
                submit(&engine, corrections).await.unwrap();
            }
            assert_eq!(octo(&engine).await, 101, "{time} {correction_first}");
            engine.verify().await.unwrap();
        }
    }
}

/// A sender touches only the accounts that it may write to, and is not told what is in others.
#[tokio::test]
async fn a_correction_reaches_only_accounts_that_its_sender_may_write() {
    for correction_first in [true, false] {
        let engine = engine().await;
        submit(&engine, vec![used("0", BEFORE, 100)]).await.unwrap();
        move_on(&engine).await;
        let events = vec![used("1", BEFORE, 5)];
        let of_new = async |corrections: Vec<Incoming>| {
            let receipt = submit_as(&engine, Some(&["new"]), corrections)
                .await
                .unwrap();
            // As for an event that does not exist.
            assert_eq!(outcome(&receipt), (1, 0, 1, vec!["new"]));
        };
        if correction_first {
            of_new(vec![void("v", AFTER, "1")]).await;
            submit(&engine, events).await.unwrap();
        } else {
            submit(&engine, events).await.unwrap();
            of_new(vec![void("v", AFTER, "1")]).await;
        }
        assert_eq!(octo(&engine).await, 105, "{correction_first}");
        // Who pays at the correction's time must be one of them.
        let refused = submit_as(&engine, Some(&["old"]), vec![void("w", AFTER, "1")]).await;
        assert_eq!(refusal(refused), RejectionCode::UnknownPayer);
        let both = Some(&["new", "old"][..]);
        let receipt = submit_as(&engine, both, vec![void("w", AFTER, "1")]).await;
        assert_eq!(outcome(&receipt.unwrap()), (1, 0, 0, vec!["old"]));
        assert_eq!(octo(&engine).await, 100);
    }
}

#[tokio::test]
async fn a_correction_never_reaches_events_of_others() {
    let engine = engine().await;
    let near = event("near", "n", BEFORE, EventBody::Usage(minutes("near", 100)));
    submit(&engine, vec![near]).await.unwrap();
    move_on(&engine).await;
    let receipt = submit(&engine, vec![void("v", AFTER, "n")]).await.unwrap();
    assert_eq!(receipt.pending, 1, "octo has no such event");
    let near = shown(&engine, AccountKind::Organization, "near").await;
    assert_eq!(near, 100);
}

/// Events that have grown old are found in runs of keys, of all accounts.
#[tokio::test]
async fn old_events_are_known_across_the_move() {
    let store = Arc::new(MemoryStore::default());
    let options = Options {
        recent_keys: 20,
        ..Options::default()
    };
    let store: Arc<dyn Store> = store;
    let engine = Engine::open(store, options, now()).await.unwrap();
    settle_in(&engine).await;
    let events = |time: &str| {
        let events = (0..400).map(|id| used(&id.to_string(), time, 1));
        events.collect::<Vec<_>>()
    };
    for part in events(BEFORE).chunks(50) {
        submit(&engine, part.to_vec()).await.unwrap();
        engine.settle().await;
    }
    move_on(&engine).await;
    let receipt = submit(&engine, events(AFTER)).await.unwrap();
    assert_eq!(outcome(&receipt), (0, 400, 0, vec![]));
    let voids = (0..10).map(|id| void(&format!("v{id}"), AFTER, &id.to_string()));
    let receipt = submit(&engine, voids.collect()).await.unwrap();
    assert_eq!(outcome(&receipt), (10, 0, 0, vec!["old"]));
    assert_eq!(octo(&engine).await, 390);
    engine.verify().await.unwrap();
}

/// An organization that stood alone has its events in an account of its own.
#[tokio::test]
async fn the_events_of_an_organization_that_stood_alone_stay_its_own() {
    let engine = open(Arc::new(MemoryStore::default())).await;
    let file = "{enterprises: [{slug: new}], organizations: [{login: octo}]}";
    apply(&engine, "2026-01-01T00:00:00Z", file).await;
    submit(&engine, vec![used("1", BEFORE, 5), used("2", BEFORE, 6)])
        .await
        .unwrap();
    move_on(&engine).await;
    let receipt = submit(&engine, vec![used("1", AFTER, 5)]).await.unwrap();
    assert_eq!(outcome(&receipt), (0, 1, 0, vec![]));
    let other = submit(&engine, vec![used("1", AFTER, 6)]).await;
    assert_eq!(refusal(other), RejectionCode::Conflict);
    let events = vec![void("v", AFTER, "1"), used("3", AFTER, 7)];
    let receipt = submit(&engine, events).await.unwrap();
    assert_eq!(outcome(&receipt), (2, 0, 0, vec!["new", "octo"]));
    assert_eq!(octo(&engine).await, 13);
    engine.verify().await.unwrap();
}
