//! Pseudo-random numbers that are the same for the same seed, on every machine and for ever.
//!
//! SplitMix64 (Steele, Lea, Flood 2014). Invariant: only integers, so nothing depends on a
//! machine's rounding. Not for secrets.

/// A stream of numbers.
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// A separate stream for every sequence of `parts`.
    pub(super) fn new(parts: &[u64]) -> Self {
        let mut random = Self {
            state: 0x7461_6c6c_7962_6f6f,
        };
        for part in parts {
            random.state ^= part.wrapping_mul(0xff51_afd7_ed55_8ccd);
            random.state = random.next();
        }
        random
    }

    /// Any number.
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `end` - 1; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// `low` to `high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True with a probability of `percent` in a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// 1 to 2^`bits`: small numbers often, large ones rarely.
    pub(super) fn skewed(&mut self, bits: u32) -> u64 {
        let magnitude = self.below(u64::from(bits) + 1);
        1 + self.below(1 << magnitude)
    }

    /// An index below `length`; 0 when that is 0.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a usize")]
    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// One of `items`.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// An index by its weight.
    pub(super) fn weighted(&mut self, weights: &Weights) -> usize {
        let total = weights.0.last().copied().unwrap_or(0);
        let at = self.below(total);
        weights.0.partition_point(|sum| *sum <= at)
    }

    /// Shuffles the items.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }
}

/// Running sums of weights.
pub(super) struct Weights(Vec<u64>);

impl FromIterator<u64> for Weights {
    fn from_iter<I: IntoIterator<Item = u64>>(weights: I) -> Self {
        let mut sum = 0;
        let sums = weights.into_iter().map(|weight| {
            sum += weight;
            sum
        });
        Self(sums.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference implementation's first numbers for the state 1234567.
    #[test]
    fn is_splitmix64() {
        let mut random = Random { state: 1_234_567 };
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn weights_decide() {
        let weights: Weights = [0, 3, 0, 1].into_iter().collect();
        let mut random = Random::new(&[1]);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[random.weighted(&weights)] += 1;
        }
        assert_eq!((counts[0], counts[2]), (0, 0));
        assert!(counts[1] > 2 * counts[3] && counts[3] > 500, "{counts:?}");
    }
}
