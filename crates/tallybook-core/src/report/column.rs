//! The columns of usage reports, and what reports call them.
//!
//! Invariant: the only list of columns and their names. The names come from real reports, including
//! the pre-2024 usage report. Look next: [`super::layout`], which says which report has which
//! columns.

/// What a column of a usage report means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The day, UTC.
    Date,
    /// The instant of use, or its day.
    UsedAt,
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
    /// The repository's own name, or `owner/name`.
    Repository,
    /// The workflow's path.
    WorkflowPath,
    /// The workflow's name.
    WorkflowName,
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
    /// Dollars per unit before 2024, including the multiplier.
    OldPrice,
    /// The number of Linux units that a unit costs, before 2024.
    Multiplier,
    /// Notes, before 2024.
    Notes,
}

impl Column {
    /// Every column, in the order of the type.
    pub const ALL: [Self; 28] = [
        Self::Date,
        Self::UsedAt,
        Self::Product,
        Self::Sku,
        Self::Quantity,
        Self::Unit,
        Self::Price,
        Self::Gross,
        Self::Discount,
        Self::Net,
        Self::User,
        Self::Organization,
        Self::Repository,
        Self::WorkflowPath,
        Self::WorkflowName,
        Self::CostCenter,
        Self::Model,
        Self::ExceedsQuota,
        Self::TotalMonthlyQuota,
        Self::AicQuantity,
        Self::AicGross,
        Self::InputTokens,
        Self::OutputTokens,
        Self::CacheReadTokens,
        Self::CacheWriteTokens,
        Self::OldPrice,
        Self::Multiplier,
        Self::Notes,
    ];

    /// Its headings, in lower case; the first is the one in current reports and the one written.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Date => &["date", "formatted_date"],
            Self::UsedAt => &["usage_at"],
            Self::Product => &["product"],
            Self::Sku => &["sku"],
            Self::Quantity => &["quantity"],
            Self::Unit => &["unit_type", "unit type", "units"],
            Self::Price => &["applied_cost_per_quantity"],
            Self::Gross => &["gross_amount"],
            Self::Discount => &["discount_amount"],
            Self::Net => &["net_amount"],
            Self::User => &["username"],
            Self::Organization => &["organization", "owner"],
            Self::Repository => &["repository", "repository_name", "repository slug"],
            Self::WorkflowPath => &["workflow_path", "actions workflow"],
            Self::WorkflowName => &["workflow_name"],
            Self::CostCenter => &["cost_center_name"],
            Self::Model => &["model"],
            Self::ExceedsQuota => &["exceeds_quota"],
            Self::TotalMonthlyQuota => &["total_monthly_quota"],
            Self::AicQuantity => &["aic_quantity"],
            Self::AicGross => &["aic_gross_amount"],
            Self::InputTokens => &["input", "total_input_tokens"],
            Self::OutputTokens => &["output", "total_output_tokens"],
            Self::CacheReadTokens => &["cache_read", "total_cache_read_tokens"],
            Self::CacheWriteTokens => &[
                "cache_write",
                "total_cache_write_tokens",
                "total_cache_creation_tokens",
            ],
            Self::OldPrice => &["price per unit ($)", "price per unit"],
            Self::Multiplier => &["multiplier"],
            Self::Notes => &["notes"],
        }
    }

    /// Its heading in current reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.names()[0]
    }

    /// The column that a heading names, ignoring case.
    #[must_use]
    pub fn of_heading(heading: &str) -> Option<Self> {
        let name = heading.trim().to_ascii_lowercase();
        let is_named = |column: &Self| column.names().contains(&name.as_str());
        Self::ALL.into_iter().find(is_named)
    }

    /// Whether truncating a value would leave a different valid number.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Quantity
                | Self::Price
                | Self::Gross
                | Self::Discount
                | Self::Net
                | Self::TotalMonthlyQuota
                | Self::AicQuantity
                | Self::AicGross
                | Self::InputTokens
                | Self::OutputTokens
                | Self::CacheReadTokens
                | Self::CacheWriteTokens
                | Self::OldPrice
                | Self::Multiplier
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn columns_are_listed_in_their_order_and_no_two_share_a_name() {
        let mut names = BTreeSet::new();
        for (place, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column as usize, place, "{column:?}");
            for name in column.names() {
                assert!(names.insert(name), "{name}");
                assert_eq!(Column::of_heading(&name.to_uppercase()), Some(column));
            }
        }
    }
}
