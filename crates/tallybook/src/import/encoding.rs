//! How a report's bytes came: plain, gzip or Zstandard, told by the first bytes and never by name.

use super::error::ReadError;
use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};

/// How the bytes of a report are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// Tells by the first (up to four) bytes; an error says what they are of, when it is nothing
    /// that can be read.
    pub fn detect(start: &[u8]) -> Result<Self, &'static str> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            [b'P', b'K', 3, 4, ..] => Err("a zip archive or an Excel workbook"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err("text in UTF-16"),
            [b'B', b'Z', b'h', ..] => Err("compressed by bzip2"),
            [0xfd, b'7', b'z', b'X', ..] => Err("compressed by xz"),
            _ => Ok(Self::Plain),
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

/// The bytes that told the encoding, and then the rest.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// Reads the decompressed bytes.
pub(super) enum Decoder<R: Read> {
    Plain(Whole<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Whole<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Whole<R>>>),
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

/// Tells how the `input` of the file named `file` is packed and unpacks it.
pub(super) fn decode<R: Read>(
    file: &str,
    mut input: R,
) -> Result<(Encoding, Decoder<R>), ReadError> {
    let mut start = Vec::with_capacity(4);
    let read = input.by_ref().take(4).read_to_end(&mut start);
    read.map_err(|source| ReadError::io(file, None, source))?;
    let encoding = Encoding::detect(&start).map_err(|what| ReadError::Encoding {
        file: file.to_owned(),
        what,
    })?;
    let whole = Cursor::new(start).chain(input);
    let decoder = match encoding {
        Encoding::Plain => Decoder::Plain(whole),
        Encoding::Gzip => {
            let blocks = BufReader::with_capacity(BLOCK_BYTES, whole);
            Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(blocks)))
        }
        Encoding::Zstd => {
            let blocks = BufReader::with_capacity(BLOCK_BYTES, whole);
            let decoder = zstd::stream::read::Decoder::with_buffer(blocks);
            Decoder::Zstd(decoder.map_err(|source| ReadError::io(file, None, source))?)
        }
    };
    Ok((encoding, decoder))
}
