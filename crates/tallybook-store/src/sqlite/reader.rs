//! Reads: a few read-only connections, used from tokio's threads for blocking work.
//!
//! Invariant: a read sees one consistent state, including everything acknowledged before it began.

use super::connection;
use super::failure::Failure;
use super::health::Health;
use crate::StoreError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How many reads run at once; more wait.
const CONNECTIONS: usize = 4;

/// The idle connections.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    health: Arc<Health>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path, health: Arc<Health>) -> Self {
        Self {
            path: path.to_owned(),
            health,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Runs `read` on a connection. `doing` describes the task in errors.
    pub(super) async fn read<T, F>(&self, doing: &'static str, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let stopped = |detail: String| StoreError::Io {
            doing: doing.to_owned(),
            detail,
        };
        // The permit moves into the task: a caller that stops waiting does not stop the read.
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|error| stopped(error.to_string()))?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let health = Arc::clone(&self.health);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let taken = lock(&idle).pop();
            let connection = match taken {
                Some(connection) => connection,
                None => connection::open_reader(&path)?,
            };
            let outcome =
                read(&connection).map_err(|failure| health.observe(failure, &path, doing))?;
            // After a failure the connection is dropped instead, and a new one opened.
            lock(&idle).push(connection);
            Ok(outcome)
        })
        .await
        .map_err(|error| stopped(error.to_string()))?
    }

    /// Closes the connections that are idle; the others close when their reads end.
    pub(super) fn close(&self) {
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
