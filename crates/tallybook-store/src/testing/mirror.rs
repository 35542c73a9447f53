//! Two stores run as one: whatever is asked of it is asked of both, and they must agree.
//!
//! Invariant: both stores get the same calls in the same order, one at a time. What a store alone
//! can know is not compared: sizes as stored, backups, and the words of an error.

use crate::{
    Append, AppendError, AuditFilter, BlobInfo, Effect, JobRow, LogRow, Manifest, NumberedAudit,
    Store, StoreError, StoredName, TokenRow,
};
use async_trait::async_trait;
use std::fmt::Debug;
use std::mem::discriminant;
use std::path::Path;
use std::sync::Arc;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;
use tokio::sync::Mutex;

/// Answers as `left` does, and panics when `right` would have answered otherwise.
#[derive(Debug)]
pub struct MirrorStore<L, R> {
    left: L,
    right: R,
    turn: Mutex<()>,
}

impl<L: Store, R: Store> MirrorStore<L, R> {
    /// Both stores must hold the same, most simply nothing.
    pub fn new(left: L, right: R) -> Self {
        Self {
            left,
            right,
            turn: Mutex::new(()),
        }
    }

    /// The store whose answers are given.
    pub fn left(&self) -> &L {
        &self.left
    }
}

/// Asks both, in turn with other calls, and compares.
macro_rules! both {
    ($mirror:ident, $store:ident => $call:expr) => {{
        let _turn = $mirror.turn.lock().await;
        let left = {
            let $store = &$mirror.left;
            $call
        };
        let right = {
            let $store = &$mirror.right;
            $call
        };
        compare(stringify!($call), left, &right)
    }};
}

#[async_trait]
impl<L: Store, R: Store> Store for MirrorStore<L, R> {
    async fn append(&self, appends: Vec<Append>, effects: Vec<Effect>) -> Result<(), AppendError> {
        let _turn = self.turn.lock().await;
        let left = self.left.append(appends.clone(), effects.clone()).await;
        let right = self.right.append(appends, effects).await;
        let same = match (&left, &right) {
            (Err(left), Err(right)) => same_refusal(left, right),
            (left, right) => left.is_ok() == right.is_ok(),
        };
        assert!(
            same,
            "the stores differ in append: {left:?} and then {right:?}"
        );
        left
    }

    async fn heads(&self) -> Result<Vec<(LogId, Seq)>, StoreError> {
        both!(self, store => store.heads().await)
    }

    async fn head(&self, log: LogId) -> Result<Seq, StoreError> {
        both!(self, store => store.head(log).await)
    }

    async fn read_log(
        &self,
        log: LogId,
        after: Seq,
        max_bytes: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        both!(self, store => store.read_log(log, after, max_bytes).await)
    }

    async fn read_names(&self, log: LogId, from: NameId) -> Result<Vec<StoredName>, StoreError> {
        both!(self, store => store.read_names(log, from).await)
    }

    async fn put_blob(&self, bytes: Arc<[u8]>, at: Instant) -> Result<Digest, StoreError> {
        both!(self, store => store.put_blob(Arc::clone(&bytes), at).await)
    }

    async fn get_blob(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        both!(self, store => store.get_blob(id).await)
    }

    async fn list_blobs(&self) -> Result<Vec<BlobInfo>, StoreError> {
        let _turn = self.turn.lock().await;
        let left = self.left.list_blobs().await;
        let right = self.right.list_blobs().await;
        compare(
            "list_blobs",
            without_stored_size(&left),
            &without_stored_size(&right),
        )?;
        left
    }

    async fn delete_blobs(
        &self,
        ids: Vec<Digest>,
        before: Option<Instant>,
    ) -> Result<(), StoreError> {
        both!(self, store => store.delete_blobs(ids.clone(), before).await)
    }

    async fn manifest(&self, log: LogId) -> Result<Option<Manifest>, StoreError> {
        both!(self, store => store.manifest(log).await)
    }

    async fn swap_manifest(
        &self,
        log: LogId,
        expected: u64,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        both!(self, store => store.swap_manifest(log, expected, bytes.clone()).await)
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        both!(self, store => store.token(hash).await)
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        both!(self, store => store.tokens().await)
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        both!(self, store => store.jobs().await)
    }

    async fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        both!(self, store => store.fact(key).await)
    }

    async fn audit(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<NumberedAudit>, StoreError> {
        both!(self, store => store.audit(filter.clone(), limit).await)
    }

    async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        self.left.backup(file).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        both!(self, store => store.check().await)
    }

    async fn check_rows(&self) -> Result<(), StoreError> {
        both!(self, store => store.check_rows().await)
    }

    async fn release_space(&self) -> Result<bool, StoreError> {
        let more = self.left.release_space().await?;
        Ok(self.right.release_space().await? || more)
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.left.size_on_disk().await
    }
}

fn compare<T: PartialEq + Debug>(
    call: &str,
    left: Result<T, StoreError>,
    right: &Result<T, StoreError>,
) -> Result<T, StoreError> {
    let same = match (&left, right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(left), Err(right)) => discriminant(left) == discriminant(right),
        _ => false,
    };
    assert!(
        same,
        "the stores differ in {call}: {left:?} and then {right:?}"
    );
    left
}

fn same_refusal(left: &AppendError, right: &AppendError) -> bool {
    match (left, right) {
        (
            AppendError::Conflict { log, newest },
            AppendError::Conflict {
                log: other_log,
                newest: other_newest,
            },
        ) => (log, newest) == (other_log, other_newest),
        (AppendError::Refused(left), AppendError::Refused(right))
        | (AppendError::Unknown(left), AppendError::Unknown(right)) => {
            discriminant(left) == discriminant(right)
        }
        _ => false,
    }
}

fn without_stored_size(
    blobs: &Result<Vec<BlobInfo>, StoreError>,
) -> Result<Vec<BlobInfo>, StoreError> {
    let mut blobs = blobs.clone()?;
    for blob in &mut blobs {
        blob.stored_size = 0;
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::super::contract::append;
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "the stores differ in append")]
    async fn a_store_that_has_more_is_found_at_the_next_append() {
        let right = MemoryStore::default();
        let more = right.append(vec![append(1, 0, b"more")], vec![]);
        more.await.expect("appends");
        let mirror = MirrorStore::new(MemoryStore::default(), right);
        let outcome = mirror.append(vec![append(1, 0, b"a")], vec![]).await;
        panic!("not found: {outcome:?}");
    }

    #[tokio::test]
    #[should_panic(expected = "the stores differ in store.read_log")]
    async fn a_store_that_answers_otherwise_is_found() {
        let (left, right) = (MemoryStore::default(), MemoryStore::default());
        for (store, batch) in [(&left, b"a"), (&right, b"b")] {
            let appended = store.append(vec![append(1, 0, batch)], vec![]);
            appended.await.expect("appends");
        }
        let mirror = MirrorStore::new(left, right);
        let rows = mirror.read_log(LogId(1), Seq(0), 10).await;
        panic!("not found: {rows:?}");
    }
}
