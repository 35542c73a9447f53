//! A detailed report of one large month: time, and memory above the resident statement.
//!
//! The same file is read by DuckDB in `peers/export.py`, which compares the two.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant as Stopwatch;
use tallybook::engine::commit::Actor;
use tallybook::engine::export::{ExportRequest, ExportSink};
use tallybook::engine::{Engine, Options};
use tallybook::import::ReadOptions;
use tallybook::importing::Importer;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::export::{Cells, Days, head};
use tallybook_core::report::ReportKind;
use tallybook_core::time::{Instant, Month};
use tallybook_store::sqlite::SqliteStore;

const NOW: &str = "2026-01-01T00:00:00Z";

fn month() -> Result<Month> {
    Ok(Month::new(2025, 10)?)
}

/// The report that every engine reads.
const REPORT: &str = "usage.csv";

/// Writes the report: `lines` lines in 31 days, hardly two of one key.
pub(crate) fn generate(directory: &Path, lines: u64) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join(REPORT);
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    let mut out = BufWriter::new(file);
    out.write_all(&head(ReportKind::Detailed))?;
    let skus = [
        ("actions_linux", 8),
        ("actions_windows", 16),
        ("actions_macos", 80),
        ("actions_linux_4_core", 16),
    ];
    for line in 0..lines {
        let random = mix(line);
        let (sku, mills) = skus[(random % 4) as usize];
        let day = 1 + line * 31 / lines;
        let organization = (random >> 2) % 10;
        let repository = (random >> 6) % 2000;
        let user = (random >> 18) % 3000;
        let workflow = (random >> 30) % 20;
        let center = (random >> 36) % 20;
        let quantity = 1 + (random >> 42) % 500;
        let gross = quantity * mills;
        let gross = format!("{}.{:03}", gross / 1000, gross % 1000);
        write!(
            out,
            "\"2025-10-{day:02}\",\"actions\",\"{sku}\",\"{quantity}\",\"minutes\",\
             \"0.{mills:03}\",\"{gross}\",\"0\",\"{gross}\",\"user-{user}\",\"org-{organization}\",\
             \"repository-{repository}\",\".github/workflows/{workflow}.yml\",\
             \"Center {center}\"\r\n"
        )?;
    }
    out.flush()?;
    Ok(())
}

/// Splitmix64: numbers that look random, the same each time.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Imports the report, makes the statement resident, and exports it several times.
pub(crate) async fn run(directory: &Path, times: usize) -> Result<()> {
    let now = Instant::parse(NOW)?;
    let store = Arc::new(SqliteStore::open(&directory.join("data"), "bench")?);
    let engine = Engine::open(store, Options::default(), now).await?;
    let account = AccountName::new(AccountKind::Enterprise, "bench");
    if engine.site().directory.find(&account).is_none() {
        let session = engine.begin_import(&account, &Actor::command("bench"), now)?;
        let mut importer = Importer::new(session, ReadOptions::default());
        let path = directory.join(REPORT);
        let importer = tokio::task::spawn_blocking(move || -> Result<Importer> {
            importer.read_ahead(REPORT, File::open(path)?)?;
            Ok(importer)
        });
        importer.await??.commit().await?;
    }
    let found = engine.site().directory.find(&account);
    let view = engine
        .view(&found.context("the account just imported")?)
        .await?;
    let month = month()?;
    let statement = engine.statement(&view, month).await?;
    engine.settle().await;
    let request = ExportRequest {
        kind: ReportKind::Detailed,
        days: Days {
            first: month.first_day(),
            last: month.last_day(),
        },
        cells: Cells::Exact,
    };
    for _ in 0..times {
        let resident = memory("VmRSS:")?;
        // The high-water mark begins anew.
        std::fs::write("/proc/self/clear_refs", "5").context("Linux is needed")?;
        let started = Stopwatch::now();
        let mut out =
            BufWriter::with_capacity(256 * 1024, File::create(directory.join("out.csv"))?);
        out.write_all(&head(ReportKind::Detailed))?;
        let mut sink = engine
            .export(&view.clone().into(), &request, Sink { out, lines: 0 })
            .await?;
        sink.out.flush()?;
        let seconds = started.elapsed().as_secs_f64();
        let above = memory("VmHWM:")?.saturating_sub(resident);
        println!(
            "{{\"engine\":\"Tallybook\",\"event\":\"export\",\"lines\":{},\"seconds\":{seconds:.3},\
             \"statement_lines\":{},\"resident_kib\":{resident},\"above_kib\":{above}}}",
            sink.lines,
            statement.len(),
        );
    }
    Ok(())
}

/// A line of the process's status, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("Linux is needed")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .context("no such line in the process's status")?
        .parse()?)
}

struct Sink {
    out: BufWriter<File>,
    lines: u64,
}

impl ExportSink for Sink {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.lines += 1;
        self.out.write_all(line)
    }

    fn month_done(&mut self, _done: u64, _of: u64) {}
}
