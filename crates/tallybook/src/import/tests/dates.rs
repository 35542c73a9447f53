//! Dates as spreadsheets save them.

use super::*;

/// Keeps the days of lines, in their order, and their users.
#[derive(Default)]
struct Days(Vec<(String, String)>);

impl Sink for Days {
    fn begin(&mut self, _: Layout) -> Result<(), SinkError> {
        Ok(())
    }
    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError> {
        let day = line.hour.day().to_string();
        self.0.push((day, line.user.to_owned()));
        Ok(())
    }
}

/// A detailed report of these days; the users are the lines' indexes.
fn report(days: &[&str]) -> String {
    let line = |(place, day): (usize, &&str)| {
        format!("{day},actions,actions_linux,9,minutes,0.008,0.072,0,0.072,user-{place},o,r,w,\n")
    };
    let lines: String = days.iter().enumerate().map(line).collect();
    format!("{HEADER}\n{lines}")
}

fn read_days(days: &[&str], options: &ReadOptions) -> Result<(FileSummary, Days), ReadError> {
    let mut sink = Days::default();
    let summary = read_file("usage.csv", report(days).as_bytes(), options, &mut sink)?;
    Ok((summary, sink))
}

fn in_order(order: DateOrder) -> ReadOptions {
    ReadOptions {
        dates: Some(order),
        ..ReadOptions::default()
    }
}

#[track_caller]
fn check(days: &[&str], options: &ReadOptions, expected: &[&str]) {
    let (summary, sink) = read_days(days, options).expect("days");
    let found: Vec<&str> = sink.0.iter().map(|(day, _)| day.as_str()).collect();
    assert_eq!(found, expected);
    let users = sink.0.iter().enumerate();
    for (place, (_, user)) in users {
        assert_eq!(*user, format!("user-{place}"), "the file's order");
    }
    let (first, last) = summary.days.expect("lines");
    assert_eq!(Some(&*first.to_string()), expected.iter().min().copied());
    assert_eq!(Some(&*last.to_string()), expected.iter().max().copied());
}

#[track_caller]
fn refuse(days: &[&str], options: &ReadOptions, expected: &str) {
    let Err(error) = read_days(days, options) else {
        panic!("{days:?} were read");
    };
    assert_eq!(error.to_string(), expected);
}

#[test]
fn one_date_tells_the_order_of_all() {
    let auto = ReadOptions::default();
    for days in [
        ["10/1/2025", "10/31/2025", "11/2/2025"],
        ["10/1/25", "10/31/25", "11/2/25"],
        ["10-01-2025", "10-31-2025", "11-02-2025"],
        ["1/10/2025", "31/10/2025", "2/11/2025"],
        ["01.10.25", "31.10.25", "02.11.25"],
        ["1-10-2025", "31-10-2025", "2-11-2025"],
        ["2025/10/1", "2025/10/31", "2025/11/2"],
        ["2025.10.01", "2025.10.31", "2025.11.02"],
        ["2025-10-1", "2025-10-31", "2025-11-2"],
        // In any order, and mixed with dates in GitHub's format.
        ["2025-10-01", "31.10.2025", "2.11.2025"],
    ] {
        check(&days, &auto, &["2025-10-01", "2025-10-31", "2025-11-02"]);
    }
    check(
        &["10/31/2025", "1/10/2025"],
        &auto,
        &["2025-10-31", "2025-01-10"],
    );
}

/// Eleven days of November, saved with the day first, are not the eleventh of eleven months.
#[test]
fn dates_that_can_all_be_read_both_ways_are_refused() {
    let written: Vec<String> = (1..12).map(|day| format!("{day}/11/2025")).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    refuse(
        &written,
        &ReadOptions::default(),
        "usage.csv, line 2: \"1/11/2025\" is 2025-01-11 or 2025-11-01, and no other date of the \
         file tells which: say the order of day and month (--dates mdy or --dates dmy; over HTTP \
         ?dates=mdy or ?dates=dmy)",
    );
    let skipping = ReadOptions {
        skip_bad_lines: true,
        ..ReadOptions::default()
    };
    assert!(read_days(&written, &skipping).is_err());
    let november: Vec<String> = (1..12).map(|day| format!("2025-11-{day:02}")).collect();
    let november: Vec<&str> = november.iter().map(String::as_str).collect();
    check(&written, &in_order(DateOrder::DayMonthYear), &november);
    let months: Vec<String> = (1..12).map(|month| format!("2025-{month:02}-11")).collect();
    let months: Vec<&str> = months.iter().map(String::as_str).collect();
    check(&written, &in_order(DateOrder::MonthDayYear), &months);
    // A two-digit year may even come first.
    check(
        &["25/11/1", "2025-11-02"],
        &in_order(DateOrder::YearMonthDay),
        &["2025-11-01", "2025-11-02"],
    );
}

#[test]
fn where_both_orders_say_the_same_day_none_is_asked_for() {
    let auto = ReadOptions::default();
    check(
        &["1/1/2025", "2.2.25", "2025-03-03"],
        &auto,
        &["2025-01-01", "2025-02-02", "2025-03-03"],
    );
    refuse(
        &["1/1/2025", "2025-01-01", "2/1/2025"],
        &auto,
        "usage.csv, line 4: \"2/1/2025\" is 2025-02-01 or 2025-01-02, and no other date of the \
         file tells which: say the order of day and month (--dates mdy or --dates dmy; over HTTP \
         ?dates=mdy or ?dates=dmy)",
    );
}

#[test]
fn a_date_that_does_not_fit_the_order_is_a_bad_one() {
    let auto = ReadOptions::default();
    refuse(
        &["1/2/2025", "1/31/2025", "31/1/2025"],
        &auto,
        "usage.csv, line 4, column date: \"31/1/2025\" is not a date (month, day, year, as in line \
         3)",
    );
    refuse(
        &["1/31/2025"],
        &in_order(DateOrder::DayMonthYear),
        "usage.csv, line 2, column date: \"1/31/2025\" is not a date (day, month, year)",
    );
    for text in [
        "31/31/2025",
        "2/29/2025",
        "1/2/3",
        "1/2/025",
        "1/2-2025",
        "1/2/2025/",
        "1/2",
        "//",
        "+1/2/25",
        "2025/13/1",
        "2025-1-1-1",
        "1\u{661}/2/2025",
        "001/2/2025",
    ] {
        let expected = format!("usage.csv, line 2, column date: {text:?} is not a date");
        refuse(&[text], &auto, &expected);
    }
}

/// Bad lines before the first date that determines the order are still reported, in order.
#[test]
fn lines_that_wait_lose_nothing() {
    let mut text = report(&["1/2/2025", "1/3/2025", "x", "1/13/2025", "y", "1/4/2025"]);
    text = text.replacen("user-1,o", "user-1,\"o", 1);
    let options = ReadOptions {
        skip_bad_lines: true,
        ..ReadOptions::default()
    };
    let mut sink = Days::default();
    let read = read_file("usage.csv", text.as_bytes(), &options, &mut sink);
    let summary = read.expect("skipped");
    let skipped: Vec<String> = summary.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(
        skipped,
        [
            "usage.csv, line 3, column organization: a quote is not closed",
            "usage.csv, line 4, column date: \"x\" is not a date",
            "usage.csv, line 6, column date: \"y\" is not a date",
        ]
    );
    let days: Vec<&str> = sink.0.iter().map(|(day, _)| day.as_str()).collect();
    assert_eq!(days, ["2025-01-02", "2025-01-13", "2025-01-04"]);
    assert_eq!((summary.lines, summary.skipped_lines), (3, 3));
    assert_eq!(summary.digest, Digest::of(text.as_bytes()));
}

#[test]
fn no_more_lines_wait_than_there_is_room_for() {
    let days = vec!["1/2/2025"; 100_000];
    let mut options = ReadOptions::default();
    let told: Vec<&str> = days.iter().copied().chain(["1/13/2025"]).collect();
    let (summary, _) = read_days(&told, &options).expect("told at last");
    assert_eq!(summary.lines, 100_001);
    options.limits.waiting_bytes = 10_000;
    let error = read_days(&told, &options).err().expect("too many");
    let message = error.to_string();
    assert!(
        message.contains("no date tells the order of day and month"),
        "{message}"
    );
    options.dates = Some(DateOrder::MonthDayYear);
    assert!(read_days(&told, &options).is_ok());
}

#[test]
fn usage_at_has_the_order_of_all_dates() {
    let text = String::from_utf8(fixture("detailed_usage_at.csv")).expect("text");
    let with = |first: &str, second: &str| {
        let text = text.replace("2025-05-01T13:05:00Z", first);
        text.replace("2025-05-01T23:59:59Z", second)
    };
    let mut sink = Days::default();
    let input = with("5/1/2025", "5/13/2025");
    let options = ReadOptions::default();
    read_file("f", input.as_bytes(), &options, &mut sink).expect("a good report");
    assert_eq!(sink.0[0].0, "2025-05-01");
    let message = error(with("5/1/2025", "5/2/2025").as_bytes());
    assert!(
        message.contains("\"5/1/2025\" is 2025-05-01 or 2025-01-05"),
        "{message}"
    );
}

#[test]
fn days_that_are_too_late_are_refused() {
    let now = Instant::parse("2025-10-31T23:00:00Z").expect("an instant");
    let options = ReadOptions {
        latest_day: Some(latest_day(now)),
        ..ReadOptions::default()
    };
    check(&["2025-11-01"], &options, &["2025-11-01"]);
    refuse(
        &["2025-10-31", "2025-11-02"],
        &options,
        "usage.csv, line 3, column date: \"2025-11-02\" is 2025-11-02, later than 2025-11-01; \
         --dates says the order of day and month, --future takes later days (over HTTP ?dates= \
         and ?future=true)",
    );
    let text = String::from_utf8(fixture("detailed_usage_at.csv")).expect("text");
    let text = text.replace("2025-05-01", "2025-12-01");
    let read = read_file("f", text.as_bytes(), &options, &mut Days::default());
    let message = read.expect_err("too late").to_string();
    assert!(
        message.starts_with("f, line 2, column usage_at: "),
        "{message}"
    );
}
