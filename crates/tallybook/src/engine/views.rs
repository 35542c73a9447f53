//! The accounts in memory: as many as there is room for, the least recently used dropped first.
//!
//! Invariant: of an account only the newest view is here. What is dropped is loaded again on its
//! next use; its short statements go with it, see [`super::Engine::keep`].

use super::View;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::ids::LogId;

/// The most accounts whose state is kept in memory: some tens of kilobytes for a small one, which
/// is read again in less than a millisecond.
const MOST_VIEWS: usize = 1024;

/// The newest view of each account in use.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    views: HashMap<LogId, Used>,
    /// Rises with each use.
    uses: u64,
}

#[derive(Debug)]
struct Used {
    view: Arc<View>,
    last: u64,
}

/// What came of keeping a view.
pub(super) struct Kept {
    /// The newest view of the account: the one that was to be kept, or a newer one.
    pub view: Arc<View>,
    /// An account that had to go for it.
    pub dropped: Option<Arc<View>>,
}

impl Views {
    /// The newest view of an account, if it is in memory.
    pub(super) fn get(&self, log: LogId) -> Option<Arc<View>> {
        let mut state = self.state();
        let last = state.next_use();
        let used = state.views.get_mut(&log)?;
        used.last = last;
        Some(Arc::clone(&used.view))
    }

    /// Keeps a view for the next reader, unless a newer one is already there.
    pub(super) fn keep(&self, view: View) -> Kept {
        let mut state = self.state();
        let (log, last) = (view.account.log, state.next_use());
        if let Some(known) = state.views.get_mut(&log) {
            let versions = |view: &View| (view.account.seq, view.site.seq);
            if versions(&known.view) <= versions(&view) {
                known.view = Arc::new(view);
            }
            known.last = last;
            let view = Arc::clone(&known.view);
            return Kept {
                view,
                dropped: None,
            };
        }
        let oldest = (state.views.len() >= MOST_VIEWS).then(|| state.oldest());
        let dropped = oldest.flatten().and_then(|log| state.views.remove(&log));
        let view = Arc::new(view);
        let kept = Arc::clone(&view);
        state.views.insert(log, Used { view: kept, last });
        Kept {
            view,
            dropped: dropped.map(|used| used.view),
        }
    }

    /// Drops every account.
    pub(super) fn clear(&self) {
        self.state().views.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn oldest(&self) -> Option<LogId> {
        let oldest = self.views.iter().min_by_key(|(_, used)| used.last);
        oldest.map(|(log, _)| *log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallybook_core::account::{AccountKind, AccountName};
    use tallybook_core::ledger::Account;
    use tallybook_core::site::Site;

    fn view(log: u64) -> View {
        let name = AccountName::new(AccountKind::User, "mona");
        let account = Account::new(LogId(log), name);
        View::new(Arc::new(Site::default()), Arc::new(account))
    }

    #[test]
    fn the_account_that_was_used_least_recently_is_dropped() {
        let views = Views::default();
        let logs = 1..=MOST_VIEWS as u64;
        assert!(
            logs.into_iter()
                .all(|log| views.keep(view(log)).dropped.is_none())
        );
        assert!(views.get(LogId(1)).is_some());
        assert!(views.keep(view(2)).dropped.is_none());
        let dropped = views.keep(view(9_999)).dropped.unwrap();
        assert_eq!(dropped.account.log, LogId(3));
        assert!(views.get(LogId(3)).is_none());
        assert!(views.get(LogId(1)).is_some() && views.get(LogId(9_999)).is_some());
    }

    #[test]
    fn a_newer_view_stays() {
        let views = Views::default();
        let mut newer = view(1);
        newer.site = Arc::new(Site {
            seq: tallybook_core::ids::Seq(7),
            ..Site::default()
        });
        views.keep(newer);
        assert_eq!(views.keep(view(1)).view.site.seq.0, 7);
        assert_eq!(views.get(LogId(1)).unwrap().site.seq.0, 7);
    }
}
