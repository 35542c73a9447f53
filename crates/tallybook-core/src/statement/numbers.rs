//! Columns of numbers in the making.
//!
//! Invariant: every value as it was given. Look next: [`crate::packed`], which they become.

use crate::packed::Packed;

/// Numbers in 8 bytes each, until one does not fit.
#[derive(Debug)]
pub(super) enum Numbers {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Numbers {
    pub(super) fn push(&mut self, value: i128) {
        match self {
            Self::Narrow(values) => match i64::try_from(value) {
                Ok(narrow) => values.push(narrow),
                Err(_) => {
                    let mut wide: Vec<i128> = values.iter().copied().map(i128::from).collect();
                    wide.push(value);
                    *self = Self::Wide(wide);
                }
            },
            Self::Wide(values) => values.push(value),
        }
    }

    pub(super) fn reserve(&mut self, lines: usize) {
        match self {
            Self::Narrow(values) => values.reserve_exact(lines),
            Self::Wide(values) => values.reserve_exact(lines),
        }
    }

    pub(super) fn get(&self, line: usize) -> i128 {
        match self {
            Self::Narrow(values) => i128::from(values[line]),
            Self::Wide(values) => values[line],
        }
    }

    /// The values in another order.
    pub(super) fn gather(self, order: &[u32]) -> Packed {
        match self {
            Self::Narrow(values) => Packed::new(&gather(values, order)),
            Self::Wide(values) => Packed::new(&gather(values, order)),
        }
    }

    pub(super) fn pack(self) -> Packed {
        match self {
            Self::Narrow(values) => Packed::new(&values),
            Self::Wide(values) => Packed::new(&values),
        }
    }
}

/// The values in another order: once through the cache misses, then packed in sequence. What they
/// were in is given up before they are packed: a large month's columns are most of memory.
pub(super) fn gather<T: Copy>(values: Vec<T>, order: &[u32]) -> Vec<T> {
    order.iter().map(|line| values[*line as usize]).collect()
}
