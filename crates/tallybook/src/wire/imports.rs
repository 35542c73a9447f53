//! The bodies of `/metering/v1/.../imports`, and what `tallybook import` prints.
//!
//! Invariant: amounts and quantities are exact decimal numbers, as everywhere on the wire.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use tallybook_core::ledger::owners::CellSum;
use tallybook_core::query::Totals;
use utoipa::ToSchema;

/// A decimal number that never was a float.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = f64)]
pub struct Decimal(Box<RawValue>);

impl Decimal {
    /// The number that a fixed-point value prints.
    #[must_use]
    pub fn new(value: impl fmt::Display) -> Self {
        // A fixed-point value prints a plain decimal, which is always a JSON number.
        let text = value.to_string();
        Self(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

/// One import.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImportAnswer {
    /// Its id, for `GET` and `DELETE`.
    pub id: String,
    /// Whose usage it is.
    pub account: AccountAnswer,
    /// The organization to which the import is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// `live` or `reverted`.
    pub state: String,
    /// When it was imported.
    pub created_at: String,
    /// When it was reverted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverted_at: Option<String>,
    /// Lines that it holds.
    pub lines: u64,
    /// The first day that has a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_day: Option<String>,
    /// The last day that has a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_day: Option<String>,
    /// Its files.
    pub files: Vec<FileAnswer>,
    /// Sums by product.
    pub products: Vec<ProductSum>,
    /// Sums by SKU and unit.
    pub skus: Vec<SkuSumAnswer>,
    /// What it hides, and what hides it.
    pub overlaps: Vec<OverlapAnswer>,
    /// Only in the answer to the import itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingAnswer>,
}

/// What only the answer to the import itself says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReadingAnswer {
    /// The same bytes were live already, so that nothing was changed.
    pub repeated: bool,
    /// What did not exist before.
    pub created: CreatedAnswer,
    /// Usage that events have reported for the same days and SKUs, too: both count.
    #[serde(default)]
    pub also_metered: Vec<AlsoMeteredAnswer>,
    /// Files that state usage of the same days and were joined as parts of one report: both count.
    #[serde(default)]
    pub joined: Vec<JoinedFilesAnswer>,
    /// The first lines that were left out on request.
    pub skipped: Vec<String>,
    /// Columns that no layout has: kept with the lines, as they are.
    pub unknown_columns: Vec<String>,
    /// Lines whose stated net differed from gross - discount within the tolerance.
    pub adjusted_nets: u64,
    /// How long reading and committing took, in milliseconds.
    pub milliseconds: u64,
    /// Lines a second.
    pub lines_per_second: u64,
}

/// A kind and a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountAnswer {
    /// `enterprise`, `organization` or `user`.
    pub kind: String,
    /// The slug or login.
    pub name: String,
}

/// One file of an import.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileAnswer {
    /// As it was called.
    pub name: String,
    /// `detailed`, `summarized`, `premium_request` or `ai_credit`.
    pub kind: String,
    /// The layout of its header.
    pub layout: String,
    /// BLAKE3 of its decompressed bytes.
    pub digest: String,
    /// Decompressed bytes.
    pub bytes: u64,
    /// Lines imported.
    pub lines: u64,
    /// Lines left out on request.
    pub skipped_lines: u64,
}

/// What a product adds up to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProductSum {
    /// As the report spells it.
    pub product: String,
    /// Lines and amounts.
    pub totals: AmountSum,
}

/// What a SKU adds up to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SkuSumAnswer {
    /// As the report spells it.
    pub product: String,
    /// As the report spells it.
    pub sku: String,
    /// As the report spells it.
    pub unit: String,
    /// Quantity.
    pub quantity: Decimal,
    /// Lines and amounts.
    pub totals: AmountSum,
}

/// Lines and their amounts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AmountSum {
    /// Lines.
    pub lines: u64,
    /// Gross amount, in US dollars.
    pub gross_amount: Decimal,
    /// Discount, in US dollars.
    pub discount_amount: Decimal,
    /// Net amount, in US dollars.
    pub net_amount: Decimal,
}

impl AmountSum {
    /// From lines and totals.
    #[must_use]
    pub fn new(lines: u64, totals: &Totals) -> Self {
        Self {
            lines,
            gross_amount: Decimal::new(totals.gross),
            discount_amount: Decimal::new(totals.discount),
            net_amount: Decimal::new(totals.net()),
        }
    }
}

/// Two imports that hold the same usage: one counts, the other is hidden.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OverlapAnswer {
    /// What is hidden.
    pub hidden: OverlapSide,
    /// What counts instead.
    pub counted: OverlapSide,
}

/// One side of an overlap.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OverlapSide {
    /// The import.
    pub import: String,
    /// The kind of report.
    pub kind: String,
    /// The sums of the days, SKUs and organizations that both hold.
    pub totals: AmountSum,
}

impl OverlapSide {
    /// From an import, a kind and its sums.
    #[must_use]
    pub fn new(import: &impl ToString, kind: &impl ToString, sum: &CellSum) -> Self {
        let (import, kind) = (import.to_string(), kind.to_string());
        Self {
            import,
            kind,
            totals: AmountSum::new(sum.lines, &sum.totals),
        }
    }
}

/// A SKU of which the import and usage events both state usage on the same days.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlsoMeteredAnswer {
    /// The SKU's id.
    pub sku: String,
    /// The first day that both have.
    pub first_day: String,
    /// The last one.
    pub last_day: String,
    /// How many days both have.
    pub days: u32,
    /// What the import states of these days.
    pub imported: MeteredSide,
    /// What events add up to on them.
    pub metered: MeteredSide,
}

/// One side of usage that is stated twice.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MeteredSide {
    /// Quantity, in the SKU's unit.
    pub quantity: Decimal,
    /// Lines and amounts.
    pub totals: AmountSum,
}

/// Two files of the import that state usage of the same days, SKUs and organizations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JoinedFilesAnswer {
    /// The kind of both.
    pub kind: String,
    /// The first day that both have.
    pub first_day: String,
    /// The last one.
    pub last_day: String,
    /// How many days both have.
    pub days: u64,
    /// The earlier file.
    pub first: JoinedSide,
    /// The later file.
    pub again: JoinedSide,
}

/// One of two files that were joined.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JoinedSide {
    /// Its name.
    pub file: String,
    /// What it states of the days, SKUs and organizations that both have.
    pub totals: AmountSum,
}

/// Names that an import brought.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct CreatedAnswer {
    /// The account itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountAnswer>,
    /// Organizations.
    pub organizations: Vec<String>,
    /// Repositories.
    pub repositories: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Cost centers.
    pub cost_centers: Vec<String>,
    /// Products that the catalogue lacks.
    pub products: Vec<String>,
    /// SKUs that the catalogue lacks.
    pub skus: Vec<String>,
    /// Units that the catalogue lacks.
    pub units: Vec<String>,
}

/// A list of imports, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImportList {
    /// The imports.
    pub imports: Vec<ImportAnswer>,
}
