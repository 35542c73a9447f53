//! Reading usage reports: a CSV file in any known layout becomes [`Line`]s for a [`Sink`].
//!
//! Invariant: a line reaches the sink only if every value in it was read exactly; any other line is
//! a [`BadLine`] that says where and why, and causes the file to be refused unless
//! [`ReadOptions::skip_bad_lines`] is set. Memory does not grow with the file. Nothing here knows
//! accounts, the catalogue or the ledger.
//! Look next: [`tallybook_core::report::layout`] for the columns, `record.rs` for the checks of a
//! line.

mod ahead;
mod dates;
mod encoding;
mod error;
mod fields;
mod foreign;
mod header;
mod physical;
mod record;
#[cfg(test)]
mod tests;
mod waiting;

pub use dates::{Ambiguous, DateOrder};
pub use encoding::{Encoding, WindowTooLarge, ZstdDecoder};
pub use error::{BadLine, ReadError, SinkError};
pub use foreign::Foreign;
pub use header::HeaderError;
pub use tallybook_core::report::Layout;

use ahead::{Ahead, Digested, Digesting};
use fields::Fields;
use header::Columns;
use physical::{Physical, PhysicalLines};
use record::{Fault, RecordReader, Unread};
use std::io::{self, Read};
use tallybook_core::ids::Digest;
use tallybook_core::report::{Line, ReportKind};
use tallybook_core::time::{Day, Instant};
use waiting::Waiting;

/// How many skipped lines a summary lists; the rest are only counted.
pub const LISTED_BAD_LINES: usize = 1000;

/// How a report is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Skip and list bad lines, instead of refusing the file.
    pub skip_bad_lines: bool,
    /// The order of day and month where the year is not first; `None` to let the dates of each file
    /// decide.
    pub dates: Option<DateOrder>,
    /// The latest day that a line may have; `None` for no limit.
    pub latest_day: Option<Day>,
    /// The limits of a report.
    pub limits: Limits,
}

/// The latest day that a report may have unless its reader expects future usage: tomorrow, because
/// clocks differ.
#[must_use]
pub fn latest_day(now: Instant) -> Day {
    now.day().next()
}

/// The limits of a report. A refusal caused by one names it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one line, 65,536.
    pub line_bytes: usize,
    /// Bytes of one field, 4,096: notes and workflow paths.
    pub field_bytes: usize,
    /// Bytes of one name (product, SKU, unit, login, repository, model, cost center), 255.
    pub name_bytes: usize,
    /// Bytes of one file once decompressed, 64 GiB.
    pub file_bytes: u64,
    /// Compressed bytes of lines that wait for a date that determines the order of day and month,
    /// 32 MiB: more than a spreadsheet can save.
    pub waiting_bytes: usize,
    /// Blank lines of one file, 1,000,000.
    pub blank_lines: u64,
    /// The window of a Zstandard file as a power of two: 27, which is 128 MiB and what
    /// `zstd --long` uses.
    pub zstd_window_log: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 16,
            field_bytes: 1 << 12,
            name_bytes: 255,
            file_bytes: 1 << 36,
            waiting_bytes: 1 << 25,
            blank_lines: 1_000_000,
            zstd_window_log: 27,
        }
    }
}

/// Takes the lines of a report, in the file's order.
pub trait Sink {
    /// Called once per file, before its first line.
    fn begin(&mut self, layout: Layout) -> Result<(), SinkError>;

    /// Takes one good line. [`SinkError::Line`] makes it a bad one.
    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError>;
}

/// What one file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSummary {
    /// The name given by the caller.
    pub name: String,
    /// Its header's layout.
    pub layout: Layout,
    /// The kind of report with this layout.
    pub kind: ReportKind,
    /// Its encoding.
    pub encoding: Encoding,
    /// The digest of the decompressed bytes.
    pub digest: Digest,
    /// Decompressed bytes.
    pub bytes: u64,
    /// Lines that reached the sink.
    pub lines: u64,
    /// The first and the last day of these lines.
    pub days: Option<(Day, Day)>,
    /// The first [`LISTED_BAD_LINES`] skipped lines.
    pub skipped: Vec<BadLine>,
    /// The number of skipped lines.
    pub skipped_lines: u64,
    /// Columns of the header that no layout has: kept with the lines, but not interpreted.
    pub unknown_columns: Vec<String>,
    /// The number of lines whose stated net was not exactly gross - discount, but within the
    /// tolerance.
    pub adjusted_nets: u64,
}

/// Reads one report; `name` is used in errors.
///
/// The compression is detected from the first bytes, the layout from the header. A file with a
/// header and nothing else is a report of no lines; an empty file is an error.
pub fn read_file(
    name: &str,
    input: impl Read,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<FileSummary, ReadError> {
    let (encoding, input) = encoding::decode(name, input, options.limits.zstd_window_log)?;
    read_bytes(name, encoding, Digesting::new(input), options, sink)
}

/// Like [`read_file`], with a thread that reads and decompresses ahead: for files, whose bytes are
/// available at once.
pub fn read_file_ahead(
    name: &str,
    input: impl Read + Send + 'static,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<FileSummary, ReadError> {
    let (encoding, input) = encoding::decode(name, input, options.limits.zstd_window_log)?;
    let input = Ahead::begin(input);
    let input = input.map_err(|source| ReadError::io(name, Some(encoding), source))?;
    read_bytes(name, encoding, input, options, sink)
}

fn read_bytes(
    name: &str,
    encoding: Encoding,
    input: impl Digested,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<FileSummary, ReadError> {
    let mut lines = PhysicalLines::new(input, &options.limits);
    let (columns, layout) = read_header(name, encoding, &mut lines, options)?;
    let begun = sink.begin(layout);
    begun.map_err(|error| error.at_the_start(name))?;
    let mut reading = Reading {
        name,
        skip_bad_lines: options.skip_bad_lines,
        encoding,
        records: RecordReader::new(layout, columns, options),
        waiting: None,
        waiting_bytes: options.limits.waiting_bytes,
        fields: Fields::default(),
        lines: 0,
        days: None,
        skipped: Vec::new(),
        skipped_lines: 0,
    };
    loop {
        let next = lines.next_line();
        match next.map_err(|error| error.read_error(name, encoding))? {
            Some(physical) => reading.take(&physical, sink)?,
            None => break,
        }
    }
    reading.end(sink)?;
    let digest = lines.digest().ok_or_else(|| {
        let source = std::io::Error::other("it was not read to its end");
        ReadError::io(name, Some(encoding), source)
    })?;
    Ok(FileSummary {
        name: name.to_owned(),
        layout,
        kind: layout.kind(),
        encoding,
        digest,
        bytes: lines.bytes(),
        lines: reading.lines,
        days: reading.days,
        skipped: reading.skipped,
        skipped_lines: reading.skipped_lines,
        adjusted_nets: reading.records.adjusted_nets(),
        unknown_columns: reading.records.unknown_columns(),
    })
}

fn read_header<R: Digested>(
    name: &str,
    encoding: Encoding,
    lines: &mut PhysicalLines<R>,
    options: &ReadOptions,
) -> Result<(Columns, Layout), ReadError> {
    let next = lines.next_line();
    let physical = next.map_err(|error| error.read_error(name, encoding))?;
    let Some(physical) = physical else {
        return Err(ReadError::Empty { file: name.into() });
    };
    if physical.too_long {
        return Err(ReadError::HeaderTooLong {
            file: name.into(),
            limit: options.limits.line_bytes,
        });
    }
    Columns::read(&physical).map_err(|error| ReadError::Header {
        file: name.into(),
        error,
    })
}

/// The state of reading one file's lines.
struct Reading<'a> {
    name: &'a str,
    skip_bad_lines: bool,
    encoding: Encoding,
    records: RecordReader,
    /// The lines since the first ambiguous date, until a date determines the order.
    waiting: Option<Waiting>,
    waiting_bytes: usize,
    fields: Fields,
    lines: u64,
    /// The first and the last day of these lines.
    days: Option<(Day, Day)>,
    skipped: Vec<BadLine>,
    skipped_lines: u64,
}

impl Reading<'_> {
    fn take(&mut self, physical: &Physical<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        if self.waiting.is_none() && self.read(physical, sink)? {
            return Ok(());
        }
        let is_told = self.records.look_at_dates(physical, &mut self.fields);
        let mut waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => Waiting::new().map_err(|error| self.io(error))?,
        };
        let size = waiting.push(physical).map_err(|error| self.io(error))?;
        if size > self.waiting_bytes {
            return Err(ReadError::Waiting {
                file: self.name.into(),
                line: physical.number,
            });
        }
        self.waiting = Some(waiting);
        if is_told { self.resume(sink) } else { Ok(()) }
    }

    /// Called at the end of the file.
    fn end(&mut self, sink: &mut dyn Sink) -> Result<(), ReadError> {
        if self.waiting.is_none() {
            return Ok(());
        }
        let end = self.records.end_of_dates();
        end.map_err(|ambiguous| ReadError::Dates {
            file: self.name.into(),
            ambiguous,
        })?;
        self.resume(sink)
    }

    /// Reads the waiting lines, now that their dates can be read.
    fn resume(&mut self, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        let mut lines = waiting.into_lines().map_err(|error| self.io(error))?;
        while let Some(physical) = lines.next_line().map_err(|error| self.io(error))? {
            self.read(&physical, sink)?;
        }
        Ok(())
    }

    /// Counts a line that reached the sink.
    fn count(&mut self, day: Day) {
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
        self.lines += 1;
    }

    fn io(&self, source: io::Error) -> ReadError {
        ReadError::io(self.name, Some(self.encoding), source)
    }

    /// Reads a line; false when its dates need an order that is not known yet.
    fn read(&mut self, physical: &Physical<'_>, sink: &mut dyn Sink) -> Result<bool, ReadError> {
        let fault = match self.records.read(physical, &mut self.fields) {
            Ok(read) => match sink.line(&read.line) {
                Ok(()) => {
                    let adjusted = read.adjusted_net;
                    let day = read.line.hour.day();
                    self.records.count_adjusted(adjusted);
                    self.count(day);
                    return Ok(true);
                }
                Err(SinkError::Line { column, reason }) => Fault { column, reason },
                Err(SinkError::TooMuch(reason)) => {
                    let (file, line) = (self.name.into(), physical.number);
                    return Err(ReadError::TooMuch { file, line, reason });
                }
                Err(SinkError::Fatal(reason)) => {
                    let file = self.name.into();
                    return Err(ReadError::Sink { file, reason });
                }
            },
            Err(Unread::Fault(fault)) => *fault,
            Err(Unread::Date) => return Ok(false),
        };
        let bad = BadLine {
            file: self.name.to_owned(),
            line: physical.number,
            column: fault.column,
            reason: fault.reason,
        };
        if !self.skip_bad_lines {
            return Err(ReadError::BadLine(bad));
        }
        self.skipped_lines += 1;
        if self.skipped.len() < LISTED_BAD_LINES {
            self.skipped.push(bad);
        }
        Ok(true)
    }
}
