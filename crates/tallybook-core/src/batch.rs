//! Batches: what one commit appends to one log.
//!
//! Invariant: a batch names its log and number, chains the hash of the batch before it, and ends
//! with its own hash, so a changed, missing, swapped or torn batch is detected. The entries are
//! opaque here: [`crate::site`] and [`crate::ledger`] give them meaning.
//!
//! Layout, format 1: `TBB` `1`, log u64, seq u64, previous hash, commit id, committed-at i64 (all
//! little-endian); first new name id, count, a 16-byte commitment each; count of entries, each a
//! tag and a length-prefixed payload; BLAKE3 of all that.

use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{CommitId, Digest, LogId, NameId, Seq};
use crate::names::Commitment;
use crate::time::Instant;

/// The newest batch format.
pub const FORMAT: u8 = 1;

const MAGIC: &[u8; 3] = b"TBB";
const WHAT: &str = "batch";

/// One batch, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The log it belongs to.
    pub log: LogId,
    /// Its number there.
    pub seq: Seq,
    /// The hash of the batch before it; zeros for the first.
    pub previous: Digest,
    /// Lets its writer recognise it.
    pub commit: CommitId,
    /// When it was committed.
    pub at: Instant,
    /// The id of the first name that it introduces.
    pub first_name: NameId,
    /// A commitment to each name that it introduces.
    pub commitments: Vec<Commitment>,
    /// What it records.
    pub entries: Vec<Entry>,
}

/// One entry: a tag that says what it is, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is; see [`crate::site`] and [`crate::ledger`].
    pub tag: u8,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// The hash before the first batch.
pub const GENESIS: Digest = Digest([0; 32]);

impl Batch {
    /// The bytes to store, and the hash that the next batch chains.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, Digest) {
        let mut writer = Writer::new();
        writer.raw(MAGIC);
        writer.byte(FORMAT);
        writer.raw(&self.log.0.to_le_bytes());
        writer.raw(&self.seq.0.to_le_bytes());
        writer.raw(&self.previous.0);
        writer.raw(&self.commit.0);
        writer.raw(&self.at.seconds().to_le_bytes());
        writer.varint(u64::from(self.first_name.0));
        writer.count(self.commitments.len());
        for commitment in &self.commitments {
            writer.raw(&commitment.0);
        }
        writer.count(self.entries.len());
        for entry in &self.entries {
            writer.byte(entry.tag);
            writer.run(&entry.payload);
        }
        let digest = Digest::of(writer.written());
        writer.raw(&digest.0);
        (writer.finish(), digest)
    }

    /// Reads a batch back and checks its hash; the caller checks log, number and chain.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Digest), DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.raw(MAGIC.len(), WHAT)? != MAGIC {
            return Err(DecodeError::Invalid {
                what: "the start of a batch",
                at: 0,
            });
        }
        let format = reader.byte(WHAT)?;
        if format != FORMAT {
            return Err(DecodeError::TooNew {
                what: WHAT,
                found: format,
                supported: FORMAT,
            });
        }
        let content = bytes
            .len()
            .checked_sub(32)
            .ok_or(DecodeError::Checksum(WHAT))?;
        let digest = Digest::of(&bytes[..content]);
        if digest.0 != bytes[content..] {
            return Err(DecodeError::Checksum(WHAT));
        }
        let batch = Self::read(&mut reader)?;
        reader.raw(32, WHAT)?;
        reader.finish(WHAT)?;
        Ok((batch, digest))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let log = LogId(u64::from_le_bytes(reader.array(WHAT)?));
        let seq = Seq(u64::from_le_bytes(reader.array(WHAT)?));
        let previous = Digest(reader.array(WHAT)?);
        let commit = CommitId(reader.array(WHAT)?);
        let seconds = i64::from_le_bytes(reader.array(WHAT)?);
        let at = Instant::from_seconds(seconds).map_err(|_| reader.invalid("the commit time"))?;
        let first_name = NameId(reader.varint32(WHAT)?);
        let count = reader.count(16, "names")?;
        let commitments = (0..count)
            .map(|_| reader.array("name").map(Commitment))
            .collect::<Result<_, _>>()?;
        let count = reader.count(2, "entries")?;
        let entries = (0..count)
            .map(|_| {
                let tag = reader.byte("entry")?;
                Ok(Entry {
                    tag,
                    payload: reader.run("entry")?.to_vec(),
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self {
            log,
            seq,
            previous,
            commit,
            at,
            first_name,
            commitments,
            entries,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Batch {
        Batch {
            log: LogId(7),
            seq: Seq(3),
            previous: Digest::of(b"before"),
            commit: CommitId([9; 16]),
            at: Instant::from_seconds(1_760_000_000).unwrap(),
            first_name: NameId(12),
            commitments: vec![Commitment::new([1; 16], "octo-org")],
            entries: vec![Entry {
                tag: 4,
                payload: b"payload".to_vec(),
            }],
        }
    }

    #[test]
    fn a_batch_reads_back() {
        let batch = example();
        let (bytes, digest) = batch.encode();
        assert_eq!(Batch::decode(&bytes).unwrap(), (batch, digest));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let (bytes, _) = example().encode();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 0x10;
            assert!(
                Batch::decode(&changed).is_err(),
                "byte {index} was changed unnoticed"
            );
        }
    }

    #[test]
    fn every_truncation_is_found() {
        let (bytes, _) = example().encode();
        for end in 0..bytes.len() {
            assert!(
                Batch::decode(&bytes[..end]).is_err(),
                "cut at {end} unnoticed"
            );
        }
    }
}
