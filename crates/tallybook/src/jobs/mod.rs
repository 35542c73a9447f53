//! Report jobs: asked for, made beside the serving, kept until they are pruned.
//!
//! Invariant: a job is in the store before anybody is told of it; what is in memory is what the
//! store holds. A job that was taken up and not brought to an end is taken up again, from the start
//! and over the then newest view; its files count only when its row says that it is completed.
//! Look next: [`run`] for how one is made, [`files`] for what is on disk, [`keys`] for links.

pub mod files;
pub mod keys;
mod run;
pub mod state;

use crate::clock::Clock;
use crate::engine::{Engine, EngineError};
use keys::{Keys, Signed};
use state::{DamagedJob, Job, Status};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::export;
use tallybook_core::time::Instant;
use tallybook_store::{AppendError, Effect};
use tokio::sync::Notify;

/// The fact that holds the signing keys.
const KEYS: &str = "report.keys";

/// For how long the links of an answer are good.
pub const LINK_SECONDS: i64 = 60 * 60;

/// Settings of reports.
#[derive(Debug, Clone)]
pub struct ReportSettings {
    /// Where the files are.
    pub folder: PathBuf,
    /// How many days a report is kept.
    pub keep_days: u32,
    /// The most lines of one file.
    pub most_lines: u64,
    /// How often a report is begun before it is given up.
    pub attempts: u32,
    /// How long to wait before it is begun again.
    pub pause: std::time::Duration,
}

impl ReportSettings {
    /// The usual settings over a folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            keep_days: 31,
            most_lines: export::MOST_LINES,
            attempts: 3,
            pause: std::time::Duration::from_secs(5),
        }
    }
}

/// Who counts what came of reports; nothing here knows how.
pub trait Outcomes: std::fmt::Debug + Send + Sync {
    /// One report was `completed`, `retried` or `failed`.
    fn report(&self, outcome: &'static str);
}

/// Why a change of jobs was not made.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The engine or the store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A row is not what was written.
    #[error(transparent)]
    Damaged(#[from] DamagedJob),
    /// A job could not be encoded.
    #[error("a job could not be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// A file could not be read or removed.
    #[error("the files of reports: {0}")]
    Files(#[from] std::io::Error),
}

/// Every report job.
#[derive(Debug)]
pub struct Reports {
    engine: Arc<Engine>,
    settings: ReportSettings,
    clock: Clock,
    outcomes: Arc<dyn Outcomes>,
    /// In the order in which they were asked for.
    jobs: Mutex<Vec<Job>>,
    keys: Mutex<Keys>,
    /// Held while keys are replaced: one is made, not several.
    rotating: tokio::sync::Mutex<()>,
    /// Told when there is a new job.
    asked: Notify,
}

impl Reports {
    /// Reads jobs and keys.
    pub async fn open(
        engine: Arc<Engine>,
        settings: ReportSettings,
        clock: Clock,
        outcomes: Arc<dyn Outcomes>,
    ) -> Result<Arc<Self>, JobError> {
        let rows = engine.store().jobs().await.map_err(EngineError::from)?;
        let jobs = rows.into_iter().map(Job::of).collect::<Result<_, _>>()?;
        let keys = match engine.fact(KEYS).await? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => Keys::default(),
        };
        Ok(Arc::new(Self {
            engine,
            settings,
            clock,
            outcomes,
            jobs: Mutex::new(jobs),
            keys: Mutex::new(keys),
            rotating: tokio::sync::Mutex::new(()),
            asked: Notify::new(),
        }))
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The jobs for which `wanted` holds, newest first.
    #[must_use]
    pub fn list(&self, wanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        let jobs = self.jobs();
        jobs.iter()
            .rev()
            .filter(|job| wanted(job))
            .cloned()
            .collect()
    }

    /// The job with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Job> {
        self.jobs().iter().find(|job| job.id == id).cloned()
    }

    /// Takes a job: it is on disk when this answers.
    pub async fn add(&self, job: Job) -> Result<(), JobError> {
        self.put(job).await?;
        self.asked.notify_one();
        Ok(())
    }

    /// Stores a job's state, then shows it.
    async fn put(&self, job: Job) -> Result<(), JobError> {
        self.write(vec![Effect::PutJob(job.row()?)]).await?;
        let mut jobs = self.jobs();
        match jobs.iter_mut().find(|known| known.id == job.id) {
            Some(known) => *known = job,
            None => jobs.push(job),
        }
        Ok(())
    }

    async fn write(&self, effects: Vec<Effect>) -> Result<(), JobError> {
        let written = self.engine.store().append(Vec::new(), effects).await;
        written.map_err(|error| {
            JobError::Engine(match error {
                AppendError::Refused(error) | AppendError::Unknown(error) => error.into(),
                AppendError::Conflict { .. } => EngineError::System(error.to_string()),
            })
        })
    }

    /// Where a job's part is.
    #[must_use]
    pub fn path(&self, job: &Job, part: usize) -> PathBuf {
        files::path(&self.settings.folder, &job.id, part)
    }

    /// The folder of the files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Signs the links of a job's parts, in order.
    pub async fn sign(&self, job: &Job, now: Instant) -> Result<Vec<Signed>, JobError> {
        self.rotate(now).await?;
        let (keys, expires) = (self.keys(), now.seconds() + LINK_SECONDS);
        let parts = 1..=job.parts.len();
        Ok(parts
            .filter_map(|part| keys.sign(&job.id, part, expires))
            .collect())
    }

    /// Whether a link was made here and is not stale.
    #[must_use]
    pub fn accepts(&self, id: &str, part: usize, signed: &Signed, now: Instant) -> bool {
        self.keys().accepts(id, part, signed, now)
    }

    async fn rotate(&self, now: Instant) -> Result<(), JobError> {
        if !self.keys().is_due(now) {
            return Ok(());
        }
        let _one = self.rotating.lock().await;
        if !self.keys().is_due(now) {
            return Ok(());
        }
        let secret = self.engine.random()?;
        let rotated = self.keys().rotated(secret, now);
        let value = serde_json::to_vec(&rotated)?;
        // Links under it are good after a restart, too.
        self.engine.set_fact(KEYS, value).await?;
        *self.keys() = rotated;
        Ok(())
    }

    /// Removes reports that are older than they are kept, and files that no report has.
    pub async fn prune(&self, now: Instant) -> Result<usize, JobError> {
        let oldest = now.seconds() - i64::from(self.settings.keep_days) * 24 * 60 * 60;
        let is_old =
            |job: &Job| job.status != Status::Processing && job.created_at.seconds() <= oldest;
        let old: BTreeSet<String> = self.list(is_old).into_iter().map(|job| job.id).collect();
        if !old.is_empty() {
            let remove = |id: &String| Effect::RemoveJob { id: id.clone() };
            self.write(old.iter().map(remove).collect()).await?;
            self.jobs().retain(|job| !old.contains(&job.id));
        }
        let kept = self.jobs().iter().map(|job| job.id.clone()).collect();
        let folder = self.settings.folder.clone();
        tokio::task::spawn_blocking(move || files::keep_only(&folder, &kept))
            .await
            .map_err(EngineError::from)??;
        Ok(old.len())
    }
}
