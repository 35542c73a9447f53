//! From logs to state: read, check, fold.
//!
//! Invariant: a batch is folded only after its hash, its position in the chain and its names have
//! been checked.

use super::EngineError;
use super::blob::{Owner, derived, warn_unusable};
use super::checkpoint::AccountKnown;
use super::manifests;
use super::metering::{Stored, Whole};
use tallybook_core::account::AccountName;
use tallybook_core::batch::Batch;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::names::{Commitment, Dictionary};
use tallybook_core::site::Site;
use tallybook_core::time::Instant;
use tallybook_store::{LogRow, Store, StoredName};

/// Bytes of batches read at a time.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// State folded from a log.
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
    catch_up(store, &mut site, None, |_, _| Ok(())).await?;
    Ok(site)
}

/// Reads an account's log from its first batch.
pub(crate) async fn account_from_log(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
) -> Result<Account, EngineError> {
    let mut account = Account::new(log, name.clone());
    catch_up(store, &mut account, None, |_, _| Ok(())).await?;
    Ok(account)
}

/// Reads an account's log from its first batch, calling back for each batch once it is folded.
pub(super) async fn replay(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
    each: impl FnMut(&Account, &Batch) -> Result<(), EngineError> + Send,
) -> Result<Account, EngineError> {
    let mut account = Account::new(log, name.clone());
    catch_up(store, &mut account, None, each).await?;
    Ok(account)
}

/// Reads an account's log from its first batch up to one that it must have.
pub(super) async fn account_through(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
    through: Seq,
) -> Result<Account, EngineError> {
    let mut account = Account::new(log, name.clone());
    catch_up(store, &mut account, Some(through), |_, _| Ok(())).await?;
    if account.seq < through {
        let what = format!("batch {} of log {}", through.0, log.0);
        return Err(EngineError::damaged(what, "missing"));
    }
    Ok(account)
}

/// An account's state according to its log, loaded mostly from its checkpoint if it has one.
pub(crate) async fn account(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
) -> Result<Account, EngineError> {
    let (_, checkpoints) = manifests::load(store, log).await?;
    if let Some(known) = checkpoints.account()
        && let Some(mut account) = checkpointed(store, log, name, known).await?
    {
        catch_up(store, &mut account, None, |_, _| Ok(())).await?;
        return Ok(account);
    }
    account_from_log(store, log, name).await
}

/// An account as of its checkpoint; `None` when the log is shorter, or contradicts the checkpoint.
async fn checkpointed(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
    known: &AccountKnown,
) -> Result<Option<Account>, EngineError> {
    // A truncated log must not continue from a state beyond its end.
    if store.head(log).await? < known.at {
        return Ok(None);
    }
    if let Some(stored) = state(store, log, known).await?
        && let Some(account) = account_of(store, log, name, &stored).await?
    {
        return Ok(Some(account));
    }
    let again = account_through(store, log, name, known.at).await?;
    let whole = Whole::new(&again);
    if whole.state_blob() != known.state {
        return Ok(None);
    }
    whole
        .put(store, again.at.unwrap_or(Instant::EARLIEST))
        .await?;
    match state(store, log, known).await? {
        Some(stored) => account_of(store, log, name, &stored).await,
        None => Ok(None),
    }
}

/// An account's state from its checkpoint; `None` when that can't be read.
async fn state(
    store: &dyn Store,
    log: LogId,
    known: &AccountKnown,
) -> Result<Option<Stored>, EngineError> {
    const WHAT: &str = "the state of an account";
    let owner = Owner::through(log, known.at);
    let Some(content) = derived(store, owner, known.state, WHAT).await? else {
        return Ok(None);
    };
    Ok(Stored::decode(&content, log).unwrap_or_else(|error| {
        warn_unusable(log, known.state, WHAT, &error);
        None
    }))
}

/// The account of a stored state; `None` when it has another format.
async fn account_of(
    store: &dyn Store,
    log: LogId,
    name: &AccountName,
    stored: &Stored,
) -> Result<Option<Account>, EngineError> {
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
    let Ok(Some(metered)) = stored.metered(&account.dictionary) else {
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

/// Folds the batches of the site's log that `site` lacks.
pub(crate) async fn catch_up_site(store: &dyn Store, site: &mut Site) -> Result<(), EngineError> {
    catch_up(store, site, None, |_, _| Ok(())).await
}

/// Folds the batches of a log that `state` lacks, up to a batch if one is given, calling back for
/// each batch once it is folded.
async fn catch_up<T: Folded + Send>(
    store: &dyn Store,
    state: &mut T,
    through: Option<Seq>,
    mut each: impl FnMut(&T, &Batch) -> Result<(), EngineError> + Send,
) -> Result<(), EngineError> {
    loop {
        let (log, after, _) = state.position();
        let mut rows = store.read_log(log, after, PAGE_BYTES).await?;
        rows.retain(|row| through.is_none_or(|through| row.seq <= through));
        if rows.is_empty() {
            return Ok(());
        }
        // Names are read after the batches, so that they include those of every batch read.
        let from = state.dictionary().next_id();
        let names = store.read_names(log, from).await?;
        let mut names = names.into_iter();
        for row in rows {
            let batch = fold_row(state, &row, &mut names)?;
            each(state, &batch)?;
        }
    }
}

fn fold_row<T: Folded>(
    state: &mut T,
    row: &LogRow,
    names: &mut impl Iterator<Item = StoredName>,
) -> Result<Batch, EngineError> {
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
    state.fold_batch(&batch, digest).map_err(damaged)?;
    Ok(batch)
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
