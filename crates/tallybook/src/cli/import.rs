//! `tallybook import`: usage reports from files into a directory, or to a server.

use super::client::Client;
use super::open::{WhenEmpty, open};
use super::place::Place;
use super::summary;
use crate::clock::Stopwatch;
use crate::engine::Engine;
use crate::engine::commit::Actor;
use crate::import::{DateOrder, ReadOptions, latest_day};
use crate::importing::Importer;
use crate::wire::imports::ImportAnswer;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::time::Instant;

/// The options of the command.
pub(crate) struct Request {
    /// The account that owns the usage.
    pub(crate) account: AccountName,
    /// The reports.
    pub(crate) files: Vec<PathBuf>,
    /// Skip lines that cannot be read.
    pub(crate) skip_bad_lines: bool,
    /// Refuse usage that events have also reported.
    pub(crate) refuse_overlap: bool,
    /// The order of the numbers of dates.
    pub(crate) dates: Option<DateOrder>,
    /// Accept usage of days after tomorrow.
    pub(crate) future: bool,
    /// Count files that state usage of the same days.
    pub(crate) join: bool,
}

/// Imports, and prints what was imported.
pub(crate) fn run(request: Request, place: Place, now: Instant) -> anyhow::Result<()> {
    let answer = match place {
        Place::Directory(directory) => {
            let runtime = super::runtime()?;
            runtime.block_on(async {
                let opened = open(&directory, WhenEmpty::Create, now).await?;
                import(&opened.engine, request, &Actor::command("import"), now).await
            })?
        }
        Place::Server { url, token } => send(&Client::new(url, &token), &request)?,
    };
    summary::print_import(&mut io::stdout().lock(), &answer)?;
    Ok(())
}

/// Imports files into a directory's engine.
async fn import(
    engine: &Arc<Engine>,
    request: Request,
    actor: &Actor,
    now: Instant,
) -> anyhow::Result<ImportAnswer> {
    let stopwatch = Stopwatch::start();
    let session = engine.begin_import(&request.account, actor, now)?;
    let session = session
        .refuse_overlap(request.refuse_overlap)
        .join(request.join);
    let options = ReadOptions {
        skip_bad_lines: request.skip_bad_lines,
        dates: request.dates,
        latest_day: (!request.future).then(|| latest_day(now)),
        ..ReadOptions::default()
    };
    let mut importer = Importer::new(session, options);
    let files = request.files;
    let importer = tokio::task::spawn_blocking(move || -> anyhow::Result<Importer> {
        let progress = progress(&files)?;
        for path in &files {
            let file = progress.wrap_read(open_file(path)?);
            importer.read_ahead(&path.display().to_string(), file)?;
        }
        progress.finish_and_clear();
        Ok(importer)
    });
    let report = importer
        .await
        .context("reading was interrupted")??
        .commit()
        .await?;
    let answer = report.answer(stopwatch.elapsed());
    // Lets the next `serve` answer at once.
    let outcome = &report.outcome;
    engine.warm_later(Arc::clone(&outcome.view), &outcome.import);
    engine.settle().await;
    Ok(answer)
}

fn open_file(path: &Path) -> anyhow::Result<File> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{} is a folder: name the reports in it", path.display());
    }
    Ok(file)
}

/// A progress bar over the bytes of all files; shown on a terminal only.
fn progress(files: &[PathBuf]) -> anyhow::Result<ProgressBar> {
    let mut bytes = 0;
    for path in files {
        // Before anything is imported, so that a wrong name is reported at once.
        bytes += open_file(path)?
            .metadata()
            .map_or(0, |metadata| metadata.len());
    }
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    // Cleared even when reading fails, so that the error is shown alone.
    let bar = ProgressBar::with_draw_target(Some(bytes), target);
    let bar = bar.with_finish(ProgressFinish::AndClear);
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_style(style.context("the bar's template is wrong")?);
    Ok(bar)
}

/// Sends files to a server: one as the body, several as a form.
fn send(client: &Client, request: &Request) -> anyhow::Result<ImportAnswer> {
    let (account, skip) = (
        summary::account_path(&request.account),
        request.skip_bad_lines,
    );
    let (refuse, join, future) = (request.refuse_overlap, request.join, request.future);
    let mut path = format!(
        "{account}/imports?skip_bad_lines={skip}&refuse_overlap={refuse}&join={join}\
         &future={future}"
    );
    if let Some(order) = request.dates {
        path += "&dates=";
        path += order.as_str();
    }
    let progress = progress(&request.files)?;
    let answer = match &request.files[..] {
        [file] => {
            let mut body = progress.wrap_read(open_file(file)?);
            client.send(&path, "text/csv", &mut body)?
        }
        files => {
            let mut form = Form::new(files);
            let content_type = form.content_type();
            client.send(&path, &content_type, &mut progress.wrap_read(&mut form))?
        }
    };
    progress.finish_and_clear();
    Ok(answer)
}

/// What separates the parts; no real report has a line that begins like this, and the server would
/// reject it as a part without a header.
const BOUNDARY: &str = "tallybook-7b5f0d3e9c6a4f18";

/// A `multipart/form-data` body that is read file by file, never whole.
struct Form<'a> {
    files: std::slice::Iter<'a, PathBuf>,
    current: Box<dyn Read>,
    is_closed: bool,
}

impl<'a> Form<'a> {
    fn new(files: &'a [PathBuf]) -> Self {
        Self {
            files: files.iter(),
            current: Box::new(io::empty()),
            is_closed: false,
        }
    }

    fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// Moves on to the next part; false after the end.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(path) = self.files.next() else {
            let was_closed = std::mem::replace(&mut self.is_closed, true);
            let end = format!("--{BOUNDARY}--\r\n");
            self.current = Box::new(io::Cursor::new(end.into_bytes()));
            return Ok(!was_closed);
        };
        let name = path.display().to_string().replace(['"', '\r', '\n'], "_");
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n"
        );
        let head = io::Cursor::new(head.into_bytes());
        let tail = io::Cursor::new(b"\r\n");
        self.current = Box::new(head.chain(File::open(path)?).chain(tail));
        Ok(true)
    }
}

impl Read for Form<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() || !self.advance()? {
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_are_one_form() {
        let folder = tempfile::tempdir().expect("a folder");
        let files: Vec<PathBuf> = ["a.csv", "b.csv"]
            .map(|name| folder.path().join(name))
            .into();
        std::fs::write(&files[0], "a\n").expect("written");
        std::fs::write(&files[1], "").expect("written");
        let mut text = String::new();
        Form::new(&files).read_to_string(&mut text).expect("read");
        let parts: Vec<&str> = text.split(&format!("--{BOUNDARY}")).collect();
        assert_eq!(parts.len(), 4, "{text}");
        assert!(parts[1].ends_with("\r\n\r\na\n\r\n"), "{text}");
        assert!(parts[2].contains("b.csv\"\r\n"), "{text}");
        assert!(parts[2].ends_with("\r\n\r\n\r\n"), "{text}");
        assert_eq!(parts[3], "--\r\n");
    }
}
