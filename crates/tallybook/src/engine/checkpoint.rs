//! Checkpoints: statements in the store, so that a restart need not fold the ledger again.
//!
//! Invariant: derived and disposable. A manifest names the blobs of their parts by month and
//! fingerprint; one that is missing or damaged, or was made by other rules, is rebuilt from the
//! ledger. Look next: [`super::manifests`] for how they are named and deleted.

use super::EngineError;
use super::blob::Owner;
use super::cache::Cache;
use super::manifests::{Dropped, Manifests};
use std::collections::HashSet;
use std::sync::Arc;
use tallybook_core::codec::{DecodeError, Reader, Writer};
use tallybook_core::event::EventKey;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::statement::Statement;
use tallybook_core::time::{Instant, Month};

/// A statement to be stored.
pub(super) struct Checkpoint {
    pub log: LogId,
    pub statement: Statement,
    pub fingerprint: Digest,
    pub at: Instant,
}

impl Checkpoint {
    /// Stores it in the background. A failure only slows the next start, so it is logged and
    /// nothing waits for it.
    pub(super) async fn store(self, manifests: Arc<Manifests>, cache: Arc<Cache>) {
        let (log, month) = (self.log, self.statement.month());
        let stored = match self.put(&manifests, &cache).await {
            Ok(replaced) => manifests.delete(log, replaced).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::error!(log = log.0, %month, %error, "a checkpoint could not be stored");
        }
    }

    /// Returns the blobs that it replaces.
    async fn put(self, manifests: &Manifests, cache: &Cache) -> Result<Vec<Dropped>, EngineError> {
        let Self {
            log,
            statement,
            fingerprint,
            at,
        } = self;
        let (month, owner) = (statement.month(), Owner::statement(log, fingerprint));
        // Part by part: all parts at once would take as much memory again as the lines.
        let room = cache.room(statement.memory()).await?;
        let naming = manifests.naming().await;
        let mut blobs = Vec::new();
        for part in 0..statement.parts() {
            let of = statement.clone();
            let bytes = move || owner.blob(&of.encode_part(part));
            let bytes = tokio::task::spawn_blocking(bytes).await?;
            blobs.push(manifests.store().put_blob(bytes.into(), at).await?);
        }
        drop((statement, room));
        loop {
            let (version, mut known) = manifests.load(log).await?;
            let replaced = known.put(month, fingerprint, blobs.clone());
            if manifests.swap(&naming, log, version, &known).await? {
                return Ok(replaced.into_iter().map(Dropped::from).collect());
            }
        }
    }
}

/// An account's manifest: which blobs hold which month's statement.
///
/// Layout, format 3: `TBK3`, number of months, then of each the month, the fingerprint, the number
/// of parts and their blobs; whether the account has a checkpoint, and then its batch, its blob,
/// the blobs of its rows and its runs, of each its last batch, and the first key and the blob of
/// each segment; finally the hash of all that. Manifests of earlier formats name blobs that are no
/// longer read, so they are treated as empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoints {
    months: Vec<Known>,
    account: Option<AccountKnown>,
}

/// The checkpoint of an account: its state up to one batch of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountKnown {
    /// The newest batch that it covers.
    pub at: Seq,
    /// The account's state.
    pub state: Digest,
    /// The rows of the months that have events.
    pub rows: Vec<Digest>,
    /// Runs of the keys of its events, the oldest first.
    pub runs: Vec<RunKnown>,
}

/// Keys of the events of some batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunKnown {
    /// The last of the batches; the first one comes after the last one of the run before.
    pub through: Seq,
    /// In the order of their keys.
    pub segments: Vec<SegmentKnown>,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentKnown {
    /// Its first key.
    pub first: EventKey,
    /// The blob of its index.
    pub index: Digest,
}

/// The checkpoint of a month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub month: Month,
    /// What the statement is a function of.
    pub fingerprint: Digest,
    /// The blobs, by part.
    pub blobs: Vec<Digest>,
}

impl Checkpoints {
    /// Every blob that it names. Blocks of keys are not included: the indexes name them.
    pub(super) fn named(&self) -> HashSet<Digest> {
        let parts = self.months.iter().flat_map(|known| &known.blobs);
        let account = self.account.iter().flat_map(|known| {
            let segments = known.runs.iter().flat_map(|run| &run.segments);
            let indexes = segments.map(|segment| &segment.index);
            known.rows.iter().chain([&known.state]).chain(indexes)
        });
        parts.chain(account).copied().collect()
    }

    /// The blobs of a statement's parts; none when it has no checkpoint.
    pub(super) fn find(&self, month: Month, fingerprint: Digest) -> &[Digest] {
        let is = |known: &&Known| (known.month, known.fingerprint) == (month, fingerprint);
        let known = self.months.iter().find(is);
        known.map_or(&[], |known| &known.blobs)
    }

    /// Adds a month's blobs, and returns those that they replace.
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

    /// The account's checkpoint.
    pub(super) fn account(&self) -> Option<&AccountKnown> {
        self.account.as_ref()
    }

    /// Replaces the account's checkpoint.
    pub(super) fn set_account(&mut self, account: AccountKnown) -> Option<AccountKnown> {
        self.account.replace(account)
    }

    /// Every month's checkpoint.
    pub(super) fn all(&self) -> &[Known] {
        &self.months
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(b"TBK3");
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
                out.varint(run.through.0);
                out.count(run.segments.len());
                for segment in &run.segments {
                    out.raw(&segment.first.0);
                    out.raw(&segment.index.0);
                }
            }
        }
        let digest = Digest::of(out.written());
        out.raw(&digest.0);
        out.finish()
    }

    /// `None` when an earlier version of the program wrote it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        // A manifest is not protected by any other hash, so it carries its own.
        let content = bytes
            .len()
            .checked_sub(32)
            .ok_or(DecodeError::Checksum("a manifest"))?;
        if Digest::of(&bytes[..content]).0 != bytes[content..] {
            return Err(DecodeError::Checksum("a manifest"));
        }
        let mut r = Reader::new(&bytes[..content]);
        match r.raw(4, "manifest")? {
            b"TBK1" | b"TBK2" => return Ok(None),
            b"TBK3" => {}
            _ => return Err(r.invalid("the start of a manifest")),
        }
        let count = r.count(65, "manifest")?;
        let months = (0..count)
            .map(|_| {
                let index = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
                let month = Month::from_index(index).map_err(|_| r.invalid("month"))?;
                let fingerprint = Digest(r.array("fingerprint")?);
                let parts = r.count(32, "blobs")?;
                let blobs = (0..parts).map(|_| Ok(Digest(r.array("blob")?)));
                Ok(Known {
                    month,
                    fingerprint,
                    blobs: blobs.collect::<Result<_, DecodeError>>()?,
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        let account = match r.byte("account")? {
            0 => None,
            _ => Some(read_account(&mut r)?),
        };
        r.finish("manifest")?;
        Ok(Some(Self { months, account }))
    }
}

fn read_account(r: &mut Reader<'_>) -> Result<AccountKnown, DecodeError> {
    let at = Seq(r.varint("batch")?);
    let state = Digest(r.array("account")?);
    let count = r.count(32, "months")?;
    let rows = (0..count).map(|_| Ok(Digest(r.array("rows")?)));
    let rows = rows.collect::<Result<_, DecodeError>>()?;
    let count = r.count(2, "runs")?;
    let runs = (0..count).map(|_| read_run(r));
    let runs = runs.collect::<Result<_, DecodeError>>()?;
    Ok(AccountKnown {
        at,
        state,
        rows,
        runs,
    })
}

fn read_run(r: &mut Reader<'_>) -> Result<RunKnown, DecodeError> {
    let through = Seq(r.varint("batch")?);
    let count = r.count(48, "segments")?;
    let segments = (0..count).map(|_| {
        let first = EventKey(r.array("key")?);
        let index = Digest(r.array("segment")?);
        Ok(SegmentKnown { first, index })
    });
    let segments = segments.collect::<Result<_, DecodeError>>()?;
    Ok(RunKnown { through, segments })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(byte: u8) -> SegmentKnown {
        SegmentKnown {
            first: EventKey([byte; 16]),
            index: Digest([byte; 32]),
        }
    }

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
            runs: vec![
                RunKnown {
                    through: Seq(200),
                    segments: vec![segment(11), segment(12)],
                },
                RunKnown {
                    through: Seq(300),
                    segments: Vec::new(),
                },
            ],
        });
        known
    }

    #[test]
    fn a_manifest_is_read_back() {
        assert_eq!(Checkpoints::decode(&known().encode()), Ok(Some(known())));
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
    fn a_manifest_of_an_earlier_format_says_nothing() {
        for format in [b"TBK1", b"TBK2"] {
            let mut out = Writer::new();
            out.raw(format);
            out.count(1);
            let digest = Digest::of(out.written());
            out.raw(&digest.0);
            assert_eq!(Checkpoints::decode(&out.finish()), Ok(None));
        }
    }

    #[test]
    fn a_manifest_names_parts_rows_state_and_indexes() {
        let named = [2, 3, 4, 5, 6, 7, 10, 11, 12, 13].map(|byte| Digest([byte; 32]));
        assert_eq!(known().named(), HashSet::from(named));
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
