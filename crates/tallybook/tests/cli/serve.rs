//! Servers: what they print at their start, how they end, and commands with `--url`.

use crate::program::{Outcome, Program, Server, curl, get, report};
use serde_json::Value;
use std::time::Duration;
use tallybook_core::time::Instant;
use tallybook_store::Store;
use tallybook_store::sqlite::SqliteStore;

const TWO_DAYS: &str = "detailed_2025-11-01_02.csv";

fn with_usage() -> Program {
    let program = Program::new();
    program
        .run(&["import", &report(TWO_DAYS), "--enterprise", "octo-ent"])
        .success();
    program
}

/// The gross amount of all items of a summary, as a text that can be compared.
fn items(answer: &Value) -> usize {
    answer["usageItems"].as_array().map_or(0, Vec::len)
}

/// Runs a command on a running server.
fn run_on(program: &Program, url: &str, token: &str, words: &[&str]) -> Outcome {
    let place = ["--url", url, "--token", token];
    program.run_as_is(&[words, &place].concat())
}

fn first_token(server: &mut Server) -> String {
    let line = server.line();
    let begin = "The administrator's token, shown only this once: ";
    line.strip_prefix(begin)
        .expect("the first token")
        .to_owned()
}

#[test]
fn the_first_start_prints_a_token_once_and_a_request_that_shows_the_data() {
    let program = with_usage();
    let mut server = program.start(&["serve"], &[]);
    let token = first_token(&mut server);
    let (printed, url) = curl(&server.line());
    assert_eq!(printed, token);
    assert!(
        url.contains("/enterprises/octo-ent/settings/billing/usage/summary?year=2025&month=11")
    );
    let (status, answer) = get(&url, &token);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(items(&answer), 14, "{answer}");
    assert_eq!(server.end(), Some(0));

    let mut again = program.start(&["serve"], &[]);
    let (printed, _) = curl(&again.line());
    assert_eq!(printed, "$TALLYBOOK_TOKEN");
    let url = url.replace(
        url.split("/enterprises").next().expect("a base"),
        &again.url,
    );
    assert_eq!(get(&url, &token).0, 200);
}

#[test]
fn a_configured_token_works_and_none_is_made() {
    let program = with_usage();
    let variables = [("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret")];
    let mut server = program.start(&["serve"], &variables);
    let (printed, url) = curl(&server.line());
    assert_eq!(printed, "$TALLYBOOK_ADMIN_TOKEN");
    assert_eq!(get(&url, "s3cret-s3cret").0, 200);
    assert_eq!(get(&url, "another").0, 401);
    assert_eq!(server.end(), Some(0));
    let list = program.run(&["token", "list"]).success();
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn a_held_directory_names_its_server_and_a_backup_works_beside_it() {
    let program = with_usage();
    let server = program.start(&["serve"], &[]);
    let message = program.run(&["imports", "list"]).failure(1);
    let form = format!(
        "tallybook imports list --now 2026-10-02T13:00:00Z --url {}",
        server.url
    );
    assert!(
        message.contains(&format!(" at {}; ", server.url)),
        "{message}"
    );
    assert!(
        message.contains(&form) && message.contains(" --token TOKEN"),
        "{message}"
    );
    let file = program.directory().join("backup").display().to_string();
    program.run(&["backup", &file]).success();
    let address = server.url.trim_start_matches("http://");
    let other = Program::new();
    let message = other.run(&["serve", "--listen", address]).failure(1);
    assert!(
        message.contains("is in use by another program"),
        "{message}"
    );
    assert!(message.contains("--listen"), "{message}");
    let nothing_made = !other.directory().join("data").exists();
    assert!(nothing_made, "a start that fails leaves no directory");
}

#[test]
fn a_start_without_usage_says_how_to_bring_some() {
    let program = Program::new();
    let mut server = program.start(&["serve"], &[]);
    first_token(&mut server);
    server.line();
    assert!(
        server
            .line()
            .contains("tallybook import report.csv --enterprise")
    );
}

#[test]
fn a_running_server_is_declared_to() {
    let program = with_usage();
    let mut server = program.start(&["serve"], &[]);
    let token = first_token(&mut server);
    let url = server.url.clone();
    let run = |words: &[&str]| run_on(&program, &url, &token, words);
    let file = program.directory().join("billing.yaml");
    std::fs::write(
        &file,
        "users:\n  - login: monalisa\n    email: m@example.com\n",
    )
    .expect("written");
    let file = file.display().to_string();
    assert!(
        run(&["apply", "-f", &file, "--dry-run"])
            .success()
            .contains("user monalisa")
    );
    assert!(
        run(&["apply", "-f", &file])
            .success()
            .contains("user monalisa")
    );
    assert!(
        run(&["apply", "-f", &file])
            .success()
            .starts_with("Everything is as")
    );
}

#[test]
fn commands_work_on_a_running_server() {
    let program = with_usage();
    let mut server = program.start(&["serve"], &[]);
    let token = first_token(&mut server);
    let url = server.url.clone();
    let run = |words: &[&str]| run_on(&program, &url, &token, words);
    let july = report("summarized_2025-07.csv");
    let october = report("premium_request_2025-10.csv");
    let one = run(&["import", &july, "--enterprise", "octo-ent"]).success();
    assert!(
        one.contains("\n20 lines in ") || one.contains("20 lines"),
        "{one}"
    );
    let two = run(&["import", &july, &october, "--enterprise", "octo-ent"]).success();
    assert!(two.contains("premium_request, 1693 lines"), "{two}");
    let list = run(&["imports", "list", "--enterprise", "octo-ent"]).success();
    assert_eq!(list.lines().count(), 4, "{list}");
    let newest = list
        .lines()
        .nth(1)
        .and_then(|line| line.split(' ').next())
        .expect("an id");
    run(&["imports", "revert", newest, "--enterprise", "octo-ent"]).success();
    run(&["imports", "list"]).failure(2);

    let made = run(&["token", "create", "--user", "hubot", "--scopes", "user"]).success();
    assert!(made.starts_with("tally_"), "{made}");
    let list = run(&["token", "list"]).success();
    let line = list
        .lines()
        .find(|line| line.contains("hubot"))
        .expect("the new token");
    run(&["token", "revoke", line.split(' ').next().expect("an id")]).success();
    assert!(run(&["token", "list"]).success().contains("revoked"));

    let verified = run(&["verify"]).success();
    assert!(
        verified.starts_with("Everything agrees: 1 accounts, "),
        "{verified}"
    );
    let backup = program.directory().join("backup").display().to_string();
    run(&["backup", &backup]).success();
    let restored = program.directory().join("restored").display().to_string();
    program
        .run_as_is(&["restore", &backup, "--data", &restored])
        .success();
    program
        .run_as_is(&["verify", "--data", &restored])
        .success();
    let wrong = program
        .run_as_is(&["verify", "--url", &url, "--token", "wrong"])
        .failure(1);
    assert_eq!(
        wrong,
        "error: the server answers 401 Unauthorized: Bad credentials\n"
    );
}

#[test]
fn the_demo_shows_data_and_is_made_once() {
    let program = Program::new();
    let words = ["demo", "--until", "2026-03-10"];
    let mut server = program.start(&words, &[]);
    server.line();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let (token, url) = curl(&server.line());
        let (status, answer) = get(&url, &token);
        assert_eq!(status, 200, "{url}: {answer}");
        answers.push(answer);
    }
    assert!(items(&answers[0]) > 10 && items(&answers[1]) > 20);
    assert!(
        answers[2]["costCenters"]
            .as_array()
            .is_some_and(|list| list.len() > 2)
    );
    assert_eq!(server.end(), Some(0));
    let mut again = program.start(&words, &[]);
    again.line();
    let (token, url) = curl(&again.line());
    assert_eq!(get(&url, &token).1, answers[0]);
    assert_eq!(again.end(), Some(0));
    let message = program
        .run(&["demo", "--seed", "2", "--listen", "127.0.0.1:0"])
        .failure(1);
    assert!(
        message.contains("holds the demo of --seed 1 --until 2026-03-10"),
        "{message}"
    );
}

#[test]
fn a_guessable_token_is_for_this_machine_only() {
    let program = Program::new();
    let mut serve = program.command(&["serve", "--listen", "0.0.0.0:0"]);
    let refused = serve.env("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret");
    let message = Outcome::of(refused).failure(1);
    assert!(
        message.contains("TALLYBOOK_ADMIN_TOKEN has less than 20 characters"),
        "{message}"
    );
    let command = "TALLYBOOK_ADMIN_TOKEN=$(openssl rand -hex 32)";
    assert!(message.contains(command), "{message}");
    let nothing_made = !program.directory().join("data").exists();
    assert!(nothing_made, "a start that fails leaves no directory");
}

/// Also what it left a minute ago: a server that never lives for long leaves nothing for ever.
#[test]
fn a_start_removes_what_an_earlier_run_left() {
    let program = with_usage();
    let data = program.directory().join("data");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let left = runtime.block_on(async {
        let store = SqliteStore::open(&data, "a test").expect("opens");
        let at = Instant::parse("2026-10-02T12:59:00Z").expect("an instant");
        let put = store.put_blob(b"left".as_slice().into(), at).await;
        put.expect("puts")
    });
    let server = program.start(&["serve"], &[]);
    let connection = rusqlite::Connection::open(data.join("tallybook.db")).expect("opens");
    let is_there = || {
        let count = "SELECT count(*) FROM blobs WHERE id = ?";
        let count = connection.query_row(count, [left.0], |row| row.get::<_, u32>(0));
        count.expect("reads") > 0
    };
    let mut tries = 0;
    while is_there() {
        tries += 1;
        assert!(tries < 200, "it was not removed");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(connection);
    drop(server);
    program.run(&["verify"]).success();
}

#[test]
fn a_database_is_made_anew_while_nothing_uses_it() {
    let program = with_usage();
    let server = program.start(&["serve"], &[]);
    let message = program.run(&["compact"]).failure(1);
    assert!(message.contains("end it first"), "{message}");
    // As a kill does.
    drop(server);
    let told = program.run(&["compact"]).success();
    assert!(told.starts_with("Compacted "), "{told}");
    program.run(&["verify"]).success();
    let message = Program::new().run(&["compact"]).failure(1);
    assert!(message.contains("holds no data"), "{message}");
}
