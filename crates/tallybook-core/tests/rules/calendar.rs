//! The calendar at its edges: ends of months and years, leap years, the first and last year,
//! and the periods of questions.

use proptest::prelude::*;
use tallybook_core::query::{Filter, Grain, Group, Query};
use tallybook_core::time::{CalendarError, Day, Hour, Instant, Month};

fn month(year: i16, month: i8) -> Month {
    Month::new(year, month).unwrap()
}

fn query(from: Hour, to: Hour, grain: Grain) -> Query {
    Query {
        from,
        to,
        grain,
        filter: Filter::default(),
        group: Group::default(),
    }
}

const GRAINS: [Grain; 4] = [Grain::Whole, Grain::Month, Grain::Day, Grain::Hour];

#[test]
fn months_end_on_their_last_day() {
    for (year, of_year, days) in [
        (2025, 1, 31),
        (2025, 2, 28),
        (2024, 2, 29),
        (2000, 2, 29),
        (2100, 2, 28),
        (2400, 2, 29),
        (2025, 4, 30),
        (2025, 12, 31),
    ] {
        let month = month(year, of_year);
        assert_eq!((month.days(), month.hours()), (days, days as usize * 24));
        assert_eq!(i32::from(month.last_day().of_month()), days);
        assert_eq!(month.last_day().next(), month.plus(1).first_day());
        assert_eq!(month.last_day().month(), month);
        let beyond = i8::try_from(days + 1).unwrap();
        assert_eq!(month.day(beyond), Err(CalendarError::Day));
        assert_eq!(month.day(0), Err(CalendarError::Day));
    }
}

#[test]
fn years_end_in_december() {
    assert_eq!(month(2025, 12).plus(1), month(2026, 1));
    assert_eq!(month(2026, 1).plus(-1), month(2025, 12));
    assert_eq!(month(2026, 1).plus(-13), month(2024, 12));
    assert_eq!(month(2025, 12).index() + 1, month(2026, 1).index());
}

#[test]
fn the_first_and_the_last_year_are_bounds() {
    for year in [1999, 10_000, 0, -1] {
        assert_eq!(Month::new(year, 1), Err(CalendarError::Year));
        assert_eq!(Day::new(year, 1, 1), Err(CalendarError::Year));
    }
    for of_year in [0, 13, -1] {
        assert_eq!(Month::new(2025, of_year), Err(CalendarError::Month));
    }
    assert_eq!(month(2000, 1).plus(-1), month(2000, 1), "clamped");
    assert_eq!(month(9999, 12).plus(i32::MAX), month(9999, 12), "clamped");
    assert_eq!(month(2000, 1).plus(i32::MIN), month(2000, 1), "clamped");
    for index in [i32::MIN, -1, 0, 2000 * 12 - 1, 10_000 * 12, i32::MAX] {
        assert!(Month::from_index(index).is_err(), "{index}");
    }
    for (text, year) in [
        ("2000-01-01T00:00:00Z", 2000),
        ("9999-12-31T23:59:59Z", 9999),
    ] {
        let day = Day::parse(&text[..10]).unwrap();
        let last = if year == 2000 { 0 } else { 86_399 };
        let instant = Instant::from_seconds(day.first_hour().start().seconds() + last).unwrap();
        assert_eq!(instant.month().year(), year);
        assert_eq!(instant.to_string(), text);
        assert_eq!(Day::try_from_index(day.index().into()), Ok(day));
        let beyond = instant.seconds() + if year == 2000 { -1 } else { 1 };
        assert_eq!(Instant::from_seconds(beyond), Err(CalendarError::Year));
    }
    for seconds in [i64::MIN, i64::MAX] {
        assert_eq!(Instant::from_seconds(seconds), Err(CalendarError::Year));
    }
}

#[test]
fn days_are_read_in_one_form() {
    assert_eq!(Day::parse("2024-02-29"), Day::new(2024, 2, 29));
    for (text, error) in [
        ("2023-02-29", CalendarError::Day),
        ("2023-13-01", CalendarError::Month),
        ("2023-00-01", CalendarError::Month),
        ("2023-01-00", CalendarError::Day),
        ("1999-12-31", CalendarError::Year),
        ("2023-1-01", CalendarError::Malformed),
        ("2023-01-01 ", CalendarError::Malformed),
        ("+023-01-01", CalendarError::Malformed),
        ("2023/01/01", CalendarError::Malformed),
        ("", CalendarError::Malformed),
    ] {
        assert_eq!(Day::parse(text), Err(error), "{text}");
    }
    let day = Day::new(2025, 1, 1).unwrap();
    assert_eq!(day.hour(24), Err(CalendarError::Hour));
    assert_eq!(day.hour(-1), Err(CalendarError::Hour));
    assert_eq!(day.hour(23).unwrap().of_day(), 23);
}

#[test]
fn instants_are_read_with_any_offset_and_written_in_utc() {
    for (text, shown) in [
        ("2025-11-01", "2025-11-01T00:00:00Z"),
        ("2025-12-31T23:30:00-01:00", "2026-01-01T00:30:00Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
        ("2025-11-01T12:34:56.999Z", "2025-11-01T12:34:56Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
    ] {
        let instant = Instant::parse(text).unwrap();
        assert_eq!(instant.to_string(), shown);
        assert_eq!(Instant::parse(shown), Ok(instant));
    }
    for text in ["", "now", "2025-11-01T12:00:00", "2025-13-01T00:00:00Z"] {
        assert_eq!(
            Instant::parse(text),
            Err(CalendarError::Malformed),
            "{text}"
        );
    }
    assert_eq!(
        Instant::parse("1999-12-31T23:59:59Z"),
        Err(CalendarError::Year)
    );
}

#[test]
fn periods_by_example() {
    let from = Day::new(2025, 12, 30).unwrap().hour(22).unwrap();
    let to = Day::new(2026, 1, 1).unwrap().hour(1).unwrap();
    let starts = |grain| -> Vec<String> {
        let periods = query(from, to, grain).periods();
        periods
            .map(|period| period.start.start().to_string())
            .collect()
    };
    assert_eq!(starts(Grain::Whole), ["2025-12-30T22:00:00Z"]);
    let months = ["2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"];
    assert_eq!(starts(Grain::Month), months);
    let days = [
        "2025-12-30T00:00:00Z",
        "2025-12-31T00:00:00Z",
        "2026-01-01T00:00:00Z",
    ];
    assert_eq!(starts(Grain::Day), days);
    assert_eq!(starts(Grain::Hour).len(), 2 + 24 + 1);
    let months: Vec<Month> = query(from, to, Grain::Whole).months().collect();
    assert_eq!(months, [month(2025, 12), month(2026, 1)]);
    let empty = query(to, to, Grain::Day);
    assert_eq!((empty.periods().count(), empty.months().count()), (0, 0));
    let backwards = query(to, from, Grain::Month);
    assert_eq!(
        (backwards.periods().count(), backwards.months().count()),
        (0, 0)
    );
}

/// A month's first hour does not need a statement of the month before, nor its last one after.
#[test]
fn a_month_needs_its_own_statement_only() {
    for one in [
        month(2025, 12),
        month(2024, 2),
        month(2000, 1),
        month(9999, 12),
    ] {
        let first = one.first_day().first_hour();
        let end = one.last_day().next().first_hour();
        for grain in GRAINS {
            let query = query(first, end, grain);
            assert_eq!(query.months().collect::<Vec<_>>(), [one], "{grain:?}");
        }
        let periods: Vec<_> = query(first, end, Grain::Month).periods().take(3).collect();
        assert_eq!(periods.len(), 1, "{one}");
    }
}

#[test]
fn the_last_year_ends() {
    let from = month(9999, 1).first_day().first_hour();
    let to = month(9999, 12).last_day().next().first_hour();
    assert_eq!(query(from, to, Grain::Month).periods().take(20).count(), 12);
    assert_eq!(query(from, to, Grain::Day).periods().take(500).count(), 365);
    assert_eq!(query(from, to, Grain::Whole).months().take(20).count(), 12);
}

proptest! {
    #[test]
    fn an_instant_lies_in_its_hour_day_and_month(seconds in 946_684_800i64..253_402_300_800) {
        let instant = Instant::from_seconds(seconds).unwrap();
        let (hour, day, month) = (instant.hour(), instant.day(), instant.month());
        prop_assert!(hour.start() <= instant);
        prop_assert!(instant.seconds() < hour.start().seconds() + 3600);
        prop_assert_eq!(hour, day.hour(hour.of_day()).unwrap());
        prop_assert!(month.first_day() <= day && day <= month.last_day());
        prop_assert_eq!(month.day(day.of_month()).unwrap(), day);
        prop_assert_eq!(Day::parse(&day.to_string()).unwrap(), day);
        // The date library knows no instants in the last two days of 9999.
        if seconds < 253_402_128_000 {
            prop_assert_eq!(Instant::parse(&instant.to_string()).unwrap(), instant);
        }
        prop_assert_eq!(Month::from_index(month.index()).unwrap(), month);
        prop_assert_eq!(Day::try_from_index(day.index().into()).unwrap(), day);
    }

    /// Whatever the grain, every hour is in exactly one period, whose months hold it.
    #[test]
    fn periods_are_the_whole_without_gap_or_overlap(
        first in 262_968i32..1_000_000,
        hours in 0i32..3000,
        grain in proptest::sample::select(&GRAINS[..]),
    ) {
        let (from, to) = (Hour::from_index(first), Hour::from_index(first + hours));
        let mut next = from;
        for period in query(from, to, grain).periods() {
            prop_assert_eq!(period.from, next);
            prop_assert!(period.from < period.to);
            prop_assert!(period.start <= period.from);
            let (last, months) = (Hour::from_index(period.to.index() - 1), period.months());
            let needed: Vec<Month> = months.collect();
            prop_assert_eq!(needed.first().copied(), Some(period.from.day().month()));
            prop_assert_eq!(needed.last().copied(), Some(last.day().month()));
            prop_assert!(needed.windows(2).all(|two| two[0].plus(1) == two[1]));
            let one = match grain {
                Grain::Whole => true,
                Grain::Month => period.from.day().month() == last.day().month(),
                Grain::Day => period.from.day() == last.day(),
                Grain::Hour => period.from == last,
            };
            prop_assert!(one, "a period is at most one {:?}", grain);
            next = period.to;
        }
        prop_assert_eq!(next, to);
    }
}
