//! The calendar of billing: hours, days and months, always UTC.
//!
//! Invariant: every value lies between the years 2000 and 9999 when it was parsed or checked.
//! Nothing here knows what time it is: `now` is always an argument.

use jiff::civil::{self, Date};
use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// When a usage event happened: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A calendar month, UTC: the billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

/// A calendar day, UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

/// An hour, UTC, counted from 1970-01-01T00.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i32);

/// The text or numbers are not a valid date for billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not four digits, or outside 2000 to 9999.
    #[error("the year must be between 2000 and 9999")]
    Year,
    /// Not 1 to 12.
    #[error("the month must be between 1 and 12")]
    Month,
    /// The month has no such day.
    #[error("the month has no such day")]
    Day,
    /// Not 0 to 23.
    #[error("the hour must be between 0 and 23")]
    Hour,
    /// The text does not have the expected form.
    #[error("is not a date")]
    Malformed,
}

const FIRST_YEAR: i16 = 2000;
const LAST_YEAR: i16 = 9999;
/// 2000-01-01T00:00:00Z
const FIRST_SECOND: i64 = 946_684_800;
/// 9999-12-31T23:59:59Z
const LAST_SECOND: i64 = 253_402_300_799;
const SECONDS_AN_HOUR: i64 = 3600;
const MICROS_A_SECOND: i64 = 1_000_000;
const HOURS_A_DAY: i32 = 24;

impl Instant {
    /// 2000-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(FIRST_SECOND);

    /// 9999-12-31T23:59:59Z.
    pub const LATEST: Self = Self(LAST_SECOND);

    /// From seconds since 1970-01-01T00:00:00Z; must lie in the years 2000 to 9999.
    pub fn from_seconds(seconds: i64) -> Result<Self, CalendarError> {
        if (FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(CalendarError::Year)
        }
    }

    /// Parses RFC 3339 (`2026-10-02T13:00:00Z`), or a bare date as its midnight.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        if let Ok(day) = Day::parse(text) {
            return Ok(day.first_hour().start());
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| CalendarError::Malformed)?;
        Self::from_seconds(timestamp.as_second())
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The hour that contains this instant.
    #[must_use]
    pub fn hour(self) -> Hour {
        // Years 2000 to 9999 are at most 7e7 hours.
        Hour(i32::try_from(self.0.div_euclid(SECONDS_AN_HOUR)).unwrap_or(i32::MAX))
    }

    /// The day that contains this instant.
    #[must_use]
    pub fn day(self) -> Day {
        self.hour().day()
    }

    /// The month that contains this instant.
    #[must_use]
    pub fn month(self) -> Month {
        self.day().month()
    }
}

/// RFC 3339 to the second: `2026-10-02T13:00:00Z`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second_of_day = self.0.rem_euclid(86_400);
        let (hour, minute) = (second_of_day / 3600, second_of_day % 3600 / 60);
        write!(
            f,
            "{}T{hour:02}:{minute:02}:{:02}Z",
            self.day(),
            second_of_day % 60
        )
    }
}

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z; must lie in the years 2000 to 9999.
    pub fn from_micros(micros: i64) -> Result<Self, CalendarError> {
        Instant::from_seconds(micros.div_euclid(MICROS_A_SECOND))?;
        Ok(Self(micros))
    }

    /// Parses RFC 3339, as `CloudEvents` wants it: a date, a time and an offset. Anything finer
    /// than a microsecond is truncated.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| CalendarError::Malformed)?;
        Self::from_micros(timestamp.as_microsecond())
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The second that contains it.
    #[must_use]
    pub const fn instant(self) -> Instant {
        Instant(self.0.div_euclid(MICROS_A_SECOND))
    }
}

/// RFC 3339 in UTC, with microseconds where there are any.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.rem_euclid(MICROS_A_SECOND);
        if micros == 0 {
            return self.instant().fmt(f);
        }
        let second = self.instant().to_string();
        write!(f, "{}.{micros:06}Z", second.trim_end_matches('Z'))
    }
}

impl Hour {
    /// Hours since 1970-01-01T00.
    #[must_use]
    pub const fn index(self) -> i32 {
        self.0
    }

    /// From hours since 1970-01-01T00.
    #[must_use]
    pub const fn from_index(index: i32) -> Self {
        Self(index)
    }

    /// From hours since 1970-01-01T00; must lie in the years 2000 to 9999.
    pub fn try_from_index(index: i32) -> Result<Self, CalendarError> {
        Instant::from_seconds(i64::from(index) * SECONDS_AN_HOUR)?;
        Ok(Self(index))
    }

    /// The day that contains this hour.
    #[must_use]
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(HOURS_A_DAY))
    }

    /// 0 to 23.
    #[must_use]
    pub const fn of_day(self) -> i32 {
        self.0.rem_euclid(HOURS_A_DAY)
    }

    /// The hour's first instant.
    #[must_use]
    pub fn start(self) -> Instant {
        Instant(i64::from(self.0) * SECONDS_AN_HOUR)
    }
}

impl Day {
    /// From a year, a month and a day of the month.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, CalendarError> {
        let month = Month::new(year, month)?;
        let date = Date::new(year, month.month, day).map_err(|_| CalendarError::Day)?;
        Ok(Self::from_date(date))
    }

    /// Parses `2025-11-01`.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        Self::parse_bytes(text.as_bytes())
    }

    /// Like [`Self::parse`], from the bytes of a file.
    pub fn parse_bytes(text: &[u8]) -> Result<Self, CalendarError> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
            return Err(CalendarError::Malformed);
        };
        let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(CalendarError::Malformed);
        }
        let number = |digits: &[u8]| {
            digits
                .iter()
                .fold(0i16, |n, d| n * 10 + i16::from(d - b'0'))
        };
        let month = i8::try_from(number(&digits[4..6])).map_err(|_| CalendarError::Month)?;
        let day = i8::try_from(number(&digits[6..8])).map_err(|_| CalendarError::Day)?;
        Self::new(number(&digits[..4]), month, day)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn index(self) -> i32 {
        self.0
    }

    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_index(index: i32) -> Self {
        Self(index)
    }

    /// Like [`Self::from_index`], for an index that was read: it must lie in the years 2000 to
    /// 9999.
    pub fn try_from_index(index: i64) -> Result<Self, CalendarError> {
        let instant = Instant::from_seconds(index.saturating_mul(86_400))?;
        Ok(instant.day())
    }

    /// The day's first hour.
    #[must_use]
    pub const fn first_hour(self) -> Hour {
        Hour(self.0 * HOURS_A_DAY)
    }

    /// The hour `of_day` (0 to 23) of this day.
    pub fn hour(self, of_day: i32) -> Result<Hour, CalendarError> {
        if !(0..HOURS_A_DAY).contains(&of_day) {
            return Err(CalendarError::Hour);
        }
        Ok(Hour(self.0 * HOURS_A_DAY + of_day))
    }

    /// The next day.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The month that contains this day.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.date();
        Month {
            year: date.year(),
            month: date.month(),
        }
    }

    /// 1 to 31.
    #[must_use]
    pub fn of_month(self) -> i8 {
        self.date().day()
    }

    fn from_date(date: Date) -> Self {
        let days = (date - civil::date(1970, 1, 1)).get_days();
        Self(days)
    }

    fn date(self) -> Date {
        let span = jiff::Span::new().days(self.0);
        civil::date(1970, 1, 1).saturating_add(span)
    }
}

/// `2025-11-01`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        )
    }
}

impl Month {
    /// From a year (2000 to 9999) and a month (1 to 12).
    pub fn new(year: i16, month: i8) -> Result<Self, CalendarError> {
        check_year(year)?;
        if !(1..=12).contains(&month) {
            return Err(CalendarError::Month);
        }
        Ok(Self { year, month })
    }

    /// Reads `2026-06`.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        // Appending the day parses exactly the texts of the form `YYYY-MM`.
        Day::parse(&format!("{text}-01")).map(Day::month)
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// 1 to 12.
    #[must_use]
    pub const fn month(self) -> i8 {
        self.month
    }

    /// The month of an index made by [`Self::index`].
    pub fn from_index(index: i32) -> Result<Self, CalendarError> {
        let year = i16::try_from(index.div_euclid(12)).map_err(|_| CalendarError::Year)?;
        let month = i8::try_from(index.rem_euclid(12) + 1).map_err(|_| CalendarError::Month)?;
        Self::new(year, month)
    }

    /// Months since year zero: consecutive months differ by one.
    #[must_use]
    pub fn index(self) -> i32 {
        i32::from(self.year) * 12 + i32::from(self.month) - 1
    }

    /// The month `months` after this one (before, when negative), clamped to 2000 to 9999.
    #[must_use]
    pub fn plus(self, months: i32) -> Self {
        let first = i32::from(FIRST_YEAR) * 12;
        let last = i32::from(LAST_YEAR) * 12 + 11;
        let index = self.index().saturating_add(months).clamp(first, last);
        let year = i16::try_from(index.div_euclid(12)).unwrap_or(LAST_YEAR);
        let month = i8::try_from(index.rem_euclid(12)).unwrap_or(0) + 1;
        Self { year, month }
    }

    /// The first day.
    #[must_use]
    pub fn first_day(self) -> Day {
        Day::from_date(civil::date(self.year, self.month, 1))
    }

    /// The last day.
    #[must_use]
    pub fn last_day(self) -> Day {
        Day::from_date(civil::date(self.year, self.month, 1).last_of_month())
    }

    /// How many days the month has.
    #[must_use]
    pub fn days(self) -> i32 {
        self.last_day().0 - self.first_day().0 + 1
    }

    /// How many hours the month has.
    #[must_use]
    pub fn hours(self) -> usize {
        usize::try_from(self.days() * HOURS_A_DAY).unwrap_or(0)
    }

    /// The day `of_month` (1 to 31).
    pub fn day(self, of_month: i8) -> Result<Day, CalendarError> {
        Day::new(self.year, self.month, of_month)
    }
}

/// `2025-11`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

fn check_year(year: i16) -> Result<(), CalendarError> {
    if (FIRST_YEAR..=LAST_YEAR).contains(&year) {
        Ok(())
    } else {
        Err(CalendarError::Year)
    }
}
