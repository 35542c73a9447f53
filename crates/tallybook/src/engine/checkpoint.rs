//! Checkpoints: statements in the store, so that a start need not fold the ledger again.
//!
//! Invariant: derived and disposable. A manifest names the blobs of their parts by month and
//! fingerprint; one that is missing, or was made by other rules, is made again from the ledger.

use super::EngineError;
use super::cache::Cache;
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::statement::Statement;
use tallybook_core::time::{Instant, Month};
use tallybook_store::Store;

/// A statement on its way into the store.
pub(super) struct Checkpoint {
    pub log: LogId,
    pub statement: Statement,
    pub fingerprint: Digest,
    pub at: Instant,
}

impl Checkpoint {
    /// Stores it beside whatever else happens. A failure costs only the next start some time, so
    /// that it is logged and nobody waits for it.
    pub(super) async fn store(self, store: Arc<dyn Store>, cache: Arc<Cache>) {
        let (log, month) = (self.log.0, self.statement.month());
        if let Err(error) = self.put(store.as_ref(), &cache).await {
            tracing::error!(log, %month, %error, "a checkpoint could not be stored");
        }
    }

    async fn put(self, store: &dyn Store, cache: &Cache) -> Result<(), EngineError> {
        let Self {
            log,
            statement,
            fingerprint,
            at,
        } = self;
        let month = statement.month();
        // Part by part: the bytes of all of them would be as much memory again as the lines.
        let room = cache.room(statement.memory()).await?;
        let mut blobs = Vec::new();
        for part in 0..statement.parts() {
            let of = statement.clone();
            let bytes = tokio::task::spawn_blocking(move || of.encode_part(part)).await?;
            blobs.push(store.put_blob(bytes.into(), at).await?);
        }
        drop((statement, room));
        loop {
            let (version, mut known) = Checkpoints::load(store, log).await?;
            let replaced = known.put(month, fingerprint, blobs.clone());
            if store.swap_manifest(log, version, known.encode()).await? {
                let gone = replaced.into_iter().filter(|old| !blobs.contains(old));
                // No record names a checkpoint, and another month's parts differ in their first
                // bytes.
                return Ok(store.delete_blobs(gone.collect(), None).await?);
            }
        }
    }
}

/// Which blobs hold which month's statement: an account's manifest.
///
/// Layout, format 2: `TBK2`, number of months, then of each the month, the fingerprint, the number
/// of parts and their blobs; whether the account has a checkpoint, and then its batch, its blob,
/// the blobs of its rows and its runs; at last the hash of all that. In format 1 each month had one
/// blob, and that was all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoints {
    months: Vec<Known>,
    account: Option<AccountKnown>,
}

/// The checkpoint of an account: what its log says up to one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountKnown {
    /// The newest batch that it covers.
    pub at: Seq,
    /// The account's state.
    pub state: Digest,
    /// The rows of the months that its events say something of.
    pub rows: Vec<Digest>,
    /// Runs of the keys of its events, each as the blobs of its segments' indexes.
    pub runs: Vec<Vec<Digest>>,
}

/// The checkpoint of a month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub month: Month,
    /// What the statement is a function of.
    pub fingerprint: Digest,
    /// By part.
    pub blobs: Vec<Digest>,
}

impl Checkpoints {
    /// A log's manifest and its version.
    pub(super) async fn load(store: &dyn Store, log: LogId) -> Result<(u64, Self), EngineError> {
        let Some(manifest) = store.manifest(log).await? else {
            return Ok((0, Self::default()));
        };
        let known = Self::decode(&manifest.bytes).map_err(|error| {
            EngineError::damaged(format!("the manifest of log {}", log.0), error)
        })?;
        Ok((manifest.version, known))
    }

    /// The blobs of a statement's parts; none when it has no checkpoint.
    pub(super) fn find(&self, month: Month, fingerprint: Digest) -> &[Digest] {
        let is = |known: &&Known| (known.month, known.fingerprint) == (month, fingerprint);
        let known = self.months.iter().find(is);
        known.map_or(&[], |known| &known.blobs)
    }

    /// Adds a month's blobs, and gives those that they replace.
    fn put(&mut self, month: Month, fingerprint: Digest, blobs: Vec<Digest>) -> Vec<Digest> {
        let old = self.months.iter().position(|known| known.month == month);
        let old = old.map(|place| self.months.swap_remove(place).blobs);
        self.months.push(Known {
            month,
            fingerprint,
            blobs,
        });
        self.months.sort();
        old.unwrap_or_default()
    }

    /// The account's.
    pub(super) fn account(&self) -> Option<&AccountKnown> {
        self.account.as_ref()
    }

    /// Replaces the account's.
    pub(super) fn set_account(&mut self, account: AccountKnown) -> Option<AccountKnown> {
        self.account.replace(account)
    }

    /// Every month's.
    pub(super) fn all(&self) -> &[Known] {
        &self.months
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(b"TBK2");
        out.count(self.months.len());
        for known in &self.months {
            out.signed(i128::from(known.month.index()));
            out.raw(&known.fingerprint.0);
            out.count(known.blobs.len());
            known.blobs.iter().for_each(|blob| out.raw(&blob.0));
        }
        out.byte(u8::from(self.account.is_some()));
        if let Some(account) = &self.account {
            out.varint(account.at.0);
            out.raw(&account.state.0);
            out.count(account.rows.len());
            account.rows.iter().for_each(|blob| out.raw(&blob.0));
            out.count(account.runs.len());
            for run in &account.runs {
                out.count(run.len());
                run.iter().for_each(|index| out.raw(&index.0));
            }
        }
        let digest = Digest::of(out.written());
        out.raw(&digest.0);
        out.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        // Nothing else checks a manifest: it carries its own hash.
        let content = bytes
            .len()
            .checked_sub(32)
            .ok_or(DecodeError::Checksum("a manifest"))?;
        if Digest::of(&bytes[..content]).0 != bytes[content..] {
            return Err(DecodeError::Checksum("a manifest"));
        }
        let mut r = Reader::new(&bytes[..content]);
        let format = r.raw(4, "manifest")?;
        let many = match format {
            b"TBK1" => false,
            b"TBK2" => true,
            _ => return Err(r.invalid("the start of a manifest")),
        };
        let count = r.count(65, "manifest")?;
        let months = (0..count)
            .map(|_| {
                let index = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
                let month = Month::from_index(index).map_err(|_| r.invalid("month"))?;
                let fingerprint = Digest(r.array("fingerprint")?);
                let parts = if many { r.count(32, "blobs")? } else { 1 };
                let blobs = (0..parts).map(|_| Ok(Digest(r.array("blob")?)));
                Ok(Known {
                    month,
                    fingerprint,
                    blobs: blobs.collect::<Result<_, DecodeError>>()?,
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        let account = if many && r.byte("account")? == 1 {
            Some(read_account(&mut r)?)
        } else {
            None
        };
        r.finish("manifest")?;
        Ok(Self { months, account })
    }
}

fn read_account(r: &mut Reader<'_>) -> Result<AccountKnown, DecodeError> {
    let at = Seq(r.varint("batch")?);
    let state = Digest(r.array("account")?);
    let count = r.count(32, "months")?;
    let rows = (0..count).map(|_| Ok(Digest(r.array("rows")?)));
    let rows = rows.collect::<Result<_, DecodeError>>()?;
    let count = r.count(1, "runs")?;
    let runs = (0..count)
        .map(|_| {
            let count = r.count(32, "segments")?;
            (0..count)
                .map(|_| Ok(Digest(r.array("segment")?)))
                .collect()
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok(AccountKnown {
        at,
        state,
        rows,
        runs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Checkpoints {
        let mut known = Checkpoints::default();
        let month = Month::new(2026, 1).unwrap();
        known.put(month, Digest([1; 32]), vec![Digest([2; 32])]);
        let blobs = (3..8).map(|byte| Digest([byte; 32]));
        known.put(month.plus(-1), Digest([9; 32]), blobs.collect());
        known.set_account(AccountKnown {
            at: Seq(300),
            state: Digest([10; 32]),
            rows: vec![Digest([13; 32])],
            runs: vec![vec![Digest([11; 32]), Digest([12; 32])], Vec::new()],
        });
        known
    }

    #[test]
    fn a_manifest_is_read_back() {
        assert_eq!(Checkpoints::decode(&known().encode()), Ok(known()));
    }

    #[test]
    fn every_changed_byte_of_a_manifest_is_found() {
        let bytes = known().encode();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(Checkpoints::decode(&changed).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_manifest_of_format_1_is_read() {
        let month = Month::new(2026, 1).unwrap();
        let mut out = Writer::new();
        out.raw(b"TBK1");
        out.count(1);
        out.signed(i128::from(month.index()));
        out.raw(&[1; 32]);
        out.raw(&[2; 32]);
        let digest = Digest::of(out.written());
        out.raw(&digest.0);
        let read = Checkpoints::decode(&out.finish()).unwrap();
        assert_eq!(read.find(month, Digest([1; 32])), [Digest([2; 32])]);
        assert_eq!(read.find(month.plus(1), Digest([1; 32])), []);
    }

    #[test]
    fn a_newer_statement_replaces_the_month() {
        let mut known = known();
        let month = Month::new(2026, 1).unwrap();
        let old = known.put(month, Digest([7; 32]), vec![Digest([4; 32])]);
        assert_eq!(old, [Digest([2; 32])]);
        assert_eq!(known.find(month, Digest([1; 32])), []);
        assert_eq!(known.find(month, Digest([7; 32])), [Digest([4; 32])]);
        assert_eq!(known.all().len(), 2);
    }
}
