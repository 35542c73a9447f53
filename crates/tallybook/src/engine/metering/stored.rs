//! An account's state as its checkpoint keeps it.
//!
//! Invariant: derived; bytes of another format are `None`, and the log is read instead. The batches
//! that hold more than events are few: they are named, and read again.

use super::run::Run;
use crate::engine::EngineError;
use crate::engine::checkpoint::AccountKnown;
use std::collections::BTreeMap;
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::metered::rows::StoredRows;
use tallybook_core::names::Dictionary;
use tallybook_core::time::{Instant, Month};
use tallybook_store::Store;

/// Every blob of an account's checkpoint; those that are gone are left out.
pub(in crate::engine) async fn blobs(
    store: &Arc<dyn Store>,
    known: &AccountKnown,
) -> Result<Vec<Digest>, EngineError> {
    let mut blobs = vec![known.state];
    blobs.extend(&known.rows);
    for indexes in &known.runs {
        blobs.extend(indexes);
        if let Some(run) = Run::read(store, indexes).await? {
            blobs.extend(run.blobs());
        }
    }
    Ok(blobs)
}

/// The bytes of an account's state.
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
    /// `None` when another format wrote it.
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

    /// Its metered usage; `None` when another format wrote it.
    pub(in crate::engine) fn metered(
        &self,
        dictionary: &Dictionary,
    ) -> Result<Option<Metered>, DecodeError> {
        Metered::decode(&self.metered, dictionary)
    }
}
