//! Checkpoints: statements in the store, so that a start need not fold the ledger again.
//!
//! Invariant: derived and disposable. A manifest names them by month and fingerprint; one that is
//! missing, or was made by other rules, is made again from the ledger.

use super::EngineError;
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::statement::Statement;
use tallybook_core::time::{Instant, Month};
use tallybook_store::Store;

/// A statement on its way into the store.
pub(super) struct Checkpoint {
    pub log: LogId,
    pub statement: Arc<Statement>,
    pub fingerprint: Digest,
    pub at: Instant,
}

impl Checkpoint {
    /// Stores it beside whatever else happens. A failure costs only the next start some time, so
    /// that it is logged and nobody waits for it.
    pub(super) async fn store(self, store: Arc<dyn Store>) {
        let (log, month) = (self.log.0, self.statement.month());
        if let Err(error) = self.put(store.as_ref()).await {
            tracing::error!(log, %month, %error, "a checkpoint could not be stored");
        }
    }

    async fn put(self, store: &dyn Store) -> Result<(), EngineError> {
        let Self {
            log,
            statement,
            fingerprint,
            at,
        } = self;
        let month = statement.month();
        let bytes = tokio::task::spawn_blocking(move || statement.encode()).await?;
        let blob = store.put_blob(bytes.into(), at).await?;
        loop {
            let (version, mut known) = Checkpoints::load(store, log).await?;
            let replaced = known.put(month, fingerprint, blob);
            if store.swap_manifest(log, version, known.encode()).await? {
                let gone: Vec<_> = replaced.into_iter().filter(|old| *old != blob).collect();
                // No record names a checkpoint, and another month's differs in its first bytes.
                return Ok(store.delete_blobs(gone, None).await?);
            }
        }
    }
}

/// Which blob holds which month's statement: an account's manifest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoints {
    months: Vec<(Month, Digest, Digest)>,
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

    pub(super) fn find(&self, month: Month, fingerprint: Digest) -> Option<Digest> {
        let known = self
            .months
            .iter()
            .find(|(m, f, _)| (*m, *f) == (month, fingerprint));
        known.map(|(_, _, blob)| *blob)
    }

    /// Adds a month's blob, and gives the one that it replaces.
    fn put(&mut self, month: Month, fingerprint: Digest, blob: Digest) -> Option<Digest> {
        let old = self.months.iter().position(|(known, _, _)| *known == month);
        let old = old.map(|place| self.months.swap_remove(place).2);
        self.months.push((month, fingerprint, blob));
        self.months.sort();
        old
    }

    /// Every (month, fingerprint, blob).
    pub(super) fn all(&self) -> &[(Month, Digest, Digest)] {
        &self.months
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(b"TBK1");
        out.count(self.months.len());
        for (month, fingerprint, blob) in &self.months {
            out.signed(i128::from(month.index()));
            out.raw(&fingerprint.0);
            out.raw(&blob.0);
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
        if r.raw(4, "manifest")? != b"TBK1" {
            return Err(r.invalid("the start of a manifest"));
        }
        let count = r.count(65, "manifest")?;
        let months = (0..count)
            .map(|_| {
                let index = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
                let month = Month::from_index(index).map_err(|_| r.invalid("month"))?;
                Ok((
                    month,
                    Digest(r.array("fingerprint")?),
                    Digest(r.array("blob")?),
                ))
            })
            .collect::<Result<_, DecodeError>>()?;
        r.finish("manifest")?;
        Ok(Self { months })
    }
}
