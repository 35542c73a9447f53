//! The layouts of usage reports over time: which columns, in which order, and which of them are
//! required.
//!
//! Invariant: the only list of layouts; reading and writing share it, so a written report can be
//! read back. Look next: [`super::column`] for the headings of each column.

use super::{Column, ReportKind};
use std::fmt;

/// The supported layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// Per user and workflow: `date` (or `formatted_date`, `usage_at`) to `cost_center_name`.
    Detailed,
    /// The same without users and workflows.
    Summarized,
    /// Premium requests, with `exceeds_quota`.
    PremiumRequest,
    /// AI credits, with a model and without `exceeds_quota`.
    AiCredit,
    /// AI credits with columns of token counts.
    AiCreditTokens,
    /// The detailed report before 2024, which states no amounts.
    Before2024,
}

/// The role of a column in a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// Without it a line would lose its meaning.
    Required,
    /// A report may lack it: an organization's report need not name the organization, and older
    /// reports have fewer columns.
    Optional,
    /// Optional, and read only: GitHub wrote it once, or only in some files.
    ReadOnly,
}

use Presence::{Optional, ReadOnly, Required};

const DETAILED: &[(Column, Presence)] = &[
    (Column::Date, Required),
    (Column::Product, Required),
    (Column::Sku, Required),
    (Column::Quantity, Required),
    (Column::Unit, Required),
    (Column::Price, Required),
    (Column::Gross, Required),
    (Column::Discount, Required),
    (Column::Net, Required),
    (Column::User, Required),
    (Column::Organization, Optional),
    (Column::Repository, Required),
    (Column::WorkflowPath, Optional),
    (Column::CostCenter, Optional),
    (Column::UsedAt, ReadOnly),
    (Column::WorkflowName, ReadOnly),
];

const SUMMARIZED: &[(Column, Presence)] = &[
    (Column::Date, Required),
    (Column::Product, Required),
    (Column::Sku, Required),
    (Column::Quantity, Required),
    (Column::Unit, Required),
    (Column::Price, Required),
    (Column::Gross, Required),
    (Column::Discount, Required),
    (Column::Net, Required),
    (Column::Organization, Optional),
    (Column::Repository, Required),
    (Column::CostCenter, Optional),
    (Column::UsedAt, ReadOnly),
];

const PREMIUM_REQUEST: &[(Column, Presence)] = &[
    (Column::Date, Required),
    (Column::User, Required),
    (Column::Product, Required),
    (Column::Sku, Required),
    (Column::Model, Required),
    (Column::Quantity, Required),
    (Column::Unit, Required),
    (Column::Price, Required),
    (Column::Gross, Required),
    (Column::Discount, Required),
    (Column::Net, Required),
    (Column::ExceedsQuota, Required),
    (Column::TotalMonthlyQuota, Optional),
    (Column::Organization, Optional),
    (Column::CostCenter, Optional),
    (Column::AicQuantity, Optional),
    (Column::AicGross, Optional),
];

const AI_CREDIT_TOKENS: &[(Column, Presence)] = &[
    (Column::Date, Required),
    (Column::User, Required),
    (Column::Product, Required),
    (Column::Sku, Required),
    (Column::Model, Required),
    (Column::Quantity, Required),
    (Column::Unit, Required),
    (Column::Price, Required),
    (Column::Gross, Required),
    (Column::Discount, Required),
    (Column::Net, Required),
    (Column::TotalMonthlyQuota, Optional),
    (Column::Organization, Optional),
    (Column::Repository, Optional),
    (Column::CostCenter, Optional),
    (Column::AicQuantity, Optional),
    (Column::AicGross, Optional),
    (Column::InputTokens, Required),
    (Column::OutputTokens, Optional),
    (Column::CacheReadTokens, Optional),
    (Column::CacheWriteTokens, Optional),
];

/// How many columns AI-credit reports had before token counts were appended. Programs that read
/// them refuse any other order of these.
const WITHOUT_TOKENS: usize = 17;

const AI_CREDIT: &[(Column, Presence)] = AI_CREDIT_TOKENS.split_at(WITHOUT_TOKENS).0;

const BEFORE_2024: &[(Column, Presence)] = &[
    (Column::Date, Required),
    (Column::Product, Required),
    (Column::Sku, Required),
    (Column::Quantity, Required),
    (Column::Unit, Required),
    (Column::OldPrice, Required),
    (Column::Multiplier, Optional),
    (Column::Organization, Optional),
    (Column::Repository, Optional),
    (Column::User, Optional),
    (Column::WorkflowPath, Optional),
    (Column::Notes, Optional),
];

impl Layout {
    /// Every layout. Of two that fit a header equally well, the first one wins.
    pub const ALL: [Self; 6] = [
        Self::Detailed,
        Self::Summarized,
        Self::PremiumRequest,
        Self::AiCredit,
        Self::AiCreditTokens,
        Self::Before2024,
    ];

    /// The layout in which reports of a kind are written.
    #[must_use]
    pub const fn written(kind: ReportKind) -> Self {
        match kind {
            ReportKind::Detailed => Self::Detailed,
            ReportKind::Summarized => Self::Summarized,
            ReportKind::PremiumRequest => Self::PremiumRequest,
            ReportKind::AiCredit => Self::AiCreditTokens,
        }
    }

    /// The kind of report that has this layout.
    #[must_use]
    pub const fn kind(self) -> ReportKind {
        match self {
            Self::Detailed | Self::Before2024 => ReportKind::Detailed,
            Self::Summarized => ReportKind::Summarized,
            Self::PremiumRequest => ReportKind::PremiumRequest,
            Self::AiCredit | Self::AiCreditTokens => ReportKind::AiCredit,
        }
    }

    /// Its display name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detailed => "detailed",
            Self::Summarized => "summarized",
            Self::PremiumRequest => "premium_request",
            Self::AiCredit => "ai_credit",
            Self::AiCreditTokens => "ai_credit with token counts",
            Self::Before2024 => "usage report before 2024",
        }
    }

    const fn table(self) -> &'static [(Column, Presence)] {
        match self {
            Self::Detailed => DETAILED,
            Self::Summarized => SUMMARIZED,
            Self::PremiumRequest => PREMIUM_REQUEST,
            Self::AiCredit => AI_CREDIT,
            Self::AiCreditTokens => AI_CREDIT_TOKENS,
            Self::Before2024 => BEFORE_2024,
        }
    }

    /// The columns of a written report, in order. GitHub only ever appends columns, and programs
    /// that read the AI-credit report reject any other order of its first seventeen.
    pub fn columns(self) -> impl Iterator<Item = Column> {
        let written = self.table().iter().filter(|(_, it)| *it != ReadOnly);
        written.map(|(column, _)| *column)
    }

    /// The columns without which a line would lose its meaning.
    pub fn required(self) -> impl Iterator<Item = Column> {
        let required = self.table().iter().filter(|(_, it)| *it == Required);
        required.map(|(column, _)| *column)
    }

    /// Whether it has a column, required or not.
    #[must_use]
    pub fn has(self, column: Column) -> bool {
        self.table().iter().any(|(own, _)| *own == column)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
