//! One process per data directory: the lock file.
//!
//! Invariant: while a [`DirectoryLock`] lives, no other process has one for the same directory. The
//! operating system's lock counts, not the file: a file left by a killed process locks nothing.

use super::failure::io_error;
use crate::StoreError;
use crate::access::open_private;
use std::fs::{File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The lock's name in its directory.
pub(super) const NAME: &str = "lock";

/// Held until dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: Mutex<File>,
    path: PathBuf,
}

impl DirectoryLock {
    /// Takes the lock and records the holder; fails with `Held` and the other holder's line when it
    /// is taken.
    pub(super) fn take(directory: &Path, holder: &str) -> Result<Self, StoreError> {
        let path = directory.join(NAME);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        // The mode of an existing file is corrected later, once it is known to be ours.
        let opened = if path.exists() {
            options.open(&path)
        } else {
            open_private(&path, &mut options)
        };
        let file =
            opened.map_err(|error| io_error(&error, format!("opening {}", path.display())))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held {
                    directory: directory.to_owned(),
                    holder: read_holder(&path),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(io_error(&error, format!("locking {}", path.display())));
            }
        }
        let lock = Self {
            file: Mutex::new(file),
            path,
        };
        lock.write_holder(holder)?;
        Ok(lock)
    }

    /// Replaces the line that says who holds the lock.
    pub(super) fn write_holder(&self, holder: &str) -> Result<(), StoreError> {
        let line = holder.replace(['\n', '\r'], " ");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(line.as_bytes()))
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|error| io_error(&error, format!("writing {}", self.path.display())))
    }
}

/// The lock is known to be held; failing to read its line only makes the message less specific.
fn read_holder(path: &Path) -> String {
    match std::fs::read_to_string(path) {
        Ok(line) if !line.trim().is_empty() => line.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
