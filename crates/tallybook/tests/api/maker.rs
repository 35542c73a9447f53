//! A server that makes reports, and sends their mail, when it is told to.

use crate::answer::Answer;
use crate::server::{ADMIN, Server, at, enterprise, fixture};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use std::sync::Arc;
use tallybook::clock::Clock;
use tallybook::http::app::{App, HttpSettings};
use tallybook::http::router::router;
use tallybook::jobs::{ReportSettings, Reports};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) const NOW: &str = "2025-12-05T12:00:00Z";
pub(crate) const PATH: &str = "/enterprises/octo-ent/settings/billing/reports";
const FILE: &str = "detailed_2025-11-01_02.csv";
pub(crate) const NOVEMBER: &str =
    r#"{"report_type":"detailed","start_date":"2025-11-01","end_date":"2025-11-30"}"#;

/// A server that makes reports when it is told to.
pub(crate) struct Maker {
    pub(crate) app: Arc<App>,
    pub(crate) reports: Arc<Reports>,
    router: Router,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

impl Maker {
    pub(crate) async fn over(server: &Server, folder: Arc<tempfile::TempDir>, now: &str) -> Self {
        Self::with(server, folder, now, |_| {}).await
    }

    pub(crate) async fn with(
        server: &Server,
        folder: Arc<tempfile::TempDir>,
        now: &str,
        change: impl FnOnce(&mut ReportSettings),
    ) -> Self {
        let settings = HttpSettings {
            admin_token: Some(ADMIN.to_owned()),
            public_url: "https://billing.example.com".to_owned(),
            ..HttpSettings::default()
        };
        let app = App::new(Arc::clone(&server.engine), Clock::Fixed(at(now)), settings);
        let mut settings = ReportSettings::new(folder.path().join("reports"));
        settings.pause = std::time::Duration::ZERO;
        change(&mut settings);
        let reports = app.open_reports(settings).await.unwrap();
        Self {
            reports,
            router: router(Arc::clone(&app)),
            app,
            folder,
        }
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().entry("host").or_insert(host);
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer::of(response).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        self.ask_as(ADMIN, method, path, body).await
    }

    pub(crate) async fn ask_as(
        &self,
        secret: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {secret}"));
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    /// Asks for a report and gives its id.
    pub(crate) async fn create(&self, body: &str) -> String {
        let answer = self.ask(Method::POST, PATH, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Makes everything that was asked for.
    pub(crate) async fn make(&self) {
        let never = CancellationToken::new();
        while self.reports.make_next(&never).await {}
    }

    /// Follows a link without a token.
    pub(crate) async fn download(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        let path = url.strip_prefix("https://billing.example.com").unwrap();
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn urls(&self, id: &str) -> Vec<String> {
        let report = self.get(&format!("{PATH}/{id}")).await.ok().json();
        assert_eq!(report["status"], "completed");
        let urls = report["download_urls"].as_array().unwrap();
        urls.iter()
            .map(|url| url.as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn folder() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

pub(crate) async fn server() -> Server {
    let server = Server::new(NOW).await;
    server
        .import(&enterprise("octo-ent"), &[(FILE, fixture(FILE))])
        .await;
    server
}
