//! A report job and its progress, as stored.
//!
//! Invariant: stored jobs can be read by every later version: members are only ever added, each
//! with a default.

use crate::engine::audit::{Action, Deed};
use serde::{Deserialize, Serialize};
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::export::{Cells, Days};
use tallybook_core::ids::LogId;
use tallybook_core::report::ReportKind;
use tallybook_core::time::{Day, Instant};
use tallybook_store::JobRow;

/// The status of a job, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted, and not yet finished.
    Processing,
    /// Its files are available.
    Completed,
    /// It failed for good.
    Failed,
}

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// Lines, its header not counted.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// The mail that tells the requester of a completed report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Mail {
    /// To be sent once the report is completed.
    Wanted {
        /// The address, kept no longer than needed.
        to: String,
        /// How often sending it failed.
        #[serde(default)]
        attempts: u32,
    },
    /// The server accepted it.
    Sent,
    /// It failed for good.
    Failed {
        /// Why, for operators.
        reason: String,
    },
}

/// A requested usage report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// A UUID.
    pub id: String,
    /// The log of its enterprise; `None` before that has a batch.
    pub log: LogId,
    /// Its enterprise.
    pub account: AccountName,
    /// Which report.
    pub kind: ReportKind,
    /// Which days.
    pub days: Days,
    /// How text cells are written.
    pub cells: Cells,
    /// When it was requested.
    pub created_at: Instant,
    /// By whom: a login, or the token's id.
    pub actor: String,
    /// Its status.
    pub status: Status,
    /// How many attempts were begun, not counting those ended by a shutdown.
    pub attempts: u32,
    /// Why it failed, for operators.
    pub reason: Option<String>,
    /// The state that it was computed from, once known.
    pub as_of: Option<String>,
    /// Its files.
    pub parts: Vec<ReportFile>,
    /// Its mail, if requested.
    pub mail: Option<Mail>,
}

/// [`Job`] as JSON.
#[derive(Serialize, Deserialize)]
struct Stored {
    job: String,
    account: String,
    report: String,
    first: String,
    last: String,
    #[serde(default)]
    guard_cells: bool,
    actor: String,
    status: Status,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    as_of: Option<String>,
    #[serde(default)]
    parts: Vec<ReportFile>,
    #[serde(default)]
    mail: Option<Mail>,
}

/// The value of [`Stored::job`]: so far the only kind of job.
const EXPORT: &str = "usage_report_export";

/// Why a row is not a valid job.
#[derive(Debug, thiserror::Error)]
#[error("job {id} is damaged: {detail}")]
pub struct DamagedJob {
    id: String,
    detail: String,
}

impl Job {
    /// The row that the store keeps.
    pub fn row(&self) -> Result<JobRow, serde_json::Error> {
        let stored = Stored {
            job: EXPORT.to_owned(),
            account: self.account.name.to_string(),
            report: self.kind.to_string(),
            first: self.days.first.to_string(),
            last: self.days.last.to_string(),
            guard_cells: self.cells == Cells::Guarded,
            actor: self.actor.clone(),
            status: self.status,
            attempts: self.attempts,
            reason: self.reason.clone(),
            as_of: self.as_of.clone(),
            parts: self.parts.clone(),
            mail: self.mail.clone(),
        };
        Ok(JobRow {
            id: self.id.clone(),
            log: self.log,
            created_at: self.created_at,
            state: serde_json::to_string(&stored)?,
        })
    }

    /// The job of a row.
    pub fn of(row: JobRow) -> Result<Self, DamagedJob> {
        let id = row.id.clone();
        let damaged = |detail: String| DamagedJob {
            id: id.clone(),
            detail,
        };
        let stored: Stored =
            serde_json::from_str(&row.state).map_err(|error| damaged(error.to_string()))?;
        if stored.job != EXPORT {
            return Err(damaged(format!("there is no job {:?}", stored.job)));
        }
        let day = |text: &str| Day::parse(text).map_err(|error| damaged(error.to_string()));
        let kind = ReportKind::parse(&stored.report);
        Ok(Self {
            log: row.log,
            account: AccountName::new(AccountKind::Enterprise, stored.account.as_str()),
            kind: kind.ok_or_else(|| damaged(format!("no report {:?}", stored.report)))?,
            days: Days {
                first: day(&stored.first)?,
                last: day(&stored.last)?,
            },
            cells: match stored.guard_cells {
                true => Cells::Guarded,
                false => Cells::Exact,
            },
            created_at: row.created_at,
            actor: stored.actor,
            status: stored.status,
            attempts: stored.attempts,
            reason: stored.reason,
            as_of: stored.as_of,
            parts: stored.parts,
            mail: stored.mail,
            id: row.id,
        })
    }

    /// What is shown for a damaged row: a failed report with the fields that can still be read.
    /// Defaults for the others: the account of its log, a detailed report, and the day of the
    /// request; `None` when not even an account can be determined.
    #[must_use]
    pub fn remains(
        row: &JobRow,
        damage: &DamagedJob,
        of_log: Option<&AccountName>,
    ) -> Option<Self> {
        let state: serde_json::Value = serde_json::from_str(&row.state).unwrap_or_default();
        let text = |member: &str| state.get(member).and_then(serde_json::Value::as_str);
        let day = |member| text(member).and_then(|it| Day::parse(it).ok());
        let named = text("account").map(|name| AccountName::new(AccountKind::Enterprise, name));
        let asked = row.created_at.day();
        let last = day("last").unwrap_or(asked);
        let first = day("first").unwrap_or(last).min(last);
        Some(Self {
            id: row.id.clone(),
            log: row.log,
            account: named.or_else(|| of_log.cloned())?,
            kind: text("report")
                .and_then(ReportKind::parse)
                .unwrap_or(ReportKind::Detailed),
            days: Days { first, last },
            cells: Cells::Exact,
            created_at: row.created_at,
            actor: text("actor").unwrap_or_default().to_owned(),
            status: Status::Failed,
            attempts: 0,
            reason: Some(damage.to_string()),
            as_of: None,
            parts: Vec::new(),
            mail: None,
        })
    }

    /// Its lines and bytes in all files.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let parts = self.parts.iter();
        parts.fold((0, 0), |(lines, bytes), part| {
            (lines + part.lines, bytes + part.bytes)
        })
    }

    /// Its details in the audit log.
    #[must_use]
    pub fn deed(&self, action: Action) -> Deed {
        Deed::on(&self.account, action)
            .with("id", &*self.id)
            .with("type", self.kind.as_str())
            .with("first", self.days.first.to_string())
            .with("last", self.days.last.to_string())
    }

    /// The file name of a part when downloaded; parts are numbered from 1.
    #[must_use]
    pub fn file_name(&self, part: usize) -> String {
        let Days { first, last } = self.days;
        let (name, kind) = (&self.account.name, self.kind);
        format!("{name}_{kind}_{first}_{last}_{part}.csv")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_its_row() {
        let job = Job {
            id: "0b8f1c5e-3c1d-4a52-9d4e-7d6f0a2b1c3d".to_owned(),
            log: LogId(3),
            account: AccountName::new(AccountKind::Enterprise, "octo-ent"),
            kind: ReportKind::AiCredit,
            days: Days {
                first: Day::parse("2026-09-01").expect("a day"),
                last: Day::parse("2026-09-30").expect("a day"),
            },
            cells: Cells::Guarded,
            created_at: Instant::parse("2026-10-02T13:00:00Z").expect("an instant"),
            actor: "monalisa".to_owned(),
            status: Status::Completed,
            attempts: 2,
            reason: Some("the disk was full".to_owned()),
            as_of: Some("account=3;site=2;rules=1".to_owned()),
            parts: vec![ReportFile {
                lines: 1,
                bytes: 2,
                sha256: "00".to_owned(),
            }],
            mail: Some(Mail::Wanted {
                to: "monalisa@example.com".to_owned(),
                attempts: 1,
            }),
        };
        let row = job.row().expect("a row");
        assert_eq!(Job::of(row.clone()).expect("a job"), job);
        assert_eq!(
            job.file_name(1),
            "octo-ent_ai_credit_2026-09-01_2026-09-30_1.csv"
        );
        let foreign = JobRow {
            state: row.state.replace(EXPORT, "other"),
            ..row
        };
        assert!(Job::of(foreign).is_err());
    }

    #[test]
    fn what_remains_of_a_damaged_row_is_a_failed_report() {
        let row = |state: &str| JobRow {
            id: "0b8f1c5e-3c1d-4a52-9d4e-7d6f0a2b1c3d".to_owned(),
            log: LogId(3),
            created_at: Instant::parse("2026-10-02T13:00:00Z").expect("an instant"),
            state: state.to_owned(),
        };
        let octo = AccountName::new(AccountKind::Enterprise, "octo-ent");
        let remains = |state: &str, of_log| {
            let damage = Job::of(row(state)).expect_err("damaged");
            Job::remains(&row(state), &damage, of_log)
        };
        let most = r#"{"job":"usage_report_export","account":"acme","report":"summarized",
            "first":"2026-01-01","last":"2026-09-30","actor":"hubot","status":"lost"}"#;
        let job = remains(most, None).expect("a job");
        assert_eq!(job.account.name.as_str(), "acme");
        assert_eq!(
            (job.kind, job.status),
            (ReportKind::Summarized, Status::Failed)
        );
        assert_eq!(job.days.first.to_string(), "2026-01-01");
        assert!(job.reason.expect("a reason").contains("unknown variant"));
        for nothing in ["", "{", "[]", "null", "{}"] {
            let job = remains(nothing, Some(&octo)).expect("a job");
            assert_eq!((&job.account, job.status), (&octo, Status::Failed));
            assert_eq!(job.days.last.to_string(), "2026-10-02");
            assert_eq!(remains(nothing, None), None);
        }
    }
}
