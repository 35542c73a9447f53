//! Keys in the store: sorted, cut into segments, each with an index and a filter in memory.
//!
//! Invariant: immutable and derived: the keys of all events of some batches. A segment's index
//! names its blocks. Look next: [`super::block`], and [`super::mend`], which rebuilds unreadable
//! parts from the log.
//!
//! Layout of an index (`TBI1`): number of keys; number of blocks, with the first key and the blob
//! of each; the filter.

use super::block::{Block, Pair};
use super::filter::Filter;
use super::keys::Known;
use crate::engine::EngineError;
use crate::engine::blob::{Owner, Unusable, read_derived, warn_unusable};
use crate::engine::checkpoint::{RunKnown, SegmentKnown};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::event::EventKey;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::time::Instant;
use tallybook_store::Store;

/// Keys per block, which is read as a whole and named by the in-memory index. Smaller blocks make
/// lookups faster but take more memory: this size costs 0.19 bytes per key on top of the filter's
/// 1.5.
const BLOCK_KEYS: usize = 256;

/// Keys per segment, whose index is read as a whole.
pub(super) const SEGMENT_KEYS: usize = 1 << 20;

/// How many blocks are written or read at a time.
const AT_A_TIME: usize = 128;

/// Sorted keys in the store.
#[derive(Debug, Clone)]
pub(super) struct Run {
    log: LogId,
    /// The batch before its first one.
    after: Seq,
    /// Its last batch.
    through: Seq,
    segments: Vec<Arc<Segment>>,
}

/// A part of a run.
#[derive(Debug)]
pub(super) struct Segment {
    /// The blob of its index.
    pub index: Digest,
    count: usize,
    /// The blocks, by their first keys.
    blocks: Vec<(EventKey, Digest)>,
    filter: Filter,
}

/// A block's position in a run: its segment, and its index there.
pub(super) type Place = (usize, usize);

impl Run {
    /// An empty run of the batches after one and through another.
    pub(super) fn new(log: LogId, after: Seq, through: Seq) -> Self {
        let segments = Vec::new();
        Self {
            log,
            after,
            through,
            segments,
        }
    }

    /// Adds a segment, whose keys come after those of the others.
    pub(super) fn push(&mut self, segment: Segment) {
        self.segments.push(Arc::new(segment));
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.count).sum()
    }

    /// The batch before its first one, and its last one.
    pub(super) fn batches(&self) -> (Seq, Seq) {
        (self.after, self.through)
    }

    /// The owner of its blobs.
    pub(super) fn owner(&self) -> Owner {
        Owner::through(self.log, self.through)
    }

    /// Its entry in a manifest.
    pub(super) fn known(&self) -> RunKnown {
        let segments = self.segments.iter().filter_map(|segment| {
            let (first, index) = (segment.blocks.first()?.0, segment.index);
            Some(SegmentKnown { first, index })
        });
        RunKnown {
            through: self.through,
            segments: segments.collect(),
        }
    }

    /// Stores sorted keys, merged with the runs that this run replaces; the run must be empty.
    /// Holds one segment in memory.
    pub(super) async fn write(
        mut self,
        store: &Arc<dyn Store>,
        at: Instant,
        pairs: &[Pair],
        runs: &[Self],
    ) -> Result<Self, EngineError> {
        let mut cursors: Vec<Cursor> = runs.iter().map(Cursor::new).collect();
        for cursor in &mut cursors {
            cursor.fill(store).await?;
        }
        let mut pairs = pairs.iter().copied().peekable();
        loop {
            let mut segment: Vec<Pair> = Vec::new();
            while segment.len() < SEGMENT_KEYS {
                let least = cursors.iter_mut().filter(|cursor| cursor.head().is_some());
                let least = least.min_by_key(|cursor| cursor.head().map(|(key, _)| key));
                let new = pairs.peek().map(|(key, _)| *key);
                match least {
                    Some(cursor)
                        if new.is_none_or(|new| cursor.head().is_some_and(|it| it.0 < new)) =>
                    {
                        segment.extend(cursor.head());
                        cursor.advance(store).await?;
                    }
                    _ => match pairs.next() {
                        Some(pair) => segment.push(pair),
                        None => break,
                    },
                }
            }
            if segment.is_empty() {
                return Ok(self);
            }
            let segment = Segment::write(store, self.owner(), at, &segment).await?;
            self.push(segment);
        }
    }

    /// Adds to `found` those of the sorted `keys` that the run has, and returns those whose block
    /// can't be read.
    pub(super) async fn find(
        &self,
        store: &Arc<dyn Store>,
        keys: &[EventKey],
        found: &mut HashMap<EventKey, Known>,
    ) -> Result<BTreeMap<Place, Vec<EventKey>>, EngineError> {
        let mut blocks: Vec<(Place, Vec<EventKey>)> = Vec::new();
        for key in keys {
            let Some(place) = self.block_of(*key) else {
                continue;
            };
            match blocks.last_mut() {
                Some((last, keys)) if *last == place => keys.push(*key),
                _ => blocks.push((place, vec![*key])),
            }
        }
        let mut read = stream::iter(blocks)
            .map(|(place, keys)| async move {
                let block = self.block(store, place).await?;
                Ok::<_, EngineError>((place, block, keys))
            })
            .buffered(AT_A_TIME);
        let mut lost = BTreeMap::new();
        while let Some((place, block, keys)) = read.try_next().await? {
            match block {
                Some(block) => found.extend(keys.into_iter().filter_map(|key| block.find(key))),
                None => drop(lost.insert(place, keys)),
            }
        }
        Ok(lost)
    }

    /// Whether it may have a key; false means it certainly does not.
    pub(super) fn may_have(&self, key: EventKey) -> bool {
        self.block_of(key).is_some()
    }

    /// Whether it is the same run: segments are named by their content.
    pub(super) fn is(&self, other: &Self) -> bool {
        let mine = self.segments.iter().map(|segment| segment.index);
        mine.eq(other.segments.iter().map(|segment| segment.index))
    }

    /// The block that may have a key.
    pub(super) fn block_of(&self, key: EventKey) -> Option<Place> {
        let place = self.place_of(key)?;
        self.segments[place.0].filter.passes(key).then_some(place)
    }

    /// The block whose key range includes a key.
    pub(super) fn place_of(&self, key: EventKey) -> Option<Place> {
        let begins = |segment: &Arc<Segment>| segment.blocks.first().is_some_and(|it| it.0 <= key);
        let segment = self.segments.partition_point(begins).checked_sub(1)?;
        let blocks = &self.segments[segment].blocks;
        let block = blocks.partition_point(|(first, _)| *first <= key);
        Some((segment, block.checked_sub(1)?))
    }

    /// The blocks, in the order of their keys.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let segments = self.segments.iter().enumerate();
        segments.flat_map(|(number, segment)| {
            let blocks = 0..segment.blocks.len();
            blocks.map(move |block| (number, block))
        })
    }

    /// The blobs of a block's index and of the block.
    pub(super) fn names_of(&self, (segment, block): Place) -> (Digest, Digest) {
        let segment = &self.segments[segment];
        (segment.index, segment.blocks[block].1)
    }

    /// Reads a block; `None`, after a warning, when it can't be used.
    pub(super) async fn block(
        &self,
        store: &Arc<dyn Store>,
        place: Place,
    ) -> Result<Option<Block>, EngineError> {
        let (_, blob) = self.names_of(place);
        let read = Block::read(store, self.owner(), blob).await?;
        Ok(read
            .inspect_err(|reason| warn_unusable(self.log, blob, "a block of events' keys", reason))
            .ok())
    }

    /// For each index, the blobs of its blocks.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (Digest, Vec<Digest>)> + '_ {
        let segments = self.segments.iter();
        segments.map(|segment| (segment.index, segment.blocks().collect()))
    }
}

/// Iterates over a run in order, a block at a time.
struct Cursor {
    owner: Owner,
    blocks: std::vec::IntoIter<Digest>,
    pairs: std::vec::IntoIter<Pair>,
    head: Option<Pair>,
}

impl Cursor {
    fn new(run: &Run) -> Self {
        let blocks = run.segments.iter().flat_map(|segment| &segment.blocks);
        let blocks: Vec<Digest> = blocks.map(|(_, blob)| *blob).collect();
        Self {
            owner: run.owner(),
            blocks: blocks.into_iter(),
            pairs: Vec::new().into_iter(),
            head: None,
        }
    }

    /// The next pair.
    fn head(&self) -> Option<Pair> {
        self.head
    }

    async fn advance(&mut self, store: &Arc<dyn Store>) -> Result<(), EngineError> {
        self.head = self.pairs.next();
        if self.head.is_none() {
            self.fill(store).await?;
        }
        Ok(())
    }

    /// Reads the next block.
    async fn fill(&mut self, store: &Arc<dyn Store>) -> Result<(), EngineError> {
        if let Some(blob) = self.blocks.next() {
            let block = Block::read(store, self.owner, blob).await?;
            let block = block.map_err(|error| EngineError::damaged(blob_name(blob), error))?;
            self.pairs = block.pairs().into_iter();
            self.head = self.pairs.next();
        }
        Ok(())
    }
}

impl Segment {
    /// Stores sorted keys.
    pub(super) async fn write(
        store: &Arc<dyn Store>,
        owner: Owner,
        at: Instant,
        pairs: &[Pair],
    ) -> Result<Self, EngineError> {
        let mut filter = Filter::new(pairs.len());
        pairs.iter().for_each(|(key, _)| filter.add(*key));
        let writes = pairs.chunks(BLOCK_KEYS).map(|pairs| {
            let (store, first) = (Arc::clone(store), pairs[0].0);
            let bytes = owner.blob(Block::of(pairs).content());
            async move { Ok::<_, EngineError>((first, store.put_blob(bytes.into(), at).await?)) }
        });
        let writes: Vec<_> = writes.collect();
        let blocks = stream::iter(writes).buffered(AT_A_TIME);
        let blocks: Vec<(EventKey, Digest)> = blocks.try_collect().await?;
        let mut out = Writer::new();
        out.raw(b"TBI1");
        out.count(pairs.len());
        out.count(blocks.len());
        for (first, blob) in &blocks {
            out.raw(&first.0);
            out.raw(&blob.0);
        }
        out.run(&filter.encode());
        let bytes = owner.blob(&out.finish());
        let index = store.put_blob(bytes.into(), at).await?;
        Ok(Self {
            index,
            count: pairs.len(),
            blocks,
            filter,
        })
    }

    /// The blobs of its blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Digest> + '_ {
        self.blocks.iter().map(|(_, blob)| *blob)
    }

    /// Reads a segment's index.
    pub(super) async fn read(
        store: &Arc<dyn Store>,
        owner: Owner,
        index: Digest,
    ) -> Result<Result<Self, Unusable>, EngineError> {
        let read = read_derived(store.as_ref(), owner, index).await?;
        Ok(read.and_then(|content| {
            let decoded = Self::decode(index, &content);
            decoded.map_err(|error| Unusable::Damaged(error.to_string()))
        }))
    }

    fn decode(index: Digest, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.raw(4, "index")? != b"TBI1" {
            return Err(r.invalid("the start of an index"));
        }
        let keys = usize::try_from(r.varint("keys")?).map_err(|_| r.invalid("keys"))?;
        let count = r.count(48, "blocks")?;
        let blocks = (0..count)
            .map(|_| Ok((EventKey(r.array("key")?), Digest(r.array("block")?))))
            .collect::<Result<Vec<_>, DecodeError>>()?;
        let filter = Filter::decode(r.run("filter")?).ok_or_else(|| r.invalid("filter"))?;
        r.finish("index")?;
        Ok(Self {
            index,
            count: keys,
            blocks,
            filter,
        })
    }
}

fn blob_name(blob: Digest) -> String {
    format!("blob {blob}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metering::keys;
    use tallybook_core::ids::LogId;
    use tallybook_store::testing::MemoryStore;

    fn pairs(numbers: std::ops::Range<u32>) -> Vec<Pair> {
        let pair = |number: u32| {
            let known = Known {
                content: u64::from(number),
                place: keys::Place {
                    seq: Seq(u64::from(number) + 1),
                    index: number % 10_000,
                },
                is_correction: number.is_multiple_of(3),
            };
            (EventKey::new(LogId(1), "/test", &number.to_string()), known)
        };
        let mut pairs: Vec<Pair> = numbers.map(pair).collect();
        pairs.sort_by_key(|(key, _)| *key);
        pairs
    }

    fn empty() -> Run {
        Run::new(LogId(1), Seq(0), Seq(9_000))
    }

    #[tokio::test]
    async fn every_key_of_a_run_is_found_and_no_other() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let stored = pairs(0..5_000);
        let run = empty().write(&store, at, &stored, &[]);
        let run = run.await.unwrap();
        let mut read = empty();
        for segment in run.known().segments {
            let segment = Segment::read(&store, run.owner(), segment.index).await;
            read.push(segment.unwrap().unwrap());
        }
        assert_eq!((read.len(), read.is(&run)), (5_000, true));
        let keys: Vec<EventKey> = pairs(0..10_000).iter().map(|(key, _)| *key).collect();
        let mut found = HashMap::new();
        let lost = read.find(&store, &keys, &mut found).await.unwrap();
        assert!(lost.is_empty());
        assert_eq!(found, stored.into_iter().collect());
    }

    #[tokio::test]
    async fn runs_are_joined() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let write = async |numbers, runs: &[Run]| {
            let written = empty().write(&store, at, &pairs(numbers), runs).await;
            written.unwrap()
        };
        let runs = [write(0..3_000, &[]).await, write(3_000..3_500, &[]).await];
        let joined = write(3_500..4_000, &runs).await;
        assert!(joined.is(&write(0..4_000, &[]).await));
    }

    #[tokio::test]
    async fn keys_of_a_block_that_is_gone_are_named() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let stored = pairs(0..1_000);
        let run = empty().write(&store, at, &stored, &[]).await.unwrap();
        let (_, gone) = run.names_of((0, 2));
        store.delete_blobs(vec![gone], None).await.unwrap();
        let keys: Vec<EventKey> = pairs(0..1_000).iter().map(|(key, _)| *key).collect();
        let mut found = HashMap::new();
        let lost = run.find(&store, &keys, &mut found).await.unwrap();
        assert_eq!(lost.keys().collect::<Vec<_>>(), [&(0, 2)]);
        assert_eq!(lost[&(0, 2)], keys[512..768]);
        assert_eq!(found.len(), 1_000 - 256);
    }
}
