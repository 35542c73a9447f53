//! Blocks of keys: some of a run in order, each with what is known of its event.
//!
//! Invariant: immutable and derived; every entry has the same size, so that a key is found by
//! bisection without unpacking. Look next: [`super::run`], whose index names them.
//!
//! Layout (`TBE1`): entries of 32 bytes: key, content, and batch, index and kind in 64 bits.

use super::keys::{self, Known};
use crate::engine::EngineError;
use crate::engine::blob::{Owner, Unusable, read_derived};
use std::sync::Arc;
use tallybook_core::event::EventKey;
use tallybook_core::ids::{Digest, Seq};
use tallybook_store::Store;

/// The magic bytes of a block.
const BLOCK: &[u8; 4] = b"TBE1";

const ENTRY: usize = 32;

/// A key and its event.
pub(super) type Pair = (EventKey, Known);

/// The bytes of a block, with a valid length.
#[derive(Debug)]
pub(super) struct Block(Vec<u8>);

impl Block {
    /// A block of sorted keys.
    pub(super) fn of(pairs: &[Pair]) -> Self {
        let mut bytes = Vec::with_capacity(BLOCK.len() + pairs.len() * ENTRY);
        bytes.extend_from_slice(BLOCK);
        for (key, known) in pairs {
            bytes.extend_from_slice(&key.0);
            bytes.extend_from_slice(&known.content.to_le_bytes());
            let place = known.place.seq.0 << 24
                | u64::from(known.place.index) << 1
                | u64::from(known.is_correction);
            bytes.extend_from_slice(&place.to_le_bytes());
        }
        Self(bytes)
    }

    /// Reads a block.
    pub(super) async fn read(
        store: &Arc<dyn Store>,
        owner: Owner,
        blob: Digest,
    ) -> Result<Result<Self, Unusable>, EngineError> {
        let read = read_derived(store.as_ref(), owner, blob).await?;
        Ok(read.and_then(|content| {
            let entries = content.strip_prefix(BLOCK);
            if entries.is_some_and(|entries| entries.len().is_multiple_of(ENTRY)) {
                Ok(Self(content.to_vec()))
            } else {
                Err(Unusable::Damaged("it is no block of keys".to_owned()))
            }
        }))
    }

    /// The content of its blob.
    pub(super) fn content(&self) -> &[u8] {
        &self.0
    }

    fn entries(&self) -> &[[u8; ENTRY]] {
        let (entries, _) = self.0[BLOCK.len()..].as_chunks();
        entries
    }

    /// Its keys.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        self.entries().iter().map(decode_entry).collect()
    }

    /// Its entry for a key.
    pub(super) fn find(&self, key: EventKey) -> Option<Pair> {
        let entries = self.entries();
        let place = entries.binary_search_by(|entry| entry[..key.0.len()].cmp(&key.0));
        place.ok().map(|place| decode_entry(&entries[place]))
    }
}

fn decode_entry(entry: &[u8; ENTRY]) -> Pair {
    let (words, _) = entry.as_chunks::<8>();
    let word = |place: usize| u64::from_le_bytes(words[place]);
    let mut key = [0; 16];
    key.copy_from_slice(&entry[..16]);
    let place = word(3);
    let known = Known {
        content: word(2),
        place: keys::Place {
            seq: Seq(place >> 24),
            // 23 bits are enough for the events of a batch.
            index: u32::try_from(place >> 1 & 0x7f_ffff).unwrap_or(u32::MAX),
        },
        is_correction: place & 1 == 1,
    };
    (EventKey(key), known)
}
