//! Checkpoints of accounts: an account's state up to one batch of its log, and the keys of its
//! events as runs.
//!
//! Invariant: derived and disposable, like every checkpoint; made in the background from a view,
//! which is immutable. A restart then reads only what came after. Look next: [`super::run`],
//! [`crate::engine::load`], which reads it.

use super::block::Pair;
use super::keys::{Keys, PAGE_BYTES, pairs_of};
use super::run::Run;
use super::stored::{Stored, encode, rows_blob};
use crate::engine::blob::Owner;
use crate::engine::checkpoint::AccountKnown;
use crate::engine::manifests::{Dropped, Naming};
use crate::engine::{Engine, EngineError, View};
use std::collections::BTreeMap;
use std::sync::Arc;
use tallybook_core::batch::Batch;
use tallybook_core::ids::{LogId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::metered::rows::{MonthUsage, StoredRows};
use tallybook_core::time::{Instant, Month};

/// The default of [`crate::engine::Options::recent_keys`]: some megabytes, which take some
/// hundredths of a second to reload.
pub(in crate::engine) const RECENT_KEYS: usize = 1 << 16;

/// The most recent keys that an account keeps, however large it is.
pub(super) const MOST_RECENT: usize = 1 << 19;

/// The result of storing a checkpoint.
struct Sealed {
    runs: Vec<Run>,
    metered: Metered,
}

/// An account's recent keys that are being stored.
pub(super) struct Sealing {
    view: Arc<View>,
    pairs: Vec<Pair>,
    runs: Vec<Run>,
}

impl Sealing {
    /// The recent keys of an account, if there are enough of them to become a run.
    pub(super) fn due(keys: &mut Keys, view: &Arc<View>, limit: usize) -> Option<Self> {
        // Storing a month again costs in proportion to its rows, so a larger month waits for more
        // new keys.
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
    /// Stores an account's checkpoint. A failure only costs memory, and slows the next start.
    pub(super) async fn seal(&self, sealing: Sealing) {
        let account = Arc::clone(&sealing.view.account);
        let at = account.at.unwrap_or(Instant::EARLIEST);
        let naming = self.manifests.naming().await;
        let sealed = self.store_account(&naming, sealing).await;
        drop(naming);
        let sealed = match sealed {
            Ok(sealed) => self.take_over(&account, sealed).await,
            Err(error) => Err(error),
        };
        let sealed = match sealed {
            Ok(()) => self.manifests.delete_due(at).await,
            Err(error) => {
                if let Some(keys) = self.metering.keys.lock().await.known(account.log) {
                    keys.sealing = false;
                }
                Err(error)
            }
        };
        if let Err(error) = sealed {
            tracing::error!(log = account.log.0, %error, "could not store an account's checkpoint");
        }
    }

    /// Switches to a checkpoint; the holder of the turn sees the keys and the view change together.
    async fn take_over(
        &self,
        account: &Account,
        sealed: Option<Sealed>,
    ) -> Result<(), EngineError> {
        let _turn = self.turn().await;
        let mut keys = self.metering.keys.lock().await;
        let Some(sealed) = sealed else {
            keys.forget(account.log);
            return Ok(());
        };
        keys.sealed(account.log, account.seq, sealed.runs);
        self.slim(account, sealed.metered).await
    }

    /// Stores the checkpoint of an account that has none, so that the keys of a long log need not
    /// all be in memory, and returns its runs.
    pub(super) async fn seal_from_log(&self, view: &Arc<View>) -> Result<Vec<Run>, EngineError> {
        let log = view.account.log;
        tracing::info!(log = log.0, "rebuilding the checkpoint of a long log");
        let naming = self.manifests.naming().await;
        let (mut after, mut sealed) = (Seq(0), Seq(0));
        let (mut pairs, mut runs) = (Vec::new(), Vec::new());
        while after < view.account.seq {
            let rows = self.store.read_log(log, after, PAGE_BYTES).await?;
            if rows.is_empty() {
                let what = format!("batch {} of log {}", after.next().0, log.0);
                return Err(EngineError::damaged(what, "missing"));
            }
            for row in rows.iter().take_while(|row| row.seq <= view.account.seq) {
                let what = || format!("batch {} of log {}", row.seq.0, log.0);
                let decoded = Batch::decode(&row.batch);
                let (batch, _) = decoded.map_err(|error| EngineError::damaged(what(), error))?;
                let found = pairs_of(&batch, &view.account.dictionary);
                pairs.extend(found.map_err(|error| EngineError::damaged(what(), error))?);
                after = row.seq;
            }
            if pairs.len() >= MOST_RECENT && after < view.account.seq {
                let pairs = sorted(std::mem::take(&mut pairs));
                self.add_run(view, (sealed, after), &pairs, &mut runs)
                    .await?;
                sealed = after;
            }
        }
        let sealing = Sealing {
            view: Arc::clone(view),
            pairs: sorted(pairs),
            runs,
        };
        let sealed = self.store_account(&naming, sealing).await?;
        let newer = || EngineError::System("an account's checkpoint was made twice".to_owned());
        Ok(sealed.ok_or_else(newer)?.runs)
    }

    /// Drops rows from memory that a checkpoint has: the newest view continues from the checkpoint.
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
        // A newer view stays; its account keeps its rows in memory.
        if let Some(kept) = self.views.keep(newest.after(site, account)) {
            self.with_dropped(kept);
        }
        Ok(())
    }

    /// Adds the keys of the batches after one and through another to the runs of an account. The
    /// new run is merged with those that are not at least twice as long, so that few runs have to
    /// be searched.
    async fn add_run(
        &self,
        view: &Arc<View>,
        (after, through): (Seq, Seq),
        pairs: &[Pair],
        runs: &mut Vec<Run>,
    ) -> Result<(), EngineError> {
        let at = view.account.at.unwrap_or(Instant::EARLIEST);
        let mut length = pairs.len();
        let joined = runs.iter().rev().take_while(|run| {
            let joins = run.len() < 2 * length;
            length += if joins { run.len() } else { 0 };
            joins
        });
        let kept = runs.len() - joined.count();
        let after = runs.get(kept).map_or(after, |run| run.batches().0);
        let empty = Run::new(view.account.log, after, through);
        let written = empty.clone().write(&self.store, at, pairs, &runs[kept..]);
        let run = match written.await {
            Err(EngineError::Damaged { .. }) => {
                self.mend_runs(view, &runs[kept..]).await?;
                empty.write(&self.store, at, pairs, &runs[kept..]).await?
            }
            written => written?,
        };
        runs.truncate(kept);
        runs.push(run);
        Ok(())
    }

    /// `None` when a newer one has been stored.
    async fn store_account(
        &self,
        naming: &Naming<'_>,
        sealing: Sealing,
    ) -> Result<Option<Sealed>, EngineError> {
        let Sealing {
            view,
            pairs,
            mut runs,
        } = sealing;
        let (account, store) = (&view.account, &self.store);
        let (log, seq) = (account.log, account.seq);
        let at = account.at.unwrap_or(Instant::EARLIEST);
        let before = runs.clone();
        let sealed = runs.last().map_or(Seq(0), |run| run.batches().1);
        self.add_run(&view, (sealed, seq), &pairs, &mut runs)
            .await?;
        let rows = self.store_rows(account, at).await?;
        let state = encode(account, &rows);
        let metered = Stored::decode(&state, log)
            .and_then(|stored| match stored {
                Some(stored) => stored.metered(&account.dictionary),
                None => Ok(None),
            })
            .map_err(|error| EngineError::damaged("a new checkpoint", error))?;
        let metered =
            metered.ok_or_else(|| EngineError::damaged("a new checkpoint", "its format"))?;
        let state = Owner::through(log, seq).blob(&state);
        let known = AccountKnown {
            at: seq,
            state: store.put_blob(state.into(), at).await?,
            rows: rows.values().map(|rows| rows.blob).collect(),
            runs: runs.iter().map(Run::known).collect(),
        };
        let Some(replaced) = self.swap_account(naming, log, known).await? else {
            return Ok(None);
        };
        let dropped = replaced.map(|old| dropped(&old, &before));
        self.manifests
            .delete_later(at, log, dropped.unwrap_or_default());
        Ok(Some(Sealed { runs, metered }))
    }

    /// Stores the rows of the months that changed, and returns those of all months.
    async fn store_rows(
        &self,
        account: &Arc<Account>,
        at: Instant,
    ) -> Result<BTreeMap<Month, StoredRows>, EngineError> {
        let mut all = BTreeMap::new();
        for (month, usage) in account.metered.months() {
            let stored = match usage.stored() {
                Some(stored) if stored.through == usage.through() => stored,
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
            Some(stored) => self.stored_rows(account, month, stored).await?,
            None => Vec::new(),
        };
        let (log, through, usage) = (account.log, usage.through(), usage.clone());
        let joined = tokio::task::spawn_blocking(move || {
            let rows = usage.joined(&before);
            (rows_blob(log, month, through, &rows), rows.len())
        });
        let (bytes, count) = joined.await?;
        let count = u32::try_from(count)
            .map_err(|_| EngineError::System(format!("{month} has more than 2^32 sums")))?;
        let blob = self.store.put_blob(bytes.into(), at).await?;
        Ok(StoredRows {
            blob,
            count,
            through,
        })
    }

    /// Names a checkpoint in the manifest, and returns the one that it replaces; `None` when there
    /// is a newer one.
    async fn swap_account(
        &self,
        naming: &Naming<'_>,
        log: LogId,
        known: AccountKnown,
    ) -> Result<Option<Option<AccountKnown>>, EngineError> {
        loop {
            let (version, mut checkpoints) = self.manifests.load(log).await?;
            if checkpoints
                .account()
                .is_some_and(|other| other.at > known.at)
            {
                return Ok(None);
            }
            let replaced = checkpoints.set_account(known.clone());
            if self
                .manifests
                .swap(naming, log, version, &checkpoints)
                .await?
            {
                return Ok(Some(replaced));
            }
        }
    }
}

fn sorted(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_unstable_by_key(|(key, _)| *key);
    pairs
}

/// The blobs that a checkpoint named; its runs are known only if in use. Blobs that the next
/// checkpoint also names are not deleted.
fn dropped(old: &AccountKnown, runs: &[Run]) -> Vec<Dropped> {
    let blobs = old.rows.iter().chain([&old.state]);
    let indexes = runs.iter().flat_map(Run::blobs);
    let indexes = indexes.map(|(blob, blocks)| Dropped { blob, blocks });
    blobs
        .map(|blob| Dropped::from(*blob))
        .chain(indexes)
        .collect()
}
