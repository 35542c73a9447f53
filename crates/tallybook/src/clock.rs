//! The one file that reads the clock.
//!
//! Everywhere else `now` is an argument or comes from a [`Clock`] passed in, so that tests and the
//! demo can choose the time. `cargo xtask tidy` refuses code that reads the clock elsewhere.

use std::time::{Duration, SystemTime};
use tallybook_core::time::Instant;

/// A source of time: the machine's clock, or a fixed instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Always this instant (`--now`).
    Fixed(Instant),
}

/// The machine's clock is outside the supported range of years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine's clock is outside the years 2000 to 9999: set it right first")]
pub struct ClockError;

impl Clock {
    /// The time now, to the second.
    pub fn now(&self) -> Result<Instant, ClockError> {
        match self {
            Self::System => system_now(),
            Self::Fixed(instant) => Ok(*instant),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one file that reads the clock"
)]
fn system_now() -> Result<Instant, ClockError> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_epoch.map_err(|_| ClockError)?.as_secs();
    let seconds = i64::try_from(seconds).map_err(|_| ClockError)?;
    Instant::from_seconds(seconds).map_err(|_| ClockError)
}

/// Measures elapsed time, independent of the time of day.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one file that reads the clock"
    )]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The time for deadlines: the runtime's, which a test can pause.
#[must_use]
pub fn runtime_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_still() {
        let instant = Instant::parse("2026-10-02T13:00:00Z").expect("an instant");
        assert_eq!(Clock::Fixed(instant).now(), Ok(instant));
    }

    #[test]
    fn the_machine_s_clock_is_after_this_was_written() {
        let written = Instant::parse("2025-01-01").expect("an instant");
        assert!(Clock::System.now().expect("a clock") > written);
    }
}
