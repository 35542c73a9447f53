//! `tallybook verify`: read everything again, recompute everything, report the first difference.
//!
//! Invariant: nothing is written. Stored data (batches, names, chunks, sums, and everything derived
//! from them) is compared with what follows from the ledger alone; every blob is read. It takes
//! about as long as importing and replaying the same data. Look next: [`imports`], and
//! `super::metering` for keys of events.

mod imports;

use super::blob::{Owner, read_derived};
use super::checkpoint::{AccountKnown, Checkpoints, Known};
use super::metering::{KeySums, Whole};
use super::{Engine, EngineError, View, load};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tallybook_core::account::AccountName;
use tallybook_core::ids::{Digest, ImportId, LogId};
use tallybook_core::ledger::Account;
use tallybook_core::site::Site;
use tallybook_core::statement::{Source, Statement};
use tallybook_core::time::Month;
use tallybook_store::StoreError;

/// How often to retry verifying an account whose checkpoints changed meanwhile.
const ATTEMPTS: u32 = 5;

/// Counts of what was read and found consistent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Accounts.
    pub accounts: u64,
    /// Batches of all logs.
    pub batches: u64,
    /// Imports, live and reverted.
    pub imports: u64,
    /// Lines of all imports.
    pub lines: u64,
    /// Blobs of the ledger: the lines of imports and their sums.
    pub ledger_blobs: u64,
    /// Statements recomputed.
    pub statements: u64,
    /// Checkpoints compared byte by byte with what the ledger gives.
    pub checkpoints: u64,
    /// Blobs of checkpoints, which are rebuilt if lost.
    pub derived_blobs: u64,
    /// Blobs that nothing names; the next start of the server removes them.
    pub unused_blobs: u64,
    /// Their size as stored, in bytes.
    pub unused_bytes: u64,
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Batches and blobs read so far.
    pub done: u64,
    /// All of them.
    pub total: u64,
}

/// The callback for the progress of a verification.
type Watcher<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Counts what has been read.
struct Meter<'a> {
    done: AtomicU64,
    total: u64,
    watcher: Watcher<'a>,
}

impl Meter<'_> {
    fn add(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        let (done, total) = (done.min(self.total), self.total);
        (self.watcher)(Progress { done, total });
    }
}

/// A difference in derived data: the ledger is sound.
pub(in crate::engine) fn derived(
    what: impl std::fmt::Display,
    detail: impl ToString,
) -> EngineError {
    let what = format!("{what} (derived: it is made again from the ledger when it is needed)");
    EngineError::damaged(what, detail)
}

impl Engine {
    /// Reads and recomputes everything; the error is the first difference.
    pub async fn verify(&self) -> Result<Verified, EngineError> {
        self.verify_watched(&|_| {}).await
    }

    /// The same, reporting progress to `watcher`.
    pub async fn verify_watched(&self, watcher: Watcher<'_>) -> Result<Verified, EngineError> {
        self.store.check().await?;
        // Read before the site's log, so that an account opened in between is not expected.
        let heads = self.store.heads().await?;
        let batches: u64 = heads.iter().map(|(_, seq)| seq.0).sum();
        let meter = Meter {
            done: AtomicU64::new(0),
            total: batches + self.store.list_blobs().await?.len() as u64,
            watcher,
        };
        let site = Arc::new(load::site(self.store.as_ref()).await?);
        meter.add(site.seq.0);
        for (log, _) in heads {
            if log != LogId::SITE && site.directory.account_of(log).is_none() {
                return Err(EngineError::damaged(
                    format!("log {}", log.0),
                    "it has no account",
                ));
            }
        }
        let mut verified = Verified {
            batches: site.seq.0,
            ..Verified::default()
        };
        for (log, name) in site.directory.accounts() {
            verified = self
                .verify_account(&site, log, name, verified, &meter)
                .await?;
        }
        self.verify_unused(&mut verified, &meter).await?;
        // Last, because the other checks give more specific errors.
        self.store.check_rows().await?;
        Ok(verified)
    }

    /// Verifies an account and adds it to the counts. Blobs of its checkpoint may be deleted
    /// meanwhile if there is a newer one: then the account is verified again.
    async fn verify_account(
        &self,
        site: &Arc<Site>,
        log: LogId,
        name: &AccountName,
        before: Verified,
        meter: &Meter<'_>,
    ) -> Result<Verified, EngineError> {
        let mut attempts = 0;
        loop {
            let manifest = self.store.manifest(log).await?;
            let checkpoints = match &manifest {
                None => Checkpoints::default(),
                Some(manifest) => Checkpoints::decode(&manifest.bytes)
                    .map_err(|error| derived(format!("the manifest of log {}", log.0), error))?
                    .unwrap_or_default(),
            };
            attempts += 1;
            let mut verified = before;
            let outcome = self
                .verify_logged(site, (log, name), &checkpoints, &mut verified, meter)
                .await;
            match outcome {
                Ok(()) => return Ok(verified),
                Err(error @ EngineError::Damaged { .. }) => {
                    let newest = self.store.manifest(log).await?;
                    if newest == manifest || attempts == ATTEMPTS {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn verify_logged(
        &self,
        site: &Arc<Site>,
        (log, name): (LogId, &AccountName),
        checkpoints: &Checkpoints,
        verified: &mut Verified,
        meter: &Meter<'_>,
    ) -> Result<(), EngineError> {
        let known = checkpoints.account();
        let mut sums = known.map(KeySums::new);
        let mut whole = None;
        let account = load::replay(self.store.as_ref(), log, name, |account, batch| {
            if let Some(sums) = &mut sums {
                let added = sums.add(batch, &account.dictionary);
                let what = || format!("batch {} of log {}", batch.seq.0, log.0);
                added.map_err(|error| EngineError::damaged(what(), error))?;
            }
            if known.is_some_and(|known| known.at == account.seq) {
                whole = Some(Whole::new(account));
            }
            meter.add(1);
            Ok(())
        });
        let account = account.await?;
        if in_one_log_only(site, &account).is_some() {
            self.verify_agreement(log, name).await?;
        }
        verified.accounts += 1;
        verified.batches += account.seq.0;
        if let (Some(known), Some(sums)) = (known, &sums) {
            let blobs = self.verify_checkpoint((log, name), known, whole, sums, meter);
            verified.derived_blobs += blobs.await?;
            verified.checkpoints += 1;
        }
        let view = View::new(Arc::clone(site), Arc::new(account));
        for import in &view.account.imports {
            verified.imports += 1;
            verified.lines += self.verify_import(import).await?;
            let blobs = import
                .record
                .parts
                .iter()
                .map(|part| 1 + part.chunks.len() as u64);
            let blobs = blobs.sum();
            verified.ledger_blobs += blobs;
            meter.add(blobs);
        }
        self.verify_statements(&view, checkpoints, verified, meter)
            .await
    }

    /// Checks that the site's and an account's log name the same live imports. The chain of a log
    /// reveals a missing batch in its middle, but a missing end shows only in the other log.
    async fn verify_agreement(&self, log: LogId, name: &AccountName) -> Result<(), EngineError> {
        // Prevents commits between the two reads.
        let _turn = self.turn().await;
        let site = load::site(self.store.as_ref()).await?;
        let account = load::account_from_log(self.store.as_ref(), log, name).await?;
        match in_one_log_only(&site, &account) {
            None => Ok(()),
            Some(import) => Err(EngineError::damaged(
                format!("log {}", log.0),
                format!("import {import} is live in it or in the site's log, but not in both"),
            )),
        }
    }

    /// Compares an account's checkpoint with what its log gives, and returns the number of its
    /// blobs.
    async fn verify_checkpoint(
        &self,
        (log, name): (LogId, &AccountName),
        known: &AccountKnown,
        whole: Option<Whole>,
        sums: &KeySums,
        meter: &Meter<'_>,
    ) -> Result<u64, EngineError> {
        let what = || format!("the checkpoint of {name}");
        let whole = whole.ok_or_else(|| derived(what(), "it says more than the log"))?;
        let rows: BTreeSet<Digest> = whole.rows.values().map(|rows| Digest::of(rows)).collect();
        let named: BTreeSet<Digest> = known.rows.iter().copied().collect();
        if (rows, whole.state_blob()) != (named, known.state) {
            return Err(derived(what(), "it is not what the log gives"));
        }
        for blob in known.rows.iter().chain([&known.state]) {
            // Their names are the hashes of the expected content.
            self.read_named(*blob).await?;
            meter.add(1);
        }
        let keys = self.verify_runs(log, known, sums).await?;
        meter.add(keys.len() as u64);
        Ok((known.rows.len() + 1 + keys.len()) as u64)
    }

    /// Reads a derived blob that something names.
    async fn read_named(&self, blob: Digest) -> Result<Vec<u8>, EngineError> {
        let what = || format!("blob {blob}");
        let read = self.store.get_blob(blob).await;
        let read = read.map_err(|error| match error {
            StoreError::Damaged { what, detail } => derived(what, detail),
            other => other.into(),
        });
        read?.ok_or_else(|| derived(what(), "missing"))
    }

    async fn verify_statements(
        &self,
        view: &View,
        checkpoints: &Checkpoints,
        verified: &mut Verified,
        meter: &Meter<'_>,
    ) -> Result<(), EngineError> {
        let imports = view.account.imports.iter();
        let parts = imports.flat_map(|import| &import.record.parts);
        let months: BTreeSet<Month> = parts
            .flat_map(|part| part.chunks.iter().map(|chunk| chunk.month))
            .chain(view.account.metered.months().map(|(month, _)| month))
            .collect();
        let mut stored: BTreeMap<Month, &Known> = BTreeMap::new();
        stored.extend(checkpoints.all().iter().map(|known| (known.month, known)));
        for month in months {
            let plan = view.plan(month);
            let statement = self.fold(view, &plan).await?;
            verified.statements += 1;
            let fingerprint = view.fingerprint(month);
            let known = stored.get(&month);
            if known.is_some_and(|known| known.fingerprint == fingerprint) {
                let blobs = checkpoints.find(month, fingerprint);
                stored.remove(&month);
                self.verify_statement(view, statement, fingerprint, blobs)
                    .await?;
                verified.checkpoints += 1;
                verified.derived_blobs += blobs.len() as u64;
                meter.add(blobs.len() as u64);
            }
        }
        // Statements of earlier states of the log: readable, but with nothing to compare them with.
        for known in stored.values() {
            for blob in &known.blobs {
                self.read_named(*blob).await?;
            }
            verified.derived_blobs += known.blobs.len() as u64;
            meter.add(known.blobs.len() as u64);
        }
        Ok(())
    }

    /// Compares a stored statement's parts with those of the statement. Parts that were made by
    /// other rules or in another format are not compared: they are never read but rebuilt.
    async fn verify_statement(
        &self,
        view: &View,
        statement: Statement,
        fingerprint: Digest,
        blobs: &[Digest],
    ) -> Result<(), EngineError> {
        let (month, name) = (statement.month(), &view.account.name);
        let what = || format!("the checkpoint of {month} of {name}");
        let owner = Owner::statement(view.account.log, fingerprint);
        let parts = statement.parts();
        for (part, blob) in blobs.iter().enumerate() {
            let read = read_derived(self.store.as_ref(), owner, *blob).await?;
            let content =
                read.map_err(|reason| derived(format!("blob {blob} of {}", what()), reason))?;
            let again = statement.clone();
            let encoded = tokio::task::spawn_blocking(move || {
                (part < again.parts()).then(|| again.encode_part(part))
            });
            if encoded.await?.as_deref() != Some(&*content) {
                return match Source::decode(&content) {
                    Ok(None) => Ok(()),
                    _ => Err(derived(what(), "it is not what the ledger gives")),
                };
            }
        }
        if blobs.len() == parts {
            Ok(())
        } else {
            Err(derived(what(), "it has not as many parts as it should"))
        }
    }

    /// Reads the blobs that nothing names.
    async fn verify_unused(
        &self,
        verified: &mut Verified,
        meter: &Meter<'_>,
    ) -> Result<(), EngineError> {
        let unnamed = self.unnamed().await?;
        let waiting = self.manifests.waiting();
        for blob in unnamed {
            let read = self.store.get_blob(blob.id).await;
            if let Err(StoreError::Damaged { what, detail }) = read {
                let what = format!("{what} (unused: the next start of the server removes it)");
                return Err(EngineError::damaged(what, detail));
            }
            read?;
            if !waiting.contains(&blob.id) {
                verified.unused_blobs += 1;
                verified.unused_bytes += blob.stored_size;
            }
            meter.add(1);
        }
        Ok(())
    }
}

/// An import that is live in one of the two logs but not in the other.
fn in_one_log_only(site: &Site, account: &Account) -> Option<ImportId> {
    let seen = site.directory.sightings();
    let seen = seen.filter(|(_, log)| *log == account.log);
    let seen: BTreeSet<_> = seen.map(|(import, _)| import).collect();
    let live = account.live_imports().map(|import| import.record.id);
    let live: BTreeSet<_> = live.collect();
    seen.symmetric_difference(&live).next().copied()
}
