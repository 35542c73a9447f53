//! What is known of a route besides its handler: who guards it, and where it is documented.
//!
//! Invariant: derived from the method and the route's pattern alone, so that errors and headers are
//! right on every answer of a route, also on those that no handler made.

use crate::auth::EndpointFamily;
use axum::http::Method;
use tallybook_core::account::AccountKind;

/// The base under which GitHub Enterprise Server serves the same routes.
pub const SERVER_BASE: &str = "/api/v3";

/// Where everything is documented that has no page of its own.
pub const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// Operations that GitHub retired: they tell nothing, and so are open to all.
const RETIRED: [&str; 3] = ["actions", "packages", "shared-storage"];

/// Facts of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// How it is guarded; `None` when it is open to all.
    pub family: Option<EndpointFamily>,
    /// `documentation_url` of its errors.
    pub documentation_url: &'static str,
}

impl Endpoint {
    /// The facts of the route with this pattern, with or without the server's base:
    /// `/users/{username}/settings/billing/usage`.
    #[must_use]
    pub fn of(method: &Method, pattern: &str) -> Self {
        let pattern = pattern.strip_prefix(SERVER_BASE).unwrap_or(pattern);
        // Nothing, the kind of account, its name, and what is asked of it.
        let mut parts = pattern.splitn(4, '/').skip(1);
        let (first, _name) = (parts.next().unwrap_or_default(), parts.next());
        let rest = parts.next().unwrap_or_default();
        if let Some(billing) = rest.strip_prefix("settings/billing/") {
            return Self::billing(method, first, billing);
        }
        match pattern.strip_prefix("/metering/v1/") {
            Some(metering) => Self {
                family: metering_family(method, metering),
                documentation_url: "/openapi.json",
            },
            None => Self {
                family: None,
                documentation_url: DOCUMENTATION,
            },
        }
    }

    fn billing(method: &Method, kind: &str, operation: &str) -> Self {
        if RETIRED.contains(&operation) {
            return Self {
                family: None,
                documentation_url: DOCUMENTATION,
            };
        }
        use EndpointFamily::{EnterpriseBilling, OrganizationBilling, UserBilling};
        let (family, pages) = match kind {
            "enterprises" => (EnterpriseBilling, ENTERPRISE_PAGES),
            "organizations" | "orgs" => (OrganizationBilling, ORGANIZATION_PAGES),
            _ => (UserBilling, USER_PAGES),
        };
        let mut of_path = pages.iter().filter(|(_, path, _)| *path == operation);
        let asked = of_path.clone().find(|(asks, ..)| *asks == method.as_str());
        // A method that has no page is documented by its path's first.
        let page = asked.or_else(|| of_path.next());
        Self {
            family: Some(family),
            documentation_url: page.map_or(DOCUMENTATION, |(.., url)| url),
        }
    }
}

fn metering_family(method: &Method, path: &str) -> Option<EndpointFamily> {
    let mut parts = path.split('/');
    let (first, resource) = (parts.next(), parts.nth(1));
    if (first, resource) == (Some("enterprises"), Some("reports")) {
        return Some(EndpointFamily::EnterpriseBilling);
    }
    let kind = match first {
        Some("enterprises") => AccountKind::Enterprise,
        Some("organizations") => AccountKind::Organization,
        Some("users") => AccountKind::User,
        Some("events") => return Some(EndpointFamily::Events),
        _ => return Some(EndpointFamily::Site),
    };
    Some(match *method {
        Method::POST | Method::DELETE => EndpointFamily::WriteImports(kind),
        _ => EndpointFamily::Imports(kind),
    })
}

/// A method, a path below `settings/billing/`, and their page.
type Page = (&'static str, &'static str, &'static str);

macro_rules! usage_page {
    ($base:literal, $what:literal, $who:literal) => {
        concat!(
            "https://docs.github.com/",
            $base,
            "rest/billing/usage#get-billing-",
            $what,
            $who
        )
    };
}

macro_rules! usage_pages {
    ($base:literal, $who:literal $(, $more:expr)*) => {
        &[
            ("GET", "usage", usage_page!($base, "usage-report-for-", $who)),
            ("GET", "usage/summary", usage_page!($base, "usage-summary-for-", $who)),
            (
                "GET",
                "premium_request/usage",
                usage_page!($base, "premium-request-usage-report-for-", $who),
            ),
            ("GET", "ai_credit/usage", usage_page!($base, "ai-credit-usage-report-for-", $who)),
            $($more),*
        ]
    };
}

const ORGANIZATION_PAGES: &[Page] = usage_pages!("", "an-organization");
const USER_PAGES: &[Page] = usage_pages!("", "a-user");
const ENTERPRISE_PAGES: &[Page] = usage_pages!(
    "enterprise-cloud@latest/",
    "an-enterprise",
    (
        "GET",
        "cost-centers",
        "https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers\
         #get-all-cost-centers-for-an-enterprise"
    ),
    (
        "GET",
        "reports",
        "https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports\
         #list-usage-report-exports"
    ),
    (
        "POST",
        "reports",
        "https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports\
         #create-a-usage-report-export"
    ),
    (
        "GET",
        "reports/{report_id}",
        "https://docs.github.com/enterprise-cloud@latest/rest/billing/usage-reports\
         #get-a-usage-report-export"
    ),
    (
        "GET",
        "cost-centers/{cost_center_id}",
        "https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers\
         #get-a-cost-center-by-id"
    )
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_know_their_family_and_their_page() {
        let endpoint = Endpoint::of(
            &Method::GET,
            "/organizations/{org}/settings/billing/usage/summary",
        );
        assert_eq!(endpoint.family, Some(EndpointFamily::OrganizationBilling));
        let page = "https://docs.github.com/rest/billing/usage\
                    #get-billing-usage-summary-for-an-organization";
        assert_eq!(endpoint.documentation_url, page);
        let based = Endpoint::of(
            &Method::GET,
            "/api/v3/organizations/{org}/settings/billing/usage/summary",
        );
        assert_eq!(based, endpoint);
        let center = "/enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id}";
        let page = "https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers\
                    #get-a-cost-center-by-id";
        assert_eq!(Endpoint::of(&Method::GET, center).documentation_url, page);
        let reports = "/enterprises/{enterprise}/settings/billing/reports";
        let pages = [Method::GET, Method::POST, Method::HEAD].map(|method| {
            let page = Endpoint::of(&method, reports).documentation_url;
            page.rsplit('#').next()
        });
        let list = Some("list-usage-report-exports");
        assert_eq!(pages, [list, Some("create-a-usage-report-export"), list]);
        let user = Endpoint::of(&Method::GET, "/users/{username}/settings/billing/usage").family;
        assert_eq!(user, Some(EndpointFamily::UserBilling));
    }

    #[test]
    fn our_own_routes_are_imports_or_the_site() {
        let family = |path: &str| Endpoint::of(&Method::GET, path).family;
        let imports = Some(EndpointFamily::Imports(AccountKind::Organization));
        assert_eq!(
            family("/metering/v1/organizations/{name}/imports/{id}"),
            imports
        );
        for method in [Method::POST, Method::DELETE] {
            let write = Endpoint::of(&method, "/metering/v1/users/{name}/imports").family;
            assert_eq!(write, Some(EndpointFamily::WriteImports(AccountKind::User)));
        }
        assert_eq!(family("/metering/v1/tokens"), Some(EndpointFamily::Site));
        assert_eq!(family("/metering/v1/verify"), Some(EndpointFamily::Site));
        assert_eq!(family("/metering/v1/events"), Some(EndpointFamily::Events));
        let reports = family("/metering/v1/enterprises/{name}/reports/{id}");
        assert_eq!(reports, Some(EndpointFamily::EnterpriseBilling));
        assert_eq!(family("/healthz"), None);
        assert_eq!(family("/versions"), None);
    }
}
