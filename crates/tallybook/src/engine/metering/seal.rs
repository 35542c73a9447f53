//! Checkpoints of accounts: what a log says up to one batch, and the keys of its events as runs.
//!
//! Invariant: derived and disposable, like every checkpoint; made beside whatever else happens from
//! a view, which never changes. A start then reads only what came after. Look next: [`super::run`],
//! [`crate::engine::load`], which reads it.

use super::keys::{Keys, pairs_of};
use super::run::{Pair, Run};
use crate::engine::checkpoint::{AccountKnown, Checkpoints};
use crate::engine::{Engine, EngineError, View, load};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tallybook_core::batch::Batch;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::names::Dictionary;
use tallybook_core::time::Instant;
use tallybook_store::Store;

/// The default of [`crate::engine::Options::recent_keys`]: some megabytes, and some hundredths of a
/// second to read again.
pub(in crate::engine) const RECENT_KEYS: usize = 1 << 16;

/// An account's recent keys on their way into the store.
pub(super) struct Sealing {
    view: Arc<View>,
    pairs: Vec<Pair>,
    runs: Vec<Run>,
}

impl Sealing {
    /// Whether an account has so many recent keys that they should become a run; and if so, them.
    pub(super) fn due(keys: &mut Keys, view: &Arc<View>, limit: usize) -> Option<Self> {
        if keys.sealing || keys.recent_count() < limit {
            return None;
        }
        keys.sealing = true;
        Some(Self {
            view: Arc::clone(view),
            pairs: keys.up_to(view.account.seq),
            runs: keys.older().to_vec(),
        })
    }
}

impl Engine {
    /// Stores an account's checkpoint. A failure costs only memory, and the next start some time.
    pub(super) async fn seal(&self, sealing: Sealing) {
        let account = Arc::clone(&sealing.view.account);
        let (log, seq) = (account.log, account.seq);
        let sealed = self.store_account(sealing).await;
        let mut keys = self.metering.keys.lock().await;
        match (sealed, keys.known(log)) {
            (Ok(Some(runs)), Some(keys)) if keys.sealing => keys.sealed(seq, runs),
            (Ok(_), _) => {}
            (Err(error), known) => {
                tracing::error!(log = log.0, %error, "the checkpoint of an account failed");
                if let Some(keys) = known {
                    keys.sealing = false;
                }
            }
        }
    }

    /// `None` when somebody else stored a newer one.
    async fn store_account(&self, sealing: Sealing) -> Result<Option<Vec<Run>>, EngineError> {
        let Sealing { view, pairs, runs } = sealing;
        let (account, store) = (&view.account, &self.store);
        let at = account.at.unwrap_or(Instant::EARLIEST);
        // A run is joined with those that are not twice as long: few are left to be asked.
        let mut length = pairs.len();
        let joined = runs.iter().rev().take_while(|run| {
            let joins = run.len() < 2 * length;
            length += if joins { run.len() } else { 0 };
            joins
        });
        let kept = runs.len() - joined.count();
        let run = Run::write(store, at, pairs, &runs[kept..]).await?;
        let mut runs = runs;
        runs.truncate(kept);
        runs.push(run);
        let encoded = Arc::clone(account);
        let state = tokio::task::spawn_blocking(move || encode(&encoded)).await?;
        let state = store.put_blob(state.into(), at).await?;
        let indexes = |run: &Run| run.segments().iter().map(|segment| segment.index).collect();
        let known = AccountKnown {
            at: account.seq,
            state,
            runs: runs.iter().map(indexes).collect(),
        };
        let mut new: Vec<Digest> = runs.iter().flat_map(Run::blobs).collect();
        new.push(state);
        loop {
            let (version, mut checkpoints) = Checkpoints::load(store.as_ref(), account.log).await?;
            if checkpoints
                .account()
                .is_some_and(|other| other.at > account.seq)
            {
                return Ok(None);
            }
            let replaced = checkpoints.set_account(known.clone());
            if store
                .swap_manifest(account.log, version, checkpoints.encode())
                .await?
            {
                let gone = match replaced {
                    Some(old) => blobs(store, &old).await?,
                    None => Vec::new(),
                };
                let new: HashSet<_> = new.into_iter().collect();
                let gone = gone.into_iter().filter(|blob| !new.contains(blob));
                store.delete_blobs(gone.collect(), None).await?;
                return Ok(Some(runs));
            }
        }
    }
}

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
            let rows = self
                .store
                .read_log(log, again.seq, super::keys::PAGE_BYTES)
                .await?;
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
            || again.metered.encode() != stored.metered.encode()
        {
            return Err(differs("it is not what the log gives"));
        }
        Ok(true)
    }
}

/// Every blob of an account's checkpoint; those that are gone are left out.
pub(in crate::engine) async fn blobs(
    store: &Arc<dyn Store>,
    known: &AccountKnown,
) -> Result<Vec<Digest>, EngineError> {
    let mut blobs = vec![known.state];
    for indexes in &known.runs {
        blobs.extend(indexes);
        if let Some(run) = Run::read(store, indexes).await? {
            blobs.extend(run.blobs());
        }
    }
    Ok(blobs)
}

/// The bytes of an account's state.
///
/// Layout: `TBA1`, log, batch, its hash, its time, number of names, the batches that hold more than
/// events (they are read again), metered usage.
fn encode(account: &Account) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(b"TBA1");
    out.varint(account.log.0);
    out.varint(account.seq.0);
    out.raw(&account.head.0);
    out.signed(account.at.map_or(0, |at| i128::from(at.seconds())));
    out.varint(u64::from(account.dictionary.next_id().0));
    out.count(account.settings.len());
    account.settings.iter().for_each(|seq| out.varint(seq.0));
    out.run(&account.metered.encode());
    out.finish()
}

/// An account's state as it was stored.
pub(in crate::engine) struct Stored {
    pub seq: Seq,
    pub head: Digest,
    pub at: Instant,
    pub names: u32,
    pub settings: Vec<Seq>,
    metered: Vec<u8>,
}

impl Stored {
    /// `None` when another format wrote it.
    pub(in crate::engine) fn decode(bytes: &[u8], log: LogId) -> Result<Option<Self>, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.raw(4, "account")? != b"TBA1" {
            return Ok(None);
        }
        if r.varint("log")? != log.0 {
            return Err(r.invalid("log"));
        }
        let seq = Seq(r.varint("batch")?);
        let head = Digest(r.array("hash")?);
        let seconds = i64::try_from(r.signed("time")?).map_err(|_| r.invalid("time"))?;
        let at = Instant::from_seconds(seconds).map_err(|_| r.invalid("time"))?;
        let names = r.varint32("names")?;
        let count = r.count(1, "batches")?;
        let settings = (0..count)
            .map(|_| r.varint("batch").map(Seq))
            .collect::<Result<_, _>>()?;
        let metered = r.run("metered usage")?.to_vec();
        r.finish("account")?;
        Ok(Some(Self {
            seq,
            head,
            at,
            names,
            settings,
            metered,
        }))
    }

    /// Its metered usage; `None` when another format wrote it.
    pub(in crate::engine) fn metered(
        &self,
        dictionary: &Dictionary,
    ) -> Result<Option<Metered>, DecodeError> {
        Metered::decode(&self.metered, dictionary)
    }
}
