//! The columns that usage reports have had, and which of them make which layout.
//!
//! Invariant: these two tables are the only list of columns and layouts. The names are those seen
//! in real reports, and those of the usage report before 2024. Look next: [`super::header`], which
//! tells the layout of a header.

use std::fmt;
use tallybook_core::report::ReportKind;

/// The layouts that are understood.
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

impl Layout {
    /// Every layout. Of two that fit a header equally well, the one that stands first is meant.
    pub const ALL: [Self; 6] = [
        Self::Detailed,
        Self::Summarized,
        Self::PremiumRequest,
        Self::AiCredit,
        Self::AiCreditTokens,
        Self::Before2024,
    ];

    /// The kind of report that it is a layout of.
    #[must_use]
    pub const fn kind(self) -> ReportKind {
        match self {
            Self::Detailed | Self::Before2024 => ReportKind::Detailed,
            Self::Summarized => ReportKind::Summarized,
            Self::PremiumRequest => ReportKind::PremiumRequest,
            Self::AiCredit | Self::AiCreditTokens => ReportKind::AiCredit,
        }
    }

    /// How people call it.
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

    /// The columns without which a line would lose its meaning.
    pub(super) const fn required(self) -> &'static [Column] {
        use Column::{
            Date, Discount, ExceedsQuota, Gross, InputTokens, Model, Net, OldPrice, Price, Product,
            Quantity, Repository, Sku, Unit, User,
        };
        match self {
            Self::Detailed => &[
                Date, Product, Sku, Quantity, Unit, Price, Gross, Discount, Net, User, Repository,
            ],
            Self::Summarized => &[
                Date, Product, Sku, Quantity, Unit, Price, Gross, Discount, Net, Repository,
            ],
            Self::PremiumRequest => &[
                Date,
                User,
                Product,
                Sku,
                Model,
                Quantity,
                Unit,
                Price,
                Gross,
                Discount,
                Net,
                ExceedsQuota,
            ],
            Self::AiCredit => &[
                Date, User, Product, Sku, Model, Quantity, Unit, Price, Gross, Discount, Net,
            ],
            Self::AiCreditTokens => &[
                Date,
                User,
                Product,
                Sku,
                Model,
                Quantity,
                Unit,
                Price,
                Gross,
                Discount,
                Net,
                InputTokens,
            ],
            Self::Before2024 => &[Date, Product, Sku, Quantity, Unit, OldPrice],
        }
    }

    /// The columns that it may have besides: reports of an organization need not name it, and older
    /// reports have fewer.
    const fn optional(self) -> &'static [Column] {
        use Column::{
            AicGross, AicQuantity, CacheReadTokens, CacheWriteTokens, CostCenter, Multiplier,
            Notes, Organization, OutputTokens, Repository, TotalMonthlyQuota, UsedAt, User,
            WorkflowName, WorkflowPath,
        };
        match self {
            Self::Detailed => &[UsedAt, Organization, WorkflowName, WorkflowPath, CostCenter],
            Self::Summarized => &[UsedAt, Organization, CostCenter],
            Self::PremiumRequest => &[
                TotalMonthlyQuota,
                Organization,
                CostCenter,
                AicQuantity,
                AicGross,
            ],
            Self::AiCredit => &[
                TotalMonthlyQuota,
                Organization,
                Repository,
                CostCenter,
                AicQuantity,
                AicGross,
            ],
            Self::AiCreditTokens => &[
                TotalMonthlyQuota,
                Organization,
                Repository,
                CostCenter,
                AicQuantity,
                AicGross,
                OutputTokens,
                CacheReadTokens,
                CacheWriteTokens,
            ],
            Self::Before2024 => &[
                Multiplier,
                Organization,
                Repository,
                User,
                WorkflowPath,
                Notes,
            ],
        }
    }

    /// Whether it has a column, required or not.
    pub(super) fn has(self, column: Column) -> bool {
        self.required().contains(&column) || self.optional().contains(&column)
    }

    #[cfg(test)]
    pub(super) fn required_names(self) -> Vec<&'static str> {
        let names = self.required().iter();
        names.map(|column| column.current_name()).collect()
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Date,
    UsedAt,
    Product,
    Sku,
    Quantity,
    Unit,
    Price,
    Gross,
    Discount,
    Net,
    User,
    Organization,
    Repository,
    WorkflowPath,
    WorkflowName,
    CostCenter,
    Model,
    ExceedsQuota,
    TotalMonthlyQuota,
    AicQuantity,
    AicGross,
    InputTokens,
    OutputTokens,
    CacheReadTokens,
    CacheWriteTokens,
    OldPrice,
    Multiplier,
    Notes,
}

/// How many there are.
pub(super) const COLUMNS: usize = NAMES.len();

/// Every column in the order of [`Column`], with its names in lower case, the current one first.
const NAMES: &[(Column, &[&str])] = &[
    (Column::Date, &["date", "formatted_date"]),
    (Column::UsedAt, &["usage_at"]),
    (Column::Product, &["product"]),
    (Column::Sku, &["sku"]),
    (Column::Quantity, &["quantity"]),
    (Column::Unit, &["unit_type", "unit type", "units"]),
    (Column::Price, &["applied_cost_per_quantity"]),
    (Column::Gross, &["gross_amount"]),
    (Column::Discount, &["discount_amount"]),
    (Column::Net, &["net_amount"]),
    (Column::User, &["username"]),
    (Column::Organization, &["organization", "owner"]),
    (
        Column::Repository,
        &["repository", "repository_name", "repository slug"],
    ),
    (Column::WorkflowPath, &["workflow_path", "actions workflow"]),
    (Column::WorkflowName, &["workflow_name"]),
    (Column::CostCenter, &["cost_center_name"]),
    (Column::Model, &["model"]),
    (Column::ExceedsQuota, &["exceeds_quota"]),
    (Column::TotalMonthlyQuota, &["total_monthly_quota"]),
    (Column::AicQuantity, &["aic_quantity"]),
    (Column::AicGross, &["aic_gross_amount"]),
    (Column::InputTokens, &["input", "total_input_tokens"]),
    (Column::OutputTokens, &["output", "total_output_tokens"]),
    (
        Column::CacheReadTokens,
        &["cache_read", "total_cache_read_tokens"],
    ),
    (
        Column::CacheWriteTokens,
        &[
            "cache_write",
            "total_cache_write_tokens",
            "total_cache_creation_tokens",
        ],
    ),
    (Column::OldPrice, &["price per unit ($)", "price per unit"]),
    (Column::Multiplier, &["multiplier"]),
    (Column::Notes, &["notes"]),
];

impl Column {
    /// Whether a digit cut off at its end would leave another number.
    pub(super) const fn is_number(self) -> bool {
        use Column::{
            AicGross, AicQuantity, CacheReadTokens, CacheWriteTokens, Discount, Gross, InputTokens,
            Multiplier, Net, OldPrice, OutputTokens, Price, Quantity, TotalMonthlyQuota,
        };
        matches!(
            self,
            Quantity
                | Price
                | Gross
                | Discount
                | Net
                | TotalMonthlyQuota
                | AicQuantity
                | AicGross
                | InputTokens
                | OutputTokens
                | CacheReadTokens
                | CacheWriteTokens
                | OldPrice
                | Multiplier
        )
    }

    /// What it is called in the newest reports.
    pub(super) const fn current_name(self) -> &'static str {
        NAMES[self as usize].1[0]
    }

    /// The column that a header's field is, in any case of letters.
    pub(super) fn of_header(header: &str) -> Option<Self> {
        let name = header.trim().to_ascii_lowercase();
        let known = NAMES
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()));
        known.map(|(column, _)| *column)
    }
}
