//! `cargo xtask bench`: the same usage in Tallybook and in what people would otherwise use.
//!
//! Look next: [`workload`] for the usage, `RESULTS.md` for what came out.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers of the benchmark's own are small"
)]

mod export;
mod hot;
mod http;
mod ingest;
mod questions;
mod workload;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant as Stopwatch;
use tallybook::engine::commit::Actor;
use tallybook::engine::{DEFAULT_CACHE_BYTES, Engine, Options};
use tallybook::import::ReadOptions;
use tallybook::importing::Importer;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::time::{Instant, Month};
use tallybook_store::sqlite::SqliteStore;
use workload::Workload;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the reports and the flat rows of the workload.
    Generate {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long, default_value_t = 20_000_000)]
        lines: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Imports the reports into a new data directory.
    Import {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long)]
        data: PathBuf,
    },
    /// Times the questions in the engine, over a directory that was imported before.
    Engine {
        #[arg(long)]
        data: PathBuf,
        #[arg(long, default_value_t = DEFAULT_CACHE_BYTES)]
        cache_bytes: usize,
        /// Only this question.
        #[arg(long)]
        only: Option<String>,
        /// How often to ask it: for a profile.
        #[arg(long)]
        times: Option<usize>,
    },
    /// Writes the report of one large month.
    ExportGenerate {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long, default_value_t = 4_000_000)]
        lines: u64,
    },
    /// Imports that report, unless it was, and times its export.
    Export {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long, default_value_t = 5)]
        times: usize,
    },
    /// Takes events of one account in, 5 % of them duplicates, over SQLite in a new directory.
    Ingest {
        #[arg(long)]
        data: PathBuf,
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        #[arg(long, default_value_t = 10_000)]
        batch: u64,
    },
    /// Sends again what `ingest` sent: in the same order, in any order, and beside new events.
    Replay {
        /// The data directory that `ingest` filled.
        #[arg(long)]
        data: PathBuf,
        /// How many events `ingest` sent.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// How many to send again, each time.
        #[arg(long, default_value_t = 100_000)]
        again: u64,
        /// Events a submission.
        #[arg(long, default_value_t = 1_000)]
        batch: u64,
    },
    /// Fills many small accounts, opens them again, and reads and writes at random.
    Accounts {
        #[arg(long)]
        data: PathBuf,
        #[arg(long, default_value_t = 100_000)]
        accounts: u64,
        /// Events in each.
        #[arg(long, default_value_t = 100)]
        each: u64,
        /// Random reads and writes.
        #[arg(long, default_value_t = 5_000)]
        rounds: u64,
    },
    /// Fills one account's month, and asks for it after each of some small batches.
    Hot {
        #[arg(long)]
        data: PathBuf,
        /// Events of the month, each of a line of its own, nearly.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        #[arg(long, default_value_t = 20)]
        rounds: u64,
    },
    /// Serves fixed bodies from the same stack, to compare requests a second with.
    Fixed {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        #[arg(long, value_delimiter = ',')]
        sizes: Vec<usize>,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Generate {
            directory,
            lines,
            seed,
        } => generate(&directory, Workload::new(lines, seed)),
        Command::Import { directory, data } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(import(&directory, &data))
        }
        Command::Engine {
            data,
            cache_bytes,
            only,
            times,
        } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(ask(&data, cache_bytes, only.as_deref(), times))
        }
        Command::ExportGenerate { directory, lines } => export::generate(&directory, lines),
        Command::Export { directory, times } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(export::run(&directory, times))
        }
        Command::Ingest {
            data,
            events,
            batch,
        } => tokio::runtime::Runtime::new()?.block_on(ingest::ingest(&data, events, batch)),
        Command::Replay {
            data,
            events,
            again,
            batch,
        } => {
            let replay = ingest::Replay {
                events,
                again,
                batch,
            };
            tokio::runtime::Runtime::new()?.block_on(replay.run(&data))
        }
        Command::Accounts {
            data,
            accounts,
            each,
            rounds,
        } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(ingest::accounts(&data, accounts, each, rounds))
        }
        Command::Hot {
            data,
            events,
            rounds,
        } => tokio::runtime::Runtime::new()?.block_on(hot::run(&data, events, rounds)),
        Command::Fixed { listen, sizes } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(http::serve_fixed(&listen, &sizes))
        }
    }
}

fn generate(directory: &Path, workload: Workload) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    for month in Workload::months() {
        let create = |name: String| {
            let path = directory.join(name);
            File::create(&path)
                .with_context(|| path.display().to_string())
                .map(BufWriter::new)
        };
        let (mut detailed, mut premium) = (
            create(format!("detailed_{month}.csv"))?,
            create(format!("premium_{month}.csv"))?,
        );
        workload.write_reports(month, &mut detailed, &mut premium)?;
        let mut rows = create(format!("rows_{month}.csv"))?;
        workload.write_rows(month, &mut rows)?;
        detailed.flush()?;
        premium.flush()?;
        rows.flush()?;
    }
    Ok(())
}

async fn import(directory: &Path, data: &Path) -> Result<()> {
    let store = Arc::new(SqliteStore::open(data, "bench")?);
    let now = Instant::parse("2026-01-01T00:00:00Z")?;
    let engine = Engine::open(store, Options::default(), now).await?;
    for month in Workload::months() {
        import_month(&engine, directory, month, now).await?;
    }
    engine.settle().await;
    Ok(())
}

async fn import_month(
    engine: &Arc<Engine>,
    directory: &Path,
    month: Month,
    now: Instant,
) -> Result<()> {
    let account = AccountName::new(AccountKind::Enterprise, "bench");
    let session = engine.begin_import(&account, &Actor::command("bench"), now)?;
    let mut importer = Importer::new(session, ReadOptions::default());
    let started = Stopwatch::now();
    let paths = ["detailed", "premium"].map(|kind| directory.join(format!("{kind}_{month}.csv")));
    let importer = tokio::task::spawn_blocking(move || -> Result<Importer> {
        for path in paths {
            importer.read_ahead(&path.display().to_string(), File::open(&path)?)?;
        }
        Ok(importer)
    });
    let report = importer.await??.commit().await?;
    let imported = started.elapsed();
    let found = engine
        .site()
        .directory
        .find(&account)
        .context("the account just imported")?;
    let view = engine.view(&found).await?;
    let statement = engine.statement(&view, month).await?;
    let lines = report.outcome.import.record.lines();
    let seconds = imported.as_secs_f64();
    println!(
        "{{\"engine\":\"Tallybook\",\"event\":\"import\",\"month\":\"{month}\",\"lines\":{lines},\
         \"seconds\":{seconds:.3},\"lines_per_second\":{:.0},\"statement_seconds\":{:.3},\
         \"statement_bytes_a_line\":{}}}",
        lines as f64 / seconds,
        (started.elapsed() - imported).as_secs_f64(),
        statement.memory() as u64 / lines.max(1),
    );
    Ok(())
}

async fn ask(
    data: &Path,
    cache_bytes: usize,
    only: Option<&str>,
    times: Option<usize>,
) -> Result<()> {
    let started = Stopwatch::now();
    let store = Arc::new(SqliteStore::open(data, "bench")?);
    let now = Instant::parse("2026-01-01T00:00:00Z")?;
    let options = || Options {
        cache_bytes,
        ..Options::default()
    };
    let engine = Engine::open(Arc::clone(&store) as _, options(), now).await?;
    let opened = started.elapsed();
    let view = engine.view(&questions::account(&engine)?).await?;
    questions::ask(&engine, &view, &questions::everything()).await?;
    let first = started.elapsed();
    // Another engine, that has nothing in memory yet.
    let engine = Engine::open(store, options(), now).await?;
    let view = engine.view(&questions::account(&engine)?).await?;
    let cold = Stopwatch::now();
    engine.statement(&view, questions::largest()).await?;
    let largest = cold.elapsed();
    for month in Workload::months() {
        engine.statement(&view, month).await?;
    }
    println!(
        "{{\"engine\":\"Tallybook\",\"event\":\"start\",\"open_ms\":{:.1},\
         \"first_answer_ms\":{:.1},\"largest_month_ms\":{:.1},\"all_months_ms\":{:.1},\
         \"cached_bytes\":{}}}",
        milliseconds(opened),
        milliseconds(first),
        milliseconds(largest),
        milliseconds(cold.elapsed()),
        engine.cached_bytes(),
    );
    let wanted = |question: &&questions::Question| only.is_none_or(|name| name == question.name);
    for question in questions::QUESTIONS.iter().filter(wanted) {
        let times = times.unwrap_or(if question.name == "q3" { 9 } else { 200 });
        let timing = questions::time(&engine, &view, question, times).await?;
        print_timing("time", question, &timing, "rows");
        if question.is_usage() {
            let timing = questions::time_json(&engine, &view, question, times).await?;
            print_timing("json", question, &timing, "bytes");
        }
    }
    Ok(())
}

fn print_timing(event: &str, question: &questions::Question, timing: &questions::Timing, of: &str) {
    println!(
        "{{\"engine\":\"Tallybook\",\"event\":\"{event}\",\"question\":\"{}\",\"what\":\"{}\",\
         \"least_ms\":{:.4},\"median_ms\":{:.4},\"p99_ms\":{:.4},\"{of}\":{}}}",
        question.name,
        question.what,
        milliseconds(timing.least),
        milliseconds(timing.median),
        milliseconds(timing.p99),
        timing.count
    );
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
