//! A server without a socket: the router over an engine, at a time of the test's choice.

use crate::answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use std::sync::Arc;
use tallybook::auth::{Grants, TokenTerms, secret};
use tallybook::clock::Clock;
use tallybook::config::Dialect;
use tallybook::engine::commit::Actor;
use tallybook::engine::{Engine, Options};
use tallybook::http::app::{App, HttpSettings};
use tallybook::http::router::router;
use tallybook::import::ReadOptions;
use tallybook::importing::{ImportReport, Importer};
use tallybook::jobs::ReportSettings;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::ids::ImportId;
use tallybook_core::time::Instant;
use tallybook_store::sqlite::SqliteStore;
use tallybook_store::testing::MemoryStore;
use tallybook_store::{Store, TokenRow};
use tower::ServiceExt;

/// The site administrator's token, as `TALLYBOOK_ADMIN_TOKEN` would set it.
pub(crate) const ADMIN: &str = "boss";

/// One server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) engine: Arc<Engine>,
    pub(crate) router: Router,
    now: Instant,
    /// Of a store with files.
    _directory: Option<Arc<tempfile::TempDir>>,
}

/// A report's name and bytes.
pub(crate) type File<'a> = (&'a str, Vec<u8>);

pub(crate) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(crate) fn enterprise(slug: &str) -> AccountName {
    AccountName::new(AccountKind::Enterprise, slug)
}

pub(crate) fn organization(login: &str) -> AccountName {
    AccountName::new(AccountKind::Organization, login)
}

pub(crate) fn user(login: &str) -> AccountName {
    AccountName::new(AccountKind::User, login)
}

/// A real report, as it lies among the fixtures.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reports");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// A detailed report with these lines: date, product, SKU, quantity, unit, price, gross, discount,
/// net, username, organization, repository, workflow path, cost center.
pub(crate) fn detailed(lines: &[&str]) -> Vec<u8> {
    let head = "date,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,\
                discount_amount,net_amount,username,organization,repository,workflow_path,\
                cost_center_name";
    report(head, lines)
}

/// An AI usage report with these lines: date, username, product, SKU, model, quantity, unit, price,
/// gross, discount, net, quota, organization, repository, cost center, AI credits, their amount.
pub(crate) fn ai_credits(lines: &[&str]) -> Vec<u8> {
    let head = "date,username,product,sku,model,quantity,unit_type,applied_cost_per_quantity,\
                gross_amount,discount_amount,net_amount,total_monthly_quota,organization,\
                repository,cost_center_name,aic_quantity,aic_gross_amount";
    report(head, lines)
}

/// A premium request report with these lines: date, username, product, SKU, model, quantity, unit,
/// price, gross, discount, net, exceeds quota, quota, organization, cost center, AI credits, their
/// amount.
pub(crate) fn premium_requests(lines: &[&str]) -> Vec<u8> {
    let head = "date,username,product,sku,model,quantity,unit_type,applied_cost_per_quantity,\
                gross_amount,discount_amount,net_amount,exceeds_quota,total_monthly_quota,\
                organization,cost_center_name,aic_quantity,aic_gross_amount";
    report(head, lines)
}

fn report(head: &str, lines: &[&str]) -> Vec<u8> {
    let mut report = [&[head], lines].concat().join("\n");
    report.push('\n');
    report.into_bytes()
}

impl Server {
    /// An empty server in memory, as `serve` sets it up, at `now`.
    pub(crate) async fn new(now: &str) -> Self {
        Self::over(Arc::new(MemoryStore::default()), None, now).await
    }

    /// An empty server over SQLite.
    pub(crate) async fn on_disk(now: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path(), "test").unwrap();
        Self::over(Arc::new(store), Some(Arc::new(directory)), now).await
    }

    pub(crate) async fn over(
        store: Arc<dyn Store>,
        directory: Option<Arc<tempfile::TempDir>>,
        now: &str,
    ) -> Self {
        let now = at(now);
        let engine = Engine::open(store, Options::default(), now).await.unwrap();
        Self {
            router: build(&engine, now, HttpSettings::default()),
            engine,
            now,
            _directory: directory,
        }
    }

    /// Another server over the same ledger.
    pub(crate) fn with(&self, settings: HttpSettings) -> Self {
        Self {
            router: build(&self.engine, self.now, settings),
            ..self.clone()
        }
    }

    /// The same ledger in the words that GitHub was seen to use.
    pub(crate) fn observed(&self) -> Self {
        self.with(HttpSettings {
            dialect: Dialect::Observed,
            ..HttpSettings::default()
        })
    }

    /// The same ledger with jobs of usage reports, which are never run.
    pub(crate) async fn with_reports(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = HttpSettings {
            admin_token: Some(ADMIN.to_owned()),
            ..HttpSettings::default()
        };
        let app = App::new(Arc::clone(&self.engine), Clock::Fixed(self.now), settings);
        let reports = ReportSettings::new(folder.path().to_owned());
        app.open_reports(reports).await.unwrap();
        Self {
            router: router(app),
            _directory: Some(Arc::new(folder)),
            ..self.clone()
        }
    }

    /// The same ledger at another time.
    pub(crate) fn later(&self, now: &str) -> Self {
        let now = at(now);
        Self {
            router: build(&self.engine, now, HttpSettings::default()),
            now,
            ..self.clone()
        }
    }

    /// Imports reports as a site administrator does.
    pub(crate) async fn import(&self, account: &AccountName, files: &[File<'_>]) -> ImportReport {
        let actor = Actor::command("test");
        let session = self.engine.begin_import(account, &actor, self.now).unwrap();
        let mut importer = Importer::new(session, ReadOptions::default());
        for (name, bytes) in files {
            importer.read(name, bytes.as_slice()).unwrap();
        }
        importer.commit().await.unwrap()
    }

    /// Reverts an import.
    pub(crate) async fn revert(&self, account: &AccountName, id: ImportId) {
        let actor = Actor::command("test");
        let reverted = self.engine.revert_import(account, id, &actor, self.now);
        reverted.await.unwrap();
    }

    /// Applies a billing file.
    pub(crate) async fn apply(&self, file: &str) {
        let declarations = tallybook::billing_file::parse(file).unwrap();
        let actor = Actor::command("test");
        let applied = self.engine.apply(self.now, &actor, &declarations, false);
        applied.await.unwrap();
    }

    /// Adds a token, and gives its secret, which is derived from its id.
    pub(crate) async fn token(
        &self,
        id: &str,
        grants: &Grants,
        expires_at: Option<Instant>,
    ) -> String {
        self.token_of(id, &grants.clone().into(), expires_at).await
    }

    /// [`Self::token`], on terms.
    pub(crate) async fn token_of(
        &self,
        id: &str,
        terms: &TokenTerms,
        expires_at: Option<Instant>,
    ) -> String {
        let secret = format!("tally_{id}");
        let row = TokenRow {
            id: id.to_owned(),
            hash: secret::hash(&secret),
            grants: terms.encode().unwrap(),
            created_at: at("2020-01-01"),
            expires_at,
            revoked_at: None,
        };
        let actor = Actor::command("test");
        let added = self.engine.add_token(row, &actor);
        added.await.unwrap();
        secret
    }

    /// Asks as the site administrator.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// Asks as the site administrator, with more headers.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let authorization = [(header::AUTHORIZATION.as_str(), bearer.as_str())];
        self.send(Method::GET, path, &[&authorization, headers].concat())
            .await
    }

    /// Asks as the bearer of a secret.
    pub(crate) async fn get_as(&self, secret: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {secret}");
        self.send(Method::GET, path, &[("authorization", &bearer)])
            .await
    }

    /// Sends a request without a body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer::of(response).await
    }
}

fn build(engine: &Arc<Engine>, now: Instant, settings: HttpSettings) -> Router {
    let settings = HttpSettings {
        admin_token: Some(ADMIN.to_owned()),
        ..settings
    };
    router(App::new(Arc::clone(engine), Clock::Fixed(now), settings))
}
