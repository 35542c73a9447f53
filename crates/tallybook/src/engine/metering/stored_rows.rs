//! The rows of a month that a checkpoint stored, rebuilt from the log when they can't be read.
//!
//! Look next: [`tallybook_core::ledger::metered::rows`] for the rows themselves.

use super::stored::rows_blob;
use crate::engine::blob::{Owner, derived, warn_unusable};
use crate::engine::{Engine, EngineError, load};
use tallybook_core::fold::MonthPlan;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::rows::{self, MeteredRow, StoredRows};
use tallybook_core::time::{Instant, Month};

const WHAT: &str = "the usage of a month";

impl Engine {
    /// The stored rows that the statement of a month is made of.
    pub(in crate::engine) async fn rows_of(
        &self,
        account: &Account,
        plan: &MonthPlan,
    ) -> Result<Vec<MeteredRow>, EngineError> {
        match plan.stored_rows() {
            Some(stored) => self.stored_rows(account, plan.month, stored).await,
            None => Ok(Vec::new()),
        }
    }

    /// The rows of an account's month that a checkpoint stored.
    pub(in crate::engine) async fn stored_rows(
        &self,
        account: &Account,
        month: Month,
        stored: StoredRows,
    ) -> Result<Vec<MeteredRow>, EngineError> {
        let owner = Owner::through(account.log, stored.through);
        let content = derived(self.store.as_ref(), owner, stored.blob, WHAT).await?;
        if let Some(content) = content {
            let names = account.dictionary.clone();
            let decode = move || rows::decode(&content, month, &names);
            match tokio::task::spawn_blocking(decode).await? {
                Ok(Some(rows)) => return Ok(rows),
                Ok(None) => warn_unusable(account.log, stored.blob, WHAT, &"its format"),
                Err(error) => warn_unusable(account.log, stored.blob, WHAT, &error),
            }
        }
        self.remake_rows(account, month, stored).await
    }

    async fn remake_rows(
        &self,
        account: &Account,
        month: Month,
        stored: StoredRows,
    ) -> Result<Vec<MeteredRow>, EngineError> {
        let (log, through) = (account.log, stored.through);
        let store = self.store.as_ref();
        let again = load::account_through(store, log, &account.name, through).await?;
        let usage = again.metered.month(month);
        let rows = usage.map(|usage| usage.joined(&[])).unwrap_or_default();
        let bytes = rows_blob(log, month, through, &rows);
        if Digest::of(&bytes) == stored.blob {
            let at = again.at.unwrap_or(Instant::EARLIEST);
            self.manifests.mend(log, stored.blob, bytes, at).await?;
        } else {
            tracing::error!(log = log.0, %month, "a checkpoint does not match the log");
        }
        Ok(rows)
    }
}
