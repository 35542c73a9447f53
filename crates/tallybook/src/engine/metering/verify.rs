//! Verifies an account's keys against its log.
//!
//! Invariant: changes nothing, reads every block, and takes time in proportion to the events: the
//! keys of a run are compared with those of its batches by a sum of hashes, which does not depend
//! on their order.

use super::block::{Block, Pair};
use super::keys::pairs_of;
use super::run::{Run, Segment};
use crate::engine::checkpoint::{AccountKnown, RunKnown};
use crate::engine::verify::derived;
use crate::engine::{Engine, EngineError};
use futures_util::{StreamExt, TryStreamExt, stream};
use tallybook_core::batch::Batch;
use tallybook_core::event::EventKey;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::names::Dictionary;

/// How many blocks are read at a time.
const AT_A_TIME: usize = 64;

/// The keys of the events of each run's batches, derived from the log.
#[derive(Debug)]
pub(in crate::engine) struct KeySums {
    runs: Vec<(Seq, Sum)>,
}

/// A sum over keys and their entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    keys: u64,
    hashes: [u128; 2],
}

impl Sum {
    fn add(&mut self, (key, known): Pair) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&key.0);
        hasher.update(&known.content.to_le_bytes());
        hasher.update(&known.place.seq.0.to_le_bytes());
        hasher.update(&known.place.index.to_le_bytes());
        hasher.update(&[u8::from(known.is_correction)]);
        let hash = hasher.finalize();
        let (halves, _) = hash.as_bytes().as_chunks::<16>();
        for (sum, half) in self.hashes.iter_mut().zip(halves) {
            *sum = sum.wrapping_add(u128::from_le_bytes(*half));
        }
        self.keys += 1;
    }
}

impl KeySums {
    /// Starts with nothing read, for the runs of a checkpoint.
    pub(in crate::engine) fn new(known: &AccountKnown) -> Self {
        let runs = known.runs.iter().map(|run| (run.through, Sum::default()));
        let runs = runs.collect();
        Self { runs }
    }

    /// Adds the events of a batch.
    pub(in crate::engine) fn add(
        &mut self,
        batch: &Batch,
        names: &Dictionary,
    ) -> Result<(), String> {
        let of_run = self.runs.partition_point(|(last, _)| *last < batch.seq);
        if let Some((_, sum)) = self.runs.get_mut(of_run) {
            pairs_of(batch, names)?
                .into_iter()
                .for_each(|it| sum.add(it));
        }
        Ok(())
    }
}

impl Engine {
    /// Compares the runs of a checkpoint with the keys derived from the log, and returns their
    /// blobs.
    pub(in crate::engine) async fn verify_runs(
        &self,
        log: LogId,
        known: &AccountKnown,
        sums: &KeySums,
    ) -> Result<Vec<Digest>, EngineError> {
        let mut blobs = Vec::new();
        let mut after = Seq(0);
        for (of_run, (_, expected)) in known.runs.iter().zip(&sums.runs) {
            let run = self.read_run(log, after, of_run).await?;
            let found = self.verify_run(&run).await?;
            if found != *expected {
                let what = format!(
                    "the keys of events up to batch {} of log {}",
                    of_run.through.0, log.0
                );
                return Err(derived(what, "they are not those of the log"));
            }
            for (index, blocks) in run.blobs() {
                blobs.push(index);
                blobs.extend(blocks);
            }
            after = of_run.through;
        }
        Ok(blobs)
    }

    async fn read_run(&self, log: LogId, after: Seq, known: &RunKnown) -> Result<Run, EngineError> {
        let mut run = Run::new(log, after, known.through);
        for segment in &known.segments {
            let read = Segment::read(&self.store, run.owner(), segment.index).await?;
            let read = read.map_err(|reason| derived(format!("blob {}", segment.index), reason))?;
            run.push(read);
        }
        if run.known() != *known {
            let what = format!("an index of keys of log {}", log.0);
            return Err(derived(what, "it begins with another key"));
        }
        Ok(run)
    }

    /// Reads every block of a run, checks that keys ascend and can be found, and sums them up.
    async fn verify_run(&self, run: &Run) -> Result<Sum, EngineError> {
        let mut sum = Sum::default();
        let mut last: Option<EventKey> = None;
        let mut blocks = stream::iter(run.places().collect::<Vec<_>>())
            .map(|place| async move {
                let (_, blob) = run.names_of(place);
                let block = Block::read(&self.store, run.owner(), blob).await?;
                let block = block.map_err(|reason| derived(format!("blob {blob}"), reason))?;
                Ok::<_, EngineError>((place, blob, block))
            })
            .buffered(AT_A_TIME);
        while let Some((place, blob, block)) = blocks.try_next().await? {
            for pair in block.pairs() {
                let rises = last.replace(pair.0).is_none_or(|last| last < pair.0);
                if !rises || run.block_of(pair.0) != Some(place) {
                    let detail = "a key is not where it is looked for";
                    return Err(derived(format!("blob {blob}"), detail));
                }
                sum.add(pair);
            }
        }
        if sum.keys != run.len() as u64 {
            let what = format!("the indexes of {} keys", run.len());
            return Err(derived(what, format!("there are {} keys", sum.keys)));
        }
        Ok(sum)
    }
}
