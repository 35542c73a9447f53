//! Bytes and rows: storage of the ledger.
//!
//! A [`Store`] keeps append-only logs of opaque batches, the dictionaries of names that the batches
//! refer to, immutable blobs, one manifest per log, and a few plain rows that affect no amounts. It
//! knows nothing of prices, reports or JSON. Look next: [`Store`], then [`sqlite`].

pub mod access;
pub mod sqlite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;

/// Why a store operation failed; variants are chosen by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Stored data is not what was written: stop, restore from a backup.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// What is damaged, and where: a file, a row, a blob.
        what: String,
        /// The evidence of the damage.
        detail: String,
    },
    /// The disk is full: nothing was changed; free space and try again.
    #[error("no space is left for {path}: {detail}")]
    Full {
        /// The data file.
        path: PathBuf,
        /// The message of the operating system or the database.
        detail: String,
    },
    /// The data was written by a newer version: use that version.
    #[error("{path} has data format {found}; this version reads formats up to {supported}")]
    TooNew {
        /// The data file.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format that this version reads.
        supported: u32,
    },
    /// Another process holds the data directory.
    #[error("{directory} is in use by {holder}")]
    Held {
        /// The data directory.
        directory: PathBuf,
        /// What the holder wrote into the lock file: process id and URL, one line.
        holder: String,
    },
    /// Reading or writing failed.
    #[error("{doing}: {detail}")]
    Io {
        /// What was being done, and to what.
        doing: String,
        /// The message of the operating system or the database.
        detail: String,
    },
}

/// Why an append failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Another writer appended to this log first: read the new batches and try again.
    #[error("log {} has moved on to batch {}", log.0, newest.0)]
    Conflict {
        /// The log that moved on.
        log: LogId,
        /// Its newest batch.
        newest: Seq,
    },
    /// Nothing was changed.
    #[error(transparent)]
    Refused(StoreError),
    /// It is not known whether the commit happened: read the log again before writing more.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(StoreError),
}

/// One batch for one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Which log.
    pub log: LogId,
    /// The newest batch that the writer has read; the new batch gets the next number.
    pub expected: Seq,
    /// The encoded batch, opaque here.
    pub batch: Arc<[u8]>,
    /// Names that the batch is the first to use, in the order of their ids.
    pub names: Vec<NameRow>,
}

/// A dictionary entry to be written. The salt is the one used for the batch's commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRow {
    /// Its index in the log's dictionary.
    pub id: NameId,
    /// Random; without it the commitment in the batch reveals nothing about the name.
    pub salt: [u8; 16],
    /// The name.
    pub text: Arc<str>,
}

/// A dictionary entry that was read: a redacted one has lost its salt and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredName {
    /// Its index in the log's dictionary.
    pub id: NameId,
    /// `None` when the name was redacted.
    pub name: Option<([u8; 16], Arc<str>)>,
}

/// One stored batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its number in the log.
    pub seq: Seq,
    /// The encoded batch.
    pub batch: Vec<u8>,
}

/// A side effect, written atomically with the appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Adds a token; refused if its id or hash already exists.
    AddToken(TokenRow),
    /// Marks a token revoked from this time on; the first revocation stands. Refused if there is no
    /// such token.
    RevokeToken {
        /// The token's id.
        id: String,
        /// When.
        at: Instant,
    },
    /// Adds a line to the audit log.
    Audit(AuditRow),
    /// Adds a job, or replaces the state of the one with its id.
    PutJob(JobRow),
    /// Removes a job; a missing one is not an error.
    RemoveJob {
        /// The job's id.
        id: String,
    },
    /// Sets a small value by its key (deployment facts, such as the demo's seed).
    SetFact {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
    },
}

/// An access token. What it may do is up to the program: `grants` is opaque here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Public: shown in logs and lists.
    pub id: String,
    /// The hash of the secret.
    pub hash: [u8; 32],
    /// Encoded by the program.
    pub grants: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it stops working.
    pub expires_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
}

/// A requested long-running task. Its kind and progress are up to the program: `state` is opaque
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// The log of its account.
    pub log: LogId,
    /// When it was requested.
    pub created_at: Instant,
    /// Encoded by the program.
    pub state: String,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Instant,
    /// The actor: a kind and a name, such as `token ID`.
    pub actor: String,
    /// The user acted for; `None` when the token belongs to no user, and in lines of data format 2.
    pub user: Option<String>,
    /// The client's address; `None` if unknown.
    pub address: Option<String>,
    /// What was done: `import.create`, `token.revoke`, ...
    pub action: String,
    /// The account affected; `None` for the site.
    pub account: Option<String>,
    /// What was affected and its values before and after, as JSON; never a secret.
    pub detail: String,
}

/// A line of the audit log with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedAudit {
    /// Its number in the order of commits, from 1. It never changes.
    pub number: u64,
    /// What it says.
    pub row: AuditRow,
}

/// A filter on lines of the audit log: those that meet all the given conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who did it: the actor, the actor's name without its kind, or the user (ignoring ASCII case).
    pub who: Option<String>,
    /// The action, or all actions of a noun: `import` is `import.create` and `import.revert`.
    pub action: Option<String>,
    /// The account, ignoring ASCII case.
    pub account: Option<String>,
    /// At this time or later.
    pub since: Option<Instant>,
    /// Before this time.
    pub until: Option<Instant>,
    /// Recorded before the line with this number: continues after a page that ended with that line,
    /// whatever was recorded since.
    pub before: Option<u64>,
}

/// A blob without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// The hash of its bytes.
    pub id: Digest,
    /// Its size before compression, in bytes.
    pub size: u64,
    /// Its size as stored, in bytes.
    pub stored_size: u64,
    /// When it was put.
    pub put_at: Instant,
}

/// A manifest: names the blobs that hold a log's derived state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Starts at 1 and increments with each swap.
    pub version: u64,
    /// Encoded by the engine.
    pub bytes: Vec<u8>,
}

/// Storage of the ledger. Every method is atomic, and any change is durable before the method
/// returns.
#[async_trait]
pub trait Store: Send + Sync {
    /// Appends one batch to each of several logs, with their names and side effects: all or
    /// nothing. Fails with `Conflict` unless every `expected` is still its log's newest; of several
    /// conflicting logs the one with the smallest id is named. Calls that arrive during a commit
    /// share the next one. A caller that stops waiting does not cancel its request.
    ///
    /// Also refused: two batches for one log, and names whose ids do not follow the log's last one
    /// without a gap.
    async fn append(&self, appends: Vec<Append>, effects: Vec<Effect>) -> Result<(), AppendError>;

    /// The newest batch of every log that has one, by log.
    async fn heads(&self) -> Result<Vec<(LogId, Seq)>, StoreError>;

    /// The newest batch of one log; `Seq(0)` when it has none.
    async fn head(&self, log: LogId) -> Result<Seq, StoreError>;

    /// Batches after `after`, in order, until about `max_bytes` of them (at least one, if any).
    async fn read_log(
        &self,
        log: LogId,
        after: Seq,
        max_bytes: usize,
    ) -> Result<Vec<LogRow>, StoreError>;

    /// The log's dictionary from `from` on, in the order of ids, without gaps.
    async fn read_names(&self, log: LogId, from: NameId) -> Result<Vec<StoredName>, StoreError>;

    /// Puts a blob under the hash of its bytes; putting it again renews `put_at`, repairs the
    /// stored bytes if damaged, and changes nothing else.
    async fn put_blob(&self, bytes: Arc<[u8]>, at: Instant) -> Result<Digest, StoreError>;

    /// A blob's bytes, checked against their hash; `None` if there is no such blob.
    async fn get_blob(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every blob.
    async fn list_blobs(&self) -> Result<Vec<BlobInfo>, StoreError>;

    /// Deletes blobs, except those put at `before` or later, which a commit may be about to name.
    /// Missing ones are not an error.
    async fn delete_blobs(
        &self,
        ids: Vec<Digest>,
        before: Option<Instant>,
    ) -> Result<(), StoreError>;

    /// A log's manifest.
    async fn manifest(&self, log: LogId) -> Result<Option<Manifest>, StoreError>;

    /// Replaces the manifest if its version is still `expected` (0: there is none). Returns whether
    /// it did.
    async fn swap_manifest(
        &self,
        log: LogId,
        expected: u64,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError>;

    /// The token with this hash, even if expired or revoked.
    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRow>, StoreError>;

    /// Every token, oldest first.
    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError>;

    /// Every job, in the order in which they were added.
    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError>;

    /// A fact set earlier.
    async fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The newest `limit` lines of the audit log that match the filter, newest first, in the order
    /// of commits rather than of clocks.
    async fn audit(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<NumberedAudit>, StoreError>;

    /// Writes a consistent copy of everything into a new file, concurrently with reads and writes.
    /// Refuses to overwrite.
    async fn backup(&self, file: &Path) -> Result<(), StoreError>;

    /// Checks the database's own structure; the engine checks what the rows say.
    async fn check(&self) -> Result<(), StoreError>;

    /// Checks that tokens, jobs, facts, the audit log, manifests, names, the list of blobs and the
    /// heads of logs are what was written. What hashes vouch for (batches, the bytes of blobs) is
    /// checked when it is read.
    async fn check_rows(&self) -> Result<(), StoreError>;

    /// Returns some unused space to the file system, little enough that commits hardly wait.
    /// Returns whether there is more.
    async fn release_space(&self) -> Result<bool, StoreError>;

    /// Bytes on disk, all files together.
    async fn size_on_disk(&self) -> Result<u64, StoreError>;
}
