//! Every body against GitHub's own schemas, read strictly: a key that no schema has is an error.

use crate::answer::Answer;
use crate::server::{
    Server, ai_credits, detailed, enterprise, fixture, organization, premium_requests, user,
};
use axum::http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tallybook::auth::Grants;
use tallybook::http::app::HttpSettings;

const OPENAPI: &str = include_str!("../fixtures/github-billing-openapi.json");
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];
const ENDPOINTS: [&str; 4] = [
    "usage",
    "usage/summary",
    "premium_request/usage",
    "ai_credit/usage",
];

/// GitHub's description, with what JSON Schema lacks rewritten.
pub(crate) struct Description {
    document: Value,
    validators: BTreeMap<(String, u16), jsonschema::Validator>,
}

impl Description {
    pub(crate) fn new() -> Self {
        Self::of(serde_json::from_str(OPENAPI).unwrap())
    }

    fn of(mut document: Value) -> Self {
        rewrite(&mut document);
        Self {
            document,
            validators: BTreeMap::new(),
        }
    }

    /// The schema of a response to a path, or to a method and a path; of statuses that an operation
    /// does not list, its default, or else GitHub's plain error.
    fn schema(&self, operation: &str, status: u16) -> Value {
        let (method, path) = operation.split_once(' ').unwrap_or(("get", operation));
        let responses = &self.document["paths"][path][method]["responses"];
        let listed = match &responses[status.to_string()] {
            Value::Null if status >= 400 => &responses["default"],
            listed => listed,
        };
        if listed.is_null() {
            assert!(status >= 400, "{operation} lists no {status}");
            return json!({"$ref": "#/components/schemas/basic-error"});
        }
        let response = match listed["$ref"].as_str() {
            Some(pointer) => {
                let pointer = pointer.trim_start_matches('#');
                self.document.pointer(pointer).unwrap()
            }
            None => listed,
        };
        response["content"]["application/json"]["schema"].clone()
    }

    pub(crate) fn check(&mut self, operation: &str, answer: &Answer) {
        let key = (operation.to_owned(), answer.status);
        if !self.validators.contains_key(&key) {
            let mut schema = self.schema(operation, answer.status);
            schema["components"] = self.document["components"].clone();
            let validator = jsonschema::validator_for(&schema).unwrap();
            self.validators.insert(key.clone(), validator);
        }
        let errors: Vec<_> = self.validators[&key]
            .iter_errors(&answer.json())
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{operation} {errors:#?}\n{}",
            answer.text()
        );
    }
}

/// `nullable` becomes a type of its own, and objects take the keys that they describe only.
fn rewrite(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(rewrite);
            if object.remove("nullable") == Some(json!(true)) {
                make_nullable(object);
            }
            let describes = object.get("type") == Some(&json!("object"))
                && object.get("properties").is_some_and(Value::is_object);
            if describes && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(array) => array.iter_mut().for_each(rewrite),
        _ => {}
    }
}

fn make_nullable(object: &mut Map<String, Value>) {
    if let Some(kind) = object.get("type").cloned() {
        object.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.push(Value::Null);
    }
}

/// What the server says of itself: its answers have to keep to that as well.
async fn own_description(server: &Server) -> Description {
    Description::of(server.get("/openapi.json").await.ok().json())
}

/// A path of the description, and one of the server.
fn account_paths(endpoint: &str) -> [(String, String); 3] {
    let names = [
        ("/enterprises/{enterprise}", "/enterprises/octo-ent"),
        ("/organizations/{org}", "/organizations/misty-raven"),
        ("/users/{username}", "/users/monalisa"),
    ];
    names.map(|(pattern, account)| {
        let path = |account: &str| format!("{account}/settings/billing/{endpoint}");
        (path(pattern), path(account))
    })
}

async fn server() -> Server {
    let server = Server::new("2025-12-05T12:00:00Z").await;
    let owner = "enterprises: [{slug: octo-ent, name: Octo Enterprise, owners: [hubot]}]";
    server.apply(owner).await;
    let octo = enterprise("octo-ent");
    for name in [
        "detailed_2025-11-01_02.csv",
        "premium_request_2025-10.csv",
        "summarized_2025-07.csv",
    ] {
        server.import(&octo, &[(name, fixture(name))]).await;
    }
    let credits = "2025-12-01,hubot,copilot,copilot_ai_credit,GPT-5,10.5,ai-credits,0.01,0.105,0.1,\
                   0.005,3900,misty-raven,,,0,0";
    let credits = ai_credits(&[credits]);
    server.import(&octo, &[("credits", credits)]).await;
    let requests = "2025-12-01,monalisa,copilot,copilot_premium_request,GPT-5,3,requests,0.04,0.12,\
                    0,0.12,False,300,,,0,0";
    let minutes =
        "2025-12-02,actions,actions_linux,7,minutes,0.008,0.056,0.05,0.006,monalisa,,site,,";
    let files = [
        ("requests", premium_requests(&[requests])),
        ("minutes", detailed(&[minutes])),
    ];
    server.import(&user("monalisa"), &files).await;
    server
}

/// Questions that every endpoint answers 200, in every account, dialect and version.
#[tokio::test]
async fn good_answers_have_the_documented_keys() {
    let documented = server().await;
    let mut description = Description::new();
    let mut own = own_description(&documented).await;
    let mut items = 0;
    for server in [documented.observed(), documented] {
        for endpoint in ENDPOINTS {
            for (operation, path) in account_paths(endpoint) {
                for query in [
                    "",
                    "?year=2025",
                    "?year=2025&month=11",
                    "?month=12&day=1",
                    "?product=Copilot",
                ] {
                    for version in VERSIONS {
                        let path = format!("{path}{query}");
                        let headers = [("x-github-api-version", version)];
                        let answer = server.get_with(&path, &headers).await.ok();
                        assert_eq!(answer.header("x-github-api-version-selected"), version);
                        description.check(&operation, &answer);
                        own.check(&operation, &answer);
                        items += answer.items().len();
                    }
                }
            }
        }
    }
    assert!(items > 1000, "{items} items are too few to prove anything");
}

#[tokio::test]
async fn every_echo_has_its_documented_key() {
    let server = server().await;
    let mut description = Description::new();
    let mut own = own_description(&server).await;
    let centers = "/enterprises/octo-ent/settings/billing/cost-centers";
    let center = server.get(centers).await.ok().json()["costCenters"][0]["id"].clone();
    let center = center.as_str().unwrap().to_owned();
    let cases = [
        (
            "usage/summary",
            "?product=actions&sku=actions_linux&repository=misty-raven/dusk-panda",
        ),
        ("premium_request/usage", "?product=copilot&model=gpt-5"),
        ("ai_credit/usage", "?product=copilot&model=gpt-5"),
    ];
    for (endpoint, query) in cases {
        for (operation, path) in account_paths(endpoint) {
            let mut path = format!("{path}{query}");
            if operation.starts_with("/enterprises") {
                path += &format!("&organization=misty-raven&cost_center_id={center}");
            }
            if !operation.starts_with("/users") && endpoint != "usage/summary" {
                path += "&user=hubot";
            }
            let answer = server.get(&path).await.ok();
            description.check(&operation, &answer);
            own.check(&operation, &answer);
            let echoes = answer.json().as_object().unwrap().len();
            let asked = path.split(['?', '&']).count() - 1;
            // `timePeriod`, the account and the items.
            assert_eq!(echoes, 3 + asked, "{path}\n{}", answer.text());
        }
    }
}

#[tokio::test]
async fn cost_centers_have_the_documented_keys() {
    let server = server().await;
    let mut description = Description::new();
    let mut own = own_description(&server).await;
    let pattern = "/enterprises/{enterprise}/settings/billing/cost-centers";
    let path = "/enterprises/octo-ent/settings/billing/cost-centers";
    let list = server.get(path).await.ok();
    description.check(pattern, &list);
    own.check(pattern, &list);
    let centers = list.json()["costCenters"].as_array().unwrap().clone();
    assert!(centers.len() > 1);
    for center in &centers {
        let id = center["id"].as_str().unwrap();
        let one = format!("{pattern}/{{cost_center_id}}");
        for query in ["", "?per_page=10", "?page=2"] {
            let answer = server.get(&format!("{path}/{id}{query}")).await.ok();
            description.check(&one, &answer);
            own.check(&one, &answer);
            assert_eq!(answer.json()["name"], center["name"]);
            assert_eq!(
                answer.json().get("has_next_page").is_some(),
                !query.is_empty()
            );
        }
    }
    for (query, count) in [("active", centers.len()), ("deleted", 0)] {
        let answer = server.get(&format!("{path}?state={query}")).await.ok();
        description.check(pattern, &answer);
        own.check(pattern, &answer);
        assert_eq!(
            answer.json()["costCenters"].as_array().unwrap().len(),
            count
        );
    }
    for (path, status) in [
        (format!("{path}?state=asleep"), 400),
        (format!("{path}?state="), 400),
        (format!("{path}/00000000-0000-0000-0000-000000000000"), 404),
        (format!("{path}/not-an-id"), 404),
    ] {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, status, "{path}");
        description.check(pattern, &answer);
        own.check(pattern, &answer);
    }
}

#[tokio::test]
async fn errors_have_the_documented_keys() {
    let server = server().await;
    let member = "organizations: [{login: misty-raven, members: [kim]}]";
    server.apply(member).await;
    let kim = Grants::classic("kim", ["read:org", "manage_billing:enterprise"]).unwrap();
    let kim = format!("Bearer {}", server.token("kim", &kim, None).await);
    let admin = "Bearer boss";
    let mut description = Description::new();
    let mut own = own_description(&server).await;
    for endpoint in ENDPOINTS {
        for (operation, path) in account_paths(endpoint) {
            let nobody = path
                .replace("octo-ent", "x")
                .replace("misty-raven", "x")
                .replace("monalisa", "x");
            let forbidden = if path.starts_with("/users") { 404 } else { 403 };
            let cases = [
                (path.clone(), kim.as_str(), forbidden),
                (format!("{path}?month=13"), admin, 400),
                (format!("{path}?year=2025&year=2025"), admin, 400),
                (nobody, admin, 404),
                (path.clone(), "Bearer wrong", 401),
            ];
            for version in VERSIONS {
                for (path, authorization, status) in &cases {
                    let headers = [
                        ("authorization", *authorization),
                        ("x-github-api-version", version),
                    ];
                    let answer = server.send(Method::GET, path, &headers).await;
                    assert_eq!(answer.status, *status, "{path}\n{}", answer.text());
                    description.check(&operation, &answer);
                    own.check(&operation, &answer);
                    assert_eq!(answer.json()["status"], json!(status.to_string()));
                }
            }
            let answer = server.send(Method::GET, &path, &[]).await;
            assert_eq!(
                (answer.status, answer.message()),
                (401, "Requires authentication".into())
            );
            description.check(&operation, &answer);
            own.check(&operation, &answer);
        }
    }
}

#[tokio::test]
async fn unknown_names_in_filters_are_errors_or_nothing() {
    let server = server().await;
    let mut description = Description::new();
    let filters = [
        "organization=nobody",
        "user=nobody",
        "cost_center_id=nobody",
    ];
    for endpoint in ["premium_request/usage", "ai_credit/usage"] {
        let [(operation, path), ..] = account_paths(endpoint);
        for filter in filters {
            let answer = server.get(&format!("{path}?year=2025&{filter}")).await;
            assert_eq!(answer.status, 404, "{endpoint} {filter}");
            description.check(&operation, &answer);
        }
        for filter in ["model=nothing", "product=nothing"] {
            let answer = server.get(&format!("{path}?year=2025&{filter}")).await.ok();
            description.check(&operation, &answer);
            assert!(answer.items().is_empty());
        }
    }
    for endpoint in ["premium_request/usage", "ai_credit/usage"] {
        let [_, (operation, path), _] = account_paths(endpoint);
        let answer = server.get(&format!("{path}?user=nobody")).await;
        assert_eq!(answer.status, 404, "{endpoint}");
        description.check(&operation, &answer);
        // A known user without usage.
        let answer = server.get(&format!("{path}?user=hubot&month=1")).await.ok();
        description.check(&operation, &answer);
        assert!(answer.items().is_empty());
    }
    let [(operation, path), ..] = account_paths("usage/summary");
    let filters = [
        "organization=nobody",
        "cost_center_id=nobody",
        "product=x",
        "sku=x",
        "repository=x/y",
    ];
    for filter in filters {
        let answer = server.get(&format!("{path}?year=2025&{filter}")).await.ok();
        description.check(&operation, &answer);
        assert!(answer.items().is_empty(), "{filter}");
    }
    let [(operation, path), ..] = account_paths("usage");
    let answer = server
        .get(&format!("{path}?year=2025&cost_center_id=nobody"))
        .await
        .ok();
    description.check(&operation, &answer);
    assert!(answer.items().is_empty());
}

#[tokio::test]
async fn retired_endpoints_are_gone_in_githubs_words() {
    let server = Server::new("2025-12-05").await;
    let mut description = Description::new();
    let body = concat!(
        r#"{"message":"This endpoint has been moved.","#,
        r#""documentation_url":"https://gh.io/billing-api-updates-org","status":"410"}"#,
    );
    for account in [
        "orgs/octo",
        "organizations/octo",
        "users/mona",
        "enterprises/octo",
    ] {
        for endpoint in ["actions", "packages", "shared-storage"] {
            let path = format!("/{account}/settings/billing/{endpoint}");
            for path in [path.clone(), format!("/api/v3{path}")] {
                let answer = server.send(Method::GET, &path, &[]).await;
                assert_eq!((answer.status, answer.text()), (410, body), "{path}");
                description.check("/organizations/{org}/settings/billing/usage", &answer);
            }
        }
    }
}

/// The schemas must be able to refuse.
#[tokio::test]
async fn a_body_with_another_key_is_refused() {
    let server = Server::new("2025-12-05").await;
    let octo = organization("octo");
    let line = "2025-12-02,actions,actions_linux,7,minutes,0.008,0.056,0.05,0.006,,octo,site,,";
    server
        .import(&octo, &[("minutes", detailed(&[line]))])
        .await;
    let server = server.with(HttpSettings::default());
    let good = server
        .get("/organizations/octo/settings/billing/usage")
        .await
        .ok();
    let operation = "/organizations/{org}/settings/billing/usage";
    Description::new().check(operation, &good);
    for (key, other) in [("netAmount", "net_amount"), ("quantity", "netQuantity")] {
        let bad = Answer {
            body: good.text().replace(key, other).into(),
            ..good.clone()
        };
        let mut description = Description::new();
        let checked = std::panic::AssertUnwindSafe(|| description.check(operation, &bad));
        assert!(std::panic::catch_unwind(checked).is_err(), "{other}");
    }
}
