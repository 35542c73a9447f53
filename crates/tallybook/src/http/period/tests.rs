//! One line a request: what is asked on 2026-11-21, and which hours, grain and echo that means.

use super::*;

fn now() -> Instant {
    Instant::parse("2026-11-21T13:30:00Z").unwrap()
}

fn calendar(query: &str) -> Result<Calendar, BadParameter> {
    let params = Params::read(&format!("/x?{query}").parse().unwrap()).unwrap();
    Calendar::read(&params, true)
}

fn shown(period: &AskedPeriod) -> String {
    let echo = period.echo;
    let parts = [
        Some(i32::from(echo.year)),
        echo.month.map(i32::from),
        echo.day.map(i32::from),
    ];
    let echo: Vec<_> = parts.iter().flatten().map(i32::to_string).collect();
    let (from, to) = (period.from.start(), period.to.start());
    format!("{from} {to} {:?} {}", period.grain, echo.join("-"))
}

fn usage(query: &str) -> String {
    match calendar(query).and_then(|calendar| calendar.usage_period(now())) {
        Ok(period) => shown(&period),
        Err(error) => error.to_string(),
    }
}

fn summary(query: &str) -> String {
    match calendar(query).and_then(|calendar| calendar.summary_period(now())) {
        Ok(period) => shown(&period),
        Err(error) => error.to_string(),
    }
}

#[test]
fn usage_grains() {
    let cases = [
        ("", "2026-01-01T00:00:00Z 2027-01-01T00:00:00Z Month 2026"),
        (
            "year=2025",
            "2025-01-01T00:00:00Z 2026-01-01T00:00:00Z Month 2025",
        ),
        (
            "year=2025&month=2",
            "2025-02-01T00:00:00Z 2025-03-01T00:00:00Z Day 2025-2",
        ),
        (
            "month=12",
            "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z Day 2026-12",
        ),
        (
            "year=2024&month=2&day=29",
            "2024-02-29T00:00:00Z 2024-03-01T00:00:00Z Day 2024-2-29",
        ),
        (
            "day=3",
            "2026-11-03T00:00:00Z 2026-11-04T00:00:00Z Day 2026-11-3",
        ),
        (
            "year=2025&day=3",
            "2025-11-03T00:00:00Z 2025-11-04T00:00:00Z Day 2025-11-3",
        ),
        (
            "month=5&day=31",
            "2026-05-31T00:00:00Z 2026-06-01T00:00:00Z Day 2026-5-31",
        ),
        (
            "hour=0",
            "2026-11-21T00:00:00Z 2026-11-21T01:00:00Z Hour 2026-11-21",
        ),
        (
            "year=2025&month=11&day=1&hour=23",
            "2025-11-01T23:00:00Z 2025-11-02T00:00:00Z Hour 2025-11-1",
        ),
        (
            "month=10&hour=5",
            "2026-10-21T05:00:00Z 2026-10-21T06:00:00Z Hour 2026-10-21",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(usage(query), expected, "{query}");
    }
}

#[test]
fn summary_periods() {
    let cases = [
        (
            "",
            "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z Whole 2026-11",
        ),
        (
            "year=2025",
            "2025-01-01T00:00:00Z 2026-01-01T00:00:00Z Whole 2025",
        ),
        (
            "month=3",
            "2026-03-01T00:00:00Z 2026-04-01T00:00:00Z Whole 2026-3",
        ),
        (
            "year=2025&month=3",
            "2025-03-01T00:00:00Z 2025-04-01T00:00:00Z Whole 2025-3",
        ),
        (
            "day=1",
            "2026-11-01T00:00:00Z 2026-11-02T00:00:00Z Whole 2026-11-1",
        ),
        (
            "year=2025&day=1",
            "2025-11-01T00:00:00Z 2025-11-02T00:00:00Z Whole 2025-11-1",
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(summary(query), expected, "{query}");
    }
}

#[test]
fn the_last_day_of_all_is_a_whole_day() {
    let last = calendar("year=9999&month=12&day=31").unwrap();
    let period = last.summary_period(now()).unwrap();
    assert_eq!(period.to.index() - period.from.index(), 24);
    let year = calendar("year=9999")
        .unwrap()
        .summary_period(now())
        .unwrap();
    assert_eq!(year.to, period.to);
}

#[test]
fn refusals_name_the_parameter() {
    let range = |name: &str, range: &str| {
        format!("Invalid parameter '{name}': it must be an integer between {range}.")
    };
    let cases = [
        ("month=13", range("month", "1 and 12")),
        ("year=abc", range("year", "2000 and 9999")),
        ("year=99", range("year", "2000 and 9999")),
        ("year=02025", range("year", "2000 and 9999")),
        ("hour=24", range("hour", "0 and 23")),
        ("day=0", range("day", "1 and 31")),
        (
            "year=2025&month=2&day=30",
            "Invalid parameter 'day': 2025-02 has no day 30, only 28.".to_owned(),
        ),
        (
            "day=31",
            "Invalid parameter 'day': 2026-11 has no day 31, only 30.".to_owned(),
        ),
        (
            "year=2025&year=2025",
            "Invalid parameter 'year': it is given more than once.".to_owned(),
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(usage(query), expected, "{query}");
    }
    // The 31st of a month that today's month has no 31st of, by default of the day.
    let late = Instant::parse("2026-10-31T00:00:00Z").unwrap();
    let bad = calendar("month=9&hour=1")
        .unwrap()
        .usage_period(late)
        .unwrap_err();
    assert_eq!(bad.name, "day");
}

#[test]
fn the_hour_is_unknown_where_it_was_never_documented() {
    let params = Params::read(&"/x?hour=99".parse().unwrap()).unwrap();
    assert_eq!(Calendar::read(&params, false), Ok(Calendar::default()));
    assert_eq!(Calendar::read(&params, true).unwrap_err().name, "hour");
}

#[test]
fn history_is_the_current_month_and_those_before_it() {
    let clipped = |query: &str, months: u32| {
        let period = calendar(query).unwrap().summary_period(now()).unwrap();
        shown(&period.within(History { months }, now()))
    };
    let whole = "2024-01-01T00:00:00Z 2025-01-01T00:00:00Z Whole 2024";
    assert_eq!(clipped("year=2024", 0), whole);
    let straddling = "2024-11-01T00:00:00Z 2025-01-01T00:00:00Z Whole 2024";
    assert_eq!(clipped("year=2024", 24), straddling);
    let oldest = "2024-11-01T00:00:00Z 2024-12-01T00:00:00Z Whole 2024-11";
    assert_eq!(clipped("year=2024&month=11", 24), oldest);
    let outside = "2024-11-01T00:00:00Z 2024-11-01T00:00:00Z Whole 2024-10";
    assert_eq!(clipped("year=2024&month=10", 24), outside);
    let inside = "2025-01-01T00:00:00Z 2026-01-01T00:00:00Z Whole 2025";
    assert_eq!(clipped("year=2025", 24), inside);
}
