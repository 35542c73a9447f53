//! File access: data on disk is readable by its owner only, whatever the umask.
//!
//! A data directory holds names, addresses, the hashes of tokens and the keys that sign links.
//! Files are created with mode 0600 and directories with 0700; existing ones with wider access are
//! corrected, and an [`AccessNotice`] says so. On systems without Unix modes all of this does
//! nothing. Invariant: access to an existing file or directory is never widened.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

/// The mode bits of everyone but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

#[cfg(unix)]
const FILE: u32 = 0o600;

#[cfg(unix)]
const DIRECTORY: u32 = 0o700;

/// A file or directory found open to other users of the machine; for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessNotice {
    /// It was open and is now restricted to its owner.
    Closed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode before.
        mode: u32,
    },
    /// It is still open.
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Why it was not corrected.
        reason: &'static str,
        /// What to do.
        remedy: String,
    },
}

impl fmt::Display for AccessNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { path, mode } => write!(
                f,
                "{} was open to other users (mode {mode:04o}); only its owner has access now",
                path.display()
            ),
            Self::Open {
                path,
                mode,
                reason,
                remedy,
            } => write!(
                f,
                "{} is open to other users (mode {mode:04o}) and was left so because {reason}: \
                 {remedy}",
                path.display()
            ),
        }
    }
}

/// Opens a file for writing, creating it if missing; either way only its owner may read it
/// afterwards. `options` are the other open options.
///
/// # Errors
///
/// The errors of opening a file; also when an existing file's mode cannot be changed.
pub fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    options.mode(FILE);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        // An existing file keeps its mode when opened, and a umask may remove too much.
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode != FILE {
            file.set_permissions(PermissionsExt::from_mode(FILE))?;
        }
    }
    Ok(file)
}

/// Creates a directory for its owner only, along with missing parent directories. An existing one
/// is left as it is.
///
/// # Errors
///
/// The errors of creating a directory.
pub fn create_private_directory(directory: &Path) -> io::Result<()> {
    let existed = directory.is_dir();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(DIRECTORY);
    builder.create(directory)?;
    #[cfg(unix)]
    if !existed {
        std::fs::set_permissions(directory, PermissionsExt::from_mode(DIRECTORY))?;
    }
    Ok(())
}

/// Removes access to a file for everyone but its owner. A missing file is fine.
///
/// # Errors
///
/// The errors of examining a file and changing its mode. A file owned by another user is not an
/// error but a notice.
pub fn close_file(path: &Path) -> io::Result<Option<AccessNotice>> {
    close(path, FILE_OWNED_BY_ANOTHER, |path| {
        format!("run: chmod 600 {}", path.display())
    })
}

/// Removes access to a directory for everyone but its owner, if it holds only names that `is_ours`
/// accepts: one that holds more, such as a home directory, may be shared for other reasons.
///
/// # Errors
///
/// The errors of reading a directory and changing its mode. A directory owned by another user is
/// not an error but a notice.
pub fn close_directory(
    directory: &Path,
    is_ours: impl Fn(&OsStr) -> bool,
) -> io::Result<Option<AccessNotice>> {
    let remedy = |path: &Path| format!("run: chmod 700 {}", path.display());
    let Some(mode) = open_mode(directory)? else {
        return Ok(None);
    };
    for entry in std::fs::read_dir(directory)? {
        if !is_ours(&entry?.file_name()) {
            return Ok(Some(AccessNotice::Open {
                path: directory.to_owned(),
                mode,
                reason: "it also holds other files",
                remedy: format!(
                    "use a directory that holds nothing else, or {}",
                    remedy(directory)
                ),
            }));
        }
    }
    close(directory, DIRECTORY_OWNED_BY_ANOTHER, remedy)
}

const FILE_OWNED_BY_ANOTHER: &str = "it belongs to another user";

const DIRECTORY_OWNED_BY_ANOTHER: &str =
    "it belongs to another user (the files in it are closed all the same)";

#[cfg(unix)]
fn close(
    path: &Path,
    owned_by_another: &'static str,
    remedy: impl Fn(&Path) -> String,
) -> io::Result<Option<AccessNotice>> {
    let Some(mode) = open_mode(path)? else {
        return Ok(None);
    };
    let path = path.to_owned();
    match std::fs::set_permissions(&path, PermissionsExt::from_mode(mode & !OTHERS)) {
        Ok(()) => Ok(Some(AccessNotice::Closed { path, mode })),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let remedy = remedy(&path);
            Ok(Some(AccessNotice::Open {
                path,
                mode,
                reason: owned_by_another,
                remedy,
            }))
        }
        Err(error) => Err(error),
    }
}

/// The mode of an existing file or directory that is open to others.
#[cfg(unix)]
fn open_mode(path: &Path) -> io::Result<Option<u32>> {
    match std::fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o7777;
            Ok((mode & OTHERS != 0).then_some(mode))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn close(
    _: &Path,
    _: &'static str,
    _: impl Fn(&Path) -> String,
) -> io::Result<Option<AccessNotice>> {
    Ok(None)
}

#[cfg(not(unix))]
fn open_mode(_: &Path) -> io::Result<Option<u32>> {
    Ok(None)
}
