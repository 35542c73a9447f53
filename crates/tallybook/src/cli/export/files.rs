//! Where an export goes: standard output, a file, or a folder with as many files as it needs.
//!
//! Invariant: a file gets its final name only when it is complete; no file covers more days than a
//! report may.

use anyhow::{Context, bail};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tallybook_core::export::{Days, most_days};
use tallybook_core::report::ReportKind;
use tempfile::NamedTempFile;

/// One report, and its destination.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) days: Days,
    /// The path; `None` for standard output.
    path: Option<PathBuf>,
}

/// The reports that `days` need, in order: one, or in a folder as many as necessary.
pub(super) fn parts(kind: ReportKind, days: Days, out: Option<&Path>) -> anyhow::Result<Vec<Part>> {
    let count = days.count();
    if count < 1 {
        bail!("--to {} is before --from {}", days.last, days.first);
    }
    if let Some(folder) = out.filter(|path| is_folder(path)) {
        std::fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
        let name = |days: Days| format!("{kind}_{}_{}.csv", days.first, days.last);
        let parts = split(days, most_days(kind)).into_iter().map(|days| Part {
            days,
            path: Some(folder.join(name(days))),
        });
        return Ok(parts.collect());
    }
    let most = most_days(kind);
    if count > most {
        bail!(
            "the {kind} report covers at most {most} days, and --from to --to are {count}: give \
             --out a folder (FOLDER/) for as many files as it needs"
        );
    }
    let path = out.map(Path::to_owned);
    Ok(vec![Part { days, path }])
}

/// Whether a path is an existing folder, or is written as one.
fn is_folder(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let ends_as_one = text
        .last()
        .is_some_and(|&byte| std::path::is_separator(byte.into()));
    ends_as_one || path.is_dir()
}

/// Parts of at most `most` days, as few as possible if all but the last end with a month.
fn split(days: Days, most: i32) -> Vec<Days> {
    let (mut parts, mut rest) = (Vec::new(), days);
    while rest.count() > most {
        let first = rest.first;
        let up_to = |last| Days { first, last };
        let mut month = first.month();
        while up_to(month.plus(1).last_day()).count() <= most {
            month = month.plus(1);
        }
        parts.push(up_to(month.last_day()));
        rest.first = month.last_day().next();
    }
    parts.push(rest);
    parts
}

impl Part {
    /// Creates the part's file.
    pub(super) fn target(&self) -> anyhow::Result<Option<Target>> {
        self.path.as_deref().map(Target::new).transpose()
    }

    /// The path, if any, for messages.
    pub(super) fn to(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(String::new, |path| format!(" to {}", path.display()))
    }
}

/// A file that has a temporary name until it is complete.
pub(super) struct Target {
    partial: NamedTempFile,
    path: PathBuf,
}

impl Target {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let partial = tempfile::Builder::new()
            .prefix(".tallybook-export-")
            .tempfile_in(folder)
            .with_context(|| cannot_write(path))?;
        Ok(Self {
            partial,
            path: path.to_owned(),
        })
    }

    /// Gives the complete file its final name.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let file = self.partial.as_file();
        let written = file.sync_all().and_then(|()| open_like_other_files(file));
        let named = written.and_then(|()| {
            let persisted = self.partial.persist(&self.path);
            persisted.map_err(|error| error.error)
        });
        named.with_context(|| cannot_write(&self.path))?;
        Ok(())
    }
}

/// The target's file, or standard output.
pub(super) fn writer(target: Option<&Target>) -> anyhow::Result<Box<dyn Write + Send>> {
    let Some(target) = target else {
        return Ok(Box::new(io::stdout()));
    };
    let file = target.partial.reopen();
    Ok(Box::new(file.with_context(|| cannot_write(&target.path))?))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Temporary files are private to their owner; a report that the user requested by name gets the
/// usual permissions.
#[cfg(unix)]
fn open_like_other_files(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o640))
}

#[cfg(not(unix))]
fn open_like_other_files(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_core::time::Day;

    fn days(first: &str, last: &str) -> Days {
        let day = |text| Day::parse(text).expect("a day");
        Days {
            first: day(first),
            last: day(last),
        }
    }

    #[test]
    fn parts_end_with_months_and_cover_every_day_once() {
        let all = |first, last, most| {
            let parts = split(days(first, last), most);
            let text = |part: &Days| format!("{} {}", part.first, part.last);
            parts.iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(
            all("2025-11-15", "2025-12-15", 31),
            ["2025-11-15 2025-12-15"]
        );
        assert_eq!(
            all("2025-11-15", "2026-01-10", 31),
            [
                "2025-11-15 2025-11-30",
                "2025-12-01 2025-12-31",
                "2026-01-01 2026-01-10"
            ]
        );
        assert_eq!(all("2025-02-01", "2025-03-04", 31).len(), 2);
        assert_eq!(
            all("2024-01-01", "2025-12-31", 366),
            ["2024-01-01 2024-12-31", "2025-01-01 2025-12-31"]
        );
        for most in [31, 366] {
            let parts = split(days("2020-02-29", "2026-11-21"), most);
            assert!(parts.iter().all(|part| (1..=most).contains(&part.count())));
            let joined = parts
                .windows(2)
                .all(|two| two[0].last.next() == two[1].first);
            assert!(joined, "{parts:?}");
            let total: i32 = parts.iter().map(Days::count).sum();
            assert_eq!(total, days("2020-02-29", "2026-11-21").count());
        }
    }

    #[test]
    fn a_folder_gets_a_file_for_each_part_and_nothing_else_more_than_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = days("2025-10-31", "2025-12-01");
        let new = folder.path().join("new/");
        let parts = parts(ReportKind::AiCredit, long, Some(&new)).expect("parts");
        let paths: Vec<_> = parts.iter().filter_map(|part| part.path.clone()).collect();
        let names = [
            "ai_credit_2025-10-31_2025-11-30.csv",
            "ai_credit_2025-12-01_2025-12-01.csv",
        ];
        assert_eq!(paths, names.map(|name| new.join(name)));
        assert!(new.is_dir());
        let file = folder.path().join("all.csv");
        for out in [None, Some(file.as_path())] {
            let error = super::parts(ReportKind::AiCredit, long, out).expect_err("too long");
            assert!(error.to_string().contains("give --out a folder"), "{error}");
        }
        let short = super::parts(ReportKind::Summarized, long, Some(&file)).expect("a part");
        assert_eq!(short.len(), 1);
        assert_eq!(short[0].path, Some(file));
    }
}
