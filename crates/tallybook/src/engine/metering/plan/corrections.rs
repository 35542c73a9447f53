//! Corrections: what their target said, and which waiting amends have no price.
//!
//! Invariant: a correction finds its target wherever it is: in memory, in an earlier batch, or in
//! the batch being planned. Which amends fail is decided once, when their usage event is planned,
//! and recorded with it.

use super::{Plan, Verdict};
use crate::engine::EngineError;
use crate::engine::metering::check::{price, sku};
use crate::engine::metering::keys::{Known, Place};
use crate::engine::metering::submission::RejectionCode;
use std::sync::Arc;
use tallybook_core::batch::Batch;
use tallybook_core::event::{Event, EventKey, EventName, Usage};
use tallybook_core::ids::{LogId, Seq};
use tallybook_core::ledger::EVENTS;
use tallybook_core::ledger::events::{self, Admitted, AmendFailure, FailedAmend, Stated};
use tallybook_core::ledger::metered::corrections::Correction;
use tallybook_core::time::Day;

impl Plan<'_> {
    pub(super) async fn correction(
        &mut self,
        log: LogId,
        event: &Arc<Event>,
        target: &EventName,
    ) -> Result<Verdict, EngineError> {
        let key = target.key(log);
        let known = self.find(log, key);
        if known.is_some_and(|known| known.is_correction) {
            let reason = format!("data.target: {target} is a correction, not a usage event");
            return Ok(Verdict::Refused(RejectionCode::NotUsage, reason));
        }
        let stated = match known {
            Some(known) => self.stated(log, key, known).await?,
            None => None,
        };
        if let Some(usage) = event.usage() {
            let catalog = &self.engine.site().catalog;
            // It counts in the hour of its target: while that is unknown, so is the price.
            let checked = match known {
                Some(known) => price(catalog, usage, self.day_of(log, key, known, stated)?),
                None => sku(catalog, usage).map(drop),
            };
            if let Err((code, reason)) = checked {
                return Ok(Verdict::Refused(code, reason));
            }
        }
        let admitted = Admitted {
            event: Arc::clone(event),
            target: stated,
            failed: Vec::new(),
        };
        Ok(Verdict::New(admitted, known.is_none()))
    }

    /// The amends waiting for a new usage event that have no price on its day.
    pub(super) fn failed_amends(
        &self,
        log: LogId,
        key: EventKey,
        event: &Event,
    ) -> Result<Vec<FailedAmend>, EngineError> {
        let mut failed = Vec::new();
        let Some(planned) = self.accounts.get(&log) else {
            return Ok(failed);
        };
        let (site, day) = (self.engine.site(), event.time.instant().day());
        let mut check = |name: &EventName, usage: &Usage| {
            if let Err((code, _)) = price(&site.catalog, usage, day) {
                failed.push(FailedAmend {
                    name: name.clone(),
                    reason: failure(code),
                });
            }
        };
        let account = &planned.view.account;
        let recorded = account.metered.correction(key);
        for (name, codes) in recorded.into_iter().flat_map(Correction::waiting_amends) {
            let usage = codes.usage(&account.dictionary);
            let usage = usage.ok_or_else(|| {
                EngineError::damaged(
                    format!("the amend {name} of log {}", log.0),
                    "a name is missing",
                )
            })?;
            check(name, &usage);
        }
        for place in planned.waiting.get(&key).into_iter().flatten() {
            let amend = &planned.events[*place].event;
            amend
                .usage()
                .into_iter()
                .for_each(|usage| check(&amend.name, usage));
        }
        Ok(failed)
    }

    /// The day of a known usage event.
    fn day_of(
        &self,
        log: LogId,
        key: EventKey,
        known: Known,
        stated: Option<Stated>,
    ) -> Result<Day, EngineError> {
        if let Some(stated) = stated {
            return Ok(stated.hour.day());
        }
        let day = || {
            let planned = self.accounts.get(&log)?;
            if planned.new.contains_key(&key) {
                let event = planned.events.get(known.place.index as usize)?;
                return Some(event.event.time.instant().day());
            }
            let correction = planned.view.account.metered.correction(key)?;
            correction.target().map(|stated| stated.hour.day())
        };
        day().ok_or_else(|| {
            let what = format!("the target of a correction in log {}", log.0);
            EngineError::damaged(what, "its state lacks what the target said")
        })
    }

    /// What a usage event in an earlier batch said; `None` when it is in the batch being planned,
    /// or the account already knows.
    pub(super) async fn stated(
        &mut self,
        log: LogId,
        key: EventKey,
        known: Known,
    ) -> Result<Option<Stated>, EngineError> {
        let Some(planned) = self.accounts.get(&log) else {
            return Ok(None);
        };
        let corrected = planned.view.account.metered.correction(key);
        if planned.new.contains_key(&key) || corrected.is_some_and(|known| !known.is_pending()) {
            return Ok(None);
        }
        let view = Arc::clone(&planned.view);
        let Place { seq, index } = known.place;
        let what = || format!("event {index} of batch {} of log {}", seq.0, log.0);
        let missing = || EngineError::damaged(what(), "missing");
        let is_read = |batch: &Batch| (batch.log, batch.seq) == (log, seq);
        let batch = match self.read.take().filter(is_read) {
            Some(batch) => batch,
            None => {
                let before = Seq(seq.0.saturating_sub(1));
                let rows = self.engine.store.read_log(log, before, 1).await?;
                let row = rows.first().ok_or_else(missing)?;
                let decoded = Batch::decode(&row.batch);
                decoded
                    .map_err(|error| EngineError::damaged(what(), error))?
                    .0
            }
        };
        let entry = batch.entries.iter().find(|entry| entry.tag == EVENTS);
        let entry = entry.ok_or_else(missing)?;
        let stated = events::stated_at(&entry.payload, index as usize, &view.account.dictionary)
            .map_err(|error| EngineError::damaged(what(), error))?;
        self.read = Some(batch);
        stated.map(Some).ok_or_else(missing)
    }
}

/// Maps the reason for refusing usage to the reason for an amend's failure.
fn failure(code: RejectionCode) -> AmendFailure {
    match code {
        RejectionCode::UnknownSku => AmendFailure::UnknownSku,
        RejectionCode::Overflow => AmendFailure::Overflow,
        _ => AmendFailure::NoPrice,
    }
}
