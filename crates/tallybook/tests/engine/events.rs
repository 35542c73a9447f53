//! Usage events: each counts once, however it is sent, and is rated with the others.

use crate::bench::{enterprise, import, now, open, sums, view};
use std::sync::Arc;
use tallybook::engine::metering::{
    Allowed, Incoming, OnError, Payer, Receipt, RejectionCode, Submission, SubmitError,
};
use tallybook::engine::{Engine, Options};
use tallybook_core::declaration::Declaration;
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::time::{Instant, Timestamp};
use tallybook_store::testing::MemoryStore;

pub(crate) fn name(id: &str) -> EventName {
    EventName {
        source: "/ci".into(),
        id: id.into(),
    }
}

/// An event on a day of January 2026 of what the enterprise's organization used.
pub(crate) fn event(id: &str, day: i8, body: EventBody) -> Incoming {
    let time = Timestamp::parse(&format!("2026-01-{day:02}T10:20:30Z")).unwrap();
    let event = Event {
        name: name(id),
        time,
        body,
    };
    let payer = Payer {
        enterprise: Some(Name::from("ent")),
        ..Payer::default()
    };
    Incoming { event, payer }
}

pub(crate) fn minutes(quantity: i128) -> Usage {
    Usage {
        sku: "actions_linux".into(),
        quantity: Quantity::from_nanos(quantity * 1_000_000_000),
        user: Some(Name::from("mona")),
        ..Usage::default()
    }
}

pub(crate) fn used(id: &str, day: i8, quantity: i128) -> Incoming {
    event(id, day, EventBody::Usage(minutes(quantity)))
}

pub(crate) fn void(id: &str, target: &str) -> Incoming {
    event(id, 20, EventBody::Void(name(target)))
}

fn amend(id: &str, target: &str, quantity: i128) -> Incoming {
    event(id, 20, EventBody::Amend(name(target), minutes(quantity)))
}

pub(crate) async fn submit(
    engine: &Arc<Engine>,
    events: Vec<Incoming>,
) -> Result<Receipt, SubmitError> {
    submit_with(engine, OnError::Reject, events).await
}

pub(crate) async fn submit_with(
    engine: &Arc<Engine>,
    on_error: OnError,
    events: Vec<Incoming>,
) -> Result<Receipt, SubmitError> {
    let submission = Submission {
        events: (0..).zip(events).collect(),
        on_error,
        ..Submission::default()
    };
    engine.submit(now(), submission).await
}

/// Keys move to runs after a few events, runs are merged, and keys are found again after reopening
/// the store.
#[tokio::test]
async fn old_events_are_known_for_ever() {
    let store = Arc::new(MemoryStore::default());
    drop(engine(&store).await);
    let open = async || {
        let options = Options {
            recent_keys: 20,
            ..Options::default()
        };
        Engine::open(Arc::<MemoryStore>::clone(&store), options, now())
            .await
            .unwrap()
    };
    let mut engine = open().await;
    for round in 0..30 {
        let events = (0..9)
            .map(|n| used(&(round * 9 + n).to_string(), 2, 1))
            .collect();
        assert_eq!(counts(&submit(&engine, events).await.unwrap()), (9, 0, 0));
        engine.settle().await;
        if round % 7 == 6 {
            engine.verify().await.unwrap();
            engine = open().await;
        }
        let again = (0..=round)
            .map(|n| used(&(n * 9).to_string(), 3, 1))
            .collect();
        let known = counts(&submit(&engine, again).await.unwrap());
        assert_eq!(known, (0, round + 1, 0), "round {round}");
    }
    assert_eq!(quantities(&engine).await, [day(2, 270)]);
    submit(&engine, vec![void("v", "0"), amend("a", "269", 3)])
        .await
        .unwrap();
    assert_eq!(quantities(&engine).await, [day(2, 271)]);
    // What older checkpoints left is swept, and nothing that the newest needs.
    let later = Instant::parse("2027-01-01T00:00:00Z").unwrap();
    assert_ne!(engine.sweep(later).await.unwrap(), 0);
    assert_eq!(engine.sweep(later).await.unwrap(), 0);
    engine.verify().await.unwrap();
    assert_eq!(
        counts(&submit(&open().await, vec![used("7", 2, 1)]).await.unwrap()),
        (0, 1, 0)
    );
}

/// An engine that knows the enterprise.
/// Keys are hashes: a stream that comes again in its order is found by its batches, else by blocks.
#[tokio::test]
async fn a_stream_is_known_again_in_any_order() {
    let store = Arc::new(MemoryStore::default());
    drop(engine(&store).await);
    let engine = with_few_keys(&store, 64).await;
    let numbered = |number: usize, quantity| used(&number.to_string(), 2, quantity);
    for first in (0..3_000).step_by(100) {
        let events = (first..first + 100).map(|number| numbered(number, 1));
        submit(&engine, events.collect()).await.unwrap();
        engine.settle().await;
    }
    let in_order: Vec<usize> = (0..3_000).collect();
    // 7 and 3,000 have no common divisor.
    let shuffled = in_order.iter().map(|number| number * 7 % 3_000).collect();
    let two_streams = in_order
        .iter()
        .map(|number| number / 2 + number % 2 * 1_500);
    for order in [in_order.clone(), shuffled, two_streams.collect()] {
        for numbers in order.chunks(700) {
            let again = numbers.iter().map(|number| numbered(*number, 1)).collect();
            let known = counts(&submit(&engine, again).await.unwrap());
            assert_eq!(known, (0, numbers.len() as u64, 0));
            let changed = numbers.iter().map(|number| numbered(*number, 2)).collect();
            let refused = submit_with(&engine, OnError::Skip, changed).await.unwrap();
            assert_eq!(refused.rejected.len(), numbers.len());
        }
    }
    let half_new = (2_500..3_500).map(|number| numbered(number, 1)).collect();
    let counted = counts(&submit(&engine, half_new).await.unwrap());
    assert_eq!(counted, (500, 500, 0));
    assert_eq!(quantities(&engine).await, [day(2, 3_500)]);
}

/// Keys become runs between the look at what is stored and the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_events_at_once_count_once_while_keys_grow_old() {
    let store = Arc::new(MemoryStore::default());
    drop(engine(&store).await);
    let engine = with_few_keys(&store, 8).await;
    let senders = (0..6).map(|sender| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let mut accepted = 0;
            for batch in 0..40 {
                // Half of the senders are behind the others.
                let batch = (batch + sender * 20) % 40;
                let events = (0..50).map(|n| used(&(batch * 50 + n).to_string(), 2, 1));
                let receipt = submit(&engine, events.collect()).await.unwrap();
                accepted += receipt.accepted;
            }
            accepted
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut accepted = 0;
    for sender in senders {
        accepted += sender.await.unwrap();
    }
    engine.settle().await;
    engine.verify().await.unwrap();
    assert_eq!(accepted, 2_000);
    assert_eq!(quantities(&engine).await, [day(2, 2_000)]);
}

async fn with_few_keys(store: &Arc<MemoryStore>, recent_keys: usize) -> Arc<Engine> {
    let options = Options {
        recent_keys,
        ..Options::default()
    };
    let store = Arc::<MemoryStore>::clone(store);
    Engine::open(store, options, now()).await.unwrap()
}

async fn engine(store: &Arc<MemoryStore>) -> Arc<Engine> {
    let engine = open(Arc::<MemoryStore>::clone(store)).await;
    import(&engine, &enterprise("ent"), "some", &[(1, "octo", 5)])
        .await
        .unwrap();
    engine
}

/// Accepted, duplicates, pending.
pub(crate) fn counts(receipt: &Receipt) -> (u64, u64, u64) {
    (receipt.accepted, receipt.duplicates, receipt.pending)
}

/// Quantities by day, of what no organization used.
async fn quantities(engine: &Engine) -> Vec<(String, i128)> {
    let sums = sums(engine, &enterprise("ent")).await;
    let metered = sums
        .into_iter()
        .filter(|((_, organization), _)| organization.is_empty());
    metered
        .map(|((day, _), quantity)| (day, quantity))
        .collect()
}

fn day(day: i8, quantity: i128) -> (String, i128) {
    (format!("2026-01-{day:02}"), quantity)
}

#[tokio::test]
async fn a_redelivery_counts_once_also_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let first = engine(&store).await;
    let events = || vec![used("1", 2, 3), used("2", 3, 4), used("1", 2, 3)];
    assert_eq!(counts(&submit(&first, events()).await.unwrap()), (2, 1, 0));
    assert_eq!(counts(&submit(&first, events()).await.unwrap()), (0, 3, 0));
    assert_eq!(quantities(&first).await, [day(2, 3), day(3, 4)]);

    let again = open(Arc::<MemoryStore>::clone(&store)).await;
    let mut late = used("1", 9, 3);
    late.event.time = Timestamp::parse("2026-01-30T00:00:00Z").unwrap();
    assert_eq!(
        counts(&submit(&again, vec![late]).await.unwrap()),
        (0, 1, 0)
    );
    assert_eq!(quantities(&again).await, [day(2, 3), day(3, 4)]);
    again.verify().await.unwrap();
}

#[tokio::test]
async fn another_content_is_a_conflict_and_nothing_changes() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    submit(&engine, vec![used("1", 2, 3)]).await.unwrap();
    let before = view(&engine, &enterprise("ent")).await.unwrap().as_of();
    let refused = submit(&engine, vec![used("2", 2, 1), used("1", 2, 4)]).await;
    let Err(SubmitError::Rejected(receipt)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(counts(&receipt), (0, 0, 0));
    assert_eq!(receipt.rejected.len(), 1);
    assert_eq!(
        (receipt.rejected[0].index, receipt.rejected[0].code),
        (1, RejectionCode::Conflict)
    );
    assert_eq!(
        view(&engine, &enterprise("ent")).await.unwrap().as_of(),
        before
    );
    assert_eq!(quantities(&engine).await, [day(2, 3)]);

    let events = vec![used("2", 2, 1), used("1", 2, 4)];
    let receipt = submit_with(&engine, OnError::Skip, events).await.unwrap();
    assert_eq!((counts(&receipt), receipt.rejected.len()), ((1, 0, 0), 1));
    assert_eq!(quantities(&engine).await, [day(2, 4)]);
}

#[tokio::test]
async fn corrections_act_whenever_they_come() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    let receipt = submit(&engine, vec![void("v", "1"), amend("a", "2", 7)])
        .await
        .unwrap();
    assert_eq!(counts(&receipt), (2, 0, 2), "their events have not come");
    submit(
        &engine,
        vec![used("1", 2, 3), used("2", 3, 4), used("3", 4, 5)],
    )
    .await
    .unwrap();
    assert_eq!(quantities(&engine).await, [day(3, 7), day(4, 5)]);
    let receipt = submit(&engine, vec![amend("b", "3", 6)]).await.unwrap();
    assert_eq!(counts(&receipt), (1, 0, 0));
    assert_eq!(quantities(&engine).await, [day(3, 7), day(4, 6)]);

    let again = open(Arc::<MemoryStore>::clone(&store)).await;
    submit(&again, vec![void("w", "3")]).await.unwrap();
    assert_eq!(quantities(&again).await, [day(3, 7)]);
    let refused = submit(&again, vec![void("x", "w")]).await;
    let Err(SubmitError::Rejected(receipt)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(receipt.rejected[0].code, RejectionCode::NotUsage);
    again.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_events_at_once_count_once() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    let mut tasks = Vec::new();
    for sender in 0..8 {
        let engine = Arc::clone(&engine);
        tasks.push(tokio::spawn(async move {
            let mut accepted = 0;
            for start in 0..20 {
                let id = |n: usize| ((start * 7 + n * (sender + 1)) % 100).to_string();
                let events = (0..10).map(|n| used(&id(n), 2, 1)).collect();
                accepted += submit(&engine, events).await.unwrap().accepted;
            }
            accepted
        }));
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap();
    }
    let counted = quantities(&engine).await;
    assert_eq!(counted, [day(2, i128::from(accepted))]);
    engine.verify().await.unwrap();
}

/// Two engines over one store: the one that loses the race reads the new batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_engines_count_once() {
    let store = Arc::new(MemoryStore::default());
    let engines = [
        engine(&store).await,
        open(Arc::<MemoryStore>::clone(&store)).await,
    ];
    let mut tasks = Vec::new();
    for engine in &engines {
        let engine = Arc::clone(engine);
        tasks.push(tokio::spawn(async move {
            let mut accepted = 0;
            for start in 0..10 {
                let events = (0..10).map(|n| used(&(start * 5 + n).to_string(), 2, 1));
                let events: Vec<_> = events.collect();
                loop {
                    match submit(&engine, events.clone()).await {
                        Ok(receipt) => break accepted += receipt.accepted,
                        Err(SubmitError::Engine(tallybook::engine::EngineError::Contention(_))) => {
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            accepted
        }));
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap();
    }
    assert_eq!(accepted, 55);
    let third = open(Arc::<MemoryStore>::clone(&store)).await;
    assert_eq!(quantities(&third).await, [day(2, 55)]);
}

#[tokio::test]
async fn what_cannot_be_billed_is_refused() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    let mut stranger = used("1", 2, 3);
    stranger.payer.enterprise = Some(Name::from("nobody"));
    let mut nameless = used("2", 2, 3);
    nameless.payer = Payer::default();
    let mut unknown = used("3", 2, 3);
    let mut ahead = used("4", 2, 3);
    ahead.event.time = Timestamp::parse("2026-02-10T08:05:01Z").unwrap();
    let mut huge = used("5", 2, 3);
    for (incoming, sku, quantity) in [
        (&mut unknown, "actions_lunix", 1),
        (&mut huge, "actions_linux", 1_000_000_000_000_000_000),
    ] {
        incoming.event.body = EventBody::Usage(Usage {
            sku: sku.into(),
            ..minutes(quantity)
        });
    }
    let events = vec![stranger, nameless, unknown, ahead, huge, used("6", 2, 1)];
    let receipt = submit_with(&engine, OnError::Skip, events).await.unwrap();
    let codes: Vec<_> = receipt
        .rejected
        .iter()
        .map(|it| (it.index, it.code))
        .collect();
    assert_eq!(
        codes,
        [
            (0, RejectionCode::UnknownPayer),
            (1, RejectionCode::UnknownPayer),
            (2, RejectionCode::UnknownSku),
            (3, RejectionCode::InFuture),
            (4, RejectionCode::Overflow),
        ]
    );
    assert_eq!(quantities(&engine).await, [day(2, 1)]);
}

/// An amend counts in the hour of its target: that is when its SKU must have had a price.
#[tokio::test]
async fn an_amend_needs_a_price_at_its_targets_hour() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    let own = "sku later \"Later\" actions minutes\n  price 0.5 from 2026-01-15\n";
    let declared = Declaration::Catalogue(own.to_owned());
    let actor = crate::bench::actor();
    engine
        .apply(now(), &actor, &[declared], false)
        .await
        .unwrap();
    let to_later = |id: &str, target: &str| {
        let usage = Usage {
            sku: "later".into(),
            ..minutes(1)
        };
        event(id, 20, EventBody::Amend(name(target), usage))
    };
    submit(&engine, vec![used("1", 2, 3), used("2", 16, 4)])
        .await
        .unwrap();
    let events = vec![to_later("a", "1"), to_later("b", "2"), to_later("c", "3")];
    let receipt = submit_with(&engine, OnError::Skip, events).await.unwrap();
    let codes: Vec<_> = receipt
        .rejected
        .iter()
        .map(|it| (it.index, it.code))
        .collect();
    // Whether the third has a price shows when its event comes.
    assert_eq!(codes, [(0, RejectionCode::NoPrice)]);
    assert_eq!(receipt.pending, 1);
    assert_eq!(quantities(&engine).await, [day(2, 3), day(16, 1)]);
}

/// A sender that is limited to its own sources can neither correct another source's event nor find
/// out whether it exists.
#[tokio::test]
async fn a_limited_sender_corrects_events_of_its_own_sources_only() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    submit(&engine, vec![used("known", 2, 100)]).await.unwrap();
    let limited = async |mut events: Vec<Incoming>| {
        for incoming in &mut events {
            incoming.event.name.source = "/mine".into();
        }
        let submission = Submission {
            events: (0..).zip(events).collect(),
            allowed: Allowed {
                accounts: None,
                sources: Some(vec!["/mine".to_owned()]),
            },
            ..Submission::default()
        };
        engine.submit(now(), submission).await
    };
    let mut answers = Vec::new();
    for target in ["known", "unknown"] {
        for correction in [void("c", target), amend("c", target, 1)] {
            let Err(SubmitError::Rejected(receipt)) = limited(vec![correction]).await else {
                panic!("the correction of {target} was taken");
            };
            answers.push(receipt);
        }
    }
    assert_eq!(answers[0].rejected[0].code, RejectionCode::UnknownPayer);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(quantities(&engine).await, [day(2, 100)]);

    let mut own = void("v", "own");
    own.event.body = EventBody::Void(EventName {
        source: "/mine".into(),
        id: "own".into(),
    });
    let receipt = limited(vec![own, used("own", 3, 5)]).await.unwrap();
    assert_eq!(counts(&receipt).0, 2);
    assert_eq!(quantities(&engine).await, [day(2, 100)]);
}
