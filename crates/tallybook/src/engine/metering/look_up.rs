//! Looks up known events in the store before the writer's turn.
//!
//! Invariant: a hit stays valid for ever, because nothing leaves a log. A miss holds only for the
//! runs that were searched: [`Looked`] names them, and the holder of the turn searches the others,
//! including those into which recent keys have moved meanwhile.
//!
//! A stream that is sent again mostly arrives in its original order. Its keys are hashes, scattered
//! over the blocks; its batches are adjacent in the log, and are read instead when a sample of the
//! keys shows that to be worthwhile. The latest batches stay in memory, because redeliveries arrive
//! in smaller pieces than the original commits.

use super::block::Pair;
use super::check::Checked;
use super::keys::{Known, PAGE_BYTES, pairs_of};
use super::run::Run;
use crate::engine::{Engine, EngineError, View};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tallybook_core::batch::Batch;
use tallybook_core::event::EventKey;
use tallybook_core::ids::{LogId, Seq};

/// Fewer keys than this are looked up one by one.
const WORTH_A_SAMPLE: usize = 256;

/// Keys of a sample, and how many of them must be known for the log to be read.
const SAMPLE: usize = 32;
const SAMPLE_KNOWN: usize = 8;

/// Bytes of the log read for each key: those of a few events.
const BYTES_A_KEY: usize = 256;

/// The most keys of batches kept in memory: some megabytes.
const MOST_KEPT: usize = 100_000;

/// The keys of recently read batches, newest first.
#[derive(Debug, Default)]
pub(super) struct Batches(Mutex<VecDeque<Arc<Read>>>);

/// The events of one batch, sorted by their keys.
#[derive(Debug)]
struct Read {
    log: LogId,
    seq: Seq,
    pairs: Vec<Pair>,
}

impl Batches {
    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        batches.clear();
    }

    fn keep(&self, read: Vec<Arc<Read>>) {
        let mut batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for read in read {
            // Two tasks may have read it at once.
            batches.retain(|known| (known.log, known.seq) != (read.log, read.seq));
            batches.push_front(read);
        }
        let mut kept = 0;
        batches.retain(|read| {
            kept += read.pairs.len();
            kept <= MOST_KEPT
        });
    }

    /// Moves the keys that it has from `asked` to `found`.
    fn find(&self, log: LogId, asked: &mut Vec<EventKey>, found: &mut HashMap<EventKey, Known>) {
        let batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_log = batches.iter().filter(|read| read.log == log);
        let of_log: Vec<Arc<Read>> = of_log.cloned().collect();
        drop(batches);
        for read in of_log {
            read.find(asked, found);
        }
    }
}

impl Read {
    fn new(batch: &Batch, view: &View) -> Result<Self, String> {
        let mut pairs = pairs_of(batch, &view.account.dictionary)?;
        pairs.sort_unstable_by_key(|(key, _)| *key);
        Ok(Self {
            log: batch.log,
            seq: batch.seq,
            pairs,
        })
    }

    fn find(&self, asked: &mut Vec<EventKey>, found: &mut HashMap<EventKey, Known>) {
        asked.retain(|key| {
            let place = self.pairs.binary_search_by_key(key, |(key, _)| *key);
            if let Ok(place) = place {
                found.insert(*key, self.pairs[place].1);
            }
            place.is_err()
        });
    }
}

/// What was found before the turn, and which runs were searched.
#[derive(Debug, Default)]
pub(super) struct Looked {
    runs: Arc<[Run]>,
    pub found: HashMap<EventKey, Known>,
}

impl Looked {
    /// Whether a run was searched.
    pub(super) fn covers(&self, run: &Run) -> bool {
        self.runs.iter().any(|known| known.is(run))
    }
}

impl Checked {
    /// The keys of an account's events, and of the events that they correct. Events of an
    /// organization that moved may be in the accounts of its past payers as well.
    pub(super) fn keys(&self, account: usize, log: LogId) -> Vec<EventKey> {
        let of_account = self
            .events
            .iter()
            .filter(|it| it.account == account || self.history(it).contains(&account));
        let names = of_account.flat_map(|checked| {
            let name = std::iter::once(&checked.event.name);
            name.chain(checked.event.target())
        });
        let mut keys: Vec<EventKey> = names.map(|name| name.key(log)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

impl Engine {
    /// Looks in runs for the keys of a submission.
    pub(super) async fn look_ahead(&self, mut checked: Checked) -> Checked {
        let site = self.site();
        for place in 0..checked.accounts.len() {
            let account = &checked.accounts[place];
            let log = site.directory.log_of(account);
            let runs = log.and_then(|log| Some((log, self.metering.published.get(log)?)));
            let Some((log, runs)) = runs else {
                continue;
            };
            let found = match self.view_of(log, account).await {
                Ok(view) => self.find_old(&view, &runs, checked.keys(place, log)).await,
                Err(error) => Err(error),
            };
            // A failure here recurs under the turn, and is reported there, unless a run was merely
            // replaced.
            if let Ok(found) = found {
                checked.looked.insert(place, Looked { runs, found });
            }
        }
        checked
    }

    /// Looks up sorted keys in `runs`.
    pub(super) async fn find_old(
        &self,
        view: &Arc<View>,
        runs: &[Run],
        mut asked: Vec<EventKey>,
    ) -> Result<HashMap<EventKey, Known>, EngineError> {
        let mut found = HashMap::new();
        asked.retain(|key| runs.iter().any(|run| run.may_have(*key)));
        if asked.len() >= WORTH_A_SAMPLE {
            let batches = &self.metering.batches;
            batches.find(view.account.log, &mut asked, &mut found);
        }
        while asked.len() >= WORTH_A_SAMPLE {
            let before = asked.len();
            let sample = asked.iter().step_by(before / SAMPLE).copied().collect();
            self.find_in_blocks(view, runs, sample, &mut found).await?;
            let seqs = found_seqs(&asked, &found);
            asked.retain(|key| !found.contains_key(key));
            let Some((first, last)) = dense(&seqs) else {
                break;
            };
            let bytes = (before * BYTES_A_KEY).min(PAGE_BYTES);
            for read in self.read_batches(view, (first, last), bytes).await? {
                read.find(&mut asked, &mut found);
            }
            if before - asked.len() < before / 4 {
                break;
            }
        }
        self.find_in_blocks(view, runs, asked, &mut found).await?;
        Ok(found)
    }

    async fn find_in_blocks(
        &self,
        view: &Arc<View>,
        runs: &[Run],
        mut asked: Vec<EventKey>,
        found: &mut HashMap<EventKey, Known>,
    ) -> Result<(), EngineError> {
        for run in runs {
            if asked.is_empty() {
                break;
            }
            let lost = run.find(&self.store, &asked, found).await?;
            if !lost.is_empty() {
                let places = lost.keys().copied().collect();
                let again = self.remake_blocks(view, run, places).await?;
                for (place, keys) in lost {
                    let block = again.get(&place);
                    found.extend(keys.into_iter().filter_map(|key| block?.find(key)));
                }
            }
            asked.retain(|key| !found.contains_key(key));
        }
        Ok(())
    }

    /// The events of as many batches as fit in a number of bytes of the log, at least one.
    async fn read_batches(
        &self,
        view: &Arc<View>,
        (first, last): (Seq, Seq),
        bytes: usize,
    ) -> Result<Vec<Arc<Read>>, EngineError> {
        let log = view.account.log;
        let before = Seq(first.0.saturating_sub(1));
        let rows = self.store.read_log(log, before, bytes).await?;
        let view = Arc::clone(view);
        // Hashing tens of thousands of names takes milliseconds.
        let read = tokio::task::spawn_blocking(move || {
            let mut batches = Vec::new();
            for row in rows.into_iter().take_while(|row| row.seq <= last) {
                let what = || format!("batch {} of log {}", row.seq.0, log.0);
                let decoded = Batch::decode(&row.batch);
                let (batch, _) = decoded.map_err(|error| EngineError::damaged(what(), error))?;
                let read = Read::new(&batch, &view);
                batches.push(Arc::new(
                    read.map_err(|error| EngineError::damaged(what(), error))?,
                ));
            }
            Ok::<_, EngineError>(batches)
        });
        let read = read.await??;
        self.metering.batches.keep(read.clone());
        Ok(read)
    }
}

/// The batches of those keys that were found, sorted.
fn found_seqs(asked: &[EventKey], found: &HashMap<EventKey, Known>) -> Vec<u64> {
    let known = asked.iter().filter_map(|key| found.get(key));
    let mut seqs: Vec<u64> = known.map(|known| known.place.seq.0).collect();
    seqs.sort_unstable();
    seqs
}

/// The first and last batch of the range where a sample's batches are densest; `None` when too few
/// of its keys were known.
fn dense(seqs: &[u64]) -> Option<(Seq, Seq)> {
    if seqs.len() < SAMPLE_KNOWN {
        return None;
    }
    let half = seqs.len() / 2;
    let width = |first: usize| seqs[first + half] - seqs[first];
    let mut first = (0..seqs.len() - half).min_by_key(|first| width(*first))?;
    let (mut last, gap) = (first + half, width(first).max(1));
    while first > 0 && seqs[first] - seqs[first - 1] <= gap {
        first -= 1;
    }
    while last + 1 < seqs.len() && seqs[last + 1] - seqs[last] <= gap {
        last += 1;
    }
    // The sample does not hit the outermost batches.
    let margin = (seqs[last] - seqs[first]) / SAMPLE as u64 * 4;
    let first = seqs[first].saturating_sub(margin).max(1);
    Some((Seq(first), Seq(seqs[last].saturating_add(margin))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_densest_batches_of_a_sample_are_worth_reading() {
        assert_eq!(dense(&[5; 7]), None);
        assert_eq!(dense(&[5; 8]), Some((Seq(5), Seq(5))));
        let with_strays = [1, 40, 41, 42, 43, 44, 45, 46, 9_000];
        assert_eq!(dense(&with_strays), Some((Seq(40), Seq(46))));
        let spread: Vec<u64> = (0..32).map(|place| 1 + place * 64).collect();
        assert_eq!(dense(&spread), Some((Seq(1), Seq(1 + 31 * 64 + 248))));
    }
}
