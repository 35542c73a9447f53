//! Checkpoints: move committed pages from the write-ahead log into the database file, on a separate
//! thread and connection, so that no commit waits for them.
//!
//! Passive checkpoints do the bulk while others write; a last one then takes the writer's turn for
//! the pages written meanwhile, so that the log restarts and stops growing. The writer yields its
//! turn between two groups ([`Turn`]): SQLite's lock is not fair, and under load the checkpoint
//! would never get it.
//! Invariant: a checkpoint that fails loses nothing. The log is kept, and the next one tries again.

use super::connection;
use super::failure::{io_error, sqlite_error};
use super::health::Health;
use crate::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many bytes the log grows between checkpoints.
const BYTES_BETWEEN: usize = 16 << 20;

/// Log overhead per commit: frame headers, and pages that change with every commit.
const BYTES_A_COMMIT: usize = 64 << 10;

/// The restart blocks the writer while it waits for readers, so it waits only briefly: a long read
/// or backup only delays the restart of the log by some checkpoints.
const PATIENCE_FOR_READERS: Duration = Duration::from_millis(20);

/// How long to wait for the writer to yield its turn. An idle writer never yields, and then the
/// turn is free.
const PATIENCE_FOR_WRITER: Duration = Duration::from_millis(500);

/// How many passive checkpoints run before the one that blocks the writer: the second leaves only
/// what was written during it.
const PASSIVE: usize = 2;

/// The thread's handle. Dropping it lets a running checkpoint finish and ends the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    turn: Arc<Turn>,
    written: usize,
}

/// How the checkpoint requests the writer's turn, and the writer yields it.
#[derive(Debug, Default)]
struct Turn {
    state: Mutex<TurnState>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum TurnState {
    /// The writer may write.
    #[default]
    Writers,
    /// The checkpoint wants the turn; the writer may still be writing.
    Wanted,
    /// The writer waits.
    Checkpoints,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, health: Arc<Health>) -> Result<Self, StoreError> {
        let connection = connection::open_writer(path)?;
        connection
            .busy_timeout(PATIENCE_FOR_READERS)
            .map_err(|error| sqlite_error(&error, path, "opening the database"))?;
        let (wake, woken) = sync_channel(1);
        let turn = Arc::new(Turn::default());
        let (path, its_turn) = (path.to_owned(), Arc::clone(&turn));
        let thread = std::thread::Builder::new()
            .name("tallybook-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    let failure = match health.damage() {
                        Some(damage) => Some(damage),
                        None => run(&connection, &its_turn).err().map(|error| {
                            health.observe(error.into(), &path, "moving the write-ahead log")
                        }),
                    };
                    health.set_checkpoint_failure(failure);
                }
            })
            .map_err(|error| io_error(&error, "starting a thread"))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            turn,
            written: 0,
        })
    }

    /// Reports a commit of about `bytes`; starts a checkpoint when one is due, and yields to one
    /// that wants the writer's turn.
    pub(super) fn committed(&mut self, bytes: usize) {
        self.turn.give();
        self.written += bytes + BYTES_A_COMMIT;
        let Some(wake) = self.wake.as_ref().filter(|_| self.written >= BYTES_BETWEEN) else {
            return;
        };
        match wake.try_send(()) {
            // A checkpoint that is already requested will do.
            Ok(()) | Err(TrySendError::Full(())) => self.written = 0,
            // The thread is gone (it can only have panicked); `close` still runs a checkpoint.
            Err(TrySendError::Disconnected(())) => self.wake = None,
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // The panic hook already printed any panic, and nothing is lost.
            let _ = thread.join();
        }
    }
}

/// Moves everything into the database file and empties the log; on a clean close.
pub(super) fn finish(connection: &Connection) -> rusqlite::Result<bool> {
    checkpoint(connection, "TRUNCATE")
}

impl Turn {
    /// Called by the writer between two groups: lets a waiting checkpoint go first.
    fn give(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != TurnState::Wanted {
            return;
        }
        *state = TurnState::Checkpoints;
        self.changed.notify_all();
        let given = |state: &mut TurnState| *state == TurnState::Checkpoints;
        drop(self.changed.wait_while(state, given));
    }

    /// Called by the checkpoint: runs `work` in the writer's turn, or after a timeout if the writer
    /// is idle.
    fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Returns the turn even if `work` panics, because the writer waits without limit.
        struct GiveBack<'a>(&'a Turn);
        impl Drop for GiveBack<'_> {
            fn drop(&mut self) {
                self.0.set(TurnState::Writers);
            }
        }
        let _back = GiveBack(self);
        self.set(TurnState::Wanted);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let not_given = |state: &mut TurnState| *state != TurnState::Checkpoints;
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE_FOR_WRITER, not_given);
        drop(waited);
        work()
    }

    fn set(&self, state: TurnState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }
}

fn run(connection: &Connection, turn: &Turn) -> rusqlite::Result<()> {
    for _ in 0..PASSIVE {
        checkpoint(connection, "PASSIVE")?;
    }
    turn.take(|| checkpoint(connection, "RESTART"))?;
    Ok(())
}

/// Returns whether it completed; a busy reader or writer is not an error.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0).map(|busy| busy == 0))
}
