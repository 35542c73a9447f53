//! The own catalogue in force: usage is priced by it, none of it may lose its price, and what a
//! month would cost can be asked before anything changes.

use crate::bench::{actor, enterprise, import, now, open};
use std::sync::Arc;
use tallybook::engine::apply::{Applied, ApplyError, ApplyOptions};
use tallybook::engine::metering::{Incoming, Payer, Receipt, Submission, SubmitError};
use tallybook::engine::what_if::WhatIf;
use tallybook::engine::{Engine, Options};
use tallybook_core::account::{AccountKind, AccountName, Plan};
use tallybook_core::catalog::Catalog;
use tallybook_core::declaration::{Declaration, EnterpriseDeclaration, OrganizationDeclaration};
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, Percent};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::ids::Seq;
use tallybook_core::money::Quantity;
use tallybook_core::query::Totals;
use tallybook_core::time::{Month, Timestamp};
use tallybook_store::testing::MemoryStore;
use tallybook_store::{AuditFilter, Store};

const OWN: &str = "\
product gpu \"GPU pool\"
sku gpu_minutes \"GPU minutes\" gpu minutes
  price 0.05 from 2026-01-01
";

fn organization(login: &str) -> AccountName {
    AccountName::new(AccountKind::Organization, login)
}

fn declared(login: &str, discounts: Option<Vec<NegotiatedDiscount>>) -> Declaration {
    Declaration::Organization(OrganizationDeclaration {
        login: login.into(),
        standalone: false,
        plan: discounts.is_none().then_some(Plan::Team),
        discounts,
        owners: None,
        billing_managers: None,
        members: None,
    })
}

fn of_enterprise(slug: &str, login: &str) -> Declaration {
    Declaration::Enterprise(EnterpriseDeclaration {
        slug: slug.into(),
        name: None,
        plan: None,
        discounts: None,
        owners: None,
        billing_managers: None,
        organizations: Some(vec![login.into()]),
    })
}

async fn engine(store: &Arc<MemoryStore>) -> Arc<Engine> {
    let engine = open(Arc::<MemoryStore>::clone(store)).await;
    apply(&engine, &[declared("solo", None)], &ApplyOptions::default())
        .await
        .unwrap();
    put(&engine, OWN).await.unwrap();
    engine
}

async fn apply(
    engine: &Engine,
    declarations: &[Declaration],
    options: &ApplyOptions,
) -> Result<Applied, ApplyError> {
    engine
        .apply_with(now(), &actor(), declarations, options)
        .await
}

async fn put(engine: &Engine, text: &str) -> Result<Applied, ApplyError> {
    let declarations = [Declaration::Catalogue(text.to_owned())];
    apply(engine, &declarations, &ApplyOptions::default()).await
}

/// A hundred units used by the organization `solo` at some time.
async fn submit(
    engine: &Arc<Engine>,
    id: &str,
    sku: &str,
    time: &str,
) -> Result<Receipt, SubmitError> {
    submit_of(engine, "solo", id, sku, time).await
}

async fn submit_of(
    engine: &Arc<Engine>,
    login: &str,
    id: &str,
    sku: &str,
    time: &str,
) -> Result<Receipt, SubmitError> {
    let submission = Submission {
        events: vec![(0, used_by(login, id, sku, time))],
        ..Submission::default()
    };
    engine.submit(now(), submission).await
}

fn used_by(login: &str, id: &str, sku: &str, time: &str) -> Incoming {
    let usage = Usage {
        sku: sku.into(),
        quantity: Quantity::from_nanos(100 * 1_000_000_000),
        organization: Some(login.into()),
        ..Usage::default()
    };
    let event = Event {
        name: gpu_event(id),
        time: Timestamp::parse(time).unwrap(),
        body: EventBody::Usage(usage),
    };
    let payer = Payer {
        organization: Some(login.into()),
        ..Payer::default()
    };
    Incoming { event, payer }
}

fn gpu_event(id: &str) -> EventName {
    EventName {
        source: "/gpu".into(),
        id: id.into(),
    }
}

/// Sends a correction for the organization `solo`.
async fn correct(engine: &Arc<Engine>, id: &str, time: &str, body: EventBody) -> Receipt {
    let event = Event {
        name: gpu_event(id),
        time: Timestamp::parse(time).unwrap(),
        body,
    };
    let payer = Payer {
        organization: Some("solo".into()),
        ..Payer::default()
    };
    let submission = Submission {
        events: vec![(0, Incoming { event, payer })],
        ..Submission::default()
    };
    engine.submit(now(), submission).await.unwrap()
}

fn amounts(totals: &Totals) -> [String; 3] {
    [totals.gross, totals.discount, totals.net()].map(|amount| amount.to_string())
}

fn what_if(account: Option<AccountName>) -> ApplyOptions {
    let month = Month::new(2026, 1).unwrap();
    ApplyOptions {
        dry_run: true,
        what_if: Some(WhatIf { month, account }),
        ..ApplyOptions::default()
    }
}

#[tokio::test]
async fn what_a_month_would_cost_is_what_it_then_costs() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    submit(&engine, "1", "gpu_minutes", "2026-01-05T10:00:00Z")
        .await
        .unwrap();
    submit(&engine, "2", "gpu_minutes", "2026-01-20T10:00:00Z")
        .await
        .unwrap();
    submit(&engine, "3", "gpu_minutes", "2026-02-01T10:00:00Z")
        .await
        .unwrap();
    let batches = engine.store().heads().await.unwrap();
    let dearer = format!(
        "{OWN}  price 0.08 from 2026-01-10\nincluded gpu_team \"Included\"\n  covers \
         gpu_minutes\n  plan team 30\n"
    );
    let discount = NegotiatedDiscount {
        scope: DiscountScope::Product("gpu".to_owned()),
        percent: Percent::parse("10").unwrap(),
        from: None,
        until: None,
    };
    let file = [
        Declaration::Catalogue(dearer),
        declared("solo", Some(vec![discount])),
    ];
    let asked = apply(&engine, &file, &what_if(None)).await.unwrap();
    let [difference] = &asked.what_if[..] else {
        panic!("{:?}", asked.what_if);
    };
    assert_eq!(difference.account, organization("solo"));
    assert_eq!(amounts(&difference.before), ["10", "0", "10"]);
    // 5 and 8 dollars; 30 minutes at 0.05 are included, and 10 % of the rest is taken off.
    assert_eq!(amounts(&difference.after), ["13", "2.65", "10.35"]);
    assert_eq!(difference.skus[0].sku, "gpu_minutes");
    assert_eq!(difference.skus[0].after, difference.after);
    assert_eq!(
        engine.store().heads().await.unwrap(),
        batches,
        "nothing was written"
    );
    assert_eq!(engine.site().catalogue.own(), OWN);

    apply(&engine, &file, &ApplyOptions::default())
        .await
        .unwrap();
    let then = apply(&engine, &[], &what_if(Some(organization("solo"))))
        .await
        .unwrap();
    assert_eq!(then.what_if[0].before, difference.after);
    assert_eq!(then.what_if[0].after, difference.after);
    engine.verify().await.unwrap();
    let nobody = apply(&engine, &[], &what_if(Some(organization("nobody")))).await;
    assert!(
        matches!(nobody, Err(ApplyError::NoAccount(_))),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn usage_keeps_its_price() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    submit(&engine, "1", "GPU minutes", "2026-01-05T10:00:00Z")
        .await
        .unwrap();
    let message = |refused: Result<Applied, ApplyError>| refused.unwrap_err().to_string();
    let gone = message(put(&engine, "").await);
    let expected = "organization solo has usage of GPU minutes on 2026-01-05, and the new \
                    catalogue has no such SKU; keep it priced for that day";
    assert_eq!(gone, expected);
    let later = OWN.replace("2026-01-01", "2026-01-06");
    let later = message(put(&engine, &later).await);
    assert!(
        later.contains("has no price for it before 2026-01-06"),
        "{later}"
    );
    assert_eq!(engine.site().catalogue.own(), OWN);
    // Of days without usage the price may go.
    put(&engine, &OWN.replace("2026-01-01", "2026-01-05"))
        .await
        .unwrap();
    let early = submit(&engine, "2", "gpu_minutes", "2026-01-04T10:00:00Z").await;
    assert!(matches!(early, Err(SubmitError::Rejected(_))), "{early:?}");
    engine.verify().await.unwrap();
}

/// Usage that is in a checkpoint counts like usage that is in memory.
#[tokio::test]
async fn stored_usage_keeps_its_price_too() {
    let store = Arc::new(MemoryStore::default());
    drop(engine(&store).await);
    let open = async || {
        let options = Options {
            recent_keys: 1,
            ..Options::default()
        };
        let store = Arc::<MemoryStore>::clone(&store);
        Engine::open(store, options, now()).await.unwrap()
    };
    let first = open().await;
    for id in ["1", "2", "3"] {
        submit(&first, id, "gpu_minutes", "2026-01-05T10:00:00Z")
            .await
            .unwrap();
        first.settle().await;
    }
    drop(first);
    let again = open().await;
    let log = again
        .site()
        .directory
        .log_of(&organization("solo"))
        .unwrap();
    let view = again.view_of(log, &organization("solo")).await.unwrap();
    let january = view
        .account
        .metered
        .month(Month::new(2026, 1).unwrap())
        .unwrap();
    assert!(january.stored().is_some(), "the test is about a checkpoint");
    let refused = put(&again, "").await;
    assert!(
        matches!(refused, Err(ApplyError::InUse { .. })),
        "{refused:?}"
    );
    let asked = apply(&again, &[], &what_if(None)).await.unwrap();
    assert_eq!(amounts(&asked.what_if[0].before), ["15", "0", "15"]);
}

/// What was taken back is no usage, whether or not a checkpoint has summed it up since.
#[tokio::test]
async fn usage_that_was_taken_back_needs_no_price() {
    for recent_keys in [1_000, 1] {
        let store = Arc::new(MemoryStore::default());
        drop(engine(&store).await);
        let options = Options {
            recent_keys,
            ..Options::default()
        };
        let shared = Arc::<MemoryStore>::clone(&store);
        let engine = Engine::open(shared, options, now()).await.unwrap();
        let time = "2026-01-05T10:00:00Z";
        // Rows of one long run, so that what takes two of them back stays in another.
        let mut events = vec![
            used_by("solo", "1", "gpu_minutes", time),
            used_by("solo", "2", "gpu_minutes", time),
        ];
        for hour in 0..8 {
            let time = format!("2026-01-05T{hour:02}:00:00Z");
            events.push(used_by(
                "solo",
                &format!("linux-{hour}"),
                "actions_linux",
                &time,
            ));
        }
        let submission = Submission {
            events: (0..).zip(events).collect(),
            ..Submission::default()
        };
        engine.submit(now(), submission).await.unwrap();
        engine.settle().await;
        correct(&engine, "v1", time, EventBody::Void(gpu_event("1"))).await;
        engine.settle().await;
        let refused = put(&engine, "").await;
        assert!(
            matches!(refused, Err(ApplyError::InUse { .. })),
            "{refused:?}"
        );
        correct(&engine, "v2", time, EventBody::Void(gpu_event("2"))).await;
        engine.settle().await;
        put(&engine, "").await.unwrap();
        let after = apply(&engine, &[], &what_if(None)).await.unwrap();
        assert_eq!(amounts(&after.what_if[0].before), ["4.8", "4.8", "0"]);
        engine.verify().await.unwrap();
    }
}

#[tokio::test]
async fn what_an_amend_waits_for_keeps_its_price() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    // An event that has not come may be of any day.
    put(&engine, &OWN.replace(" from 2026-01-01", ""))
        .await
        .unwrap();
    let target = gpu_event("late");
    let correct = async |id, body| correct(&engine, id, "2026-01-06T00:00:00Z", body).await;
    let usage = Usage {
        sku: "gpu_minutes".into(),
        quantity: Quantity::from_nanos(1_000_000_000),
        organization: Some("solo".into()),
        ..Usage::default()
    };
    let amended = correct("amend", EventBody::Amend(target.clone(), usage)).await;
    assert_eq!(amended.pending, 1);
    for text in ["", OWN] {
        let refused = put(&engine, text).await;
        assert!(
            matches!(refused, Err(ApplyError::Awaited { .. })),
            "{refused:?}"
        );
    }
    // Once it is certain that the event never counts, nothing needs a price.
    correct("void", EventBody::Void(target)).await;
    put(&engine, "").await.unwrap();
}

#[tokio::test]
async fn the_own_text_outlives_restarts_and_each_version_can_be_read() {
    let store = Arc::new(MemoryStore::default());
    let first = engine(&store).await;
    let version = first.site().catalogue.version();
    let second = OWN.replace("0.05", "0.07");
    let put_again = put(&first, &second).await.unwrap();
    assert!(put_again.version > version);
    let stale = ApplyOptions {
        if_version: Some(version),
        ..ApplyOptions::default()
    };
    let third = [Declaration::Catalogue(String::new())];
    let refused = apply(&first, &third, &stale).await;
    assert!(
        matches!(refused, Err(ApplyError::OtherVersion { .. })),
        "{refused:?}"
    );
    drop(first);
    let again = open(Arc::<MemoryStore>::clone(&store)).await;
    assert_eq!(again.site().catalogue.own(), second);
    let old = again.catalogue_at(version).await.unwrap().unwrap();
    assert_eq!(old.own, OWN);
    let day = Month::new(2026, 2).unwrap().first_day();
    let price = old.catalog.sku("gpu_minutes").unwrap().price_on(day);
    assert_eq!(price.unwrap().to_string(), "0.05");
    let edition = again.catalogue_at(Seq(1)).await.unwrap().unwrap();
    assert_eq!(edition.own, "");
    assert!(edition.catalog.sku("actions_linux").is_some());
    assert!(again.catalogue_at(Seq(99)).await.unwrap().is_none());
    let audit = store.audit(AuditFilter::default(), 1).await.unwrap();
    assert!(
        audit[0].row.detail.contains("\"catalog_version\""),
        "{audit:?}"
    );
}

#[tokio::test]
async fn an_edition_that_clashes_is_left_alone_and_one_that_does_not_is_taken() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    submit(&engine, "1", "gpu_minutes", "2026-01-05T10:00:00Z")
        .await
        .unwrap();
    let newer = |day: &str, more: &str| {
        let edition = Catalog::parse(Catalog::BUILTIN).unwrap().edition().unwrap();
        let text =
            Catalog::BUILTIN.replace(&format!("edition {edition}"), &format!("edition {day}"));
        format!("{text}\n{more}\n")
    };
    let before = engine.site().seq;
    let clash = newer("2090-01-01", "product gpu \"GPUs\"");
    engine.adopt_catalog(&clash, now()).await.unwrap();
    assert_eq!(engine.site().seq, before);
    assert!(engine.site().catalog.sku("gpu_minutes").is_some());
    let good = newer("2090-01-02", "product lunar \"Lunar\"");
    engine.adopt_catalog(&good, now()).await.unwrap();
    assert!(engine.site().catalog.product("lunar").is_some());
    assert!(engine.site().catalog.sku("gpu_minutes").is_some());
    assert_eq!(engine.site().catalogue.own(), OWN);
    // An edition by which usage could not be priced is no better than one that clashes.
    submit(&engine, "2", "actions_linux", "2026-01-05T10:00:00Z")
        .await
        .unwrap();
    let before = engine.site().seq;
    let poorer = "edition 2090-01-03\nunit minutes Minutes\n";
    engine.adopt_catalog(poorer, now()).await.unwrap();
    assert_eq!(engine.site().seq, before);
    engine.verify().await.unwrap();
}

#[tokio::test]
async fn an_organization_with_metered_usage_moves_only_when_that_is_meant() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    let event = "2026-01-05T10:00:00Z";
    submit(&engine, "1", "gpu_minutes", event).await.unwrap();
    let file = [of_enterprise("ent", "solo")];
    let refused = apply(&engine, &file, &ApplyOptions::default())
        .await
        .unwrap_err();
    let expected = "organization solo has usage that organization solo pays for (from events); to let \
                    enterprise ent pay for what it uses from now on, and leave with organization \
                    solo what it used until now, say so (--move-payers on the command line, \
                    move_payers=true over HTTP)";
    assert_eq!(refused.to_string(), expected);
    assert!(engine.site().directory.find(&enterprise("ent")).is_none());
    let meant = ApplyOptions {
        move_payers: true,
        ..ApplyOptions::default()
    };
    apply(&engine, &file, &meant).await.unwrap();
    // What comes back is known where it was; what is new is the new payer's.
    let again = submit(&engine, "1", "gpu_minutes", event).await.unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 1));
    let new = submit(&engine, "2", "gpu_minutes", "2026-02-10T08:00:00Z")
        .await
        .unwrap();
    assert_eq!(new.commits[0].0, enterprise("ent"));
    let old = submit(&engine, "3", "gpu_minutes", "2026-01-06T10:00:00Z")
        .await
        .unwrap();
    assert_eq!(old.commits[0].0, organization("solo"));
}

/// An organization known from an import but never declared: its usage stays where it was all the
/// same.
#[tokio::test]
async fn what_an_organization_that_nobody_declared_used_stays_where_it_was() {
    let store = Arc::new(MemoryStore::default());
    let engine = engine(&store).await;
    let lone = organization("lone");
    let imported = import(&engine, &lone, "lone", &[(1, "lone", 5)])
        .await
        .unwrap();
    let event = "2026-01-05T10:00:00Z";
    submit_of(&engine, "lone", "1", "gpu_minutes", event)
        .await
        .unwrap();
    let id = imported.import.record.id;
    engine
        .revert_import(&lone, id, &actor(), now())
        .await
        .unwrap();
    let file = [of_enterprise("ent", "lone")];
    let refused = apply(&engine, &file, &ApplyOptions::default()).await;
    assert!(
        matches!(refused, Err(ApplyError::HasUsage { .. })),
        "{refused:?}"
    );
    let meant = ApplyOptions {
        move_payers: true,
        ..ApplyOptions::default()
    };
    apply(&engine, &file, &meant).await.unwrap();
    let again = submit_of(&engine, "lone", "1", "gpu_minutes", event)
        .await
        .unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 1));
}
