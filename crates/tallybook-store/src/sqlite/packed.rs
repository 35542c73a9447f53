//! How batches and blobs are stored: compressed when that makes them smaller.
//!
//! Invariant: what is unpacked has the size that was packed; a compressed value also carries
//! zstd's checksum, so a changed byte is an error and never another value.

use super::failure::Failure;
use std::sync::Arc;

/// Level 1: the writer must not wait, and higher levels gain a few percent on packed columns.
const LEVEL: i32 = 1;

/// No value is larger: blobs are at most some megabytes. Keeps a damaged size from being allocated.
const LARGEST: usize = 1 << 30;

const PLAIN: i64 = 0;
const ZSTD: i64 = 1;

/// Bytes ready to be stored.
#[derive(Debug)]
pub(super) enum Packed {
    Plain(Arc<[u8]>),
    Zstd { size: usize, bytes: Vec<u8> },
}

impl Packed {
    pub(super) fn new(bytes: Arc<[u8]>) -> Result<Self, Failure> {
        if bytes.len() > LARGEST {
            return Err(Failure::refused(
                "storing a batch or blob",
                format!("{} bytes are more than {LARGEST}", bytes.len()),
            ));
        }
        let compressed = compress(&bytes)
            .map_err(|error| Failure::refused("compressing a batch or blob", error.to_string()))?;
        if compressed.len() < bytes.len() {
            return Ok(Self::Zstd {
                size: bytes.len(),
                bytes: compressed,
            });
        }
        Ok(Self::Plain(bytes))
    }

    /// The byte that says how [`Packed::bytes`] are to be read.
    pub(super) fn codec(&self) -> i64 {
        match self {
            Self::Plain(_) => PLAIN,
            Self::Zstd { .. } => ZSTD,
        }
    }

    /// The size before compression, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Zstd { size, .. } => *size,
        }
    }

    /// What is stored.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Zstd { bytes, .. } => bytes,
        }
    }
}

/// The bytes that were packed; `what` names their row.
pub(super) fn unpack(
    codec: i64,
    size: i64,
    bytes: Vec<u8>,
    what: &str,
) -> Result<Vec<u8>, Failure> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= LARGEST)
        .ok_or_else(|| Failure::damaged(what, format!("its size is {size}")))?;
    let unpacked = match codec {
        PLAIN => bytes,
        ZSTD => zstd::bulk::decompress(&bytes, size)
            .map_err(|error| Failure::damaged(what, format!("zstd: {error}")))?,
        other => return Err(Failure::damaged(what, format!("its codec is {other}"))),
    };
    if unpacked.len() != size {
        let detail = format!("it has {} bytes instead of {size}", unpacked.len());
        return Err(Failure::damaged(what, detail));
    }
    Ok(unpacked)
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
            let bytes: Arc<[u8]> = bytes.repeat(repeats).into();
            let packed = Packed::new(Arc::clone(&bytes)).expect("packs");
            let size = i64::try_from(packed.size()).expect("small");
            let unpacked = unpack(packed.codec(), size, packed.bytes().to_vec(), "it");
            prop_assert_eq!(&*unpacked.expect("unpacks"), &*bytes);
            prop_assert!(packed.bytes().len() <= bytes.len());
        }
    }

    #[test]
    fn every_changed_byte_of_a_compressed_value_is_found() {
        let bytes: Arc<[u8]> = b"usage ".repeat(200).into();
        let packed = Packed::new(Arc::clone(&bytes)).expect("packs");
        assert_eq!(packed.codec(), ZSTD);
        for place in 0..packed.bytes().len() {
            let mut damaged = packed.bytes().to_vec();
            damaged[place] ^= 0x55;
            // A changed bit that the format does not use is harmless; a changed value is not.
            if let Ok(unpacked) = unpack(ZSTD, 1200, damaged, "it") {
                assert_eq!(*unpacked, *bytes, "byte {place}");
            }
        }
    }

    #[test]
    fn a_wrong_size_or_codec_is_damage() {
        for (codec, size) in [(PLAIN, 2), (PLAIN, -1), (9, 3), (ZSTD, 3), (ZSTD, i64::MAX)] {
            let result = unpack(codec, size, vec![1, 2, 3], "it");
            assert!(
                matches!(result, Err(Failure::Damaged { .. })),
                "{codec} {size}"
            );
        }
    }
}
