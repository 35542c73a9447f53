//! The only write path: plan on the newest state, append by compare-and-swap, fold.
//!
//! Invariant: what is returned is durable and folded. A lost race changes nothing and is planned
//! again on the new state; a commit of unknown outcome is first looked up by its id.

pub use super::audit::Actor;
use super::audit::Deed;
use super::{Engine, EngineError, View, load};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::batch::{Batch, Entry};
use tallybook_core::ids::{CommitId, Digest, LogId, NameId, Seq};
use tallybook_core::ledger::{Account, AccountEntry};
use tallybook_core::names::{Commitment, Dictionary, Draft};
use tallybook_core::site::Site;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;
use tallybook_store::{Append, AppendError, Effect, NameRow};

/// How often to retry after a lost race.
const ATTEMPTS: u32 = 16;

/// What one commit records.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub site: Vec<SiteEntry>,
    pub accounts: Vec<(LogId, AccountName, Vec<AccountEntry>)>,
    pub effects: Vec<Effect>,
}

impl Changes {
    /// Adds a line to the audit log.
    pub(crate) fn audit(&mut self, at: Instant, actor: &Actor, deed: Deed) {
        self.effects.push(actor.did(at, deed));
    }
}

/// The writer's turn: nothing else commits while it is held.
pub(crate) struct Turn<'a> {
    engine: &'a Engine,
    _writing: tokio::sync::MutexGuard<'a, ()>,
}

/// The outcome of one attempt.
pub(crate) enum Committed {
    /// It is durable and folded.
    Done,
    /// Another writer was first: plan again.
    Lost,
}

impl Engine {
    /// Waits for the writer's turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn {
            engine: self,
            _writing: self.writing.lock().await,
        }
    }
}

impl Turn<'_> {
    /// How often to plan again after a lost race.
    pub(crate) const ATTEMPTS: u32 = ATTEMPTS;

    /// Commits changes that were planned on the newest site and views.
    pub(crate) async fn commit(
        &self,
        now: Instant,
        changes: Changes,
    ) -> Result<Committed, EngineError> {
        let commit = CommitId(self.engine.options.entropy.bytes()?);
        let mut site = None;
        let mut accounts = Vec::new();
        let mut appends = Vec::new();
        if !changes.site.is_empty() {
            let mut next = Site::clone(&self.engine.site());
            let encode = |names: &mut Draft<'_>| {
                changes
                    .site
                    .iter()
                    .map(|entry| entry.encode(names))
                    .collect()
            };
            let (append, batch, digest) = self.prepare(
                (LogId::SITE, next.seq, next.head),
                &mut next.dictionary,
                (commit, now),
                encode,
            )?;
            let folded = next.fold(&batch, digest);
            folded.map_err(|error| EngineError::damaged("a new site batch", error))?;
            appends.push(append);
            site = Some(next);
        }
        for (log, name, entries) in &changes.accounts {
            let mut next = self.newest(*log, name).await?;
            let encode =
                |names: &mut Draft<'_>| entries.iter().map(|entry| entry.encode(names)).collect();
            let (append, batch, digest) = self.prepare(
                (*log, next.seq, next.head),
                &mut next.dictionary,
                (commit, now),
                encode,
            )?;
            let folded = next.fold(&batch, digest);
            folded.map_err(|error| EngineError::damaged("a new account batch", error))?;
            appends.push(append);
            accounts.push(next);
        }
        let logs: Vec<_> = appends
            .iter()
            .map(|append| (append.log, append.expected))
            .collect();
        match self.engine.store.append(appends, changes.effects).await {
            Ok(()) => {}
            Err(AppendError::Conflict { .. }) => {
                self.reload().await?;
                return Ok(Committed::Lost);
            }
            Err(AppendError::Refused(error)) => return Err(error.into()),
            Err(AppendError::Unknown(error)) => {
                let found = self.find(&logs, commit).await?;
                if !found {
                    self.reload().await?;
                    return Err(error.into());
                }
            }
        }
        self.publish(site, accounts);
        Ok(Committed::Done)
    }

    async fn newest(&self, log: LogId, name: &AccountName) -> Result<Account, EngineError> {
        Ok(Account::clone(
            &self.engine.view_of(log, name).await?.account,
        ))
    }

    /// Encodes a batch on top of a log, and adds its new names to the dictionary.
    fn prepare(
        &self,
        (log, newest, head): (LogId, Seq, Digest),
        dictionary: &mut Dictionary,
        (commit, at): (CommitId, Instant),
        encode: impl FnOnce(&mut Draft<'_>) -> Vec<Entry>,
    ) -> Result<(Append, Batch, Digest), EngineError> {
        let first_name = dictionary.next_id();
        let mut draft = Draft::new(dictionary);
        let entries = encode(&mut draft);
        let mut names = Vec::new();
        let mut commitments = Vec::new();
        for (text, place) in draft.into_new().into_iter().zip(0u32..) {
            let salt = self.engine.options.entropy.bytes()?;
            commitments.push(Commitment::new(salt, &text));
            names.push(NameRow {
                id: NameId(first_name.0 + place),
                salt,
                text,
            });
        }
        names.iter().for_each(|row| {
            dictionary.push(Some(Arc::clone(&row.text)));
        });
        let (seq, previous) = (newest.next(), head);
        let batch = Batch {
            log,
            seq,
            previous,
            commit,
            at,
            first_name,
            commitments,
            entries,
        };
        let (bytes, digest) = batch.encode();
        Ok((
            Append {
                log,
                expected: newest,
                batch: bytes.into(),
                names,
            },
            batch,
            digest,
        ))
    }

    /// Whether a commit whose answer was lost is in the logs.
    async fn find(&self, logs: &[(LogId, Seq)], commit: CommitId) -> Result<bool, EngineError> {
        let Some((log, after)) = logs.first() else {
            return Ok(false);
        };
        let rows = self.engine.store.read_log(*log, *after, 1).await?;
        let Some(row) = rows.first() else {
            return Ok(false);
        };
        let what = || format!("batch {} of log {}", row.seq.0, log.0);
        let decoded = Batch::decode(&row.batch);
        let (batch, _) = decoded.map_err(|error| EngineError::damaged(what(), error))?;
        Ok(batch.commit == commit)
    }

    /// Reads what others committed.
    pub(super) async fn reload(&self) -> Result<(), EngineError> {
        let mut site = Site::clone(&self.engine.site());
        load::catch_up_site(self.engine.store.as_ref(), &mut site).await?;
        self.engine.views.clear();
        self.engine.metering.forget();
        self.publish(Some(site), Vec::new());
        Ok(())
    }

    fn publish(&self, site: Option<Site>, accounts: Vec<Account>) {
        if let Some(site) = site {
            let mut slot = self
                .engine
                .site
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *slot = Arc::new(site);
        }
        for account in accounts {
            let (site, account) = (self.engine.site(), Arc::new(account));
            let before = self.engine.views.get(account.log);
            self.engine.publish_view(match before {
                Some(before) => before.after(site, account),
                None => View::new(site, account),
            });
        }
    }
}
