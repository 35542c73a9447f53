//! Where GitHub documents what this server answers: the `documentation_url` of errors.
//!
//! Look next: [`super::router`], where each stands beside its handler.

/// The pages of the four endpoints that answer with usage, for one kind of account.
#[derive(Debug, Clone, Copy)]
pub struct UsagePages {
    /// Of `usage`.
    pub usage: &'static str,
    /// Of `usage/summary`.
    pub summary: &'static str,
    /// Of `premium_request/usage`.
    pub premium_requests: &'static str,
    /// Of `ai_credit/usage`.
    pub ai_credits: &'static str,
}

macro_rules! usage_pages {
    ($base:literal, $whose:literal) => {{
        macro_rules! page {
            ($what:literal) => {
                concat!(
                    "https://docs.github.com/",
                    $base,
                    "rest/billing/usage#get-billing-",
                    $what,
                    "-for-",
                    $whose
                )
            };
        }
        UsagePages {
            usage: page!("usage-report"),
            summary: page!("usage-summary"),
            premium_requests: page!("premium-request-usage-report"),
            ai_credits: page!("ai-credit-usage-report"),
        }
    }};
}

/// Of enterprises.
pub const ENTERPRISE: UsagePages = usage_pages!("enterprise-cloud@latest/", "an-enterprise");
/// Of organizations.
pub const ORGANIZATION: UsagePages = usage_pages!("", "an-organization");
/// Of users.
pub const USER: UsagePages = usage_pages!("", "a-user");

macro_rules! enterprise_page {
    ($page:literal) => {
        concat!(
            "https://docs.github.com/enterprise-cloud@latest/rest/billing/",
            $page
        )
    };
}

/// Of a list of cost centers.
pub const COST_CENTERS: &str =
    enterprise_page!("cost-centers#get-all-cost-centers-for-an-enterprise");
/// Of one cost center.
pub const COST_CENTER: &str = enterprise_page!("cost-centers#get-a-cost-center-by-id");

/// Of a list of usage reports.
pub const REPORTS: &str = enterprise_page!("usage-reports#list-usage-report-exports");
/// Of asking for a usage report.
pub const CREATE_REPORT: &str = enterprise_page!("usage-reports#create-a-usage-report-export");
/// Of one usage report.
pub const REPORT: &str = enterprise_page!("usage-reports#get-a-usage-report-export");

/// Of Tallybook's own API.
pub const METERING: &str = "/openapi.json";
