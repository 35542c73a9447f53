//! The files of reports: written part by part, each complete or absent.
//!
//! Invariant: a file has its name only after all of it is on disk. Names consist of the job's id
//! and a number, so no client input becomes part of a path.

use super::state::ReportFile;
use crate::config::Limits;
use crate::engine::export::ExportSink;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tallybook_core::export;
use tallybook_core::report::ReportKind;
use tallybook_store::access::{
    AccessNotice, close_directory, close_file, create_private_directory, open_private,
};
use tokio_util::sync::CancellationToken;

/// How many bytes are written at a time.
const BUFFER: usize = 256 * 1024;

/// The name extension of a file while it is written.
const PARTIAL: &str = "partial";

/// The path of a part; parts are numbered from 1.
pub fn path(folder: &Path, id: &str, part: usize) -> PathBuf {
    folder.join(format!("{id}.{part}.csv"))
}

/// How large a report's files may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most lines of one file; more go into another.
    pub lines: u64,
    /// The most bytes of all its files together; beyond that, [`NoRoomLeft`].
    pub bytes: u64,
}

/// The files of reports would exceed their quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the files of usage reports have reached their limit ({})",
    Limits::REPORT_BYTES
)]
pub struct NoRoomLeft;

/// Writes a report's lines into as many files as they need.
pub struct Parts {
    folder: PathBuf,
    id: String,
    head: Vec<u8>,
    bounds: Bounds,
    bytes: u64,
    cancelled: CancellationToken,
    open: Option<Open>,
    done: Vec<ReportFile>,
}

struct Open {
    out: BufWriter<File>,
    partial: PathBuf,
    hasher: Sha256,
    lines: u64,
    bytes: u64,
}

impl Parts {
    /// Begins a report; removes leftovers of an earlier attempt first.
    pub fn begin(
        folder: &Path,
        id: &str,
        kind: ReportKind,
        bounds: Bounds,
        cancelled: CancellationToken,
    ) -> io::Result<Self> {
        create_private_directory(folder)?;
        remove(folder, id)?;
        Ok(Self {
            folder: folder.to_owned(),
            id: id.to_owned(),
            head: export::head(kind),
            bounds,
            bytes: 0,
            cancelled,
            open: None,
            done: Vec::new(),
        })
    }

    /// Ends the last file; a report without lines has none.
    pub fn finish(mut self) -> io::Result<Vec<ReportFile>> {
        self.close()?;
        Ok(self.done)
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let file = open
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(
            &open.partial,
            path(&self.folder, &self.id, self.done.len() + 1),
        )?;
        sync_folder(&self.folder)?;
        let sha256 = open.hasher.finalize();
        self.done.push(ReportFile {
            lines: open.lines,
            bytes: open.bytes,
            sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        });
        Ok(())
    }

    fn take_room(&mut self, bytes: usize) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > self.bounds.bytes {
            return Err(io::Error::other(NoRoomLeft));
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<Open> {
        let name = path(&self.folder, &self.id, self.done.len() + 1);
        let partial = name.with_extension(PARTIAL);
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        // It holds people's names.
        let file = open_private(&partial, &mut options)?;
        let mut open = Open {
            out: BufWriter::with_capacity(BUFFER, file),
            partial,
            hasher: Sha256::new(),
            lines: 0,
            bytes: 0,
        };
        self.take_room(self.head.len())?;
        open.write(&self.head)?;
        Ok(open)
    }
}

impl Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

impl ExportSink for Parts {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let is_full = |open: &Open| open.lines >= self.bounds.lines;
        if self.open.as_ref().is_some_and(is_full) {
            self.close()?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        self.take_room(line.len())?;
        open.lines += 1;
        let written = open.write(line);
        let looks = open.lines.is_multiple_of(LINES_A_LOOK);
        self.open = Some(open);
        written?;
        if looks && self.cancelled.is_cancelled() {
            return Err(io::Error::other("the server is shutting down"));
        }
        Ok(())
    }

    fn month_done(&mut self, _done: u64, _of: u64) {}
}

/// How many lines are written between two checks whether to go on.
const LINES_A_LOOK: u64 = 4096;

/// Removes access to the folder and its files for everyone but their owner; a missing folder is
/// fine.
pub fn close_to_others(folder: &Path) -> io::Result<Vec<AccessNotice>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut notices = Vec::from_iter(close_directory(folder, |_| true)?);
    for entry in fs::read_dir(folder)? {
        notices.extend(close_file(&entry?.path())?);
    }
    Ok(notices)
}

/// Removes every file of a job, finished or not.
pub fn remove(folder: &Path, id: &str) -> io::Result<()> {
    let of_job = |name: &str| name.split('.').next() == Some(id);
    remove_where(folder, of_job)
}

/// Removes the files of all but some jobs.
pub fn keep_only(folder: &Path, ids: &BTreeSet<String>) -> io::Result<()> {
    let is_foreign = |name: &str| {
        let id = name.split('.').next().unwrap_or_default();
        !ids.contains(id)
    };
    remove_where(folder, is_foreign)
}

fn remove_where(folder: &Path, unwanted: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = |name: &str| name.ends_with(".csv") || name.ends_with(PARTIAL);
        if name
            .to_str()
            .is_some_and(|name| is_ours(name) && unwanted(name))
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes a rename durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn parts_have_headers_and_at_most_so_many_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let begin = || {
            let never = CancellationToken::new();
            let bounds = Bounds {
                lines: 2,
                bytes: u64::MAX,
            };
            Parts::begin(folder.path(), "a", ReportKind::Detailed, bounds, never).expect("begins")
        };
        let mut parts = begin();
        for line in ["1\r\n", "2\r\n", "3\r\n"] {
            parts.line(line.as_bytes()).expect("written");
        }
        assert_eq!(names(folder.path()), ["a.1.csv", "a.2.partial"]);
        let done = parts.finish().expect("ends");
        assert_eq!(names(folder.path()), ["a.1.csv", "a.2.csv"]);
        assert_eq!(
            done.iter().map(|part| part.lines).collect::<Vec<_>>(),
            [2, 1]
        );
        for (number, rest) in [(1, "1\r\n2\r\n"), (2, "3\r\n")] {
            let bytes = fs::read(path(folder.path(), "a", number)).expect("a file");
            let expected = [export::head(ReportKind::Detailed), rest.into()].concat();
            assert_eq!(bytes, expected);
            assert_eq!(done[number - 1].bytes, bytes.len() as u64);
        }
        // A fresh start leaves nothing of an earlier attempt; without lines there is no file.
        assert_eq!(begin().finish().expect("ends"), []);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn a_report_has_at_most_so_many_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let head = export::head(ReportKind::Detailed).len() as u64;
        let write = |bytes| {
            let bounds = Bounds { lines: 2, bytes };
            let (kind, never) = (ReportKind::Detailed, CancellationToken::new());
            let mut parts = Parts::begin(folder.path(), "a", kind, bounds, never)?;
            parts.line(b"1\r\n")?;
            parts.line(b"2\r\n")?;
            parts.finish()
        };
        assert_eq!(write(head + 6).expect("there is room").len(), 1);
        let error = write(head + 5).expect_err("one byte too many");
        assert!(
            error
                .get_ref()
                .is_some_and(|error| error.is::<NoRoomLeft>())
        );
    }

    #[test]
    fn only_the_files_of_known_jobs_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.1.csv", "b.1.csv", "b.2.partial", "notes.txt"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        keep_only(folder.path(), &BTreeSet::from(["a".to_owned()])).expect("removes");
        assert_eq!(names(folder.path()), ["a.1.csv", "notes.txt"]);
    }
}
