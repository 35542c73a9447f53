//! Events of organizations that have had more than one payer.
//!
//! Invariant: such an event is looked up by name in all accounts that have paid for its
//! organization, so that a redelivery with a different time counts once, and a correction finds its
//! event in the account that paid for it. A correction goes to the log that holds its event. Until
//! that event arrives, the correction waits in every log that its sender may write to, so that it
//! applies whichever account the event is billed to, and the order of arrival makes no difference.

use super::{Plan, Verdict, conflict};
use crate::engine::EngineError;
use crate::engine::metering::check::{Checked, CheckedEvent};
use crate::engine::metering::keys::Known;
use tallybook_core::account::AccountKind;
use tallybook_core::catalog::Catalog;
use tallybook_core::event::EventName;
use tallybook_core::ids::{LogId, NameId};
use tallybook_core::name::Name;

/// The logs that may hold an event of such an organization.
pub(super) struct Moved<'a> {
    organization: &'a Name,
    /// The log of the account that pays at the event's time.
    log: LogId,
    /// The logs of the other accounts, and whether the sender may write to them.
    others: Vec<(LogId, bool)>,
}

impl<'a> Moved<'a> {
    /// `None` for events of most organizations, which have had only one payer. `logs` holds the
    /// logs of the accounts.
    pub(super) fn of(checked: &'a Checked, event: &CheckedEvent, logs: &[LogId]) -> Option<Self> {
        let organization = checked.organization(event)?;
        let history = checked.history(event).iter();
        let others = history.filter(|place| **place != event.account);
        let others = others.map(|place| {
            let account = &checked.accounts[*place];
            (
                logs[*place],
                checked.allowed.may_write(account, &event.event),
            )
        });
        let others: Vec<(LogId, bool)> = others.collect();
        (!others.is_empty()).then(|| Self {
            organization,
            log: logs[event.account],
            others,
        })
    }

    fn writable(&self) -> impl Iterator<Item = LogId> {
        let writable = self.others.iter().filter(|(_, may_write)| *may_write);
        writable.map(|(log, _)| *log)
    }
}

impl Plan<'_> {
    /// What to do with an event of an organization that has had more than one payer.
    pub(super) async fn moved_event(
        &mut self,
        moved: &Moved<'_>,
        checked: &CheckedEvent,
        repriced: Option<&Catalog>,
    ) -> Result<Verdict, EngineError> {
        let (log, event) = (moved.log, &checked.event);
        if self.find(log, event.name.key(log)).is_none() {
            for (other, _) in &moved.others {
                let known = self.find(*other, event.name.key(*other));
                let Some(known) = known else { continue };
                if known.content == checked.content {
                    return Ok(Verdict::Duplicate);
                }
                // Other organizations of that account have their own event names.
                if self.is_usage_of(moved, *other, &event.name, known).await? {
                    return Ok(conflict(&event.name));
                }
            }
        }
        let elsewhere = match event.target() {
            Some(target) if self.find(log, target.key(log)).is_none() => {
                self.holder(moved, target).await?
            }
            _ => None,
        };
        if let Some(other) = elsewhere {
            return Ok(match self.event(other, checked, repriced).await? {
                Verdict::New(admitted, pending) => Verdict::NewIn(vec![other], admitted, pending),
                verdict => verdict,
            });
        }
        Ok(match self.event(log, checked, repriced).await? {
            Verdict::New(admitted, true) => {
                let logs = std::iter::once(log).chain(moved.writable()).collect();
                Verdict::NewIn(logs, admitted, true)
            }
            verdict => verdict,
        })
    }

    /// The log of another account that holds a usage event of the organization, among those that
    /// the sender may write to: events in other logs are treated as nonexistent.
    async fn holder(
        &mut self,
        moved: &Moved<'_>,
        target: &EventName,
    ) -> Result<Option<LogId>, EngineError> {
        for other in moved.writable() {
            if let Some(known) = self.find(other, target.key(other))
                && self.is_usage_of(moved, other, target, known).await?
            {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Whether a known event of another account is usage of the organization.
    async fn is_usage_of(
        &mut self,
        moved: &Moved<'_>,
        log: LogId,
        name: &EventName,
        known: Known,
    ) -> Result<bool, EngineError> {
        let Some(planned) = self.accounts.get(&log) else {
            return Ok(false);
        };
        if known.is_correction {
            return Ok(false);
        }
        let account = &planned.view.account.name;
        if account.kind == AccountKind::Organization && account.name == *moved.organization {
            return Ok(true);
        }
        let key = name.key(log);
        if planned.new.contains_key(&key) {
            let event = planned.events.get(known.place.index as usize);
            let usage = event.and_then(|admitted| admitted.event.usage());
            let organization = usage.and_then(|usage| usage.organization.as_ref());
            return Ok(organization == Some(moved.organization));
        }
        let stated = self.stated(log, key, known).await?;
        let Some(planned) = self.accounts.get(&log) else {
            return Ok(false);
        };
        let account = &planned.view.account;
        let corrected = || account.metered.correction(key)?.target();
        let Some(stated) = stated.or_else(corrected) else {
            return Ok(false);
        };
        let [_, organization, ..] = stated.codes.names;
        let text = organization.checked_sub(1);
        let text = text.and_then(|id| account.dictionary.get(NameId(id)));
        Ok(text.is_some_and(|text| Name::new(text.clone()) == *moved.organization))
    }
}
