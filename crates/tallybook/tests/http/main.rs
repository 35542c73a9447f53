//! The whole router over a real engine and SQLite, without a socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod catalog;
mod events;
mod imports;
mod metering;
mod usage;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tallybook::clock::Clock;
use tallybook::engine::{Engine, Options};
use tallybook::http::app::{App, HttpSettings};
use tallybook::http::metering::site::backup::Backups;
use tallybook::http::router::router;
use tallybook_core::time::Instant;
use tallybook_store::sqlite::SqliteStore;
use tower::ServiceExt;

const ADMIN: &str = "boss";

const BILLING: &str = "
enterprises:
  - slug: octo-ent
    name: Octo Enterprise
    owners: [monalisa]
    billing_managers: [hubot]
    organizations: [octo-org]
organizations:
  - login: octo-org
    owners: [orgowner]
    members: [member]
users:
  - login: stranger
";

struct Server {
    directory: tempfile::TempDir,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Server {
    async fn new() -> Self {
        Self::with(HttpSettings::default()).await
    }

    async fn with(settings: HttpSettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path(), "test").unwrap());
        let now = Instant::parse("2025-11-21T12:00:00Z").unwrap();
        let engine = Engine::open(store, Options::default(), now).await.unwrap();
        let admin_token = Some(ADMIN.to_owned());
        let backups = Backups::open(directory.path().join("backups")).unwrap();
        let settings = HttpSettings {
            admin_token,
            backups: Some(Arc::new(backups)),
            ..settings
        };
        let router = router(App::new(engine, Clock::Fixed(now), settings));
        let server = Self { directory, router };
        let applied = server
            .post("/metering/v1/apply", "application/yaml", BILLING)
            .await;
        assert_eq!(applied.status, StatusCode::OK, "{}", applied.text());
        server
    }

    async fn send(&self, mut request: Request<Body>) -> Answer {
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().entry("host").or_insert(host);
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn ask(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, ADMIN, &[]).await
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", content_type);
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn import(&self, file: &str) -> Answer {
        let path = "/metering/v1/enterprises/octo-ent/imports";
        self.post(path, "text/csv", fixture(file)).await
    }

    /// A new token's secret.
    async fn token(&self, body: &str) -> String {
        let made = self
            .post("/metering/v1/tokens", "application/json", body.to_owned())
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        made.json()["token"].as_str().unwrap().to_owned()
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/fixtures/reports/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).unwrap()
}
