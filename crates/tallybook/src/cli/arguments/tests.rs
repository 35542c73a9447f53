//! Parsing of the command line, and the precedence of settings.
//!
//! clap reads the environment variables: only their names are checked here, because a test must not
//! change the environment of others.

use super::*;
use crate::cli::place::Place;
use std::collections::BTreeMap;

fn parse_words(words: &str) -> Result<CommandLine, ArgumentsError> {
    let words = std::iter::once("tallybook").chain(words.split_whitespace());
    parse(words.map(OsString::from)).map(|(line, _)| line)
}

fn serve(words: &str) -> Serve {
    match parse_words(words).expect("a good command line").command {
        Command::Serve(serve) => *serve,
        other => panic!("{other:?}"),
    }
}

fn usage_message(words: &str) -> String {
    match parse_words(words).expect_err("a wrong command line") {
        ArgumentsError::Usage(error) => first_line(&error),
        other => panic!("{other}"),
    }
}

fn config_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn the_definition_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn defaults_of_serve() {
    let serve = serve("serve");
    assert_eq!(serve.data, None);
    assert_eq!(serve.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(serve.answers.dialect, Dialect::Documented);
    assert_eq!(serve.answers.history_months, 24);
    assert_eq!(serve.answers.rate_limit, 0);
    assert_eq!(serve.answers.cache_bytes, 2 << 30);
    assert_eq!(serve.answers.limits, Limits::default());
}

#[test]
fn every_setting_has_a_variable_of_its_name() {
    let command = CommandLine::command();
    let serve = command.find_subcommand("serve").expect("a subcommand");
    for argument in serve.get_arguments() {
        let Some(long) = argument.get_long() else {
            continue;
        };
        if matches!(long, "help" | "now") {
            continue;
        }
        let expected = format!("TALLYBOOK_{}", long.replace('-', "_").to_uppercase());
        let variable = argument
            .get_env()
            .map(|it| it.to_string_lossy().into_owned());
        assert_eq!(variable, Some(expected));
    }
}

#[test]
fn every_setting_is_a_key_of_the_file() {
    let command = CommandLine::command();
    let serve = command.find_subcommand("serve").expect("a subcommand");
    for argument in serve.get_arguments() {
        let Some(long) = argument.get_long() else {
            continue;
        };
        if matches!(long, "help" | "now" | "config") {
            continue;
        }
        let file = config_file(&format!("{long} = '1'\n"));
        let read = config::file::read(file.path(), &command);
        assert!(read.is_ok(), "{long}: {read:?}");
    }
}

/// The settings table in the documentation matches the definitions.
#[test]
fn the_documents_list_every_setting_with_its_variable_and_default() {
    let command = CommandLine::command();
    let serve = command.find_subcommand("serve").expect("a subcommand");
    let log = command.get_arguments().filter(|it| it.get_id() == "log");
    let defined = serve.get_arguments().chain(log).map(|argument| {
        let variable = argument.get_env().map(|it| it.to_string_lossy());
        let default = argument.get_default_values().first();
        let default = default.map(|it| it.to_string_lossy().into_owned());
        let default = default.filter(|it| !it.is_empty());
        let flag = argument.get_long().expect("a flag");
        let variable = variable.expect("a variable").into_owned();
        (format!("--{flag}"), (variable, default))
    });
    let mut defined: BTreeMap<_, _> = defined.collect();
    let text = include_str!("../../../../../docs/operating.md");
    for row in text.lines().filter(|line| line.starts_with("| `--")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let quoted = |cell: &str| -> Vec<String> {
            let words = cell.split('`').skip(1).step_by(2);
            let names = words.filter_map(|it| it.split(' ').next());
            names.map(str::to_owned).collect()
        };
        let listed = quoted(cells[0]).into_iter().zip(quoted(cells[1]));
        for (flag, variable) in listed {
            let (expected, default) = defined.remove(&flag).expect("a setting, once");
            assert_eq!(variable, expected, "{flag}");
            if default.is_some() {
                assert_eq!(quoted(cells[2]).pop(), default, "{flag}");
            }
        }
    }
    assert!(defined.is_empty(), "not in the documents: {defined:?}");
}

#[test]
fn mail_is_set_by_flag_and_file_for_serve_alone() {
    let text = "smtp-host = 'mail.example.com'\nsmtp-port = 2525\nsmtp-security = 'none'\n\
                smtp-timeout = 5\nmail-from = 'b@example.com'\n";
    let file = config_file(text);
    let path = file.path().display();
    let settings = |words: &str| serve(words).mail.settings().expect("settings");
    let mail = settings(&format!("serve --config {path} --smtp-host other"));
    let mail = mail.expect("a server");
    assert_eq!((mail.host.as_str(), mail.port), ("other", 2525));
    assert_eq!(mail.timeout.as_secs(), 5);
    assert!(settings("serve").is_none());
    parse_words(&format!("demo --config {path}")).expect("a good command line");
    let refused = usage_message("demo --smtp-host mail.example.com");
    assert!(refused.contains("--smtp-host"), "{refused}");
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let file = config_file("listen = '127.0.0.1:1'\nhistory-months = 12\nlimit-line-bytes = 9\n");
    let path = file.path().display();
    let serve = serve(&format!("serve --config {path} --listen 127.0.0.1:2"));
    assert_eq!(serve.listen.port(), 2);
    assert_eq!(serve.answers.history_months, 12);
    assert_eq!(serve.answers.limits.line_bytes, 9);
    assert_eq!(serve.answers.rate_limit, 0);
}

#[test]
fn a_value_of_the_file_is_refused_with_the_file_s_name() {
    let file = config_file("listen = 'nowhere'\n");
    let error = parse_words(&format!("serve --config {}", file.path().display()));
    let message = error.expect_err("not an address").to_string();
    assert!(
        message.starts_with(&file.path().display().to_string()),
        "{message}"
    );
    assert!(message.contains("--listen"), "{message}");
}

#[test]
fn the_demo_takes_no_directory_from_the_file() {
    let file = config_file("data = '/somewhere'\n");
    let line = parse_words(&format!("demo --config {}", file.path().display()));
    match line.expect("a good command line").command {
        Command::Demo(demo) => assert_eq!(demo.data, None),
        other => panic!("{other:?}"),
    }
}

fn place(words: &str) -> anyhow::Result<Place> {
    let words = std::iter::once("tallybook").chain(words.split_whitespace());
    let (line, matches) = parse(words.map(OsString::from)).expect("a good command line");
    match line.command {
        Command::Verify(verify) => verify.place.resolve(&matches),
        Command::Imports(Imports::List { place, .. }) => place.resolve(&matches),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_or_a_server_but_not_both() {
    let directory = place("verify --data d").expect("a place");
    assert_eq!(directory, Place::Directory(PathBuf::from("d")));
    let server = place("imports list --enterprise e --url http://h:1/ --token t").expect("a place");
    let url = PublicUrl::parse("http://h:1").expect("a URL");
    let token = "t".to_owned();
    assert_eq!(server, Place::Server { url, token });
    let error = place("verify --data d --url http://h:1 --token t").expect_err("both");
    assert!(
        error
            .to_string()
            .contains("--data and --url cannot be used together"),
        "{error}"
    );
    let error = place("verify --url http://h:1").expect_err("no token");
    assert!(error.to_string().contains("--url needs --token"), "{error}");
    // A flag wins over the file.
    let file = config_file("data = 'elsewhere'\n");
    let path = file.path().display();
    let words = format!("verify --config {path} --url http://h:1 --token t");
    assert!(matches!(
        place(&words).expect("a place"),
        Place::Server { .. }
    ));
    let filed = place(&format!("verify --config {path}")).expect("a place");
    assert_eq!(filed, Place::Directory(PathBuf::from("elsewhere")));
}

#[test]
fn import_needs_exactly_one_account() {
    let line = parse_words("import a.csv b.csv --enterprise octo-ent").expect("good");
    let Command::Import(import) = line.command else {
        panic!("not an import");
    };
    assert_eq!(import.files.len(), 2);
    let expected = AccountName::new(AccountKind::Enterprise, "octo-ent");
    assert_eq!(import.account.name(), Some(expected));
    let missing = usage_message("import a.csv");
    assert!(
        missing.contains("required arguments were not provided"),
        "{missing}"
    );
    let both = usage_message("import a.csv --enterprise e --user u");
    assert!(both.contains("cannot be used with"), "{both}");
    let bad = usage_message("import a.csv --enterprise octo/ent");
    assert!(bad.contains("must be 1 to 100 letters"), "{bad}");
}

#[test]
fn token_create_is_for_a_user_or_for_the_site() {
    let words = "token create --user u --scopes read:org,admin:org --expires 2027-01-01";
    let Command::Token(Token::Create(create)) = parse_words(words).expect("good").command else {
        panic!("not a token");
    };
    assert_eq!(create.scopes, ["read:org", "admin:org"]);
    assert_eq!(create.expires, Instant::parse("2027-01-01").ok());
    assert!(parse_words("token create --site-admin").is_ok());
    let words = "token create --metering-write --account enterprise/e --account user/u --source /a";
    let Command::Token(Token::Create(create)) = parse_words(words).expect("good").command else {
        panic!("not a token");
    };
    assert_eq!(create.accounts, ["enterprise/e", "user/u"]);
    assert_eq!(create.sources, ["/a"]);
    for wrong in [
        "token create",
        "token create --scopes read:org",
        "token create --site-admin --scopes read:org",
        "token create --user u --site-admin",
        "token create --user u --scopes a --permissions b=read",
        "token create --user u --expires soon",
        "token create --metering-write",
        "token create --metering-write --account user/u --user u",
        "token create --metering-write --account user/u --scopes user",
        "token create --site-admin --account user/u",
    ] {
        usage_message(wrong);
    }
}
