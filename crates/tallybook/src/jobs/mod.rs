//! Report jobs: requested, generated in the background, kept until they are pruned.
//!
//! Invariant: a job is in the store before it is acknowledged; memory mirrors the store. An
//! interrupted job is restarted from scratch over the newest view; its files count only once its
//! row says that it is completed.
//! Look next: [`run`] for how one is generated, [`files`] for what is on disk, [`keys`] for links,
//! [`post`] for mail, [`retention`] for what stays on disk.

pub mod files;
pub mod keys;
mod letter;
mod patience;
pub mod post;
mod retention;
mod run;
pub mod state;

use crate::clock::Clock;
use crate::engine::audit::{Action, Actor};
use crate::engine::{Engine, EngineError};
use crate::mail::Mailer;
use keys::{Holder, Keys, Signed};
use state::{Job, Status};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tallybook_core::export;
use tallybook_core::time::Instant;
use tallybook_store::{AppendError, Effect, JobRow};
use tokio::sync::Notify;

/// The fact that holds the signing keys.
const KEYS: &str = "report.keys";

/// The validity of links in answers.
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
    /// The most bytes of all files together.
    pub most_bytes: u64,
    /// How many attempts a report gets before it fails.
    pub attempts: u32,
    /// How long to wait between attempts.
    pub pause: Duration,
    /// The most pending reports of one enterprise.
    pub most_waiting: u32,
    /// Sends mail; without it, no mail can be requested.
    pub mailer: Option<Mailer>,
    /// How many attempts a mail gets before it fails.
    pub mail_attempts: u32,
    /// How long to wait before the second attempt at a mail; the pause doubles each time.
    pub mail_pause: Duration,
}

impl ReportSettings {
    /// The usual settings over a folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            keep_days: 31,
            most_lines: export::MOST_LINES,
            most_bytes: 10 << 30,
            attempts: 3,
            pause: Duration::from_secs(5),
            most_waiting: 100,
            mailer: None,
            // Over three hours: longer than typical maintenance and greylisting.
            mail_attempts: 10,
            mail_pause: Duration::from_secs(30),
        }
    }
}

/// Counts the outcomes of reports, in a way unknown here.
pub trait Outcomes: std::fmt::Debug + Send + Sync {
    /// One report was `completed`, `retried` or `failed`.
    fn report(&self, outcome: &'static str);
    /// One mail of a report was `sent`, `retried` or `failed`.
    fn mail(&self, outcome: &'static str);
}

/// Why a change to the jobs failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The engine or the store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A job could not be encoded.
    #[error("a job could not be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// A file could not be read or removed.
    #[error("the files of reports: {0}")]
    Files(#[from] std::io::Error),
    /// Too many of the account's reports are pending.
    #[error("{0} usage reports are pending already")]
    TooMany(u32),
    /// The files of all reports have reached their quota.
    #[error("the files of usage reports take {used} of {most} bytes")]
    NoRoomLeft {
        /// Bytes of the reports that are kept.
        used: u64,
        /// The limit.
        most: u64,
    },
}

/// Every report job.
#[derive(Debug)]
pub struct Reports {
    engine: Arc<Engine>,
    settings: ReportSettings,
    clock: Clock,
    outcomes: Arc<dyn Outcomes>,
    /// The base of links, without a trailing slash.
    public_url: String,
    /// In the order in which they were requested.
    jobs: Mutex<Vec<Job>>,
    keys: Mutex<Keys>,
    /// Held while keys are rotated, so that only one is created.
    rotating: tokio::sync::Mutex<()>,
    /// Held while jobs are added or removed, or change when they are completed: so that no two take
    /// the last slot, and a removed job does not reappear.
    changing: tokio::sync::Mutex<()>,
    /// Notified of new jobs.
    asked: Notify,
    /// Notified of mail to send.
    posted: Notify,
}

impl Reports {
    /// Reads jobs and keys. Damage affects only the report or links concerned, and is logged.
    pub async fn open(
        engine: Arc<Engine>,
        settings: ReportSettings,
        clock: Clock,
        public_url: String,
        outcomes: Arc<dyn Outcomes>,
    ) -> Result<Arc<Self>, JobError> {
        for notice in files::close_to_others(&settings.folder)? {
            tracing::warn!("{notice}");
        }
        let rows = engine.store().jobs().await.map_err(EngineError::from)?;
        let jobs: Vec<Job> = rows
            .into_iter()
            .filter_map(|row| readable(&engine, row))
            .collect();
        let keys = match engine.fact(KEYS).await? {
            Some(bytes) => readable_keys(&bytes),
            None => Keys::default(),
        };
        let unsent = jobs.iter().filter(|job| post::is_due(job)).count();
        if unsent > 0 && settings.mailer.is_none() {
            tracing::warn!(
                unsent,
                "report mails are pending, but no SMTP server is configured (--smtp-host)"
            );
        }
        Ok(Arc::new(Self {
            engine,
            settings,
            clock,
            outcomes,
            public_url,
            jobs: Mutex::new(jobs),
            keys: Mutex::new(keys),
            rotating: tokio::sync::Mutex::new(()),
            changing: tokio::sync::Mutex::new(()),
            asked: Notify::new(),
            posted: Notify::new(),
        }))
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The jobs that match `wanted`, newest first.
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

    /// Whether mail can be sent at all.
    #[must_use]
    pub fn has_mailer(&self) -> bool {
        self.settings.mailer.is_some()
    }

    /// Accepts a job, unless too many of its account are pending or no room is left for its files.
    /// It is on disk when this returns.
    pub async fn add(&self, job: Job, actor: &Actor) -> Result<(), JobError> {
        if self.room_left() == 0 {
            self.prune(job.created_at).await?;
        }
        if self.room_left() == 0 {
            let (used, most) = (self.used_bytes(), self.settings.most_bytes);
            return Err(JobError::NoRoomLeft { used, most });
        }
        let _one = self.changing.lock().await;
        let is_waiting =
            |other: &Job| other.status == Status::Processing && other.account == job.account;
        let waiting = self.jobs().iter().filter(|it| is_waiting(it)).count();
        let most = self.settings.most_waiting;
        if u32::try_from(waiting).is_ok_and(|waiting| waiting < most) {
            let recorded = actor.did(job.created_at, job.deed(Action::ReportCreate));
            self.put(job, vec![recorded]).await?;
        } else {
            return Err(JobError::TooMany(most));
        }
        self.asked.notify_one();
        Ok(())
    }

    /// Updates a job if it still exists, along with other effects. Returns whether it existed.
    async fn update(&self, job: Job, more: Vec<Effect>) -> Result<bool, JobError> {
        let _one = self.changing.lock().await;
        if self.find(&job.id).is_none() {
            return Ok(false);
        }
        self.put(job, more).await?;
        Ok(true)
    }

    /// Stores a job's state along with other effects, then makes it visible.
    async fn put(&self, job: Job, more: Vec<Effect>) -> Result<(), JobError> {
        let mut effects = vec![Effect::PutJob(job.row()?)];
        effects.extend(more);
        self.write(effects).await?;
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

    /// The path of a job's part.
    #[must_use]
    pub fn path(&self, job: &Job, part: usize) -> PathBuf {
        files::path(&self.settings.folder, &job.id, part)
    }

    /// The folder of the files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Links to a job's parts, in order, valid for a number of seconds and as long as their holder
    /// may see the report.
    pub async fn links(
        &self,
        job: &Job,
        holder: &Holder,
        now: Instant,
        seconds: i64,
    ) -> Result<Vec<String>, JobError> {
        self.rotate(now).await?;
        let (keys, expires) = (self.keys(), now.seconds() + seconds);
        let url = |part| {
            let signed = keys.sign(&job.id, part, holder, expires)?;
            Some(signed.url(&self.public_url, &job.id, part))
        };
        Ok((1..=job.parts.len()).filter_map(url).collect())
    }

    /// Whether a link was signed here for its holder and has not expired; whether the holder may
    /// still see the report is checked separately.
    #[must_use]
    pub fn accepts(
        &self,
        file: (&str, usize),
        signed: &Signed,
        proof: Option<[u8; 32]>,
        now: Instant,
    ) -> bool {
        self.keys().accepts(file, signed, proof, now)
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
        // Links under it stay valid across restarts.
        self.engine.set_fact(KEYS, value).await?;
        *self.keys() = rotated;
        Ok(())
    }
}

/// The job in a row; a failed report if the row is damaged.
fn readable(engine: &Engine, row: JobRow) -> Option<Job> {
    let damage = match Job::of(row.clone()) {
        Ok(job) => return Some(job),
        Err(damage) => damage,
    };
    let of_log = engine.site().directory.account_of(row.log).cloned();
    let remains = Job::remains(&row, &damage, of_log.as_ref());
    let shown = if remains.is_some() {
        "as failed"
    } else {
        "to nobody"
    };
    tracing::error!(report = row.id, error = %damage, shown, "a stored report job is damaged");
    remains
}

/// The keys; damaged ones are discarded, along with the links that they signed.
fn readable_keys(bytes: &[u8]) -> Keys {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        tracing::error!(
            %error,
            "the signing keys of report links are damaged: existing links will be refused"
        );
        Keys::default()
    })
}
