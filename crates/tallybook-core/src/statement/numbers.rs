//! Columns of numbers under construction.
//!
//! Invariant: values are kept exactly as given. Look next: [`crate::packed`], their final form.

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

/// The values in another order: gathered first, which takes the cache misses once, then packed
/// sequentially. The original is freed before packing, because a large month's columns take most of
/// the memory.
pub(super) fn gather<T: Copy>(values: Vec<T>, order: &[u32]) -> Vec<T> {
    order.iter().map(|line| values[*line as usize]).collect()
}
