//! The engine joins rules and store: one writer that commits, many readers over snapshots.
//!
//! Invariant: what a [`View`] shows is a function of the account's and the site's batches that it
//! names, and never changes. Nothing here knows HTTP or JSON.
//! Look next: [`load`] for how logs become state, [`commit`] for the only way to write,
//! [`statements`] for reading, [`imports`] for importing.

pub mod apply;
pub mod audit;
mod blob;
mod cache;
pub mod catalogue;
mod checkpoint;
pub mod commit;
pub mod entropy;
pub mod export;
pub mod imports;
pub mod load;
mod manifests;
pub mod metering;
pub mod rates;
pub mod snapshot;
pub mod statements;
pub mod tokens;
pub mod verify;
mod views;
mod warm;
pub mod what_if;

use entropy::Entropy;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tallybook_core::account::AccountName;
use tallybook_core::codec::DecodeError;
use tallybook_core::dimension::Dimension;
use tallybook_core::fold::{MonthPlan, Spellings, Unrated};
use tallybook_core::ids::{Digest, LogId};
use tallybook_core::ledger::Account;
use tallybook_core::ledger::owners::Owners;
use tallybook_core::rating::terms::Terms;
use tallybook_core::site::Site;
use tallybook_core::site::directory::Found;
use tallybook_core::statement::RULES;
use tallybook_core::time::Month;
use tallybook_store::{Store, StoreError};

/// What went wrong, for operators; details are never shown to clients.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored data is not what was written.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// Which log, batch or blob.
        what: String,
        /// The evidence of the damage.
        detail: String,
    },
    /// The operating system returned no random numbers, or a background task panicked.
    #[error("{0}")]
    System(String),
    /// Accepted usage can no longer be priced.
    #[error(transparent)]
    Unrated(#[from] Unrated),
    /// Other writers kept winning the race; nothing was changed.
    #[error("the commit lost the race against other writers {0} times")]
    Contention(u32),
}

impl EngineError {
    pub(crate) fn damaged(what: impl Into<String>, detail: impl ToString) -> Self {
        Self::Damaged {
            what: what.into(),
            detail: detail.to_string(),
        }
    }

    pub(crate) fn blob(id: Digest, error: &DecodeError) -> Self {
        Self::damaged(format!("blob {id}"), error)
    }
}

impl From<getrandom::Error> for EngineError {
    fn from(error: getrandom::Error) -> Self {
        Self::System(format!("no random numbers: {error}"))
    }
}

impl From<tokio::sync::AcquireError> for EngineError {
    fn from(error: tokio::sync::AcquireError) -> Self {
        Self::System(format!("no room can be waited for: {error}"))
    }
}

impl From<tokio::task::JoinError> for EngineError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::System(format!("a task of the engine died: {error}"))
    }
}

/// Settings of the engine.
#[derive(Debug)]
pub struct Options {
    /// Bytes of statements kept in memory.
    pub cache_bytes: usize,
    /// The source of ids and salts.
    pub entropy: Entropy,
    /// The number of one account's event keys in memory at which they are written to a run in the
    /// store.
    pub recent_keys: usize,
}

/// The default of [`Options::cache_bytes`].
pub const DEFAULT_CACHE_BYTES: usize = 2 * 1024 * 1024 * 1024;

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: DEFAULT_CACHE_BYTES,
            entropy: Entropy::System,
            recent_keys: metering::RECENT_KEYS,
        }
    }
}

/// How often loading an account is retried when commits to it outpace the reader.
const ATTEMPTS_TO_LOAD: u32 = 16;

/// The engine over one store.
pub struct Engine {
    store: Arc<dyn Store>,
    manifests: Arc<manifests::Manifests>,
    options: Options,
    site: RwLock<Arc<Site>>,
    views: views::Views,
    cache: Arc<cache::Cache>,
    tokens: tokens::Tokens,
    metering: metering::Metering,
    sessions: imports::Sessions,
    /// Checkpoints that are being stored.
    later: tokio_util::task::TaskTracker,
    /// Held from reading the newest state until the commit is folded: one writer.
    writing: tokio::sync::Mutex<()>,
}

/// One account as of one batch of its log and of the site's: a snapshot.
#[derive(Debug)]
pub struct View {
    /// The site.
    pub site: Arc<Site>,
    /// The account.
    pub account: Arc<Account>,
    pub(crate) owners: Arc<Owners>,
    spellings: Arc<Spellings>,
    terms: Arc<Terms>,
    /// The fingerprint of each month's statement; computed on first use, because every answer needs
    /// it.
    fingerprints: RwLock<BTreeMap<Month, Digest>>,
    /// Also computed on first use.
    rates: rates::RatesByMonths,
    /// [`AsOf`] as text.
    as_of_text: Arc<str>,
    state: Digest,
}

/// What an answer is a function of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AsOf {
    /// The account's newest batch.
    pub account: u64,
    /// The site's newest batch.
    pub site: u64,
    /// The version of the rules.
    pub rules: u32,
}

impl AsOf {
    fn new(site: &Site, account: &Account) -> Self {
        Self {
            account: account.seq.0,
            site: site.seq.0,
            rules: RULES,
        }
    }
}

/// `account=12;site=3;rules=1`.
impl std::fmt::Display for AsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "account={};site={};rules={}",
            self.account, self.site, self.rules
        )
    }
}

impl View {
    /// The view of an account as the site sees it.
    #[must_use]
    pub fn new(site: Arc<Site>, account: Arc<Account>) -> Self {
        let owners = Owners::new(&account, &site.catalog);
        let mut spellings = Spellings::new(&account);
        let directory = &site.directory;
        for shown in spellings.all(Dimension::Organization) {
            if let Some(declared) = directory.declared_organization(&shown) {
                spellings.declare(Dimension::Organization, declared.as_str());
            }
        }
        // How the account spells a name must not reveal whether a person is declared elsewhere.
        for person in directory.people_of(&account.name) {
            if let Some(declared) = directory.user(person) {
                spellings.declare(Dimension::User, declared.login.as_str());
            }
        }
        let declared: Vec<_> = account
            .repositories
            .keys()
            .map(|(_, name)| name.clone())
            .collect();
        for name in declared {
            spellings.declare(Dimension::Repository, name.as_str());
        }
        let terms = Terms::new(&account, &site.catalog);
        Self::with(
            site,
            account,
            Arc::new(owners),
            Arc::new(spellings),
            Arc::new(terms),
        )
    }

    fn with(
        site: Arc<Site>,
        account: Arc<Account>,
        owners: Arc<Owners>,
        spellings: Arc<Spellings>,
        terms: Arc<Terms>,
    ) -> Self {
        let as_of = AsOf::new(&site, &account);
        let state = Digest::of([site.head.0, account.head.0].as_flattened());
        Self {
            site,
            account,
            owners,
            spellings,
            terms,
            fingerprints: RwLock::default(),
            rates: rates::RatesByMonths::default(),
            as_of_text: as_of.to_string().into(),
            state,
        }
    }

    /// The view after a batch. Parts that usage events do not change are shared with the previous
    /// view, because events arrive by the thousand.
    fn after(&self, site: Arc<Site>, account: Arc<Account>) -> Self {
        let as_it_was = self.site.seq == site.seq
            && self.account.settings.len() == account.settings.len()
            && self.account.metered.name_count() == account.metered.name_count();
        if !as_it_was {
            return Self::new(site, account);
        }
        let (owners, spellings) = (Arc::clone(&self.owners), Arc::clone(&self.spellings));
        Self::with(site, account, owners, spellings, Arc::clone(&self.terms))
    }

    /// The state that answers over this view are a function of.
    #[must_use]
    pub fn as_of(&self) -> AsOf {
        AsOf::new(&self.site, &self.account)
    }

    /// [`Self::as_of`] as text.
    #[must_use]
    pub fn as_of_text(&self) -> &str {
        &self.as_of_text
    }

    /// Identifies the history of this view: a hash of the newest batches of both logs, which chain
    /// all earlier ones. The numbers of [`Self::as_of`] recur when a server is restored to an older
    /// state and continues differently; this does not.
    #[must_use]
    pub fn state(&self) -> Digest {
        self.state
    }

    /// The fingerprint of a month's statement.
    pub(crate) fn fingerprint(&self, month: Month) -> Digest {
        let known = self
            .fingerprints
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(fingerprint) = known.get(&month) {
            return *fingerprint;
        }
        drop(known);
        let fingerprint = self.plan(month).fingerprint(self.site.catalog_digest);
        let mut known = self
            .fingerprints
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(month, fingerprint);
        fingerprint
    }

    /// The plan of a month's statement.
    pub(crate) fn plan(&self, month: Month) -> MonthPlan {
        MonthPlan::new(&self.owners, &self.account, &self.terms, month)
    }

    /// How names are shown, and which ones live usage has.
    #[must_use]
    pub fn spellings(&self) -> &Spellings {
        &self.spellings
    }
}

/// A task tracker that can be awaited at any time.
fn closed_tracker() -> tokio_util::task::TaskTracker {
    let tracker = tokio_util::task::TaskTracker::new();
    tracker.close();
    tracker
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens a store: reads the site's log, and adopts the built-in catalogue if the site is empty
    /// or has an older edition.
    pub async fn open(
        store: Arc<dyn Store>,
        options: Options,
        now: tallybook_core::time::Instant,
    ) -> Result<Arc<Self>, EngineError> {
        let site = load::site(store.as_ref()).await?;
        let tokens = tokens::Tokens::load(store.as_ref()).await?;
        let cache = Arc::new(cache::Cache::new(options.cache_bytes));
        let manifests = Arc::new(manifests::Manifests::new(Arc::clone(&store)));
        let engine = Arc::new(Self {
            store,
            manifests,
            options,
            site: RwLock::new(Arc::new(site)),
            views: views::Views::default(),
            cache,
            tokens,
            metering: metering::Metering::default(),
            sessions: imports::Sessions::default(),
            later: closed_tracker(),
            writing: tokio::sync::Mutex::new(()),
        });
        engine.adopt_builtin_catalog(now).await?;
        Ok(engine)
    }

    /// Deletes blobs that newer checkpoints replaced some time ago, and returns unused space to the
    /// file system. Call it periodically while the engine is in use.
    pub async fn tidy_up(&self, now: tallybook_core::time::Instant) -> Result<(), EngineError> {
        self.manifests.delete_due(now).await?;
        while self.store.release_space().await? {}
        Ok(())
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Random bytes, for a key.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], EngineError> {
        Ok(self.options.entropy.bytes()?)
    }

    /// A random UUID (version 4), as text.
    pub fn uuid(&self) -> Result<String, EngineError> {
        let bytes = self.options.entropy.uuid()?;
        Ok(uuid::Uuid::from_bytes(bytes).to_string())
    }

    /// The site as it is now.
    #[must_use]
    pub fn site(&self) -> Arc<Site> {
        let site = self.site.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&site)
    }

    /// The current state of the account that a path's name refers to.
    pub async fn view(&self, found: &Found) -> Result<Arc<View>, EngineError> {
        match found.log {
            Some(log) => self.view_of(log, &found.payer).await,
            None => {
                // Known only by name: an account without any batches.
                let account = Account::new(LogId(u64::MAX), found.payer.clone());
                Ok(Arc::new(View::new(self.site(), Arc::new(account))))
            }
        }
    }

    /// The current state of the account of a log.
    pub async fn view_of(&self, log: LogId, name: &AccountName) -> Result<Arc<View>, EngineError> {
        for _ in 0..ATTEMPTS_TO_LOAD {
            // The site is read second: an account must not be combined with a catalogue older than
            // it.
            let (account, site) = match self.views.get(log) {
                Some(view) => {
                    let site = self.site();
                    if view.site.seq == site.seq {
                        return Ok(view);
                    }
                    (Arc::clone(&view.account), site)
                }
                None => {
                    let account = load::account(self.store.as_ref(), log, name).await?;
                    (Arc::new(account), self.site())
                }
            };
            if let Some(kept) = self.views.keep(View::new(site, account)) {
                return Ok(self.with_dropped(kept));
            }
        }
        let detail = "it ends before the newest batch that was committed to it";
        Err(EngineError::damaged(format!("log {}", log.0), detail))
    }

    /// Keeps the view of a commit.
    fn publish_view(&self, view: View) {
        self.with_dropped(self.views.publish(view));
    }

    /// Returns the view that was kept. Also drops the short statements of the account evicted for
    /// it.
    fn with_dropped(&self, kept: views::Kept) -> Arc<View> {
        if let Some(dropped) = kept.dropped {
            self.cache.forget_short(dropped.account.log);
        }
        kept.view
    }
}
