//! A store whose k-th write fails, or in which a reader is overtaken, to test the layers above it.
//!
//! Invariant: everything but the chosen write is passed on unchanged; the write after the failed
//! one works again, so that a retry can be seen to succeed. A read that is held back gives what the
//! store held when it was asked.

use crate::{
    Append, AppendError, AuditFilter, BlobInfo, Effect, JobRow, LogRow, Manifest, NumberedAudit,
    Store, StoreError, StoredName, TokenRow,
};
use async_trait::async_trait;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;
use tokio::sync::oneshot;

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Before anything was done: an append is refused.
    Before,
    /// After it was done: an append's outcome is unknown, and it did happen.
    After,
}

/// Passes everything on, except for the write that is to fail.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    writes: AtomicU64,
    plan: Mutex<Option<(u64, Fault)>>,
    held: Mutex<Option<(LogId, Gate)>>,
}

/// One side of a read that is held back.
#[derive(Debug)]
struct Gate {
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

/// A read that is held back until this is dropped.
#[derive(Debug)]
pub struct HeldRead {
    reached: oneshot::Receiver<()>,
    _release: oneshot::Sender<()>,
}

impl HeldRead {
    /// Waits until a reader has read and is held back.
    pub async fn reached(&mut self) {
        // An error means that the store is gone, and there are no readers any more.
        drop((&mut self.reached).await);
    }
}

impl<S: Store> FaultyStore<S> {
    /// Fails nothing until [`FaultyStore::fail_write`] is called.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            writes: AtomicU64::new(0),
            plan: Mutex::new(None),
            held: Mutex::new(None),
        }
    }

    /// Holds back the next reader that reaches the end of a log, with what it read.
    pub fn hold_end_of(&self, log: LogId) -> HeldRead {
        let (reached, was_reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let gate = Gate { reached, released };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((log, gate));
        HeldRead {
            reached: was_reached,
            _release: release,
        }
    }

    fn gate(&self, log: LogId) -> Option<Gate> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.take_if(|(of, _)| *of == log).map(|(_, gate)| gate)
    }

    /// Makes the `k`-th write from now on fail, once; the next one is the first.
    pub fn fail_write(&self, k: u64, fault: Fault) {
        let number = self.writes() + k;
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, fault));
    }

    /// How many writes there were: appends, blobs put or deleted, manifests swapped.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Counts a write; says how it is to fail.
    fn fault(&self) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let due = plan.take_if(|(planned, _)| *planned == number);
        due.map(|(_, fault)| fault)
    }
}

/// Does a write that is no append, or fails it.
macro_rules! write_or_fail {
    ($store:ident, $call:expr) => {
        match $store.fault() {
            None => $call,
            Some(Fault::Before) => Err(planned()),
            Some(Fault::After) => $call.and_then(|_| Err(planned())),
        }
    };
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn append(&self, appends: Vec<Append>, effects: Vec<Effect>) -> Result<(), AppendError> {
        match self.fault() {
            None => self.inner.append(appends, effects).await,
            Some(Fault::Before) => Err(AppendError::Refused(planned())),
            Some(Fault::After) => {
                self.inner.append(appends, effects).await?;
                Err(AppendError::Unknown(planned()))
            }
        }
    }

    async fn heads(&self) -> Result<Vec<(LogId, Seq)>, StoreError> {
        self.inner.heads().await
    }

    async fn head(&self, log: LogId) -> Result<Seq, StoreError> {
        self.inner.head(log).await
    }

    async fn read_log(
        &self,
        log: LogId,
        after: Seq,
        max_bytes: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        let rows = self.inner.read_log(log, after, max_bytes).await?;
        if rows.is_empty()
            && let Some(Gate { reached, released }) = self.gate(log)
            && reached.send(()).is_ok()
        {
            // Nothing is ever sent: it ends when the other side is dropped.
            drop(released.await);
        }
        Ok(rows)
    }

    async fn read_names(&self, log: LogId, from: NameId) -> Result<Vec<StoredName>, StoreError> {
        self.inner.read_names(log, from).await
    }

    async fn put_blob(&self, bytes: Arc<[u8]>, at: Instant) -> Result<Digest, StoreError> {
        write_or_fail!(self, self.inner.put_blob(bytes, at).await)
    }

    async fn get_blob(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get_blob(id).await
    }

    async fn list_blobs(&self) -> Result<Vec<BlobInfo>, StoreError> {
        self.inner.list_blobs().await
    }

    async fn delete_blobs(
        &self,
        ids: Vec<Digest>,
        before: Option<Instant>,
    ) -> Result<(), StoreError> {
        write_or_fail!(self, self.inner.delete_blobs(ids, before).await)
    }

    async fn manifest(&self, log: LogId) -> Result<Option<Manifest>, StoreError> {
        self.inner.manifest(log).await
    }

    async fn swap_manifest(
        &self,
        log: LogId,
        expected: u64,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        write_or_fail!(self, self.inner.swap_manifest(log, expected, bytes).await)
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        self.inner.token(hash).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.inner.tokens().await
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.inner.jobs().await
    }

    async fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.fact(key).await
    }

    async fn audit(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<NumberedAudit>, StoreError> {
        self.inner.audit(filter, limit).await
    }

    async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        self.inner.backup(file).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn check_rows(&self) -> Result<(), StoreError> {
        self.inner.check_rows().await
    }

    async fn release_space(&self) -> Result<bool, StoreError> {
        write_or_fail!(self, self.inner.release_space().await)
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.inner.size_on_disk().await
    }
}

fn planned() -> StoreError {
    StoreError::Io {
        doing: "writing".to_owned(),
        detail: "this write was chosen to fail".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::super::contract::append;
    use super::*;

    #[tokio::test]
    async fn the_chosen_write_fails_once_before_or_after() {
        let store = FaultyStore::new(MemoryStore::default());
        let append_after = async |expected| {
            let next = append(1, expected, b"batch");
            store.append(vec![next], vec![]).await
        };
        store.fail_write(2, Fault::Before);
        append_after(0).await.expect("the first works");
        let refused = append_after(1).await;
        assert!(matches!(refused, Err(AppendError::Refused(_))));
        assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(1));
        append_after(1).await.expect("the retry works");

        store.fail_write(1, Fault::After);
        let unknown = append_after(2).await;
        assert!(matches!(unknown, Err(AppendError::Unknown(_))));
        assert_eq!(store.head(LogId(1)).await.expect("head"), Seq(3));
        assert_eq!(store.writes(), 4);

        store.fail_write(1, Fault::After);
        let swapped = store.swap_manifest(LogId(1), 0, vec![]).await;
        assert!(matches!(swapped, Err(StoreError::Io { .. })));
        assert!(store.manifest(LogId(1)).await.expect("reads").is_some());
    }
}
