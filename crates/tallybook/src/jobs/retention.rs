//! Retention of reports: until they expire or are deleted, within a quota on disk.
//!
//! Invariant: the row is deleted before the files; files without a row are removed by the next
//! sweep. No report is removed early to make room for another.

use super::state::{Job, Status};
use super::{JobError, Reports, files};
use crate::engine::EngineError;
use crate::engine::audit::{Action, Actor};
use std::collections::BTreeSet;
use tallybook_core::time::Instant;
use tallybook_store::Effect;

impl Reports {
    /// Bytes of the files of every report that is completed.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.jobs().iter().map(|job| job.size().1).sum()
    }

    /// Bytes left for files of further reports.
    #[must_use]
    pub fn room_left(&self) -> u64 {
        self.settings.most_bytes.saturating_sub(self.used_bytes())
    }

    /// When a report may be removed, in seconds since 1970.
    pub(super) fn kept_until(&self, job: &Job) -> i64 {
        job.created_at.seconds() + i64::from(self.settings.keep_days) * 24 * 60 * 60
    }

    /// Deletes a report and its files. Returns whether it existed. If it is being generated, that
    /// stops when the job is found gone.
    pub async fn delete(&self, id: &str, actor: &Actor, now: Instant) -> Result<bool, JobError> {
        let _one = self.changing.lock().await;
        let Some(job) = self.find(id) else {
            return Ok(false);
        };
        let deed = job.deed(Action::ReportDelete);
        let remove = Effect::RemoveJob { id: id.to_owned() };
        self.write(vec![remove, actor.did(now, deed)]).await?;
        self.jobs().retain(|job| job.id != id);
        self.remove_files(&job).await;
        Ok(true)
    }

    /// Removes expired reports, and files without a report.
    pub async fn prune(&self, now: Instant) -> Result<usize, JobError> {
        let changing = self.changing.lock().await;
        let is_over = |job: &Job| self.kept_until(job) <= now.seconds();
        let is_old = |job: &Job| job.status != Status::Processing && is_over(job);
        let old = self.list(is_old);
        let effects = old.iter().flat_map(|job| {
            let deed = job.deed(Action::ReportExpire);
            let remove = Effect::RemoveJob { id: job.id.clone() };
            [remove, Actor::server().did(now, deed)]
        });
        let effects: Vec<Effect> = effects.collect();
        let old: BTreeSet<String> = old.into_iter().map(|job| job.id).collect();
        if !old.is_empty() {
            self.write(effects).await?;
            self.jobs().retain(|job| !old.contains(&job.id));
        }
        drop(changing);
        let kept = self.jobs().iter().map(|job| job.id.clone()).collect();
        let folder = self.settings.folder.clone();
        tokio::task::spawn_blocking(move || files::keep_only(&folder, &kept))
            .await
            .map_err(EngineError::from)??;
        Ok(old.len())
    }

    /// Removes a report's files. A failure must not block the report's completion: the next sweep
    /// removes leftovers.
    pub(super) async fn remove_files(&self, job: &Job) {
        let (folder, id) = (self.settings.folder.clone(), job.id.clone());
        let removed = tokio::task::spawn_blocking(move || files::remove(&folder, &id));
        let removed = removed.await.map_err(std::io::Error::other).flatten();
        if let Err(error) = removed {
            tracing::warn!(report = job.id, %error, "could not remove the files of a usage report");
        }
    }
}
