//! Isolates submissions: the failure of one does not affect the others in a commit.

use super::{Answer, Plan};
use crate::engine::metering::check::Checked;
use crate::engine::metering::submission::SubmitError;
use std::collections::HashMap;
use tallybook_core::ids::LogId;

impl Plan<'_> {
    /// Plans one submission. If stored data of its accounts can't be read, it fails alone, and
    /// leaves no trace in the commit.
    pub(super) async fn submission(&mut self, checked: &Checked) -> Answer {
        let planned = self.accounts.iter();
        let before: HashMap<LogId, usize> =
            planned.map(|(log, it)| (*log, it.events.len())).collect();
        let answer = self.plan_submission(checked).await;
        answer.unwrap_or_else(|error| {
            let logs: Vec<LogId> = self.accounts.keys().copied().collect();
            for log in logs {
                self.take_back(log, before.get(&log).copied().unwrap_or_default());
            }
            Err(SubmitError::Engine(error))
        })
    }

    /// Takes a refused submission's events back out of the commit.
    pub(super) fn take_back(&mut self, log: LogId, before: usize) {
        let Some(planned) = self.accounts.get_mut(&log) else {
            return;
        };
        for admitted in planned.events.drain(before..) {
            planned.new.remove(&admitted.event.name.key(log));
        }
        for waiting in planned.waiting.values_mut() {
            waiting.retain(|place| *place < before);
        }
    }
}
