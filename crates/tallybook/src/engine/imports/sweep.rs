//! Sweeping: chunks of imports that were never committed are deleted.

use super::{Engine, EngineError};
use crate::engine::checkpoint::Checkpoints;
use crate::engine::metering;
use std::collections::BTreeSet;
use tallybook_core::time::Instant;

impl Engine {
    /// Deletes blobs that no batch and no manifest names and that were put before `before`: chunks
    /// of imports that were never committed. Gives how many.
    pub async fn sweep(&self, before: Instant) -> Result<usize, EngineError> {
        // Listed in the writer's turn: no import is committed between listing and deleting.
        let _turn = self.turn().await;
        let candidates = self.store.list_blobs().await?;
        let mut candidates: BTreeSet<_> = candidates
            .iter()
            .filter(|blob| blob.put_at < before)
            .map(|blob| blob.id)
            .collect();
        if candidates.is_empty() {
            return Ok(0);
        }
        let site = self.site();
        for (log, name) in site.directory.accounts() {
            let view = self.view_of(log, name).await?;
            for part in view
                .account
                .imports
                .iter()
                .flat_map(|import| &import.record.parts)
            {
                candidates.remove(&part.cells);
                part.chunks.iter().for_each(|chunk| {
                    candidates.remove(&chunk.blob);
                });
            }
            let (_, checkpoints) = Checkpoints::load(self.store.as_ref(), log).await?;
            for blob in checkpoints.all().iter().flat_map(|known| &known.blobs) {
                candidates.remove(blob);
            }
            if let Some(known) = checkpoints.account() {
                for blob in metering::blobs(&self.store, known).await? {
                    candidates.remove(&blob);
                }
            }
        }
        let count = candidates.len();
        self.store
            .delete_blobs(candidates.into_iter().collect(), Some(before))
            .await?;
        Ok(count)
    }
}
