//! Events in: how many a second, and what they cost in memory.
//!
//! Invariant: events are made before the clock runs; memory is what the system says the process
//! has. Look next: `crates/tallybook/src/engine/metering`.

use crate::milliseconds;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};
use tallybook::engine::commit::Actor;
use tallybook::engine::metering::{Incoming, Payer, Submission};
use tallybook::engine::{Engine, Options};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::declaration::{Declaration, EnterpriseDeclaration, UserDeclaration};
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::time::{Instant, Month, Timestamp};
use tallybook_store::sqlite::SqliteStore;

pub(crate) const NOW: &str = "2026-02-01T00:00:00Z";

/// One of so many events is one that was sent before.
const DUPLICATES: u64 = 20;

/// How often the figures are printed.
const REPORTS: u64 = 10;

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

pub(crate) async fn open(data: &Path) -> Result<Arc<Engine>> {
    let store = Arc::new(SqliteStore::open(data, "bench")?);
    Ok(Engine::open(store, Options::default(), Instant::parse(NOW)?).await?)
}

/// Says that there is the enterprise whose events are sent.
pub(crate) async fn declare(engine: &Arc<Engine>, now: Instant) -> Result<()> {
    let declaration = Declaration::Enterprise(EnterpriseDeclaration {
        discounts: None,
        slug: "bench".into(),
        name: None,
        plan: None,
        owners: None,
        billing_managers: None,
        organizations: None,
    });
    let actor = Actor::command("bench");
    engine.apply(now, &actor, &[declaration], false).await?;
    Ok(())
}

/// Takes `events` events of one account in, `batch` at a time, 5 % of them duplicates.
pub(crate) async fn ingest(data: &Path, events: u64, batch: u64) -> Result<()> {
    let engine = open(data).await?;
    let now = Instant::parse(NOW)?;
    declare(&engine, now).await?;
    let payer = Payer {
        enterprise: Some(Name::from("bench")),
        ..Payer::default()
    };
    let (mut random, mut sent, mut accepted) = (Random(1), 0, 0);
    let (mut busy, mut reported) = (Duration::ZERO, 0);
    let began_with = resident()?;
    while sent < events {
        let made = (0..batch).map(|place| {
            let number = sent + place;
            let known = number > 0 && random.below(DUPLICATES) == 0;
            event(if known { random.below(number) } else { number }, &payer)
        });
        let made: Result<Vec<Incoming>> = made.collect();
        let started = Stopwatch::now();
        accepted += submit(&engine, now, made?).await?;
        busy += started.elapsed();
        sent += batch;
        if sent * REPORTS / events > reported {
            reported = sent * REPORTS / events;
            engine.settle().await;
            println!(
                "{{\"event\":\"ingest\",\"batch\":{batch},\"sent\":{sent},\
                 \"accepted\":{accepted},\"events_a_second\":{:.0},\
                 \"resident_bytes\":{},\"began_with\":{began_with}}}",
                sent as f64 / busy.as_secs_f64(),
                resident()?
            );
        }
    }
    Ok(())
}

/// Events that were taken in before, sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replay {
    /// How many [`ingest`] sent.
    pub events: u64,
    /// How many are sent again, each time.
    pub again: u64,
    /// Events a submission.
    pub batch: u64,
}

impl Replay {
    /// In the order in which they were sent first, in any order, and that beside new events.
    pub(crate) async fn run(self, data: &Path) -> Result<()> {
        let engine = open(data).await?;
        let mut random = Random(7);
        self.send(&engine, "in_order", |place| place).await?;
        self.send(&engine, "in_order_again", |place| place).await?;
        let events = self.events;
        self.send(&engine, "any_order", |_| random.below(events))
            .await?;
        let fresh = Self {
            again: self.again * 10,
            batch: 10_000,
            ..self
        };
        fresh
            .send(&engine, "new_alone", |place| events + place)
            .await?;
        let old = tokio::spawn({
            let engine = Arc::clone(&engine);
            async move {
                let any_order = |_| random.below(events);
                self.send(&engine, "any_order_beside_new", any_order).await
            }
        });
        let first = events + fresh.again;
        fresh
            .send(&engine, "new_beside_old", |place| first + place)
            .await?;
        old.await??;
        engine.settle().await;
        println!(
            "{{\"event\":\"settled\",\"resident_bytes\":{}}}",
            resident()?
        );
        Ok(())
    }

    async fn send(
        self,
        engine: &Arc<Engine>,
        what: &str,
        mut number: impl FnMut(u64) -> u64,
    ) -> Result<()> {
        let payer = Payer {
            enterprise: Some(Name::from("bench")),
            ..Payer::default()
        };
        let now = Instant::parse(NOW)?;
        let (mut busy, mut accepted) = (Duration::ZERO, 0);
        for first in (0..self.again).step_by(self.batch as usize) {
            let places = first..first + self.batch;
            let made: Result<Vec<Incoming>> =
                places.map(|place| event(number(place), &payer)).collect();
            let started = Stopwatch::now();
            accepted += submit(engine, now, made?).await?;
            busy += started.elapsed();
        }
        println!(
            "{{\"event\":\"replay\",\"what\":\"{what}\",\"sent\":{},\"accepted\":{accepted},\
             \"events_a_second\":{:.0}}}",
            self.again,
            self.again as f64 / busy.as_secs_f64()
        );
        Ok(())
    }
}

/// Fills `accounts` users' accounts with `each` events in each, unless the directory was filled
/// before, opens them again, and reads and writes at random. A run over a filled directory says
/// what serving takes, without what filling left in the allocator's hands.
pub(crate) async fn accounts(data: &Path, accounts: u64, each: u64, rounds: u64) -> Result<()> {
    let now = Instant::parse(NOW)?;
    if !SqliteStore::exists(data) {
        fill(data, accounts, each).await?;
    }
    let engine = open(data).await?;
    println!(
        "{{\"event\":\"opened\",\"resident_bytes\":{}}}",
        resident()?
    );
    let mut random = Random(2);
    let (mut reads, mut writes) = (Duration::ZERO, Duration::ZERO);
    let month = Month::new(2026, 1)?;
    for round in 0..rounds {
        let number = random.below(accounts);
        let started = Stopwatch::now();
        let account = AccountName::new(AccountKind::User, login(number));
        let found = engine.site().directory.find(&account);
        let view = engine.view(&found.context("a declared account")?).await?;
        engine.statement(&view, month).await?;
        reads += started.elapsed();
        let new = event(accounts * each + round, &payer(random.below(accounts)))?;
        let started = Stopwatch::now();
        submit(&engine, now, vec![new]).await?;
        writes += started.elapsed();
    }
    engine.settle().await;
    println!(
        "{{\"event\":\"served\",\"rounds\":{rounds},\"read_ms\":{:.3},\"write_ms\":{:.3},\
         \"resident_bytes\":{}}}",
        milliseconds(reads) / rounds as f64,
        milliseconds(writes) / rounds as f64,
        resident()?
    );
    Ok(())
}

async fn fill(data: &Path, accounts: u64, each: u64) -> Result<()> {
    let engine = open(data).await?;
    let now = Instant::parse(NOW)?;
    let declared = (0..accounts).map(|number| {
        Declaration::User(UserDeclaration {
            discounts: None,
            login: login(number),
            email: None,
            plan: None,
        })
    });
    let actor = Actor::command("bench");
    engine
        .apply(now, &actor, &declared.collect::<Vec<_>>(), false)
        .await?;
    let started = Stopwatch::now();
    for first in (0..accounts).step_by(100) {
        let numbers = first..accounts.min(first + 100);
        let made = numbers.flat_map(|number| {
            let payer = payer(number);
            (0..each).map(move |id| event(number * each + id, &payer))
        });
        submit(&engine, now, made.collect::<Result<_>>()?).await?;
    }
    engine.settle().await;
    println!(
        "{{\"event\":\"filled\",\"accounts\":{accounts},\"seconds\":{:.1},\
         \"resident_bytes\":{}}}",
        started.elapsed().as_secs_f64(),
        resident()?
    );
    // A commit's task may end after its answer, and holds the directory until then.
    while Arc::strong_count(&engine) > 1 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn login(number: u64) -> Name {
    Name::from(format!("user-{number}").as_str())
}

fn payer(number: u64) -> Payer {
    Payer {
        user: Some(login(number)),
        ..Payer::default()
    }
}

pub(crate) async fn submit(
    engine: &Arc<Engine>,
    now: Instant,
    events: Vec<Incoming>,
) -> Result<u64> {
    let submission = Submission {
        events: (0..).zip(events).collect(),
        ..Submission::default()
    };
    Ok(engine.submit(now, submission).await?.accepted)
}

/// The event of a number: some ten thousand lines a month, however many events there are.
fn event(number: u64, payer: &Payer) -> Result<Incoming> {
    let mut random = Random(number);
    let (day, hour) = (1 + random.below(25), random.below(4));
    let time = format!("2026-01-{day:02}T{hour:02}:20:30Z");
    let usage = Usage {
        sku: "actions_linux".into(),
        quantity: Quantity::from_nanos(i128::from(1 + random.below(30)) * 1_000_000_000),
        repository: Some(Name::from(
            format!("repository-{}", random.below(10)).as_str(),
        )),
        user: match &payer.user {
            Some(user) => Some(user.clone()),
            None => Some(Name::from(format!("user-{}", random.below(10)).as_str())),
        },
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
    let payer = payer.clone();
    Ok(Incoming { event, payer })
}

/// Bytes of memory that the process has.
pub(crate) fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("VmRSS")?.parse::<u64>()? * 1024)
}
