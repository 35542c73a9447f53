//! Several tenants on one server: what each may name, and that none learns of another.

use crate::answer::Answer;
use crate::server::{ADMIN, Server, detailed, enterprise, premium_requests};
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::Value;
use tallybook::auth::Grants;
use tower::ServiceExt;

const NOW: &str = "2025-12-05T12:00:00Z";

/// The tenant who asks, and the other one, whose names are given.
fn billing_file(other: &str) -> String {
    let file = "
enterprises:
  - {slug: acme, owners: [amy], organizations: [acme-org]}
  - {slug: OTHER, name: The Other, owners: [OTHER-boss], organizations: [OTHER-org]}
organizations:
  - {login: acme-org, members: [al]}
  - {login: OTHER-org, owners: [OTHER-boss], members: [OTHER-member]}
  - {login: OTHER-solo, owners: [OTHER-boss]}
users: [{login: Other-User}, {login: OTHER-payer, plan: pro}]
repositories: [{name: OTHER-org/api, visibility: private}]
";
    let capital = format!("{}{}", other[..1].to_uppercase(), &other[1..]);
    file.replace("OTHER", other)
        .replace("Other-", &format!("{capital}-"))
}

/// A line of a detailed report, by user, organization, repository and cost center.
fn minutes(names: [&str; 4]) -> Vec<u8> {
    let [user, organization, repository, center] = names;
    let line = format!(
        "2025-12-01,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,{user},{organization},\
         {repository},,{center}"
    );
    detailed(&[&line])
}

/// A line of a premium request report, by user and organization.
fn requests(user: &str, organization: &str) -> Vec<u8> {
    let line = format!(
        "2025-12-02,{user},copilot,copilot_premium_request,GPT-5,1,requests,0.04,0.04,0.04,0,\
         False,300,{organization},,,"
    );
    premium_requests(&[&line])
}

fn event(id: &str, data: &str) -> String {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/ci\",\"type\":\"usage\",\
         \"time\":\"{NOW}\",\"data\":{{\"sku\":\"actions_linux\",\"quantity\":1,{data}}}}}"
    )
}

/// What is asked: by which token, method, path, and the body with its type.
struct Ask<'a> {
    secret: &'a str,
    method: Method,
    path: String,
    body: (&'static str, Vec<u8>),
}

impl<'a> Ask<'a> {
    fn get(secret: &'a str, path: impl Into<String>) -> Self {
        Self {
            secret,
            method: Method::GET,
            path: path.into(),
            body: ("", Vec::new()),
        }
    }

    fn post(
        secret: &'a str,
        path: impl Into<String>,
        content_type: &'static str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            method: Method::POST,
            body: (content_type, body.into()),
            ..Self::get(secret, path)
        }
    }

    fn event(secret: &'a str, id: &str, data: &str) -> Self {
        let path = "/metering/v1/events";
        Self::post(secret, path, "application/json", event(id, data))
    }

    fn import(secret: &'a str, path: impl Into<String>, report: Vec<u8>) -> Self {
        Self::post(secret, path, "text/csv", report)
    }

    async fn of(&self, server: &Server) -> Answer {
        let (content_type, body) = &self.body;
        let request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, *content_type)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.secret))
            .body(Body::from(body.clone()))
            .unwrap();
        let response = server.router.clone().oneshot(request).await.unwrap();
        Answer::of(response).await
    }
}

/// What `acme`'s people and programs hold.
struct Tokens {
    reader: String,
    member: String,
    sender: String,
    importer: String,
}

/// A server with both tenants, and ids that only the other one has.
async fn server(other: &str) -> (Server, Tokens, [String; 3]) {
    let server = Server::on_disk(NOW).await.with_reports().await;
    server.apply(&billing_file(other)).await;
    let named = |what: &str| format!("{other}-{what}");
    let imported = server
        .import(
            &enterprise(other),
            &[
                (
                    "minutes",
                    minutes([&named("user"), &named("org"), "api", &named("center")]),
                ),
                ("requests", requests(&named("user"), &named("org"))),
            ],
        )
        .await;
    let data = format!("\"enterprise\":\"{other}\",\"user\":\"{other}-met\"");
    let sent = Ask::event(ADMIN, "theirs", &data).of(&server).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let centers = format!("/enterprises/{other}/settings/billing/cost-centers");
    let centers = server.get(&centers).await.ok().json();
    let center = centers["costCenters"][0]["id"].as_str().unwrap().to_owned();
    let reports = format!("/enterprises/{other}/settings/billing/reports");
    let body = r#"{"report_type":"detailed","start_date":"2025-12-01"}"#;
    let report = Ask::post(ADMIN, reports, "application/json", body);
    let report = report.of(&server).await.json()["id"].clone();
    let report = report.as_str().unwrap().to_owned();

    let all = ["admin:enterprise", "admin:org", "user"];
    let acme = ["enterprise/acme", "organization/acme-org"];
    let tokens = Tokens {
        reader: server
            .token("reader", &Grants::classic("amy", all).unwrap(), None)
            .await,
        member: server
            .token("member", &Grants::classic("al", all).unwrap(), None)
            .await,
        sender: server
            .token("sender", &Grants::sender(acme, Vec::new()).unwrap(), None)
            .await,
        importer: server
            .token("importer", &Grants::importer(acme).unwrap(), None)
            .await,
    };
    let import = imported.outcome.import.record.id.to_string();
    (server, tokens, [import, center, report])
}

/// Asks that name what only the other tenant has.
fn asks<'a>(tokens: &'a Tokens, ids: &[String; 3]) -> Vec<Ask<'a>> {
    let [import, center, report] = ids;
    let mut asks = paths(tokens, import, center, report);
    asks.extend(writes(tokens));
    // Once more, for what the writes may have left to be seen.
    asks.extend(paths(tokens, import, center, report));
    asks
}

const USAGE: [&str; 4] = [
    "usage",
    "usage/summary",
    "premium_request/usage",
    "ai_credit/usage",
];

fn paths<'a>(tokens: &'a Tokens, import: &str, center: &str, report: &str) -> Vec<Ask<'a>> {
    let mut paths = Vec::new();
    for (kind, names) in [
        ("enterprises", &["bravo"][..]),
        ("organizations", &["bravo-org", "bravo-solo"]),
        (
            "users",
            &["bravo-user", "bravo-met", "bravo-boss", "bravo-payer"],
        ),
    ] {
        for name in names {
            for usage in USAGE {
                paths.push(format!("/{kind}/{name}/settings/billing/{usage}"));
            }
            let imports = format!("/metering/v1/{kind}/{name}/imports");
            paths.extend([format!("{imports}/{import}"), imports]);
        }
    }
    for account in ["/enterprises/acme", "/organizations/acme-org"] {
        let filters = [
            "organization=bravo-org",
            "organization=bravo-solo",
            "user=bravo-user",
            "user=bravo-met",
            "user=bravo-boss",
            "user=bravo-member",
            "user=bravo-payer",
            "repository=bravo-org/api",
            &format!("cost_center_id={center}"),
        ];
        for (usage, filter) in USAGE
            .iter()
            .flat_map(|it| filters.map(|filter| (it, filter)))
        {
            paths.push(format!("{account}/settings/billing/{usage}?{filter}"));
        }
        paths.push(format!("/metering/v1{account}/imports"));
        paths.push(format!("/metering/v1{account}/imports/{import}"));
    }
    for of_enterprise in [
        "cost-centers".to_owned(),
        format!("cost-centers/{center}"),
        "reports".to_owned(),
        format!("reports/{report}"),
    ] {
        for slug in ["acme", "bravo"] {
            paths.push(format!(
                "/enterprises/{slug}/settings/billing/{of_enterprise}"
            ));
        }
    }
    paths.extend(["tokens", "catalog", "backup"].map(|path| format!("/metering/v1/{path}")));
    let secrets = [
        &tokens.reader,
        &tokens.member,
        &tokens.sender,
        &tokens.importer,
    ];
    let asks = paths.iter().flat_map(|path| {
        let asks = secrets.map(|secret| Ask::get(secret, path.clone()));
        asks.into_iter()
    });
    asks.collect()
}

fn writes(tokens: &Tokens) -> Vec<Ask<'_>> {
    let (sender, importer) = (&tokens.sender, &tokens.importer);
    let ours = "/metering/v1/enterprises/acme/imports";
    let mut asks = Vec::new();
    for (id, data) in [
        ("1", r#""enterprise":"bravo""#),
        ("2", r#""organization":"bravo-org""#),
        ("3", r#""organization":"bravo-solo""#),
        ("4", r#""user":"bravo-payer""#),
        ("5", r#""enterprise":"acme","organization":"bravo-org""#),
        ("6", r#""enterprise":"acme","user":"bravo-user""#),
        ("theirs", r#""enterprise":"acme","user":"bravo-met""#),
    ] {
        asks.push(Ask::event(sender, id, data));
    }
    let void = event("7", r#""enterprise":"acme""#).replace("\"usage\"", "\"void\"");
    let void = void.replace(
        "\"sku\":\"actions_linux\",\"quantity\":1,",
        "\"target\":{\"source\":\"/ci\",\"id\":\"theirs\"},",
    );
    asks.push(Ask::post(
        sender,
        "/metering/v1/events",
        "application/json",
        void,
    ));
    for path in [
        ours,
        "/metering/v1/organizations/acme-org/imports",
        "/metering/v1/enterprises/bravo/imports",
        "/metering/v1/organizations/bravo-org/imports",
        "/metering/v1/organizations/bravo-solo/imports",
        "/metering/v1/users/bravo-payer/imports",
    ] {
        for organization in ["bravo-org", "Bravo-Solo", ""] {
            let report = minutes(["bravo-user", organization, "api", "bravo-center"]);
            asks.push(Ask::import(importer, path, report));
        }
        // Nor does the spelling reveal that another account declared the user.
        let report = requests("BRAVO-USER", "acme-org");
        asks.push(Ask::import(importer, path, report));
    }
    let report = minutes(["bravo-boss", "acme-org", "bravo-org/api", "bravo-center"]);
    asks.push(Ask::import(importer, ours, report));
    let file = "users: [{login: bravo-user}]";
    let apply = "/metering/v1/apply";
    asks.push(Ask::post(&tokens.reader, apply, "application/yaml", file));
    asks
}

/// The body without what is random or measured.
fn redacted(answer: &Answer) -> String {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return answer.text().to_owned();
    };
    redact(&mut body);
    body.to_string()
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match key.as_str() {
                    "id" | "import" | "milliseconds" | "lines_per_second" => *member = Value::Null,
                    _ => redact(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Names that only another tenant has are answered, byte for byte, like unknown names: the same
/// requests are made where the other tenant has them and where it has different ones.
#[tokio::test]
async fn what_only_another_tenant_has_is_answered_as_what_nobody_has() {
    let (known, tokens, ids) = server("bravo").await;
    let (unknown, _, _) = server("cello").await;
    let mut counted = 0;
    for ask in asks(&tokens, &ids) {
        let (here, nowhere) = (ask.of(&known).await, ask.of(&unknown).await);
        let what = format!("{} {} by {}", ask.method, ask.path, ask.secret);
        assert_eq!(here.status, nowhere.status, "{what}: {}", here.text());
        assert_eq!(redacted(&here), redacted(&nowhere), "{what}");
        counted += usize::from(matches!(here.status, 200 | 201));
    }
    assert!(counted > 100, "only {counted} of the asks were answered");
}

/// A tenant's report names its own organizations or counts not at all, and the refusal tells which
/// names are to be declared.
#[tokio::test]
async fn a_tenant_s_import_names_only_its_own_organizations() {
    let (server, tokens, _) = server("bravo").await;
    let line = |organization: &str| {
        format!(
            "2025-12-03,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,{organization},api,,"
        )
    };
    let path = "/metering/v1/enterprises/acme/imports?skip_bad_lines=true";
    let lines = ["acme-org", "nova", "bravo-org", "NOVA", ""].map(line);
    let report = detailed(&lines.each_ref().map(String::as_str));
    let refused = Ask::import(&tokens.importer, path, report.clone());
    let refused = refused.of(&server).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let errors = refused.json()["errors"].clone();
    let named = |error: &Value| error["message"].as_str().unwrap().to_owned();
    let named: Vec<String> = errors.as_array().unwrap().iter().map(named).collect();
    assert_eq!(named, ["bravo-org", "nova"]);
    let message = refused.message();
    let way = "`enterprises: [{slug: acme, organizations: [bravo-org, nova]}]`";
    assert!(message.contains(way), "{message}");
    let imports = "/metering/v1/enterprises/acme/imports";
    let list = server.get(imports).await.json();
    assert_eq!(list["imports"], Value::Array(Vec::new()));

    // The message is bounded, whatever the report holds.
    let many: Vec<String> = (0..300)
        .map(|i| line(&format!("org-{i:03}-{}", "x".repeat(200))))
        .collect();
    let many = detailed(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let refused = Ask::import(&tokens.importer, path, many).of(&server).await;
    assert_eq!(refused.json()["errors"].as_array().map(Vec::len), Some(50));
    assert!(refused.message().contains(" and more. "), "{refused:?}");

    server
        .apply("enterprises: [{slug: acme, organizations: [nova]}]")
        .await;
    let report = detailed(&[&line("acme-org"), &line("Nova")]);
    let taken = Ask::import(&tokens.importer, path, report)
        .of(&server)
        .await;
    assert_eq!(taken.status, 201, "{}", taken.text());
}

/// Who paid for an organization states what was used until the day of its move, and nothing later.
#[tokio::test]
async fn a_former_payer_s_import_names_an_organization_on_its_days() {
    let (server, tokens, _) = server("bravo").await;
    for slug in ["acme", "bravo"] {
        let file = format!("enterprises: [{{slug: {slug}, organizations: [nova]}}]");
        server.apply(&file).await;
    }
    let import = async |days: &[&str]| {
        let line = |day: &&str| {
            format!("{day},actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,nova,api,,")
        };
        let lines: Vec<String> = days.iter().map(line).collect();
        let report = detailed(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let path = "/metering/v1/enterprises/acme/imports";
        Ask::import(&tokens.importer, path, report)
            .of(&server)
            .await
            .status
    };
    assert_eq!(import(&["2025-12-01", "2025-12-05"]).await, 201);
    assert_eq!(import(&["2025-12-06"]).await, 422);
    assert_eq!(import(&["2025-12-01", "2025-12-06"]).await, 422);
}

/// What a site administrator's import introduces is its account's until it is declared otherwise.
#[tokio::test]
async fn a_declaration_moves_what_an_import_introduced() {
    let (server, tokens, _) = server("bravo").await;
    let grants = Grants::sender(["enterprise/bravo"], Vec::new()).unwrap();
    let theirs = server.token("theirs", &grants, None).await;
    let report = minutes(["", "nova", "api", ""]);
    let path = "/metering/v1/enterprises/acme/imports";
    let introduced = Ask::import(ADMIN, path, report.clone()).of(&server).await;
    assert_eq!(introduced.status, 201, "{}", introduced.text());
    // A tenant can't go on with it by reports; by events it pays for what it is said to own.
    let again = Ask::import(&tokens.importer, path, report);
    assert_eq!(again.of(&server).await.status, 422);
    let path = "/metering/v1/organizations/nova/imports";
    let own = Ask::import(&tokens.importer, path, detailed(&[]));
    assert_eq!(own.of(&server).await.status, 422);
    let send = |secret, id: &'static str| Ask::event(secret, id, r#""organization":"nova""#);
    assert_eq!(send(&tokens.sender, "1").of(&server).await.status, 200);
    assert_eq!(send(&theirs, "2").of(&server).await.status, 422);

    let file = "enterprises: [{slug: bravo, organizations: [nova]}]";
    let apply = |path: &str| Ask::post(ADMIN, path, "application/yaml", file);
    for path in ["/metering/v1/apply?dry_run=true", "/metering/v1/apply"] {
        let applied = apply(path).of(&server).await;
        assert_eq!(applied.status, 200, "{path}: {}", applied.text());
        let text = applied.text();
        assert!(
            text.contains("acme (not declared, named by import "),
            "{text}"
        );
    }
    let again = apply("/metering/v1/apply").of(&server).await.json();
    assert_eq!(again["changes"], Value::Array(Vec::new()));
    assert_eq!(send(&tokens.sender, "3").of(&server).await.status, 422);
    assert_eq!(send(&theirs, "4").of(&server).await.status, 200);
    // What was imported stays where it was.
    let usage = "/enterprises/acme/settings/billing/usage?year=2025";
    let items = server.get(usage).await.ok().items();
    assert_eq!(items.len(), 2, "{items:?}");
}
