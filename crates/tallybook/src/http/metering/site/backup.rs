//! `GET /metering/v1/backup`.
//!
//! Invariant: the copy on this side is in a directory that only this user can read, and is gone
//! when the download ends, however it ends; leftovers of a killed server are removed at startup.

use crate::engine::audit::{Action, Deed};
use crate::http::app::App;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::metering::{actor, authorize_site};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tallybook_store::access::create_private_directory;
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;

/// Bytes read from the copy at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// The prefix of the directory of one download, before a random part.
const PREFIX: &str = "download-";

/// Where copies are written before they are sent.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    /// Each copy is as large as the data, so there is only one at a time.
    turn: Arc<Semaphore>,
}

/// The directory of one copy; it is deleted when this is dropped.
struct Held {
    directory: TempDir,
    _turn: OwnedSemaphorePermit,
}

impl Backups {
    /// Prepares the folder, removing leftovers of a killed server.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        create_private_directory(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        let turn = Arc::new(Semaphore::new(1));
        Ok(Self { folder, turn })
    }

    fn begin(&self) -> Result<Held, ApiError> {
        let turn = Arc::clone(&self.turn).try_acquire_owned();
        let turn = turn.map_err(|_| {
            ApiError::busy("Another backup is being downloaded: there is one at a time.")
        })?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let directory = builder.tempdir_in(&self.folder);
        Ok(Held {
            directory: directory.map_err(ApiError::internal)?,
            _turn: turn,
        })
    }
}

/// Downloads a consistent copy of everything, taken while the server goes on.
#[utoipa::path(
    get,
    path = "/metering/v1/backup",
    tag = "site",
    responses(
        (
            status = 200,
            description = "A backup, for `tallybook restore`",
            body = String,
            content_type = "application/octet-stream",
        ),
        (status = 503, description = "Another backup is being downloaded"),
    )
)]
pub async fn backup(
    State(app): State<Arc<App>>,
    context: RequestContext,
) -> Result<Response, ApiError> {
    authorize_site(&context)?;
    let held = app.backups()?.begin()?;
    let path = held.directory.path().join("tallybook.backup");
    app.engine
        .store()
        .backup(&path)
        .await
        .map_err(ApiError::internal)?;
    let file = tokio::fs::File::open(&path)
        .await
        .map_err(ApiError::internal)?;
    let length = file.metadata().await.map_err(ApiError::internal)?.len();
    let deed = Deed::site(Action::BackupCreate).with("bytes", length);
    let line = actor(&context)?.did(context.now, deed);
    app.engine.record(vec![line]).await?;
    // The copy is deleted when the stream that holds it is dropped.
    let chunks = ReaderStream::with_capacity(file, CHUNK_BYTES).map(move |chunk| {
        let _held = &held;
        chunk
    });
    let name = format!(
        "attachment; filename=\"tallybook-{}.backup\"",
        context.now.day()
    );
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .map(|name| name.into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn what_a_killed_server_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("backups");
        let left = folder.join("download-x");
        std::fs::create_dir_all(&left).expect("made");
        std::fs::write(left.join("tallybook.backup.partial"), "names").expect("written");
        std::fs::write(folder.join("mine.backup"), "").expect("written");
        let backups = Backups::open(folder.clone()).expect("opens");
        assert_eq!(names(&folder), ["mine.backup"]);

        let held = backups.begin().expect("a turn");
        let busy = backups.begin().err().expect("one at a time");
        assert_eq!(busy.status, axum::http::StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(names(&folder).len(), 2);
        drop(held);
        assert_eq!(names(&folder), ["mine.backup"]);
        backups.begin().expect("the next turn");
    }

    #[cfg(unix)]
    #[test]
    fn copies_are_their_owner_s_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("backups");
        let backups = Backups::open(folder.clone()).expect("opens");
        let held = backups.begin().expect("a turn");
        for path in [&folder, held.directory.path()] {
            let mode = std::fs::metadata(path)
                .expect("is there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        }
    }
}
