//! The ledger's byte encoding: little-endian integers, varints and length-prefixed runs.
//!
//! Invariant: reading never panics and never allocates more than the input could hold; anything
//! that is not exactly what a writer wrote is a [`DecodeError`] that says where.

/// Why bytes could not be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("ends at byte {at}, inside {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// A value that no writer writes.
    #[error("{what} at byte {at} is not valid")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// Written by a newer version.
    #[error("{what} has format {found}; this version reads up to {supported}")]
    TooNew {
        /// What was being read.
        what: &'static str,
        /// The format found.
        found: u8,
        /// The newest supported format.
        supported: u8,
    },
    /// The checksum does not match the content.
    #[error("the checksum of {0} does not match its content")]
    Checksum(&'static str),
}

/// Appends values to a byte vector.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Bytes whose length the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An unsigned number; small ones take few bytes.
    pub fn varint(&mut self, value: u64) {
        self.wide(u128::from(value));
    }

    /// A length or count.
    pub fn count(&mut self, value: usize) {
        self.wide(value as u128);
    }

    /// A signed number; small magnitudes take few bytes.
    pub fn signed(&mut self, value: i128) {
        self.wide(((value << 1) ^ (value >> 127)).cast_unsigned());
    }

    /// Length-prefixed bytes.
    pub fn run(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// Length-prefixed UTF-8 text.
    pub fn text(&mut self, text: &str) {
        self.run(text.as_bytes());
    }

    fn wide(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push((value & 0x7f) as u8);
    }
}

/// Reads values from a byte slice, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error about the value just read.
    #[must_use]
    pub fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { what, at: self.at }
    }

    /// Fails unless everything was read.
    pub fn finish(&self, what: &'static str) -> Result<(), DecodeError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.invalid(what))
        }
    }

    /// One byte.
    pub fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(self.raw(1, what)?[0])
    }

    /// `count` bytes.
    pub fn raw(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        if count > self.left() {
            return Err(DecodeError::Truncated { what, at: self.at });
        }
        let start = self.at;
        self.at += count;
        Ok(&self.bytes[start..self.at])
    }

    /// A fixed number of bytes.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let at = self.at;
        let bytes = self.raw(N, what)?;
        bytes
            .try_into()
            .map_err(|_| DecodeError::Truncated { what, at })
    }

    /// A number.
    pub fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        u64::try_from(self.wide(what)?).map_err(|_| self.invalid(what))
    }

    /// A number that fits 32 bits.
    pub fn varint32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.wide(what)?).map_err(|_| self.invalid(what))
    }

    /// The number of items that follow, each of at least `size` bytes.
    pub fn count(&mut self, size: usize, what: &'static str) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.wide(what)?).map_err(|_| self.invalid(what))?;
        match count.checked_mul(size) {
            Some(bytes) if bytes <= self.left() => Ok(count),
            _ => Err(DecodeError::Truncated { what, at: self.at }),
        }
    }

    /// A signed number.
    pub fn signed(&mut self, what: &'static str) -> Result<i128, DecodeError> {
        let value = self.wide(what)?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Length-prefixed bytes.
    pub fn run(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let count = self.count(1, what)?;
        self.raw(count, what)
    }

    /// Length-prefixed UTF-8 text.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.run(what)?;
        std::str::from_utf8(bytes).map_err(|_| self.invalid(what))
    }

    fn wide(&mut self, what: &'static str) -> Result<u128, DecodeError> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return Err(self.invalid(what));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.invalid(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(a: u64, b: i128, c: Vec<u8>, d: String) {
            let mut writer = Writer::new();
            writer.varint(a);
            writer.signed(b);
            writer.run(&c);
            writer.text(&d);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint("a").unwrap(), a);
            prop_assert_eq!(reader.signed("b").unwrap(), b);
            prop_assert_eq!(reader.run("c").unwrap(), c.as_slice());
            prop_assert_eq!(reader.text("d").unwrap(), d.as_str());
            prop_assert!(reader.finish("end").is_ok());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.left() > 0 {
                if reader.signed("x").is_err() || reader.run("y").is_err() {
                    break;
                }
            }
        }
    }
}
