//! `--config FILE`: the settings of `serve`, in TOML, by the flags' names.
//!
//! Invariant: a setting is defined only by its flag; there are no other keys. The file only
//! replaces defaults: its values go through the parsers of the flags, and a flag or an environment
//! variable wins. `demo` and `restore` take nothing from it, because they must not touch the
//! directory of `serve` by mistake.

use clap::{Arg, Command};
use std::any::TypeId;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

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
    /// It is not TOML, or has an unknown key or a wrong type.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
}

/// The file's values by the flag's name.
#[derive(Debug, Default)]
pub struct Defaults(Vec<(String, String)>);

/// Reads a configuration file for `command`, the whole command line.
pub fn read(path: &Path, command: &Command) -> Result<Defaults, ConfigFileError> {
    let text = std::fs::read_to_string(path).map_err(|reason| ConfigFileError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    parse(&text, command).map_err(|reason| ConfigFileError::Invalid {
        path: path.to_owned(),
        reason,
    })
}

fn parse(text: &str, command: &Command) -> Result<Defaults, String> {
    let table = DeTable::parse(text)
        .map_err(|error| describe(text, error.span(), &error.message().replace('\n', ", ")))?;
    let settings = settings(command);
    let mut values = Vec::new();
    for (key, value) in table.get_ref() {
        let flag = key.get_ref().as_ref();
        let setting = settings.iter().find(|(known, _)| *known == flag);
        let Some((_, setting)) = setting else {
            let known: Vec<_> = settings.iter().map(|(it, _)| format!("`{it}`")).collect();
            let known = known.join(", ");
            let message = format!("unknown field `{flag}`, expected one of {known}");
            return Err(describe(text, Some(key.span()), &message));
        };
        let value = value_of(value.get_ref(), is_number(setting))
            .map_err(|message| describe(text, Some(value.span()), &message))?;
        values.push((flag.to_owned(), value));
    }
    Ok(Defaults(values))
}

/// What the file may set, by name: the flags of `serve` and the log settings.
fn settings(command: &Command) -> Vec<(&str, &Arg)> {
    let log = command.get_arguments().filter(|it| it.get_id() == "log");
    let serve = command.find_subcommand("serve").into_iter();
    let serve = serve.flat_map(Command::get_arguments);
    let named = serve.chain(log);
    named
        .filter_map(|it| it.get_long().map(|flag| (flag, it)))
        .filter(|(flag, _)| *flag != "help")
        .collect()
}

/// Whether a flag takes a number, a size or a time, for which the file may use an integer.
fn is_number(setting: &Arg) -> bool {
    let of_flag = setting.get_value_parser().type_id();
    [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<Duration>(),
    ]
    .iter()
    .any(|number| of_flag == *number)
}

/// The text that would be passed to the flag; the flag's parser validates it.
fn value_of(value: &DeValue<'_>, is_number: bool) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) if is_number => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            value.map_or_else(
                |_| Err("invalid value: integer too large".to_owned()),
                |it| Ok(it.to_string()),
            )
        }
        other => {
            let wanted = if is_number {
                "an integer or a string"
            } else {
                "a string"
            };
            Err(format!(
                "invalid type: {}, expected {wanted}",
                other.type_str()
            ))
        }
    }
}

/// One line with position and problem.
fn describe(text: &str, span: Option<Range<usize>>, message: &str) -> String {
    let Some(span) = span else {
        return message.to_owned();
    };
    let before = &text[..span.start.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or_default();
    let column = last.chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}

impl Defaults {
    /// Makes the file's values the defaults of the flags of the same name, in every subcommand.
    #[must_use]
    pub fn apply_to(&self, command: Command) -> Command {
        let command = self.0.iter().fold(command, |command, (flag, value)| {
            let found = command
                .get_arguments()
                .find(|it| it.get_long() == Some(flag.as_str()));
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

    fn parse(text: &str) -> Result<Defaults, String> {
        let listen = Arg::new("listen").long("listen");
        let cache = Arg::new("cache").long("cache-bytes");
        let months = Arg::new("months").long("history-months");
        let serve = Command::new("serve")
            .arg(listen)
            .arg(cache.value_parser(crate::config::parse_bytes))
            .arg(months.value_parser(clap::value_parser!(u32)));
        super::parse(text, &Command::new("tallybook").subcommand(serve))
    }

    #[test]
    fn reads_numbers_and_texts() {
        let text = "listen = '127.0.0.1:1'\ncache-bytes = '64MiB'\nhistory-months = 12\n";
        let defaults = parse(text).expect("a good file");
        let expected = [
            ("cache-bytes", "64MiB"),
            ("history-months", "12"),
            ("listen", "127.0.0.1:1"),
        ];
        let expected = expected.map(|(flag, value)| (flag.to_owned(), value.to_owned()));
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
