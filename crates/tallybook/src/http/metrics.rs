//! Prometheus metrics of the server.
//!
//! Invariant: labels are route patterns, methods and statuses; no account, user or token is ever a
//! label, so that metrics reveal no names.

use crate::jobs::Outcomes;
use axum::http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the duration histogram, in seconds.
const BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The server's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    events: Family<OutcomeLabel, Counter>,
    reports: Family<OutcomeLabel, Counter>,
    report_mails: Family<OutcomeLabel, Counter>,
    /// By pattern.
    routes: RwLock<HashMap<Box<str>, Arc<Route>>>,
}

/// The metrics of one route, cached so that counting an answer needs no new labels.
#[derive(Debug)]
struct Route {
    durations: Histogram,
    /// By method and status: only a handful.
    requests: RwLock<Vec<(&'static str, u16, Counter)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tallybook");
        let requests = Family::<Labels, Counter>::default();
        let make: fn() -> Histogram = || Histogram::new(BOUNDS);
        let durations = Family::<RouteLabel, Histogram, _>::new_with_constructor(make);
        registry.register(
            "http_requests",
            "Requests that were answered",
            requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time until the answer's head was ready",
            Unit::Seconds,
            durations.clone(),
        );
        let events = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "events",
            "Usage events that were answered: accepted, duplicate or rejected",
            events.clone(),
        );
        let reports = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "reports",
            "Usage reports that came to an end or are begun again: completed, failed or retried",
            reports.clone(),
        );
        let report_mails = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "report_mails",
            "Mails of usage reports: sent, failed, or retried later",
            report_mails.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            events,
            reports,
            report_mails,
            routes: RwLock::default(),
        }
    }
}

impl Outcomes for Metrics {
    fn report(&self, outcome: &'static str) {
        let label = OutcomeLabel { outcome };
        self.reports.get_or_create_owned(&label).inc();
    }

    fn mail(&self, outcome: &'static str) {
        let label = OutcomeLabel { outcome };
        self.report_mails.get_or_create_owned(&label).inc();
    }
}

impl Metrics {
    /// Counts one answer. `route` is a pattern, or `unmatched`.
    pub fn answered(&self, method: &Method, route: &str, status: u16, duration: Duration) {
        let metrics = self.route(route);
        metrics.durations.observe(duration.as_secs_f64());
        let method = method_label(method);
        let same = |known: &&(&str, u16, Counter)| (known.0, known.1) == (method, status);
        let known = metrics
            .requests
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, count)) = known.iter().find(same) {
            count.inc();
            return;
        }
        drop(known);
        let labels = Labels {
            method,
            route: route.to_owned(),
            status,
        };
        let count = self.requests.get_or_create_owned(&labels);
        count.inc();
        let mut known = metrics
            .requests
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|known| same(&known)) {
            known.push((method, status, count));
        }
    }

    fn route(&self, pattern: &str) -> Arc<Route> {
        let known = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = known.get(pattern) {
            return Arc::clone(route);
        }
        drop(known);
        let labels = RouteLabel {
            route: pattern.to_owned(),
        };
        let mut known = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let route = known.entry(pattern.into()).or_insert_with(|| {
            Arc::new(Route {
                durations: self.durations.get_or_create_owned(&labels),
                requests: RwLock::default(),
            })
        });
        Arc::clone(route)
    }

    /// Counts usage events by outcome.
    pub fn events(&self, accepted: u64, duplicates: u64, rejected: u64) {
        let outcomes = [
            ("accepted", accepted),
            ("duplicate", duplicates),
            ("rejected", rejected),
        ];
        for (outcome, count) in outcomes {
            let labels = OutcomeLabel { outcome };
            self.events.get_or_create(&labels).inc_by(count);
        }
    }

    /// Everything, in the text format that Prometheus reads.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Unknown methods share a label, so that clients cannot create an unbounded number of labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        let route = "/users/{username}/settings/billing/usage";
        metrics.answered(&Method::GET, route, 200, Duration::from_millis(3));
        metrics.answered(&Method::GET, route, 200, Duration::from_millis(3));
        let text = metrics.encode().unwrap();
        let line = format!(
            "tallybook_http_requests_total{{method=\"GET\",route=\"{route}\",status=\"200\"}} 2"
        );
        assert!(text.contains(&line), "{text}");
        assert!(
            text.contains("tallybook_http_request_duration_seconds_count"),
            "{text}"
        );
    }

    #[test]
    fn methods_that_nobody_knows_share_a_label() {
        let metrics = Metrics::default();
        for method in ["BREW", "WHEN"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            metrics.answered(&method, "unmatched", 404, Duration::ZERO);
        }
        let text = metrics.encode().unwrap();
        assert!(text.contains("method=\"other\""), "{text}");
        assert!(!text.contains("BREW"), "{text}");
    }
}
