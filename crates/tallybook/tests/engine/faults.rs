//! The k-th write fails, for k = 1, 2, 3 ...: afterwards everything or nothing happened, what is
//! stored is sound, and trying again succeeds without counting twice.

use crate::bench::{Usage, actor, enterprise, expected, import, now, open, sums, view};
use std::sync::Arc;
use tallybook::engine::Engine;
use tallybook_core::account::Plan;
use tallybook_core::declaration::{Declaration, EnterpriseDeclaration, UserDeclaration};
use tallybook_store::testing::{Fault, FaultyStore, MemoryStore};

type Store = Arc<FaultyStore<MemoryStore>>;

const FIRST: &[Usage] = &[(1, "octo", 5), (2, "octo", 7)];
const SECOND: &[Usage] = &[(2, "octo", 100), (3, "acme", 200)];
const FAULTS: [Fault; 2] = [Fault::Before, Fault::After];

/// An engine with one import.
async fn ready() -> (Store, Arc<Engine>) {
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let engine = open(store.clone()).await;
    import(&engine, &enterprise("ent"), "first", FIRST)
        .await
        .unwrap();
    (store, engine)
}

/// What this process and one that starts now say must be the same, and sound.
async fn assert_sound(store: &Store, engine: &Engine, usage: &[Usage], what: &str) {
    let ent = enterprise("ent");
    assert_eq!(sums(engine, &ent).await, expected(usage), "{what}");
    let other = open(store.clone()).await;
    assert_eq!(
        sums(&other, &ent).await,
        expected(usage),
        "{what}, started anew"
    );
    let as_of = view(engine, &ent).await.unwrap().as_of();
    assert_eq!(view(&other, &ent).await.unwrap().as_of(), as_of, "{what}");
    engine.verify().await.unwrap();
}

#[tokio::test]
async fn an_import_counts_whole_or_not_at_all() {
    let ent = enterprise("ent");
    let both = [&FIRST[..1], SECOND].concat();
    for fault in FAULTS {
        let mut outcomes = Vec::new();
        for k in 1.. {
            let what = format!("{fault:?} write {k}");
            let (store, engine) = ready().await;
            let planned = store.writes() + k;
            store.fail_write(k, fault);
            let done = import(&engine, &ent, "second", SECOND).await;
            if store.writes() < planned {
                break;
            }
            outcomes.push(done.is_ok());
            let usage = if done.is_ok() { &both } else { FIRST };
            assert_sound(&store, &engine, usage, &what).await;
            let again = import(&engine, &ent, "second", SECOND).await.unwrap();
            assert_eq!(again.repeated, done.is_ok(), "{what}");
            assert_sound(&store, &engine, &both, &what).await;
            let live = view(&engine, &ent).await.unwrap();
            assert_eq!(live.account.live_imports().count(), 2, "{what}");
        }
        // A chunk, the cells, the append: of an append that happened, the outcome is found out.
        let found_out = fault == Fault::After;
        assert_eq!(outcomes, [false, false, found_out], "{fault:?}");
    }
}

#[tokio::test]
async fn a_new_account_exists_whole_or_not_at_all() {
    let new = enterprise("new");
    for fault in FAULTS {
        for k in 1..=3 {
            let (store, engine) = ready().await;
            store.fail_write(k, fault);
            let done = import(&engine, &new, "new", &[(9, "nova", 1)]).await;
            let known = view(&engine, &new).await.is_some();
            assert_eq!(known, done.is_ok(), "{fault:?} write {k}");
            import(&engine, &new, "new", &[(9, "nova", 1)])
                .await
                .unwrap();
            assert_eq!(sums(&engine, &new).await, expected(&[(9, "nova", 1)]));
            assert_sound(&store, &engine, FIRST, "the other account").await;
        }
    }
}

#[tokio::test]
async fn a_revert_happens_or_not() {
    let ent = enterprise("ent");
    for fault in FAULTS {
        let (store, engine) = ready().await;
        let second = import(&engine, &ent, "second", SECOND).await.unwrap();
        let id = second.import.record.id;
        store.fail_write(1, fault);
        let done = engine.revert_import(&ent, id, &actor(), now()).await;
        assert_eq!(done.is_ok(), fault == Fault::After);
        if done.is_err() {
            assert_sound(&store, &engine, &[&FIRST[..1], SECOND].concat(), "kept").await;
            engine
                .revert_import(&ent, id, &actor(), now())
                .await
                .unwrap();
        }
        assert_sound(&store, &engine, FIRST, "reverted").await;
    }
}

#[tokio::test]
async fn declarations_are_applied_or_not() {
    let file = [
        Declaration::Enterprise(EnterpriseDeclaration {
            slug: "ent".into(),
            name: Some("The Enterprise".to_owned()),
            plan: Some(Plan::Enterprise),
            discounts: None,
            owners: Some(vec!["boss".into()]),
            billing_managers: None,
            organizations: Some(vec!["octo".into()]),
        }),
        Declaration::User(UserDeclaration {
            login: "boss".into(),
            email: None,
            plan: Some(Plan::Pro),
            discounts: None,
        }),
    ];
    for fault in FAULTS {
        let (store, engine) = ready().await;
        let before = engine.site().seq;
        let dry = engine.apply(now(), &actor(), &file, true).await.unwrap();
        assert!(!dry.is_empty());
        assert_eq!(engine.site().seq, before, "a dry run changes nothing");
        store.fail_write(1, fault);
        let done = engine.apply(now(), &actor(), &file, false).await;
        assert_eq!(done.is_ok(), fault == Fault::After);
        let again = engine.apply(now(), &actor(), &file, false).await.unwrap();
        assert_eq!(again, if done.is_ok() { Vec::new() } else { dry });
        let seq = engine.site().seq;
        assert_eq!(
            engine.apply(now(), &actor(), &file, false).await.unwrap(),
            []
        );
        assert_eq!(engine.site().seq, seq, "applying again changes nothing");
        assert_sound(&store, &engine, FIRST, "applied").await;
    }
}

/// A statement is an answer, its checkpoint a convenience: a disk that is full can still be read.
#[tokio::test]
async fn an_answer_does_not_need_its_checkpoint() {
    for fault in FAULTS {
        for k in 1..=3 {
            let (store, engine) = ready().await;
            store.fail_write(k, fault);
            assert_sound(&store, &engine, FIRST, &format!("{fault:?} write {k}")).await;
        }
    }
}
