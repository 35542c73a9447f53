//! Requests to the writer.
//!
//! Invariant: [`Write::apply`] runs inside a savepoint, so it may stop at the first failure and
//! leave the rest to be rolled back.

use super::failure::Failure;
use super::packed::Packed;
use super::{audit, blob, fact, job, log, manifest, name, space, token};
use crate::{Append, AppendError, Effect, NameRow};
use rusqlite::Connection;
use tallybook_core::ids::{Digest, LogId, Seq};
use tallybook_core::time::Instant;
use tokio::sync::oneshot;

/// One write and the channel for its answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) answer: oneshot::Sender<Result<bool, AppendError>>,
}

impl Request {
    pub(super) fn answer(self, answer: Result<bool, AppendError>) {
        // A caller that no longer waits (its client went away) needs no answer.
        let _ = self.answer.send(answer);
    }
}

/// An [`Append`] whose batch is ready to be stored.
#[derive(Debug)]
pub(super) struct PackedAppend {
    log: LogId,
    expected: Seq,
    batch: Packed,
    names: Vec<NameRow>,
}

impl PackedAppend {
    pub(super) fn new(append: Append) -> Result<Self, Failure> {
        Ok(Self {
            log: append.log,
            expected: append.expected,
            batch: Packed::new(&append.batch)?,
            names: append.names,
        })
    }
}

/// One atomic write.
#[derive(Debug)]
pub(super) enum Write {
    Append {
        appends: Vec<PackedAppend>,
        effects: Vec<Effect>,
    },
    PutBlob {
        id: Digest,
        blob: Packed,
        at: Instant,
    },
    DeleteBlobs {
        ids: Vec<Digest>,
        before: Option<Instant>,
    },
    SwapManifest {
        log: LogId,
        expected: u64,
        bytes: Vec<u8>,
    },
    /// Releases some unused space.
    ReleaseSpace,
    /// Limits the database to this many pages.
    #[cfg(any(test, feature = "testing"))]
    LimitPages(u32),
    /// Makes the writer panic.
    #[cfg(any(test, feature = "testing"))]
    Panic,
}

impl Write {
    /// About how many bytes it writes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append { appends, .. } => {
                let batches = appends.iter().map(|append| append.batch.bytes().len());
                batches.sum()
            }
            Self::PutBlob { blob, .. } => blob.bytes().len(),
            Self::SwapManifest { bytes, .. } => bytes.len(),
            Self::ReleaseSpace => space::STEP_BYTES,
            _ => 0,
        }
    }

    /// Writes it. Returns whether a manifest was swapped, or whether there is more space to
    /// release; otherwise true.
    pub(super) fn apply(&self, connection: &Connection) -> Result<bool, Failure> {
        match self {
            Self::Append { appends, effects } => {
                apply_appends(connection, appends)?;
                effects
                    .iter()
                    .try_for_each(|effect| apply_effect(connection, effect))?;
            }
            Self::PutBlob { id, blob, at } => blob::put(connection, *id, blob, *at)?,
            Self::DeleteBlobs { ids, before } => blob::delete(connection, ids, *before)?,
            Self::SwapManifest {
                log,
                expected,
                bytes,
            } => return manifest::swap(connection, *log, *expected, bytes),
            Self::ReleaseSpace => return space::release(connection),
            #[cfg(any(test, feature = "testing"))]
            Self::LimitPages(pages) => {
                let sql = format!("PRAGMA max_page_count = {pages}");
                connection.query_row(&sql, [], |_| Ok(()))?;
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Panic => panic!("a test asked the writer to die"),
        }
        Ok(true)
    }
}

/// Applies logs in order of id, whatever the caller's order, so that every backend reports the same
/// conflict.
fn apply_appends(connection: &Connection, appends: &[PackedAppend]) -> Result<(), Failure> {
    let mut ordered: Vec<&PackedAppend> = appends.iter().collect();
    ordered.sort_by_key(|append| append.log);
    if let Some(pair) = ordered.windows(2).find(|pair| pair[0].log == pair[1].log) {
        return Err(Failure::refused(
            format!("appending to log {}", pair[0].log.0),
            "the request has two batches for it",
        ));
    }
    for append in ordered {
        log::append(connection, append.log, append.expected, &append.batch)?;
        name::append(connection, append.log, &append.names)?;
    }
    Ok(())
}

fn apply_effect(connection: &Connection, effect: &Effect) -> Result<(), Failure> {
    match effect {
        Effect::AddToken(token) => token::add(connection, token),
        Effect::RevokeToken { id, at } => token::revoke(connection, id, *at),
        Effect::Audit(line) => audit::add(connection, line),
        Effect::PutJob(row) => job::put(connection, row),
        Effect::RemoveJob { id } => job::remove(connection, id),
        Effect::SetFact { key, value } => fact::set(connection, key, value),
    }
}
