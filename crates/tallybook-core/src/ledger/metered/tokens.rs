//! Token counts that events carry, summed alongside their quantities.
//!
//! Invariant: a sum of signed counts, so that order never matters. A batch of the first format does
//! not record the token counts of a target that it takes back: they are unknown, and make the sum
//! unknown.

use crate::event::Tokens;

/// Sums of token counts: input, output, read from a cache, written to one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenSums {
    /// The counts.
    pub(super) counts: [i128; 4],
    /// How many events state each.
    pub(super) said: [i64; 4],
    /// How many events with unknown counts were taken back.
    pub(super) unknown: i64,
}

impl TokenSums {
    /// Those of one event, `times` being 1 to add it and -1 to take it back; `None` when it has no
    /// counts.
    pub(super) fn of(tokens: Option<Tokens>, times: i64) -> Option<Box<Self>> {
        let mut sums = Self::default();
        match tokens {
            None => sums.unknown = 1,
            Some(tokens) => {
                for (place, count) in tokens.counts().into_iter().enumerate() {
                    let Some(count) = count else { continue };
                    sums.counts[place] = i128::from(count) * i128::from(times);
                    sums.said[place] = times;
                }
            }
        }
        (!sums.is_nothing()).then(|| Box::new(sums))
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        for (sum, events) in self.said.iter_mut().zip(other.said) {
            *sum += events;
        }
        self.unknown += other.unknown;
    }

    /// The counts that events state.
    #[must_use]
    pub fn known(&self) -> [Option<i128>; 4] {
        std::array::from_fn(|place| (self.said[place] != 0).then_some(self.counts[place]))
    }

    /// Whether no event with unknown counts was taken back.
    #[must_use]
    pub fn all_known(&self) -> bool {
        self.unknown == 0
    }
}
