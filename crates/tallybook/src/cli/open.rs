//! Opening a data directory: the store, then the engine over it.
//!
//! Invariant: a directory that another process holds is left alone, and the error names the holder
//! and, for a server, how to reach it. Only commands that write create a directory.

use super::place;
use crate::engine::{Engine, EngineError, Options};
use anyhow::bail;
use std::path::Path;
use std::sync::Arc;
use tallybook_core::time::Instant;
use tallybook_store::access::AccessNotice;
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::{Store, StoreError};

/// What to do with a directory that holds no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenEmpty {
    /// Make it.
    Create,
    /// Fail: the command has nothing to read.
    Refuse,
}

/// An engine and the store below it.
pub(crate) struct Opened {
    /// Reads and writes.
    pub(crate) engine: Arc<Engine>,
    store: Arc<SqliteStore>,
}

/// Opens a directory for a command.
pub(crate) async fn open(
    directory: &Path,
    when_empty: WhenEmpty,
    now: Instant,
) -> anyhow::Result<Opened> {
    open_with(directory, when_empty, Options::default(), now).await
}

/// Opens a directory with settings of the engine.
pub(crate) async fn open_with(
    directory: &Path,
    when_empty: WhenEmpty,
    options: Options,
    now: Instant,
) -> anyhow::Result<Opened> {
    if when_empty == WhenEmpty::Refuse {
        check_data(directory)?;
    }
    let store = Arc::new(open_store(directory)?);
    let engine = Engine::open(Arc::clone(&store) as Arc<dyn Store>, options, now).await;
    let engine = engine.map_err(|error| match error {
        EngineError::Store(error) => with_way_in(&error),
        other => other.into(),
    })?;
    Ok(Opened { engine, store })
}

/// Opens only a directory's database, for a command that need not interpret its contents.
pub(crate) fn open_store(directory: &Path) -> anyhow::Result<SqliteStore> {
    let holder = format!("process {}", std::process::id());
    let store = SqliteStore::open(directory, &holder).map_err(|error| with_way_in(&error))?;
    warn_of_access(store.access_notices());
    Ok(store)
}

/// Logs which files of a directory were, or still are, open to other users of the machine.
pub(crate) fn warn_of_access(notices: &[AccessNotice]) {
    for notice in notices {
        tracing::warn!("{notice}");
    }
}

/// Refuses a directory without data, naming the flag.
pub(crate) fn check_data(directory: &Path) -> anyhow::Result<()> {
    if !SqliteStore::exists(directory) {
        bail!(
            "{} holds no data: import or apply something first, or say where it is with --data",
            directory.display()
        );
    }
    Ok(())
}

impl Opened {
    /// Tells other processes the URL of the directory's server.
    pub(crate) fn announce(&self, url: &str) -> Result<(), StoreError> {
        let holder = format!("process {} at {url}", std::process::id());
        self.store.set_holder(&holder)
    }
}

/// Adds to a `Held` error how to do the same through the server that holds the directory.
pub(crate) fn with_way_in(error: &StoreError) -> anyhow::Error {
    let arguments: Vec<String> = std::env::args().collect();
    match error {
        StoreError::Held { holder, .. } => match way_in(holder, &arguments) {
            Some(form) => anyhow::anyhow!("{error}; to reach it: {form}"),
            None => anyhow::anyhow!("{error}; end it first, or use another directory (--data)"),
        },
        other => anyhow::anyhow!("{other}"),
    }
}

/// The same command for the server that holds the directory, if it is one and the command can.
fn way_in(holder: &str, arguments: &[String]) -> Option<String> {
    let (_, url) = holder.rsplit_once(" at ")?;
    let command = arguments
        .iter()
        .skip(1)
        .find(|word| !word.starts_with('-'))?;
    let runs_apart = matches!(
        command.as_str(),
        "serve" | "demo" | "restore" | "export" | "compact"
    );
    (!runs_apart).then(|| place::server_form(arguments, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_directory_has_a_way_in() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let holder = "process 7 at http://127.0.0.1:8080";
        let form = way_in(holder, &words("tallybook token list --data d"));
        let expected = "tallybook token list --url http://127.0.0.1:8080 --token TOKEN";
        assert_eq!(form.as_deref(), Some(expected));
        assert_eq!(way_in(holder, &words("tallybook serve --data d")), None);
        assert_eq!(way_in("process 7", &words("tallybook token list")), None);
    }

    #[tokio::test]
    async fn a_command_that_reads_makes_no_directory() {
        let parent = tempfile::tempdir().expect("a folder");
        let directory = parent.path().join("data");
        let now = Instant::parse("2026-10-02").expect("an instant");
        let refused = open(&directory, WhenEmpty::Refuse, now).await;
        let message = refused.err().expect("there is no data").to_string();
        assert!(message.contains("holds no data"), "{message}");
        assert!(!directory.exists());
        let opened = open(&directory, WhenEmpty::Create, now)
            .await
            .expect("made");
        opened.announce("http://127.0.0.1:1").expect("written");
        let second = open(&directory, WhenEmpty::Refuse, now).await;
        let message = second.err().expect("it is held").to_string();
        assert!(message.contains("at http://127.0.0.1:1; "), "{message}");
    }
}
