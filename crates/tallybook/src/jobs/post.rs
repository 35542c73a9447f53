//! Mail of completed reports: one after the other, each until it is accepted or has failed for
//! good.
//!
//! Invariant: the request for mail is in the report's row from the beginning, and leaves it only
//! when the server accepted the mail or it failed for good; so a mail is sent at least once, under
//! one id, and twice only if the program ended or the connection broke before success was recorded.
//! The outcome of mail never changes a report. Look next: [`super::letter`] for its content,
//! [`crate::mail`] for sending.

use super::keys::{Holder, HolderName, MOST_LINK_SECONDS};
use super::letter::letter;
use super::state::{Job, Mail, Status};
use super::{JobError, Reports};
use crate::clock::Stopwatch;
use crate::mail::{Letter, Mailer, SendError};
use std::collections::HashMap;
use std::time::Duration;
use tallybook_core::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// How long a mail being sent may take once shutdown was requested.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a report's mail is due.
pub(super) fn is_due(job: &Job) -> bool {
    job.status == Status::Completed && matches!(job.mail, Some(Mail::Wanted { .. }))
}

/// In-memory state of pending mail, by report id; losing it on exit is harmless.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Pauses before the next attempt.
    pauses: HashMap<String, Pause>,
    /// Outcomes that could not be stored yet: they are stored first, so that nothing is sent twice.
    unstored: HashMap<String, Mail>,
}

#[derive(Debug)]
struct Pause {
    since: Stopwatch,
    length: Duration,
}

impl Waiting {
    fn left(&self, job: &Job) -> Duration {
        let pause = self.pauses.get(&job.id);
        pause.map_or(Duration::ZERO, |pause| {
            pause.length.saturating_sub(pause.since.elapsed())
        })
    }
}

/// The result of looking for mail to send.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// One mail was attempted.
    Tried,
    /// None is due for this long; `None` when there is none at all.
    Nothing(Option<Duration>),
}

impl Reports {
    /// Sends mail until `shutdown`; does nothing if no server is configured.
    pub(super) async fn post(&self, shutdown: &CancellationToken) {
        let mut waiting = Waiting::default();
        while !shutdown.is_cancelled() {
            let Look::Nothing(wait) = self.post_next(&mut waiting, shutdown).await else {
                continue;
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.posted.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or(LONGEST_PAUSE)) => {}
            }
        }
    }

    /// Attempts the mail that has been due longest.
    pub async fn post_next(&self, waiting: &mut Waiting, shutdown: &CancellationToken) -> Look {
        let Some(mailer) = &self.settings.mailer else {
            return Look::Nothing(None);
        };
        let due = self.list(is_due).into_iter().rev();
        let next = due.map(|job| (waiting.left(&job), job));
        let (job, to, attempts) = match next.min_by_key(|(left, _)| *left) {
            Some((Duration::ZERO, job)) => match job.mail.clone() {
                Some(Mail::Wanted { to, attempts }) => (job, to, attempts.saturating_add(1)),
                _ => return Look::Nothing(None),
            },
            Some((left, _)) => return Look::Nothing(Some(left)),
            None => return Look::Nothing(None),
        };
        let mail = match waiting.unstored.remove(&job.id) {
            Some(mail) => mail,
            None => match self.try_mail(mailer, &job, &to, shutdown).await {
                Some(outcome) => self.judged(&job, &outcome, (to, attempts)),
                // Shutdown was requested: the next start sends it.
                None => return Look::Nothing(None),
            },
        };
        self.remember(waiting, &job, mail, attempts).await;
        Look::Tried
    }

    /// One attempt; `None` when it was cut short by the end of the program.
    async fn try_mail(
        &self,
        mailer: &Mailer,
        job: &Job,
        to: &str,
        shutdown: &CancellationToken,
    ) -> Option<Result<(), SendError>> {
        let letter = match self.compose(job, to).await {
            Ok(letter) => letter,
            Err(error) => return Some(Err(error)),
        };
        let ended = async {
            shutdown.cancelled().await;
            tokio::time::sleep(PATIENCE).await;
        };
        tokio::select! {
            biased;
            sent = mailer.send(&letter) => Some(sent),
            () = ended => None,
        }
    }

    async fn compose(&self, job: &Job, to: &str) -> Result<Letter, SendError> {
        let temporary = |error: &dyn std::fmt::Display| SendError::Temporary(error.to_string());
        let now = self.clock.now().map_err(|error| temporary(&error))?;
        let left = self.kept_until(job) - now.seconds();
        let seconds = left.min(MOST_LINK_SECONDS);
        if seconds <= 0 {
            let reason = "the report is too old, and its files are removed".to_owned();
            return Err(SendError::Permanent(reason));
        }
        for part in 1..=job.parts.len() {
            let found = tokio::fs::try_exists(self.path(job, part)).await;
            if !found.map_err(|error| temporary(&error))? {
                // The data was restored from a backup, which contains no report files.
                let reason = "the report's files are not there any more".to_owned();
                return Err(SendError::Permanent(reason));
            }
        }
        // Only users can request mail: the actor is the login.
        let holder = Holder {
            name: HolderName::User(job.actor.clone()),
            proof: None,
        };
        let links = self.links(job, &holder, now, seconds).await;
        let links = links.map_err(|error| temporary(&error))?;
        let end = Instant::from_seconds(now.seconds() + seconds);
        let end = end.map_err(|error| temporary(&error))?;
        Ok(letter(job, to, &links, (now, end)))
    }

    /// The new state of the row after an attempt; counts and logs the outcome.
    fn judged(
        &self,
        job: &Job,
        outcome: &Result<(), SendError>,
        (to, attempts): (String, u32),
    ) -> Mail {
        let (report, most) = (&job.id, self.settings.mail_attempts);
        match outcome {
            Ok(()) => {
                tracing::info!(report, attempts, "sent the mail of a usage report");
                self.outcomes.mail("sent");
                Mail::Sent
            }
            Err(SendError::Temporary(reason)) if attempts < most => {
                tracing::warn!(
                    report,
                    attempts,
                    reason,
                    "sending the mail failed; will retry"
                );
                self.outcomes.mail("retried");
                Mail::Wanted { to, attempts }
            }
            Err(SendError::Temporary(reason) | SendError::Permanent(reason)) => {
                tracing::error!(
                    report,
                    attempts,
                    reason,
                    "the mail of a usage report failed"
                );
                self.outcomes.mail("failed");
                let reason = reason.clone();
                Mail::Failed { reason }
            }
        }
    }

    /// Stores the outcome of an attempt, or retries after a pause.
    async fn remember(&self, waiting: &mut Waiting, job: &Job, mail: Mail, attempts: u32) {
        let is_done = !matches!(mail, Mail::Wanted { .. });
        match self.set_mail(&job.id, mail.clone()).await {
            Ok(()) if is_done => {
                waiting.pauses.remove(&job.id);
                return;
            }
            Ok(()) => {}
            Err(error) => {
                tracing::error!(report = job.id, %error, "mail outcome not stored; will retry");
                waiting.unstored.insert(job.id.clone(), mail);
            }
        }
        let factor = 1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX);
        let pause = Pause {
            since: Stopwatch::start(),
            length: self
                .settings
                .mail_pause
                .saturating_mul(factor)
                .min(LONGEST_PAUSE),
        };
        waiting.pauses.insert(job.id.clone(), pause);
    }

    /// Changes the mail of a report that is still there.
    async fn set_mail(&self, id: &str, mail: Mail) -> Result<(), JobError> {
        let _one = self.changing.lock().await;
        match self.find(id) {
            Some(job) => {
                let mail = Some(mail);
                self.put(Job { mail, ..job }, Vec::new()).await
            }
            None => Ok(()),
        }
    }
}
