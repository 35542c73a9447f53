//! Where a command finds the data: a directory, or a running server.
//!
//! `--data` and `--url` exclude each other. One given as a flag wins over one in the environment,
//! which wins over one in the configuration file; both at the same rank is a usage error.

use super::arguments::{PlaceArguments, usage_error};
use crate::config::PublicUrl;
use anyhow::Context;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::path::PathBuf;

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this directory.
    Directory(PathBuf),
    /// Behind this server's API.
    Server {
        /// The server's URL, without a trailing slash.
        url: PublicUrl,
        /// A token that it knows.
        token: String,
    },
}

impl PlaceArguments {
    /// Decides between the two; `matches` distinguishes flags from variables.
    pub(crate) fn resolve(self, matches: &ArgMatches) -> anyhow::Result<Place> {
        let (data, url) = (rank(matches, "data"), rank(matches, "url"));
        if data == url && data > Rank::Absent {
            return Err(usage_error("--data and --url cannot be used together").into());
        }
        match self.url {
            Some(url_given) if url > data => {
                let token = self.token.ok_or_else(|| {
                    usage_error("--url needs --token (or the variable TALLYBOOK_TOKEN)")
                })?;
                Ok(Place::Server {
                    url: url_given,
                    token,
                })
            }
            _ => data_directory(self.data).map(Place::Directory),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Absent,
    File,
    Environment,
    Flag,
}

fn rank(matches: &ArgMatches, id: &str) -> Rank {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Rank::Flag,
        Some(ValueSource::EnvVariable) => Rank::Environment,
        Some(_) => Rank::File,
        None => Rank::Absent,
    }
}

/// The same command for a running server: without `--data`, with `--url`.
pub(crate) fn server_form(arguments: &[String], url: &str) -> String {
    let mut words = vec!["tallybook".to_owned()];
    let mut rest = arguments.iter().skip(1);
    while let Some(word) = rest.next() {
        if word == "--data" {
            rest.next();
        } else if !word.starts_with("--data=") {
            words.push(quoted(word));
        }
    }
    words.push(format!("--url {url} --token TOKEN"));
    words.join(" ")
}

/// A word, quoted for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The given directory, or the default of `serve`.
pub(crate) fn data_directory(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    given.map_or_else(|| user_folder("tallybook"), Ok)
}

/// The given directory, or the default of `demo`: never that of `serve`.
pub(crate) fn demo_directory(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    given.map_or_else(|| user_folder("tallybook-demo"), Ok)
}

fn user_folder(application: &str) -> anyhow::Result<PathBuf> {
    directories::ProjectDirs::from("", "", application)
        .map(|folders| folders.data_dir().to_owned())
        .context("the user has no home folder: say where the data is with --data DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_for_a_server_has_the_same_words_without_the_directory() {
        let form = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
            server_form(&words, "http://127.0.0.1:8080")
        };
        let expected = "tallybook imports list --url http://127.0.0.1:8080 --token TOKEN";
        assert_eq!(
            form(&["/usr/bin/tallybook", "imports", "list", "--data", "d"]),
            expected
        );
        assert_eq!(
            form(&["tallybook", "imports", "--data=d", "list"]),
            expected
        );
        let quoted = form(&["tallybook", "import", "it's new.csv"]);
        assert!(
            quoted.starts_with(r"tallybook import 'it'\''s new.csv' --url "),
            "{quoted}"
        );
    }
}
