//! The source of random numbers, for ids, commit ids and salts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random bytes.
#[derive(Debug)]
pub enum Entropy {
    /// The operating system.
    System,
    /// Reproducible bytes, for the demo and tests: the same seed gives the same sequence.
    Seeded {
        /// The seed.
        seed: u64,
        /// How many values were taken.
        taken: AtomicU64,
    },
}

impl Entropy {
    /// A reproducible source.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded {
            seed,
            taken: AtomicU64::new(0),
        }
    }

    /// The next random bytes.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], getrandom::Error> {
        let mut bytes = [0; N];
        match self {
            Self::System => getrandom::fill(&mut bytes)?,
            Self::Seeded { seed, taken } => {
                let index = taken.fetch_add(1, Ordering::Relaxed);
                let mut hasher = blake3::Hasher::new();
                hasher.update(b"tallybook seeded entropy");
                hasher.update(&seed.to_le_bytes());
                hasher.update(&index.to_le_bytes());
                hasher.finalize_xof().fill(&mut bytes);
            }
        }
        Ok(bytes)
    }

    /// A random UUID (version 4).
    pub fn uuid(&self) -> Result<[u8; 16], getrandom::Error> {
        let mut bytes: [u8; 16] = self.bytes()?;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Ok(bytes)
    }
}
