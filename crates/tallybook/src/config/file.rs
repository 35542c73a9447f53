//! `--config FILE`: the same settings as the flags, in TOML, by the flags' names.
//!
//! The file only replaces defaults: its values go through the parsers of the flags, and a flag or a
//! variable of the environment wins. `demo` and `restore` take nothing from it, for they must not
//! touch the directory that `serve` uses by mistake.

use clap::Command;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// It is not TOML, or has a key or type that is not known.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
}

/// The keys of the file, each named as its flag.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Keys {
    data: Option<String>,
    listen: Option<String>,
    public_url: Option<String>,
    dialect: Option<String>,
    history_months: Option<Scalar>,
    report_days: Option<Scalar>,
    rate_limit: Option<Scalar>,
    cache_bytes: Option<Scalar>,
    tls_certificate: Option<String>,
    tls_key: Option<String>,
    trusted_proxies: Option<String>,
    smtp_host: Option<String>,
    smtp_port: Option<Scalar>,
    smtp_security: Option<String>,
    smtp_username: Option<String>,
    smtp_password: Option<String>,
    smtp_password_file: Option<String>,
    smtp_ca_file: Option<String>,
    smtp_timeout: Option<Scalar>,
    mail_from: Option<String>,
    log: Option<String>,
    limit_body_bytes: Option<Scalar>,
    limit_import_bytes: Option<Scalar>,
    limit_import_files: Option<Scalar>,
    limit_imports: Option<Scalar>,
    limit_import_names: Option<Scalar>,
    limit_import_sums: Option<Scalar>,
    limit_account_names: Option<Scalar>,
    limit_line_bytes: Option<Scalar>,
    limit_events_bytes: Option<Scalar>,
    limit_events: Option<Scalar>,
    limit_event_bytes: Option<Scalar>,
    limit_event_name_bytes: Option<Scalar>,
    limit_events_memory: Option<Scalar>,
    limit_reports: Option<Scalar>,
    limit_report_bytes: Option<Scalar>,
    limit_url_bytes: Option<Scalar>,
    limit_header_bytes: Option<Scalar>,
    limit_connections: Option<Scalar>,
    limit_connections_per_address: Option<Scalar>,
    limit_long_answers: Option<Scalar>,
    timeout_queue: Option<Scalar>,
    timeout_headers: Option<Scalar>,
    timeout_body: Option<Scalar>,
    timeout_write: Option<Scalar>,
    timeout_idle: Option<Scalar>,
}

/// A number, or a text such as `64MiB`; the flag's parser decides what is right.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(i64),
    Text(String),
}

/// The file's values by the flag's name.
#[derive(Debug, Default)]
pub struct Defaults(Vec<(&'static str, String)>);

/// Reads a configuration file.
pub fn read(path: &Path) -> Result<Defaults, ConfigFileError> {
    let text = std::fs::read_to_string(path).map_err(|reason| ConfigFileError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    parse(&text).map_err(|reason| ConfigFileError::Invalid {
        path: path.to_owned(),
        reason,
    })
}

fn parse(text: &str) -> Result<Defaults, String> {
    let keys: Keys = toml::from_str(text).map_err(|error| describe(text, &error))?;
    let number = |scalar: Option<Scalar>| match scalar {
        Some(Scalar::Number(number)) => Some(number.to_string()),
        Some(Scalar::Text(text)) => Some(text),
        None => None,
    };
    let values = [
        ("data", keys.data),
        ("listen", keys.listen),
        ("public-url", keys.public_url),
        ("dialect", keys.dialect),
        ("history-months", number(keys.history_months)),
        ("report-days", number(keys.report_days)),
        ("rate-limit", number(keys.rate_limit)),
        ("cache-bytes", number(keys.cache_bytes)),
        ("tls-certificate", keys.tls_certificate),
        ("tls-key", keys.tls_key),
        ("trusted-proxies", keys.trusted_proxies),
        ("smtp-host", keys.smtp_host),
        ("smtp-port", number(keys.smtp_port)),
        ("smtp-security", keys.smtp_security),
        ("smtp-username", keys.smtp_username),
        ("smtp-password", keys.smtp_password),
        ("smtp-password-file", keys.smtp_password_file),
        ("smtp-ca-file", keys.smtp_ca_file),
        ("smtp-timeout", number(keys.smtp_timeout)),
        ("mail-from", keys.mail_from),
        ("log", keys.log),
        ("limit-body-bytes", number(keys.limit_body_bytes)),
        ("limit-import-bytes", number(keys.limit_import_bytes)),
        ("limit-import-files", number(keys.limit_import_files)),
        ("limit-imports", number(keys.limit_imports)),
        ("limit-import-names", number(keys.limit_import_names)),
        ("limit-import-sums", number(keys.limit_import_sums)),
        ("limit-account-names", number(keys.limit_account_names)),
        ("limit-line-bytes", number(keys.limit_line_bytes)),
        ("limit-events-bytes", number(keys.limit_events_bytes)),
        ("limit-events", number(keys.limit_events)),
        ("limit-event-bytes", number(keys.limit_event_bytes)),
        (
            "limit-event-name-bytes",
            number(keys.limit_event_name_bytes),
        ),
        ("limit-events-memory", number(keys.limit_events_memory)),
        ("limit-reports", number(keys.limit_reports)),
        ("limit-report-bytes", number(keys.limit_report_bytes)),
        ("limit-url-bytes", number(keys.limit_url_bytes)),
        ("limit-header-bytes", number(keys.limit_header_bytes)),
        ("limit-connections", number(keys.limit_connections)),
        (
            "limit-connections-per-address",
            number(keys.limit_connections_per_address),
        ),
        ("limit-long-answers", number(keys.limit_long_answers)),
        ("timeout-queue", number(keys.timeout_queue)),
        ("timeout-headers", number(keys.timeout_headers)),
        ("timeout-body", number(keys.timeout_body)),
        ("timeout-write", number(keys.timeout_write)),
        ("timeout-idle", number(keys.timeout_idle)),
    ];
    let given = values
        .into_iter()
        .filter_map(|(flag, value)| Some((flag, value?)));
    Ok(Defaults(given.collect()))
}

/// One line: where, and what.
fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', ", ");
    let Some(span) = error.span() else {
        return message;
    };
    let before = &text[..span.start.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("line {line}, column {column}: {message}")
}

impl Defaults {
    /// Makes the file's values the defaults of the flags of the same name, in every subcommand.
    #[must_use]
    pub fn apply_to(&self, command: Command) -> Command {
        let command = self.0.iter().fold(command, |command, (flag, value)| {
            let found = command
                .get_arguments()
                .find(|it| it.get_long() == Some(flag));
            match found.map(|argument| argument.get_id().clone()) {
                Some(id) => command.mut_arg(id, |argument| argument.default_value(value.clone())),
                None => command,
            }
        });
        command.mut_subcommands(|subcommand| match subcommand.get_name() {
            "demo" | "restore" => subcommand,
            _ => self.apply_to(subcommand),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_texts() {
        let text = "listen = '127.0.0.1:1'\ncache-bytes = '64MiB'\nhistory-months = 12\n";
        let defaults = parse(text).expect("a good file");
        let expected = [
            ("listen", "127.0.0.1:1".to_owned()),
            ("history-months", "12".to_owned()),
            ("cache-bytes", "64MiB".to_owned()),
        ];
        assert_eq!(defaults.0, expected);
    }

    #[test]
    fn errors_say_where_and_what() {
        let error = parse("listen = '127.0.0.1:1'\nlisten_on = 3\n").expect_err("unknown key");
        assert!(
            error.starts_with("line 2, column 1: unknown field `listen_on`"),
            "{error}"
        );
        let error = parse("listen = \n").expect_err("no value");
        assert!(error.starts_with("line 1, column 10:"), "{error}");
        let error = parse("listen = 3\n").expect_err("wrong type");
        assert!(
            error.starts_with("line 1, column 10: invalid type"),
            "{error}"
        );
    }
}
