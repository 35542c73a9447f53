//! `send`: usage events from a shell, into a directory and to a server.

use crate::program::{Outcome, Program, get};
use std::io::Write;
use std::process::Stdio;

const BILLING: &str = "
enterprises:
  - {slug: octo-ent, organizations: [octo-org]}
";

fn program() -> Program {
    let program = Program::new();
    let file = program.directory().join("billing.yaml");
    std::fs::write(&file, BILLING).expect("written");
    let file = file.display().to_string();
    program.run(&["apply", "-f", &file]).success();
    program
}

fn event(id: u32, quantity: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/ci","type":"usage","time":"2026-10-01T10:00:00Z","data":{{"sku":"actions_linux","quantity":{quantity},"organization":"octo-org"}}}}"#
    )
}

/// A file of the test's own.
fn file(program: &Program, text: &str) -> String {
    let path = program.directory().join("events.json");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

fn lines(events: impl IntoIterator<Item = String>) -> String {
    events.into_iter().map(|event| event + "\n").collect()
}

#[test]
fn events_go_into_a_directory_once() {
    let program = program();
    let events = file(&program, &lines((0..5).map(|id| event(id, "1"))));
    let first = program.run(&["send", &events, "--batch", "2"]).success();
    assert_eq!(first, "5 events accepted, 0 known before, 0 rejected.\n");
    let array: Vec<String> = (3..7).map(|id| event(id, "1.0")).collect();
    let array = file(&program, &format!("[{}]", array.join(",\n")));
    let second = program.run(&["send", &array]).success();
    assert_eq!(second, "2 events accepted, 2 known before, 0 rejected.\n");
    program.run(&["verify"]).success();
}

#[test]
fn what_is_rejected_is_named_by_its_line_and_fails_the_command() {
    let program = program();
    let text = lines([
        event(1, "1"),
        String::new(),
        event(2, "-1"),
        event(3, "1"),
        event(4, "1").replace("actions_linux", "perpetual_motion"),
    ]);
    let events = file(&program, &text);
    // The first batch counts, the second is refused whole.
    let refused = program.run(&["send", &events, "--batch", "1"]).failure(1);
    assert!(
        refused.starts_with("line 3: invalid: data.quantity: is negative"),
        "{refused}"
    );
    assert!(
        refused.contains("1 of 1 events were rejected, so none was taken."),
        "{refused}"
    );
    let skipped = program
        .run(&["send", &events, "--on-error", "skip"])
        .failure(1);
    let expected = "line 3: invalid: ";
    assert!(skipped.starts_with(expected), "{skipped}");
    assert!(skipped.contains("line 5: unknown_sku: "), "{skipped}");
    assert!(skipped.ends_with("error: 2 events were rejected\n"));
    let good = file(&program, &lines([event(1, "1"), event(3, "1")]));
    let again = program.run(&["send", &good]).success();
    assert_eq!(again, "0 events accepted, 2 known before, 0 rejected.\n");
    // A directory has the limits that a server over it would have.
    let limited = ["send", &good, "--limit-event-name-bytes", "1"];
    let refused = program.run(&limited).failure(1);
    assert!(refused.contains("--limit-event-name-bytes"), "{refused}");
}

#[test]
fn events_go_to_a_server_by_a_sending_token() {
    let program = program();
    let admin = ("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret");
    let server = program.start(&["serve"], &[admin]);
    let words = [
        "token",
        "create",
        "--metering-write",
        "--account",
        "enterprise/octo-ent",
        "--url",
        &server.url,
        "--token",
        admin.1,
    ];
    let token = program.run_as_is(&words).success();
    let token = token.trim_end();
    let words = ["send", "-", "--url", &server.url, "--token", token];
    let mut send = program.bare(&words);
    let send = send.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut send = send.stderr(Stdio::piped()).spawn().expect("it runs");
    let mut input = send.stdin.take().expect("a pipe");
    let text = lines((0..2500).map(|id| event(id, "0.5")));
    input.write_all(text.as_bytes()).expect("written");
    drop(input);
    let sent = send.wait_with_output().expect("it ends");
    assert!(sent.status.success(), "{sent:?}");
    let expected = "2500 events accepted, 0 known before, 0 rejected.\n";
    assert_eq!(String::from_utf8_lossy(&sent.stdout), expected);

    let usage = format!(
        "{}/enterprises/octo-ent/settings/billing/usage/summary?year=2026&month=10",
        server.url
    );
    let (status, answer) = get(&usage, admin.1);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["usageItems"][0]["grossQuantity"], 1250, "{answer}");
    assert_eq!(get(&usage, token).0, 404);
    let other = file(&program, &event(1, "2"));
    let words = ["send", &other, "--url", &server.url, "--token", token];
    let conflict = program.run_as_is(&words).failure(1);
    assert!(conflict.starts_with("line 1: conflict: "), "{conflict}");
    let words = ["send", &other, "--url", &server.url, "--token", "wrong"];
    let refused = Outcome::of(&mut program.bare(&words)).failure(1);
    assert!(refused.contains("401"), "{refused}");
}
