//! A month that is asked for while its usage arrives: what an answer costs after a small batch.
//!
//! Invariant: events come in the order of time, out of order by an hour; each batch changes the
//! month, so that no statement of it is asked for twice. Look next:
//! `crates/tallybook-core/src/fold/metered.rs`.

use crate::ingest::{NOW, Random, declare, open, resident, submit};
use crate::milliseconds;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Instant as Stopwatch;
use tallybook::engine::metering::{Incoming, Payer};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::time::{Instant, Month, Timestamp};
use tallybook_store::sqlite::SqliteStore;

const SKUS: [&str; 4] = [
    "actions_linux",
    "actions_windows",
    "actions_macos",
    "copilot_premium_request",
];

/// Events of a batch between two questions.
const BATCH: u64 = 100;

const HOURS: u64 = 744;

/// Fills the month, unless the directory was filled before, and asks.
pub(crate) async fn run(data: &Path, events: u64, rounds: u64) -> Result<()> {
    let now = Instant::parse(NOW)?;
    let filled = SqliteStore::exists(data);
    let engine = open(data).await?;
    if !filled {
        declare(&engine, now).await?;
        for first in (0..events).step_by(10_000) {
            let made = (first..events.min(first + 10_000)).map(|number| event(number, events));
            submit(&engine, now, made.collect::<Result<_>>()?).await?;
        }
        engine.settle().await;
    }
    let name = AccountName::new(AccountKind::Enterprise, "bench");
    let account = engine.site().directory.find(&name);
    let account = account.context("the account was declared")?;
    let month = Month::new(2026, 1)?;
    let started = Stopwatch::now();
    let view = engine.view(&account).await?;
    let lines = engine.statement(&view, month).await?;
    println!(
        "{{\"event\":\"first\",\"lines\":{},\"ms\":{:.1}}}",
        lines.len(),
        milliseconds(started.elapsed())
    );
    // Numbers that no run before this one has sent.
    let fresh = events + Random(view.account.seq.0).below(1 << 40);
    let mut took = Vec::new();
    for round in 0..rounds {
        let made = (0..BATCH).map(|place| event(fresh + round * BATCH + place, events));
        submit(&engine, now, made.collect::<Result<_>>()?).await?;
        let view = engine.view(&account).await?;
        let started = Stopwatch::now();
        engine.statement(&view, month).await?;
        took.push(milliseconds(started.elapsed()));
    }
    took.sort_by(f64::total_cmp);
    println!(
        "{{\"event\":\"hot\",\"rounds\":{rounds},\"least_ms\":{:.1},\"median_ms\":{:.1},\
         \"most_ms\":{:.1},\"resident_bytes\":{}}}",
        took.first().copied().unwrap_or_default(),
        took.get(took.len() / 2).copied().unwrap_or_default(),
        took.last().copied().unwrap_or_default(),
        resident()?
    );
    Ok(())
}

/// The event of a number: its hour is its share of the month, or the one before; those that come
/// after the first `events` are of the last two hours.
fn event(number: u64, events: u64) -> Result<Incoming> {
    let mut random = Random(number);
    let hour = (number * HOURS / events).min(HOURS - 1);
    let hour = hour.saturating_sub(random.below(2));
    let time = format!("2026-01-{:02}T{:02}:20:30Z", 1 + hour / 24, hour % 24);
    let repository = random.below(300);
    let usage = Usage {
        sku: SKUS[random.below(SKUS.len() as u64) as usize].into(),
        quantity: Quantity::from_nanos(i128::from(1 + random.below(3000)) * 10_000_000),
        repository: Some(Name::from(format!("repository-{repository}").as_str())),
        user: Some(Name::from(format!("user-{}", random.below(500)).as_str())),
        ..Usage::default()
    };
    let event = Event {
        name: EventName {
            source: "/bench/runner".into(),
            id: format!("{:016x}-{number}", random.below(u64::MAX)).into(),
        },
        time: Timestamp::parse(&time).context("a time")?,
        body: EventBody::Usage(usage),
    };
    let payer = Payer {
        enterprise: Some(Name::from("bench")),
        ..Payer::default()
    };
    Ok(Incoming { event, payer })
}
