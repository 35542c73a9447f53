//! Conditional requests and rate limits: what clients are spared, and what they are told of it.

use crate::answer::Answer;
use crate::manners::{NOW, SUMMARY, USAGE, more, server};
use crate::server::{ADMIN, Server, at, detailed, enterprise};
use tallybook::auth::Grants;
use tallybook::http::app::HttpSettings;

#[tokio::test]
async fn unchanged_answers_are_304() {
    let server = server().await;
    for path in [
        USAGE,
        SUMMARY,
        "/enterprises/octo-ent/settings/billing/cost-centers",
    ] {
        let first = server.get(path).await.ok();
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
        let strong = tag.trim_start_matches("W/").to_owned();
        for value in [&tag, &strong, &format!("\"x\", {tag}"), "*"] {
            let again = server.get_with(path, &[("if-none-match", value)]).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {value}");
            for name in ["etag", "x-tallybook-as-of", "cache-control", "vary"] {
                assert_eq!(again.header(name), first.header(name), "{name}");
            }
            assert!(again.headers.get("content-type").is_none());
        }
        let other = server.get_with(path, &[("if-none-match", "W/\"x\"")]).await;
        assert_eq!((other.status, other.text()), (200, first.text()));
    }
}

#[tokio::test]
async fn tags_change_with_everything_that_decides_a_body() {
    let server = server().await;
    let tag = async |server: &Server, path: &str| {
        let answer = server.get(path).await.ok();
        (
            answer.header("etag").to_owned(),
            answer.header("x-tallybook-as-of").to_owned(),
        )
    };
    let first = tag(&server, USAGE).await;
    assert_eq!(tag(&server, USAGE).await, first);
    assert_eq!(
        tag(&server, &USAGE.replace("octo-ent", "OCTO-ENT")).await.0,
        first.0,
        "the same account"
    );
    // As asked for, when everything that is left out is what would be filled in.
    assert_eq!(tag(&server, &format!("{USAGE}?year=2025")).await, first);
    assert_eq!(tag(&server, &format!("{USAGE}?ignored=1")).await, first);
    let mut tags = vec![first.0.clone()];
    for query in [
        "?year=2024",
        "?month=11",
        "?month=11&day=1",
        "?month=11&day=1&hour=0",
        "?cost_center_id=x",
    ] {
        tags.push(tag(&server, &format!("{USAGE}{query}")).await.0);
    }
    tags.push(tag(&server.observed(), USAGE).await.0);
    tags.push(tag(&server, SUMMARY).await.0);
    let headers = [("x-github-api-version", "2026-03-10")];
    tags.push(
        server
            .get_with(USAGE, &headers)
            .await
            .ok()
            .header("etag")
            .to_owned(),
    );
    // The next year asks another question, and the next day the same one.
    tags.push(tag(&server.later("2026-01-01"), USAGE).await.0);
    assert_eq!(tag(&server.later("2025-12-06"), USAGE).await, first);
    server
        .import(&enterprise("octo-ent"), &[("more", more())])
        .await;
    let later = tag(&server, USAGE).await;
    assert_ne!(later.1, first.1, "as of another batch");
    tags.push(later.0.clone());
    let count = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), count);
    // What is already so is no change.
    let again = server
        .import(&enterprise("octo-ent"), &[("again", more())])
        .await;
    assert!(again.outcome.repeated);
    server
        .apply("enterprises: [{slug: octo-ent, owners: [hubot]}]")
        .await;
    assert_eq!(tag(&server, USAGE).await, later);
    let headers = [("if-none-match", first.0.as_str())];
    assert_eq!(server.get_with(USAGE, &headers).await.status, 200);
}

#[tokio::test]
async fn as_of_names_the_commits_that_an_answer_is_of() {
    let server = server().await;
    let as_of = async |path: &str| {
        server
            .get(path)
            .await
            .ok()
            .header("x-tallybook-as-of")
            .to_owned()
    };
    let before = as_of(USAGE).await;
    let parts: Vec<_> = before
        .split(';')
        .filter_map(|part| part.split_once('='))
        .collect();
    let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["account", "site", "rules"], "{before}");
    assert!(
        parts.iter().all(|(_, value)| value.parse::<u64>().is_ok()),
        "{before}"
    );
    assert_eq!(as_of(SUMMARY).await, before);
    server
        .import(&enterprise("octo-ent"), &[("more", more())])
        .await;
    assert_ne!(as_of(USAGE).await, before);
}

/// A server that was restored to an older state and went on differently has the same numbers of
/// batches again, and other usage behind them.
#[tokio::test]
async fn a_history_that_diverged_is_never_304() {
    let billing = "enterprises: [{slug: octo-ent}]";
    let line = |gross: &str| {
        let line = format!(
            "2025-11-05,actions,actions_linux,1,minutes,{gross},{gross},0,{gross},,octo-org,api,,"
        );
        detailed(&[&line])
    };
    let mut answers = Vec::new();
    for gross in ["1", "2"] {
        let server = Server::new(NOW).await;
        server.apply(billing).await;
        server
            .import(&enterprise("octo-ent"), &[("report", line(gross))])
            .await;
        answers.push((server.get(USAGE).await.ok(), server));
    }
    let [(before, first), (after, server)] = answers.as_slice() else {
        panic!("two histories");
    };
    let as_of = |answer: &Answer| answer.header("x-tallybook-as-of").to_owned();
    assert_eq!(as_of(before), as_of(after), "the same numbers of batches");
    assert_ne!(before.text(), after.text());
    for path in [
        USAGE,
        SUMMARY,
        "/enterprises/octo-ent/settings/billing/cost-centers",
    ] {
        let stale = first.get(path).await.ok().header("etag").to_owned();
        let fresh = server.get_with(path, &[("if-none-match", &stale)]).await;
        assert_eq!(fresh.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_rate_limit_counts_and_refuses() {
    let unlimited = server().await;
    let answer = unlimited.get(USAGE).await.ok();
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("x-ratelimit"))
    );
    assert_eq!(unlimited.get("/rate_limit").await.status, 404);
    let server = unlimited.with(HttpSettings {
        rate_limit: 3,
        ..HttpSettings::default()
    });
    let standing = |answer: &Answer| {
        ["limit", "remaining", "used"]
            .map(|name| answer.header(&format!("x-ratelimit-{name}")).to_owned())
    };
    let first = server.get(USAGE).await.ok();
    assert_eq!(standing(&first), ["3", "2", "1"]);
    assert_eq!(first.header("x-ratelimit-resource"), "core");
    // An hour after the fixed now.
    assert_eq!(
        first.header("x-ratelimit-reset"),
        (at(NOW).seconds() + 3600).to_string()
    );
    let tag = first.header("etag").to_owned();
    let unchanged = server.get_with(USAGE, &[("if-none-match", &tag)]).await;
    assert_eq!(
        (unchanged.status, standing(&unchanged)),
        (304, standing(&first))
    );
    assert_eq!(
        standing(&server.get("/enterprises/x/settings/billing/usage").await),
        ["3", "1", "2"]
    );
    assert_eq!(standing(&server.get(SUMMARY).await.ok()), ["3", "0", "3"]);
    let refused = server.get(SUMMARY).await;
    assert_eq!(
        (refused.status, standing(&refused)),
        (403, ["3", "0", "3"].map(str::to_owned))
    );
    assert!(
        refused
            .message()
            .starts_with("API rate limit exceeded for "),
        "{}",
        refused.text()
    );
    assert!(!refused.text().contains(ADMIN));
    // Asking how one stands is free; others stand for themselves.
    let looked = server.get("/rate_limit").await.ok().json();
    assert_eq!(looked["resources"]["core"]["remaining"], 0);
    assert_eq!(looked["rate"]["limit"], 3);
    let headers = [("x-github-api-version", "2026-03-10")];
    let looked = server.get_with("/rate_limit", &headers).await.ok().json();
    assert!(looked.get("rate").is_none(), "{looked}");
    let grants = Grants::classic("hubot", ["manage_billing:enterprise"]).unwrap();
    let token = server.token("hubot", &grants, None).await;
    assert_eq!(
        standing(&server.get_as(&token, USAGE).await.ok()),
        ["3", "2", "1"]
    );
}
