//! The columns that usage reports have had, and which of them make which layout.
//!
//! Invariant: the layout is told by the header's names alone, whatever their order and letter case.
//! The names are those seen in real reports, and those of the usage report before 2024.

use super::fields::Fields;
use super::physical::Physical;
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
    /// AI credits with the four columns of token counts.
    AiCreditTokens,
    /// The detailed report before 2024, which states no amounts.
    Before2024,
}

impl Layout {
    /// Every layout.
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

    /// The columns without which a line would lose its meaning. The others may be absent: reports
    /// of an organization need not name it, and older layouts have fewer.
    const fn required(self) -> &'static [Column] {
        use Column::{
            Date, Discount, Gross, Model, Multiplier, Net, OldPrice, Price, Product, Quantity,
            Repository, Sku, Unit, User,
        };
        match self {
            Self::Detailed => &[
                Date, Product, Sku, Quantity, Unit, Price, Gross, Discount, Net, User, Repository,
            ],
            Self::Summarized => &[
                Date, Product, Sku, Quantity, Unit, Price, Gross, Discount, Net, Repository,
            ],
            Self::PremiumRequest | Self::AiCredit | Self::AiCreditTokens => &[
                Date, Product, Sku, Quantity, Unit, Price, Gross, Discount, Net, User, Model,
            ],
            Self::Before2024 => &[Date, Product, Sku, Quantity, Unit, OldPrice, Multiplier],
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a header is of no known layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a line of CSV in UTF-8.
    #[error("the header cannot be read: {0}")]
    Malformed(String),
    /// Nothing in it is known.
    #[error("this is not the header of a usage report; {}", Understood)]
    Unknown,
    /// The export of single interactions, which states neither SKU nor price.
    #[error(
        "this is the export of premium interactions, which states no SKU, price or amount; \
         download the premium_request report instead ({})",
        Understood
    )]
    Interactions,
    /// A column is missing.
    #[error(
        "column {column} is missing from what looks like the {layout} report; {}",
        Understood
    )]
    Missing {
        /// What the other columns look like.
        layout: Layout,
        /// The current name of what is missing.
        column: &'static str,
    },
    /// Two columns have the same meaning.
    #[error("columns {first} and {second} have the same meaning")]
    Duplicate {
        /// The one on the left.
        first: String,
        /// The one on the right.
        second: String,
    },
}

/// Says which reports are understood.
struct Understood;

impl fmt::Display for Understood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("understood are:")?;
        for (index, layout) in Layout::ALL.into_iter().enumerate() {
            write!(f, "{} {layout}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
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
const COLUMNS: usize = NAMES.len();

/// Every column in the order of [`Column`], with its names in lower case, the current one first.
const NAMES: &[(Column, &[&str])] = &[
    (Column::Date, &["date", "formatted_date"]),
    (Column::UsedAt, &["usage_at"]),
    (Column::Product, &["product"]),
    (Column::Sku, &["sku"]),
    (Column::Quantity, &["quantity"]),
    (Column::Unit, &["unit_type", "unit type"]),
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
    (Column::InputTokens, &["input"]),
    (Column::OutputTokens, &["output"]),
    (Column::CacheReadTokens, &["cache_read"]),
    (Column::CacheWriteTokens, &["cache_write"]),
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

    const fn current_name(self) -> &'static str {
        NAMES[self as usize].1[0]
    }
}

/// Which field of a line is which column.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    places: [Option<usize>; COLUMNS],
    /// The header as it is written.
    headers: Vec<String>,
    unknown: Vec<String>,
    last: Option<Column>,
    last_is_quoted: bool,
}

impl Columns {
    /// Reads a header.
    pub(super) fn read(physical: &Physical<'_>) -> Result<(Self, Layout), HeaderError> {
        let bytes = physical.bytes;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let malformed = |reason: String| HeaderError::Malformed(reason);
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".into()))?;
        if text.chars().any(char::is_control) {
            return Err(malformed("it holds a control character".into()));
        }
        let mut fields = Fields::default();
        let split = fields.split(text);
        split.map_err(|(_, error)| malformed(error.to_string()))?;
        let mut columns = Self {
            places: [None; COLUMNS],
            headers: Vec::new(),
            unknown: Vec::new(),
            last: None,
            last_is_quoted: fields.last_is_quoted(),
        };
        for index in 0..fields.len() {
            columns.add(fields.get(text, index))?;
        }
        let layout = columns.layout()?;
        Ok((columns, layout))
    }

    /// The field that holds a column.
    pub(super) fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    /// How many fields a line must have.
    pub(super) fn len(&self) -> usize {
        self.headers.len()
    }

    /// A field's header as it is written.
    pub(super) fn header(&self, index: usize) -> Option<&str> {
        self.headers.get(index).map(String::as_str)
    }

    /// What the last column means, when it is known.
    pub(super) fn last(&self) -> Option<Column> {
        self.last
    }

    /// Whether the header's last name stands in quotes.
    pub(super) fn last_is_quoted(&self) -> bool {
        self.last_is_quoted
    }

    /// The columns that no layout has.
    pub(super) fn into_unknown(self) -> Vec<String> {
        self.unknown
    }

    fn add(&mut self, header: &str) -> Result<(), HeaderError> {
        let name = header.trim().to_ascii_lowercase();
        let known = NAMES
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()));
        self.last = known.map(|(column, _)| *column);
        match self.last {
            None => self.unknown.push(header.to_owned()),
            Some(column) => {
                let place = &mut self.places[column as usize];
                if let Some(first) = place.replace(self.headers.len()) {
                    return Err(HeaderError::Duplicate {
                        first: self.headers[first].clone(),
                        second: header.to_owned(),
                    });
                }
            }
        }
        self.headers.push(header.to_owned());
        Ok(())
    }

    fn layout(&self) -> Result<Layout, HeaderError> {
        let has = |column| self.place(column).is_some();
        let written = |name: &str| {
            self.headers
                .iter()
                .any(|h| h.trim().eq_ignore_ascii_case(name))
        };
        if written("Requests Used") {
            return Err(HeaderError::Interactions);
        }
        if !has(Column::Product) && !has(Column::Sku) && !has(Column::Quantity) {
            return Err(HeaderError::Unknown);
        }
        let layout = if has(Column::OldPrice) {
            Layout::Before2024
        } else if has(Column::ExceedsQuota) {
            Layout::PremiumRequest
        } else if has(Column::InputTokens) || has(Column::CacheReadTokens) {
            Layout::AiCreditTokens
        } else if has(Column::Model) || has(Column::AicQuantity) {
            Layout::AiCredit
        } else if has(Column::User) || has(Column::WorkflowPath) || has(Column::WorkflowName) {
            Layout::Detailed
        } else {
            Layout::Summarized
        };
        for &column in layout.required() {
            // An instant says the day, too.
            let instead = column == Column::Date && has(Column::UsedAt);
            if !has(column) && !instead {
                let column = column.current_name();
                return Err(HeaderError::Missing { layout, column });
            }
        }
        Ok(layout)
    }
}
