//! `tallybook demo`: a made-up enterprise in a directory of its own, served.
//!
//! Invariant: a directory that holds anything but a demo is never written to. The same seed and
//! last day give the same bytes: what is imported, and when, depends on nothing else. A demo whose
//! creation was interrupted is completed at the next start, because repeating a live import changes
//! nothing.

use super::arguments::Demo;
use super::open::{WhenEmpty, open_with};
use super::place::demo_directory;
use super::sample::{self, Banner};
use super::serve::{bind, options, serve_app, settings};
use crate::auth::Secret;
use crate::billing_file;
use crate::clock::{Clock, Stopwatch};
use crate::config::{PublicUrl, ServerSettings};
use crate::demo::{Dataset, ENTERPRISE_SLUG, OWNER, Report};
use crate::engine::commit::Actor;
use crate::engine::entropy::Entropy;
use crate::engine::{Engine, Options};
use crate::import::ReadOptions;
use crate::importing::Importer;
use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::time::{Day, Instant};

/// The fact that marks a directory as a demo, with its parameters and whether it is complete.
const FACT: &str = "demo";

/// The last second of a day.
const LAST_SECOND: i64 = 24 * 60 * 60 - 1;

/// The parameters of a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parameters {
    seed: u64,
    until: Day,
}

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Unfinished(Parameters),
    Complete(Parameters),
}

/// Creates the demo, unless the directory already has it, and serves it.
pub(crate) fn run(demo: Demo, clock: Clock) -> anyhow::Result<()> {
    let data = demo_directory(demo.data)?;
    // A demo that ends in the past is shown as of its last day, so that "this month" has usage.
    let clock = match (clock, demo.until) {
        (Clock::System, Some(until)) => Clock::Fixed(end_of(until)?),
        (clock, _) => clock,
    };
    let settings = settings(data, demo.listen, demo.answers);
    super::runtime()?.block_on(async {
        let listening = bind(&settings)?;
        let today = clock.now()?.day();
        let wanted = (demo.seed, demo.until);
        let parameters = prepare(&settings, wanted, today).await?;
        let now = clock.now()?;
        let opened = open_with(&settings.data, WhenEmpty::Refuse, options(&settings), now).await?;
        opened.announce(listening.url.as_str())?;
        // Not stored: each start of the demo has its own token.
        let secret = Secret::generate().context("no random numbers for a token")?;
        let token = secret.expose().to_owned();
        print(&banner(&listening.url, &settings, parameters.until), &token)?;
        serve_app(opened, listening, settings, clock, Some(token)).await
    })
}

fn end_of(day: Day) -> anyhow::Result<Instant> {
    let seconds = day.first_hour().start().seconds() + LAST_SECOND;
    Instant::from_seconds(seconds).context("--until")
}

/// Creates what is missing, and returns which demo the directory holds.
async fn prepare(
    settings: &ServerSettings,
    (seed, until): (u64, Option<Day>),
    today: Day,
) -> anyhow::Result<Parameters> {
    let fresh = Parameters {
        seed,
        until: until.unwrap_or(today),
    };
    // Ids come from the seed only while the demo is created, so the engine is reopened afterwards.
    let options = Options {
        entropy: Entropy::seeded(seed),
        ..Options::default()
    };
    let start = fresh.until.first_hour().start();
    let opened = open_with(&settings.data, WhenEmpty::Create, options, start).await?;
    let engine = &opened.engine;
    let directory = settings.data.display();
    let parameters = match held(engine).await? {
        Held::Complete(known) | Held::Unfinished(known)
            if known.seed != seed || until.is_some_and(|until| until != known.until) =>
        {
            bail!(
                "{directory} holds the demo of --seed {} --until {}: give those, or another \
                 directory (--data)",
                known.seed,
                known.until
            );
        }
        Held::Complete(known) => return Ok(known),
        Held::Unfinished(known) => known,
        Held::Nothing if engine.site().directory.accounts().next().is_some() => {
            bail!("{directory} holds data that is no demo: give another directory (--data)");
        }
        Held::Nothing => fresh,
    };
    engine
        .set_fact(FACT, fact("unfinished", parameters))
        .await?;
    make(engine, parameters).await?;
    engine.set_fact(FACT, fact("complete", parameters)).await?;
    Ok(parameters)
}

fn fact(state: &str, parameters: Parameters) -> Vec<u8> {
    format!("{state} {} {}", parameters.seed, parameters.until).into_bytes()
}

async fn held(engine: &Engine) -> anyhow::Result<Held> {
    let Some(bytes) = engine.fact(FACT).await? else {
        return Ok(Held::Nothing);
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let words: Vec<&str> = text.split(' ').collect();
    let parsed = match words[..] {
        [state, seed, until] => seed
            .parse()
            .ok()
            .zip(Day::parse(until).ok())
            .zip(Some(state)),
        _ => None,
    };
    match parsed {
        Some(((seed, until), "complete")) => Ok(Held::Complete(Parameters { seed, until })),
        Some(((seed, until), "unfinished")) => Ok(Held::Unfinished(Parameters { seed, until })),
        _ => bail!("the fact '{FACT}' is not one that this version writes: {text}"),
    }
}

async fn make(engine: &Arc<Engine>, parameters: Parameters) -> anyhow::Result<()> {
    let stopwatch = Stopwatch::start();
    let now = parameters.until.first_hour().start();
    let dataset = Arc::new(Dataset::new(parameters.seed, parameters.until));
    let actor = Actor::command("demo");
    let declared = billing_file::parse(&dataset.billing_file());
    let declared = declared.map_err(|error| anyhow!("the demo's billing file: {error}"))?;
    engine.apply(now, &actor, &declared, false).await?;
    let bar = bar()?;
    let mut lines = 0;
    for account in [
        AccountName::new(AccountKind::Enterprise, ENTERPRISE_SLUG),
        AccountName::new(AccountKind::User, OWNER),
    ] {
        lines += import_all(engine, &dataset, &account, &actor, now, &bar).await?;
    }
    bar.finish_and_clear();
    let milliseconds = stopwatch.elapsed().as_millis();
    eprintln!("Made the demo: {lines} lines of usage in {milliseconds} ms.");
    Ok(())
}

/// Imports an account's reports, one import per report.
async fn import_all(
    engine: &Arc<Engine>,
    dataset: &Arc<Dataset>,
    account: &AccountName,
    actor: &Actor,
    now: Instant,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let (sender, mut reports) = tokio::sync::mpsc::channel::<Report>(1);
    let (dataset, is_personal) = (Arc::clone(dataset), account.kind == AccountKind::User);
    // One thread generates reports while another reads the previous one.
    let maker = tokio::task::spawn_blocking(move || {
        let reports: Box<dyn Iterator<Item = Report>> = if is_personal {
            Box::new(dataset.personal_reports())
        } else {
            Box::new(dataset.reports())
        };
        for report in reports {
            if sender.blocking_send(report).is_err() {
                break;
            }
        }
    });
    let mut lines = 0;
    while let Some(report) = reports.recv().await {
        if report.lines() == 0 {
            continue;
        }
        bar.set_message(report.file_name.clone());
        let session = engine.begin_import(account, actor, now)?;
        let mut importer = Importer::new(session, ReadOptions::default());
        let importer = tokio::task::spawn_blocking(move || -> anyhow::Result<Importer> {
            let mut csv = Vec::new();
            report.write_csv(&mut csv)?;
            importer.read(&report.file_name, &csv[..])?;
            Ok(importer)
        });
        let committed = importer.await??.commit().await?;
        lines += committed.outcome.import.record.lines();
        bar.inc(1);
    }
    maker.await?;
    Ok(lines)
}

fn bar() -> anyhow::Result<ProgressBar> {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("Making the demo: {pos} reports, now {msg}");
    bar.set_style(style.context("the bar's template is wrong")?);
    Ok(bar)
}

/// Three requests that show different sides of the demo.
fn banner(url: &PublicUrl, settings: &ServerSettings, until: Day) -> Banner {
    let account = AccountName::new(AccountKind::Enterprise, ENTERPRISE_SLUG);
    let month = until.month();
    let billing = format!("{url}/enterprises/{ENTERPRISE_SLUG}/settings/billing");
    let (year, of_year, day) = (month.year(), month.month(), until.of_month());
    Banner {
        head: sample::head(url, settings),
        paths: vec![
            sample::summary_url(url, &account, month),
            format!("{billing}/usage?year={year}&month={of_year}&day={day}"),
            format!("{billing}/cost-centers"),
        ],
        notes: Vec::new(),
    }
}

fn print(banner: &Banner, token: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", banner.head)?;
    writeln!(out, "A token, until this ends: {token}")?;
    for path in &banner.paths {
        writeln!(
            out,
            "  curl -H \"Authorization: Bearer {token}\" \"{path}\""
        )?;
    }
    out.flush()
}
