//! From logs to state: read, check, fold.
//!
//! Invariant: a batch is folded only after its hash, its place in the chain and its names were
//! checked.

use super::EngineError;
use super::checkpoint::Checkpoints;
use super::metering::Stored;
use tallybook_core::account::AccountName;
use tallybook_core::batch::Batch;
use tallybook_core::codec::DecodeError;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::names::{Commitment, Dictionary};
use tallybook_core::site::Site;
use tallybook_store::{LogRow, Store, StoredName};

/// Bytes of batches read at a time.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// State that a log folds to.
trait Folded {
    fn position(&self) -> (LogId, Seq, Digest);
    fn dictionary(&mut self) -> &mut Dictionary;
    fn fold_batch(&mut self, batch: &Batch, digest: Digest) -> Result<(), String>;
}

impl Folded for Site {
    fn position(&self) -> (LogId, Seq, Digest) {
        (LogId::SITE, self.seq, self.head)
    }
    fn dictionary(&mut self) -> &mut Dictionary {
        &mut self.dictionary
    }
    fn fold_batch(&mut self, batch: &Batch, digest: Digest) -> Result<(), String> {
        self.fold(batch, digest).map_err(|error| error.to_string())
    }
}

impl Folded for Account {
    fn position(&self) -> (LogId, Seq, Digest) {
        (self.log, self.seq, self.head)
    }
    fn dictionary(&mut self) -> &mut Dictionary {
        &mut self.dictionary
    }
    fn fold_batch(&mut self, batch: &Batch, digest: Digest) -> Result<(), String> {
        self.fold(batch, digest).map_err(|error| error.to_string())
    }
}

/// Reads the site's log from its first batch.
pub(crate) async fn site(store: &dyn Store) -> Result<Site, EngineError> {
    let mut site = Site::default();
    catch_up(store, &mut site).await?;
    Ok(site)
}

/// Reads an account's log from its first batch.
pub(crate) async fn account_from_log(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
) -> Result<Account, EngineError> {
    let mut account = Account::new(log, name.clone());
    catch_up(store, &mut account).await?;
    Ok(account)
}

/// An account as its log says, most of it from its checkpoint if it has one.
pub(crate) async fn account(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
) -> Result<Account, EngineError> {
    match checkpointed(store, log, name).await? {
        Some(mut account) => {
            catch_up(store, &mut account).await?;
            Ok(account)
        }
        None => account_from_log(store, log, name).await,
    }
}

/// An account as of its checkpoint; `None` when it has none that this version reads.
pub(super) async fn checkpointed(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
) -> Result<Option<Account>, EngineError> {
    let (_, checkpoints) = Checkpoints::load(store, log).await?;
    let Some(known) = checkpoints.account() else {
        return Ok(None);
    };
    // A log that lost its end does not go on from what it once was.
    if store.head(log).await? < known.at {
        return Ok(None);
    }
    let Some(bytes) = store.get_blob(known.state).await? else {
        return Ok(None);
    };
    let damaged = |error: DecodeError| EngineError::blob(known.state, &error);
    let Some(stored) = Stored::decode(&bytes, log).map_err(damaged)? else {
        return Ok(None);
    };
    let mut account = Account::new(log, name.clone());
    let names = store.read_names(log, NameId(0)).await?;
    // Later names are read, and checked, with the batches that introduce them.
    for stored in names.into_iter().take(stored.names as usize) {
        account.dictionary.push(stored.name.map(|(_, text)| text));
    }
    if account.dictionary.next_id().0 != stored.names {
        let missing = missing(account.dictionary.next_id());
        return Err(EngineError::damaged(format!("log {}", log.0), missing));
    }
    let Some(metered) = stored.metered(&account.dictionary).map_err(damaged)? else {
        return Ok(None);
    };
    for seq in &stored.settings {
        let rows = store.read_log(log, Seq(seq.0.saturating_sub(1)), 1).await?;
        let what = || format!("batch {} of log {}", seq.0, log.0);
        let row = rows.into_iter().find(|row| row.seq == *seq);
        let row = row.ok_or_else(|| EngineError::damaged(what(), "missing"))?;
        let decoded = Batch::decode(&row.batch);
        let (batch, _) = decoded.map_err(|error| EngineError::damaged(what(), error))?;
        let folded = account.fold_settings(&batch);
        folded.map_err(|error| EngineError::damaged(what(), error))?;
    }
    account.metered = metered;
    account.seq = stored.seq;
    account.head = stored.head;
    account.at = Some(stored.at);
    Ok(Some(account))
}

/// Reads what the site's log has beyond `site`.
pub(crate) async fn catch_up_site(store: &dyn Store, site: &mut Site) -> Result<(), EngineError> {
    catch_up(store, site).await
}

async fn catch_up<T: Folded + Send>(store: &dyn Store, state: &mut T) -> Result<(), EngineError> {
    loop {
        let (log, after, _) = state.position();
        let rows = store.read_log(log, after, PAGE_BYTES).await?;
        if rows.is_empty() {
            return Ok(());
        }
        // Names are read after the batches, so that those of every batch read are among them.
        let from = state.dictionary().next_id();
        let names = store.read_names(log, from).await?;
        let mut names = names.into_iter();
        for row in rows {
            fold_row(state, &row, &mut names)?;
        }
    }
}

fn fold_row<T: Folded>(
    state: &mut T,
    row: &LogRow,
    names: &mut impl Iterator<Item = StoredName>,
) -> Result<(), EngineError> {
    let (log, newest, head) = state.position();
    let what = || format!("batch {} of log {}", row.seq.0, log.0);
    let damaged = |detail: String| EngineError::damaged(what(), detail);
    let (batch, digest) = Batch::decode(&row.batch).map_err(|error| damaged(error.to_string()))?;
    if (batch.log, batch.seq) != (log, row.seq) {
        let found = format!(
            "it says that it is batch {} of log {}",
            batch.seq.0, batch.log.0
        );
        return Err(damaged(found));
    }
    if batch.seq != newest.next() {
        return Err(damaged(format!("batch {} is missing", newest.next().0)));
    }
    if batch.previous != head {
        return Err(damaged("it does not chain the batch before it".to_owned()));
    }
    add_names(state.dictionary(), &batch, names).map_err(damaged)?;
    state.fold_batch(&batch, digest).map_err(damaged)
}

fn add_names(
    dictionary: &mut Dictionary,
    batch: &Batch,
    names: &mut impl Iterator<Item = StoredName>,
) -> Result<(), String> {
    if !batch.commitments.is_empty() && batch.first_name != dictionary.next_id() {
        return Err(format!(
            "its first new name is {}, not {}",
            batch.first_name.0,
            dictionary.next_id().0
        ));
    }
    for commitment in &batch.commitments {
        let id = dictionary.next_id();
        let stored = names.next().filter(|stored| stored.id == id);
        let stored = stored.ok_or_else(|| missing(id))?;
        if let Some((salt, text)) = &stored.name
            && Commitment::new(*salt, text) != *commitment
        {
            return Err(format!("name {} was changed", id.0));
        }
        dictionary.push(stored.name.map(|(_, text)| text));
    }
    Ok(())
}

fn missing(id: NameId) -> String {
    format!("name {} is missing from the dictionary", id.0)
}
