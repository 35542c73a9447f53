//! Builds statements ahead of their first reader.
//!
//! Invariant: changes only the speed of answers, never their content. Look next:
//! [`super::statements`].

use super::{Engine, EngineError, View};
use std::sync::Arc;
use tallybook_core::ledger::Import;
use tallybook_core::time::Month;

impl Engine {
    /// Makes the statements of an import's months in the background, so that the first reader need
    /// not wait. A failure only slows that reader down.
    pub fn warm_later(self: &Arc<Self>, view: Arc<View>, import: &Import) {
        let months = import.months();
        let engine = Arc::clone(self);
        self.later.spawn(async move {
            if let Err(error) = engine.warm(&view, months).await {
                tracing::error!(%error, "could not precompute the statements of an import");
            }
        });
    }

    /// Makes the statements of some months and their checkpoints, so that the first reader need not
    /// wait. Lines that are already in a checkpoint are not loaded.
    pub async fn warm(
        &self,
        view: &View,
        months: impl IntoIterator<Item = Month>,
    ) -> Result<(), EngineError> {
        for month in months {
            self.source(view, month).await?;
        }
        Ok(())
    }
}
