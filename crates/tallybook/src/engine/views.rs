//! The accounts in memory: as many as there is room for, the least recently used dropped first.
//!
//! Invariant: only the newest view of an account is here, and a view older than this process's last
//! commit is never returned. A dropped view is reloaded on its next use; its short statements are
//! dropped with it, see [`super::Engine::view_of`].
//!
//! This is the one place that relies on this process being the only one that commits:
//! [`State::published`] knows the end of each log, because every commit passes through
//! [`Views::publish`]. Servers that share a store would have to ask the store instead.

use super::View;
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::ids::{LogId, Seq};

/// The most accounts whose state is kept in memory: some tens of kilobytes for a small one, which
/// is read again in less than a millisecond.
const MOST_VIEWS: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// The newest view of each account in use.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<State>);

#[derive(Debug)]
struct State {
    views: LruCache<LogId, Arc<View>>,
    /// The newest batch of each log to which this process has committed. It outlives the view, so
    /// that a reader who was loading the account while it was dropped cannot bring back an older
    /// state.
    published: HashMap<LogId, Seq>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            views: LruCache::new(MOST_VIEWS),
            published: HashMap::new(),
        }
    }
}

/// The result of keeping a view.
pub(super) struct Kept {
    /// The newest view of the account: the given one, or a newer one.
    pub view: Arc<View>,
    /// The account evicted for it, if any.
    pub dropped: Option<Arc<View>>,
}

impl Views {
    /// The newest view of an account, if it is in memory.
    pub(super) fn get(&self, log: LogId) -> Option<Arc<View>> {
        self.state().views.get(&log).cloned()
    }

    /// Keeps the view of a commit.
    pub(super) fn publish(&self, view: View) -> Kept {
        let mut state = self.state();
        let newest = state.published.entry(view.account.log).or_default();
        *newest = view.account.seq.max(*newest);
        state.keep(view)
    }

    /// Keeps a view for the next reader, unless a newer one is already there; `None` when it is
    /// older than what was committed, and has to be loaded again.
    pub(super) fn keep(&self, view: View) -> Option<Kept> {
        let mut state = self.state();
        let newest = state.published.get(&view.account.log);
        if newest.is_some_and(|newest| view.account.seq < *newest) {
            return None;
        }
        Some(state.keep(view))
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
    fn keep(&mut self, view: View) -> Kept {
        let log = view.account.log;
        if let Some(known) = self.views.get_mut(&log) {
            let versions = |view: &View| (view.account.seq, view.site.seq);
            if versions(known) <= versions(&view) {
                *known = Arc::new(view);
            }
            return Kept {
                view: Arc::clone(known),
                dropped: None,
            };
        }
        let view = Arc::new(view);
        let dropped = self.views.push(log, Arc::clone(&view));
        Kept {
            view,
            dropped: dropped.map(|(_, view)| view),
        }
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

    fn keep(views: &Views, view: View) -> Kept {
        views.keep(view).expect("not older than what was committed")
    }

    #[test]
    fn the_account_that_was_used_least_recently_is_dropped() {
        let views = Views::default();
        let logs = 1..=MOST_VIEWS.get() as u64;
        assert!(
            logs.into_iter()
                .all(|log| keep(&views, view(log)).dropped.is_none())
        );
        assert!(views.get(LogId(1)).is_some());
        assert!(keep(&views, view(2)).dropped.is_none());
        let dropped = keep(&views, view(9_999)).dropped.unwrap();
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
        keep(&views, newer);
        assert_eq!(keep(&views, view(1)).view.site.seq.0, 7);
        assert_eq!(views.get(LogId(1)).unwrap().site.seq.0, 7);
    }

    #[test]
    fn what_was_committed_is_newest_also_when_its_view_was_dropped() {
        let views = Views::default();
        let at = |seq: u64| {
            let mut view = view(1);
            Arc::make_mut(&mut view.account).seq = Seq(seq);
            view
        };
        views.publish(at(5));
        for log in 2..=MOST_VIEWS.get() as u64 + 1 {
            keep(&views, super::tests::view(log));
        }
        assert!(views.get(LogId(1)).is_none(), "dropped");
        assert!(views.keep(at(4)).is_none(), "loaded before the commit");
        assert!(views.get(LogId(1)).is_none());
        assert_eq!(keep(&views, at(5)).view.account.seq, Seq(5));
        // Another process may have committed more.
        assert_eq!(keep(&views, at(6)).view.account.seq, Seq(6));
    }
}
