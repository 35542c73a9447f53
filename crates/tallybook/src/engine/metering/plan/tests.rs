//! What happens between the check of an event and its commit.

use super::super::check::check;
use super::super::submission::{Allowed, Incoming, Payer, Submission};
use super::*;
use crate::engine::Options;
use crate::engine::commit::Actor;
use tallybook_core::account::AccountKind;
use tallybook_core::declaration::Declaration;
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::ids::Seq;
use tallybook_core::ledger::events::AmendFailure;
use tallybook_core::money::Quantity;
use tallybook_core::time::Timestamp;
use tallybook_store::testing::MemoryStore;

const OWN: &str = "\
product gpu \"GPU pool\"
sku gpu_minutes \"GPU minutes\" gpu minutes
  price 0.05
";

fn now() -> Instant {
    Instant::parse("2026-02-10T08:00:00Z").expect("an instant")
}

async fn engine() -> Arc<Engine> {
    let store = Arc::new(MemoryStore::default());
    let engine = Engine::open(store, Options::default(), now()).await;
    let engine = engine.expect("an engine");
    let file = "enterprises: [{slug: ent}]";
    let mut declarations = crate::billing_file::parse(file).expect("a good file");
    declarations.push(Declaration::Catalogue(OWN.to_owned()));
    apply(&engine, &declarations).await;
    engine
}

async fn apply(engine: &Engine, declarations: &[Declaration]) {
    let actor = Actor::command("test");
    let applied = engine.apply(now(), &actor, declarations, false).await;
    applied.expect("applied");
}

fn used(id: &str, sku: &str) -> Incoming {
    let usage = Usage {
        sku: sku.into(),
        quantity: Quantity::from_nanos(1_000_000_000),
        ..Usage::default()
    };
    let event = Event {
        name: EventName {
            source: "/gpu".into(),
            id: id.into(),
        },
        time: Timestamp::parse("2026-02-01T00:00:00Z").expect("a time"),
        body: EventBody::Usage(usage),
    };
    let payer = Payer {
        enterprise: Some(Name::from("ent")),
        ..Payer::default()
    };
    Incoming { event, payer }
}

/// The catalogue may change while events wait for their commit: events that then have no price are
/// refused, and those that have one are accepted.
#[tokio::test]
async fn what_loses_its_price_on_the_way_is_refused() {
    let engine = engine().await;
    let submission = Submission {
        events: vec![
            (0, used("1", "actions_linux")),
            (1, used("2", "gpu_minutes")),
        ],
        on_error: OnError::Skip,
        ..Submission::default()
    };
    let checked = check(&engine.site(), now(), submission);
    assert_eq!(checked.events.len(), 2);
    apply(&engine, &[Declaration::Catalogue(String::new())]).await;
    let reserved = engine.metering.queue.reserve(checked.events.len());
    let answer = reserved.expect("room").push(checked);
    engine.commit_waiting(now()).await;
    let receipt = answer.await.expect("an answer").expect("a receipt");
    assert_eq!(receipt.accepted, 1);
    let [rejection] = &receipt.rejected[..] else {
        panic!("{receipt:?}");
    };
    assert_eq!(
        (rejection.index, rejection.code),
        (1, RejectionCode::UnknownSku)
    );
    let ent = AccountName::new(AccountKind::Enterprise, "ent");
    assert_eq!(receipt.commits[0].0, ent);
    engine.verify().await.expect("nothing differs");
}

/// An organization's payer may change while events wait for their commit: they are billed to the
/// account that pays by then, and refused if the sender may not write to it.
#[tokio::test]
async fn who_pays_is_asked_again_when_it_may_have_changed() {
    let engine = engine().await;
    let declare = async |file: &str| {
        let declarations = crate::billing_file::parse(file).expect("a good file");
        apply(&engine, &declarations).await;
    };
    declare("{enterprises: [{slug: other}], organizations: [{login: octo}]}").await;
    let checked = async |id: &str, accounts: Option<Vec<AccountName>>| {
        let mut incoming = used(id, "actions_linux");
        incoming.event.time = Timestamp::parse("2026-02-10T08:00:00Z").expect("a time");
        incoming.payer = Payer {
            organization: Some(Name::from("octo")),
            ..Payer::default()
        };
        let submission = Submission {
            events: vec![(0, incoming)],
            allowed: Allowed {
                accounts,
                sources: None,
            },
            ..Submission::default()
        };
        let checked = check(&engine.site(), now(), submission);
        assert_eq!(checked.events.len(), 1);
        engine.look_ahead(checked).await
    };
    let octo = AccountName::new(AccountKind::Organization, "octo");
    let free = checked("1", None).await;
    let bound = checked("2", Some(vec![octo])).await;
    declare("enterprises: [{slug: other, organizations: [octo]}]").await;
    let commit = async |checked: Checked| {
        let reserved = engine.metering.queue.reserve(checked.events.len());
        let answer = reserved.expect("room").push(checked);
        engine.commit_waiting(now()).await;
        answer.await.expect("an answer")
    };
    let receipt = commit(free).await.expect("a receipt");
    let other = AccountName::new(AccountKind::Enterprise, "other");
    assert_eq!(receipt.commits, [(other, Seq(1))]);
    match commit(bound).await {
        Err(SubmitError::Rejected(receipt)) => {
            assert_eq!(receipt.rejected[0].code, RejectionCode::UnknownPayer);
        }
        answer => panic!("{answer:?}"),
    }
    engine.verify().await.expect("nothing differs");
}

/// An amend that waits for an event in the same commit fails like any other.
#[tokio::test]
async fn an_amend_that_shares_the_commit_of_its_event_fails_too() {
    let engine = engine().await;
    let later = "\
product gpu \"GPU pool\"
sku later \"Later\" gpu minutes
  price 0.5 from 2026-02-05
";
    apply(&engine, &[Declaration::Catalogue(later.to_owned())]).await;
    let usage = used("1", "actions_linux");
    let mut amend = used("a", "later");
    let EventBody::Usage(said) = amend.event.body else {
        panic!("not usage");
    };
    amend.event.body = EventBody::Amend(usage.event.name.clone(), said);
    amend.event.time = Timestamp::parse("2026-02-06T00:00:00Z").expect("a time");
    // Submissions are planned in the order in which they wait.
    let mut answers = Vec::new();
    for incoming in [amend, usage] {
        let submission = Submission {
            events: vec![(0, incoming)],
            ..Submission::default()
        };
        let checked = check(&engine.site(), now(), submission);
        let checked = engine.look_ahead(checked).await;
        let reserved = engine.metering.queue.reserve(checked.events.len());
        answers.push(reserved.expect("room").push(checked));
    }
    engine.commit_waiting(now()).await;
    for answer in answers {
        let receipt = answer.await.expect("an answer").expect("a receipt");
        assert_eq!((receipt.accepted, receipt.commits[0].1), (1, Seq(1)));
    }
    let ent = AccountName::new(AccountKind::Enterprise, "ent");
    let found = engine.site().directory.find(&ent).expect("an account");
    let view = engine.view(&found).await.expect("a view");
    let open = view.account.metered.open_corrections();
    let failed: Vec<_> = open.filter_map(|open| open.failed).collect();
    let [(_, AmendFailure::NoPrice)] = failed[..] else {
        panic!("{failed:?}");
    };
    engine.verify().await.expect("nothing differs");
}

/// Keys of accounts in use are in memory, for at most a thousand accounts.
#[tokio::test]
async fn keys_of_the_accounts_used_least_recently_go() {
    let engine = engine().await;
    let login = |number: usize| Name::from(format!("user-{number}").as_str());
    let declared = (0..1_100).map(|number| {
        Declaration::User(tallybook_core::declaration::UserDeclaration {
            login: login(number),
            email: None,
            plan: None,
            discounts: None,
        })
    });
    apply(&engine, &declared.collect::<Vec<_>>()).await;
    let send = async |number: usize| {
        let mut incoming = used("1", "actions_linux");
        incoming.payer = Payer {
            user: Some(login(number)),
            ..Payer::default()
        };
        let submission = Submission {
            events: vec![(0, incoming)],
            ..Submission::default()
        };
        engine.submit(now(), submission).await.expect("a receipt")
    };
    for number in 0..1_100 {
        assert_eq!(send(number).await.accepted, 1);
    }
    assert_eq!(engine.metering.keys.lock().await.len(), 1024);
    for number in [0, 1_099, 500] {
        assert_eq!(send(number).await.duplicates, 1);
    }
    // Even when nothing was new.
    assert_eq!(engine.metering.keys.lock().await.len(), 1024);
}
