//! The body of a request for a report, read strictly.
//!
//! Invariant: errors are answered with 400 and name the member. Unknown members are ignored, as at
//! GitHub.

use crate::http::error::ApiError;
use crate::http::params::BadParameter;
use serde_json::{Map, Value};
use tallybook_core::export::{Cells, Days, most_days};
use tallybook_core::report::ReportKind;
use tallybook_core::time::Day;

/// A valid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: ReportKind,
    pub(super) days: Days,
    /// Whether the requester wants mail when it is completed.
    pub(super) send_email: bool,
    /// How text cells are written; a member of our own.
    pub(super) cells: Cells,
}

impl Question {
    /// Reads a body; `today` is the default of the last day.
    pub(super) fn read(body: &[u8], today: Day) -> Result<Self, ApiError> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|_| ApiError::bad_request("Problems parsing JSON"))?;
        let Value::Object(members) = value else {
            return Err(ApiError::bad_request("Body should be a JSON object"));
        };
        let kind = kind(&members)?;
        let first = day(&members, "start_date")?;
        let first = first.ok_or_else(|| BadParameter::new("start_date", "it is missing"))?;
        let last = day(&members, "end_date")?.unwrap_or(today);
        let days = Days { first, last };
        check(kind, days, today)?;
        let send_email = flag(&members, "send_email")?;
        let cells = match flag(&members, "guard_cells")? {
            true => Cells::Guarded,
            false => Cells::Exact,
        };
        Ok(Self {
            kind,
            days,
            send_email,
            cells,
        })
    }
}

fn kind(members: &Map<String, Value>) -> Result<ReportKind, BadParameter> {
    let bad = |reason: String| BadParameter::new("report_type", reason);
    let known = ReportKind::ALL.map(ReportKind::as_str).join(", ");
    let text = text(members, "report_type")?;
    let text = text.ok_or_else(|| bad("it is missing".to_owned()))?;
    ReportKind::parse(text).ok_or_else(|| bad(format!("it must be one of {known}")))
}

fn day(members: &Map<String, Value>, name: &'static str) -> Result<Option<Day>, BadParameter> {
    let Some(text) = text(members, name)? else {
        return Ok(None);
    };
    match Day::parse(text) {
        Ok(day) if text.len() == "YYYY-MM-DD".len() => Ok(Some(day)),
        _ => Err(BadParameter::new(name, "it must be a day as YYYY-MM-DD")),
    }
}

fn text<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, BadParameter> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(BadParameter::new(name, "it must be a string")),
    }
}

fn check(kind: ReportKind, days: Days, today: Day) -> Result<(), BadParameter> {
    if days.first > today {
        return Err(BadParameter::new("start_date", "it is in the future"));
    }
    if days.last < days.first {
        return Err(BadParameter::new("end_date", "it is before start_date"));
    }
    let (count, most) = (days.count(), most_days(kind));
    if count > most {
        let reason = format!("the {kind} report covers at most {most} days, and these are {count}");
        return Err(BadParameter::new("end_date", reason));
    }
    Ok(())
}

fn flag(members: &Map<String, Value>, name: &'static str) -> Result<bool, BadParameter> {
    match members.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(BadParameter::new(name, "it must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Question, String> {
        let today = Day::parse("2026-10-02").expect("a day");
        Question::read(body.as_bytes(), today).map_err(|error| error.message)
    }

    #[test]
    fn defaults() {
        let read = read(r#"{"report_type":"detailed","start_date":"2026-09-02","more":1}"#);
        let question = read.expect("a question");
        assert_eq!(question.kind, ReportKind::Detailed);
        assert_eq!(question.days.last.to_string(), "2026-10-02");
        assert!(!question.send_email);
        assert_eq!(question.cells, Cells::Exact);
        let guarded = r#"{"report_type":"detailed","start_date":"2026-09-02","guard_cells":true}"#;
        let guarded = super::tests::read(guarded);
        assert_eq!(guarded.expect("a question").cells, Cells::Guarded);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", "Problems parsing JSON"),
            ("[]", "Body should be a JSON object"),
            ("{}", "'report_type': it is missing"),
            (r#"{"report_type":1}"#, "'report_type': it must be a string"),
            (
                r#"{"report_type":"all"}"#,
                "'report_type': it must be one of",
            ),
            (
                r#"{"report_type":"detailed"}"#,
                "'start_date': it is missing",
            ),
        ];
        for (body, message) in cases {
            let error = read(body).expect_err("an error");
            assert!(error.contains(message), "{body}: {error}");
        }
        let cases = [
            (
                r#""start_date":"2026-02-30""#,
                "'start_date': it must be a day",
            ),
            (
                r#""start_date":"2026-9-1""#,
                "'start_date': it must be a day",
            ),
            (r#""start_date":null"#, "'start_date': it must be a string"),
            (
                r#""start_date":"2026-10-03""#,
                "'start_date': it is in the future",
            ),
            (
                r#""start_date":"2026-09-01""#,
                "'end_date': the detailed report covers at most 31",
            ),
            (
                r#""start_date":"2026-09-02","end_date":"2026-09-01""#,
                "'end_date': it is before start_date",
            ),
            (
                r#""start_date":"2026-09-02","end_date":20260903"#,
                "'end_date': it must be a string",
            ),
            (
                r#""start_date":"2026-09-02","send_email":"yes""#,
                "'send_email': it must be true or false",
            ),
        ];
        for (members, message) in cases {
            let body = format!(r#"{{"report_type":"detailed",{members}}}"#);
            let error = read(&body).expect_err("an error");
            assert!(error.contains(message), "{body}: {error}");
        }
    }

    #[test]
    fn summarized_reports_cover_a_year() {
        let year = |first: &str| {
            let body =
                r#"{"report_type":"summarized","end_date":"2026-09-30","start_date":"FIRST"}"#;
            read(&body.replace("FIRST", first))
        };
        assert!(year("2025-09-30").is_ok(), "366 days");
        assert!(year("2025-09-29").is_err(), "367 days");
    }
}
