//! `tallybook audit`: what commands leave in the log, and how it is shown.

use crate::program::{Outcome, Program, report};
use serde_json::Value;

const TWO_DAYS: &str = "detailed_2025-11-01_02.csv";

/// The lines as `--json` prints them.
fn lines(outcome: Outcome) -> Vec<Value> {
    let list: Value = serde_json::from_str(&outcome.success()).expect("JSON");
    list["audit"].as_array().expect("a list").clone()
}

fn actions(lines: &[Value]) -> Vec<&str> {
    let actions = lines.iter().map(|line| line["action"].as_str());
    actions.map(|action| action.expect("a text")).collect()
}

#[test]
fn backups_restores_and_verifications_are_told() {
    let program = Program::new();
    let import = ["import", &report(TWO_DAYS), "--enterprise", "octo-ent"];
    program.run(&import).success();
    program.run(&["verify"]).success();
    let file = program.directory().join("b.backup").display().to_string();
    program.run(&["backup", &file]).success();
    let restored = program.directory().join("restored").display().to_string();
    let restore = ["restore", &file, "--data", &restored];
    program.run_as_is(&restore).success();

    let found = lines(program.run_as_is(&["audit", "--json", "--data", &restored]));
    let expected = ["backup.restore", "verify", "import.create"];
    assert_eq!(actions(&found), expected);
    assert_eq!(found[0]["detail"]["file"], "b.backup");
    assert_eq!(found[0]["actor"], "command restore");
    assert_eq!(found[0]["at"], crate::program::NOW);
    assert_eq!(found[1]["detail"]["ok"], true);
    assert_eq!(found[2]["detail"]["introduced_count"], 95);
    // The restored log is another one from here on; a backup that failed is in neither.
    program.run(&["backup", &file]).failure(1);
    let found = lines(program.run(&["audit", "--json"]));
    assert_eq!(
        actions(&found),
        ["backup.create", "verify", "import.create"]
    );
}

#[test]
fn a_backup_beside_a_server_says_that_it_is_not_recorded() {
    let program = Program::new();
    program.run(&["token", "create", "--site-admin"]).success();
    let server = program.start(&["serve"], &[]);
    let file = program.directory().join("b.backup").display().to_string();
    let output = program.command(&["backup", &file]).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("The audit log does not tell of this: "),
        "{errors}"
    );
    assert!(errors.contains(&server.url), "{errors}");
}

#[test]
fn the_log_is_filtered_and_goes_on() {
    let program = Program::new();
    let import = ["import", &report(TWO_DAYS), "--enterprise", "octo-ent"];
    program.run(&import).success();
    let token = program.run(&["token", "create", "--site-admin"]).success();
    let audit = |words: &[&str]| lines(program.run(&[&["audit", "--json"], words].concat()));
    assert_eq!(actions(&audit(&[])), ["token.create", "import.create"]);
    assert_eq!(actions(&audit(&["--limit", "1"])), ["token.create"]);
    assert_eq!(actions(&audit(&["--before", "2"])), ["import.create"]);
    let own = ["--enterprise", "OCTO-ent", "--actor", "import"];
    assert_eq!(actions(&audit(&own)), ["import.create"]);
    assert_eq!(actions(&audit(&["--action", "token"])), ["token.create"]);
    assert_eq!(audit(&["--since", "2026-10-03"]), [] as [Value; 0]);
    let message = program.run(&["audit", "--action", "tokens"]).failure(2);
    assert!(message.contains("token.refuse"), "{message}");
    let wrong = ["audit", "--since", "2026-10-03", "--until", "2026-10-02"];
    let message = program.run(&wrong).failure(1);
    assert!(
        message.contains("--until must be after --since"),
        "{message}"
    );

    let server = program.start(&["serve"], &[]);
    let place = ["--url", &server.url, "--token", token.trim()];
    let words = [
        &["audit", "--json", "--actor", "command import"][..],
        &place,
    ]
    .concat();
    assert_eq!(
        actions(&lines(program.run_as_is(&words))),
        ["import.create"]
    );
    let words = [&["audit", "--limit", "1"][..], &place].concat();
    let table = program.run_as_is(&words).success();
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("command token create"), "{table}");
}

#[cfg(unix)]
#[test]
fn the_name_of_a_file_cannot_act_on_the_terminal() {
    let program = Program::new();
    let name = "\u{1b}[2J\u{9b}31m\u{202e}\n.csv";
    let file = program.directory().join(name);
    std::fs::copy(report(TWO_DAYS), &file).expect("copied");
    let import = [
        "import",
        &file.display().to_string(),
        "--enterprise",
        "octo-ent",
    ];
    program.run(&import).success();
    for words in [&["audit"][..], &["audit", "--json"]] {
        let shown = program.run(words).success();
        let hostile = ['\u{1b}', '\u{9b}', '\u{202e}'];
        assert!(!shown.contains(hostile), "{shown:?}");
        assert!(shown.contains("u001b[2J"), "{shown}");
    }
    let told = lines(program.run(&["audit", "--json"]));
    let file = told[0]["detail"]["files"][0]["name"].as_str();
    assert!(file.is_some_and(|file| file.ends_with(name)), "{file:?}");
}

#[test]
fn every_action_is_described() {
    let words = include_str!("../../../../docs/operating.md");
    for action in tallybook::engine::audit::Action::ALL {
        let word = format!("`{}`", action.as_str());
        assert!(words.contains(&word), "{word}");
    }
}
