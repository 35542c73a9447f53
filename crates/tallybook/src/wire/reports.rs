//! The bodies of usage report exports.
//!
//! Invariant: `download_urls` is present only when a report is completed, as in the schema.

use serde::Serialize;
use utoipa::ToSchema;

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageReportExport {
    /// A UUID.
    pub id: String,
    /// `detailed`, `summarized`, `premium_request` or `ai_credit`.
    pub report_type: &'static str,
    /// The first day.
    pub start_date: String,
    /// The last day.
    pub end_date: String,
    /// `processing`, `completed` or `failed`.
    pub status: &'static str,
    /// Where its files are, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub download_urls: Option<Vec<String>>,
    /// When it was asked for.
    pub created_at: String,
    /// Who asked.
    pub actor: String,
}

/// Every report of an enterprise, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageReportExports {
    /// The reports.
    pub usage_report_exports: Vec<UsageReportExport>,
}
