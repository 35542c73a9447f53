//! One import from its files to its answer: feeds report lines to the engine's session.
//!
//! Invariant: all files of an import count together or not at all. The command line and the HTTP
//! API both import through here. Look next: [`answer`] for the answer.

pub mod answer;

use crate::config::Limits;
use crate::engine::imports::{ImportError, ImportOutcome, ImportSession, PushError};
use crate::import::{
    FileSummary, Layout, ReadError, ReadOptions, Sink, SinkError, read_file, read_file_ahead,
};
use std::io::Read;
use tallybook_core::ledger::builder::TooMuch;
use tallybook_core::ledger::record::ImportedFile;
use tallybook_core::report::{Line, ReportKind};

/// Reads the files of one import, one after the other.
#[derive(Debug)]
pub struct Importer {
    session: ImportSession,
    options: ReadOptions,
    files: Vec<FileSummary>,
}

/// A committed import and what its files held.
#[derive(Debug)]
pub struct ImportReport {
    /// What the import did.
    pub outcome: ImportOutcome,
    /// What the files held, in their order.
    pub files: Vec<FileSummary>,
}

impl Importer {
    /// Starts with no file.
    #[must_use]
    pub fn new(session: ImportSession, options: ReadOptions) -> Self {
        Self {
            session,
            options,
            files: Vec::new(),
        }
    }

    /// Reads a stream. Blocks: call it from a thread that may block. After an error the import is
    /// over.
    pub fn read(&mut self, name: &str, input: impl Read) -> Result<&FileSummary, ReadError> {
        self.take(name, |options, feed| read_file(name, input, options, feed))
    }

    /// Like [`Self::read`], for a file, which is read and decompressed ahead in another thread.
    pub fn read_ahead(
        &mut self,
        name: &str,
        input: impl Read + Send + 'static,
    ) -> Result<&FileSummary, ReadError> {
        self.take(name, |options, feed| {
            read_file_ahead(name, input, options, feed)
        })
    }

    fn take(
        &mut self,
        name: &str,
        read: impl FnOnce(&ReadOptions, &mut dyn Sink) -> Result<FileSummary, ReadError>,
    ) -> Result<&FileSummary, ReadError> {
        let mut feed = Feed {
            session: &mut self.session,
            kind: ReportKind::Detailed,
        };
        let summary = read(&self.options, &mut feed)?;
        let is_same = |file: &&FileSummary| file.digest == summary.digest && file.lines > 0;
        if let Some(first) = self.files.iter().find(is_same) {
            return Err(ReadError::Repeated {
                file: name.into(),
                first: first.name.clone(),
            });
        }
        Ok(self.files.push_mut(summary))
    }

    /// Commits everything that was read.
    pub async fn commit(self) -> Result<ImportReport, ImportError> {
        let imported = |file: &FileSummary| ImportedFile {
            name: file.name.as_str().into(),
            digest: file.digest,
            kind: file.kind,
            layout: file.layout.as_str().into(),
            bytes: file.bytes,
            lines: file.lines,
            skipped: file.skipped_lines,
        };
        let outcome = self
            .session
            .commit(self.files.iter().map(imported).collect())
            .await?;
        Ok(ImportReport {
            outcome,
            files: self.files,
        })
    }
}

/// Passes the lines of a file to the session.
struct Feed<'a> {
    session: &'a mut ImportSession,
    kind: ReportKind,
}

impl Sink for Feed<'_> {
    fn begin(&mut self, layout: Layout) -> Result<(), SinkError> {
        self.kind = layout.kind();
        self.session.begin_file();
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError> {
        self.session
            .push(self.kind, line)
            .map_err(|error| match error {
                PushError::Line(refused) => SinkError::Line {
                    column: Some(refused.column.into()),
                    reason: refused.reason,
                },
                PushError::TooMuch(too_much) => SinkError::TooMuch(format!(
                    "{too_much} ({})",
                    match too_much {
                        TooMuch::Names(_) | TooMuch::NameBytes(_) => Limits::IMPORT_NAMES,
                        TooMuch::Sums(_) => Limits::IMPORT_SUMS,
                    }
                )),
                PushError::Engine(error) => SinkError::Fatal(error.to_string()),
            })
    }
}
