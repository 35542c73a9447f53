//! Prometheus metrics of the server.
//!
//! Invariant: labels are route patterns, methods and statuses; no account, user or token is ever a
//! label, so that whoever reads metrics learns no name.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the duration histogram, in seconds.
const BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: String,
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

/// Counts what the server does.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    events: Family<OutcomeLabel, Counter>,
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
        Self {
            registry,
            requests,
            durations,
            events,
        }
    }
}

impl Metrics {
    /// Counts one answer. `route` is a pattern, or `unmatched`.
    pub fn answered(&self, method: &str, route: &str, status: u16, duration: Duration) {
        let route = route.to_owned();
        let method = method.to_owned();
        let labels = RouteLabel {
            route: route.clone(),
        };
        self.durations
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
        let labels = Labels {
            method,
            route,
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts usage events by what came of them.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        let route = "/users/{username}/settings/billing/usage";
        metrics.answered("GET", route, 200, Duration::from_millis(3));
        metrics.answered("GET", route, 200, Duration::from_millis(3));
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
}
