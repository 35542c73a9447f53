//! Schemas of bodies that are written or read by hand.
//!
//! Invariant: these types are never instantiated: they describe what [`crate::wire::usage`] and
//! [`crate::wire::summary`] write, and a test checks every answer against them.

#![expect(dead_code, reason = "they only describe")]

use utoipa::ToSchema;

/// Usage by date.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Usage {
    usage_items: Vec<UsageItem>,
}

/// Usage of a day, month or hour. Numbers are decimals, exact to the billionth.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct UsageItem {
    /// The first day of the item's period, `YYYY-MM-DD`; an instant in the observed dialect.
    date: String,
    product: String,
    sku: String,
    quantity: f64,
    unit_type: String,
    price_per_unit: f64,
    gross_amount: f64,
    discount_amount: f64,
    net_amount: f64,
    /// Not there in users' usage.
    #[schema(required = false)]
    organization_name: String,
    /// Not there for usage of no repository; then `""` in the observed dialect.
    #[schema(required = false)]
    repository_name: String,
}

/// The period that was asked for.
#[derive(ToSchema)]
pub(super) struct TimePeriod {
    year: i16,
    #[schema(required = false)]
    month: i8,
    #[schema(required = false)]
    day: i8,
}

/// A cost center that was asked for.
#[derive(ToSchema)]
pub(super) struct CostCenterName {
    id: String,
    name: String,
}

/// Usage by SKU, with the account and filters that were asked for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Summary {
    time_period: TimePeriod,
    #[schema(required = false)]
    enterprise: String,
    #[schema(required = false)]
    organization: String,
    #[schema(required = false)]
    user: String,
    #[schema(required = false)]
    repository: String,
    #[schema(required = false)]
    product: String,
    #[schema(required = false)]
    sku: String,
    #[schema(required = false)]
    cost_center: CostCenterName,
    usage_items: Vec<SummaryItem>,
}

/// Usage of a SKU.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct SummaryItem {
    product: String,
    sku: String,
    unit_type: String,
    price_per_unit: f64,
    gross_quantity: f64,
    gross_amount: f64,
    discount_quantity: f64,
    discount_amount: f64,
    net_quantity: f64,
    net_amount: f64,
}

/// Premium requests or AI credits by SKU and model, with the account and filters that were asked
/// for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Requests {
    time_period: TimePeriod,
    #[schema(required = false)]
    enterprise: String,
    #[schema(required = false)]
    organization: String,
    #[schema(required = false)]
    user: String,
    #[schema(required = false)]
    product: String,
    #[schema(required = false)]
    model: String,
    #[schema(required = false)]
    cost_center: CostCenterName,
    usage_items: Vec<RequestItem>,
}

/// Requests to a model.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct RequestItem {
    product: String,
    sku: String,
    model: String,
    unit_type: String,
    price_per_unit: f64,
    gross_quantity: f64,
    gross_amount: f64,
    discount_quantity: f64,
    discount_amount: f64,
    net_quantity: f64,
    net_amount: f64,
}

/// A usage report that is asked for.
#[derive(ToSchema)]
pub(super) struct ReportRequest {
    /// `detailed`, `summarized`, `premium_request` or `ai_credit`.
    report_type: String,
    /// `YYYY-MM-DD`.
    start_date: String,
    /// `YYYY-MM-DD`; by default today.
    #[schema(required = false)]
    end_date: String,
    /// Whether a mail with the links is sent when it is completed.
    #[schema(required = false)]
    send_email: bool,
    /// Whether cells that a spreadsheet would compute get an apostrophe; a member of our own.
    #[schema(required = false)]
    guard_cells: bool,
}

/// Any failure.
#[derive(ToSchema)]
pub(super) struct Failure {
    message: String,
    #[schema(required = false)]
    errors: Vec<FieldFailure>,
    documentation_url: String,
    /// The status, as a text.
    status: String,
}

/// What is wrong with a field of a body.
#[derive(ToSchema)]
pub(super) struct FieldFailure {
    resource: String,
    field: String,
    code: String,
    #[schema(required = false)]
    message: String,
}
