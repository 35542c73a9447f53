//! An account's state as stored in its checkpoint.
//!
//! Invariant: derived; bytes of another format are `None`, and the log is read instead. The few
//! batches that hold more than events are listed, and read again.

use crate::engine::EngineError;
use crate::engine::blob::Owner;
use std::collections::BTreeMap;
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::metered::rows::{self, MeteredRow, StoredRows};
use tallybook_core::names::Dictionary;
use tallybook_core::time::{Instant, Month};
use tallybook_store::{Store, StoreError};

/// An account's state.
///
/// Layout: `TBA1`, log, batch, its hash, its time, number of names, the batches that hold more than
/// events (they are read again), metered usage.
pub(super) fn encode(account: &Account, rows: &BTreeMap<Month, StoredRows>) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(b"TBA1");
    out.varint(account.log.0);
    out.varint(account.seq.0);
    out.raw(&account.head.0);
    out.signed(account.at.map_or(0, |at| i128::from(at.seconds())));
    out.varint(u64::from(account.dictionary.next_id().0));
    out.count(account.settings.len());
    account.settings.iter().for_each(|seq| out.varint(seq.0));
    out.run(&account.metered.encode(rows));
    out.finish()
}

/// The bytes of a blob of a month's rows.
pub(super) fn rows_blob(log: LogId, month: Month, through: Seq, rows: &[MeteredRow]) -> Vec<u8> {
    Owner::through(log, through).blob(&rows::encode(month, rows))
}

/// The blobs of an account's checkpoint, except its keys, as derived from its log.
pub(in crate::engine) struct Whole {
    /// By month.
    pub rows: BTreeMap<Month, Arc<[u8]>>,
    pub state: Arc<[u8]>,
}

impl Whole {
    /// The blobs of an account that was read from its log alone.
    pub(in crate::engine) fn new(account: &Account) -> Self {
        let mut blobs = BTreeMap::new();
        let mut stored = BTreeMap::new();
        for (month, usage) in account.metered.months() {
            let (rows, through) = (usage.joined(&[]), usage.through());
            let bytes = rows_blob(account.log, month, through, &rows);
            let blob = Digest::of(&bytes);
            // A month's rows are numbered with 32 bits.
            let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            let of_month = StoredRows {
                blob,
                count,
                through,
            };
            stored.insert(month, of_month);
            blobs.insert(month, bytes.into());
        }
        let state = encode(account, &stored);
        let owner = Owner::through(account.log, account.seq);
        Self {
            rows: blobs,
            state: owner.blob(&state).into(),
        }
    }

    /// The name of the blob of its state.
    pub(in crate::engine) fn state_blob(&self) -> Digest {
        Digest::of(&self.state)
    }

    /// Stores all of it again.
    pub(in crate::engine) async fn put(
        self,
        store: &dyn Store,
        at: Instant,
    ) -> Result<(), EngineError> {
        for bytes in self.rows.into_values().chain([self.state]) {
            match store.put_blob(bytes, at).await {
                // A damaged database is not written to; its log can still be read.
                Ok(_) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// An account's state as it was stored.
pub(in crate::engine) struct Stored {
    pub seq: Seq,
    pub head: Digest,
    pub at: Instant,
    pub names: u32,
    pub settings: Vec<Seq>,
    metered: Vec<u8>,
}

impl Stored {
    /// `None` when it has another format.
    pub(in crate::engine) fn decode(bytes: &[u8], log: LogId) -> Result<Option<Self>, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.raw(4, "account")? != b"TBA1" {
            return Ok(None);
        }
        if r.varint("log")? != log.0 {
            return Err(r.invalid("log"));
        }
        let seq = Seq(r.varint("batch")?);
        let head = Digest(r.array("hash")?);
        let seconds = i64::try_from(r.signed("time")?).map_err(|_| r.invalid("time"))?;
        let at = Instant::from_seconds(seconds).map_err(|_| r.invalid("time"))?;
        let names = r.varint32("names")?;
        let count = r.count(1, "batches")?;
        let settings = (0..count)
            .map(|_| r.varint("batch").map(Seq))
            .collect::<Result<_, _>>()?;
        let metered = r.run("metered usage")?.to_vec();
        r.finish("account")?;
        Ok(Some(Self {
            seq,
            head,
            at,
            names,
            settings,
            metered,
        }))
    }

    /// Its metered usage; `None` when it has another format.
    pub(in crate::engine) fn metered(
        &self,
        dictionary: &Dictionary,
    ) -> Result<Option<Metered>, DecodeError> {
        Metered::decode(&self.metered, dictionary)
    }
}
