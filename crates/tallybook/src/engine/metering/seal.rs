//! Checkpoints of accounts: what a log says up to one batch, and the keys of its events as runs.
//!
//! Invariant: derived and disposable, like every checkpoint; made beside whatever else happens from
//! a view, which never changes. A start then reads only what came after. Look next: [`super::run`],
//! [`crate::engine::load`], which reads it.

use super::keys::{Keys, PAGE_BYTES};
use super::run::{Pair, Run};
use super::stored::{Stored, blobs, encode};
use crate::engine::blob::named;
use crate::engine::checkpoint::{AccountKnown, Checkpoints};
use crate::engine::{Engine, EngineError, View};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tallybook_core::batch::Batch;
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::metered::rows::{self, MonthUsage, StoredRows};
use tallybook_core::time::{Instant, Month};

/// The default of [`crate::engine::Options::recent_keys`]: some megabytes, and some hundredths of a
/// second to read again.
pub(in crate::engine) const RECENT_KEYS: usize = 1 << 16;

/// However much an account has, it keeps no more recent keys than so many.
const MOST_RECENT: usize = 1 << 19;

/// Seconds for which blobs stay that a newer checkpoint has no use for: answers that were begun
/// before it may still read them. What is left over at a restart is swept.
const SECONDS_KEPT: i64 = 600;

/// What a new checkpoint leaves behind.
struct Sealed {
    runs: Vec<Run>,
    metered: Metered,
    /// Blobs that the checkpoint before it had alone.
    gone: Vec<Digest>,
}

/// An account's recent keys on their way into the store.
pub(super) struct Sealing {
    view: Arc<View>,
    pairs: Vec<Pair>,
    runs: Vec<Run>,
}

impl Sealing {
    /// Whether an account has so many recent keys that they should become a run; and if so, them.
    pub(super) fn due(keys: &mut Keys, view: &Arc<View>, limit: usize) -> Option<Self> {
        // Storing a month again costs as much as it has rows: the more it has, the more must have
        // come since.
        let changed = view.account.metered.months().map(|(_, usage)| usage);
        let changed = changed.filter(|usage| usage.recent().next().is_some());
        let rows: usize = changed.map(MonthUsage::len).sum();
        let limit = limit.max((rows / 4).min(MOST_RECENT));
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
        // Whoever has the turn sees the keys and the view change together.
        let _turn = self.turn().await;
        let mut keys = self.metering.keys.lock().await;
        let slimmed = match sealed {
            Ok(Some(sealed)) => {
                keys.sealed(log, seq, sealed.runs);
                self.slim(&account, sealed.metered)
                    .await
                    .map(|()| sealed.gone)
            }
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let at = account.at.unwrap_or(Instant::EARLIEST);
        let slimmed = match slimmed {
            Ok(gone) => {
                let gone = keys.stale(at, gone, SECONDS_KEPT);
                self.store
                    .delete_blobs(gone, None)
                    .await
                    .map_err(EngineError::from)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = slimmed {
            tracing::error!(log = log.0, %error, "the checkpoint of an account failed");
            if let Some(keys) = keys.known(log) {
                keys.sealing = false;
            }
        }
    }

    /// Lets go of the rows that a checkpoint has: the newest view goes on from the checkpoint.
    async fn slim(&self, sealed: &Account, metered: Metered) -> Result<(), EngineError> {
        let Some(newest) = self.views.get(sealed.log) else {
            return Ok(());
        };
        let mut account = Account::clone(&newest.account);
        account.metered = metered;
        let mut at = sealed.seq;
        while at < account.seq {
            let rows = self.store.read_log(sealed.log, at, PAGE_BYTES).await?;
            for row in rows
                .into_iter()
                .take_while(|row| row.seq <= newest.account.seq)
            {
                let decoded = Batch::decode(&row.batch);
                let folded = decoded.and_then(|(batch, _)| account.fold_events(&batch));
                let what = || format!("batch {} of log {}", row.seq.0, sealed.log.0);
                folded.map_err(|error| EngineError::damaged(what(), error))?;
                at = row.seq;
            }
        }
        let (site, account) = (Arc::clone(&newest.site), Arc::new(account));
        // A newer one stays, whose account holds its rows in memory.
        if let Some(kept) = self.views.keep(newest.after(site, account)) {
            self.with_dropped(kept);
        }
        Ok(())
    }

    /// `None` when somebody else stored a newer one.
    async fn store_account(&self, sealing: Sealing) -> Result<Option<Sealed>, EngineError> {
        let Sealing {
            view,
            pairs,
            mut runs,
        } = sealing;
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
        runs.truncate(kept);
        runs.push(run);
        let rows = self.store_rows(account, at).await?;
        let bytes = encode(account, &rows);
        let metered = Stored::decode(&bytes, account.log)
            .and_then(|stored| match stored {
                Some(stored) => stored.metered(&account.dictionary),
                None => Ok(None),
            })
            .map_err(|error| EngineError::damaged("a new checkpoint", error))?;
        let metered =
            metered.ok_or_else(|| EngineError::damaged("a new checkpoint", "its format"))?;
        let state = store.put_blob(bytes.into(), at).await?;
        let indexes = |run: &Run| run.segments().iter().map(|segment| segment.index).collect();
        let known = AccountKnown {
            at: account.seq,
            state,
            rows: rows.values().map(|rows| rows.blob).collect(),
            runs: runs.iter().map(indexes).collect(),
        };
        let swapped = self.swap_account(account.log, known, &runs).await?;
        Ok(swapped.map(|gone| Sealed {
            runs,
            metered,
            gone,
        }))
    }

    /// Stores the rows of the months that changed, and gives those of all.
    async fn store_rows(
        &self,
        account: &Arc<Account>,
        at: Instant,
    ) -> Result<BTreeMap<Month, StoredRows>, EngineError> {
        let mut all = BTreeMap::new();
        for (month, usage) in account.metered.months() {
            let stored = match usage.stored() {
                Some(stored) if usage.recent().next().is_none() => stored,
                _ => self.store_month(account, month, usage, at).await?,
            };
            all.insert(month, stored);
        }
        Ok(all)
    }

    async fn store_month(
        &self,
        account: &Arc<Account>,
        month: Month,
        usage: &MonthUsage,
        at: Instant,
    ) -> Result<StoredRows, EngineError> {
        let before = match usage.stored() {
            Some(stored) => {
                let bytes = named(self.store.as_ref(), stored.blob).await?;
                Some((stored.blob, bytes))
            }
            None => None,
        };
        let (account, usage) = (Arc::clone(account), usage.clone());
        let joined = tokio::task::spawn_blocking(move || {
            let before = match before {
                None => Vec::new(),
                Some((blob, bytes)) => rows::decode(&bytes, month, &account.dictionary)
                    .map_err(|error| EngineError::blob(blob, &error))?
                    .ok_or_else(|| EngineError::damaged(format!("blob {blob}"), "its format"))?,
            };
            let rows = usage.joined(&before);
            Ok::<_, EngineError>((rows::encode(month, &rows), rows.len()))
        });
        let (bytes, count) = joined.await??;
        let count = u32::try_from(count)
            .map_err(|_| EngineError::System(format!("{month} has more than 2^32 sums")))?;
        let blob = self.store.put_blob(bytes.into(), at).await?;
        Ok(StoredRows { blob, count })
    }

    /// Names a checkpoint in the manifest, unless there is a newer one, and gives the blobs that
    /// the one before it had alone.
    async fn swap_account(
        &self,
        log: LogId,
        known: AccountKnown,
        runs: &[Run],
    ) -> Result<Option<Vec<Digest>>, EngineError> {
        let store = &self.store;
        let mut new: HashSet<Digest> = runs.iter().flat_map(Run::blobs).collect();
        new.insert(known.state);
        new.extend(&known.rows);
        loop {
            let (version, mut checkpoints) = Checkpoints::load(store.as_ref(), log).await?;
            if checkpoints
                .account()
                .is_some_and(|other| other.at > known.at)
            {
                return Ok(None);
            }
            let replaced = checkpoints.set_account(known.clone());
            if store
                .swap_manifest(log, version, checkpoints.encode())
                .await?
            {
                let gone = match replaced {
                    Some(old) => blobs(store, &old).await?,
                    None => Vec::new(),
                };
                let gone = gone.into_iter().filter(|blob| !new.contains(blob));
                return Ok(Some(gone.collect()));
            }
        }
    }
}
