//! Rebuilds missing or damaged blobs of keys from the log.
//!
//! Invariant: a run holds the keys of all events of some batches and no other, so any part of it
//! can be derived from those batches and the range of its keys.

use super::block::{Block, Pair};
use super::keys::{PAGE_BYTES, pairs_of};
use super::run::{Place, Run, Segment};
use crate::engine::blob::{Owner, warn_unusable};
use crate::engine::checkpoint::{AccountKnown, SegmentKnown};
use crate::engine::{Engine, EngineError, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tallybook_core::batch::Batch;
use tallybook_core::event::EventKey;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::time::Instant;

impl Engine {
    /// The runs that an account's checkpoint names; `None` when they disagree with the log.
    pub(super) async fn read_runs(
        &self,
        view: &Arc<View>,
        known: &AccountKnown,
    ) -> Result<Option<Vec<Run>>, EngineError> {
        let mut runs = Vec::with_capacity(known.runs.len());
        let mut after = Seq(0);
        for of_run in &known.runs {
            let mut run = Run::new(view.account.log, after, of_run.through);
            for (place, segment) in of_run.segments.iter().enumerate() {
                let read = Segment::read(&self.store, run.owner(), segment.index).await?;
                let read = match read {
                    Ok(read) => read,
                    Err(reason) => {
                        let what = "an index of events' keys";
                        warn_unusable(view.account.log, segment.index, what, &reason);
                        let end = of_run.segments.get(place + 1).map(|next| next.first);
                        match self.remake_segment(view, &run, *segment, end).await? {
                            Some(again) => again,
                            None => return Ok(None),
                        }
                    }
                };
                run.push(read);
            }
            runs.push(run);
            after = of_run.through;
        }
        Ok(Some(runs))
    }

    /// The blocks that a checkpoint's indexes name. Those of an unreadable index are rebuilt with
    /// it.
    pub(in crate::engine) async fn blocks_of(
        &self,
        log: LogId,
        known: &AccountKnown,
    ) -> Result<Vec<Digest>, EngineError> {
        let mut blocks = Vec::new();
        for run in &known.runs {
            let owner = Owner::through(log, run.through);
            for segment in &run.segments {
                let read = Segment::read(&self.store, owner, segment.index).await?;
                blocks.extend(read.iter().flat_map(Segment::blocks));
            }
        }
        Ok(blocks)
    }

    /// Rebuilds a segment, whose keys are below `end`; `None` when the log gives a different one.
    async fn remake_segment(
        &self,
        view: &Arc<View>,
        run: &Run,
        known: SegmentKnown,
        end: Option<EventKey>,
    ) -> Result<Option<Segment>, EngineError> {
        let range = move |key: EventKey| known.first <= key && end.is_none_or(|end| key < end);
        let pairs = self.pairs_between(view, run, range).await?;
        let at = view.account.at.unwrap_or(Instant::EARLIEST);
        let again = Segment::write(&self.store, run.owner(), at, &pairs).await?;
        Ok((again.index == known.index).then_some(again))
    }

    /// Rebuilds blocks of a run.
    pub(super) async fn remake_blocks(
        &self,
        view: &Arc<View>,
        run: &Run,
        lost: BTreeSet<Place>,
    ) -> Result<BTreeMap<Place, Block>, EngineError> {
        let (of_run, places) = (run.clone(), lost.clone());
        let is_lost = move |key| of_run.place_of(key).is_some_and(|it| places.contains(&it));
        let mut by_place: BTreeMap<Place, Vec<Pair>> = BTreeMap::new();
        for pair in self.pairs_between(view, run, is_lost).await? {
            if let Some(place) = run.place_of(pair.0) {
                by_place.entry(place).or_default().push(pair);
            }
        }
        let at = view.account.at.unwrap_or(Instant::EARLIEST);
        let log = view.account.log;
        let mut blocks = BTreeMap::new();
        for place in lost {
            let pairs = by_place.remove(&place).unwrap_or_default();
            let (index, blob) = run.names_of(place);
            let block = Block::of(&pairs);
            let bytes = run.owner().blob(block.content());
            if Digest::of(&bytes) == blob {
                self.manifests.mend(log, index, bytes, at).await?;
            } else {
                tracing::error!(log = log.0, %blob, "a block of event keys does not match the log");
            }
            blocks.insert(place, block);
        }
        Ok(blocks)
    }

    /// Rebuilds every unreadable block of some runs.
    pub(super) async fn mend_runs(
        &self,
        view: &Arc<View>,
        runs: &[Run],
    ) -> Result<(), EngineError> {
        for run in runs {
            let mut lost = BTreeSet::new();
            for place in run.places() {
                if run.block(&self.store, place).await?.is_none() {
                    lost.insert(place);
                }
            }
            if !lost.is_empty() {
                self.remake_blocks(view, run, lost).await?;
            }
        }
        Ok(())
    }

    /// The wanted keys of a run, sorted.
    async fn pairs_between(
        &self,
        view: &Arc<View>,
        run: &Run,
        is_wanted: impl Fn(EventKey) -> bool + Clone + Send + 'static,
    ) -> Result<Vec<Pair>, EngineError> {
        let log = view.account.log;
        let (mut after, through) = run.batches();
        let mut found: Vec<Pair> = Vec::new();
        while after < through {
            let rows = self.store.read_log(log, after, PAGE_BYTES).await?;
            let Some(last) = rows.last() else {
                let what = format!("batch {} of log {}", after.next().0, log.0);
                return Err(EngineError::damaged(what, "missing"));
            };
            after = last.seq;
            let (view, is_wanted) = (Arc::clone(view), is_wanted.clone());
            let pairs = tokio::task::spawn_blocking(move || {
                let mut pairs = Vec::new();
                for row in rows.into_iter().take_while(|row| row.seq <= through) {
                    let what = || format!("batch {} of log {}", row.seq.0, log.0);
                    let decoded = Batch::decode(&row.batch);
                    let (batch, _) =
                        decoded.map_err(|error| EngineError::damaged(what(), error))?;
                    let of_batch = pairs_of(&batch, &view.account.dictionary);
                    let of_batch = of_batch.map_err(|error| EngineError::damaged(what(), error))?;
                    pairs.extend(of_batch.into_iter().filter(|(key, _)| is_wanted(*key)));
                }
                Ok::<_, EngineError>(pairs)
            });
            found.append(&mut pairs.await??);
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        Ok(found)
    }
}
