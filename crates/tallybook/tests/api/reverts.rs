//! Importing again changes nothing; reverting gives back the bytes from before.

use crate::answer::Answer;
use crate::server::{Server, detailed, enterprise, fixture, user};
use crate::sums::paths;
use std::collections::BTreeMap;
use tallybook_core::account::AccountName;

const NOW: &str = "2025-12-05T12:00:00Z";

/// Every account that any of the reports names, of the endpoints that differ.
fn questions() -> Vec<String> {
    let mut questions = paths();
    for account in [
        "organizations/misty-raven",
        "organizations/acme-corp",
        "users/monalisa",
    ] {
        for endpoint in [
            "usage",
            "usage?year=2025&month=11",
            "usage/summary?year=2025",
            "premium_request/usage?year=2025",
        ] {
            questions.push(format!("/{account}/settings/billing/{endpoint}"));
        }
    }
    questions
}

async fn ask(server: &Server) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    for question in questions() {
        let mut answer = server.get(&question).await;
        answer.headers.remove("x-github-request-id");
        answers.insert(question, answer);
    }
    answers
}

/// What does not say how often the ledger was written to.
fn bodies(answers: &BTreeMap<String, Answer>) -> BTreeMap<&str, (u16, &str)> {
    answers
        .iter()
        .map(|(question, answer)| (question.as_str(), (answer.status, answer.text())))
        .collect()
}

fn octo() -> AccountName {
    enterprise("octo-ent")
}

/// Reports that hide parts of each other, and one of a user's own.
fn reports() -> Vec<(AccountName, &'static str, Vec<u8>)> {
    let later = [
        "2025-11-02,actions,actions_linux,5,minutes,0.008,0.04,0,0.04,,misty-raven,late,,",
        "2025-11-02,actions,actions_windows,5,minutes,0.016,0.08,0,0.08,,New-Org,late,,New Center",
    ];
    let own = "2025-11-03,actions,actions_linux,5,minutes,0.008,0.04,0,0.04,monalisa,,site,,";
    vec![
        (
            octo(),
            "summarized_2025-07.csv",
            fixture("summarized_2025-07.csv"),
        ),
        (
            octo(),
            "detailed_2025-11-01_02.csv",
            fixture("detailed_2025-11-01_02.csv"),
        ),
        (octo(), "later.csv", detailed(&later)),
        (
            octo(),
            "premium_request_2025-10.csv",
            fixture("premium_request_2025-10.csv"),
        ),
        (user("monalisa"), "own.csv", detailed(&[own])),
    ]
}

#[tokio::test]
async fn importing_again_changes_no_byte() {
    let server = Server::on_disk(NOW).await;
    for (account, name, bytes) in reports() {
        server.import(&account, &[(name, bytes.clone())]).await;
        let before = ask(&server).await;
        // Neither under another name.
        for name in [name, "copy.csv"] {
            let again = server.import(&account, &[(name, bytes.clone())]).await;
            assert!(again.outcome.repeated, "{name}");
        }
        assert_eq!(ask(&server).await, before, "{name}");
    }
    server.engine.verify().await.unwrap();
}

#[tokio::test]
async fn reverting_gives_back_every_byte() {
    let server = Server::on_disk(NOW).await;
    server
        .apply("{enterprises: [{slug: octo-ent}], users: [{login: monalisa}]}")
        .await;
    let mut history = Vec::new();
    let mut before = ask(&server).await;
    let organization = |question: &str| question.starts_with("/organizations");
    for (question, answer) in &before {
        let expected = if organization(question) { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{question}");
    }
    for (account, name, bytes) in reports() {
        let report = server.import(&account, &[(name, bytes)]).await;
        let after = ask(&server).await;
        assert_ne!(bodies(&after), bodies(&before), "{name}");
        history.push((account, name, report.outcome.import.record.id, before));
        before = after;
    }
    let organizations = before.iter().filter(|(question, _)| organization(question));
    assert!(
        organizations
            .clone()
            .all(|(_, answer)| answer.status == 200)
    );
    while let Some((account, name, id, before)) = history.pop() {
        server.revert(&account, id).await;
        let after = ask(&server).await;
        for (question, expected) in bodies(&before) {
            assert_eq!(
                bodies(&after)[question],
                expected,
                "{question} after {name}"
            );
        }
    }
    server.engine.verify().await.unwrap();
}

/// An account that an import made outlives it, for its log does: empty, where it was unknown.
#[tokio::test]
async fn an_account_that_an_import_made_stays() {
    let server = Server::new(NOW).await;
    let path = "/users/monalisa/settings/billing/usage";
    assert_eq!(server.get(path).await.status, 404);
    let (account, name, bytes) = reports().pop().unwrap();
    let report = server.import(&account, &[(name, bytes)]).await;
    assert_eq!(server.get(path).await.ok().items().len(), 1);
    server
        .revert(&account, report.outcome.import.record.id)
        .await;
    assert_eq!(server.get(path).await.ok().text(), r#"{"usageItems":[]}"#);
}

/// Reverting in another order than importing: what is left is what was never imported beside.
#[tokio::test]
async fn what_remains_is_as_if_the_rest_had_never_been() {
    let all = reports();
    for left_out in 0..3 {
        let without = Server::new(NOW).await;
        let with = Server::new(NOW).await;
        let mut id = None;
        for (index, (account, name, bytes)) in all.iter().enumerate() {
            let file = [(*name, bytes.clone())];
            let report = with.import(account, &file).await;
            if index == left_out {
                id = Some(report.outcome.import.record.id);
            } else {
                without.import(account, &file).await;
            }
        }
        with.revert(&octo(), id.unwrap()).await;
        let (left, right) = (ask(&with).await, ask(&without).await);
        assert_eq!(bodies(&left), bodies(&right), "without {}", all[left_out].1);
    }
}
