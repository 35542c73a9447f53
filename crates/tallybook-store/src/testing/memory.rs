//! A store in memory: the contract in its plainest form.
//!
//! Invariant: a change is made on a copy and put in place whole, so that a refused one leaves
//! nothing. Slow for much data, and meant to be: it is read to learn what a store does.

use crate::{
    Append, AppendError, AuditFilter, AuditRow, BlobInfo, Effect, JobRow, LogRow, Manifest,
    NumberedAudit, Store, StoreError, StoredName, TokenRow,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;

/// Keeps everything until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    logs: BTreeMap<LogId, Vec<Arc<[u8]>>>,
    names: BTreeMap<LogId, Vec<StoredName>>,
    blobs: BTreeMap<Digest, (Arc<[u8]>, Instant)>,
    manifests: BTreeMap<LogId, Manifest>,
    tokens: Vec<TokenRow>,
    audit: Vec<AuditRow>,
    jobs: Vec<JobRow>,
    facts: BTreeMap<String, Vec<u8>>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn head(&self, log: LogId) -> Seq {
        Seq(self.logs.get(&log).map_or(0, |rows| rows.len() as u64))
    }

    fn append(&mut self, append: Append) -> Result<(), AppendError> {
        let newest = self.head(append.log);
        if newest != append.expected {
            let log = append.log;
            return Err(AppendError::Conflict { log, newest });
        }
        self.logs.entry(append.log).or_default().push(append.batch);
        let names = self.names.entry(append.log).or_default();
        for name in append.names {
            if name.id.0 as usize != names.len() {
                return Err(refused("adding names", "they do not follow the last one"));
            }
            names.push(StoredName {
                id: name.id,
                name: Some((name.salt, name.text)),
            });
        }
        Ok(())
    }

    fn apply(&mut self, effect: Effect) -> Result<(), AppendError> {
        match effect {
            Effect::AddToken(token) => {
                let taken = |old: &TokenRow| old.id == token.id || old.hash == token.hash;
                if self.tokens.iter().any(taken) {
                    return Err(refused("adding a token", "its id or its hash is there"));
                }
                self.tokens.push(token);
            }
            Effect::RevokeToken { id, at } => {
                let token = self.tokens.iter_mut().find(|token| token.id == id);
                let token =
                    token.ok_or_else(|| refused("revoking a token", "there is no such token"))?;
                token.revoked_at.get_or_insert(at);
            }
            Effect::PutJob(job) => match self.jobs.iter_mut().find(|old| old.id == job.id) {
                Some(old) => old.state = job.state,
                None => self.jobs.push(job),
            },
            Effect::RemoveJob { id } => self.jobs.retain(|job| job.id != id),
            Effect::Audit(line) => self.audit.push(line),
            Effect::SetFact { key, value } => {
                self.facts.insert(key, value);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn append(
        &self,
        mut appends: Vec<Append>,
        effects: Vec<Effect>,
    ) -> Result<(), AppendError> {
        appends.sort_by_key(|append| append.log);
        if appends.windows(2).any(|pair| pair[0].log == pair[1].log) {
            return Err(refused("appending", "two batches for one log"));
        }
        let mut state = self.state();
        let mut changed = state.clone();
        for append in appends {
            changed.append(append)?;
        }
        for effect in effects {
            changed.apply(effect)?;
        }
        *state = changed;
        Ok(())
    }

    async fn heads(&self) -> Result<Vec<(LogId, Seq)>, StoreError> {
        let state = self.state();
        Ok(state
            .logs
            .keys()
            .map(|log| (*log, state.head(*log)))
            .collect())
    }

    async fn head(&self, log: LogId) -> Result<Seq, StoreError> {
        Ok(self.state().head(log))
    }

    async fn read_log(
        &self,
        log: LogId,
        after: Seq,
        max_bytes: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        let state = self.state();
        let rows = state.logs.get(&log).into_iter().flatten();
        let numbered = (1..).map(Seq).zip(rows);
        let mut read = Vec::new();
        let mut bytes = 0;
        for (seq, batch) in numbered.filter(|(seq, _)| *seq > after) {
            bytes += batch.len();
            if bytes > max_bytes && !read.is_empty() {
                break;
            }
            let batch = batch.to_vec();
            read.push(LogRow { seq, batch });
        }
        Ok(read)
    }

    async fn read_names(&self, log: LogId, from: NameId) -> Result<Vec<StoredName>, StoreError> {
        let state = self.state();
        let names = state.names.get(&log).into_iter().flatten();
        Ok(names.skip(from.0 as usize).cloned().collect())
    }

    async fn put_blob(&self, bytes: Arc<[u8]>, at: Instant) -> Result<Digest, StoreError> {
        let id = Digest::of(&bytes);
        self.state().blobs.insert(id, (bytes, at));
        Ok(id)
    }

    async fn get_blob(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().blobs.get(&id).map(|(bytes, _)| bytes.to_vec()))
    }

    async fn list_blobs(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let state = self.state();
        let infos = state.blobs.iter().map(|(id, (bytes, put_at))| BlobInfo {
            id: *id,
            size: bytes.len() as u64,
            stored_size: bytes.len() as u64,
            put_at: *put_at,
        });
        Ok(infos.collect())
    }

    async fn delete_blobs(
        &self,
        ids: Vec<Digest>,
        before: Option<Instant>,
    ) -> Result<(), StoreError> {
        let kept = |put_at: Instant| before.is_some_and(|before| put_at >= before);
        let mut state = self.state();
        state
            .blobs
            .retain(|id, (_, put_at)| !ids.contains(id) || kept(*put_at));
        Ok(())
    }

    async fn manifest(&self, log: LogId) -> Result<Option<Manifest>, StoreError> {
        Ok(self.state().manifests.get(&log).cloned())
    }

    async fn swap_manifest(
        &self,
        log: LogId,
        expected: u64,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let version = state
            .manifests
            .get(&log)
            .map_or(0, |manifest| manifest.version);
        if version != expected {
            return Ok(false);
        }
        let version = version + 1;
        state.manifests.insert(log, Manifest { version, bytes });
        Ok(true)
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        let state = self.state();
        Ok(state
            .tokens
            .iter()
            .find(|token| token.hash == hash)
            .cloned())
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let mut tokens = self.state().tokens.clone();
        // Stable: of the same second, the one added first.
        tokens.sort_by_key(|token| token.created_at);
        Ok(tokens)
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        Ok(self.state().jobs.clone())
    }

    async fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().facts.get(key).cloned())
    }

    async fn audit(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<NumberedAudit>, StoreError> {
        let state = self.state();
        let numbered = state.audit.iter().enumerate().rev();
        let lines = numbered.map(|(place, row)| NumberedAudit {
            number: place as u64 + 1,
            row: row.clone(),
        });
        let asked = lines.filter(|line| is_asked(&filter, line));
        Ok(asked.take(limit).collect())
    }

    /// There is no file to copy: always an error.
    async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        Err(StoreError::Io {
            doing: format!("writing {}", file.display()),
            detail: "a store in memory has no backup".to_owned(),
        })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check_rows(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn release_space(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

fn refused(doing: &str, detail: &str) -> AppendError {
    AppendError::Refused(StoreError::Io {
        doing: doing.to_owned(),
        detail: detail.to_owned(),
    })
}

fn is_asked(filter: &AuditFilter, line: &NumberedAudit) -> bool {
    let row = &line.row;
    let same = |text: &Option<String>, asked: &String| {
        let text = text.as_deref();
        text.is_some_and(|text| text.eq_ignore_ascii_case(asked))
    };
    let is_by = |who: &String| {
        let name = row.actor.split_once(' ').map(|(_, name)| name);
        row.actor == *who || name == Some(who) || same(&row.user, who)
    };
    let is_of = |action: &String| {
        let rest = row.action.strip_prefix(action.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    filter.before.is_none_or(|before| line.number < before)
        && filter.who.as_ref().is_none_or(is_by)
        && filter.action.as_ref().is_none_or(is_of)
        && filter
            .account
            .as_ref()
            .is_none_or(|account| same(&row.account, account))
        && filter.since.is_none_or(|since| row.at >= since)
        && filter.until.is_none_or(|until| row.at < until)
}
