//! The catalogue over HTTP: both forms, versions, conditions, trials and refusals.

use super::*;

const CATALOG: &str = "/metering/v1/catalog";

const OWN: &str = "\
# what our own machines cost
product gpu \"GPU pool\"
sku gpu_minutes \"GPU minutes\" gpu minutes
  alias gpu-min
  price 0.05 from 2025-07-01
  price 0.040 from 2026-01-01
included gpu_team \"Included GPU minutes\"
  for organization
  covers gpu_minutes
  plan team 500
";

async fn put(server: &Server, query: &str, headers: &[(&str, &str)], text: &str) -> Answer {
    let mut request = Request::builder()
        .method("PUT")
        .uri(format!("{CATALOG}{query}"))
        .header("authorization", format!("Bearer {ADMIN}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server
        .send(request.body(text.to_owned().into()).unwrap())
        .await
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_own_text_comes_back_as_it_was_put_and_as_data() {
    let server = Server::new().await;
    let text = [("accept", "text/plain")];
    let before = server.ask("GET", CATALOG, ADMIN, &text).await;
    assert_eq!(
        (before.status, before.text()),
        (StatusCode::OK, String::new())
    );
    let made = put(
        &server,
        "",
        &[("content-type", "text/plain; charset=utf-8")],
        OWN,
    )
    .await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let version = made.json()["catalog_version"].as_u64().unwrap();
    assert_eq!(tag(&made), format!("\"{version}\""));
    let after = server.ask("GET", CATALOG, ADMIN, &text).await;
    assert_eq!(after.text(), OWN);
    assert_eq!(tag(&after), tag(&made));
    assert_ne!(tag(&before), tag(&made));
    let content_type = after.headers["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("text/plain"), "{content_type}");

    let json = server.get(CATALOG).await;
    assert_ne!(tag(&json), tag(&after));
    let answer = json.json();
    assert_eq!(answer["version"], version);
    assert_eq!(answer["own"], OWN);
    let find = |list: &str, id: &str| {
        let entries = answer[list].as_array().unwrap().iter();
        entries
            .clone()
            .find(|it| it["id"] == id)
            .unwrap()
            .to_string()
    };
    let sku = concat!(
        r#"{"id":"gpu_minutes","name":"GPU minutes","aliases":["gpu-min"],"product":"gpu","#,
        r#""unit":"minutes","free_in_public_repositories":false,"prices":[{"value":0.05,"#,
        r#""from":"2025-07-01"},{"value":0.04,"from":"2026-01-01"}],"included":"#,
        r#"[{"id":"gpu_team","weight":1}]}"#,
    );
    let body = json.text();
    assert!(body.contains(sku), "{}", find("skus", "gpu_minutes"));
    let pool = concat!(
        r#"{"id":"gpu_team","name":"Included GPU minutes","per_user":false,"for":"#,
        r#"["organization"],"worth":"units","times":1,"plans":[{"of":"team","amounts":"#,
        r#"[{"value":500,"from":null}]}],"seats":[]}"#,
    );
    assert!(body.contains(pool), "{}", find("included", "gpu_team"));
    assert!(body.contains(r#"{"id":"actions_linux","name":"Actions Linux""#));
    assert!(
        answer["multipliers"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
    );
}

#[tokio::test]
async fn who_holds_the_version_is_told_so_and_who_edited_another_is_refused() {
    let server = Server::new().await;
    let first = put(&server, "", &[], OWN).await;
    let json = server.get(CATALOG).await;
    for (accept, tag) in [("text/plain", tag(&first)), ("*/*", tag(&json))] {
        let held = [("accept", accept), ("if-none-match", tag.as_str())];
        let answer = server.ask("GET", CATALOG, ADMIN, &held).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{accept}");
        assert!(answer.body.is_empty());
    }
    let second = OWN.replace("0.05", "0.06");
    let made = put(&server, "", &[("if-match", &tag(&first))], &second).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let stale = put(&server, "", &[("if-match", &tag(&first))], OWN).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let version = made.json()["catalog_version"].as_u64().unwrap();
    assert_eq!(
        message(&stale),
        format!("The catalogue is at version {version}.")
    );
    for good in ["*".to_owned(), tag(&server.get(CATALOG).await)] {
        let made = put(&server, "", &[("if-match", &good)], &second).await;
        assert_eq!(made.status, StatusCode::OK, "{good}");
        assert_eq!(made.json()["catalog_version"], version, "nothing changed");
    }
    let list = server.get("/metering/v1/catalog/versions").await.json();
    let versions = list["versions"].as_array().unwrap();
    assert_eq!(versions[0]["version"], version);
    assert_eq!(versions[0]["changed"], "own");
    assert!(versions[0]["by"].as_str().unwrap().starts_with("token "));
    assert_eq!(versions[0]["created_at"], "2025-11-21T12:00:00Z");
    assert_eq!(versions.last().unwrap()["changed"], "edition");
    let old = format!("{CATALOG}?version={}", versions[1]["version"]);
    let old = server
        .ask("GET", &old, ADMIN, &[("accept", "text/plain")])
        .await;
    assert_eq!(old.text(), OWN);
    let never = server.get(&format!("{CATALOG}?version=999")).await;
    assert_eq!(never.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let server = Server::new().await;
    let refused = put(&server, "", &[], "product gpu \"GPU\"\n  price 1\n").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = "the own catalogue, line 2, column 3: 'price' must follow the SKU that it is \
                    about";
    assert_eq!(message(&refused), expected);
    let json = [("content-type", "application/json")];
    let refused = put(&server, "", &json, "{}").await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for (query, expected) in [
        (
            "?month=2025-11",
            "Invalid parameter 'month': it needs dry_run=true.",
        ),
        (
            "?dry_run=true&month=11",
            "Invalid parameter 'month': it must be like 2026-06.",
        ),
        (
            "?dry_run=true&month=2025-11&account=octo-ent",
            "Invalid parameter 'account': it must be like enterprise/octo-ent.",
        ),
        (
            "?dry_run=true&account=user/mona",
            "Invalid parameter 'account': it needs month.",
        ),
    ] {
        let refused = put(&server, query, &[], OWN).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(message(&refused), expected);
    }
    let nobody = "?dry_run=true&month=2025-11&account=enterprise/nobody";
    assert_eq!(
        put(&server, nobody, &[], OWN).await.status,
        StatusCode::NOT_FOUND
    );
    let own = server
        .ask("GET", CATALOG, ADMIN, &[("accept", "text/plain")])
        .await;
    assert_eq!(own.text(), "");
}

#[tokio::test]
async fn a_trial_says_what_would_change_and_changes_nothing() {
    let server = Server::new().await;
    server.import("summarized_2025-07.csv").await;
    let query = "?dry_run=true&month=2025-07&account=enterprise/octo-ent";
    let before = tag(&server.get(CATALOG).await);
    let asked = put(&server, query, &[], OWN).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text());
    let answer = asked.json();
    assert_eq!(answer["dry_run"], true);
    let changes = answer["changes"].as_array().unwrap();
    let price = serde_json::json!({
        "subject": "sku gpu_minutes", "field": "price from 2025-07-01", "before": null,
        "after": "0.05",
    });
    assert!(changes.contains(&price), "{changes:#?}");
    // Imported usage keeps the amounts that its report states.
    let account = &answer["what_if"]["accounts"][0];
    assert_eq!(answer["what_if"]["month"], "2025-07");
    assert_eq!(account["account"]["name"], "octo-ent");
    assert_eq!(account["before"], account["after"]);
    assert!(
        account["skus"]
            .as_array()
            .is_some_and(|skus| !skus.is_empty())
    );
    assert_eq!(tag(&server.get(CATALOG).await), before);
}

#[tokio::test]
async fn a_billing_file_brings_the_catalogue_and_discounts_along() {
    let server = Server::new().await;
    let file = "
catalog: |
  product gpu \"GPU pool\"
  sku gpu_minutes \"GPU minutes\" gpu minutes
    price 0.05
enterprises:
  - slug: octo-ent
    discounts: [{percent: 12.5, product: gpu, from: 2025-07-01, until: 2026-01-01}]
";
    let apply = "/metering/v1/apply";
    let made = server.post(apply, "application/yaml", file).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let discount = "12.5% on product gpu from 2025-07-01 until 2026-01-01";
    assert!(made.text().contains(discount), "{}", made.text());
    let own = server
        .ask("GET", CATALOG, ADMIN, &[("accept", "text/plain")])
        .await;
    assert!(own.text().ends_with("\n  price 0.05\n"), "{}", own.text());
    let again = server.post(apply, "application/yaml", file).await;
    assert_eq!(again.json()["changes"], serde_json::json!([]));
    let beside = server
        .post(apply, "application/yaml", "catalog_file: own.txt")
        .await;
    assert_eq!(beside.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        message(&beside).contains("send its text as catalog"),
        "{}",
        message(&beside)
    );
}

/// What usage that was sent would cost, and that it cannot lose its price.
#[tokio::test]
async fn sent_usage_is_in_the_trial_and_stands_against_a_loss() {
    let server = Server::new().await;
    put(&server, "", &[], OWN).await;
    let event = concat!(
        r#"{"specversion":"1.0","id":"1","source":"/gpu","type":"usage","#,
        r#""time":"2025-11-03T10:00:00Z","data":{"sku":"gpu-min","quantity":30.5,"#,
        r#""organization":"octo-org"}}"#,
    );
    let sent = server
        .post("/metering/v1/events", "application/json", event)
        .await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let dearer = OWN.replace("0.05", "0.10");
    let asked = put(&server, "?dry_run=true&month=2025-11", &[], &dearer).await;
    let what_if = concat!(
        r#""what_if":{"month":"2025-11","accounts":[{"account":{"kind":"enterprise","#,
        r#""name":"octo-ent"},"before":{"gross_amount":1.525,"discount_amount":0,"#,
        r#""net_amount":1.525},"after":{"gross_amount":3.05,"discount_amount":0,"#,
        r#""net_amount":3.05},"skus":[{"sku":"gpu_minutes","before":{"gross_amount":1.525,"#,
        r#""discount_amount":0,"net_amount":1.525},"after":{"gross_amount":3.05,"#,
        r#""discount_amount":0,"net_amount":3.05}}]}]}"#,
    );
    assert!(asked.text().contains(what_if), "{}", asked.text());
    let gone = put(&server, "", &[], "").await;
    assert_eq!(gone.status, StatusCode::CONFLICT);
    let expected = "enterprise octo-ent has usage of gpu-min on 2025-11-03, and the new catalogue \
                    has no such SKU; keep it priced for that day";
    assert_eq!(message(&gone), expected);
    let file = "enterprises: [{slug: other, organizations: [octo-org]}]";
    let moved = server
        .post("/metering/v1/apply", "application/yaml", file)
        .await;
    assert_eq!(moved.status, StatusCode::CONFLICT, "{}", moved.text());
    assert!(
        message(&moved).contains("move_payers=true"),
        "{}",
        moved.text()
    );
    let path = "/metering/v1/apply?move_payers=true";
    let moved = server.post(path, "application/yaml", file).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text());
}
