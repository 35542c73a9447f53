//! A body of events, decompressed and read part by part on a thread that may block.
//!
//! Invariant: at most one part of a body is in memory, counted against the server's memory for
//! bodies, so that neither a long body, nor a decompression bomb, nor many bodies at once make
//! memory grow; a truncated body is an error, not a normal end.

use crate::config::Limits;
use crate::events::{self, Events, Format, Lengths, Unreadable};
use crate::http::app::{App, MEMORY_UNIT};
use crate::http::content_encoding::ContentEncoding;
use crate::http::error::ApiError;
use crate::http::upload::Upload;
use axum::http::{HeaderMap, StatusCode, header};
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes are read from the upload at once.
const BLOCK_BYTES: usize = 64 << 10;

/// The format of the content type; 415 for others.
pub(super) fn format(headers: &HeaderMap) -> Result<Format, ApiError> {
    match content_type(headers).as_str() {
        "application/cloudevents+json" => Ok(Format::One),
        "application/cloudevents-batch+json" => Ok(Format::Batch),
        "application/json" => Ok(Format::OneOrBatch),
        "application/x-ndjson" | "application/ndjson" => Ok(Format::Lines),
        _ => Err(unsupported(
            "The content type must be application/cloudevents+json, \
             application/cloudevents-batch+json, application/json or application/x-ndjson.",
        )),
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.unwrap_or_default().trim().to_ascii_lowercase()
}

fn unsupported(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

/// Why there is no next part.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    /// The body was truncated, or its compression is damaged.
    #[error("The body cannot be read: {0}.")]
    Broken(#[from] io::Error),
    /// The body as a whole is not readable as events.
    #[error("{0}")]
    Malformed(String),
    /// It exceeds the size of one batch.
    #[error("{0}")]
    TooLarge(String),
    /// Other bodies use up the memory.
    #[error("Too many event uploads are in progress ({}).", Limits::EVENTS_MEMORY)]
    Busy,
}

impl From<PartError> for ApiError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Broken(_) | PartError::Malformed(_) => Self::bad_request(error.to_string()),
            PartError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            PartError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

/// The size limits of a part.
#[derive(Debug, Clone, Copy)]
struct Most {
    events: usize,
    bytes: usize,
}

/// One part: a whole body, or a chunk of a stream.
#[derive(Debug)]
pub(super) struct Part {
    /// What was read.
    pub(super) events: Events,
    /// The first line of the part.
    pub(super) first_line: u64,
    /// Whether the body continues.
    pub(super) more: bool,
}

/// A body that is being read.
pub(super) struct Parts {
    input: Decoder,
    format: Format,
    lengths: Lengths,
    most: Most,
    /// Bytes of the body that have been read but not yet parsed.
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// Inside a line that is too long to buffer.
    skipping: bool,
    /// The index of the next line.
    line: u64,
    memory: Memory,
    /// The permit to read the body; a short one has already been read and needs none.
    _reader: Option<OwnedSemaphorePermit>,
}

impl Parts {
    /// Wraps a body without reading from it. A body `is_short` when all of it has arrived.
    pub(super) fn new(
        upload: Upload,
        encoding: ContentEncoding,
        format: Format,
        app: &App,
        is_short: bool,
    ) -> Result<Self, PartError> {
        let reader = if is_short {
            None
        } else {
            let readers = Arc::clone(&app.events_readers);
            Some(readers.try_acquire_owned().map_err(|_| PartError::Busy)?)
        };
        let limits = &app.limits;
        Ok(Self {
            input: Decoder {
                waiting: Some((upload, encoding)),
                input: Box::new(io::empty()),
            },
            format,
            lengths: Lengths::from(&limits.event),
            most: Most {
                events: usize::try_from(limits.events.max(1)).unwrap_or(usize::MAX),
                bytes: usize::try_from(limits.events_bytes).unwrap_or(usize::MAX),
            },
            buffer: Vec::new(),
            start: 0,
            ended: false,
            skipping: false,
            line: 0,
            memory: Memory {
                budget: Arc::clone(&app.events_memory),
                held: None,
            },
            _reader: reader,
        })
    }

    /// The next part. Must be called from a thread that may block.
    pub(super) fn next(&mut self) -> Result<Part, PartError> {
        if self.format == Format::Lines {
            self.next_lines()
        } else {
            self.whole()
        }
    }

    /// The error for a body of this length that must be one batch.
    pub(super) fn too_large(&self) -> PartError {
        let Most { events, bytes } = self.most;
        let mut message = format!(
            "A batch has at most {events} events ({}) and {bytes} bytes ({}), decompressed.",
            Limits::EVENTS,
            Limits::EVENTS_BYTES
        );
        if self.format == Format::Lines {
            message.push_str(" A longer stream needs on_error=skip.");
        }
        PartError::TooLarge(message)
    }

    fn whole(&mut self) -> Result<Part, PartError> {
        while !self.ended {
            self.fill()?;
            if self.buffer.len() > self.most.bytes {
                return Err(self.too_large());
            }
            self.memory.hold(self.buffer.len())?;
        }
        let read = events::read(self.format, &self.buffer, self.lengths, self.most.events);
        self.buffer = Vec::new();
        let events = read.map_err(|error| match error {
            Unreadable::Malformed(_) => PartError::Malformed(error.to_string()),
            Unreadable::TooMany(_) => self.too_large(),
        })?;
        Ok(Part {
            events,
            first_line: 0,
            more: false,
        })
    }

    fn next_lines(&mut self) -> Result<Part, PartError> {
        let mut part = Part {
            events: Events::default(),
            first_line: self.line,
            more: true,
        };
        let mut bytes = 0;
        loop {
            let rest = &self.buffer[self.start..];
            let length = match memchr::memchr(b'\n', rest) {
                Some(length) => length,
                None if !self.ended => {
                    if rest.len() > self.lengths.event_bytes {
                        bytes += rest.len();
                        self.start = self.buffer.len();
                        self.skipping = true;
                    }
                    if bytes > self.most.bytes {
                        return Ok(part);
                    }
                    self.fill()?;
                    continue;
                }
                None if rest.is_empty() && !self.skipping => {
                    part.more = false;
                    return Ok(part);
                }
                None => rest.len(),
            };
            let line = &rest[..length];
            let is_blank = !self.skipping && line.trim_ascii().is_empty();
            let is_full = !is_blank && part.events.count() == self.most.events;
            // A part has at least one line, whatever the limits, so that every stream ends.
            let is_long = bytes > 0 && bytes + length > self.most.bytes;
            if is_full || is_long {
                return Ok(part);
            }
            if std::mem::take(&mut self.skipping) {
                events::refuse_long_line(&mut part.events, self.line, self.lengths);
            } else {
                events::read_line(&mut part.events, self.line, line, self.lengths);
            }
            bytes += length + 1;
            self.line += 1;
            self.start = (self.start + length + 1).min(self.buffer.len());
            self.memory.hold(bytes)?;
        }
    }

    /// Reads on, or finds the end.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut block = self.input.by_ref().take(BLOCK_BYTES as u64);
        let count = block.read_to_end(&mut self.buffer)?;
        self.ended = count < BLOCK_BYTES;
        Ok(())
    }
}

/// The decompressed body. Decoders read as soon as they are created, so one is created by the first
/// read, on a thread that may block.
struct Decoder {
    waiting: Option<(Upload, ContentEncoding)>,
    input: Box<dyn Read + Send>,
}

impl Read for Decoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some((upload, encoding)) = self.waiting.take() {
            self.input = encoding.decode(upload)?;
        }
        self.input.read(out)
    }
}

/// A body's share of the memory for bodies, held until it is answered.
struct Memory {
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// Holds at least this many bytes from now on.
    fn hold(&mut self, bytes: usize) -> Result<(), PartError> {
        let held = self.held.as_ref().map_or(0, |held| held.num_permits());
        let needed = (bytes as u64).div_ceil(MEMORY_UNIT);
        let missing = needed.saturating_sub(held as u64);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budget);
        let more = budget.try_acquire_many_owned(missing);
        let more = more.map_err(|_| PartError::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}
