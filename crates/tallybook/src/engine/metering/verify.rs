//! An account's checkpoint against its log.
//!
//! Invariant: changes nothing, and reads every event: what a checkpoint says is recomputed.

use super::keys::{PAGE_BYTES, pairs_of};
use super::run::Run;
use crate::engine::checkpoint::Checkpoints;
use crate::engine::{Engine, EngineError, View, load};
use std::collections::{BTreeMap, HashMap};
use tallybook_core::batch::Batch;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::metered::rows::{self, StoredRows};
use tallybook_core::time::Month;

impl Engine {
    /// Compares an account's checkpoint with what its log gives. False when there is none that this
    /// version reads: the log is read instead.
    pub(in crate::engine) async fn verify_account(&self, view: &View) -> Result<bool, EngineError> {
        let (log, name) = (view.account.log, &view.account.name);
        let what = || format!("the checkpoint of {name}");
        let differs = |detail: &str| EngineError::damaged(what(), detail);
        // With the batches after it, for it may be older than the view.
        let Some(stored) = load::checkpointed(self.store.as_ref(), log, name).await? else {
            return Ok(false);
        };
        let (_, checkpoints) = Checkpoints::load(self.store.as_ref(), log).await?;
        let Some(known) = checkpoints.account().filter(|known| known.at == stored.seq) else {
            return Ok(false);
        };
        let mut runs = Vec::new();
        for indexes in &known.runs {
            match Run::read(&self.store, indexes).await? {
                Some(run) => runs.push(run),
                None => return Ok(false),
            }
        }
        let mut again = Account::new(log, name.clone());
        again.dictionary = view.account.dictionary.clone();
        let mut count = 0;
        while again.seq < stored.seq {
            let rows = self.store.read_log(log, again.seq, PAGE_BYTES).await?;
            if rows.is_empty() {
                return Err(differs("it says more than the log"));
            }
            for row in rows.into_iter().filter(|row| row.seq <= stored.seq) {
                let decoded = Batch::decode(&row.batch);
                let (batch, digest) = decoded.map_err(|error| differs(&error.to_string()))?;
                let folded = again.fold(&batch, digest);
                folded.map_err(|error| differs(&error.to_string()))?;
                let mut pairs = pairs_of(&batch, view).map_err(|error| differs(&error))?;
                pairs.sort_unstable_by_key(|(key, _)| *key);
                let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
                let mut found = HashMap::new();
                for run in &runs {
                    run.find(&self.store, &keys, &mut found).await?;
                }
                count += pairs.len();
                if pairs
                    .iter()
                    .any(|(key, known)| found.get(key) != Some(known))
                {
                    return Err(differs("it lacks the key of an event"));
                }
            }
        }
        if runs.iter().map(Run::len).sum::<usize>() != count {
            return Err(differs("it has a key of no event"));
        }
        if (again.head, &again.settings) != (stored.head, &stored.settings)
            || !same_usage(&again.metered, &stored.metered)
        {
            return Err(differs("it is not what the log gives"));
        }
        Ok(true)
    }
}

/// Whether usage that was added up anew is what a checkpoint stores: its rows by their hashes.
fn same_usage(again: &Metered, stored: &Metered) -> bool {
    let of_stored = |metered: &Metered| -> BTreeMap<Month, StoredRows> {
        let months = metered.months();
        let stored = months.filter_map(|(month, usage)| Some((month, usage.stored()?)));
        stored.collect()
    };
    let mut rows = BTreeMap::new();
    for (month, usage) in again.months() {
        let joined = usage.joined(&[]);
        let blob = Digest::of(&rows::encode(month, &joined));
        let count = u32::try_from(joined.len()).unwrap_or(u32::MAX);
        rows.insert(month, StoredRows { blob, count });
    }
    let known = of_stored(stored);
    rows == known && again.encode(&rows) == stored.encode(&known)
}
