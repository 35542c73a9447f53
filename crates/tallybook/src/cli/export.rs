//! `tallybook export`: a usage report from a directory, without a server or a job; or, by
//! [`server`], from a running server.
//!
//! Invariant: the bytes are those of the reports that a server makes; a file under its own name is
//! complete.

mod server;

use super::client::Client;
use super::open::{WhenEmpty, open};
use super::place::Place;
use crate::engine::Engine;
use crate::engine::export::{ExportRequest, ExportSink};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::export::{Cells, Days, head, most_days};
use tallybook_core::report::ReportKind;
use tallybook_core::time::Instant;
use tempfile::NamedTempFile;

/// What the command was asked to do.
pub(crate) struct Request {
    /// Whose usage it is; without one, a directory's only enterprise.
    pub(crate) account: Option<AccountName>,
    /// Which report.
    pub(crate) kind: ReportKind,
    /// Which days.
    pub(crate) days: Days,
    /// How cells that hold a text are written.
    pub(crate) cells: Cells,
    /// Where to; without one, standard output.
    pub(crate) out: Option<PathBuf>,
}

/// Bytes that are written at a time.
const BUFFER: usize = 256 * 1024;

/// Exports, and says how many lines on standard error.
pub(crate) fn run(request: Request, place: Place, now: Instant) -> anyhow::Result<()> {
    check(request.kind, request.days)?;
    let target = request.out.as_deref().map(Target::new).transpose()?;
    match place {
        Place::Server { url, token } => {
            let client = Client::new(url, &token);
            match &target {
                None => server::export(&request, &client, io::stdout())?,
                Some(target) => server::export(&request, &client, target.file()?)?,
            }
        }
        Place::Directory(directory) => super::runtime()?.block_on(async {
            let opened = open(&directory, WhenEmpty::Refuse, now).await?;
            match &target {
                None => export(&opened.engine, request, io::stdout()).await,
                Some(target) => export(&opened.engine, request, target.file()?).await,
            }
        })?,
    }
    target.map_or(Ok(()), Target::finish)
}

/// Refuses what the API refuses, too.
fn check(kind: ReportKind, days: Days) -> anyhow::Result<()> {
    let count = days.count();
    if count < 1 {
        bail!("--to {} is before --from {}", days.last, days.first);
    }
    let most = most_days(kind);
    if count > most {
        bail!("the {kind} report covers at most {most} days, and --from to --to are {count}");
    }
    Ok(())
}

/// A file that has another name until it is complete.
struct Target {
    partial: NamedTempFile,
    path: PathBuf,
}

impl Target {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let partial = tempfile::Builder::new()
            .prefix(".tallybook-export-")
            .tempfile_in(folder)
            .with_context(|| cannot_write(path))?;
        Ok(Self {
            partial,
            path: path.to_owned(),
        })
    }

    fn file(&self) -> anyhow::Result<File> {
        let file = self.partial.reopen();
        file.with_context(|| cannot_write(&self.path))
    }

    fn finish(self) -> anyhow::Result<()> {
        let file = self.partial.as_file();
        let written = file.sync_all().and_then(|()| open_like_other_files(file));
        let named = written.and_then(|()| {
            let persisted = self.partial.persist(&self.path);
            persisted.map_err(|error| error.error)
        });
        named.with_context(|| cannot_write(&self.path))?;
        Ok(())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Temporary files are for their owner alone; a report that somebody asked for by name is as
/// readable as what other programs write.
#[cfg(unix)]
fn open_like_other_files(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o640))
}

#[cfg(not(unix))]
fn open_like_other_files(_: &File) -> io::Result<()> {
    Ok(())
}

async fn export(
    engine: &Engine,
    request: Request,
    out: impl Write + Send + 'static,
) -> anyhow::Result<()> {
    let account = account(engine, request.account)?;
    let Some(found) = engine.site().directory.find(&account) else {
        bail!("there is no {account}");
    };
    let view = engine.view(&found).await?;
    let mut out = BufWriter::with_capacity(BUFFER, out);
    out.write_all(&head(request.kind))?;
    let sink = Sink {
        out,
        lines: 0,
        progress: progress()?,
    };
    let wanted = ExportRequest {
        kind: request.kind,
        days: request.days,
        organization: found.only,
        cells: request.cells,
    };
    let mut sink = engine.export(&view, &wanted, sink).await?;
    sink.out.flush()?;
    sink.progress.finish_and_clear();
    let (lines, as_of) = (sink.lines, view.as_of_text());
    // What it was made of is not in the file, whose bytes are GitHub's.
    writeln!(io::stderr(), "Wrote {lines} lines as of {as_of}.")?;
    Ok(())
}

/// The account that was named, or the only enterprise.
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

/// So many lines pass between two looks at the bar.
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

/// A bar over months, with a count of lines; shown on a terminal only.
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
