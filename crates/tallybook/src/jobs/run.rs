//! Generates reports: one after the other, oldest first.
//!
//! Invariant: an attempt is counted in the store before it begins, so that a report that crashes
//! the server fails eventually like any other. An attempt ended by a shutdown is not counted.

use super::files::{Bounds, NoRoomLeft, Parts};
use super::patience::patiently;
use super::state::{Job, Mail, ReportFile, Status};
use super::{JobError, Reports};
use crate::engine::EngineError;
use crate::engine::audit::{Action, Actor, Deed, shortened};
use crate::engine::export::{ExportError, ExportRequest};
use std::sync::Arc;
use std::time::Duration;
use tallybook_store::Effect;
use tokio_util::sync::CancellationToken;

/// How often to look for expired reports.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

impl Reports {
    /// Generates reports and sends their mail until `shutdown`, and prunes old ones periodically.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        // Concurrently: a slow mail server delays no report.
        tokio::join!(self.make_all(&shutdown), self.post(&shutdown));
    }

    async fn make_all(&self, shutdown: &CancellationToken) {
        let mut prune = tokio::time::interval(PRUNE_EVERY);
        loop {
            while self.make_next(shutdown).await {}
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.asked.notified() => {}
                _ = prune.tick() => self.prune_now().await,
            }
        }
    }

    async fn prune_now(&self) {
        let pruned = match self.clock.now() {
            Ok(now) => self.prune(now).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match pruned {
            Ok(0) => {}
            Ok(reports) => tracing::info!(reports, "removed expired usage reports"),
            Err(error) => tracing::error!(%error, "could not remove expired usage reports"),
        }
    }

    /// Generates the oldest pending report; false when there is none, or none can be generated.
    pub async fn make_next(&self, shutdown: &CancellationToken) -> bool {
        if shutdown.is_cancelled() {
            return false;
        }
        let oldest = self.list(|job| job.status == Status::Processing).pop();
        let Some(job) = oldest else {
            return false;
        };
        let (id, attempt) = (job.id.clone(), job.attempts + 1);
        match self.attempt(job, shutdown).await {
            Ok(()) => true,
            Err(error) => {
                // The report's progress cannot be stored: the next start will retry.
                tracing::error!(
                    report = id,
                    attempt,
                    %error,
                    "report generation aborted; will retry at the next start"
                );
                self.pause(shutdown).await;
                !shutdown.is_cancelled()
            }
        }
    }

    async fn attempt(&self, mut job: Job, shutdown: &CancellationToken) -> Result<(), JobError> {
        if job.attempts >= self.settings.attempts {
            let reason = "the server ended during every attempt".to_owned();
            return self.give_up(job, reason).await;
        }
        job.attempts += 1;
        if !self.update(job.clone(), Vec::new()).await? {
            return Ok(());
        }
        let made = self.make_patiently(&job, shutdown).await;
        match made {
            Ok((as_of, parts)) => {
                job.status = Status::Completed;
                job.as_of = Some(as_of);
                job.parts = parts;
                self.complete(job).await
            }
            Err(_) if shutdown.is_cancelled() => {
                job.attempts -= 1;
                self.update(job, Vec::new()).await.map(drop)
            }
            Err(error) if job.attempts >= self.settings.attempts || is_final(&error) => {
                self.give_up(job, error.to_string()).await
            }
            Err(error) => {
                let attempt = job.attempts;
                tracing::warn!(
                    report = job.id,
                    attempt,
                    %error,
                    "report generation failed; will retry"
                );
                self.outcomes.report("retried");
                self.pause(shutdown).await;
                Ok(())
            }
        }
    }

    /// Generates all files. Waits out temporary shortages, such as of disk space.
    async fn make_patiently(
        &self,
        job: &Job,
        shutdown: &CancellationToken,
    ) -> Result<(String, Vec<ReportFile>), ExportError> {
        let make = || self.make_or_clear(job, shutdown);
        patiently(self.settings.pause, shutdown, make, |error| {
            tracing::warn!(report = job.id, %error, "usage report failed for now; will retry");
            self.outcomes.report("retried");
        })
        .await
    }

    async fn make_or_clear(
        &self,
        job: &Job,
        shutdown: &CancellationToken,
    ) -> Result<(String, Vec<ReportFile>), ExportError> {
        let made = self.make(job, shutdown).await;
        if made.is_err() {
            // At once: on a full disk the store may need the space to record what happened.
            self.remove_files(job).await;
        }
        made
    }

    async fn complete(&self, job: Job) -> Result<(), JobError> {
        let (lines, bytes) = job.size();
        let deed = job.deed(Action::ReportComplete);
        let recorded = self.recorded(deed.with("lines", lines).with("bytes", bytes))?;
        if !self.update(job.clone(), vec![recorded]).await? {
            // It was deleted while being generated.
            self.remove_files(&job).await;
            return Ok(());
        }
        tracing::info!(report = job.id, kind = %job.kind, lines, "usage report completed");
        self.outcomes.report("completed");
        self.posted.notify_one();
        Ok(())
    }

    /// The audit log line for an action of the server itself.
    fn recorded(&self, deed: Deed) -> Result<Effect, JobError> {
        let now = self.clock.now();
        let now = now.map_err(|error| EngineError::System(error.to_string()))?;
        Ok(Actor::server().did(now, deed))
    }

    async fn pause(&self, shutdown: &CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(self.settings.pause) => {}
        }
    }

    async fn give_up(&self, mut job: Job, reason: String) -> Result<(), JobError> {
        tracing::error!(
            report = job.id,
            attempts = job.attempts,
            reason,
            "a usage report failed"
        );
        // Also removes leftovers of an attempt that crashed the server.
        self.remove_files(&job).await;
        let deed = job.deed(Action::ReportFail);
        let recorded = self.recorded(deed.with("reason", shortened(&reason)))?;
        job.status = Status::Failed;
        job.reason = Some(reason);
        let had_mail = job.mail.is_some();
        job.mail = job.mail.map(|_| Mail::Failed {
            reason: "the report failed".to_owned(),
        });
        if !self.update(job, vec![recorded]).await? {
            return Ok(());
        }
        self.outcomes.report("failed");
        if had_mail {
            self.outcomes.mail("failed");
        }
        Ok(())
    }

    /// Generates all files over one snapshot, the newest.
    async fn make(
        &self,
        job: &Job,
        shutdown: &CancellationToken,
    ) -> Result<(String, Vec<ReportFile>), ExportError> {
        let found = self.engine.snapshot(&job.account).await?;
        let gone = || EngineError::damaged(format!("job {}", job.id), "its account is unknown");
        let (_, snapshot) = found.ok_or_else(gone)?;
        let (settings, id, kind) = (self.settings.clone(), job.id.clone(), job.kind);
        let cancelled = shutdown.clone();
        if self.room_left() == 0 {
            self.prune_now().await;
        }
        let bounds = Bounds {
            lines: settings.most_lines,
            bytes: self.room_left(),
        };
        let parts = tokio::task::spawn_blocking(move || {
            Parts::begin(&settings.folder, &id, kind, bounds, cancelled)
        });
        let parts = parts.await??;
        let request = ExportRequest {
            kind,
            days: job.days,
            cells: job.cells,
        };
        let parts = self.engine.export(&snapshot, &request, parts).await?;
        let parts = tokio::task::spawn_blocking(move || parts.finish()).await??;
        Ok((snapshot.as_of_text().to_owned(), parts))
    }
}

/// Whether another attempt would end the same way.
fn is_final(error: &ExportError) -> bool {
    let ExportError::Write(error) = error else {
        return false;
    };
    error
        .get_ref()
        .is_some_and(|error| error.is::<NoRoomLeft>())
}
