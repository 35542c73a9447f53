//! Keys in the store: sorted, cut into segments, each with an index and a filter in memory.
//!
//! Invariant: immutable and derived. A segment's index names its blocks; a block holds some keys in
//! order, each with what is known of its event. Whatever cannot be read is made again from the log.
//!
//! Layout of a block (`TBE1`): entries of 32 bytes: key, content, and batch, place and kind in 64
//! bits. Of an index (`TBI1`): number of keys; number of blocks, of each the first key and the
//! blob; the filter.

use super::filter::Filter;
use super::keys::{Known, Place};
use crate::engine::EngineError;
use crate::engine::blob::named;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::HashMap;
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::event::EventKey;
use tallybook_core::ids::{Digest, Seq};
use tallybook_core::time::Instant;
use tallybook_store::Store;

/// Keys of a block: read as a whole when one of them is asked for, and named by its index, which is
/// in memory. The fewer, the sooner a key is found, and the more memory is used: with so many 0.19
/// bytes a key beside the filter's 1.5.
const BLOCK_KEYS: usize = 256;

/// Keys of a segment: its index is read as a whole.
pub(super) const SEGMENT_KEYS: usize = 1 << 20;

/// Blocks that are written or read at a time.
const AT_A_TIME: usize = 128;

/// How a block begins.
const BLOCK: &[u8; 4] = b"TBE1";

const ENTRY: usize = 32;

/// A key and its event.
pub(super) type Pair = (EventKey, Known);

/// Sorted keys in the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    segments: Vec<Arc<Segment>>,
}

/// A part of a run.
#[derive(Debug)]
pub(super) struct Segment {
    /// The blob of its index.
    pub index: Digest,
    count: usize,
    /// By their first keys.
    blocks: Vec<(EventKey, Digest)>,
    filter: Filter,
}

impl Run {
    /// How many keys.
    pub(super) fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.count).sum()
    }

    /// Its segments, in the order of their keys.
    pub(super) fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// Stores sorted keys, joined with runs that they are to replace. Memory holds one segment.
    pub(super) async fn write(
        store: &Arc<dyn Store>,
        at: Instant,
        pairs: Vec<Pair>,
        runs: &[Self],
    ) -> Result<Self, EngineError> {
        let mut cursors: Vec<Cursor> = runs.iter().map(Cursor::new).collect();
        for cursor in &mut cursors {
            cursor.fill(store).await?;
        }
        let mut pairs = pairs.into_iter().peekable();
        let mut joined = Self::default();
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
                return Ok(joined);
            }
            let segment = Segment::write(store, at, &segment).await?;
            joined.segments.push(Arc::new(segment));
        }
    }

    /// Reads the indexes of a run; `None` when one is gone or of another format.
    pub(super) async fn read(
        store: &Arc<dyn Store>,
        indexes: &[Digest],
    ) -> Result<Option<Self>, EngineError> {
        let mut run = Self::default();
        for index in indexes {
            let Some(bytes) = store.get_blob(*index).await? else {
                return Ok(None);
            };
            let Some(segment) = Segment::decode(*index, &bytes) else {
                return Ok(None);
            };
            run.segments.push(Arc::new(segment));
        }
        Ok(Some(run))
    }

    /// Adds to `found` what the run has of `keys`, which are sorted.
    pub(super) async fn find(
        &self,
        store: &Arc<dyn Store>,
        keys: &[EventKey],
        found: &mut HashMap<EventKey, Known>,
    ) -> Result<(), EngineError> {
        let mut blocks: Vec<(Digest, Vec<EventKey>)> = Vec::new();
        for key in keys {
            let Some(blob) = self.block_of(*key) else {
                continue;
            };
            match blocks.last_mut() {
                Some((last, keys)) if *last == blob => keys.push(*key),
                _ => blocks.push((blob, vec![*key])),
            }
        }
        let mut read = stream::iter(blocks)
            .map(|(blob, keys)| async move {
                let block = Block::read(store, blob).await?;
                Ok::<_, EngineError>((block, keys))
            })
            .buffered(AT_A_TIME);
        while let Some((block, keys)) = read.try_next().await? {
            found.extend(keys.into_iter().filter_map(|key| block.find(key)));
        }
        Ok(())
    }

    /// Whether it may have a key; if not, it has not.
    pub(super) fn may_have(&self, key: EventKey) -> bool {
        self.block_of(key).is_some()
    }

    /// Whether it is the same run: its segments are named by what they hold.
    pub(super) fn is(&self, other: &Self) -> bool {
        let mine = self.segments.iter().map(|segment| segment.index);
        mine.eq(other.segments.iter().map(|segment| segment.index))
    }

    /// The block that may have a key.
    fn block_of(&self, key: EventKey) -> Option<Digest> {
        let begins = |segment: &Arc<Segment>| segment.blocks.first().is_some_and(|it| it.0 <= key);
        let segment = self.segments.partition_point(begins).checked_sub(1)?;
        let segment = &self.segments[segment];
        let block = segment.blocks.partition_point(|(first, _)| *first <= key);
        let (_, blob) = segment.blocks.get(block.checked_sub(1)?)?;
        segment.filter.passes(key).then_some(*blob)
    }

    /// Every blob of it.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        self.segments.iter().flat_map(|segment| {
            let blocks = segment.blocks.iter().map(|(_, blob)| *blob);
            blocks.chain([segment.index])
        })
    }
}

/// Goes through a run in order, a block at a time.
struct Cursor {
    blocks: std::vec::IntoIter<Digest>,
    pairs: std::vec::IntoIter<Pair>,
    head: Option<Pair>,
}

impl Cursor {
    fn new(run: &Run) -> Self {
        let blocks = run.segments.iter().flat_map(|segment| &segment.blocks);
        let blocks: Vec<Digest> = blocks.map(|(_, blob)| *blob).collect();
        Self {
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
            self.pairs = Block::read(store, blob).await?.pairs().into_iter();
            self.head = self.pairs.next();
        }
        Ok(())
    }
}

impl Segment {
    async fn write(
        store: &Arc<dyn Store>,
        at: Instant,
        pairs: &[Pair],
    ) -> Result<Self, EngineError> {
        let mut filter = Filter::new(pairs.len());
        pairs.iter().for_each(|(key, _)| filter.add(*key));
        let writes = pairs.chunks(BLOCK_KEYS).map(|pairs| {
            let (store, first) = (Arc::clone(store), pairs[0].0);
            let bytes = encode_block(pairs);
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
        let index = store.put_blob(out.finish().into(), at).await?;
        Ok(Self {
            index,
            count: pairs.len(),
            blocks,
            filter,
        })
    }

    /// `None` when the bytes are not an index of this format.
    fn decode(index: Digest, bytes: &[u8]) -> Option<Self> {
        let read = || -> Result<Self, DecodeError> {
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
        };
        read().ok()
    }
}

fn encode_block(pairs: &[Pair]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + pairs.len() * ENTRY);
    bytes.extend_from_slice(BLOCK);
    for (key, known) in pairs {
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&known.content.to_le_bytes());
        let place = known.place.seq.0 << 24
            | u64::from(known.place.index) << 1
            | u64::from(known.is_correction);
        bytes.extend_from_slice(&place.to_le_bytes());
    }
    bytes
}

/// The bytes of a block, whose length is right.
struct Block(Vec<u8>);

impl Block {
    async fn read(store: &Arc<dyn Store>, blob: Digest) -> Result<Self, EngineError> {
        let damaged = |detail: &str| EngineError::damaged(format!("blob {blob}"), detail);
        let bytes = named(store.as_ref(), blob).await?;
        let entries = bytes.strip_prefix(BLOCK);
        if entries.is_some_and(|entries| entries.len().is_multiple_of(ENTRY)) {
            Ok(Self(bytes))
        } else {
            Err(damaged("it is no block of keys"))
        }
    }

    fn entries(&self) -> &[[u8; ENTRY]] {
        let (entries, _) = self.0[BLOCK.len()..].as_chunks();
        entries
    }

    fn pairs(&self) -> Vec<Pair> {
        self.entries().iter().map(decode_entry).collect()
    }

    fn find(&self, key: EventKey) -> Option<Pair> {
        let entries = self.entries();
        let place = entries.binary_search_by(|entry| entry[..key.0.len()].cmp(&key.0));
        place.ok().map(|place| decode_entry(&entries[place]))
    }
}

fn decode_entry(entry: &[u8; ENTRY]) -> Pair {
    let (words, _) = entry.as_chunks::<8>();
    let word = |place: usize| u64::from_le_bytes(words[place]);
    let mut key = [0; 16];
    key.copy_from_slice(&entry[..16]);
    let place = word(3);
    let known = Known {
        content: word(2),
        place: Place {
            seq: Seq(place >> 24),
            // 23 bits: a batch has fewer events.
            index: u32::try_from(place >> 1 & 0x7f_ffff).unwrap_or(u32::MAX),
        },
        is_correction: place & 1 == 1,
    };
    (EventKey(key), known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_core::ids::LogId;
    use tallybook_store::testing::MemoryStore;

    fn pairs(numbers: std::ops::Range<u32>) -> Vec<Pair> {
        let pair = |number: u32| {
            let known = Known {
                content: u64::from(number),
                place: Place {
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

    #[tokio::test]
    async fn every_key_of_a_run_is_found_and_no_other() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let stored = pairs(0..5_000);
        let run = Run::write(&store, at, stored.clone(), &[]).await.unwrap();
        let indexes: Vec<Digest> = run.segments().iter().map(|segment| segment.index).collect();
        let run = Run::read(&store, &indexes).await.unwrap().unwrap();
        assert_eq!(run.len(), 5_000);
        let keys: Vec<EventKey> = pairs(0..10_000).iter().map(|(key, _)| *key).collect();
        let mut found = HashMap::new();
        run.find(&store, &keys, &mut found).await.unwrap();
        assert_eq!(found, stored.into_iter().collect());
    }

    #[tokio::test]
    async fn runs_are_joined() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let write = |pairs| Run::write(&store, at, pairs, &[]);
        let runs = [
            write(pairs(0..3_000)).await.unwrap(),
            write(pairs(3_000..3_500)).await.unwrap(),
        ];
        let joined = Run::write(&store, at, pairs(3_500..4_000), &runs)
            .await
            .unwrap();
        let at_once = write(pairs(0..4_000)).await.unwrap();
        assert_eq!(joined.segments()[0].index, at_once.segments()[0].index);
    }

    #[tokio::test]
    async fn a_run_with_a_part_gone_is_no_run() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let run = Run::write(&store, at, pairs(0..10), &[]).await.unwrap();
        let index = run.segments()[0].index;
        store.delete_blobs(vec![index], None).await.unwrap();
        assert!(Run::read(&store, &[index]).await.unwrap().is_none());
    }
}
