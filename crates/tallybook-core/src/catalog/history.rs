//! A value that holds from a given day until the next one takes over.
//!
//! Invariant: the entries are in order of day, at most one per day. A later layer (a site's own
//! text over the built-in one) replaces everything beneath it from its first day on.

use crate::time::Day;

/// The text that a value came from: 0 for the first, 1 for the one over it, ...
pub(super) type Layer = u8;

/// A value by day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History<T>(Vec<Dated<T>>);

/// A value and the first day on which it holds; `None` is the beginning of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dated<T> {
    from: Option<Day>,
    layer: Layer,
    value: T,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> History<T> {
    /// The value in force on `day`, if there is one by then.
    pub(super) fn on(&self, day: Day) -> Option<T> {
        let holds = |dated: &&Dated<T>| dated.from.is_none_or(|from| from <= day);
        self.0.iter().rev().find(holds).map(|dated| dated.value)
    }

    /// Every value with the first day on which it holds, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Option<Day>, T)> + '_ {
        self.0.iter().map(|dated| (dated.from, dated.value))
    }

    /// Adds a value; false when the same layer already has one on that day or later.
    pub(super) fn add(&mut self, from: Option<Day>, layer: Layer, value: T) -> bool {
        // `None`, the beginning of time, is less than every day.
        let same = |dated: &Dated<T>| dated.layer == layer;
        if self
            .0
            .last()
            .is_some_and(|last| same(last) && last.from >= from)
        {
            return false;
        }
        self.0.retain(|dated| same(dated) || dated.from < from);
        self.0.push(Dated { from, layer, value });
        true
    }
}
