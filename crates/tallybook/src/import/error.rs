//! Why a report was refused, in words for the person who brought it.

use super::dates::Ambiguous;
use super::encoding::Encoding;
use super::foreign::Foreign;
use super::header::HeaderError;
use std::fmt;
use std::io;

/// One line that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file's name.
    pub file: String,
    /// Its number in the decompressed file, from 1 (the header).
    pub line: u64,
    /// The header of the column that is at fault, when it is one.
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

/// Why a [`super::Sink`] did not take a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkError {
    /// This line is bad; others may be good.
    Line {
        /// The header of the column that is at fault.
        column: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// There is more of something than may be taken.
    TooMuch(String),
    /// Nothing more can be taken.
    Fatal(String),
}

impl SinkError {
    /// As an error of the file, for there is no line yet.
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
    /// The compressed stream ends in the middle.
    #[error("{file}: the {encoding} stream is cut off; is the download complete?")]
    Truncated {
        /// The file's name.
        file: String,
        /// How it is compressed.
        encoding: Encoding,
    },
    /// The first bytes show that it is something else than a report.
    #[error("{file}: {foreign}")]
    Foreign {
        /// The file's name.
        file: String,
        /// What it is, and what to do.
        foreign: Foreign,
    },
    /// It has more blank lines than a file may have.
    #[error("{file}: has more than {limit} blank lines; remove them, or export the report again")]
    TooManyBlankLines {
        /// The file's name.
        file: String,
        /// [`super::Limits::blank_lines`].
        limit: u64,
    },
    /// There is nothing in the file, not even a header.
    #[error("{file}: is empty; a usage report has at least a header")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// The first line is longer than a line may be.
    #[error("{file}, line 1: the header is longer than {limit} bytes (the limit for a line)")]
    HeaderTooLong {
        /// The file's name.
        file: String,
        /// [`super::Limits::line_bytes`].
        limit: usize,
    },
    /// The file is larger than a file may be.
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
    /// A line was not understood, and bad lines were not to be left out.
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
        /// The first of these dates that is two days.
        ambiguous: Ambiguous,
    },
    /// More lines than can wait have no date that tells the order of day and month.
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
    /// The file was given before: parts of a kind are joined, so that it would count twice.
    #[error("{file}: it has the same content as {first}")]
    Repeated {
        /// The file's name.
        file: String,
        /// The name under which it was given first.
        first: String,
    },
    /// There is more of something than an import may have.
    #[error("{file}, line {line}: {reason}")]
    TooMuch {
        /// The file's name.
        file: String,
        /// The line with which it became too much.
        line: u64,
        /// Of what, and how much is the most.
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
    /// What an I/O error means for a file that is read through a decoder.
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
