//! A staged import, whose chunks are stored but not committed, and the checks before its commit.
//!
//! Invariant: the caller's conditions are checked on the newest state of its account, and only if
//! the same bytes are not already live. Look next: [`super::session`], which makes it.

use super::ImportError;
use super::session::Target;
use std::sync::Arc;
use tallybook_core::ledger::Account;
use tallybook_core::ledger::builder::FileOverlap;
use tallybook_core::ledger::record::ImportRecord;

/// The first few pairs of files, for an error message.
pub(super) fn in_both(files: &[JoinedFiles]) -> String {
    const TOLD: usize = 5;
    let one = |joined: &JoinedFiles| {
        let overlap = &joined.overlap;
        format!(
            "{} and {} on {} days from {} to {} ({} lines, gross {}, and {} lines, gross {})",
            joined.first,
            joined.again,
            overlap.days,
            overlap.first_day,
            overlap.last_day,
            overlap.first_sum.lines,
            overlap.first_sum.totals.gross,
            overlap.again_sum.lines,
            overlap.again_sum.totals.gross,
        )
    };
    let mut texts: Vec<String> = files.iter().take(TOLD).map(one).collect();
    if files.len() > TOLD {
        texts.push(format!("and {} more pairs of files", files.len() - TOLD));
    }
    texts.join("; ")
}

/// Two files of one import that state usage of the same days.
#[derive(Debug, Clone)]
pub struct JoinedFiles {
    /// The earlier one's name.
    pub first: Arc<str>,
    /// The later one's.
    pub again: Arc<str>,
    /// What both state.
    pub overlap: FileOverlap,
}

/// An import whose chunks are stored, before its commit.
pub(super) struct StagedImport {
    pub(super) record: ImportRecord,
    pub(super) target: Target,
    pub(super) joined: Vec<FileOverlap>,
    pub(super) join: bool,
    pub(super) refuse_overlap: bool,
    pub(super) most_account_names: Option<u32>,
}

impl StagedImport {
    /// Files that state the same usage, with their names.
    pub(super) fn joined(&self) -> Vec<JoinedFiles> {
        let name = |place: usize| {
            let file = self.record.files.get(place);
            file.map_or_else(|| "".into(), |file| Arc::clone(&file.name))
        };
        let named = |overlap: &FileOverlap| JoinedFiles {
            first: name(overlap.first),
            again: name(overlap.again),
            overlap: *overlap,
        };
        self.joined.iter().map(named).collect()
    }

    /// Checks the caller's conditions, which do not apply if the same bytes are already live.
    pub(super) fn check(&self, account: &Account) -> Result<(), ImportError> {
        if !self.joined.is_empty() && !self.join {
            return Err(ImportError::FilesOverlap(self.joined()));
        }
        let Some(most) = self.most_account_names else {
            return Ok(());
        };
        let names = self.record.tables.names.iter().flatten();
        let new = names.filter(|name| account.dictionary.find(name).is_none());
        let known = account.dictionary.next_id().0 as usize;
        if known + new.count() > most as usize {
            let account = self.target.account.clone();
            return Err(ImportError::TooManyNames { account, most });
        }
        Ok(())
    }
}
