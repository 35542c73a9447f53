//! Hot months, whose statement changes with each batch of events.
//!
//! Invariant: wrong advice costs only time. Only the latest statement of such a month is kept in
//! memory, and it is stored only now and then, because it would be stale at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::time::{Instant, Month};

/// Seconds between two checkpoints of a month that events change.
const SECONDS_APART: i64 = 600;

/// The most months remembered; a few hundred bytes each.
const MOST_MONTHS: usize = 100_000;

/// The latest statement of each.
#[derive(Debug, Default)]
pub(in crate::engine) struct Hot {
    months: Mutex<HashMap<(LogId, Month), Made>>,
}

#[derive(Debug)]
struct Made {
    fingerprint: Digest,
    stored_at: Instant,
}

/// What to do with a new statement.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) struct Advice {
    /// An older one, which will not be requested again.
    pub replaced: Option<Digest>,
    /// Whether it is worth a checkpoint.
    pub store: bool,
}

impl Hot {
    /// Notes a new statement of an account whose newest batch is from `at`.
    pub(in crate::engine) fn made(
        &self,
        log: LogId,
        month: Month,
        fingerprint: Digest,
        at: Instant,
    ) -> Advice {
        let mut months = self.months.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = months.get_mut(&(log, month)) else {
            if months.len() >= MOST_MONTHS {
                months.clear();
            }
            let stored_at = at;
            months.insert(
                (log, month),
                Made {
                    fingerprint,
                    stored_at,
                },
            );
            return Advice {
                replaced: None,
                store: true,
            };
        };
        let replaced = std::mem::replace(&mut known.fingerprint, fingerprint);
        let store = at.seconds() >= known.stored_at.seconds() + SECONDS_APART;
        if store {
            known.stored_at = at;
        }
        Advice {
            replaced: (replaced != fingerprint).then_some(replaced),
            store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_stored_now_and_then_and_its_older_statement_dropped() {
        let hot = Hot::default();
        let month = Month::new(2026, 1).unwrap();
        let at = |seconds: i64| Instant::from_seconds(1_700_000_000 + seconds).unwrap();
        let made = |byte: u8, seconds| {
            let advice = hot.made(LogId(1), month, Digest([byte; 32]), at(seconds));
            (advice.replaced.map(|digest| digest.0[0]), advice.store)
        };
        assert_eq!(made(1, 0), (None, true));
        assert_eq!(made(2, 1), (Some(1), false));
        assert_eq!(made(2, 2), (None, false));
        assert_eq!(made(3, 600), (Some(2), true));
        assert_eq!(made(4, 601), (Some(3), false));
    }
}
