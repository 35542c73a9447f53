//! Report jobs: asked for, made beside the serving, kept until they are pruned.
//!
//! Invariant: a job is in the store before anybody is told of it; what is in memory is what the
//! store holds. A job that was taken up and not brought to an end is taken up again, from the start
//! and over the then newest view; its files count only when its row says that it is completed.
//! Look next: [`run`] for how one is made, [`files`] for what is on disk, [`keys`] for links,
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
    /// The most bytes of all files together.
    pub most_bytes: u64,
    /// How often a report is begun before it is given up.
    pub attempts: u32,
    /// How long to wait before it is begun again.
    pub pause: Duration,
    /// The most reports of one enterprise that wait to be made.
    pub most_waiting: u32,
    /// Sends mail; without it none can be asked for.
    pub mailer: Option<Mailer>,
    /// How often sending a mail is tried before it is given up.
    pub mail_attempts: u32,
    /// How long to wait before a mail is tried a second time; then twice as long each time.
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
            // Over three hours: longer than a server's maintenance and than greylisting.
            mail_attempts: 10,
            mail_pause: Duration::from_secs(30),
        }
    }
}

/// Who counts what came of reports; nothing here knows how.
pub trait Outcomes: std::fmt::Debug + Send + Sync {
    /// One report was `completed`, `retried` or `failed`.
    fn report(&self, outcome: &'static str);
    /// One mail of a report was `sent`, `retried` or `failed`.
    fn mail(&self, outcome: &'static str);
}

/// Why a change of jobs was not made.
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
    /// So many of the account's reports wait already.
    #[error("{0} usage reports wait to be made already")]
    TooMany(u32),
    /// The files of all reports have as many bytes as they may.
    #[error("the files of usage reports have {used} bytes already, of {most}")]
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
    /// What links begin with, without a slash at its end.
    public_url: String,
    /// In the order in which they were asked for.
    jobs: Mutex<Vec<Job>>,
    keys: Mutex<Keys>,
    /// Held while keys are replaced: one is made, not several.
    rotating: tokio::sync::Mutex<()>,
    /// Held while jobs are added or removed, or change when they are completed: no two take the
    /// last place, and what was removed does not come back.
    changing: tokio::sync::Mutex<()>,
    /// Told when there is a new job.
    asked: Notify,
    /// Told when there is mail to send.
    posted: Notify,
}

impl Reports {
    /// Reads jobs and keys. What is damaged costs its own report or links, and is logged.
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
                "mails of reports wait, but no SMTP server is set (--smtp-host)"
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

    /// Whether mail can be sent at all.
    #[must_use]
    pub fn has_mailer(&self) -> bool {
        self.settings.mailer.is_some()
    }

    /// Takes a job, unless too many of its account wait or no room is left for its files: it is on
    /// disk when this answers.
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

    /// Changes a job that is still there, and writes more with it. Says whether it was there.
    async fn update(&self, job: Job, more: Vec<Effect>) -> Result<bool, JobError> {
        let _one = self.changing.lock().await;
        if self.find(&job.id).is_none() {
            return Ok(false);
        }
        self.put(job, more).await?;
        Ok(true)
    }

    /// Stores a job's state and what is written with it, then shows it.
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

    /// Links to a job's parts, in order, that are good for so many seconds, and for as long as
    /// their holder may see the report.
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

    /// Whether a link was made here for its holder and is not stale; whether the holder may still
    /// see the report is another question.
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
        // Links under it are good after a restart, too.
        self.engine.set_fact(KEYS, value).await?;
        *self.keys() = rotated;
        Ok(())
    }
}

/// The job of a row; of a damaged one, a failed report.
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
    tracing::error!(report = row.id, error = %damage, shown, "a usage report's row is damaged");
    remains
}

/// The keys; damaged ones are given up, and with them the links that they signed.
fn readable_keys(bytes: &[u8]) -> Keys {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        tracing::error!(
            %error,
            "the keys of reports' links are damaged: links that were given out are refused"
        );
        Keys::default()
    })
}
