//! Who may read what is kept on disk: its owner only, whatever the umask.
//!
//! A data directory holds names, addresses, the hashes of tokens and the keys that sign links.
//! Files are made with mode 0600 and directories with 0700; what exists with more is corrected,
//! and an [`AccessNotice`] says so. Systems without Unix modes keep their own rules: there all of
//! this does nothing. Invariant: no access is ever added to what exists.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

/// The mode bits of everybody but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

#[cfg(unix)]
const FILE: u32 = 0o600;

#[cfg(unix)]
const DIRECTORY: u32 = 0o700;

/// What was found open to other users of the machine; for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessNotice {
    /// It was open and is its owner's alone now.
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

/// Opens a file for writing, and makes it when it is missing; either way only its owner may read
/// it afterwards. `options` say what else to do.
///
/// # Errors
///
/// As opening a file; also when an existing file's mode cannot be changed.
pub fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    options.mode(FILE);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        // An existing file keeps its mode when it is opened, and a umask may take too much away.
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode != FILE {
            file.set_permissions(PermissionsExt::from_mode(FILE))?;
        }
    }
    Ok(file)
}

/// Makes a directory for its owner only, with the directories above it that are missing. One that
/// exists is left as it is.
///
/// # Errors
///
/// As making a directory.
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

/// Takes access to a file from everybody but its owner. A missing file is fine.
///
/// # Errors
///
/// As looking at a file and changing its mode. One that belongs to another user is no error but a
/// notice.
pub fn close_file(path: &Path) -> io::Result<Option<AccessNotice>> {
    close(path, FILE_OWNED_BY_ANOTHER, |path| {
        format!("run: chmod 600 {}", path.display())
    })
}

/// Takes access to a directory from everybody but its owner, if it holds nothing but what
/// `is_ours` knows: one that holds more, such as a home folder, is shared for other reasons.
///
/// # Errors
///
/// As reading a directory and changing its mode. One that belongs to another user is no error but
/// a notice.
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

/// The mode of what exists and is open to others.
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
