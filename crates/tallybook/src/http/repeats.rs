//! Aggregates frequent events in the audit log to a few lines an hour: refused credentials are
//! counted, and a download that is repeated or split into ranges is one line.
//!
//! Invariant: memory and lines are bounded, whatever is sent and from however many addresses; a
//! refusal stays counted until the line that reports it is on disk.

use super::app::App;
use super::client_address::network;
use crate::engine::EngineError;
use crate::engine::audit::{Action, Actor, Deed};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tallybook_core::time::Instant;
use tallybook_store::Effect;
use tokio_util::sync::CancellationToken;

/// How often counts are checked, which delays the first report of a refusal.
const EVERY: Duration = Duration::from_secs(60);

/// The interval in which repetitions share a line.
const INTERVAL_SECONDS: i64 = 60 * 60;

/// The most sources reported separately in one interval; the others share a line.
const MOST_SOURCES: usize = 32;

/// The most downloads remembered.
const MOST_DOWNLOADS: usize = 10_000;

/// A credential that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// A token that is unknown, expired or revoked.
    Token,
    /// A link that was tampered with, has expired, or whose holder may no longer see the report.
    Link,
}

/// The source and kind of a refusal. No address and no token also stands for all further sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    what: Refused,
    network: Option<IpAddr>,
    /// The id of a known token that is expired or revoked.
    token: Option<String>,
}

/// How often one source was refused in its interval.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    /// When the interval began.
    began: Instant,
    /// Whether the log has a line for this interval.
    is_told: bool,
    /// Refusals not yet in the log.
    untold: u64,
    /// The first of these.
    first: Instant,
    last: Instant,
}

/// One part of a report, taken by one holder from one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Download {
    /// The report's id.
    pub report: String,
    /// Which of its files.
    pub part: usize,
    /// The holder of the link.
    pub holder: String,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// Recent refusals and downloads.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    refused: BTreeMap<Source, Count>,
    /// Downloads, with the time of the first request.
    downloads: HashMap<Download, Instant>,
}

impl Repeats {
    /// Counts a refused credential; `token` is the id of a known one.
    pub fn refuse(
        &self,
        what: Refused,
        address: Option<IpAddr>,
        token: Option<String>,
        now: Instant,
    ) {
        let mut lately = self.lately();
        let mut source = Source {
            what,
            network: address.map(network),
            token,
        };
        if lately.refused.len() >= MOST_SOURCES && !lately.refused.contains_key(&source) {
            (source.network, source.token) = (None, None);
        }
        let count = lately.refused.entry(source).or_insert(Count {
            began: now,
            is_told: false,
            untold: 0,
            first: now,
            last: now,
        });
        if count.untold == 0 {
            count.first = now;
        }
        count.untold = count.untold.saturating_add(1);
        count.last = now;
    }

    /// Whether a download is not yet in the audit log for this interval.
    pub fn is_new(&self, download: Download, now: Instant) -> bool {
        let mut lately = self.lately();
        if lately.downloads.contains_key(&download) {
            return false;
        }
        if lately.downloads.len() < MOST_DOWNLOADS {
            lately.downloads.insert(download, now);
        }
        true
    }

    /// Unmarks a download as being in the audit log.
    pub fn forget(&self, download: &Download) {
        self.lately().downloads.remove(download);
    }

    /// The counts due for the log: new sources, and those whose interval is over; at the end, all.
    fn due(&self, now: Instant, is_end: bool) -> Vec<(Source, Count)> {
        let lately = self.lately();
        let due = lately.refused.iter().filter(|(_, count)| {
            let is_due = is_end || !count.is_told || is_over(count.began, now);
            count.untold > 0 && is_due
        });
        due.map(|(source, count)| (source.clone(), count.clone()))
            .collect()
    }

    /// Subtracts what was logged from the counts, and starts new intervals.
    fn told(&self, lines: &[(Source, Count)], now: Instant) {
        let mut lately = self.lately();
        for (source, told) in lines {
            if let Some(count) = lately.refused.get_mut(source) {
                count.is_told = true;
                count.untold = count.untold.saturating_sub(told.untold);
                count.first = told.last;
            }
        }
        lately
            .refused
            .retain(|_, count| count.untold > 0 || !is_over(count.began, now));
        lately.downloads.retain(|_, began| !is_over(*began, now));
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        // Counts are whole whatever panicked while they were held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(began: Instant, now: Instant) -> bool {
    now.seconds() - began.seconds() >= INTERVAL_SECONDS
}

/// The line of the audit log.
fn line((source, count): &(Source, Count), now: Instant) -> Effect {
    let action = match source.what {
        Refused::Token => Action::TokenRefuse,
        Refused::Link => Action::LinkRefuse,
    };
    let server = Actor::server();
    let actor = Actor {
        name: match &source.token {
            Some(id) => format!("token {id}"),
            None => server.name,
        },
        address: source.network.map(|network| network.to_string()),
        ..server
    };
    let deed = Deed::site(action)
        .with("count", count.untold)
        .with("first", count.first.to_string())
        .with("last", count.last.to_string());
    actor.did(now, deed)
}

/// Records refusals until `shutdown`, and all remaining ones then.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = record(&app, shutdown.is_cancelled()).await {
            tracing::error!(%error, "could not record refused credentials in the audit log");
        }
    }
}

/// Records the refused credentials that are due; at the end, all. Those that cannot be recorded
/// stay counted.
pub async fn record(app: &App, is_end: bool) -> Result<(), EngineError> {
    let (now, repeats) = (app.frame.clock.now(), &app.frame.repeats);
    let now = now.map_err(|error| EngineError::System(error.to_string()))?;
    let due = repeats.due(now, is_end);
    if !due.is_empty() {
        let lines = due.iter().map(|it| line(it, now)).collect();
        app.engine.record(lines).await?;
    }
    repeats.told(&due, now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn at(minute: i64) -> Instant {
        let midnight = Instant::parse("2026-11-21").unwrap().seconds();
        Instant::from_seconds(midnight + minute * 60).unwrap()
    }

    /// What the log is told in this minute: address, token and count.
    fn tell(repeats: &Repeats, minute: i64) -> Vec<(Option<IpAddr>, Option<String>, u64)> {
        let due = repeats.due(at(minute), false);
        repeats.told(&due, at(minute));
        let told = due.into_iter();
        told.map(|(source, count)| (source.network, source.token, count.untold))
            .collect()
    }

    fn refuse(repeats: &Repeats, number: u32, minute: i64) {
        repeats.refuse(Refused::Token, address(number), None, at(minute));
    }

    #[test]
    fn a_flood_makes_few_lines_that_count_everything() {
        let repeats = Repeats::default();
        let (mut lines, mut counted, mut sent) = (0, 0, 0);
        for minute in 0..300 {
            for number in 0..2_000 {
                refuse(
                    &repeats,
                    number * 7 + u32::try_from(minute).unwrap(),
                    minute,
                );
                refuse(&repeats, 3, minute);
                sent += 2;
            }
            assert!(repeats.lately().refused.len() <= MOST_SOURCES + 1);
            let told = tell(&repeats, minute);
            lines += told.len();
            counted += told.iter().map(|(.., count)| count).sum::<u64>();
        }
        let rest = repeats.due(at(300), true);
        lines += rest.len();
        counted += rest.iter().map(|(_, count)| count.untold).sum::<u64>();
        assert_eq!(counted, sent);
        // Five hours, and twice an hour at most.
        assert!(
            lines <= 2 * 5 * (MOST_SOURCES + 1) + MOST_SOURCES,
            "{lines}"
        );
    }

    #[test]
    fn a_source_is_told_soon_and_then_when_its_hour_is_over() {
        let repeats = Repeats::default();
        refuse(&repeats, 1, 0);
        let told = |count| vec![(address(1), None, count)];
        assert_eq!(tell(&repeats, 1), told(1));
        for minute in 2..60 {
            refuse(&repeats, 1, minute);
            assert_eq!(tell(&repeats, minute), [], "{minute}");
        }
        let due = repeats.due(at(60), false);
        assert_eq!((due[0].1.first, due[0].1.last), (at(2), at(59)));
        assert_eq!(tell(&repeats, 60), told(58));
        assert_eq!(tell(&repeats, 61), []);
        refuse(&repeats, 1, 62);
        assert_eq!(tell(&repeats, 62), told(1), "a new hour");
    }

    #[test]
    fn what_was_not_written_is_counted_on() {
        let repeats = Repeats::default();
        refuse(&repeats, 1, 0);
        // The line is being written, and another refusal comes; then the write fails.
        let due = repeats.due(at(1), false);
        refuse(&repeats, 1, 1);
        assert_eq!(tell(&repeats, 2), [(address(1), None, 2)]);
        // This time it succeeds, and another refusal came meanwhile.
        let again = Repeats::default();
        refuse(&again, 1, 0);
        refuse(&again, 1, 1);
        again.told(&due, at(1));
        assert_eq!(again.due(at(1), true)[0].1.untold, 1);
    }

    #[test]
    fn known_tokens_are_named_and_addresses_of_one_network_counted_together() {
        let repeats = Repeats::default();
        for text in ["2001:db8::1", "2001:db8::2"] {
            let address = Some(text.parse().unwrap());
            repeats.refuse(Refused::Link, address, None, at(0));
        }
        repeats.refuse(Refused::Token, address(1), Some("abc".to_owned()), at(0));
        refuse(&repeats, 1, 0);
        let network = Some("2001:db8::".parse().unwrap());
        let expected = [
            (address(1), None, 1),
            (address(1), Some("abc".to_owned()), 1),
            (network, None, 2),
        ];
        assert_eq!(tell(&repeats, 0), expected);
    }

    #[test]
    fn a_download_is_new_once_an_interval() {
        let repeats = Repeats::default();
        let download = |part| Download {
            report: "a".to_owned(),
            part,
            holder: "token-x".to_owned(),
            address: address(1),
        };
        assert!(repeats.is_new(download(1), at(0)));
        assert!(!repeats.is_new(download(1), at(1)));
        assert!(repeats.is_new(download(2), at(2)));
        repeats.forget(&download(2));
        assert!(repeats.is_new(download(2), at(3)), "it was not recorded");
        tell(&repeats, 59);
        assert!(!repeats.is_new(download(1), at(59)));
        tell(&repeats, 60);
        assert!(repeats.is_new(download(1), at(60)));
        for part in 0..2 * MOST_DOWNLOADS {
            repeats.is_new(download(part), at(60));
        }
        assert_eq!(repeats.lately().downloads.len(), MOST_DOWNLOADS);
    }
}
