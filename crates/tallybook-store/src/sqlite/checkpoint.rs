//! Checkpoints: moving what was committed from the write-ahead log into the database file, on a
//! thread and connection of their own, so that no commit waits for it.
//!
//! A passive checkpoint does the bulk while others write; a second one then takes the writer's
//! place for the few pages that came meanwhile, so that the log starts over and stops growing.
//! Invariant: a checkpoint that fails loses nothing. The log is kept, and the next one tries again.

use super::connection;
use super::failure::sqlite_error;
use crate::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many bytes the log grows between checkpoints.
const BYTES_BETWEEN: usize = 16 << 20;

/// A page's share of the log beyond its content, and of pages that change with any commit.
const BYTES_A_COMMIT: usize = 64 << 10;

/// The restart holds up the writer while it waits for readers, so it hardly does: a long read or
/// backup only means that the log starts over some checkpoints later.
const PATIENCE_FOR_READERS: Duration = Duration::from_millis(20);

/// Where the outcome of the last checkpoint is kept.
pub(super) type LastFailure = Arc<Mutex<Option<StoreError>>>;

/// The thread's handle. Dropping it lets a running checkpoint finish and ends the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    written: usize,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, last_failure: LastFailure) -> Result<Self, StoreError> {
        let connection = connection::open_writer(path)?;
        connection
            .busy_timeout(PATIENCE_FOR_READERS)
            .map_err(|error| sqlite_error(&error, path, "opening the database"))?;
        let (wake, woken) = sync_channel(1);
        let path = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("tallybook-checkpoint".to_owned())
            .spawn(move || run(&connection, &path, &woken, &last_failure))
            .map_err(|error| super::failure::io_error(&error, "starting a thread"))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            written: 0,
        })
    }

    /// Tells of a commit of about `bytes`; starts a checkpoint when it is time.
    pub(super) fn committed(&mut self, bytes: usize) {
        self.written += bytes + BYTES_A_COMMIT;
        let Some(wake) = self.wake.as_ref().filter(|_| self.written >= BYTES_BETWEEN) else {
            return;
        };
        match wake.try_send(()) {
            // One that is already asked for will do as well.
            Ok(()) | Err(TrySendError::Full(())) => self.written = 0,
            // The thread is gone (it can only have panicked); `close` still makes a checkpoint.
            Err(TrySendError::Disconnected(())) => self.wake = None,
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic was already printed by the panic hook, and nothing is lost by it.
            let _ = thread.join();
        }
    }
}

/// Moves everything into the database file and empties the log; on a clean close.
pub(super) fn finish(connection: &Connection) -> rusqlite::Result<bool> {
    checkpoint(connection, "TRUNCATE")
}

fn run(connection: &Connection, path: &Path, woken: &Receiver<()>, last: &LastFailure) {
    while woken.recv().is_ok() {
        let outcome =
            checkpoint(connection, "PASSIVE").and_then(|_| checkpoint(connection, "RESTART"));
        let failure = outcome
            .err()
            .map(|error| sqlite_error(&error, path, "moving the write-ahead log"));
        *last.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// Says whether it came to its end; a busy reader or writer is no error.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0).map(|busy| busy == 0))
}
