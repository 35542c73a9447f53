//! Blobs that something names.

use super::EngineError;
use tallybook_core::ids::Digest;
use tallybook_store::Store;

/// A blob that the ledger or a checkpoint names: that it is missing is damage.
pub(super) async fn named(store: &dyn Store, blob: Digest) -> Result<Vec<u8>, EngineError> {
    let bytes = store.get_blob(blob).await?;
    bytes.ok_or_else(|| EngineError::damaged(format!("blob {blob}"), "missing"))
}
