//! From waiting submissions to one commit: what is new, what is a duplicate, what conflicts.
//!
//! Invariant: planned on the newest state while holding the writer's turn. An all-or-nothing
//! submission leaves no trace when one of its events is refused. Look next: [`corrections`].

mod alone;
mod corrections;
mod moved;

use super::check::{Checked, CheckedEvent, price};
use super::keys::{AllKeys, Known, Place};
use super::queue::Job;
use super::run::Run;
use super::seal::Sealing;
use super::submission::{OnError, Receipt, Rejection, RejectionCode, SubmitError};
use crate::engine::commit::{Changes, Committed, Turn};
use crate::engine::{Engine, EngineError, View};
use moved::Moved;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::batch::Batch;
use tallybook_core::catalog::Catalog;
use tallybook_core::event::{EventBody, EventKey, EventName};
use tallybook_core::ids::LogId;
use tallybook_core::ledger::AccountEntry;
use tallybook_core::ledger::events::Admitted;
use tallybook_core::name::Name;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;

type Answer = Result<Receipt, SubmitError>;

impl Engine {
    /// Commits all waiting submissions, and answers them.
    pub(super) async fn commit_waiting(self: &Arc<Self>, now: Instant) {
        let turn = self.turn().await;
        // The first waiter to get the turn commits for everyone.
        let jobs = self.metering.queue.take();
        if jobs.is_empty() {
            return;
        }
        let (mut checked, waiting): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .map(|Job { checked, answer }| (checked, answer))
            .unzip();
        let answers = match self.commit_submissions(&turn, now, &mut checked).await {
            Ok(answers) => answers,
            Err(error) => {
                let failed = |_| Err(SubmitError::Engine(error.clone()));
                waiting.iter().map(failed).collect()
            }
        };
        for (answer, waiting) in answers.into_iter().zip(waiting) {
            // A caller that no longer waits only misses the answer.
            drop(waiting.send(answer));
        }
    }

    async fn commit_submissions(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        now: Instant,
        submissions: &mut [Checked],
    ) -> Result<Vec<Answer>, EngineError> {
        let mut keys = self.metering.keys.lock().await;
        let answers = self.commit_new(turn, now, submissions, &mut keys).await;
        // Even if nothing was new: looking for a key loads its account's keys into memory.
        keys.shrink();
        answers
    }

    async fn commit_new(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        now: Instant,
        submissions: &mut [Checked],
        keys: &mut AllKeys,
    ) -> Result<Vec<Answer>, EngineError> {
        for _ in 0..Turn::ATTEMPTS {
            self.open_accounts(turn, now, submissions).await?;
            if self.metering.queue.was_forgotten() {
                keys.clear();
            }
            let mut plan = Plan::new(self, keys);
            let mut receipts = Vec::with_capacity(submissions.len());
            for checked in &*submissions {
                receipts.push(plan.submission(checked).await);
            }
            let Plan { accounts, met, .. } = plan;
            let mut changes = Changes::default();
            if !met.is_empty() {
                changes
                    .site
                    .push(SiteEntry::Met(met.into_values().collect()));
            }
            let mut new = Vec::new();
            for (log, planned) in accounts {
                if planned.events.is_empty() {
                    continue;
                }
                let name = planned.view.account.name.clone();
                new.push((log, planned.view.account.seq.next(), planned.new));
                changes
                    .accounts
                    .push((log, name, vec![AccountEntry::Events(planned.events)]));
            }
            if new.is_empty() {
                return Ok(receipts);
            }
            if let Committed::Done = turn.commit(now, changes).await? {
                for (log, seq, found) in new {
                    let known = keys.of(log);
                    known.add(seq, found);
                    let view = self.views.get(log);
                    if let Some(view) = view.filter(|view| view.account.seq == seq)
                        && let Some(sealing) = Sealing::due(known, &view, self.options.recent_keys)
                    {
                        let engine = Arc::clone(self);
                        self.later.spawn(async move { engine.seal(sealing).await });
                    }
                }
                return Ok(receipts);
            }
        }
        Err(EngineError::Contention(Turn::ATTEMPTS))
    }
}

/// A commit being planned.
struct Plan<'a> {
    engine: &'a Engine,
    keys: &'a mut AllKeys,
    accounts: BTreeMap<LogId, Planned>,
    /// New users, each in the smallest spelling.
    met: BTreeMap<Name, Name>,
    /// The batch that was read last: corrections of one batch mostly arrive together.
    read: Option<Batch>,
}

/// The additions to one account's log.
struct Planned {
    view: Arc<View>,
    events: Vec<Admitted>,
    new: HashMap<EventKey, Known>,
    /// Indexes of amends among these events whose usage event is unknown, by that event.
    waiting: HashMap<EventKey, Vec<usize>>,
    /// Older keys, as far as they were looked up.
    older: HashMap<EventKey, Known>,
}

/// What is to be done with one event.
enum Verdict {
    /// It counts; the flag marks a correction whose event has not arrived.
    New(Admitted, bool),
    /// Like [`Verdict::New`], but in the logs of accounts other than the payer.
    NewIn(Vec<LogId>, Admitted, bool),
    Duplicate,
    Refused(RejectionCode, String),
}

impl<'a> Plan<'a> {
    fn new(engine: &'a Engine, keys: &'a mut AllKeys) -> Self {
        Self {
            engine,
            keys,
            accounts: BTreeMap::new(),
            met: BTreeMap::new(),
            read: None,
        }
    }

    /// Plans all of a submission, or only its valid events, as requested.
    async fn plan_submission(&mut self, checked: &Checked) -> Result<Answer, EngineError> {
        let mut logs = Vec::with_capacity(checked.accounts.len());
        for account in &checked.accounts {
            logs.push(self.account(account).await?);
        }
        self.look_up(&logs, checked).await?;
        let planned = |log: &LogId| self.accounts.get(log).map_or(0, |it| it.events.len());
        let before: Vec<usize> = logs.iter().map(planned).collect();
        let mut receipt = Receipt::default();
        receipt.rejected.clone_from(&checked.rejected);
        let mut met = HashSet::new();
        let catalog = Arc::clone(&self.engine.site().catalog);
        let repriced = (!Arc::ptr_eq(&catalog, &checked.catalog)).then_some(&*catalog);
        // Usage first, so that corrections in the same submission find their target in any order.
        let (usage, corrections): (Vec<_>, Vec<_>) =
            (checked.events.iter()).partition(|checked| !checked.event.is_correction());
        for event in usage.into_iter().chain(corrections) {
            let log = logs[event.account];
            let verdict = match Moved::of(checked, event, &logs) {
                None => self.event(log, event, repriced).await?,
                Some(moved) => self.moved_event(&moved, event, repriced).await?,
            };
            if let Verdict::New(admitted, _) | Verdict::NewIn(_, admitted, _) = &verdict {
                let user = admitted.event.usage().and_then(|usage| usage.user.as_ref());
                if let Some(user) = user.filter(|user| !met.contains(user.as_str())) {
                    met.insert(user.shared());
                }
            }
            self.take(verdict, log, event, &mut receipt);
        }
        receipt.rejected.sort_by_key(|rejection| rejection.index);
        if checked.on_error == OnError::Reject && !receipt.rejected.is_empty() {
            for (log, before) in logs.iter().zip(before) {
                self.take_back(*log, before);
            }
            let rejected = std::mem::take(&mut receipt.rejected);
            let receipt = Receipt {
                rejected,
                ..Receipt::default()
            };
            return Ok(Err(SubmitError::Rejected(receipt)));
        }
        self.meet(met);
        for (log, before) in logs.iter().zip(before) {
            if let Some(planned) = self.accounts.get(log)
                && planned.events.len() > before
            {
                let account = &planned.view.account;
                receipt
                    .commits
                    .push((account.name.clone(), account.seq.next()));
            }
        }
        receipt.commits.sort();
        Ok(Ok(receipt))
    }

    /// Admits an event that is new, and counts it in the receipt.
    fn take(&mut self, verdict: Verdict, log: LogId, event: &CheckedEvent, receipt: &mut Receipt) {
        if let Verdict::New(_, pending) | Verdict::NewIn(_, _, pending) = verdict {
            receipt.accepted += 1;
            receipt.pending += u64::from(pending);
        }
        match verdict {
            Verdict::New(admitted, pending) => self.admit(log, event.content, admitted, pending),
            Verdict::NewIn(logs, admitted, pending) => {
                for log in logs {
                    self.admit(log, event.content, admitted.clone(), pending);
                }
            }
            Verdict::Duplicate => receipt.duplicates += 1,
            Verdict::Refused(code, reason) => receipt.rejected.push(Rejection {
                index: event.index,
                code,
                reason,
            }),
        }
    }

    /// Loads what planning needs of an account.
    async fn account(&mut self, account: &AccountName) -> Result<LogId, EngineError> {
        let site = self.engine.site();
        let log = site.directory.log_of(account);
        let log = log.ok_or_else(|| EngineError::System(format!("{account} has no log")))?;
        if !self.accounts.contains_key(&log) {
            let view = self.engine.view_of(log, account).await?;
            self.keys.load(self.engine, &view).await?;
            self.accounts.insert(
                log,
                Planned {
                    view,
                    events: Vec::new(),
                    new: HashMap::new(),
                    waiting: HashMap::new(),
                    older: HashMap::new(),
                },
            );
        }
        Ok(log)
    }

    /// Looks up a submission's keys in the store, all of an account at once, and only in runs that
    /// were not searched before the turn.
    async fn look_up(&mut self, logs: &[LogId], checked: &Checked) -> Result<(), EngineError> {
        for (place, log) in logs.iter().enumerate() {
            let keys = self.keys.of(*log);
            let Some(planned) = self.accounts.get_mut(log) else {
                continue;
            };
            let looked = checked.looked.get(&place);
            if let Some(looked) = looked {
                planned.older.extend(&looked.found);
            }
            let covers = |run: &&Run| looked.is_some_and(|looked| looked.covers(run));
            let others = keys.older().iter().filter(|run| !covers(run));
            let others: Vec<Run> = others.cloned().collect();
            if others.is_empty() {
                continue;
            }
            let mut asked = checked.keys(place, *log);
            asked.retain(|key| keys.recent(*key).is_none() && !planned.older.contains_key(key));
            let found = self.engine.find_old(&planned.view, &others, asked).await?;
            planned.older.extend(found);
        }
        Ok(())
    }

    /// What to do with an event; `repriced` is the catalogue, if it has changed since the event was
    /// checked.
    async fn event(
        &mut self,
        log: LogId,
        checked: &CheckedEvent,
        repriced: Option<&Catalog>,
    ) -> Result<Verdict, EngineError> {
        let event = &checked.event;
        if let Some(known) = self.find(log, event.name.key(log)) {
            return Ok(match known.content == checked.content {
                true => Verdict::Duplicate,
                false => conflict(&event.name),
            });
        }
        let Some(target) = event.target() else {
            if let (Some(catalog), Some(usage)) = (repriced, event.usage())
                && let Err((code, reason)) = price(catalog, usage, event.time.instant().day())
            {
                return Ok(Verdict::Refused(code, reason));
            }
            let admitted = Admitted {
                event: Arc::clone(event),
                target: None,
                failed: self.failed_amends(log, event.name.key(log), event)?,
            };
            return Ok(Verdict::New(admitted, false));
        };
        self.correction(log, event, target).await
    }

    fn find(&mut self, log: LogId, key: EventKey) -> Option<Known> {
        let planned = self.accounts.get(&log);
        let known = planned.and_then(|planned| {
            let known = planned.new.get(&key).or_else(|| planned.older.get(&key));
            known.copied()
        });
        known.or_else(|| self.keys.of(log).recent(key))
    }

    fn admit(&mut self, log: LogId, content: u64, admitted: Admitted, pending: bool) {
        let key = admitted.event.name.key(log);
        let Some(planned) = self.accounts.get_mut(&log) else {
            return;
        };
        let known = Known {
            content,
            place: Place {
                seq: planned.view.account.seq.next(),
                index: u32::try_from(planned.events.len()).unwrap_or(u32::MAX),
            },
            is_correction: admitted.event.is_correction(),
        };
        if let EventBody::Amend(target, _) = &admitted.event.body
            && pending
        {
            let waiting = planned.waiting.entry(target.key(log)).or_default();
            waiting.push(planned.events.len());
        }
        planned.new.insert(key, known);
        planned.events.push(admitted);
    }

    fn meet(&mut self, users: HashSet<Arc<str>>) {
        let site = self.engine.site();
        for user in users.into_iter().map(Name::new) {
            if let Some(known) = self.met.get_mut(&user) {
                if user.as_str() < known.as_str() {
                    *known = user;
                }
            } else if !site.directory.knows_user(&user) {
                self.met.insert(user.clone(), user);
            }
        }
    }
}

fn conflict(name: &EventName) -> Verdict {
    let reason = format!(
        "an event of source {:?} and id {:?} is known, and says something else",
        &*name.source, &*name.id
    );
    Verdict::Refused(RejectionCode::Conflict, reason)
}

#[cfg(test)]
mod tests;
