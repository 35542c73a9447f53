//! Own prices on the command line: `catalog`, `apply` with a catalogue, and what a month would
//! cost, on a directory and on a server.

use crate::program::Program;

const OWN: &str = "\
product gpu \"GPU pool\"
sku gpu_minutes \"GPU minutes\" gpu minutes
  price 0.05 from 2026-07-01
";

fn write(program: &Program, name: &str, text: &str) -> String {
    let file = program.directory().join(name);
    std::fs::write(&file, text).expect("written");
    file.display().to_string()
}

#[test]
fn the_readme_s_example_works() {
    let readme = include_str!("../../../../README.md");
    let (_, rest) = readme.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let program = Program::new();
    let file = write(&program, "billing.yaml", example);
    let tried = program
        .run(&["apply", "-f", &file, "--what-if", "2026-10"])
        .success();
    assert!(
        tried.contains("(--dry-run); nothing was changed.\n"),
        "{tried}"
    );
    assert!(
        tried.ends_with("\n2026-10 would cost what it costs now.\n"),
        "{tried}"
    );
    assert!(
        !program.directory().join("data").exists(),
        "a trial makes no directory"
    );
    let applied = program.run(&["apply", "-f", &file]).success();
    // The widths of columns are those of their widest cells.
    let words: Vec<&str> = applied.split_whitespace().collect();
    let applied = words.join(" ");
    for expected in [
        "sku gpu_minutes price from 2026-07-01 (new) 0.05",
        "included gpu_included plan team (new) 500",
        "organization octo-ml discounts (new) 10% on product gpu from 2026-07-01",
    ] {
        assert!(applied.contains(expected), "{expected}: {applied}");
    }
    let again = program.run(&["apply", "-f", &file]).success();
    assert_eq!(
        again,
        "Everything is as the file declares it; nothing changes.\n"
    );
    program.run(&["verify"]).success();
}

#[test]
fn what_is_shown_is_what_is_put() {
    let program = Program::new();
    let file = write(&program, "own.txt", OWN);
    let tried = program
        .run(&["catalog", "put", &file, "--dry-run"])
        .success();
    assert!(
        tried.contains("price from 2026-07-01  (new)   0.05"),
        "{tried}"
    );
    program.run(&["catalog", "put", &file]).success();
    assert_eq!(program.run(&["catalog", "show"]).success(), OWN);
    let json = program.run(&["catalog", "show", "--json"]).success();
    assert!(json.contains("\"id\": \"gpu_minutes\""), "{json}");
    let versions = program.run(&["catalog", "versions"]).success();
    assert!(
        versions.contains("  2026-10-02T13:00:00Z  own  "),
        "{versions}"
    );
    assert!(versions.contains("command catalog put\n"), "{versions}");
    let again = program.run(&["catalog", "put", &file]).success();
    assert_eq!(
        again,
        "That is the site's own catalogue already; nothing changes.\n"
    );
}

#[test]
fn a_text_is_checked_without_any_data() {
    let program = Program::new();
    let good = write(&program, "own.txt", OWN);
    let mut command = program.bare(&["catalog", "check", &good]);
    let said = crate::program::Outcome::of(&mut command).success();
    assert!(said.contains("sku gpu_minutes"), "{said}");
    let bad = write(&program, "bad.txt", "product gpu \"GPU\"\nprize 1\n");
    let mut command = program.bare(&["catalog", "check", &bad]);
    let said = crate::program::Outcome::of(&mut command).failure(1);
    assert!(
        said.contains("bad.txt: line 2, column 1: unknown statement 'prize'"),
        "{said}"
    );
}

#[test]
fn a_server_takes_the_same_files() {
    let program = Program::new();
    write(&program, "own.txt", OWN);
    let text = "catalog_file: own.txt\norganizations: [{login: octo-ml, plan: team}]\n";
    let file = write(&program, "billing.yaml", text);
    let variables = [("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret")];
    let server = program.start(&["serve"], &variables);
    let url = server.url.clone();
    let run = |words: &[&str]| {
        let words = [words, &["--url", &url, "--token", "s3cret-s3cret"]].concat();
        crate::program::Outcome::of(&mut program.bare(&words))
    };
    let tried = run(&["apply", "-f", &file, "--what-if", "2026-10"]).success();
    assert!(
        tried.ends_with("\n2026-10 would cost what it costs now.\n"),
        "{tried}"
    );
    assert_eq!(run(&["catalog", "show"]).success(), "");
    let applied = run(&["apply", "-f", &file]).success();
    assert!(
        applied.contains("price from 2026-07-01  (new)   0.05"),
        "{applied}"
    );
    assert_eq!(run(&["catalog", "show"]).success(), OWN);
    let json = run(&["catalog", "show", "--json"]).success();
    assert!(json.contains("\"id\": \"gpu_minutes\""), "{json}");
    let dearer = write(&program, "dearer.txt", &OWN.replace("0.05", "0.06"));
    let put = run(&["catalog", "put", &dearer]).success();
    assert!(
        put.contains("price from 2026-07-01  0.05    0.06\n1 changes were made.\n"),
        "{put}"
    );
    let versions = run(&["catalog", "versions"]).success();
    assert!(versions.lines().count() >= 4, "{versions}");
    let bad = write(&program, "bad.txt", "prize 1\n");
    let refused = run(&["catalog", "put", &bad]).failure(1);
    assert!(
        refused.contains("line 1, column 1: unknown statement"),
        "{refused}"
    );
    assert_eq!(server.end(), Some(0));
}

#[test]
fn what_a_month_would_cost_is_a_table() {
    let program = Program::new();
    let file = write(&program, "own.txt", OWN);
    program.run(&["catalog", "put", &file]).success();
    let team = write(&program, "team.yaml", "organizations: [{login: octo-ml}]\n");
    program.run(&["apply", "-f", &team]).success();
    let event = concat!(
        r#"{"specversion":"1.0","id":"1","source":"/gpu","type":"usage","#,
        r#""time":"2026-09-03T10:00:00Z","data":{"sku":"gpu_minutes","quantity":100,"#,
        r#""organization":"octo-ml"}}"#,
    );
    let events = write(&program, "events.ndjson", &format!("{event}\n"));
    program.run(&["send", &events]).success();
    let text = "organizations:\n  - login: octo-ml\n    discounts: [{percent: 10}]\n";
    let discount = write(&program, "discount.yaml", text);
    let tried = program
        .run(&["apply", "-f", &discount, "--what-if", "2026-09"])
        .success();
    let table = "
2026-09, in US dollars:
ACCOUNT               SKU          GROSS  WOULD BE  DISCOUNT  WOULD BE  NET  WOULD BE
organization octo-ml  gpu_minutes  5      5         0         0.5       5    4.5
organization octo-ml  (all)        5      5         0         0.5       5    4.5
";
    assert!(tried.ends_with(table), "{tried}");
    let again = program
        .run(&["apply", "-f", &discount, "--what-if", "2026-09"])
        .success();
    assert_eq!(again, tried, "a trial changes nothing");
}
