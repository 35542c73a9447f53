//! The hours that a request covers, from `year`, `month`, `day` and `hour` and the current day.
//!
//! Invariant: pure functions of the parameters and `now`; every period is whole hours, days, months
//! or a year, in UTC. Look next: [`super::params`] for the validation of values.

use super::params::{BadParameter, Params};
use crate::wire::summary::TimePeriod;
use tallybook_core::query::Grain;
use tallybook_core::time::{Day, Hour, Instant, Month};

/// The date parameters that were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calendar {
    /// 2000 to 9999.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: Option<i8>,
    /// 1 to 31.
    pub day: Option<i8>,
    /// 0 to 23.
    pub hour: Option<i8>,
}

/// A resolved period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedPeriod {
    /// The first hour.
    pub from: Hour,
    /// The hour after the last; equal to `from` when nothing is left of the period.
    pub to: Hour,
    /// The period of a row.
    pub grain: Grain,
    /// What `timePeriod` echoes.
    pub echo: TimePeriod,
}

/// The months of history that an endpoint shows: the current one and this many before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// 0 shows everything.
    pub months: u32,
}

impl Calendar {
    /// Reads the parameters; `hour` only where the endpoint supports it.
    pub fn read(params: &Params, with_hour: bool) -> Result<Self, BadParameter> {
        let year = params.integer("year", 2000, 9999)?;
        let hour = if with_hour {
            params.integer("hour", 0, 23)?
        } else {
            None
        };
        Ok(Self {
            year,
            month: small(params.integer("month", 1, 12)?),
            day: small(params.integer("day", 1, 31)?),
            hour: small(hour),
        })
    }

    /// The period of `usage`: without parameters the current year, with a row per month; a year
    /// alone likewise; a month, with a row per day; a day; or an hour. A larger unit that is
    /// missing is the current one.
    pub fn usage_period(self, now: Instant) -> Result<AskedPeriod, BadParameter> {
        let today = now.day();
        if let Some(hour) = self.hour {
            let day = self.day_or(today)?;
            let from = day
                .hour(i32::from(hour))
                .map_err(|error| BadParameter::new("hour", error.to_string()))?;
            let to = Hour::from_index(from.index() + 1);
            return Ok(AskedPeriod {
                from,
                to,
                grain: Grain::Hour,
                echo: echo_of_day(day),
            });
        }
        if self.day.is_some() {
            return Ok(AskedPeriod::day(self.day_or(today)?, Grain::Day));
        }
        if self.month.is_some() {
            return Ok(AskedPeriod::month(self.month_or(today)?, Grain::Day));
        }
        let year = self.year.unwrap_or_else(|| today.month().year());
        AskedPeriod::year(year, Grain::Month)
    }

    /// The period of the other three: without parameters the current month; a year alone is that
    /// year; a month and a day as in [`Self::usage_period`]. One row per group, without dates.
    pub fn summary_period(self, now: Instant) -> Result<AskedPeriod, BadParameter> {
        let today = now.day();
        match self {
            Self { day: Some(_), .. } => Ok(AskedPeriod::day(self.day_or(today)?, Grain::Whole)),
            Self {
                month: None,
                year: Some(year),
                ..
            } => AskedPeriod::year(year, Grain::Whole),
            _ => Ok(AskedPeriod::month(self.month_or(today)?, Grain::Whole)),
        }
    }

    fn month_or(self, today: Day) -> Result<Month, BadParameter> {
        let month = today.month();
        let year = self.year.unwrap_or_else(|| month.year());
        Month::new(year, self.month.unwrap_or_else(|| month.month()))
            .map_err(|error| BadParameter::new("month", error.to_string()))
    }

    fn day_or(self, today: Day) -> Result<Day, BadParameter> {
        let month = self.month_or(today)?;
        let day = self.day.unwrap_or_else(|| today.of_month());
        month.day(day).map_err(|_| {
            let reason = format!("{month} has no day {day}, only {}", month.days());
            BadParameter::new("day", reason)
        })
    }
}

impl AskedPeriod {
    fn day(day: Day, grain: Grain) -> Self {
        Self {
            from: day.first_hour(),
            to: day.next().first_hour(),
            grain,
            echo: echo_of_day(day),
        }
    }

    fn month(month: Month, grain: Grain) -> Self {
        Self {
            from: month.first_day().first_hour(),
            to: month.last_day().next().first_hour(),
            grain,
            echo: TimePeriod {
                year: month.year(),
                month: Some(month.month()),
                day: None,
            },
        }
    }

    fn year(year: i16, grain: Grain) -> Result<Self, BadParameter> {
        let month = |month: i8| {
            Month::new(year, month).map_err(|error| BadParameter::new("year", error.to_string()))
        };
        Ok(Self {
            from: month(1)?.first_day().first_hour(),
            to: month(12)?.last_day().next().first_hour(),
            grain,
            echo: TimePeriod {
                year,
                month: None,
                day: None,
            },
        })
    }

    /// The part of the period within the visible history. The echo stays as requested.
    #[must_use]
    pub fn within(self, history: History, now: Instant) -> Self {
        if history.months == 0 {
            return self;
        }
        let oldest = now
            .month()
            .plus(-i32::try_from(history.months).unwrap_or(i32::MAX));
        let from = self.from.max(oldest.first_day().first_hour());
        Self {
            from: from.min(self.to),
            ..self
        }
    }
}

fn echo_of_day(day: Day) -> TimePeriod {
    let month = day.month();
    TimePeriod {
        year: month.year(),
        month: Some(month.month()),
        day: Some(day.of_month()),
    }
}

/// Months, days and hours have been checked to be far below 128.
fn small(value: Option<i16>) -> Option<i8> {
    value.and_then(|value| i8::try_from(value).ok())
}

#[cfg(test)]
mod tests;
