//! What handlers share: the engine and the settings.
//!
//! Invariant: immutable once the server runs. Look next: [`super::router`].

use super::body::{NoBody, Room};
use super::error::ApiError;
use super::frame::{Frame, WrongTokens};
use super::metering::imports::slots::ImportSlots;
use super::metering::site::backup::Backups;
use super::metrics::Metrics;
use super::period::History;
use super::rate_limit::RateLimiter;
use super::repeats::Repeats;
use super::request_id::RequestIds;
use crate::auth::AdminToken;
use crate::clock::Clock;
use crate::config::{Limits, TrustedProxies};
use crate::engine::{Engine, EngineError};
use crate::jobs::{JobError, ReportSettings, Reports};
use crate::wire::Dialect;
use crate::wire::summary::Labels;
use std::sync::{Arc, OnceLock};
use tallybook_store::StoreError;
use tokio::sync::Semaphore;

/// The most bodies of usage events, besides short ones, that are read at one time: each holds a
/// blocking thread, of which the whole server has a few hundred.
const MOST_READERS: usize = 128;

/// Bytes per permit of [`App::events_memory`].
pub const MEMORY_UNIT: u64 = 64 << 10;

/// Settings of the HTTP face.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The base of links, without a trailing slash.
    pub public_url: String,
    /// The dialect of GitHub's answers.
    pub dialect: Dialect,
    /// How many months before the current one can be queried; 0 is all.
    pub history_months: u32,
    /// Requests per hour and token; 0 is no limit.
    pub rate_limit: u32,
    /// The limits that protect the server.
    pub limits: Limits,
    /// The text of `TALLYBOOK_ADMIN_TOKEN`, while it is set.
    pub admin_token: Option<String>,
    /// Whether the server terminates TLS itself.
    pub tls: bool,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// Where copies for backups over HTTP are written; without it there are no such backups.
    pub backups: Option<Arc<Backups>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".to_owned(),
            dialect: Dialect::Documented,
            history_months: 24,
            rate_limit: 0,
            limits: Limits::default(),
            admin_token: None,
            tls: false,
            trusted_proxies: TrustedProxies::default(),
            backups: None,
        }
    }
}

/// What handlers share.
#[derive(Debug)]
pub struct App {
    /// Reads and writes.
    pub engine: Arc<Engine>,
    /// Where answers are counted.
    pub metrics: Arc<Metrics>,
    /// The base of links.
    pub public_url: String,
    /// The dialect of answers, unless their token has another.
    pub dialect: Dialect,
    /// How far back answers go.
    pub history: History,
    /// The limits that protect the server.
    pub limits: Limits,
    /// Memory for bodies of usage events, in units of [`MEMORY_UNIT`].
    pub events_memory: Arc<Semaphore>,
    /// A permit for each body of usage events that may be read at one time.
    pub events_readers: Arc<Semaphore>,
    /// The slots for concurrent uploads of imports.
    pub import_slots: Arc<ImportSlots>,
    /// The capacity for long answers.
    pub room: Room,
    /// Precomputed beginnings of summary items.
    pub labels: Labels,
    /// The frame, to look up a key's rate-limit standing.
    pub frame: Arc<Frame>,
    backups: Option<Arc<Backups>>,
    /// Set once, before the server answers.
    reports: OnceLock<Arc<Reports>>,
}

impl App {
    /// Reads the jobs of usage reports; until then their endpoints are not available. The caller
    /// must run the returned value.
    pub async fn open_reports(&self, settings: ReportSettings) -> Result<Arc<Reports>, JobError> {
        let (engine, outcomes) = (Arc::clone(&self.engine), Arc::clone(&self.metrics) as _);
        let (clock, url) = (self.frame.clock, self.public_url.clone());
        let reports = Reports::open(engine, settings, clock, url, outcomes).await?;
        Ok(Arc::clone(self.reports.get_or_init(|| reports)))
    }

    /// The jobs of usage reports.
    pub fn reports(&self) -> Result<&Arc<Reports>, ApiError> {
        let reports = self.reports.get();
        reports.ok_or_else(|| ApiError::unavailable("usage reports are not enabled on this server"))
    }

    /// Where copies for backups over HTTP are written.
    pub fn backups(&self) -> Result<&Backups, ApiError> {
        let backups = self.backups.as_deref();
        backups.ok_or_else(|| ApiError::unavailable("this server has no folder for backups"))
    }

    /// Puts engine, clock and settings together.
    #[must_use]
    pub fn new(engine: Arc<Engine>, clock: Clock, settings: HttpSettings) -> Arc<Self> {
        let metrics = Arc::new(Metrics::default());
        let admin_token = settings.admin_token.filter(|text| !text.is_empty());
        let frame = Frame {
            tokens: Arc::clone(&engine) as _,
            clock,
            admin_token: admin_token.as_deref().map(AdminToken::new),
            wrong_tokens: WrongTokens::default(),
            repeats: Repeats::default(),
            rate_limiter: (settings.rate_limit > 0).then(|| RateLimiter::new(settings.rate_limit)),
            strict_transport: settings.tls,
            trusted_proxies: settings.trusted_proxies,
            limits: settings.limits.clone(),
            metrics: Arc::clone(&metrics),
            request_ids: RequestIds::default(),
        };
        let units = settings.limits.events_memory / MEMORY_UNIT;
        let units = usize::try_from(units).unwrap_or(usize::MAX);
        Arc::new(Self {
            events_memory: Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS))),
            events_readers: Arc::new(Semaphore::new(MOST_READERS)),
            import_slots: ImportSlots::new(settings.limits.imports),
            engine,
            metrics,
            public_url: settings.public_url,
            dialect: settings.dialect,
            history: History {
                months: settings.history_months,
            },
            room: Room::new(&settings.limits),
            labels: Labels::default(),
            backups: settings.backups,
            reports: OnceLock::new(),
            limits: settings.limits,
            frame: Arc::new(frame),
        })
    }
}

/// Hides the details of an engine's failure from clients, except whether a retry may help.
impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Contention(_) | EngineError::Store(StoreError::Full { .. }) => {
                Self::unavailable(error)
            }
            EngineError::Store(_)
            | EngineError::Damaged { .. }
            | EngineError::Unrated(_)
            | EngineError::System(_) => Self::internal(error),
        }
    }
}

/// A job's failure is either the engine's, or damage that only an operator can repair.
impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Engine(error) => error.into(),
            JobError::Encode(_) | JobError::Files(_) => Self::internal(error),
            JobError::NoRoomLeft { .. } => Self {
                // Reports take days to expire.
                retry_after: Some(60 * 60),
                ..Self::busy(format!(
                    "The files of usage reports have reached their limit ({}): delete reports \
                     that are not needed any more, or wait until old ones expire.",
                    Limits::REPORT_BYTES
                ))
            },
            JobError::TooMany(most) => Self {
                // Pending reports take minutes rather than seconds.
                retry_after: Some(60),
                ..Self::busy(format!(
                    "{most} usage reports of this enterprise are pending already ({}): ask again \
                     when one of them is completed.",
                    Limits::REPORTS
                ))
            },
        }
    }
}

impl From<NoBody<EngineError>> for ApiError {
    fn from(error: NoBody<EngineError>) -> Self {
        match error {
            NoBody::Failed(error) => error.into(),
            NoBody::NoRoom => Self::busy(format!(
                "Too many long answers are being written at the same time ({}, {}).",
                Limits::LONG_ANSWERS,
                Limits::QUEUE
            )),
        }
    }
}
