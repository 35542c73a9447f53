//! The metadata of the server's own routes.

use super::*;
use crate::http::router::facts;

/// The facts of a request to the route with a pattern, by a path that it matches.
fn endpoint(method: Method, pattern: &str) -> Endpoint {
    facts().endpoint(&method, Some(pattern), pattern)
}

fn family(method: Method, pattern: &str, path: &str) -> Option<EndpointFamily> {
    let endpoint = facts().endpoint(&method, Some(pattern), path);
    endpoint.guard.family()
}

#[test]
fn routes_know_their_family_and_their_page() {
    let summary = "/organizations/{org}/settings/billing/usage/summary";
    let known = endpoint(Method::GET, summary);
    let organizations = Guard::Family(EndpointFamily::OrganizationBilling);
    assert_eq!(known.guard, organizations);
    let page = "https://docs.github.com/rest/billing/usage\
                #get-billing-usage-summary-for-an-organization";
    assert_eq!(known.documentation_url, page);
    let based = endpoint(Method::GET, &format!("/api/v3{summary}"));
    assert_eq!(based, known);
    let center = "/enterprises/{enterprise}/settings/billing/cost-centers/{cost_center_id}";
    let page = "https://docs.github.com/enterprise-cloud@latest/rest/billing/cost-centers\
                #get-a-cost-center-by-id";
    assert_eq!(endpoint(Method::GET, center).documentation_url, page);
    let user = endpoint(Method::GET, "/users/{username}/settings/billing/usage");
    assert_eq!(user.guard, Guard::Family(EndpointFamily::UserBilling));
}

#[test]
fn a_method_without_a_page_is_documented_and_guarded_by_its_path_s_first() {
    let reports = "/enterprises/{enterprise}/settings/billing/reports";
    let pages = [Method::GET, Method::POST, Method::HEAD, Method::PATCH].map(|method| {
        let known = endpoint(method, reports);
        let billing = Guard::Family(EndpointFamily::EnterpriseBilling);
        assert_eq!(known.guard, billing);
        known.documentation_url.rsplit('#').next()
    });
    let list = Some("list-usage-report-exports");
    assert_eq!(
        pages,
        [list, Some("create-a-usage-report-export"), list, list]
    );
    let centers = "/enterprises/{enterprise}/settings/billing/cost-centers";
    let planned = endpoint(Method::POST, centers).documentation_url;
    assert!(planned.ends_with("#get-all-cost-centers-for-an-enterprise"));
    let budgets = "/organizations/{org}/settings/billing/budgets";
    assert_eq!(
        endpoint(Method::GET, budgets).documentation_url,
        DOCUMENTATION
    );
}

#[test]
fn our_own_routes_are_an_account_s_or_the_site_s() {
    use EndpointFamily::{EnterpriseBilling, Events, Imports, Site, WriteImports};
    let imports = "/metering/v1/{kind}/{name}/imports";
    let of = |method, path| family(method, imports, path);
    let organization = AccountKind::Organization;
    let path = "/metering/v1/organizations/octo-org/imports";
    assert_eq!(of(Method::GET, path), Some(Imports(organization)));
    assert_eq!(of(Method::PATCH, path), Some(Imports(organization)));
    let path = "/metering/v1/users/mona/imports";
    assert_eq!(
        of(Method::POST, path),
        Some(WriteImports(AccountKind::User))
    );
    assert_eq!(of(Method::GET, "/metering/v1/teams/a/imports"), Some(Site));
    let one = "/metering/v1/{kind}/{name}/imports/{id}";
    let path = "/metering/v1/enterprises/octo-ent/imports/1";
    assert_eq!(
        family(Method::DELETE, one, path),
        Some(WriteImports(AccountKind::Enterprise))
    );
    let report = "/metering/v1/{kind}/{name}/reports/{id}";
    let path = "/metering/v1/enterprises/octo-ent/reports/1";
    assert_eq!(
        family(Method::DELETE, report, path),
        Some(EnterpriseBilling)
    );
    let own = |path| family(Method::GET, path, path);
    assert_eq!(own("/metering/v1/tokens"), Some(Site));
    assert_eq!(own("/metering/v1/verify"), Some(Site));
    assert_eq!(own("/metering/v1/events"), Some(Events));
}

#[test]
fn what_is_open_says_so_and_what_is_not_known_is_not_open() {
    let guard = |path| endpoint(Method::GET, path).guard;
    assert_eq!(guard("/healthz"), Guard::Open);
    assert_eq!(guard("/versions"), Guard::Open);
    assert_eq!(guard("/api/v3/rate_limit"), Guard::Standing);
    assert_eq!(guard("/orgs/{org}/settings/billing/actions"), Guard::Open);
    let forgotten = guard("/a/route/of/another/router");
    assert_eq!(forgotten, Guard::Family(EndpointFamily::Site));
    let unmatched = facts().endpoint(&Method::GET, None, "/nothing");
    assert_eq!(unmatched.guard, Guard::Open);
}
