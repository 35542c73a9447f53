//! Why a report was refused, in words for the person who supplied it.

use super::dates::Ambiguous;
use super::encoding::Encoding;
use super::foreign::Foreign;
use super::header::HeaderError;
use std::fmt;
use std::io;

/// One line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file's name.
    pub file: String,
    /// Its number in the decompressed file, from 1 (the header).
    pub line: u64,
    /// The header of the offending column, if any.
    pub column: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// `usage.csv, line 17, column quantity: "abc" is not a decimal number`.
impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Why a [`super::Sink`] refused a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkError {
    /// This line is bad; others may be fine.
    Line {
        /// The header of the offending column.
        column: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// A limit of the import is exceeded.
    TooMuch(String),
    /// No further line can be accepted.
    Fatal(String),
}

impl SinkError {
    /// As an error of the file, before its first line.
    pub(super) fn at_the_start(self, file: &str) -> ReadError {
        let (Self::Line { reason, .. } | Self::TooMuch(reason) | Self::Fatal(reason)) = self;
        ReadError::Sink {
            file: file.to_owned(),
            reason,
        }
    }
}

/// Why a report was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read, or its compressed stream is damaged.
    #[error("{file}: {reason}")]
    Io {
        /// The file's name.
        file: String,
        /// What was being done, and what went wrong.
        reason: String,
        /// The cause.
        source: io::Error,
    },
    /// The compressed stream is truncated.
    #[error("{file}: the {encoding} stream is cut off; is the download complete?")]
    Truncated {
        /// The file's name.
        file: String,
        /// How it is compressed.
        encoding: Encoding,
    },
    /// The first bytes show that it is not a report.
    #[error("{file}: {foreign}")]
    Foreign {
        /// The file's name.
        file: String,
        /// What it is, and what to do.
        foreign: Foreign,
    },
    /// It exceeds the limit on blank lines.
    #[error("{file}: has more than {limit} blank lines; remove them, or export the report again")]
    TooManyBlankLines {
        /// The file's name.
        file: String,
        /// [`super::Limits::blank_lines`].
        limit: u64,
    },
    /// The file is empty, without even a header.
    #[error("{file}: is empty; a usage report has at least a header")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// The first line exceeds the line limit.
    #[error("{file}, line 1: the header is longer than {limit} bytes (the limit for a line)")]
    HeaderTooLong {
        /// The file's name.
        file: String,
        /// [`super::Limits::line_bytes`].
        limit: usize,
    },
    /// The file exceeds the size limit.
    #[error("{file}: holds more than {limit} bytes (the limit for a file, decompressed)")]
    FileTooLong {
        /// The file's name.
        file: String,
        /// [`super::Limits::file_bytes`].
        limit: u64,
    },
    /// The header is of no known layout.
    #[error("{file}, line 1: {error}")]
    Header {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// A line could not be read, and bad lines were not to be skipped.
    #[error("{0}")]
    BadLine(BadLine),
    /// Every date of the file can be read in two ways.
    #[error(
        "{file}, {ambiguous}, and no other date of the file tells which: say the order of day and \
         month (--dates mdy or --dates dmy; over HTTP ?dates=mdy or ?dates=dmy)"
    )]
    Dates {
        /// The file's name.
        file: String,
        /// The first ambiguous date.
        ambiguous: Ambiguous,
    },
    /// Too many lines passed without a date that determines the order of day and month.
    #[error(
        "{file}: up to line {line} no date tells the order of day and month: say it (--dates mdy \
         or --dates dmy; over HTTP ?dates=mdy or ?dates=dmy)"
    )]
    Waiting {
        /// The file's name.
        file: String,
        /// The last line that was read.
        line: u64,
    },
    /// The same content was given before: the files of one kind are joined, so it would count
    /// twice.
    #[error("{file}: it has the same content as {first}")]
    Repeated {
        /// The file's name.
        file: String,
        /// The name under which it was given first.
        first: String,
    },
    /// A limit of the import was exceeded.
    #[error("{file}, line {line}: {reason}")]
    TooMuch {
        /// The file's name.
        file: String,
        /// The line that exceeded it.
        line: u64,
        /// The limit and its value.
        reason: String,
    },
    /// The receiver of the lines gave up.
    #[error("{file}: {reason}")]
    Sink {
        /// The file's name.
        file: String,
        /// Why.
        reason: String,
    },
}

impl ReadError {
    /// Interprets an I/O error of a file read through a decoder.
    pub(super) fn io(file: &str, encoding: Option<Encoding>, source: io::Error) -> Self {
        let file = file.to_owned();
        let compressed = encoding.filter(|encoding| *encoding != Encoding::Plain);
        match (compressed, source.kind()) {
            (Some(encoding), io::ErrorKind::UnexpectedEof) => Self::Truncated { file, encoding },
            (Some(encoding), _) => Self::Io {
                file,
                reason: format!("the {encoding} stream cannot be read: {source}"),
                source,
            },
            (None, _) => Self::Io {
                file,
                reason: format!("cannot be read: {source}"),
                source,
            },
        }
    }
}
