//! Checkpoints: moving what was committed from the write-ahead log into the database file, on a
//! thread and connection of their own, so that no commit waits for it.
//!
//! Passive checkpoints do the bulk while others write; a last one then takes the writer's place
//! for the pages that came meanwhile, so that the log starts over and stops growing. The writer
//! gives that place between two groups ([`Turn`]): SQLite's lock is not fair, and under load the
//! checkpoint would never get it.
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

/// A page's share of the log beyond its content, and of pages that change with any commit.
const BYTES_A_COMMIT: usize = 64 << 10;

/// The restart holds up the writer while it waits for readers, so it hardly does: a long read or
/// backup only means that the log starts over some checkpoints later.
const PATIENCE_FOR_READERS: Duration = Duration::from_millis(20);

/// How long to wait until the writer gives its place. One that has nothing to write does not come
/// by; then the place is free.
const PATIENCE_FOR_WRITER: Duration = Duration::from_millis(500);

/// How many passive checkpoints come before the one that holds up the writer: the second leaves
/// only what was written during it.
const PASSIVE: usize = 2;

/// The thread's handle. Dropping it lets a running checkpoint finish and ends the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    turn: Arc<Turn>,
    written: usize,
}

/// How the checkpoint asks for the writer's place, and the writer gives it.
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
    /// The checkpoint wants the place; the writer may still be writing.
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

    /// Tells of a commit of about `bytes`; starts a checkpoint when it is time, and waits for one
    /// that wants the writer's place.
    pub(super) fn committed(&mut self, bytes: usize) {
        self.turn.give();
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

impl Turn {
    /// The writer, between two groups: lets the checkpoint go first if it wants to.
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

    /// The checkpoint: runs `work` in the writer's place, or when the writer does not come by.
    fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Gives the place back also when `work` panics, for the writer waits without limit.
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

/// Says whether it came to its end; a busy reader or writer is no error.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0).map(|busy| busy == 0))
}
