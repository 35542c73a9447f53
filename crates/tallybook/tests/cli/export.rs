//! `export`: what it writes, and what it refuses; and a report that a server makes beside it.

use crate::program::{Program, get, report};
use std::time::Duration;

const TWO_DAYS: &str = "detailed_2025-11-01_02.csv";
const TOKEN: &str = "s3cret-s3cret";

fn with_usage() -> Program {
    let program = Program::new();
    program
        .run(&["import", &report(TWO_DAYS), "--enterprise", "octo-ent"])
        .success();
    program
}

fn export(from: &'static str, to: &'static str) -> [&'static str; 7] {
    ["export", "--type", "detailed", "--from", from, "--to", to]
}

#[test]
fn a_report_goes_to_standard_output_or_into_a_file() {
    let program = with_usage();
    let printed = program.run(&export("2025-11-01", "2025-11-30")).success();
    assert!(printed.starts_with("\u{feff}\"date\","), "{printed:.80}");
    assert_eq!(printed.lines().count(), 3837);
    let path = program.directory().join("november.csv");
    let out = path.display().to_string();
    let words = [&export("2025-11-01", "2025-11-30")[..], &["--out", &out]].concat();
    assert_eq!(program.run(&words).success(), "");
    assert!(std::fs::read_to_string(&path).expect("a file") == printed);
    let mut names: Vec<_> = std::fs::read_dir(program.directory())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "november.csv"], "nothing is left beside it");
}

#[test]
fn what_the_api_refuses_is_refused() {
    let program = with_usage();
    let message = program.run(&export("2025-11-02", "2025-11-01")).failure(1);
    assert_eq!(
        message,
        "error: --to 2025-11-01 is before --from 2025-11-02\n"
    );
    let message = program.run(&export("2025-11-01", "2025-12-02")).failure(1);
    assert!(message.contains("at most 31 days"), "{message}");
    let words = [
        "export",
        "--type",
        "weekly",
        "--from",
        "2025-11-01",
        "--to",
        "2025-11-02",
    ];
    let message = program.run(&words).failure(2);
    assert!(message.contains("premium_request, ai_credit"), "{message}");
    let words = [
        &export("2025-11-01", "2025-11-02")[..],
        &["--enterprise", "nobody"],
    ]
    .concat();
    let message = program.run(&words).failure(1);
    assert_eq!(message, "error: there is no enterprise nobody\n");
}

/// The whole way: asked for over HTTP, made by the running server, downloaded by the link.
#[test]
fn a_server_makes_the_same_bytes() {
    let program = with_usage();
    let printed = program.run(&export("2025-11-01", "2025-11-30")).success();
    let server = program.start(&["serve"], &[("TALLYBOOK_ADMIN_TOKEN", TOKEN)]);
    let reports = format!(
        "{}/enterprises/octo-ent/settings/billing/reports",
        server.url
    );
    let body = r#"{"report_type":"detailed","start_date":"2025-11-01","end_date":"2025-11-30"}"#;
    let asked = ureq::post(&reports).header("Authorization", format!("Bearer {TOKEN}"));
    assert_eq!(asked.send(body).expect("an answer").status(), 202);
    // As clients do it: asked again until it is made. The limit only ends a test that would hang.
    let made = (0..1200).find_map(|_| {
        let (_, list) = get(&reports, TOKEN);
        let report = &list["usage_report_exports"][0];
        if report["status"] != "completed" {
            std::thread::sleep(Duration::from_millis(100));
            return None;
        }
        Some(
            report["download_urls"][0]
                .as_str()
                .expect("a link")
                .to_owned(),
        )
    });
    let link = made.expect("the report is made");
    let mut file = ureq::get(&link).call().expect("a download");
    let text = file.body_mut().read_to_string().expect("a body");
    assert!(text == printed);

    // The command does all of it.
    let place = ["--enterprise", "octo-ent", "--url", &server.url];
    let words = [
        &export("2025-11-01", "2025-11-30")[..],
        &place,
        &["--token", TOKEN],
    ]
    .concat();
    assert!(program.run_as_is(&words).success() == printed);
    let path = program.directory().join("by the server.csv");
    let out = path.display().to_string();
    let words = [&words[..], &["--out", &out]].concat();
    assert_eq!(program.run_as_is(&words).success(), "");
    assert!(std::fs::read_to_string(&path).expect("a file") == printed);
    let empty = [
        &export("2025-12-01", "2025-12-01")[..],
        &place,
        &["--token", TOKEN],
    ]
    .concat();
    assert_eq!(program.run_as_is(&empty).success().lines().count(), 1);
    let stranger = [
        &export("2025-12-01", "2025-12-01")[..],
        &place,
        &["--token", "x"],
    ]
    .concat();
    let message = program.run_as_is(&stranger).failure(1);
    assert!(message.contains("401"), "{message}");
    let words = [
        &export("2025-12-01", "2025-12-01")[..],
        &["--url", &server.url, "--token", TOKEN],
    ]
    .concat();
    let message = program.run_as_is(&words).failure(1);
    assert!(message.contains("say which with --enterprise"), "{message}");
    assert_eq!(server.end(), Some(0));
}

/// More days than a report may have: a file a month, from a directory and by a server alike.
#[test]
fn a_folder_gets_as_many_files_as_the_days_need() {
    let program = with_usage();
    let november = program.run(&export("2025-11-01", "2025-11-30")).success();
    let days = export("2025-10-15", "2025-12-31");
    let message = program.run(&days).failure(1);
    assert!(message.contains("give --out a folder"), "{message}");
    let [ours, theirs] =
        ["ours", "theirs"].map(|name| format!("{}/{name}/", program.directory().display()));
    let ours = [&days[..], &["--out", &ours]].concat();
    program.run(&ours).success();
    let server = program.start(&["serve"], &[("TALLYBOOK_ADMIN_TOKEN", TOKEN)]);
    let place = [
        "--enterprise",
        "octo-ent",
        "--url",
        &server.url,
        "--token",
        TOKEN,
    ];
    let theirs = [&days[..], &place, &["--out", &theirs]].concat();
    program.run_as_is(&theirs).success();
    for name in ["ours", "theirs"] {
        let folder = program.directory().join(name);
        let files = std::fs::read_dir(&folder).expect("a folder");
        let mut names: Vec<_> = files
            .map(|file| {
                file.expect("a file")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        let expected = [
            "detailed_2025-10-15_2025-10-31.csv",
            "detailed_2025-11-01_2025-11-30.csv",
            "detailed_2025-12-01_2025-12-31.csv",
        ];
        assert_eq!(names, expected);
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
        assert!(text(expected[1]) == november);
        for name in [expected[0], expected[2]] {
            assert_eq!(text(name).lines().count(), 1, "{name}");
        }
    }
    assert_eq!(server.end(), Some(0));
}
