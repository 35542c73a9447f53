//! A report's compression: plain, gzip or Zstandard, detected from the first bytes, never from the
//! name.
//!
//! Invariant: unpacking takes a bounded amount of memory, whatever the bytes are. Look next:
//! [`super::foreign`] for files that are not reports.

use super::error::ReadError;
use super::foreign::{self, START_BYTES};
use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};

/// How the bytes of a report are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Uncompressed.
    Plain,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// Detects the encoding from the first bytes.
    fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Decompresses Zstandard with a window of at most 2^`most_window_log` bytes: decompression needs
/// as much memory as the window, whose size the frame chooses.
pub struct ZstdDecoder<R: Read> {
    input: zstd::stream::read::Decoder<'static, BufReader<R>>,
    most_window_log: u32,
}

/// The window of a Zstandard frame is larger than is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "its window is larger than {} MiB; compress it again with zstd --long={most_window_log}",
    (1u64 << most_window_log) >> 20
)]
pub struct WindowTooLarge {
    /// The largest window, as a power of two.
    pub most_window_log: u32,
}

/// libzstd's message for a window larger than the limit.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

impl<R: Read> ZstdDecoder<R> {
    /// Wraps `input` without reading from it.
    pub fn new(input: R, most_window_log: u32) -> io::Result<Self> {
        let blocks = BufReader::with_capacity(BLOCK_BYTES, input);
        let mut input = zstd::stream::read::Decoder::with_buffer(blocks)?;
        input.window_log_max(most_window_log)?;
        Ok(Self {
            input,
            most_window_log,
        })
    }
}

impl<R: Read> Read for ZstdDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most_window_log = self.most_window_log;
        self.input.read(buffer).map_err(|error| {
            if error.to_string().contains(WINDOW_TOO_LARGE) {
                io::Error::other(WindowTooLarge { most_window_log })
            } else {
                error
            }
        })
    }
}

/// The peeked bytes, then the rest.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// Reads the decompressed bytes.
pub(super) enum Decoder<R: Read> {
    Plain(Whole<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Whole<R>>>>),
    Zstd(Box<ZstdDecoder<Whole<R>>>),
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(input) => input.read(buffer),
            Self::Zstd(input) => input.read(buffer),
        }
    }
}

/// Compressed bytes are read in blocks of this size.
const BLOCK_BYTES: usize = 1 << 17;

/// Detects how the `input` of the file named `file` is compressed, and decompresses it; refuses
/// data that is evidently not text.
pub(super) fn decode<R: Read>(
    file: &str,
    input: R,
    most_window_log: u32,
) -> Result<(Encoding, Whole<Decoder<R>>), ReadError> {
    let (start, whole) = look_at(file, None, input)?;
    let encoding = Encoding::detect(&start);
    let decoder = match encoding {
        Encoding::Plain => Decoder::Plain(whole),
        Encoding::Gzip => {
            let blocks = BufReader::with_capacity(BLOCK_BYTES, whole);
            Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(blocks)))
        }
        Encoding::Zstd => {
            let decoder = ZstdDecoder::new(whole, most_window_log);
            Decoder::Zstd(Box::new(
                decoder.map_err(|source| ReadError::io(file, None, source))?,
            ))
        }
    };
    let (start, whole) = look_at(file, Some(encoding), decoder)?;
    if let Some(foreign) = foreign::detect(&start) {
        return Err(ReadError::Foreign {
            file: file.to_owned(),
            foreign,
        });
    }
    Ok((encoding, whole))
}

/// Peeks at the first bytes; returns them and a reader of all bytes.
fn look_at<R: Read>(
    file: &str,
    encoding: Option<Encoding>,
    mut input: R,
) -> Result<(Vec<u8>, Whole<R>), ReadError> {
    let mut start = Vec::with_capacity(START_BYTES);
    let read = input
        .by_ref()
        .take(START_BYTES as u64)
        .read_to_end(&mut start);
    read.map_err(|source| ReadError::io(file, encoding, source))?;
    Ok((start.clone(), Cursor::new(start).chain(input)))
}
