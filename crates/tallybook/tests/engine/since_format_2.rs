//! What data format 2 added to what a log and its database hold: events with corrections, an own
//! catalogue, negotiated discounts, and jobs of usage reports. `data_format` writes and reads it.

use crate::bench::{actor, january, now};
use std::sync::Arc;
use tallybook::engine::Engine;
use tallybook::engine::apply::ApplyOptions;
use tallybook::engine::metering::{Incoming, Payer, Receipt, Submission};
use tallybook::engine::what_if::WhatIf;
use tallybook::jobs::state::{Job, Mail, ReportFile, Status};
use tallybook_core::account::{AccountKind, AccountName, Plan};
use tallybook_core::declaration::{Declaration, OrganizationDeclaration};
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, Percent};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::export::{Cells, Days};
use tallybook_core::ids::LogId;
use tallybook_core::money::Quantity;
use tallybook_core::report::ReportKind;
use tallybook_core::time::{Instant, Timestamp};
use tallybook_store::Effect;

const OWN: &str = "\
product gpu \"GPU pool\"
sku gpu_minutes \"GPU minutes\" gpu minutes
  price 0.05 from 2026-01-01
";

fn declarations() -> Vec<Declaration> {
    let discount = NegotiatedDiscount {
        scope: DiscountScope::Product("gpu".to_owned()),
        percent: Percent::parse("10").unwrap(),
        from: None,
        until: None,
    };
    vec![
        Declaration::Catalogue(OWN.to_owned()),
        Declaration::Organization(OrganizationDeclaration {
            login: "solo".into(),
            standalone: false,
            plan: Some(Plan::Team),
            discounts: Some(vec![discount]),
            owners: None,
            billing_managers: None,
            members: None,
        }),
    ]
}

fn name(id: &str) -> EventName {
    EventName {
        source: "/gpu".into(),
        id: id.into(),
    }
}

fn usage(quantity: i128) -> Usage {
    Usage {
        sku: "gpu_minutes".into(),
        quantity: Quantity::from_nanos(quantity * 1_000_000_000),
        organization: Some("solo".into()),
        user: Some("mona".into()),
        ..Usage::default()
    }
}

/// Sends events in one batch: id, day of January 2026, body.
async fn submit(engine: &Arc<Engine>, events: Vec<(&str, i8, EventBody)>) -> Receipt {
    let incoming = |(id, day, body): (&str, i8, EventBody)| Incoming {
        event: Event {
            name: name(id),
            time: Timestamp::parse(&format!("2026-01-{day:02}T10:20:30.5Z")).unwrap(),
            body,
        },
        payer: Payer {
            organization: Some("solo".into()),
            ..Payer::default()
        },
    };
    let submission = Submission {
        events: (0..).zip(events.into_iter().map(incoming)).collect(),
        ..Submission::default()
    };
    engine.submit(now(), submission).await.unwrap()
}

/// A report with everything that a job can have.
fn job() -> Job {
    let day = |day| january().day(day).unwrap();
    Job {
        id: "0b8f1c5e-3c1d-4a52-9d4e-7d6f0a2b1c3d".to_owned(),
        log: LogId(1),
        account: AccountName::new(AccountKind::Enterprise, "octo-ent"),
        kind: ReportKind::Detailed,
        days: Days {
            first: day(1),
            last: day(31),
        },
        cells: Cells::Exact,
        created_at: Instant::parse("2026-02-09T08:00:00Z").unwrap(),
        actor: "monalisa".to_owned(),
        status: Status::Completed,
        attempts: 2,
        reason: None,
        as_of: Some("account=7;site=8;rules=1".to_owned()),
        parts: vec![ReportFile {
            lines: 5,
            bytes: 700,
            sha256: "00".repeat(32),
        }],
        mail: Some(Mail::Wanted {
            to: "monalisa@example.com".to_owned(),
            attempts: 1,
        }),
    }
}

/// Adds one of everything.
pub(crate) async fn write(engine: &Arc<Engine>) {
    let declarations = declarations();
    let applied = engine.apply(now(), &actor(), &declarations, false).await;
    applied.unwrap();
    let first = vec![
        ("plain", 5, EventBody::Usage(usage(100))),
        ("voided", 6, EventBody::Usage(usage(50))),
        ("amended", 7, EventBody::Usage(usage(10))),
    ];
    submit(engine, first).await;
    let corrections = vec![
        ("void", 8, EventBody::Void(name("voided"))),
        ("amend", 9, EventBody::Amend(name("amended"), usage(20))),
        ("early", 10, EventBody::Void(name("not yet"))),
    ];
    submit(engine, corrections).await;
    engine.settle().await;
    let effects = vec![Effect::PutJob(job().row().unwrap())];
    engine.store().append(Vec::new(), effects).await.unwrap();
}

/// What [`write`] added is still there, counts the same, and goes on.
pub(crate) async fn assert_says_what_it_said(engine: &Arc<Engine>) {
    assert_eq!(engine.site().catalogue.own(), OWN);
    // 120 minutes at 0.05 dollars, and a tenth off.
    assert_eq!(amounts(engine).await, ["6", "0.6", "5.4"]);
    let rows = engine.store().jobs().await.unwrap();
    let jobs: Vec<Job> = rows.into_iter().map(|row| Job::of(row).unwrap()).collect();
    assert_eq!(jobs, [job()]);

    let again = vec![
        ("plain", 5, EventBody::Usage(usage(100))),
        ("void", 8, EventBody::Void(name("voided"))),
        ("not yet", 11, EventBody::Usage(usage(1000))),
        ("new", 12, EventBody::Usage(usage(80))),
    ];
    let receipt = submit(engine, again).await;
    assert_eq!((receipt.accepted, receipt.duplicates), (2, 2));
    assert_eq!(amounts(engine).await, ["10", "1", "9"]);
}

/// Gross, discount and net of the organization's January.
async fn amounts(engine: &Arc<Engine>) -> [String; 3] {
    let account = Some(AccountName::new(AccountKind::Organization, "solo"));
    let month = january();
    let options = ApplyOptions {
        dry_run: true,
        what_if: Some(WhatIf { month, account }),
        ..ApplyOptions::default()
    };
    let asked = engine.apply_with(now(), &actor(), &[], &options).await;
    let totals = asked.unwrap().what_if[0].before;
    [totals.gross, totals.discount, totals.net()].map(|amount| amount.to_string())
}
