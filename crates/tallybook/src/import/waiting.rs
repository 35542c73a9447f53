//! Lines that wait for a date that determines the order of day and month.
//!
//! Invariant: they come back unchanged, in order. They are kept compressed, to an eighth or less of
//! their size; the caller enforces [`super::Limits::waiting_bytes`].

use super::physical::Physical;
use std::io::{self, BufReader, Cursor, Read, Write};

/// Lines to which more can be added.
pub(super) struct Waiting {
    lines: zstd::stream::write::Encoder<'static, Vec<u8>>,
}

impl Waiting {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            lines: zstd::stream::write::Encoder::new(Vec::new(), 1)?,
        })
    }

    /// Adds a line; returns the total size in bytes.
    pub(super) fn push(&mut self, line: &Physical<'_>) -> io::Result<usize> {
        let length = line.bytes.len() as u64;
        self.lines.write_all(&line.number.to_le_bytes())?;
        self.lines.write_all(&length.to_le_bytes())?;
        let flags = [u8::from(line.terminated), u8::from(line.too_long)];
        self.lines.write_all(&flags)?;
        self.lines.write_all(line.bytes)?;
        Ok(self.lines.get_ref().len())
    }

    /// The lines, from the first one on.
    pub(super) fn into_lines(self) -> io::Result<WaitingLines> {
        let packed = BufReader::new(Cursor::new(self.lines.finish()?));
        Ok(WaitingLines {
            lines: zstd::stream::read::Decoder::with_buffer(packed)?,
            bytes: Vec::new(),
        })
    }
}

/// Lines that have waited.
pub(super) struct WaitingLines {
    lines: zstd::stream::read::Decoder<'static, BufReader<Cursor<Vec<u8>>>>,
    bytes: Vec<u8>,
}

impl WaitingLines {
    /// The next line.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Physical<'_>>> {
        let mut number = [0; 8];
        if self.lines.read(&mut number[..1])? == 0 {
            return Ok(None);
        }
        self.lines.read_exact(&mut number[1..])?;
        let (mut length, mut flags) = ([0; 8], [0; 2]);
        self.lines.read_exact(&mut length)?;
        self.lines.read_exact(&mut flags)?;
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
        self.bytes.resize(length, 0);
        self.lines.read_exact(&mut self.bytes)?;
        Ok(Some(Physical {
            number: u64::from_le_bytes(number),
            bytes: &self.bytes,
            terminated: flags[0] == 1,
            too_long: flags[1] == 1,
        }))
    }
}
