//! The ledger in one SQLite file.
//!
//! A data directory holds `tallybook.db` (and, while it is open, its write-ahead log) and `lock`.
//! One thread writes (`writer`), a few connections read (`reader`), another thread runs checkpoints
//! (`checkpoint`). The SQL is in one file per noun: `log`, `name`, `blob`, ... Invariants: an
//! acknowledged write is on disk (`synchronous=FULL`); a damaged file is an error that names it,
//! and is not written to from then on; only one process holds a directory.

mod audit;
mod backup;
mod blob;
mod checkpoint;
mod checksum;
mod connection;
mod fact;
mod failure;
mod file;
mod health;
mod job;
mod lock;
mod log;
mod manifest;
mod name;
mod number;
mod packed;
mod reader;
mod request;
mod schema;
mod space;
mod token;
mod writer;

pub use backup::{backup_directory, has_newest_format, restore};
pub use space::compact;

use crate::access::{self, AccessNotice};
use crate::{
    Append, AppendError, AuditFilter, BlobInfo, Effect, JobRow, LogRow, Manifest, NumberedAudit,
    Store, StoreError, StoredName, TokenRow,
};
use async_trait::async_trait;
use failure::{Failure, io_error};
use health::Health;
use lock::DirectoryLock;
use packed::Packed;
use reader::Readers;
use request::{PackedAppend, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallybook_core::ids::{Digest, LogId, NameId, Seq};
use tallybook_core::time::Instant;
use writer::Writer;

/// The store in a data directory. Dropping it closes the file cleanly, then unlocks the directory.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    readers: Readers,
    writer: Writer,
    health: Arc<Health>,
    access_notices: Vec<AccessNotice>,
    // Last, so that it is dropped last.
    lock: DirectoryLock,
}

impl SqliteStore {
    /// Opens the data directory, creating it and its database if missing.
    ///
    /// `holder` is shown to other processes that try to open the directory: one line, such as
    /// `process 1234 at http://127.0.0.1:8080`.
    ///
    /// # Errors
    ///
    /// `Held` when another process holds the directory; `Damaged` when the file is not a sound
    /// Tallybook database, including when it is empty or only its write-ahead log exists; `TooNew`;
    /// `Full`; `Io`. A file that is refused is not changed.
    pub fn open(directory: &Path, holder: &str) -> Result<Self, StoreError> {
        create_directory(directory)?;
        let lock = DirectoryLock::take(directory, holder)?;
        let access_notices = close_to_others(directory)?;
        let path = directory.join(file::NAME);
        if Self::exists(directory) {
            file::examine(&path)?;
        } else {
            refuse_orphaned_log(&path)?;
            connection::create(&path)?;
        }
        file::remove(&space::unfinished(&path))?;
        let mut connection = connection::open_writer(&path)?;
        schema::migrate(&mut connection)
            .map_err(|failure| failure.at(&path, "migrating the database"))?;
        connection::check_tables(&connection, &path)?;
        let health = Arc::<Health>::default();
        Ok(Self {
            readers: Readers::new(&path, Arc::clone(&health)),
            writer: Writer::start(&path, connection, Arc::clone(&health))?,
            health,
            path,
            access_notices,
            lock,
        })
    }

    /// Whether the directory has a database, sound or not.
    #[must_use]
    pub fn exists(directory: &Path) -> bool {
        // A dangling link or an inaccessible file must not be replaced either.
        std::fs::symlink_metadata(directory.join(file::NAME)).is_ok()
    }

    /// Replaces the line shown to other processes, once the server knows its URL.
    ///
    /// # Errors
    ///
    /// `Io` when the lock file cannot be written; the directory is still held.
    pub fn set_holder(&self, holder: &str) -> Result<(), StoreError> {
        self.lock.write_holder(holder)
    }

    /// The files that were open to other users of the machine when the directory was opened.
    #[must_use]
    pub fn access_notices(&self) -> &[AccessNotice] {
        &self.access_notices
    }

    /// Why the last checkpoint failed, if it did. Nothing is lost by it, but the write-ahead log
    /// grows until one succeeds.
    #[must_use]
    pub fn checkpoint_failure(&self) -> Option<StoreError> {
        self.health.checkpoint_failure()
    }

    /// Limits the database to this many pages, as if the disk were full then.
    ///
    /// # Errors
    ///
    /// The errors of any write.
    #[cfg(any(test, feature = "testing"))]
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.write(Write::LimitPages(pages)).await.map(drop)
    }

    /// Makes the writing thread panic.
    ///
    /// # Errors
    ///
    /// Always; that is its purpose.
    #[cfg(any(test, feature = "testing"))]
    pub async fn kill_writer(&self) -> Result<(), StoreError> {
        self.write(Write::Panic).await.map(drop)
    }

    /// Makes a write that cannot conflict.
    async fn write(&self, write: Write) -> Result<bool, StoreError> {
        self.writer.write(write).await.map_err(|error| match error {
            AppendError::Refused(error) | AppendError::Unknown(error) => error,
            AppendError::Conflict { log, newest } => {
                Failure::Conflict { log, newest }.at(&self.path, "writing")
            }
        })
    }

    /// Runs slow work off the threads that serve requests.
    async fn blocking<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let outcome = tokio::task::spawn_blocking(work).await;
        outcome
            .map_err(|error| StoreError::Io {
                doing: doing.to_owned(),
                detail: error.to_string(),
            })?
            .map_err(|failure| failure.at(&self.path, doing))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Before the writer, which leaves a single file only if it closes last.
        self.readers.close();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, appends: Vec<Append>, effects: Vec<Effect>) -> Result<(), AppendError> {
        let appends = self
            .blocking("packing batches", move || {
                let packed = appends.into_iter().map(PackedAppend::new);
                packed.collect::<Result<Vec<_>, _>>()
            })
            .await
            .map_err(AppendError::Refused)?;
        let write = Write::Append { appends, effects };
        self.writer.write(write).await.map(drop)
    }

    async fn heads(&self) -> Result<Vec<(LogId, Seq)>, StoreError> {
        self.readers
            .read("reading the heads of logs", log::heads)
            .await
    }

    async fn head(&self, log: LogId) -> Result<Seq, StoreError> {
        self.readers
            .read("reading the head of a log", move |connection| {
                log::head(connection, log)
            })
            .await
    }

    async fn read_log(
        &self,
        log: LogId,
        after: Seq,
        max_bytes: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        self.readers
            .read("reading a log", move |connection| {
                log::read(connection, log, after, max_bytes)
            })
            .await
    }

    async fn read_names(&self, log: LogId, from: NameId) -> Result<Vec<StoredName>, StoreError> {
        self.readers
            .read("reading names", move |connection| {
                name::read(connection, log, from)
            })
            .await
    }

    async fn put_blob(&self, bytes: Arc<[u8]>, at: Instant) -> Result<Digest, StoreError> {
        let (id, blob) = self
            .blocking("packing a blob", move || {
                Ok((Digest::of(&bytes), Packed::new(&bytes)?))
            })
            .await?;
        self.write(Write::PutBlob { id, blob, at }).await?;
        Ok(id)
    }

    async fn get_blob(&self, id: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.readers
            .read("reading a blob", move |connection| {
                blob::get(connection, id)
            })
            .await
    }

    async fn list_blobs(&self) -> Result<Vec<BlobInfo>, StoreError> {
        self.readers.read("listing blobs", blob::list).await
    }

    async fn delete_blobs(
        &self,
        ids: Vec<Digest>,
        before: Option<Instant>,
    ) -> Result<(), StoreError> {
        self.write(Write::DeleteBlobs { ids, before })
            .await
            .map(drop)
    }

    async fn manifest(&self, log: LogId) -> Result<Option<Manifest>, StoreError> {
        self.readers
            .read("reading a manifest", move |connection| {
                manifest::read(connection, log)
            })
            .await
    }

    async fn swap_manifest(
        &self,
        log: LogId,
        expected: u64,
        bytes: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.write(Write::SwapManifest {
            log,
            expected,
            bytes,
        })
        .await
    }

    async fn token(&self, hash: [u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        self.readers
            .read("reading a token", move |connection| {
                token::find(connection, hash)
            })
            .await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.readers.read("listing tokens", token::list).await
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.readers.read("listing jobs", job::list).await
    }

    async fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.readers
            .read("reading a fact", move |connection| {
                fact::get(connection, &key)
            })
            .await
    }

    async fn audit(
        &self,
        filter: AuditFilter,
        limit: usize,
    ) -> Result<Vec<NumberedAudit>, StoreError> {
        self.readers
            .read("reading the audit log", move |connection| {
                audit::page(connection, &filter, limit)
            })
            .await
    }

    async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let (database, target) = (self.path.clone(), file.to_owned());
        tokio::task::spawn_blocking(move || backup::backup(&database, &target))
            .await
            .map_err(|error| StoreError::Io {
                doing: format!("writing {}", file.display()),
                detail: error.to_string(),
            })?
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.readers
            .read("checking the database", backup::check)
            .await
    }

    async fn check_rows(&self) -> Result<(), StoreError> {
        self.readers.read("checking rows", backup::check_rows).await
    }

    async fn release_space(&self) -> Result<bool, StoreError> {
        let excess = self.readers.read("looking for free pages", space::excess);
        // Avoid an empty commit.
        Ok(excess.await? > 0 && self.write(Write::ReleaseSpace).await?)
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        let files = [
            self.path.clone(),
            file::wal(&self.path),
            file::beside(&self.path, "-shm"),
        ];
        files.iter().map(|path| file::size(path)).sum()
    }
}

/// The original bytes of a stored batch or blob; `None` if they cannot be unpacked.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn unpacked(stored: &[u8]) -> Option<Vec<u8>> {
    packed::unpacked(stored)
}

/// For its owner only: it holds names and the hashes of tokens.
fn create_directory(directory: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .collect();
    access::create_private_directory(directory)
        // Otherwise a power loss could remove the directory with everything acknowledged in it.
        .and_then(|()| missing.into_iter().try_for_each(file::sync_parent))
        .map_err(|error| io_error(&error, format!("creating {}", directory.display())))
}

/// Removes access for everyone but the owner, to the directory and its contents. The notices list
/// what was changed, and what an operator has to change.
fn close_to_others(directory: &Path) -> Result<Vec<AccessNotice>, StoreError> {
    let database = directory.join(file::NAME);
    let files = [
        directory.join(lock::NAME),
        file::wal(&database),
        file::beside(&database, "-shm"),
        database,
    ];
    let notices = || -> std::io::Result<Vec<AccessNotice>> {
        let closed = access::close_directory(directory, is_ours)?;
        let files = files.iter().map(|path| access::close_file(path));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        Ok(closed
            .into_iter()
            .chain(files.into_iter().flatten())
            .collect())
    };
    let doing = || format!("taking access to {} from other users", directory.display());
    notices().map_err(|error| io_error(&error, doing()))
}

/// Whether a name in a data directory is one that Tallybook uses.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name == lock::NAME || matches!(&*name, "backups" | "reports") || name.starts_with(file::NAME)
}

/// A write-ahead log without its database holds acknowledged batches; a new database would discard
/// them.
fn refuse_orphaned_log(path: &Path) -> Result<(), StoreError> {
    let log = file::wal(path);
    if file::size(&log)? == 0 {
        return Ok(());
    }
    let detail = format!(
        "it is missing, but its write-ahead log {} is there",
        log.display()
    );
    Err(file::damaged(path, detail))
}
