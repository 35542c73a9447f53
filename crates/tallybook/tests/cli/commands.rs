//! The commands on a directory: what they print, what they change, how they fail.

use crate::program::{Outcome, Program, report};

const TWO_DAYS: &str = "detailed_2025-11-01_02.csv";
const JULY: &str = "summarized_2025-07.csv";

fn import(program: &Program, files: &[&str]) -> Outcome {
    let files: Vec<String> = files.iter().map(|file| report(file)).collect();
    let mut words = vec!["import", "--enterprise", "octo-ent"];
    words.extend(files.iter().map(String::as_str));
    program.run(&words)
}

#[test]
fn an_import_says_what_it_brought_and_repeating_it_changes_nothing() {
    let program = Program::new();
    let first = import(&program, &[TWO_DAYS]).success();
    assert!(
        first.contains("Imported for enterprise octo-ent: import "),
        "{first}"
    );
    assert!(first.contains("New: enterprise octo-ent\n"), "{first}");
    assert!(
        first.contains("\nDays from 2025-11-01 to 2025-11-02.\n"),
        "{first}"
    );
    let linux = "actions_linux                 772    3356           minutes         26.848  ";
    assert!(first.contains(linux), "{first}");
    assert!(first.contains("\n3836 lines in "), "{first}");
    let again = import(&program, &[TWO_DAYS]).success();
    assert!(
        again.starts_with("Already imported for enterprise octo-ent"),
        "{again}"
    );
    let list = program.run(&["imports", "list"]).success();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(
        list.contains(" live   2026-10-02T13:00:00Z  2025-11-01  2025-11-02  3836   detailed"),
        "{list}"
    );
}

#[test]
fn files_that_state_the_same_usage_are_joined_on_request_only() {
    let program = Program::new();
    let lines = std::fs::read_to_string(report(TWO_DAYS)).expect("a report");
    let lines: Vec<&str> = lines.lines().collect();
    let write = |name: &str, lines: &[&str]| {
        let path = program.directory().join(name).display().to_string();
        std::fs::write(&path, lines.join("\n")).expect("written");
        path
    };
    // Cut by the number of lines, in the middle of a day.
    let first = write("1.csv", &lines[..1000]);
    let second = write("2.csv", &[&lines[..1], &lines[1000..]].concat());
    let words = ["import", "--enterprise", "octo-ent", &first, &second];
    let message = program.run(&words).failure(1);
    assert!(
        message.contains(&format!("{first} and {second} on ")),
        "{message}"
    );
    assert!(
        message.contains("(--join, over HTTP join=true)"),
        "{message}"
    );
    let list = program.run(&["imports", "list"]).success();
    assert_eq!(list.lines().count(), 1, "{list}");
    let joined = program.run(&[&words[..], &["--join"]].concat()).success();
    assert!(joined.contains("\n3836 lines in "), "{joined}");
    let said = format!("Joined as parts of one report, both count: {first} (");
    assert!(joined.contains(&said), "{joined}");
}

#[test]
fn a_revert_takes_an_import_back() {
    let program = Program::new();
    import(&program, &[JULY]).success();
    let list = program
        .run(&["imports", "list", "--enterprise", "octo-ent"])
        .success();
    let id = list
        .lines()
        .nth(1)
        .and_then(|line| line.split(' ').next())
        .expect("an id")
        .to_owned();
    let reverted = program.run(&["imports", "revert", &id]).success();
    assert!(reverted.starts_with(&format!("Reverted import {id} of enterprise octo-ent")));
    let list = program.run(&["imports", "list"]).success();
    assert!(list.contains(" reverted "), "{list}");
    let message = program.run(&["imports", "revert", &id]).failure(1);
    assert_eq!(message, format!("error: there is no live import {id}\n"));
}

#[test]
fn a_bad_line_refuses_the_import_with_its_place_unless_it_may_be_left_out() {
    let program = Program::new();
    let text = std::fs::read_to_string(report(JULY)).expect("a fixture");
    let file = program.directory().join("torn.csv");
    // The last line is torn in the middle.
    std::fs::write(&file, &text[..text.trim_end().len() - 20]).expect("written");
    let file = file.display().to_string();
    let words = ["import", "--enterprise", "octo-ent", &file];
    let message = program.run(&words).failure(1);
    assert!(message.starts_with("error: "), "{message}");
    assert!(
        message.contains("torn.csv") && message.contains("line 21"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    let left_out = program
        .run(&[&words[..], &["--skip-bad-lines"]].concat())
        .success();
    assert!(left_out.contains("19 lines, 1 left out\n"), "{left_out}");
    assert!(left_out.contains("Left out: "), "{left_out}");
}

#[test]
fn the_same_file_twice_in_one_import_is_refused() {
    let program = Program::new();
    let copy = program.directory().join("copy.csv");
    std::fs::copy(report(JULY), &copy).expect("copied");
    let (july, copy) = (report(JULY), copy.display().to_string());
    let words = ["import", &july, &copy, "--enterprise", "octo-ent"];
    let message = program.run(&words).failure(1);
    assert!(message.contains("copy.csv"), "{message}");
    assert!(message.contains("it has the same content as "), "{message}");
}

#[test]
fn a_backup_restores_to_what_verifies() {
    let program = Program::new();
    import(&program, &[TWO_DAYS, JULY]).success();
    let verified = program.run(&["verify"]).success();
    assert!(
        verified.starts_with("Everything agrees: 1 accounts, "),
        "{verified}"
    );
    for count in [
        " blobs of the ledger, ",
        " derived blobs, ",
        ", 0 unused blobs.\n",
    ] {
        assert!(verified.contains(count), "{verified}");
    }
    let file = program.directory().join("backup").display().to_string();
    program.run(&["backup", &file]).success();
    let message = program.run(&["backup", &file]).failure(1);
    assert!(message.contains("is not overwritten"), "{message}");
    let restored = program.directory().join("restored").display().to_string();
    program
        .run_as_is(&["restore", &file, "--data", &restored])
        .success();
    let again = program
        .run_as_is(&["verify", "--data", &restored])
        .success();
    assert_eq!(again, verified);
    let message = program
        .run_as_is(&["restore", &file, "--data", &restored])
        .failure(1);
    assert!(message.starts_with("error: "), "{message}");
}

#[test]
fn apply_prints_the_difference_and_a_dry_run_changes_nothing() {
    let program = Program::new();
    import(&program, &[JULY]).success();
    let file = program.directory().join("billing.yaml");
    std::fs::write(
        &file,
        "users:\n  - login: monalisa\n    email: m@example.com\n",
    )
    .expect("written");
    let file = file.display().to_string();
    let dry = program.run(&["apply", "-f", &file, "--dry-run"]).success();
    assert!(dry.contains("user monalisa  email"), "{dry}");
    let applied = program.run(&["apply", "-f", &file]).success();
    assert_eq!(applied.lines().nth(1), dry.lines().nth(1));
    let again = program.run(&["apply", "-f", &file]).success();
    assert!(
        again.starts_with("Everything is as the file declares it"),
        "{again}"
    );
    std::fs::write(&file, "users:\n  - login: mona lisa\n").expect("written");
    let message = program.run(&["apply", "-f", &file]).failure(1);
    assert!(
        message.contains("billing.yaml: line 2, column 12: users[0].login"),
        "{message}"
    );
}

#[test]
fn tokens_are_shown_once_listed_without_their_secret_and_revoked() {
    let program = Program::new();
    let token = program.run(&["token", "create", "--site-admin"]).success();
    assert!(
        token.starts_with("tally_") && token.trim_end().len() == 46,
        "{token}"
    );
    let scoped = [
        "token",
        "create",
        "--user",
        "hubot",
        "--scopes",
        "read:org,user",
    ];
    program.run(&scoped).success();
    let list = program.run(&["token", "list"]).success();
    assert!(list.contains("classic") && list.contains("hubot"), "{list}");
    assert!(!list.contains(token.trim_end()), "{list}");
    let line = list
        .lines()
        .find(|line| line.contains("site_admin"))
        .expect("the first token");
    let id = line.split(' ').next().expect("an id");
    program.run(&["token", "revoke", id]).success();
    assert!(
        program
            .run(&["token", "list"])
            .success()
            .contains("  revoked\n")
    );
    let message = program.run(&["token", "revoke", id]).failure(1);
    assert!(message.contains("no live token"), "{message}");
    let message = program
        .run(&["token", "create", "--user", "u", "--scopes", "all"])
        .failure(1);
    assert!(
        message.starts_with("error: --scopes: unknown scope \"all\""),
        "{message}"
    );
}

#[test]
fn the_demo_leaves_other_data_alone() {
    let program = Program::new();
    import(&program, &[JULY]).success();
    let message = program.run(&["demo", "--listen", "127.0.0.1:0"]).failure(1);
    assert!(message.contains("holds data that is no demo"), "{message}");
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let program = Program::new();
    let folder = |name: &str| program.directory().join(name).display().to_string();
    let file = program.directory().join("tallybook.toml");
    std::fs::write(&file, format!("data = {:?}\n", folder("of-file"))).expect("written");
    let configuration = file.display().to_string();
    let missing = |words: &[&str], variable: Option<&str>| {
        let mut command = program.bare(&[words, &["--config", &configuration]].concat());
        command.envs(variable.map(|folder| ("TALLYBOOK_DATA", folder)));
        let message = Outcome::of(&mut command).failure(1);
        message
            .split(" holds no data")
            .next()
            .expect("a message")
            .to_owned()
    };
    let (variable, flag) = (folder("of-variable"), folder("of-flag"));
    assert_eq!(
        missing(&["verify"], None),
        format!("error: {}", folder("of-file"))
    );
    assert_eq!(
        missing(&["verify"], Some(&variable)),
        format!("error: {variable}")
    );
    let with_flag = ["verify", "--data", &flag];
    assert_eq!(
        missing(&with_flag, Some(&variable)),
        format!("error: {flag}")
    );
    std::fs::write(&file, "listen-on = 1\n").expect("written");
    let words = ["verify", "--config", &configuration];
    let message = program.run_as_is(&words).failure(2);
    assert!(
        message.contains("tallybook.toml: line 1, column 1: unknown field"),
        "{message}"
    );
}

#[test]
fn wrong_usage_and_missing_data_are_told_apart_by_the_exit_code() {
    let program = Program::new();
    program.run_as_is(&["--help"]).success();
    assert!(
        program
            .run_as_is(&["--version"])
            .success()
            .starts_with("tallybook ")
    );
    let message = program.run_as_is(&["import", "a.csv"]).failure(2);
    assert!(message.contains("--enterprise"), "{message}");
    program.run_as_is(&["fly"]).failure(2);
    let both = [
        "verify",
        "--data",
        "d",
        "--url",
        "http://127.0.0.1:1",
        "--token",
        "t",
    ];
    program.run_as_is(&both).failure(2);
    let message = program.run(&["verify"]).failure(1);
    assert!(message.contains("holds no data"), "{message}");
    let message = program
        .run(&["import", "--user", "mona", "missing.csv"])
        .failure(1);
    assert!(
        message.starts_with("error: cannot read missing.csv: "),
        "{message}"
    );
}
