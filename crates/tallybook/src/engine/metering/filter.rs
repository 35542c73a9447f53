//! A filter in front of a run of keys, which rules out most keys that are not in the run.
//!
//! Invariant: no false negatives. A blocked Bloom filter: all bits of a key are in one block of 64
//! bytes, so a lookup costs one cache miss. Keys are already hashes.

use tallybook_core::event::EventKey;

/// Bits per key: a false-positive rate of about one in 200.
const BITS_A_KEY: usize = 12;
const BITS_SET: u32 = 6;
const BLOCK_BITS: usize = 512;
const WORDS: usize = BLOCK_BITS / 64;

/// A Bloom filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<[u64; WORDS]>,
}

impl Filter {
    /// An empty filter for `count` keys.
    pub(super) fn new(count: usize) -> Self {
        let blocks = (count * BITS_A_KEY).div_ceil(BLOCK_BITS).max(1);
        Self {
            blocks: vec![[0; WORDS]; blocks],
        }
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: EventKey) {
        let (block, mut bits) = self.place(key);
        for _ in 0..BITS_SET {
            self.blocks[block][(bits & 7) as usize] |= 1 << ((bits >> 3) & 63);
            bits >>= 9;
        }
    }

    /// Whether a key may be in the run.
    pub(super) fn passes(&self, key: EventKey) -> bool {
        let (block, mut bits) = self.place(key);
        let block = &self.blocks[block];
        (0..BITS_SET).all(|_| {
            let set = block[(bits & 7) as usize] & (1 << ((bits >> 3) & 63)) != 0;
            bits >>= 9;
            set
        })
    }

    /// The block, and the bits that select positions in it. Runs are partitioned by the first bytes
    /// of a key, so its last bytes choose the block.
    fn place(&self, key: EventKey) -> (usize, u64) {
        let [a0, a1, a2, a3, a4, a5, a6, a7, b @ ..] = key.0;
        let bits = u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]);
        let chosen = u128::from(u64::from_le_bytes(b)) * self.blocks.len() as u128;
        // The high half of the product is below the number of blocks.
        let block = usize::try_from(chosen >> 64).unwrap_or_default();
        (block, bits)
    }

    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let words = self.blocks.as_flattened().iter();
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads it back; `None` when the length is not a whole number of blocks.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let (blocks, odd) = words.as_chunks::<WORDS>();
        let whole = rest.is_empty() && odd.is_empty() && !blocks.is_empty();
        whole.then(|| Self {
            blocks: blocks.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_core::ids::LogId;

    fn key(number: u32) -> EventKey {
        EventKey::new(LogId(1), "/test", &number.to_string())
    }

    #[test]
    fn what_was_added_passes_and_little_else() {
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|number| filter.add(key(number)));
        assert!((0..10_000).all(|number| filter.passes(key(number))));
        let passing = (10_000..110_000)
            .filter(|number| filter.passes(key(*number)))
            .count();
        assert!(passing < 1_500, "{passing} of 100,000 others pass");
        assert_eq!(Filter::decode(&filter.encode()), Some(filter));
    }

    #[test]
    fn odd_bytes_are_no_filter() {
        assert_eq!(Filter::decode(&[]), None);
        assert_eq!(Filter::decode(&[0; 65]), None);
        assert_eq!(Filter::decode(&[0; 72]), None);
    }
}
