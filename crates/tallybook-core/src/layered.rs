//! A persistent map whose copies share unchanged entries, for state that grows with every commit.
//!
//! A view of an account never changes while the account moves on, so a commit makes a copy. The
//! cost of a copy is its number of layers; each layer is at least twice as large as the next, so
//! there are few, and an entry moves only once per doubling of the map.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// A map in layers; an entry of a later layer hides that of an earlier one.
#[derive(Debug, Clone)]
pub struct Layered<K, V, S = std::hash::RandomState> {
    layers: Vec<Arc<HashMap<K, V, S>>>,
}

impl<K, V, S> Default for Layered<K, V, S> {
    fn default() -> Self {
        Self { layers: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone, S: BuildHasher + Clone + Default> Layered<K, V, S> {
    /// The newest value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.layers.iter().rev().find_map(|layer| layer.get(key))
    }

    /// Whether nothing was ever inserted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Inserts one entry.
    pub fn insert(&mut self, key: K, value: V) {
        if let Some(top) = self.layers.last_mut().and_then(Arc::get_mut) {
            top.insert(key, value);
            return;
        }
        // The top layer is shared, and may have grown before that.
        if let Some(top) = self.layers.pop() {
            self.push(top);
        }
        self.layers
            .push(Arc::new([(key, value)].into_iter().collect()));
    }

    /// Adds entries as the top layer, and merges layers that have become too similar in size.
    pub fn extend(&mut self, entries: HashMap<K, V, S>) {
        if entries.is_empty() {
            return;
        }
        self.settle();
        self.push(Arc::new(entries));
    }

    /// Merges the top layer, which may have grown since it was pushed, with layers that it has
    /// outgrown.
    fn settle(&mut self) {
        if let Some(top) = self.layers.pop() {
            self.push(top);
        }
    }

    fn push(&mut self, mut top: Arc<HashMap<K, V, S>>) {
        while let Some(below) = self.layers.pop_if(|below| below.len() < 2 * top.len()) {
            let mut joined = Arc::unwrap_or_clone(below);
            joined.extend(Arc::unwrap_or_clone(top));
            top = Arc::new(joined);
        }
        self.layers.push(top);
    }

    /// How many entries are in layers that two maps share.
    #[cfg(test)]
    pub(crate) fn shared_with(&self, other: &Self) -> usize {
        let is_shared = |layer: &&Arc<_>| other.layers.iter().any(|one| Arc::ptr_eq(one, layer));
        let shared = self.layers.iter().filter(is_shared);
        shared.map(|layer| layer.len()).sum()
    }

    /// Every key with its newest value, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let layers = self.layers.iter().enumerate();
        layers.flat_map(move |(place, layer)| {
            let hidden = move |key: &K| {
                let later = &self.layers[place + 1..];
                later.iter().any(|layer| layer.contains_key(key))
            };
            layer.iter().filter(move |(key, _)| !hidden(key))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// However entries are inserted, copies keep what they had, and lookups find a key's newest
        /// value.
        #[test]
        fn it_is_a_map(portions: Vec<Vec<(u8, u32)>>) {
            let mut layered: Layered<u8, u32> = Layered::default();
            let mut model = BTreeMap::new();
            for portion in portions {
                let (copy, before) = (layered.clone(), model.clone());
                model.extend(portion.iter().copied());
                if portion.len() % 2 == 0 {
                    layered.extend(portion.into_iter().collect());
                } else {
                    portion.into_iter().for_each(|(key, value)| layered.insert(key, value));
                }
                prop_assert_eq!(sorted(&copy), before);
            }
            prop_assert_eq!(sorted(&layered), model.clone());
            for key in 0..=u8::MAX {
                prop_assert_eq!(layered.get(&key), model.get(&key));
            }
        }
    }

    fn sorted(layered: &Layered<u8, u32>) -> BTreeMap<u8, u32> {
        layered.iter().map(|(key, value)| (*key, *value)).collect()
    }

    #[test]
    fn layers_stay_few() {
        let mut layered: Layered<u32, ()> = Layered::default();
        for key in 0..10_000 {
            let copy = layered.clone();
            layered.extend([(key, ())].into());
            (0..10).for_each(|more| layered.insert(100_000 + 10 * key + more, ()));
            drop(copy);
        }
        assert!(layered.layers.len() < 20, "{} layers", layered.layers.len());
    }
}
