//! A seeded history of everything that changes or asks for a number, against a naive model that
//! predicts every answer.
//!
//! `TALLYBOOK_WORKLOAD_SEEDS=N` runs N seeds instead of a few (`cargo xtask workload --seeds N`);
//! `TALLYBOOK_WORKLOAD_SEED=S` runs one. A failure says its seed and step;
//! `TALLYBOOK_WORKLOAD_SHOW` (with `--nocapture`) prints each step.
//! Look next: [`model`] for what is expected, [`generate`] for what happens, [`system`] for how.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogue;
mod generate;
mod model;
mod rated;
mod system;

use bigdecimal::BigDecimal;
use generate::{Generator, Operation, Question};
use model::{Line, Model, Sums, decimal};
use serde_json::Value;
use std::collections::BTreeMap;
use system::System;

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 6;

/// Operations of one history.
const STEPS: usize = 110;

pub(crate) const ORGANIZATION: &str = "acme";

#[tokio::test]
async fn every_answer_is_the_models() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match number("TALLYBOOK_WORKLOAD_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("TALLYBOOK_WORKLOAD_SEEDS").unwrap_or(SEEDS),
    };
    let many = seeds.clone().count() as u64 >= SEEDS;
    let mut failed = 0;
    for seed in seeds {
        failed += history(seed).await;
    }
    assert!(
        failed > 0 || !many,
        "no amend failed: histories have lost some of their reach"
    );
}

/// Gives the number of amends that failed.
async fn history(seed: u64) -> usize {
    let mut generator = Generator::new(seed);
    let mut model = Model::new(ORGANIZATION);
    let mut system = System::new(&generator.now()).await;
    model.set_plan(&generator.now()[..10], "free");
    let mut accepted = 0;
    for step in 0..STEPS {
        let operation = generator.next(&model);
        let what = format!(
            "seed {seed}, step {step}, at {}: {operation:?}",
            generator.now()
        );
        if std::env::var_os("TALLYBOOK_WORKLOAD_SHOW").is_some() {
            eprintln!("{what}");
        }
        system.set_clock(&generator.now());
        let now = generator.now();
        match operation {
            Operation::Submit { events, skip } => {
                let expected = model.submit(&events, skip);
                assert_eq!(system.submit(&events, skip).await, expected, "{what}");
                accepted += expected.accepted;
            }
            Operation::Plan(plan) => {
                system.plan(plan).await;
                model.set_plan(&now[..10], plan);
            }
            Operation::Visibility(repository, public) => {
                system.visibility(repository, public).await;
                model.set_visibility(&now, repository, public);
            }
            Operation::Catalogue(own) => {
                let is_taken = system.catalogue(&own).await;
                assert_eq!(is_taken, !model.refuses(&own), "{what}");
                if is_taken {
                    model.own = own;
                }
            }
            Operation::Discounts(discounts) => {
                system.discounts(&discounts).await;
                model.discounts = discounts;
            }
            Operation::Import(lines) => {
                let id = system.import(&lines).await;
                model.import(id, lines);
            }
            Operation::Revert(id) => {
                system.revert(&id).await;
                model.revert(&id);
            }
            Operation::Restart => system.restart().await,
            Operation::Sweep => system.sweep().await,
            Operation::Verify => system.verify().await,
            Operation::Ask(question) => ask(&system, &model, &question, &what).await,
        }
    }
    at_the_end(&system, &model, seed).await;
    assert!(
        accepted > 40,
        "seed {seed}: only {accepted} events were accepted"
    );
    model.failed.len()
}

/// Asks about a month in every way.
async fn ask(system: &System, model: &Model, question: &Question, what: &str) {
    let Question {
        month,
        day,
        repository,
        sku,
        user,
    } = question;
    usage(system, model, month, day.as_deref(), what).await;
    summary(
        system,
        model,
        month,
        repository.as_deref(),
        sku.clone(),
        what,
    )
    .await;
    corrections(system, model, what).await;
    for endpoint in REQUESTS {
        requests(system, model, month, user.as_deref(), endpoint, what).await;
    }
}

/// Everything agrees, and every month says what the model says.
async fn at_the_end(system: &System, model: &Model, seed: u64) {
    system.verify().await;
    let what = format!("seed {seed}, the end");
    for month in generate::MONTHS {
        usage(system, model, month, None, &what).await;
    }
}

/// The corrections that do not act: those that wait, and those that have no price.
async fn corrections(system: &System, model: &Model, what: &str) {
    for (state, mut expected) in [
        ("pending", model.pending()),
        ("failed", model.failed.iter().cloned().collect()),
    ] {
        let mut found = system.corrections(state).await;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{what}: {state} corrections");
    }
}

/// Sums of lines by some key.
fn grouped<K: Ord>(lines: &[Line], key: impl Fn(&Line) -> K) -> BTreeMap<K, Sums> {
    let mut groups: BTreeMap<K, Sums> = BTreeMap::new();
    for line in lines {
        let sums = groups.entry(key(line)).or_default();
        for (sum, more) in sums.iter_mut().zip(&line.sums) {
            *sum += more;
        }
    }
    groups
}

/// A number as it stands in the answer.
fn number(item: &Value, key: &str) -> BigDecimal {
    let Value::Number(number) = &item[key] else {
        panic!("no number {key} in {item}");
    };
    decimal(&number.to_string()).normalized()
}

fn text(item: &Value, key: &str) -> String {
    item[key].as_str().unwrap_or_default().to_owned()
}

fn items(answer: &Value) -> &Vec<Value> {
    answer["usageItems"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
}

/// Expected and found groups as text, so that a difference can be read.
fn lines_of<'a, K: std::fmt::Debug>(
    groups: impl Iterator<Item = (K, Vec<BigDecimal>)> + 'a,
) -> Vec<String> {
    let mut lines: Vec<String> = groups
        .map(|(key, numbers)| {
            let numbers = numbers
                .iter()
                .map(|number| number.normalized().to_plain_string());
            format!("{key:?} {}", numbers.collect::<Vec<_>>().join(" "))
        })
        .collect();
    lines.sort();
    lines
}

fn year_and_month(month: &str) -> String {
    let (year, month) = month.split_once('-').unwrap();
    format!("year={year}&month={}", month.trim_start_matches('0'))
}

async fn usage(system: &System, model: &Model, month: &str, day: Option<&str>, what: &str) {
    let mut query = year_and_month(month);
    let mut lines = model.lines(month);
    if let Some(day) = day {
        query.push_str(&format!("&day={}", day.trim_start_matches('0')));
        lines.retain(|line| line.day[8..] == *day);
    }
    let (status, answer) = system.ask("usage", &query).await;
    assert_eq!(status, 200, "{what}");
    let expected = grouped(&lines, |line| {
        let price = line.price.normalized().to_plain_string();
        let repository = model.shown_repository(&line.repository);
        let repository = format!("{ORGANIZATION}/{repository}");
        (
            line.day.clone(),
            line.sku.display.to_owned(),
            price,
            repository,
        )
    });
    let expected = expected
        .into_iter()
        .map(|(key, [quantity, gross, _, discount])| {
            let net = &gross - &discount;
            (key, vec![quantity, gross, discount, net])
        });
    let found = items(&answer).iter().map(|item| {
        assert_eq!(text(item, "organizationName"), ORGANIZATION, "{what}");
        let price = number(item, "pricePerUnit").to_plain_string();
        let key = (
            text(item, "date"),
            text(item, "sku"),
            price,
            text(item, "repositoryName"),
        );
        let keys = ["quantity", "grossAmount", "discountAmount", "netAmount"];
        (key, keys.map(|key| number(item, key)).to_vec())
    });
    assert_eq!(lines_of(found), lines_of(expected), "{what}: usage {query}");
}

const SUMS: [&str; 6] = [
    "grossQuantity",
    "grossAmount",
    "discountQuantity",
    "discountAmount",
    "netQuantity",
    "netAmount",
];

fn six([quantity, gross, of_quantity, discount]: Sums) -> Vec<BigDecimal> {
    let (net_quantity, net) = (&quantity - &of_quantity, &gross - &discount);
    vec![quantity, gross, of_quantity, discount, net_quantity, net]
}

async fn summary(
    system: &System,
    model: &Model,
    month: &str,
    repository: Option<&str>,
    sku: Option<String>,
    what: &str,
) {
    let mut query = year_and_month(month);
    let mut lines = model.lines(month);
    if let Some(repository) = repository {
        query.push_str(&format!("&repository={ORGANIZATION}/{repository}"));
        lines.retain(|line| line.repository.eq_ignore_ascii_case(repository));
    }
    if let Some(sku) = sku {
        query.push_str(&format!("&sku={sku}"));
        let asked = model.own.sku(&sku).map(|sku| sku.id);
        lines.retain(|line| Some(line.sku.id) == asked);
    }
    let (status, answer) = system.ask("usage/summary", &query).await;
    assert_eq!(status, 200, "{what}");
    let expected = grouped(&lines, |line| {
        let price = line.price.normalized().to_plain_string();
        (line.sku.id.to_owned(), price)
    });
    let expected = expected.into_iter().map(|(key, sums)| (key, six(sums)));
    let found = items(&answer).iter().map(|item| {
        let key = (
            text(item, "sku"),
            number(item, "pricePerUnit").to_plain_string(),
        );
        (key, SUMS.map(|key| number(item, key)).to_vec())
    });
    assert_eq!(
        lines_of(found),
        lines_of(expected),
        "{what}: summary {query}"
    );
}

/// The endpoints that tell models apart, with the SKU that each is about.
const REQUESTS: [(&str, &str); 2] = [
    ("premium_request/usage", "copilot_premium_request"),
    ("ai_credit/usage", "copilot_ai_credit"),
];

async fn requests(
    system: &System,
    model: &Model,
    month: &str,
    user: Option<&str>,
    (endpoint, sku): (&str, &str),
    what: &str,
) {
    let mut query = year_and_month(month);
    let mut lines = model.lines(month);
    lines.retain(|line| line.sku.id == sku);
    let known = user.map(str::to_lowercase);
    if let Some(user) = user {
        query.push_str(&format!("&user={user}"));
        lines.retain(|line| Some(&line.user) == known.as_ref());
    }
    let (status, answer) = system.ask(endpoint, &query).await;
    if known.is_some_and(|user| !model.knows(&user)) {
        assert_eq!(status, 404, "{what}: {query}");
        return;
    }
    assert_eq!(status, 200, "{what}: {query}: {answer}");
    let expected = grouped(&lines, |line| {
        let price = line.price.normalized().to_plain_string();
        let shown = model.shown_model(&line.model).to_owned();
        (line.sku.display.to_owned(), shown, price)
    });
    let expected = expected.into_iter().map(|(key, sums)| (key, six(sums)));
    let found = items(&answer).iter().map(|item| {
        let price = number(item, "pricePerUnit").to_plain_string();
        let key = (text(item, "sku"), text(item, "model"), price);
        (key, SUMS.map(|key| number(item, key)).to_vec())
    });
    assert_eq!(
        lines_of(found),
        lines_of(expected),
        "{what}: {endpoint} {query}"
    );
}
