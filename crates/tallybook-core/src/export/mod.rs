//! Usage reports as they are written: columns, grouping, order and bytes of GitHub's CSV files.
//!
//! Invariant: a row is the exact sum of its lines, each line in exactly one row, so that a report
//! adds up to what every other view of the same usage says. Every field is quoted, an absent one is
//! empty, lines end in CRLF, and a file begins with a byte order mark and its header.
//! Look next: [`lines`] for detailed and summarized reports, [`requests`] for the two others; the
//! columns that are read are in the program's `import/layout`.

mod fields;
pub mod lines;
pub mod requests;
mod tokens;

use crate::report::ReportKind;
use crate::time::Day;
pub use fields::Cells;
use fields::append_quoted;

/// The columns of the reports that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The day, UTC.
    Date,
    /// The product's id.
    Product,
    /// The SKU's id.
    Sku,
    /// Units used.
    Quantity,
    /// The unit's id.
    Unit,
    /// Dollars per unit.
    Price,
    /// Dollars at that price.
    Gross,
    /// Dollars taken off.
    Discount,
    /// Dollars left.
    Net,
    /// The user's login.
    User,
    /// The organization's login.
    Organization,
    /// The repository's own name.
    Repository,
    /// The workflow's path.
    WorkflowPath,
    /// The cost center's name.
    CostCenter,
    /// The AI model.
    Model,
    /// Whether the usage is beyond what is included.
    ExceedsQuota,
    /// What is included in a month.
    TotalMonthlyQuota,
    /// AI credits that the usage would be.
    AicQuantity,
    /// Their gross amount.
    AicGross,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Tokens read from a cache.
    CacheReadTokens,
    /// Tokens written to a cache.
    CacheWriteTokens,
}

impl Column {
    /// The name in the header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Product => "product",
            Self::Sku => "sku",
            Self::Quantity => "quantity",
            Self::Unit => "unit_type",
            Self::Price => "applied_cost_per_quantity",
            Self::Gross => "gross_amount",
            Self::Discount => "discount_amount",
            Self::Net => "net_amount",
            Self::User => "username",
            Self::Organization => "organization",
            Self::Repository => "repository",
            Self::WorkflowPath => "workflow_path",
            Self::CostCenter => "cost_center_name",
            Self::Model => "model",
            Self::ExceedsQuota => "exceeds_quota",
            Self::TotalMonthlyQuota => "total_monthly_quota",
            Self::AicQuantity => "aic_quantity",
            Self::AicGross => "aic_gross_amount",
            Self::InputTokens => "input",
            Self::OutputTokens => "output",
            Self::CacheReadTokens => "cache_read",
            Self::CacheWriteTokens => "cache_write",
        }
    }
}

/// The columns of a kind of report, in their order. GitHub only ever appends columns, and programs
/// that read the AI-credit report refuse another order of its first seventeen.
#[must_use]
pub const fn columns(kind: ReportKind) -> &'static [Column] {
    use Column::{
        AicGross, AicQuantity, CacheReadTokens, CacheWriteTokens, CostCenter, Date, Discount,
        ExceedsQuota, Gross, InputTokens, Model, Net, Organization, OutputTokens, Price, Product,
        Quantity, Repository, Sku, TotalMonthlyQuota, Unit, User, WorkflowPath,
    };
    match kind {
        ReportKind::Detailed => &[
            Date,
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
            CostCenter,
        ],
        ReportKind::Summarized => &[
            Date,
            Product,
            Sku,
            Quantity,
            Unit,
            Price,
            Gross,
            Discount,
            Net,
            Organization,
            Repository,
            CostCenter,
        ],
        ReportKind::PremiumRequest => &[
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
            TotalMonthlyQuota,
            Organization,
            CostCenter,
            AicQuantity,
            AicGross,
        ],
        ReportKind::AiCredit => &[
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
            TotalMonthlyQuota,
            Organization,
            Repository,
            CostCenter,
            AicQuantity,
            AicGross,
            InputTokens,
            OutputTokens,
            CacheReadTokens,
            CacheWriteTokens,
        ],
    }
}

/// The most days that one report may cover.
#[must_use]
pub const fn most_days(kind: ReportKind) -> i32 {
    match kind {
        ReportKind::Summarized => 366,
        ReportKind::Detailed | ReportKind::PremiumRequest | ReportKind::AiCredit => 31,
    }
}

/// The most lines of one file, its header not counted; what is more goes into further files.
pub const MOST_LINES: u64 = 1_000_000;

/// What every file begins with: the byte order mark and the header.
#[must_use]
pub fn head(kind: ReportKind) -> Vec<u8> {
    let mut out = b"\xef\xbb\xbf".to_vec();
    for (place, column) in columns(kind).iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        append_quoted(&mut out, column.name());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Which days a report is about, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: Day,
    /// The last.
    pub last: Day,
}

impl Days {
    /// Whether a day is among them.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// How many they are; none or fewer when the last is before the first.
    #[must_use]
    pub fn count(&self) -> i32 {
        self.last.index() - self.first.index() + 1
    }
}
