//! Splits a stream of bytes into numbered lines, in bounded memory.
//!
//! A record of a usage report is one physical line: names must not contain control characters, so a
//! line break inside quotes ends the line like any other, and a bad line never swallows the next.

use super::Limits;
use super::ahead::Digested;
use super::encoding::Encoding;
use super::error::ReadError;
use std::io;
use tallybook_core::ids::Digest;

/// How many bytes are requested at once.
const CHUNK_BYTES: usize = 1 << 18;

/// One line, without its line break.
pub(super) struct Physical<'a> {
    /// From 1.
    pub(super) number: u64,
    /// The bytes without `\n` or `\r\n`; empty when the line is too long.
    pub(super) bytes: &'a [u8],
    /// Whether it was ended by a line break rather than the end of the file.
    pub(super) terminated: bool,
    /// Longer than [`Limits::line_bytes`].
    pub(super) too_long: bool,
}

/// Why there is no next line.
pub(super) enum StreamError {
    Io(io::Error),
    TooLong { limit: u64 },
    TooManyBlankLines { limit: u64 },
}

impl StreamError {
    pub(super) fn read_error(self, file: &str, encoding: Encoding) -> ReadError {
        match self {
            Self::Io(source) => ReadError::io(file, Some(encoding), source),
            Self::TooLong { limit } => ReadError::FileTooLong {
                file: file.to_owned(),
                limit,
            },
            Self::TooManyBlankLines { limit } => ReadError::TooManyBlankLines {
                file: file.to_owned(),
                limit,
            },
        }
    }
}

/// Reads lines.
pub(super) struct PhysicalLines<R> {
    input: R,
    buffer: Vec<u8>,
    /// What is in `buffer` and not yet handed out.
    start: usize,
    end: usize,
    at_end: bool,
    number: u64,
    bytes: u64,
    line_bytes: usize,
    file_bytes: u64,
    /// How many more lines may be blank.
    blank_lines_left: u64,
    blank_lines: u64,
}

impl<R: Digested> PhysicalLines<R> {
    pub(super) fn new(input: R, limits: &Limits) -> Self {
        Self {
            input,
            // Room for one chunk after the longest line and its line break.
            buffer: vec![0; limits.line_bytes + 2 + CHUNK_BYTES],
            start: 0,
            end: 0,
            at_end: false,
            number: 0,
            bytes: 0,
            line_bytes: limits.line_bytes,
            file_bytes: limits.file_bytes,
            blank_lines_left: limits.blank_lines,
            blank_lines: limits.blank_lines,
        }
    }

    /// The digest of all bytes, once they have been read.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.input.digest()
    }

    /// How many bytes were read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line that is not empty; `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> Result<Option<Physical<'_>>, StreamError> {
        let (mut scanned, mut dropped) = (0, false);
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(found) = memchr::memchr(b'\n', &unread[scanned..]) {
                let length = scanned + found;
                let from = self.start;
                self.start += length + 1;
                self.number += 1;
                scanned = 0;
                let too_long = dropped || self.is_too_long(from, length);
                if too_long || !self.is_blank(from, length) {
                    return Ok(Some(self.line(from, length, true, too_long)));
                }
                self.skip_blank_line()?;
                continue;
            }
            let length = unread.len();
            if self.at_end {
                let from = self.start;
                self.start = self.end;
                if length == 0 && !dropped {
                    return Ok(None);
                }
                self.number += 1;
                let too_long = dropped || self.is_too_long(from, length);
                if !too_long && self.is_blank(from, length) {
                    return Ok(None);
                }
                return Ok(Some(self.line(from, length, false, too_long)));
            }
            scanned = length;
            if length > self.line_bytes + 1 {
                // Too long for a line: discard it, only its end matters.
                (self.start, self.end, scanned, dropped) = (0, 0, 0, true);
            }
            self.fill().map_err(StreamError::Io)?;
            if self.bytes > self.file_bytes {
                return Err(StreamError::TooLong {
                    limit: self.file_bytes,
                });
            }
        }
    }

    fn skip_blank_line(&mut self) -> Result<(), StreamError> {
        let limit = self.blank_lines;
        let left = self.blank_lines_left.checked_sub(1);
        self.blank_lines_left = left.ok_or(StreamError::TooManyBlankLines { limit })?;
        Ok(())
    }

    fn is_too_long(&self, from: usize, length: usize) -> bool {
        without_return(&self.buffer[from..from + length]).len() > self.line_bytes
    }

    fn is_blank(&self, from: usize, length: usize) -> bool {
        without_return(&self.buffer[from..from + length]).is_empty()
    }

    fn line(&self, from: usize, length: usize, terminated: bool, too_long: bool) -> Physical<'_> {
        let bytes: &[u8] = if too_long {
            &[]
        } else {
            &self.buffer[from..from + length]
        };
        Physical {
            number: self.number,
            bytes: without_return(bytes),
            // Half a line break is enough to know that the line is complete.
            terminated: terminated || bytes.ends_with(b"\r"),
            too_long,
        }
    }

    /// Moves unread bytes to the front and reads more after them.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let target = self.end + CHUNK_BYTES;
        let before = self.end;
        while self.end < target.min(self.buffer.len()) {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes += (self.end - before) as u64;
        Ok(())
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
