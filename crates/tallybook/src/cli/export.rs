//! `tallybook export`: a usage report from a directory, without a server or a job; or, by
//! [`server`], from a running server.
//!
//! Invariant: the bytes are the same as in a server's reports; a file under its final name is
//! complete.

mod files;
mod server;

use super::client::Client;
use super::open::{WhenEmpty, open};
use super::place::Place;
use crate::engine::audit::{Action, Actor, Deed};
use crate::engine::export::{ExportRequest, ExportSink};
use crate::engine::snapshot::Snapshot;
use crate::engine::{Engine, EngineError};
use anyhow::{Context, bail};
use files::{Part, Target, parts, writer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::export::{Cells, Days, head};
use tallybook_core::report::ReportKind;
use tallybook_core::time::Instant;

/// The options of the command.
pub(crate) struct Request {
    /// The account; by default a directory's only enterprise.
    pub(crate) account: Option<AccountName>,
    /// Which report.
    pub(crate) kind: ReportKind,
    /// Which days.
    pub(crate) days: Days,
    /// How text cells are written.
    pub(crate) cells: Cells,
    /// A file, or a folder for several files; by default standard output.
    pub(crate) out: Option<PathBuf>,
}

/// How many bytes are written at a time.
const BUFFER: usize = 256 * 1024;

/// Exports, and prints the number of lines to standard error.
pub(crate) fn run(request: Request, place: Place, now: Instant) -> anyhow::Result<()> {
    let parts = parts(request.kind, request.days, request.out.as_deref())?;
    match place {
        Place::Server { url, token } => {
            let server = server::Server::new(Client::new(url, &token), &request)?;
            for part in &parts {
                let target = part.target()?;
                server.export(part, writer(target.as_ref())?)?;
                target.map_or(Ok(()), Target::finish)?;
            }
            Ok(())
        }
        Place::Directory(directory) => super::runtime()?.block_on(async {
            // Before anything is read, so that a wrong path is reported at once.
            let mut first = parts.first().map(Part::target).transpose()?.flatten();
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            let source = Source::new(&opened.engine, request).await?;
            for part in &parts {
                let target = match first.take() {
                    Some(target) => Some(target),
                    None => part.target()?,
                };
                source.export(part, writer(target.as_ref())?).await?;
                target.map_or(Ok(()), Target::finish)?;
                if let Err(error) = source.record(part, now).await {
                    writeln!(
                        io::stderr(),
                        "The audit log does not tell of this export: {error}"
                    )?;
                }
            }
            Ok(())
        }),
    }
}

/// One state of an account, from which every file is written.
struct Source<'a> {
    engine: &'a Engine,
    snapshot: Snapshot,
    kind: ReportKind,
    cells: Cells,
    account: AccountName,
}

impl<'a> Source<'a> {
    async fn new(engine: &'a Engine, request: Request) -> anyhow::Result<Self> {
        let account = account(engine, request.account)?;
        let Some((_, snapshot)) = engine.snapshot(&account).await? else {
            bail!("there is no {account}");
        };
        Ok(Self {
            engine,
            snapshot,
            kind: request.kind,
            cells: request.cells,
            account,
        })
    }

    async fn record(&self, part: &Part, now: Instant) -> Result<(), EngineError> {
        let deed = Deed::on(&self.account, Action::ReportExport)
            .with("type", self.kind.as_str())
            .with("first", part.days.first.to_string())
            .with("last", part.days.last.to_string());
        let line = Actor::command("export").did(now, deed);
        self.engine.record(vec![line]).await
    }

    async fn export(&self, part: &Part, out: impl Write + Send + 'static) -> anyhow::Result<()> {
        let mut out = BufWriter::with_capacity(BUFFER, out);
        out.write_all(&head(self.kind))?;
        let sink = Sink {
            out,
            lines: 0,
            progress: progress()?,
        };
        let wanted = ExportRequest {
            kind: self.kind,
            days: part.days,
            cells: self.cells,
        };
        let mut sink = self.engine.export(&self.snapshot, &wanted, sink).await?;
        sink.out.flush()?;
        sink.progress.finish_and_clear();
        let (lines, to, as_of) = (sink.lines, part.to(), self.snapshot.as_of_text());
        // The state is not in the file, which has exactly GitHub's format.
        writeln!(io::stderr(), "Wrote {lines} lines{to} as of {as_of}.")?;
        Ok(())
    }
}

/// The named account, or the only enterprise.
fn account(engine: &Engine, named: Option<AccountName>) -> anyhow::Result<AccountName> {
    if let Some(account) = named {
        return Ok(account);
    }
    let site = engine.site();
    let accounts = site.directory.accounts().map(|(_, name)| name);
    let mut enterprises = accounts.filter(|name| name.kind == AccountKind::Enterprise);
    match (enterprises.next(), enterprises.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => bail!("there is no enterprise: say --organization or --user"),
        (Some(_), Some(_)) => bail!("there are several enterprises: say which with --enterprise"),
    }
}

struct Sink<W: Write> {
    out: BufWriter<W>,
    lines: u64,
    progress: ProgressBar,
}

/// How many lines pass between updates of the progress bar.
const LINES_A_STEP: u64 = 4096;

impl<W: Write + Send + 'static> ExportSink for Sink<W> {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.lines += 1;
        if self.lines.is_multiple_of(LINES_A_STEP) {
            self.progress.set_message(format!("{} lines", self.lines));
        }
        self.out.write_all(line)
    }

    fn month_done(&mut self, done: u64, of: u64) {
        self.progress.set_length(of);
        self.progress.set_position(done);
    }
}

/// A progress bar over months, with a count of lines; shown on a terminal only.
fn progress() -> anyhow::Result<ProgressBar> {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(1), target);
    let bar = bar.with_finish(ProgressFinish::AndClear);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} months {msg} {elapsed}");
    bar.set_style(style.context("the bar's template is wrong")?);
    Ok(bar)
}
