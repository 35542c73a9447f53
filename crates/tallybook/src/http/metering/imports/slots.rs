//! Limits the number of concurrent uploads of imports.
//!
//! Each upload holds a blocking thread and the memory of an import in progress, both of which are
//! limited. Invariant: a slot is taken before the body is read and released when the import ends,
//! however it ends; no credential holds more than half.

use crate::config::Limits;
use crate::http::error::ApiError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The slots of a server.
#[derive(Debug)]
pub struct ImportSlots {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_token: HashMap<String, usize>,
}

/// The right to upload one import; released when dropped.
#[derive(Debug)]
pub struct ImportSlot {
    slots: Arc<ImportSlots>,
    token: String,
}

impl ImportSlots {
    /// This many slots.
    #[must_use]
    pub fn new(most: u32) -> Arc<Self> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Arc::new(Self {
            most,
            most_of_one: most.div_ceil(2),
            taken: Mutex::default(),
        })
    }

    /// Takes a slot for the bearer of a token; 503 when there is none.
    pub fn take(self: &Arc<Self>, token: &str) -> Result<ImportSlot, ApiError> {
        let mut taken = self.taken();
        let (all, own) = (taken.all, taken.by_token.get(token).copied().unwrap_or(0));
        if all >= self.most {
            return Err(ApiError::busy(format!(
                "{all} imports are in progress, the limit of this server ({}): try again later.",
                Limits::IMPORTS
            )));
        }
        if own >= self.most_of_one {
            return Err(ApiError::busy(format!(
                "{own} imports are in progress with this token, the limit of one token (half of \
                 {}): try again when one has ended.",
                Limits::IMPORTS
            )));
        }
        taken.all += 1;
        *taken.by_token.entry(token.to_owned()).or_default() += 1;
        Ok(ImportSlot {
            slots: Arc::clone(self),
            token: token.to_owned(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ImportSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        if let Some(own) = taken.by_token.get_mut(&self.token) {
            *own -= 1;
            if *own == 0 {
                taken.by_token.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_takes_half_and_all_take_all() {
        let slots = ImportSlots::new(4);
        let take = |token: &str| slots.take(token).map_err(|error| error.message);
        let first = [take("a"), take("a")];
        let refused = take("a").expect_err("half is taken");
        assert!(
            refused.starts_with("2 imports are in progress with this token"),
            "{refused}"
        );
        let second = [take("b"), take("b")];
        let refused = take("c").expect_err("all are taken");
        assert!(refused.contains("(--limit-imports)"), "{refused}");
        drop(first);
        assert!(take("a").is_ok());
        drop(second);
        assert_eq!(slots.taken().all, 0);
        assert!(slots.taken().by_token.is_empty());
    }
}
