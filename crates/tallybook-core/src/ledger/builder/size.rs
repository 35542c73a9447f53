//! How much memory an import under construction holds, and how much it may hold.

/// The limits of one import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Distinct names and texts; they may take 256 bytes each on average.
    pub names: usize,
    /// Sums by day, SKU and organization, and repositories by organization, of each file.
    pub sums: usize,
}

/// Average bytes that a name may take.
pub(super) const NAME_BYTES: usize = 256;

impl Default for Most {
    fn default() -> Self {
        Self {
            names: usize::MAX,
            sums: usize::MAX,
        }
    }
}

/// An import exceeds its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Too many names.
    #[error("the import has more than {0} different names")]
    Names(usize),
    /// Too many bytes of names.
    #[error("the different names in the import have more than {0} bytes")]
    NameBytes(usize),
    /// Too many sums.
    #[error("the import has more than {0} sums by day, SKU, organization and repository")]
    Sums(usize),
}

/// What an import holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    names: usize,
    name_bytes: usize,
    sums: usize,
}

impl Size {
    pub(super) fn add_name(&mut self, text: &str) {
        self.names += 1;
        self.name_bytes += text.len();
    }

    /// Adds bytes of texts that no table keeps: [`Self::release`] them with their chunk.
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.name_bytes += bytes;
    }

    /// Releases memory that [`Self::add_bytes`] counted.
    pub(super) fn release(&mut self, bytes: usize) {
        self.name_bytes -= bytes;
    }

    pub(super) fn add_sums(&mut self, count: usize) {
        self.sums += count;
    }

    pub(super) fn check(&self, most: &Most) -> Result<(), TooMuch> {
        let most_bytes = most.names.saturating_mul(NAME_BYTES);
        if self.names > most.names {
            Err(TooMuch::Names(most.names))
        } else if self.name_bytes > most_bytes {
            Err(TooMuch::NameBytes(most_bytes))
        } else if self.sums > most.sums {
            Err(TooMuch::Sums(most.sums))
        } else {
            Ok(())
        }
    }
}
