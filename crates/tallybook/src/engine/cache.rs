//! Statements in memory: the least recently used dropped first.
//!
//! Invariant: cached values and values being built together never exceed the limit, whatever the
//! load; a single larger value is built alone. Summaries and tables are cached separately: tables
//! are much larger, and most queries need at most one of them. Short statements are cached only
//! while their account is: those of thousands of small accounts would fill memory with values that
//! are quick to rebuild.

use lru::LruCache;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::statement::{Detail, Source, Table};
use tokio::sync::{AcquireError, OnceCell, OwnedSemaphorePermit, Semaphore};

/// The slot of a value, filled once it has been built.
pub(super) type Slot<T> = Arc<OnceCell<T>>;

/// The unit for memory reserved for values being built, in bytes.
const UNIT: usize = 4096;

const DETAILS: [Detail; 2] = [Detail::Lines, Detail::Days];

/// A statement of at most this many bytes is read or rebuilt in about a millisecond.
const SHORT: usize = 64 * 1024;

/// Statements by their fingerprints.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    /// One permit per unit of memory for values being built.
    making: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    summaries: LruCache<Digest, Entry<Source>>,
    tables: LruCache<(Digest, Detail), Entry<Arc<Table>>>,
    /// The summaries of each account.
    logs: HashMap<LogId, HashSet<Digest>>,
    /// The account of each summary; one shared by two accounts belongs to the first that asked.
    owners: HashMap<Digest, LogId>,
    /// Incremented with each use, to compare the age of summaries and tables.
    uses: u64,
    /// Bytes of cached values.
    bytes: usize,
    /// Bytes reserved for values being built.
    reserved: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            summaries: LruCache::unbounded(),
            tables: LruCache::unbounded(),
            logs: HashMap::new(),
            owners: HashMap::new(),
            uses: 0,
            bytes: 0,
            reserved: 0,
        }
    }
}

#[derive(Debug)]
struct Entry<T> {
    slot: Slot<T>,
    used: u64,
    /// 0 until it is built.
    bytes: usize,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            slot: Slot::default(),
            used: 0,
            bytes: 0,
        }
    }
}

/// Memory reserved for a value being built; released when dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    cache: &'a Cache,
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.cache.state().reserved -= self.bytes;
    }
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        let units = (limit / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            limit,
            making: Arc::new(Semaphore::new(units)),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of an account's summary, or short statement.
    pub(super) fn summary(&self, log: LogId, fingerprint: Digest) -> Slot<Source> {
        let mut state = self.state();
        let used = state.next_use();
        if !state.summaries.contains(&fingerprint) {
            state.logs.entry(log).or_default().insert(fingerprint);
            state.owners.insert(fingerprint, log);
        }
        use_slot(&mut state.summaries, fingerprint, used)
    }

    /// The slot of a table of a long statement.
    pub(super) fn table(&self, fingerprint: Digest, detail: Detail) -> Slot<Arc<Table>> {
        let mut state = self.state();
        let used = state.next_use();
        use_slot(&mut state.tables, (fingerprint, detail), used)
    }

    /// Waits until there is room to build a value, and evicts cached values to make room.
    pub(super) async fn room(&self, bytes: usize) -> Result<Room<'_>, AcquireError> {
        let most = self.limit / UNIT;
        let units = u32::try_from(bytes.div_ceil(UNIT).min(most)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.making).acquire_many_owned(units).await?;
        let mut state = self.state();
        state.reserved += bytes;
        state.shrink(self.limit, None);
        drop(state);
        Ok(Room {
            cache: self,
            bytes,
            _permit: permit,
        })
    }

    /// Counts a built value, and evicts others until the limit holds. Does nothing if it was
    /// dropped in the meantime.
    pub(super) fn made(&self, fingerprint: Digest) {
        let mut state = self.state();
        let State {
            summaries,
            tables,
            bytes,
            ..
        } = &mut *state;
        *bytes += weigh(summaries.peek_mut(&fingerprint), Source::memory);
        for detail in DETAILS {
            let table = tables.peek_mut(&(fingerprint, detail));
            *bytes += weigh(table, |table| table.memory());
        }
        state.shrink(self.limit, Some(fingerprint));
    }

    /// Drops a statement that will not be requested again.
    pub(super) fn forget(&self, fingerprint: Digest) {
        self.state().remove(fingerprint);
    }

    /// Drops an account's short statements; those that are slow to rebuild stay.
    pub(super) fn forget_short(&self, log: LogId) {
        let mut state = self.state();
        let known = state.logs.get(&log).into_iter().flatten();
        // One being built has size 0. It stays, because it must not be built twice.
        let is_short = |it: &&Digest| (1..=SHORT).contains(&state.size(**it));
        let short: Vec<Digest> = known.filter(is_short).copied().collect();
        short.into_iter().for_each(|it| state.remove(it));
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }
}

fn use_slot<K: Eq + Hash, T>(entries: &mut LruCache<K, Entry<T>>, key: K, used: u64) -> Slot<T> {
    let entry = entries.get_or_insert_mut(key, Entry::default);
    entry.used = used;
    Arc::clone(&entry.slot)
}

/// Sets an entry's size once it is built, and returns the increase.
fn weigh<T>(entry: Option<&mut Entry<T>>, memory: impl Fn(&T) -> usize) -> usize {
    let Some(entry) = entry else {
        return 0;
    };
    let before = entry.bytes;
    entry.bytes = entry.slot.get().map_or(0, memory);
    entry.bytes - before
}

impl State {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    /// Evicts the least recently used values, except those of `keep`, until the limit holds or
    /// nothing is left to evict.
    fn shrink(&mut self, limit: usize, keep: Option<Digest>) {
        while self.bytes + self.reserved > limit {
            let summary = oldest(&self.summaries, |it| Some(*it) == keep);
            let table = oldest(&self.tables, |(it, _)| Some(*it) == keep);
            match (summary, table) {
                (None, None) => return,
                (Some((used, fingerprint)), table)
                    if table.is_none_or(|(other, _)| used < other) =>
                {
                    self.remove_summary(fingerprint);
                }
                (_, Some((_, key))) => self.remove_table(key),
                (Some((_, fingerprint)), None) => self.remove_summary(fingerprint),
            }
        }
    }

    /// Bytes of a statement.
    fn size(&self, fingerprint: Digest) -> usize {
        let summary = self.summaries.peek(&fingerprint).map_or(0, |it| it.bytes);
        let table = |detail| self.tables.peek(&(fingerprint, detail));
        let tables = DETAILS.into_iter().filter_map(table);
        summary + tables.map(|it| it.bytes).sum::<usize>()
    }

    fn remove(&mut self, fingerprint: Digest) {
        self.remove_summary(fingerprint);
        for detail in DETAILS {
            self.remove_table((fingerprint, detail));
        }
    }

    fn remove_table(&mut self, key: (Digest, Detail)) {
        let table = self.tables.pop(&key);
        self.bytes -= table.map_or(0, |it| it.bytes);
    }

    fn remove_summary(&mut self, fingerprint: Digest) {
        let summary = self.summaries.pop(&fingerprint);
        self.bytes -= summary.map_or(0, |it| it.bytes);
        if let Some(log) = self.owners.remove(&fingerprint)
            && let Some(known) = self.logs.get_mut(&log)
        {
            known.remove(&fingerprint);
            if known.is_empty() {
                self.logs.remove(&log);
            }
        }
    }
}

/// The least recently used built entry, except the one to keep: its last use and its key.
fn oldest<K: Copy + Eq + Hash, T>(
    entries: &LruCache<K, Entry<T>>,
    keep: impl Fn(&K) -> bool,
) -> Option<(u64, K)> {
    let mut oldest_first = entries.iter().rev();
    let oldest = oldest_first.find(|(key, entry)| entry.bytes > 0 && !keep(key));
    oldest.map(|(key, entry)| (entry.used, *key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_core::dimension::Dimension;
    use tallybook_core::money::Price;
    use tallybook_core::rate::RateKey;
    use tallybook_core::statement::build::{BuilderLine, StatementBuilder};
    use tallybook_core::time::Month;

    fn source() -> Source {
        source_of(0)
    }

    fn source_of(lines: u16) -> Source {
        let mut builder = StatementBuilder::new(Month::new(2026, 1).unwrap());
        let rate = RateKey {
            folded_sku: "a".to_owned(),
            sku: "a".to_owned(),
            product: "b".to_owned(),
            unit: "c".to_owned(),
            price: Price::ZERO,
        };
        let rate = builder.rate(rate, None);
        for line in 0..lines {
            let name = line.to_string();
            let names = Dimension::ALL.map(|dimension| builder.name(dimension, &name));
            builder.push(BuilderLine {
                hour: line % 744,
                rate,
                names,
                quantity: i128::from(line),
                gross: 0,
                discount: 0,
            });
        }
        builder.finish().into()
    }

    fn keep(cache: &Cache, number: u8) {
        let fingerprint = Digest([number; 32]);
        cache.summary(LogId(1), fingerprint).set(source()).unwrap();
        cache.made(fingerprint);
    }

    fn is_kept(cache: &Cache, number: u8) -> bool {
        let state = cache.state();
        state.summaries.contains(&Digest([number; 32]))
    }

    #[test]
    fn the_least_recently_used_is_dropped() {
        let one = source().memory();
        let cache = Cache::new(2 * one);
        keep(&cache, 1);
        keep(&cache, 2);
        assert_eq!(cache.bytes(), 2 * one);
        cache.summary(LogId(1), Digest([1; 32]));
        keep(&cache, 3);
        let kept = [1, 2, 3].map(|number| is_kept(&cache, number));
        assert_eq!(kept, [true, false, true]);
        assert_eq!(cache.bytes(), 2 * one);
    }

    #[test]
    fn an_account_takes_its_short_statements_with_it() {
        let cache = Cache::new(1 << 20);
        keep(&cache, 1);
        keep(&cache, 2);
        let digest = Digest([3; 32]);
        assert!(
            source_of(3_000).memory() > SHORT,
            "the test is about a long one"
        );
        cache
            .summary(LogId(1), digest)
            .set(source_of(3_000))
            .unwrap();
        cache.made(digest);
        let unmade = cache.summary(LogId(1), Digest([4; 32]));
        cache
            .summary(LogId(2), Digest([5; 32]))
            .set(source())
            .unwrap();
        cache.made(Digest([5; 32]));
        cache.forget_short(LogId(1));
        let kept = [1, 2, 3, 4, 5].map(|number| is_kept(&cache, number));
        assert_eq!(kept, [false, false, true, true, true]);
        assert_eq!(cache.bytes(), source_of(3_000).memory() + source().memory());
        drop(unmade);
        cache.forget(digest);
        cache.forget(Digest([4; 32]));
        cache.forget_short(LogId(2));
        let state = cache.state();
        assert_eq!(
            (state.bytes, state.logs.len(), state.owners.len()),
            (0, 0, 0)
        );
    }

    #[tokio::test]
    async fn room_is_made_and_given_back() {
        let one = source().memory();
        let cache = Cache::new(2 * one);
        keep(&cache, 1);
        keep(&cache, 2);
        let room = cache.room(one).await.unwrap();
        assert_eq!(cache.bytes(), one, "in the place of what was kept");
        keep(&cache, 3);
        assert_eq!(cache.bytes(), one);
        drop(room);
        keep(&cache, 4);
        assert_eq!(cache.bytes(), 2 * one);
    }

    #[tokio::test]
    async fn what_is_larger_than_the_limit_is_made_alone() {
        let cache = Arc::new(Cache::new(10 * UNIT));
        let first = cache.room(1 << 30).await.unwrap();
        let waiting = tokio::spawn({
            let cache = Arc::clone(&cache);
            async move { cache.room(1).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_limit_of_nothing_keeps_only_the_newest() {
        let cache = Cache::new(0);
        drop(cache.room(100).await.unwrap());
        keep(&cache, 1);
        keep(&cache, 2);
        assert_eq!([1, 2].map(|number| is_kept(&cache, number)), [false, true]);
    }
}
