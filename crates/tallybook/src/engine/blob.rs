//! Blobs: those named by the ledger, and derived ones.
//!
//! Invariant: a derived blob begins with its account and generation, so that equal content of two
//! accounts, or of one account at two times, is never stored as one blob. A missing or damaged one
//! is not an error: the reader rebuilds it from the log.
//!
//! Layout of a derived blob: `TBD1`, log and generation in 64 bits each, its content.

use super::EngineError;
use std::ops::Deref;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_store::{Store, StoreError};

const MAGIC: &[u8; 4] = b"TBD1";
const HEAD: usize = MAGIC.len() + 8 + 8;

/// Reads a blob named by the ledger; if it is missing, the store is damaged.
pub(super) async fn named(store: &dyn Store, blob: Digest) -> Result<Vec<u8>, EngineError> {
    let bytes = store.get_blob(blob).await?;
    bytes.ok_or_else(|| EngineError::damaged(format!("blob {blob}"), "missing"))
}

/// The owner of a derived blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// The account's log.
    pub log: LogId,
    /// Distinguishes its content from that of other times.
    pub generation: u64,
}

impl Owner {
    /// The owner of content that covers the log up to a batch.
    pub(super) fn through(log: LogId, seq: Seq) -> Self {
        let generation = seq.0;
        Self { log, generation }
    }

    /// The owner of a statement.
    pub(super) fn statement(log: LogId, fingerprint: Digest) -> Self {
        let (words, _) = fingerprint.0.as_chunks::<8>();
        let generation = u64::from_le_bytes(words[0]);
        Self { log, generation }
    }

    /// The bytes of a blob with that content.
    pub(super) fn blob(self, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + content.len());
        bytes.extend_from_slice(&self.head());
        bytes.extend_from_slice(content);
        bytes
    }

    fn head(self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(MAGIC);
        head[4..12].copy_from_slice(&self.log.0.to_le_bytes());
        head[12..].copy_from_slice(&self.generation.to_le_bytes());
        head
    }
}

/// The content of a derived blob.
#[derive(Debug)]
pub(super) struct Content(Vec<u8>);

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[HEAD..]
    }
}

/// Why a derived blob can't be used; its content is rebuilt from the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// There is no such blob.
    #[error("missing")]
    Missing,
    /// Its bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// An earlier version of the program wrote it, or it is another account's.
    #[error("of another format, account or generation")]
    Foreign,
}

/// Reads a derived blob; fails only when the store can't be read.
pub(super) async fn read_derived(
    store: &dyn Store,
    owner: Owner,
    blob: Digest,
) -> Result<Result<Content, Unusable>, EngineError> {
    match store.get_blob(blob).await {
        Ok(Some(bytes)) if bytes.starts_with(&owner.head()) => Ok(Ok(Content(bytes))),
        Ok(Some(_)) => Ok(Err(Unusable::Foreign)),
        Ok(None) => Ok(Err(Unusable::Missing)),
        Err(StoreError::Damaged { what, detail }) => {
            Ok(Err(Unusable::Damaged(format!("{what}: {detail}"))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads a derived blob; `None`, after a warning that says what will be rebuilt, when it can't be
/// used.
pub(super) async fn derived(
    store: &dyn Store,
    owner: Owner,
    blob: Digest,
    what: &str,
) -> Result<Option<Content>, EngineError> {
    match read_derived(store, owner, blob).await? {
        Ok(content) => Ok(Some(content)),
        Err(reason) => {
            warn_unusable(owner.log, blob, what, &reason);
            Ok(None)
        }
    }
}

/// Logs that a derived blob can't be used and what is rebuilt.
pub(super) fn warn_unusable(log: LogId, blob: Digest, what: &str, reason: &dyn ToString) {
    let reason = reason.to_string();
    let log = log.0;
    tracing::warn!(log, %blob, reason, "{what} can't be read and is made again from the log");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tallybook_core::time::Instant;
    use tallybook_store::testing::MemoryStore;

    #[tokio::test]
    async fn a_derived_blob_is_read_by_its_owner_only() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let owner = |log, seq| Owner::through(LogId(log), Seq(seq));
        let at = Instant::parse("2026-01-01T00:00:00Z").unwrap();
        let bytes = owner(1, 7).blob(b"content");
        let blob = store.put_blob(bytes.into(), at).await.unwrap();
        let read = async |owner| {
            let read = read_derived(store.as_ref(), owner, blob).await.unwrap();
            read.map(|content| content.to_vec())
        };
        assert_eq!(read(owner(1, 7)).await, Ok(b"content".to_vec()));
        assert_eq!(read(owner(2, 7)).await, Err(Unusable::Foreign));
        assert_eq!(read(owner(1, 8)).await, Err(Unusable::Foreign));
        store.delete_blobs(vec![blob], None).await.unwrap();
        assert_eq!(read(owner(1, 7)).await, Err(Unusable::Missing));
    }
}
