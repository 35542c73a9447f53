//! Many at once, through one engine and through two over the same store.

use crate::bench::{Usage, actor, enterprise, expected, import, now, open, sums, view};
use std::collections::BTreeSet;
use std::sync::Arc;
use tallybook::engine::Engine;
use tallybook_core::account::AccountName;
use tallybook_store::Store;
use tallybook_store::testing::{FaultyStore, MemoryStore};

/// Each imports the usage of a day of its own.
async fn import_days(engine: &Arc<Engine>, account: &AccountName, days: std::ops::Range<i8>) {
    let mut tasks = Vec::new();
    for day in days {
        let (engine, account) = (Arc::clone(engine), account.clone());
        tasks.push(tokio::spawn(async move {
            let organization: &'static str = format!("{}-org", account.name).leak();
            let usage = [(day, organization, i128::from(day))];
            let label = format!("{account} {day}");
            import(&engine, &account, &label, &usage).await.map(drop)
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

fn days(days: std::ops::Range<i8>) -> Vec<Usage> {
    days.map(|day| (day, "ent-org", i128::from(day))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn imports_of_one_account_all_count_once() {
    let engine = open(Arc::new(MemoryStore::default())).await;
    let ent = enterprise("ent");
    import_days(&engine, &ent, 1..20).await;
    assert_eq!(sums(&engine, &ent).await, expected(&days(1..20)));
    let view = view(&engine, &ent).await.unwrap();
    let seqs: BTreeSet<_> = view
        .account
        .imports
        .iter()
        .map(|import| import.seq)
        .collect();
    assert_eq!(seqs.len(), 19, "one batch each");
    engine.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_bytes_at_once_count_once() {
    let engine = open(Arc::new(MemoryStore::default())).await;
    let ent = enterprise("ent");
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (engine, ent) = (Arc::clone(&engine), ent.clone());
        let same = async move {
            import(&engine, &ent, "same", &[(1, "octo", 5)])
                .await
                .unwrap()
        };
        tasks.push(tokio::spawn(same));
    }
    let mut first = 0;
    for task in tasks {
        first += u32::from(!task.await.unwrap().repeated);
    }
    assert_eq!(first, 1);
    assert_eq!(sums(&engine, &ent).await, expected(&[(1, "octo", 5)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accounts_do_not_share_a_log() {
    let engine = open(Arc::new(MemoryStore::default())).await;
    let mut tasks = Vec::new();
    for number in 0..12 {
        let engine = Arc::clone(&engine);
        tasks.push(tokio::spawn(async move {
            let (slug, organization) = (format!("ent-{number}"), format!("org-{number}"));
            let organization: &'static str = organization.leak();
            let usage = [(1, organization, 1), (2, organization, number)];
            import(&engine, &enterprise(&slug), &slug, &usage)
                .await
                .unwrap();
            assert_eq!(sums(&engine, &enterprise(&slug)).await, expected(&usage));
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(engine.site().directory.accounts().count(), 12);
    assert_eq!(engine.verify().await.unwrap().accounts, 12);
}

/// What is committed while everything is read again is no damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn verifying_while_others_write() {
    let engine = open(Arc::new(MemoryStore::default())).await;
    let importing = async {
        for number in 0..8 {
            import_days(&engine, &enterprise(&format!("ent-{number}")), 1..4).await;
        }
    };
    let verifying = async {
        for _ in 0..20 {
            engine.verify().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(importing, verifying);
    assert_eq!(engine.verify().await.unwrap().imports, 24);
}

/// A reader who has read an account's log is overtaken by a commit to it and by so many other
/// accounts that the account is dropped from memory: what was read is out of date, and not shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_is_overtaken_reads_again() {
    const OTHERS: usize = 1_100;
    let store = Arc::new(FaultyStore::new(MemoryStore::default()));
    let engine = open(Arc::<FaultyStore<MemoryStore>>::clone(&store)).await;
    let ent = enterprise("ent");
    import(&engine, &ent, "first", &[(1, "octo", 1)])
        .await
        .unwrap();
    let others: Vec<_> = (0..OTHERS)
        .map(|number| enterprise(&format!("other-{number}")))
        .collect();
    let declared = others
        .iter()
        .map(|other| format!("{{slug: {}}}", other.name));
    let declared: Vec<_> = declared.collect();
    let billing = format!("enterprises: [{}]", declared.join(", "));
    let declared = tallybook::billing_file::parse(&billing).unwrap();
    engine
        .apply(now(), &actor(), &declared, false)
        .await
        .unwrap();
    let look_at_others = async || {
        for other in &others {
            view(&engine, other).await.unwrap();
        }
    };

    look_at_others().await;
    let log = engine.site().directory.log_of(&ent).unwrap();
    let mut held = store.hold_end_of(log);
    let reader = tokio::spawn({
        let (engine, ent) = (Arc::clone(&engine), ent.clone());
        async move { view(&engine, &ent).await.unwrap() }
    });
    held.reached().await;
    let committed = import(&engine, &ent, "second", &[(2, "octo", 2)])
        .await
        .unwrap();
    look_at_others().await;
    drop(held);
    let newest = committed.view.account.seq;
    assert_eq!(reader.await.unwrap().account.seq, newest);
    assert_eq!(view(&engine, &ent).await.unwrap().account.seq, newest);
}

/// Two writers that know nothing of each other: the one that loses the race plans again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_engines_over_one_store_lose_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (left, right) = (
        open(Arc::clone(&store)).await,
        open(Arc::clone(&store)).await,
    );
    let ent = enterprise("ent");
    let halves = (
        import_days(&left, &ent, 1..8),
        import_days(&right, &ent, 8..15),
    );
    tokio::join!(halves.0, halves.1);
    let third = open(store).await;
    assert_eq!(sums(&third, &ent).await, expected(&days(1..15)));
    // One that is behind finds out when it writes.
    let old = view(&third, &ent).await.unwrap();
    let id = old.account.imports[0].record.id;
    third
        .revert_import(&ent, id, &actor(), now())
        .await
        .unwrap();
    let again = left.revert_import(&ent, id, &actor(), now()).await;
    assert!(again.is_err(), "it is reverted already");
    import_days(&right, &ent, 20..21).await;
    let fourth = open(Arc::clone(third.store())).await;
    assert_eq!(sums(&fourth, &ent).await, sums(&right, &ent).await);
    assert_eq!(sums(&fourth, &ent).await.len(), 14);
    fourth.verify().await.unwrap();
}
