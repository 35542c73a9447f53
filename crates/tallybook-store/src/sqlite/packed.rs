//! How batches and blobs are stored: as a zstd frame with a checksum.
//!
//! Invariant: what is unpacked is what was packed. SQLite has no checksums of its own, so even
//! incompressible data is stored in a frame (zstd then keeps the blocks as they are, at the cost of
//! a few bytes): a changed byte is an error, never a different value.

use super::failure::Failure;

/// Level 1: the writer must not wait, and higher levels gain a few percent on packed columns.
const LEVEL: i32 = 1;

/// An upper bound on values: blobs are at most some megabytes. Prevents allocating a damaged size.
const LARGEST: usize = 1 << 30;

/// The codec of every value so far; a new codec would get a new number.
const ZSTD: i64 = 1;

/// Bytes ready to be stored.
#[derive(Debug)]
pub(super) struct Packed {
    size: usize,
    bytes: Vec<u8>,
}

impl Packed {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.len() > LARGEST {
            return Err(Failure::refused(
                "storing a batch or blob",
                format!("{} bytes are more than {LARGEST}", bytes.len()),
            ));
        }
        let compressed = compress(bytes)
            .map_err(|error| Failure::refused("compressing a batch or blob", error.to_string()))?;
        Ok(Self {
            size: bytes.len(),
            bytes: compressed,
        })
    }

    /// Says how [`Packed::bytes`] are to be read.
    pub(super) fn codec(&self) -> i64 {
        ZSTD
    }

    /// The size before compression, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The stored bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The bytes that were packed; `what` names their row.
pub(super) fn unpack(codec: i64, size: i64, bytes: &[u8], what: &str) -> Result<Vec<u8>, Failure> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= LARGEST)
        .ok_or_else(|| Failure::damaged(what, format!("its size is {size}")))?;
    let unpacked = match codec {
        ZSTD => zstd::bulk::decompress(bytes, size)
            .map_err(|error| Failure::damaged(what, format!("zstd: {error}")))?,
        other => return Err(Failure::damaged(what, format!("its codec is {other}"))),
    };
    if unpacked.len() != size {
        let detail = format!("it has {} bytes instead of {size}", unpacked.len());
        return Err(Failure::damaged(what, detail));
    }
    Ok(unpacked)
}

/// The same, for a value of unknown size.
#[cfg(any(test, feature = "testing"))]
pub(super) fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    zstd::stream::decode_all(bytes).ok()
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(bytes: Vec<u8>, repeats in 1_usize..50) {
            let bytes = bytes.repeat(repeats);
            let packed = Packed::new(&bytes).expect("packs");
            let size = i64::try_from(packed.size()).expect("small");
            let unpacked = unpack(packed.codec(), size, packed.bytes(), "it");
            prop_assert_eq!(unpacked.expect("unpacks"), bytes);
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let random = crate::testing::contract::pseudorandom(1200);
        for bytes in [b"usage ".repeat(200), random] {
            let packed = Packed::new(&bytes).expect("packs");
            for place in 0..packed.bytes().len() {
                let mut damaged = packed.bytes().to_vec();
                damaged[place] ^= 0x55;
                // A flipped bit that the format does not use is harmless; a changed value is not.
                if let Ok(unpacked) = unpack(ZSTD, 1200, &damaged, "it") {
                    assert_eq!(unpacked, bytes, "byte {place}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_compress_hardly_grows() {
        let random = crate::testing::contract::pseudorandom(76_000);
        let packed = Packed::new(&random).expect("packs");
        assert!(packed.bytes().len() < 76_000 + 32);
    }

    #[test]
    fn a_wrong_size_or_codec_is_damage() {
        let packed = Packed::new(b"abc").expect("packs");
        for (codec, size) in [(0, 3), (ZSTD, 2), (ZSTD, 4), (ZSTD, -1), (ZSTD, i64::MAX)] {
            let result = unpack(codec, size, packed.bytes(), "it");
            assert!(
                matches!(result, Err(Failure::Damaged { .. })),
                "{codec} {size}"
            );
        }
    }
}
