//! Dates as reports and spreadsheets write them.
//!
//! Invariant: all dates of a file are read in the same order, which is never guessed: either a date
//! of the file or the caller determines it. Dates that begin with a four-digit year are
//! unambiguous. Look next: [`super::waiting`], where lines wait for a date that determines the
//! order.

use std::fmt;
use tallybook_core::time::{Day, Hour, Instant};

/// The order of the numbers of a date such as `10/31/2025`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `10/31/2025`, `10/31/25`.
    MonthDayYear,
    /// `31/10/2025`, `31.10.25`.
    DayMonthYear,
    /// `25/10/31`; a four-digit year in front always means this order.
    YearMonthDay,
}

impl DateOrder {
    /// Every order.
    pub const ALL: [Self; 3] = [Self::MonthDayYear, Self::DayMonthYear, Self::YearMonthDay];

    /// Its name for callers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MonthDayYear => "mdy",
            Self::DayMonthYear => "dmy",
            Self::YearMonthDay => "ymd",
        }
    }

    /// The order with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.as_str() == text)
    }
}

impl fmt::Display for DateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MonthDayYear => "month, day, year",
            Self::DayMonthYear => "day, month, year",
            Self::YearMonthDay => "year, month, day",
        })
    }
}

/// A date that means different days in different orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous {
    /// Its line.
    pub line: u64,
    /// Its text.
    pub text: String,
    /// The day it means if the month comes first.
    pub month_first: Day,
    /// The day it means if the day comes first.
    pub day_first: Day,
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            text,
            month_first,
            day_first,
        } = self;
        write!(f, "line {line}: {text:?} is {month_first} or {day_first}")
    }
}

/// The dates of one file.
#[derive(Debug)]
pub(super) struct Dates {
    /// The order, from the caller or a date of the file.
    order: Option<DateOrder>,
    /// The line whose date determined the order.
    told_by: Option<u64>,
    /// The first date whose order matters and is unknown.
    ambiguous: Option<Ambiguous>,
    /// The latest day allowed.
    latest: Option<Day>,
    /// The day of the previous line: reports are sorted by day.
    last: Option<(String, Hour)>,
}

impl Dates {
    pub(super) fn new(order: Option<DateOrder>, latest: Option<Day>) -> Self {
        Self {
            order,
            told_by: None,
            ambiguous: None,
            latest,
            last: None,
        }
    }

    /// Notes the dates of a line, and returns whether they can be read.
    pub(super) fn note<'a>(&mut self, line: u64, texts: impl Iterator<Item = &'a str>) -> bool {
        let mut is_told = true;
        for text in texts {
            // The common case.
            if self.order.is_some() || starts_with_a_year(text) {
                continue;
            }
            match Written::read(text).map(|written| (written.month_first(), written.day_first())) {
                Some((Some(month_first), Some(day_first))) => {
                    is_told = false;
                    if month_first != day_first && self.ambiguous.is_none() {
                        self.ambiguous = Some(Ambiguous {
                            line,
                            text: text.to_owned(),
                            month_first,
                            day_first,
                        });
                    }
                }
                Some((Some(_), None)) => self.tell(line, DateOrder::MonthDayYear),
                Some((None, Some(_))) => self.tell(line, DateOrder::DayMonthYear),
                // Its line will be a bad line.
                _ => {}
            }
        }
        is_told || self.order.is_some()
    }

    /// Whether every date can be read.
    pub(super) fn is_order_told(&self) -> bool {
        self.order.is_some()
    }

    fn tell(&mut self, line: u64, order: DateOrder) {
        self.order = Some(order);
        self.told_by = Some(line);
    }

    /// Called when all dates have been noted: if no date is ambiguous, any order will do.
    pub(super) fn end(&mut self) -> Result<(), Ambiguous> {
        match self.ambiguous.take() {
            Some(ambiguous) if self.order.is_none() => Err(ambiguous),
            _ => {
                self.order.get_or_insert(DateOrder::MonthDayYear);
                Ok(())
            }
        }
    }

    /// The hour of a date column.
    pub(super) fn hour(&mut self, text: &str) -> Result<Hour, String> {
        if let Some((known, hour)) = &self.last
            && known == text
        {
            return Ok(*hour);
        }
        let (hour, _) = self.instant(text)?;
        self.last = Some((text.to_owned(), hour));
        Ok(hour)
    }

    /// The hour, and the instant if the text has one.
    pub(super) fn instant(&self, text: &str) -> Result<(Hour, Option<Instant>), String> {
        let instant = parse_instant(text);
        let hour = match instant {
            Some(instant) => instant.hour(),
            None => self.day(text)?.first_hour(),
        };
        match self.latest {
            Some(latest) if hour.day() > latest => Err(format!(
                "{text:?} is {}, later than {latest}; --dates says the order of day and month, \
                 --future takes later days (over HTTP ?dates= and ?future=true)",
                hour.day()
            )),
            _ => Ok((hour, instant)),
        }
    }

    fn day(&self, text: &str) -> Result<Day, String> {
        if let Ok(day) = Day::parse(text) {
            return Ok(day);
        }
        let written = Written::read(text).ok_or_else(|| format!("{text:?} is not a date"))?;
        let order = match self.order {
            Some(order) if !starts_with_a_year(text) => order,
            _ => DateOrder::YearMonthDay,
        };
        written
            .day(order)
            .ok_or_else(|| match (self.order, self.told_by) {
                (Some(order), Some(line)) if !starts_with_a_year(text) => {
                    format!("{text:?} is not a date ({order}, as in line {line})")
                }
                (Some(order), None) if !starts_with_a_year(text) => {
                    format!("{text:?} is not a date ({order})")
                }
                _ => format!("{text:?} is not a date"),
            })
    }
}

/// The three numbers of a date.
struct Written<'a>([&'a str; 3]);

impl<'a> Written<'a> {
    /// Parses digits separated by `/`, `.` or `-`.
    fn read(text: &'a str) -> Option<Self> {
        let separator = text.chars().find(|c| matches!(c, '/' | '.' | '-'))?;
        let mut parts = text.split(separator);
        let numbers = [parts.next()?, parts.next()?, parts.next()?];
        let is_number = |part: &str| {
            matches!(part.len(), 1 | 2 | 4) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        (parts.next().is_none() && numbers.into_iter().all(is_number)).then_some(Self(numbers))
    }

    fn month_first(&self) -> Option<Day> {
        self.day(DateOrder::MonthDayYear)
    }

    fn day_first(&self) -> Option<Day> {
        self.day(DateOrder::DayMonthYear)
    }

    fn day(&self, order: DateOrder) -> Option<Day> {
        let [first, second, third] = self.0;
        let (year, month, day) = match order {
            DateOrder::MonthDayYear => (third, first, second),
            DateOrder::DayMonthYear => (third, second, first),
            DateOrder::YearMonthDay => (first, second, third),
        };
        let century = match year.len() {
            2 => 2000,
            4 => 0,
            _ => return None,
        };
        let year = century + year.parse::<i16>().ok()?;
        let [month, day] = [month, day].map(|part| (part.len() <= 2).then(|| part.parse().ok())?);
        Day::new(year, month?, day?).ok()
    }
}

/// RFC 3339, with a time: the common form, without the general parser.
fn parse_instant(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    let [.., b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = *bytes else {
        return match bytes.get(10) {
            Some(b'T' | b't' | b' ') => Instant::parse(text).ok(),
            _ => None,
        };
    };
    let digits = [h1, h2, m1, m2, s1, s2];
    if bytes.len() != 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let (hour, minute, second) = (pair(h1, h2), pair(m1, m2), pair(s1, s2));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = Day::parse_bytes(&bytes[..10]).ok()?;
    let seconds = day.first_hour().start().seconds() + hour * 3600 + minute * 60 + second;
    Instant::from_seconds(seconds).ok()
}

fn starts_with_a_year(text: &str) -> bool {
    let start = text.as_bytes().first_chunk::<4>();
    start.is_some_and(|year| year.iter().all(u8::is_ascii_digit))
}
