//! GitHub's operations that are answered here, for `/openapi.json`.
//!
//! Invariant: parameters are those that [`super::question`] reads, and tests check every answer
//! against these schemas and every route of the router against these operations. This describes the
//! actual answers, from which GitHub's own description differs slightly.
//! Look next: [`schemas`] for the bodies.

mod schemas;

use super::question::UsageEndpoint;
use crate::wire::cost_centers::{CostCenter, CostCenters};
use crate::wire::reports::{UsageReportExport, UsageReportExports};
use schemas::{Failure, ReportRequest, Requests, Summary, Usage};
use tallybook_core::account::AccountKind;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, Required, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

/// The bodies of GitHub's operations.
#[derive(OpenApi)]
#[openapi(components(schemas(
    Usage,
    Summary,
    Requests,
    CostCenters,
    CostCenter,
    UsageReportExports,
    UsageReportExport,
    ReportRequest,
    Failure
)))]
struct Bodies;

/// The paths of accounts: each with the kind of the account, and what names it.
const ACCOUNTS: [(&str, AccountKind, &str); 4] = [
    (
        "/enterprises/{enterprise}",
        AccountKind::Enterprise,
        "enterprise",
    ),
    ("/organizations/{org}", AccountKind::Organization, "org"),
    ("/orgs/{org}", AccountKind::Organization, "org"),
    ("/users/{username}", AccountKind::User, "username"),
];

const USAGE: [(&str, UsageEndpoint, &str); 4] = [
    (
        "usage",
        UsageEndpoint::Usage,
        "Usage by date, SKU, organization and repository",
    ),
    (
        "usage/summary",
        UsageEndpoint::Summary,
        "Usage of a period by SKU",
    ),
    (
        "premium_request/usage",
        UsageEndpoint::PremiumRequest,
        "Premium requests of a period by SKU and model",
    ),
    (
        "ai_credit/usage",
        UsageEndpoint::AiCredit,
        "AI credits of a period by SKU and model",
    ),
];

/// Filters, in the order of the documentation, with their values.
const FILTERS: [(&str, &str); 7] = [
    ("organization", "A login"),
    ("user", "A login"),
    ("model", "An AI model"),
    ("repository", "`owner/name`"),
    ("product", "A product, by id or name"),
    ("sku", "A SKU's id"),
    (
        "cost_center_id",
        "A cost center's id; `none` is usage in none",
    ),
];

const ENTERPRISE: &str = "/enterprises/{enterprise}";

/// Adds the operations and their schemas.
pub fn add_to(document: &mut Document) {
    document.merge(Bodies::openapi());
    for (account, kind, name) in ACCOUNTS {
        for (path, endpoint, summary) in USAGE {
            let path = format!("{account}/settings/billing/{path}");
            add(
                document,
                HttpMethod::Get,
                &path,
                usage(endpoint, kind, name, summary),
            );
        }
    }
    add_cost_centers(document);
    add_reports(document);
}

fn add(document: &mut Document, method: HttpMethod, path: &str, operation: OperationBuilder) {
    let operation: Operation = operation.tag("GitHub").build();
    document
        .paths
        .add_path_operation(path, vec![method], operation);
}

fn usage(
    endpoint: UsageEndpoint,
    kind: AccountKind,
    name: &str,
    summary: &str,
) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .summary(Some(summary))
        .parameter(in_path(name));
    for (name, least, most, what) in [
        ("year", 2000, 9999, "A year; by default the current one"),
        ("month", 1, 12, "A month"),
        ("day", 1, 31, "A day"),
    ] {
        operation = operation.parameter(integer(name, least, most, what));
    }
    if endpoint == UsageEndpoint::Usage {
        operation = operation.parameter(integer("hour", 0, 23, "An hour, UTC"));
    }
    for (filter, what) in FILTERS {
        if endpoint.takes(filter, kind) {
            operation = operation.parameter(text(filter, what));
        }
    }
    let body = match endpoint {
        UsageEndpoint::Usage => body::<Usage>(),
        UsageEndpoint::Summary => body::<Summary>(),
        UsageEndpoint::PremiumRequest | UsageEndpoint::AiCredit => body::<Requests>(),
    };
    answers(operation, "200", "The usage", body)
}

fn add_cost_centers(document: &mut Document) {
    let path = format!("{ENTERPRISE}/settings/billing/cost-centers");
    let list = OperationBuilder::new()
        .summary(Some("The cost centers of an enterprise"))
        .parameter(in_path("enterprise"))
        .parameter(text(
            "state",
            "`active` or `deleted`; all of them without it",
        ));
    let list = answers(list, "200", "The cost centers", body::<CostCenters>());
    add(document, HttpMethod::Get, &path, list);
    let one = OperationBuilder::new()
        .summary(Some("A cost center and what is allocated to it"))
        .parameter(in_path("enterprise"))
        .parameter(in_path("cost_center_id"))
        .parameter(integer("page", 1, u32::MAX, "A page of its resources"))
        .parameter(integer("per_page", 1, 100, "Resources of a page"));
    let one = answers(one, "200", "The cost center", body::<CostCenter>());
    add(
        document,
        HttpMethod::Get,
        &format!("{path}/{{cost_center_id}}"),
        one,
    );
}

fn add_reports(document: &mut Document) {
    let path = format!("{ENTERPRISE}/settings/billing/reports");
    let operation = |summary: &str| {
        let operation = OperationBuilder::new().summary(Some(summary));
        operation.parameter(in_path("enterprise"))
    };
    let list = operation("The usage reports of an enterprise");
    let list = answers(
        list,
        "200",
        "The newest first",
        body::<UsageReportExports>(),
    );
    add(document, HttpMethod::Get, &path, list);
    let request = RequestBodyBuilder::new()
        .content("application/json", body::<ReportRequest>())
        .required(Some(Required::True));
    let create = operation("Asks for a usage report").request_body(Some(request.build()));
    let create = answers(
        create,
        "202",
        "It will be made",
        body::<UsageReportExport>(),
    );
    add(document, HttpMethod::Post, &path, create);
    let get = operation("A usage report, with links when it is completed");
    let get = get.parameter(in_path("report_id"));
    let get = answers(get, "200", "The report", body::<UsageReportExport>());
    add(
        document,
        HttpMethod::Get,
        &format!("{path}/{{report_id}}"),
        get,
    );
}

/// The body of success, and that of every failure.
fn answers(
    operation: OperationBuilder,
    status: &str,
    description: &str,
    body: utoipa::openapi::Content,
) -> OperationBuilder {
    let success = ResponseBuilder::new().description(description);
    let failure = ResponseBuilder::new().description("What is wrong");
    let failure = failure.content("application/json", self::body::<Failure>());
    operation
        .response(status, success.content("application/json", body).build())
        .response("default", failure.build())
}

fn body<T: ToSchema>() -> utoipa::openapi::Content {
    let schema = Ref::from_schema_name(T::name());
    ContentBuilder::new().schema(Some(schema)).build()
}

fn in_path(name: &str) -> ParameterBuilder {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
}

fn text(name: &str, what: &str) -> ParameterBuilder {
    in_query(name, what).schema(Some(ObjectBuilder::new().schema_type(Type::String)))
}

fn integer(name: &str, least: u32, most: u32, what: &str) -> ParameterBuilder {
    let schema = ObjectBuilder::new().schema_type(Type::Integer);
    let schema = schema.minimum(Some(least)).maximum(Some(most));
    in_query(name, what).schema(Some(schema))
}

fn in_query(name: &str, what: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(what))
}
