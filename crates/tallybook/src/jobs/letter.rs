//! The mail about a completed report, as text and as HTML.
//!
//! Invariant: a pure function of the job, its links and their expiry; both forms have the same
//! content. Look next: [`super::post`] for when it is sent.

use super::state::Job;
use crate::mail::Letter;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Instant;

/// Writes the letter. `links` are those of the job's parts, in order; without parts there is none.
pub(super) fn letter(
    job: &Job,
    to: &str,
    links: &[String],
    (now, end): (Instant, Instant),
) -> Letter {
    let facts = facts(job);
    Letter {
        id: job.id.clone(),
        date: now,
        to: to.to_owned(),
        subject: subject(job),
        text: text(job, &facts, links, end),
        html: html(job, &facts, links, end),
    }
}

const fn name(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Summarized => "summarized usage report",
        ReportKind::Detailed => "detailed usage report",
        ReportKind::PremiumRequest => "premium request report",
        ReportKind::AiCredit => "AI usage report",
    }
}

fn subject(job: &Job) -> String {
    let (kind, account, days) = (name(job.kind), &job.account.name, job.days);
    let (first, last) = (days.first, days.last);
    format!("Your {kind} of {account} is ready: {first} to {last}")
}

/// Facts worth knowing before a download, with labels.
fn facts(job: &Job) -> Vec<(&'static str, String)> {
    let (lines, bytes) = job.size();
    let mut facts = vec![
        ("Enterprise", job.account.name.to_string()),
        ("Report", job.kind.to_string()),
        (
            "Days",
            format!("{} to {} (UTC)", job.days.first, job.days.last),
        ),
        ("Lines", grouped(lines)),
        ("Size", size(bytes)),
        ("Asked for", readable(job.created_at)),
    ];
    if let Some(as_of) = &job.as_of {
        facts.push(("As of", as_of.clone()));
    }
    facts
}

fn introduction(job: &Job) -> String {
    format!("The {} that you asked for is ready.", name(job.kind))
}

/// Explains the links and their expiry.
fn invitation(links: &[String], end: Instant) -> String {
    let until = readable(end);
    match links {
        [] => "There is no usage in these days, so there is no file.".to_owned(),
        [_] => format!("Download it until {until}, without a token:"),
        [..] => format!(
            "It has {} files. Download them until {until}, without a token:",
            links.len()
        ),
    }
}

const CAUTION: &str = "Whoever has a link can download the file: pass it on with care.
Later the API \
                       gives new links for as long as the report is kept.";

fn text(job: &Job, facts: &[(&str, String)], links: &[String], end: Instant) -> String {
    let mut text = introduction(job) + "\n\n";
    for (name, value) in facts {
        text += &format!("{:<12}{value}\n", format!("{name}:"));
    }
    text += &format!("\n{}\n", invitation(links, end));
    for link in links {
        text += &format!("\n{link}\n");
    }
    if !links.is_empty() {
        text += &format!("\n{CAUTION}\n");
    }
    text
}

fn html(job: &Job, facts: &[(&str, String)], links: &[String], end: Instant) -> String {
    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n");
    html += &format!("<p>{}</p>\n<table>\n", escaped(&introduction(job)));
    for (name, value) in facts {
        let value = escaped(value);
        html += &format!("<tr><th align=\"left\" scope=\"row\">{name}</th><td>{value}</td></tr>\n");
    }
    html += &format!("</table>\n<p>{}</p>\n", escaped(&invitation(links, end)));
    if !links.is_empty() {
        html += "<ul>\n";
        for (part, link) in (1..).zip(links) {
            let (link, name) = (escaped(link), escaped(&job.file_name(part)));
            html += &format!("<li><a href=\"{link}\">\n{name}</a></li>\n");
        }
        html += &format!("</ul>\n<p>{CAUTION}</p>\n");
    }
    html + "</body>\n</html>\n"
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An instant without the letters `T` and `Z`.
fn readable(instant: Instant) -> String {
    let text = instant.to_string();
    let plain = text.trim_end_matches('Z').replacen('T', " ", 1);
    format!("{plain} UTC")
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A size in the largest unit that gives at least one, to a tenth, rounded down.
fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::state::{ReportFile, Status};
    use tallybook_core::account::{AccountKind, AccountName};
    use tallybook_core::export::{Cells, Days};
    use tallybook_core::ids::LogId;
    use tallybook_core::time::Day;

    const TEXT: &str = "\
The detailed usage report that you asked for is ready.

Enterprise: octo-ent
Report:     detailed
Days:       2025-11-01 to 2025-11-30 (UTC)
Lines:      3,836
Size:       1.2 MB
Asked for:  2025-12-05 12:00:00 UTC
As of:      account=3;site=2;rules=1

Download it until 2025-12-06 12:01:00 UTC, without a token:

https://billing.example.com/reports/x/1?expires=1&key=1&signature=00

Whoever has a link can download the file: pass it on with care.
Later the API gives new links for as long as the report is kept.
";

    const HTML: &str = r#"<!DOCTYPE html>
<html lang="en">
<body>
<p>The detailed usage report that you asked for is ready.</p>
<table>
<tr><th align="left" scope="row">Enterprise</th><td>octo-ent</td></tr>
<tr><th align="left" scope="row">Report</th><td>detailed</td></tr>
<tr><th align="left" scope="row">Days</th><td>2025-11-01 to 2025-11-30 (UTC)</td></tr>
<tr><th align="left" scope="row">Lines</th><td>3,836</td></tr>
<tr><th align="left" scope="row">Size</th><td>1.2 MB</td></tr>
<tr><th align="left" scope="row">Asked for</th><td>2025-12-05 12:00:00 UTC</td></tr>
<tr><th align="left" scope="row">As of</th><td>account=3;site=2;rules=1</td></tr>
</table>
<p>Download it until 2025-12-06 12:01:00 UTC, without a token:</p>
<ul>
<li><a href="https://billing.example.com/reports/x/1?expires=1&amp;key=1&amp;signature=00">
octo-ent_detailed_2025-11-01_2025-11-30_1.csv</a></li>
</ul>
<p>Whoever has a link can download the file: pass it on with care.
Later the API gives new links for as long as the report is kept.</p>
</body>
</html>
"#;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("an instant")
    }

    fn job(parts: &[(u64, u64)]) -> Job {
        let part = |&(lines, bytes): &(u64, u64)| ReportFile {
            lines,
            bytes,
            sha256: String::new(),
        };
        Job {
            id: "0b8f1c5e-3c1d-4a52-9d4e-7d6f0a2b1c3d".to_owned(),
            log: LogId(3),
            account: AccountName::new(AccountKind::Enterprise, "octo-ent"),
            kind: ReportKind::Detailed,
            days: Days {
                first: Day::parse("2025-11-01").expect("a day"),
                last: Day::parse("2025-11-30").expect("a day"),
            },
            cells: Cells::Exact,
            created_at: at("2025-12-05T12:00:00Z"),
            actor: "monalisa".to_owned(),
            status: Status::Completed,
            attempts: 1,
            reason: None,
            as_of: Some("account=3;site=2;rules=1".to_owned()),
            parts: parts.iter().map(part).collect(),
            mail: None,
        }
    }

    fn write(parts: &[(u64, u64)], links: &[&str]) -> Letter {
        let links: Vec<String> = links.iter().map(|&link| link.to_owned()).collect();
        let times = (at("2025-12-05T12:01:00Z"), at("2025-12-06T12:01:00Z"));
        letter(&job(parts), "monalisa@example.com", &links, times)
    }

    #[test]
    fn a_report_of_one_file() {
        let letter = write(
            &[(3836, 1_234_567)],
            &["https://billing.example.com/reports/x/1?expires=1&key=1&signature=00"],
        );
        let expected = "Your detailed usage report of octo-ent is ready: 2025-11-01 to 2025-11-30";
        assert_eq!(letter.subject, expected);
        assert_eq!(letter.text, TEXT);
        assert_eq!(letter.html, HTML);
    }

    #[test]
    fn several_files_and_none() {
        let several = write(&[(1_000_000, 1), (2, 2)], &["https://a/1", "https://a/2"]);
        assert!(several.text.contains("It has 2 files."), "{}", several.text);
        assert!(several.text.contains("1,000,002"), "{}", several.text);
        assert!(
            several.html.contains(
                "<a href=\"https://a/2\">\nocto-ent_detailed_2025-11-01_2025-11-30_2.csv"
            )
        );
        let none = write(&[], &[]);
        assert!(none.text.contains("there is no file"), "{}", none.text);
        assert!(!none.html.contains("<ul>"), "{}", none.html);
    }

    #[test]
    fn html_holds_no_foreign_markup() {
        assert_eq!(
            escaped("<a href=\"'&'\">"),
            "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;"
        );
    }

    #[test]
    fn sizes_and_numbers_are_readable() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1999, "1.9 kB"),
            (641_200_000, "641.2 MB"),
            (12_000_000_000, "12.0 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
