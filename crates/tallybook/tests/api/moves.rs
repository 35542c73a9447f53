//! Organizations that move to another payer: their own endpoints and reports go on answering from
//! every account that has paid for them, and what they used adds up to the last digit.

use crate::decimals::{Sums, add, joined, normal};
use crate::exports::export_of;
use crate::server::{Server, ai_credits, at, detailed, enterprise, organization, premium_requests};
use axum::http::Method;
use std::collections::BTreeMap;
use tallybook::auth::Grants;
use tallybook::engine::apply::ApplyOptions;
use tallybook::engine::commit::Actor;
use tallybook::engine::metering::{Incoming, Payer, Receipt, Submission};
use tallybook_core::account::AccountName;
use tallybook_core::event::{Event, EventBody, EventName, Usage};
use tallybook_core::money::Quantity;
use tallybook_core::name::Name;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Timestamp;

const NOW: &str = "2026-11-28T12:00:00Z";

/// In the middle of a month.
const MOVED: &str = "2026-11-15T12:00:00Z";

const OCTO: &str = "/organizations/octo-org/settings/billing";

/// Questions by month, day and hour, with and without filters.
const QUESTIONS: [&str; 13] = [
    "usage",
    "usage?year=2026&month=10",
    "usage?year=2026&month=11",
    "usage?year=2026&month=11&day=15",
    "usage?year=2026&month=11&day=15&hour=11",
    "usage/summary",
    "usage/summary?year=2026",
    "usage/summary?year=2026&month=11&day=15&product=actions",
    "usage/summary?year=2026&repository=octo-org/api",
    "premium_request/usage?year=2026",
    "premium_request/usage?year=2026&month=11&user=mona",
    "ai_credit/usage?year=2026&month=11",
    "ai_credit/usage?year=2026&model=gpt-5",
];

const KINDS: [ReportKind; 4] = [
    ReportKind::Detailed,
    ReportKind::Summarized,
    ReportKind::PremiumRequest,
    ReportKind::AiCredit,
];

/// What the organization and a neighbour of it used at one time.
async fn use_some(server: &Server, id: &str, time: &str) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for organization in ["octo-org", "near-org"] {
        for (sku, quantity, model) in [
            ("actions_linux", "10.5", None),
            ("copilot_premium_request", "7", Some("gpt-5")),
            ("copilot_ai_credit", "3.25", Some("gpt-5")),
        ] {
            let usage = Usage {
                sku: sku.into(),
                quantity: Quantity::parse(quantity).unwrap(),
                organization: Some(organization.into()),
                repository: Some("api".into()),
                user: Some("mona".into()),
                model: model.map(Name::from),
                ..Usage::default()
            };
            let name = format!("{organization} {id} {sku}");
            receipts.push(send(server, &name, time, organization, usage).await);
        }
    }
    receipts
}

async fn send(server: &Server, id: &str, time: &str, organization: &str, usage: Usage) -> Receipt {
    let event = Event {
        name: EventName {
            source: "/ci".into(),
            id: id.into(),
        },
        time: Timestamp::parse(time).unwrap(),
        body: EventBody::Usage(usage),
    };
    let payer = Payer {
        organization: Some(organization.into()),
        ..Payer::default()
    };
    let submission = Submission {
        events: vec![(0, Incoming { event, payer })],
        ..Submission::default()
    };
    server.engine.submit(at(NOW), submission).await.unwrap()
}

async fn apply(server: &Server, when: &str, file: &str) {
    let declarations = tallybook::billing_file::parse(file).unwrap();
    let options = ApplyOptions {
        move_payers: true,
        ..ApplyOptions::default()
    };
    let actor = Actor::command("test");
    let applied = server
        .engine
        .apply_with(at(when), &actor, &declarations, &options);
    applied.await.unwrap();
}

/// A server where the organization stands alone, or is in `octo-ent` together with a neighbour.
async fn server(standalone: bool) -> Server {
    let server = Server::new(NOW).await;
    let file = if standalone {
        "{enterprises: [{slug: octo-ent}, {slug: other-ent}],
          organizations: [{login: octo-org, owners: [olga]}, {login: near-org}]}"
    } else {
        "{enterprises: [{slug: octo-ent, organizations: [octo-org, near-org]}, {slug: other-ent}],
          organizations: [{login: octo-org, owners: [olga]}]}"
    };
    apply(&server, "2026-10-01T00:00:00Z", file).await;
    let account = match standalone {
        true => organization("octo-org"),
        false => enterprise("octo-ent"),
    };
    let lines = [
        "2026-10-05,actions,actions_linux,1,minutes,6,6,2,4,mona,octo-org,api,ci.yml,",
        "2026-11-05,actions,actions_linux,1,minutes,6,6,0,6,mona,octo-org,Web,ci.yml,",
    ];
    server
        .import(&account, &[("detailed", detailed(&lines))])
        .await;
    let lines = [
        "2026-11-06,mona,copilot,copilot_ai_credit,GPT-5,2,ai-credits,0.01,0.02,0,0.02,300,octo-org,api,,2,0.02",
    ];
    server
        .import(&account, &[("credits", ai_credits(&lines))])
        .await;
    let lines = [
        "2026-11-07,mona,copilot,copilot_premium_request,GPT-5,2,requests,0.04,0.08,0.08,0,False,300,octo-org,,2,0.08",
    ];
    server
        .import(&account, &[("requests", premium_requests(&lines))])
        .await;
    use_some(&server, "1", "2026-10-20T10:00:00Z").await;
    use_some(&server, "2", "2026-11-15T11:00:00Z").await;
    server
}

/// Every answer about the organization, without what says of which state it is.
async fn answers(server: &Server) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for question in QUESTIONS {
        let answer = server.get(&format!("{OCTO}/{question}")).await.ok();
        answers.insert(question.to_owned(), answer.text().to_owned());
    }
    for kind in KINDS {
        let days = ("2026-11-01", "2026-11-30");
        let report = export_of(server, &organization("octo-org"), kind, days).await;
        answers.insert(kind.to_string(), String::from_utf8(report).unwrap());
    }
    let (account, days) = (organization("octo-org"), ("2026-10-01", "2026-11-30"));
    let report = export_of(server, &account, ReportKind::Summarized, days).await;
    let report = String::from_utf8(report).unwrap();
    answers.insert("both months".to_owned(), report);
    answers
}

fn has_something_to_say(answers: &BTreeMap<String, String>) {
    for (question, answer) in answers {
        let items = answer.contains("grossAmount") || answer.lines().count() > 1;
        assert!(items, "{question}: {answer}");
    }
}

/// What an endpoint of an account adds up to in the year.
async fn sums(server: &Server, account: &AccountName, filter: &str) -> Sums {
    let mut sums = Sums::default();
    let (kind, name) = (account.kind, &account.name);
    for endpoint in ["usage/summary", "premium_request/usage", "ai_credit/usage"] {
        let path = format!("/{kind}s/{name}/settings/billing/{endpoint}?year=2026{filter}");
        add(&mut sums, &server.get(&path).await.ok());
    }
    sums
}

async fn octo(server: &Server) -> Sums {
    sums(server, &organization("octo-org"), "").await
}

async fn within(server: &Server, slug: &str) -> Sums {
    sums(server, &enterprise(slug), "&organization=octo-org").await
}

#[tokio::test]
async fn a_move_changes_no_answer_about_what_was_used_before() {
    for standalone in [true, false] {
        let server = server(standalone).await;
        let before = answers(&server).await;
        has_something_to_say(&before);
        for slug in ["other-ent", "octo-ent", "other-ent"] {
            let file = format!("enterprises: [{{slug: {slug}, organizations: [octo-org]}}]");
            apply(&server, MOVED, &file).await;
            let after = answers(&server).await;
            for (question, answer) in &before {
                assert_eq!(&after[question], answer, "{standalone} {slug} {question}");
            }
        }
        server.engine.verify().await.unwrap();
    }
}

#[tokio::test]
async fn what_several_accounts_paid_for_adds_up() {
    let server = server(false).await;
    let (first, neighbour) = (octo(&server).await, organization("near-org"));
    assert_eq!(normal(&first), normal(&within(&server, "octo-ent").await));
    let file = "enterprises: [{slug: other-ent, organizations: [octo-org]}]";
    apply(&server, MOVED, file).await;
    use_some(&server, "3", "2026-11-15T12:30:00Z").await;
    let both = octo(&server).await;
    let (old, new) = (
        within(&server, "octo-ent").await,
        within(&server, "other-ent").await,
    );
    assert_eq!(normal(&old), normal(&first), "nothing moved");
    assert!(!normal(&new).is_empty());
    assert_eq!(normal(&both), normal(&joined(old, new)));

    let back = "enterprises: [{slug: octo-ent, organizations: [octo-org]}]";
    apply(&server, "2026-11-20T00:00:00Z", back).await;
    use_some(&server, "4", "2026-11-21T00:00:00Z").await;
    let (all, old) = (octo(&server).await, within(&server, "octo-ent").await);
    let new = within(&server, "other-ent").await;
    assert_eq!(normal(&all), normal(&joined(old, new)));
    assert_ne!(normal(&all), normal(&both));
    // The one that stayed has its own.
    let beside = sums(&server, &enterprise("octo-ent"), "&organization=near-org").await;
    let near = sums(&server, &neighbour, "").await;
    assert_eq!(normal(&near), normal(&beside));
    server.engine.verify().await.unwrap();
}

/// Rows of a report stand in one order, whichever account they come from, and what two accounts
/// used of the same on the day of the move is one row.
#[tokio::test]
async fn reports_of_several_accounts_are_of_one_piece() {
    // The same usage, in one account and in two.
    let (moved, stayed) = (server(true).await, server(true).await);
    let file = "enterprises: [{slug: other-ent, organizations: [octo-org]}]";
    apply(&moved, MOVED, file).await;
    for server in [&moved, &stayed] {
        use_some(server, "3", "2026-11-15T12:30:00Z").await;
        use_some(server, "4", "2026-11-16T12:30:00Z").await;
    }
    for kind in KINDS {
        let days = ("2026-11-01", "2026-11-30");
        let account = organization("octo-org");
        let of_two = export_of(&moved, &account, kind, days).await;
        let of_one = export_of(&stayed, &account, kind, days).await;
        let text = |report: &[u8]| String::from_utf8(report.to_vec()).unwrap();
        // Nothing is free in either account, so that they agree in every amount.
        assert_eq!(text(&of_two), text(&of_one), "{kind}");
    }
}

#[tokio::test]
async fn answers_name_the_newest_batches_of_all_accounts() {
    let server = server(true).await;
    let path = format!("{OCTO}/usage");
    let file = "enterprises: [{slug: other-ent, organizations: [octo-org]}]";
    let before = server.get(&path).await.ok();
    apply(&server, MOVED, file).await;
    let moved = server.get(&path).await.ok();
    let as_of = moved.header("x-tallybook-as-of").to_owned();
    let accounts = as_of.split(';').next().unwrap();
    let accounts = accounts.strip_prefix("account=").unwrap();
    let numbers: Vec<u64> = accounts.split(',').map(|it| it.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 2, "{as_of}");
    assert_eq!(numbers[0], 0, "nothing was used in the new account");
    let tag = moved.header("etag");
    assert_ne!(tag, before.header("etag"));
    let again = async |tag: &str| {
        server
            .get_with(&path, &[("if-none-match", tag)])
            .await
            .status
    };
    assert_eq!(again(tag).await, 304);
    use_some(&server, "3", "2026-11-15T12:30:00Z").await;
    assert_eq!(again(tag).await, 200, "in the new account");
    let tag = server.get(&path).await.ok().header("etag").to_owned();
    assert_eq!(again(&tag).await, 304);
    // Late, so that it is the old account's.
    use_some(&server, "5", "2026-11-01T12:30:00Z").await;
    assert_eq!(again(&tag).await, 200, "in the old account");
}

/// The organization's roles see all that it used; those of its enterprise, too, at its endpoints.
/// At the enterprise's own there is what the enterprise paid for.
#[tokio::test]
async fn roles_see_what_their_account_paid_for() {
    let server = server(true).await;
    let path = format!("{OCTO}/usage?year=2026");
    let before = server.get(&path).await.ok().text().to_owned();
    let file = "enterprises: [
        {slug: octo-ent, owners: [eva]},
        {slug: other-ent, owners: [boss], organizations: [octo-org]}]";
    apply(&server, MOVED, file).await;
    let mut tokens = BTreeMap::new();
    for user in ["olga", "boss", "eva"] {
        let grants = Grants::classic(user, ["admin:org", "manage_billing:enterprise"]).unwrap();
        tokens.insert(user, server.token(user, &grants, None).await);
    }
    for user in ["olga", "boss"] {
        let answer = server.get_as(&tokens[user], &path).await.ok();
        assert_eq!(answer.text(), before, "{user}");
    }
    assert_eq!(server.get_as(&tokens["eva"], &path).await.status, 404);
    let own = "/enterprises/other-ent/settings/billing/usage?year=2026";
    let own = server.get_as(&tokens["boss"], own).await.ok();
    assert!(own.items().is_empty(), "{}", own.text());
}

/// What an import introduced is the declared payer's from the declaration on, and what was billed
/// before stays to be seen.
#[tokio::test]
async fn what_an_import_introduced_stays_to_be_seen_when_a_declaration_moves_it() {
    let server = Server::new(NOW).await;
    let file = "enterprises: [{slug: octo-ent}, {slug: other-ent}]";
    apply(&server, "2026-10-01T00:00:00Z", file).await;
    let line = "2026-10-05,actions,actions_linux,1,minutes,6,6,2,4,mona,octo-org,api,ci.yml,";
    let report = [("detailed", detailed(&[line]))];
    server.import(&enterprise("octo-ent"), &report).await;
    let path = format!("{OCTO}/usage?year=2026");
    let before = server.get(&path).await.ok().text().to_owned();
    assert!(before.contains("octo-org/api"), "{before}");
    let file = "enterprises: [{slug: other-ent, organizations: [octo-org]}]";
    server.apply(file).await;
    assert_eq!(server.get(&path).await.ok().text(), before);
}

#[tokio::test]
async fn imports_of_past_payers_are_listed_and_reverted_with_tokens_for_them() {
    let server = server(true).await;
    let imports = "/metering/v1/organizations/octo-org/imports";
    let list = async || {
        let list = server.get(imports).await.ok().json()["imports"].clone();
        list.as_array().unwrap().clone()
    };
    let before = list().await;
    assert_eq!(before.len(), 3);
    let file = "enterprises: [{slug: other-ent, organizations: [octo-org]}]";
    apply(&server, MOVED, file).await;
    let line = "2026-11-20,actions,actions_linux,1,minutes,6,6,0,6,mona,octo-org,api,ci.yml,";
    let report = [("more", detailed(&[line]))];
    server.import(&organization("octo-org"), &report).await;
    let after = list().await;
    assert_eq!(after.len(), 4);
    assert!(before.iter().all(|import| after.contains(import)));

    let old = before[0]["id"].as_str().unwrap();
    let path = format!("{imports}/{old}");
    let revert = async |account: &AccountName| {
        let named = format!("{}/{}", account.kind, account.name);
        let grants = Grants::importer([named.as_str()]).unwrap();
        let token = server.token(account.name.as_str(), &grants, None);
        let bearer = format!("Bearer {}", token.await);
        let headers = [("authorization", bearer.as_str())];
        server.send(Method::DELETE, &path, &headers).await.status
    };
    assert_eq!(revert(&enterprise("octo-ent")).await, 404);
    assert_eq!(revert(&enterprise("other-ent")).await, 403);
    assert_eq!(revert(&organization("octo-org")).await, 200);
    assert_eq!(revert(&organization("near-org")).await, 404);
}
