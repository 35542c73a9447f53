//! The writer thread, and group commit.
//!
//! Requests wait in a queue; the writer takes all that are waiting, runs each in a savepoint of one
//! transaction, commits once, and only then answers. Invariants: a failed request leaves nothing
//! behind and affects no other; no write is acknowledged before it is on disk; every request is
//! answered, if only by dropping the sender of its answer. Look next: [`super::request`].

use super::checkpoint::{self, Checkpointer};
use super::connection;
use super::failure::{Failure, io_error};
use super::health::Health;
use super::request::{Request, Write};
use super::schema;
use crate::{AppendError, StoreError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// How many requests may be queued before callers have to wait.
const QUEUE: usize = 1024;

/// About how many bytes share one commit: bounds the memory and the time of a transaction.
const GROUP_BYTES: usize = 32 << 20;

const DOING: &str = "writing to the database";

/// The writer's handle. Dropping it finishes what is queued, then closes the database.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl Writer {
    /// Starts the thread on an open, checked and migrated database.
    pub(super) fn start(
        path: &Path,
        connection: Connection,
        health: Arc<Health>,
    ) -> Result<Self, StoreError> {
        let checkpointer = Checkpointer::start(path, Arc::clone(&health))?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let thread = WriterThread {
            path: path.to_owned(),
            health,
            connection: Some(connection),
            checkpointer,
        };
        let thread = std::thread::Builder::new()
            .name("tallybook-writer".to_owned())
            .spawn(move || thread.run(requests))
            .map_err(|error| io_error(&error, "starting a thread"))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            path: path.to_owned(),
        })
    }

    /// Writes durably; returns the result of [`Write::apply`].
    pub(super) async fn write(&self, write: Write) -> Result<bool, AppendError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || StoreError::Io {
            doing: format!("{DOING} ({})", self.path.display()),
            detail: "the writer has stopped".to_owned(),
        };
        let queue = self.queue.as_ref();
        let queue = queue.ok_or_else(|| AppendError::Refused(stopped()))?;
        queue
            .send(Request { write, answer })
            .await
            .map_err(|_| AppendError::Refused(stopped()))?;
        // The writer took the request and panicked, before or after the commit.
        answered
            .await
            .unwrap_or_else(|_| Err(AppendError::Unknown(stopped())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The panic hook already printed any panic; its callers were answered.
            let _ = thread.join();
        }
    }
}

struct WriterThread {
    path: PathBuf,
    health: Arc<Health>,
    /// `None` after a commit with unknown outcome: reopened before the next group.
    connection: Option<Connection>,
    checkpointer: Checkpointer,
}

/// The outcome of an attempt to commit a group.
enum Attempt {
    /// Committed; an answer for each request.
    Committed(Vec<Result<bool, AppendError>>),
    /// SQLite rolled back the whole transaction because of one request: the others may be retried
    /// without it.
    Undone { culprit: usize, error: AppendError },
    /// All failed alike.
    Failed(AppendError),
}

impl WriterThread {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut bytes = first.write.bytes();
            let mut group = vec![first];
            while bytes < GROUP_BYTES {
                let Ok(next) = requests.try_recv() else { break };
                bytes += next.write.bytes();
                group.push(next);
            }
            self.serve(group);
        }
        self.close();
    }

    /// Commits a group and answers it.
    fn serve(&mut self, group: Vec<Request>) {
        match self.attempt(&group) {
            Attempt::Committed(answers) => {
                let written = group
                    .iter()
                    .zip(&answers)
                    .filter(|(_, answer)| answer.is_ok());
                let bytes = written.map(|(request, _)| request.write.bytes()).sum();
                for (request, answer) in group.into_iter().zip(answers) {
                    request.answer(answer);
                }
                self.checkpointer.committed(bytes);
            }
            Attempt::Failed(error) => {
                for request in group {
                    request.answer(Err(error.clone()));
                }
            }
            Attempt::Undone { culprit, error } => {
                let mut error = Some(error);
                for (index, request) in group.into_iter().enumerate() {
                    match error.take_if(|_| index == culprit) {
                        Some(error) => request.answer(Err(error)),
                        // Each alone, so that a failing request affects no other.
                        None => self.serve(vec![request]),
                    }
                }
            }
        }
    }

    fn attempt(&mut self, group: &[Request]) -> Attempt {
        if let Some(damage) = self.health.damage() {
            return Attempt::Failed(AppendError::Refused(damage));
        }
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(error) => return Attempt::Failed(AppendError::Refused(error)),
        };
        let (attempt, usable) = self.commit_group(&connection, group);
        if usable {
            self.connection = Some(connection);
        } else {
            drop(connection);
            // Before the answer, so that a caller who then reads the log sees its settled state. If
            // this fails too, the next group tries again before it writes.
            self.connection = self.reopen().ok();
        }
        attempt
    }

    /// Also returns whether the connection may be reused.
    fn commit_group(&self, connection: &Connection, group: &[Request]) -> (Attempt, bool) {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            let error = self.refusal(error.into());
            return (Attempt::Failed(error), connection.is_autocommit());
        }
        let mut answers = Vec::with_capacity(group.len());
        for (culprit, request) in group.iter().enumerate() {
            match apply_alone(connection, &request.write) {
                Ok(answer) => answers.push(answer.map_err(|failure| self.refusal(failure))),
                Err(failure) => {
                    let usable = roll_back(connection);
                    let error = self.refusal(failure);
                    return (Attempt::Undone { culprit, error }, usable);
                }
            }
        }
        let Err(error) = connection.execute_batch("COMMIT") else {
            return (Attempt::Committed(answers), true);
        };
        let certain = roll_back(connection) && is_certain(&error);
        let error = self.health.observe(error.into(), &self.path, "committing");
        let error = if certain {
            AppendError::Refused(error)
        } else {
            AppendError::Unknown(error)
        };
        (Attempt::Failed(error), certain)
    }

    /// The answer to a request that changed nothing.
    fn refusal(&self, failure: Failure) -> AppendError {
        match failure {
            Failure::Conflict { log, newest } => AppendError::Conflict { log, newest },
            other => AppendError::Refused(self.health.observe(other, &self.path, DOING)),
        }
    }

    /// Takes the connection, or opens a new one.
    fn connection(&mut self) -> Result<Connection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.reopen(),
        }
    }

    /// Opens a connection after a commit with unknown outcome, and settles the outcome.
    ///
    /// Such a commit may be complete in the write-ahead log although no reader sees it, and a crash
    /// would revive it. An empty, synced commit overwrites it.
    fn reopen(&self) -> Result<Connection, StoreError> {
        let connection = connection::open_writer(&self.path)?;
        schema::touch(&connection)
            .map_err(|failure| self.health.observe(failure, &self.path, "writing again"))?;
        Ok(connection)
    }

    /// Empties the write-ahead log and leaves one file. A failure loses nothing: the log stays,
    /// and the next start reads it.
    fn close(self) {
        drop(self.checkpointer);
        let Some(connection) = self.connection.filter(|_| self.health.damage().is_none()) else {
            return;
        };
        if let Ok(true) = checkpoint::finish(&connection) {
            let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            // If this fails an empty log file is left behind, which is harmless.
            let _ = connection.set_db_config(keep_log, false);
        }
    }
}

/// Runs one request in a savepoint. The inner error is the request's own and leaves the others'
/// work intact; the outer one means that the whole transaction is, or must be, rolled back.
fn apply_alone(connection: &Connection, write: &Write) -> Result<Result<bool, Failure>, Failure> {
    connection.execute_batch("SAVEPOINT request")?;
    match write.apply(connection) {
        Ok(answer) => {
            connection.execute_batch("RELEASE request")?;
            Ok(Ok(answer))
        }
        // A full disk or a failed read makes SQLite roll back everything at once.
        Err(failure) if connection.is_autocommit() => Err(failure),
        Err(failure) => {
            let undo = connection.execute_batch("ROLLBACK TO request; RELEASE request");
            match undo {
                Ok(()) => Ok(Err(failure)),
                Err(_) => Err(failure),
            }
        }
    }
}

/// Rolls back the transaction, if there still is one; returns whether it is certain to be gone.
fn roll_back(connection: &Connection) -> bool {
    connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
}

/// Whether a failed commit certainly did not happen: one that found no space, or never began, has
/// not written its last frame; after any other failure (of a sync, above all) it may still be on
/// disk.
fn is_certain(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)
    )
}
