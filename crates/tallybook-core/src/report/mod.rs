//! Usage reports: their kinds, columns, layouts and lines.
//!
//! What, not how: reading CSV is the program's job (`tallybook::import`), writing it that of
//! [`crate::export`].
//! Look next: [`column`] and [`layout`], the only lists of columns and layouts.

pub mod column;
pub mod layout;

pub use column::Column;
pub use layout::Layout;

use crate::money::{Amount, Price, Quantity};
use crate::time::{Hour, Instant};
use std::fmt;
use std::sync::Arc;

/// The kinds of usage report, coarsest first: where two cover the same usage, the finer one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportKind {
    /// Per day, SKU, organization, repository and cost center.
    Summarized,
    /// The same per user and workflow.
    Detailed,
    /// Premium requests per user and model.
    PremiumRequest,
    /// AI credits per user and model, with token counts.
    AiCredit,
}

impl ReportKind {
    /// Every kind, coarsest first.
    pub const ALL: [Self; 4] = [
        Self::Summarized,
        Self::Detailed,
        Self::PremiumRequest,
        Self::AiCredit,
    ];

    /// GitHub's `report_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summarized => "summarized",
            Self::Detailed => "detailed",
            Self::PremiumRequest => "premium_request",
            Self::AiCredit => "ai_credit",
        }
    }

    /// The kind of a `report_type`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether the report covers every SKU, not only those of its own kind.
    #[must_use]
    pub const fn covers_every_sku(self) -> bool {
        matches!(self, Self::Summarized | Self::Detailed)
    }

    /// Whether reports of this kind are about a SKU that belongs to `report`, one of the two
    /// request-level reports.
    #[must_use]
    pub fn is_about(self, report: Option<Self>) -> bool {
        self.covers_every_sku() || report == Some(self)
    }
}

impl fmt::Display for ReportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of a usage report. An absent name is `""`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// The hour of use; the day's first hour when the report knows only the day.
    pub hour: Hour,
    /// As the report spells it: `actions`.
    pub product: &'a str,
    /// As the report spells it: `actions_linux`.
    pub sku: &'a str,
    /// As the report spells it: `minutes`.
    pub unit: &'a str,
    /// The organization's login.
    pub organization: &'a str,
    /// The repository, bare or as `owner/name`.
    pub repository: &'a str,
    /// The user's login.
    pub user: &'a str,
    /// The AI model.
    pub model: &'a str,
    /// The workflow's path.
    pub workflow: &'a str,
    /// The cost center's name.
    pub cost_center: &'a str,
    /// How much was used.
    pub quantity: Quantity,
    /// The price that the report states.
    pub price: Price,
    /// The gross amount that the report states.
    pub gross: Amount,
    /// The discount that the report states; net is gross - discount.
    pub discount: Amount,
    /// Columns that only some layouts have.
    pub extras: Extras<'a>,
}

/// Columns that only some layouts have, or none has: kept in the ledger, the former for exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras<'a> {
    /// `exceeds_quota`.
    pub exceeds_quota: Option<bool>,
    /// `total_monthly_quota`: a number, or `Unlimited`.
    pub total_monthly_quota: &'a str,
    /// `aic_quantity`.
    pub aic_quantity: Option<Quantity>,
    /// `aic_gross_amount`.
    pub aic_gross_amount: Option<Amount>,
    /// `input`, `output`, `cache_read`, `cache_write`: tokens.
    pub tokens: [Option<Quantity>; 4],
    /// `workflow_name`.
    pub workflow_name: &'a str,
    /// `usage_at`, to the second.
    pub used_at: Option<Instant>,
    /// `Multiplier` of the layout before 2024.
    pub multiplier: Option<Quantity>,
    /// `Notes` of the layout before 2024.
    pub notes: &'a str,
    /// The non-empty texts in columns that no layout has, each with its heading, which occurs at
    /// most once.
    pub unknown: Vec<(Arc<str>, &'a str)>,
}
