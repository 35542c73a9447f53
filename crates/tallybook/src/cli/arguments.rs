//! The command line: every command, flag, variable and default, and the help for them.
//!
//! Invariant: one definition is flag, environment variable and key of the configuration file. The
//! order of precedence is the order of [`parse`]: flag, environment, file, default. Look next:
//! [`super::place`] for `--data` against `--url`, and one file per command for what they do.

mod audit;
mod catalog;
mod export;
mod send;
mod token;

use crate::config::mail::MailArguments;
use crate::config::{self, Dialect, Limits, PublicUrl, TrustedProxies, file::ConfigFileError};
use crate::import::DateOrder;
pub(crate) use audit::AuditArguments;
pub(crate) use catalog::{Catalog, Trial};
use clap::error::ErrorKind;
use clap::{ArgGroup, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
pub(crate) use export::Export;
pub(crate) use send::{OnErrorArgument, Send};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use tallybook_core::account::{self, AccountKind, AccountName};
use tallybook_core::ids::ImportId;
use tallybook_core::time::{Day, Instant};
pub(crate) use token::{Token, TokenCreate};

/// Counts metered usage, keeps usage reports, and answers GitHub's billing REST API over them
#[derive(Debug, Parser)]
#[command(
    name = "tallybook",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct CommandLine {
    /// A TOML file with settings, each by its flag's name; flags and variables win over it
    #[arg(long, global = true, value_name = "FILE", env = "TALLYBOOK_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// What to log, such as info or tallybook=debug,warn [default: info for servers, else warn]
    #[arg(long, global = true, value_name = "FILTER", env = "TALLYBOOK_LOG")]
    pub(crate) log: Option<String>,

    /// The time that the program believes it is; for tests and the demo
    #[arg(long, global = true, hide = true, value_name = "INSTANT", value_parser = instant)]
    pub(crate) now: Option<Instant>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the API over a data directory
    Serve(Box<Serve>),
    /// Serve a realistic enterprise from a directory of its own
    Demo(Demo),
    /// Import usage reports: all files together, or none
    Import(Import),
    /// List imports, or revert one
    #[command(subcommand)]
    Imports(Imports),
    /// Write a usage report of GitHub's form: what a server's report would hold
    Export(Export),
    /// Declare enterprises, organizations, users, repositories and prices from a file
    Apply(Apply),
    /// Show, check or put the site's own catalogue: products, SKUs, prices, included usage
    #[command(subcommand)]
    Catalog(Catalog),
    /// Send usage events from a file or a pipe, each counted once however often it is sent
    Send(Send),
    /// Create, list and revoke access tokens
    #[command(subcommand)]
    Token(Token),
    /// Show who did what, from where, and what it changed: the audit log, the newest first
    Audit(Box<AuditArguments>),
    /// Read everything again, recompute every statement, and report the first difference
    Verify(Verify),
    /// Write a consistent copy of everything into a new file, also while a server runs
    Backup(Backup),
    /// Make a data directory from a backup
    Restore(Restore),
    /// Compact a directory's database
    Compact(Compact),
}

/// Where the data is: a directory, or a running server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where the data is")]
pub(crate) struct PlaceArguments {
    /// The data directory [default: a folder of the user's; on Linux ~/.local/share/tallybook]
    #[arg(long, value_name = "DIR", env = "TALLYBOOK_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// A running server instead of a directory
    #[arg(long, value_name = "URL", env = "TALLYBOOK_URL", value_parser = PublicUrl::parse)]
    pub(crate) url: Option<PublicUrl>,

    /// The token for --url
    #[arg(
        long,
        value_name = "TOKEN",
        env = "TALLYBOOK_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The data directory [default: a folder of the user's; on Linux ~/.local/share/tallybook]
    #[arg(long, value_name = "DIR", env = "TALLYBOOK_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS", env = "TALLYBOOK_LISTEN",
          default_value = "127.0.0.1:8080", value_parser = config::parse_listen)]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) answers: Answers,

    /// A certificate chain, PEM; the server then speaks TLS
    #[arg(
        long,
        value_name = "FILE",
        env = "TALLYBOOK_TLS_CERTIFICATE",
        requires = "tls_key"
    )]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "TALLYBOOK_TLS_KEY",
        requires = "tls_certificate"
    )]
    pub(crate) tls_key: Option<PathBuf>,

    // Not for the demo: its people must never get mail.
    #[command(flatten)]
    pub(crate) mail: MailArguments,
}

/// Options shared by `serve` and `demo`.
#[derive(Debug, Args)]
pub(crate) struct Answers {
    /// The URL that links in answers begin with [default: the listening address]
    #[arg(long, value_name = "URL", env = "TALLYBOOK_PUBLIC_URL", value_parser = PublicUrl::parse)]
    pub(crate) public_url: Option<PublicUrl>,

    /// The shape of GitHub's answers: as documented, or as they were seen to be
    #[arg(long, env = "TALLYBOOK_DIALECT", value_enum, default_value_t = Dialect::Documented)]
    pub(crate) dialect: Dialect,

    /// How many months before the current one can be asked for; 0 is all of them
    #[arg(
        long,
        value_name = "N",
        env = "TALLYBOOK_HISTORY_MONTHS",
        default_value_t = 24
    )]
    pub(crate) history_months: u32,

    /// How many days usage reports and their files are kept
    #[arg(
        long,
        value_name = "N",
        env = "TALLYBOOK_REPORT_DAYS",
        default_value_t = 31,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) report_days: u32,

    /// Requests an hour for each token; 0 is no limit
    #[arg(
        long,
        value_name = "N",
        env = "TALLYBOOK_RATE_LIMIT",
        default_value_t = 0
    )]
    pub(crate) rate_limit: u32,

    /// Memory for cached statements
    #[arg(long, value_name = "BYTES", env = "TALLYBOOK_CACHE_BYTES",
          default_value = "2GiB", value_parser = config::parse_bytes)]
    pub(crate) cache_bytes: u64,

    /// Proxies whose X-Forwarded-For says who the client is: addresses and networks, by commas
    #[arg(long, value_name = "CIDR,...", env = "TALLYBOOK_TRUSTED_PROXIES",
          default_value = "", hide_default_value = true, value_parser = TrustedProxies::parse)]
    pub(crate) trusted_proxies: TrustedProxies,

    #[command(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The demo's own directory [default: a folder of the user's; on Linux
    /// ~/.local/share/tallybook-demo]
    // No variable: TALLYBOOK_DATA names the directory of `serve`.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// The address and port to listen on
    #[arg(long, value_name = "ADDRESS", env = "TALLYBOOK_LISTEN",
          default_value = "127.0.0.1:8080", value_parser = config::parse_listen)]
    pub(crate) listen: SocketAddr,

    /// Another enterprise for another number; the same number and day give the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// The last day with usage [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(crate) until: Option<Day>,

    #[command(flatten)]
    pub(crate) answers: Answers,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("account").required(true))]
pub(crate) struct Import {
    /// Usage reports (CSV; plain, gzip or zstd)
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) account: AccountArguments,

    /// Leave out lines that cannot be read, and list them, instead of refusing the import
    #[arg(long)]
    pub(crate) skip_bad_lines: bool,

    /// Refuse the import if events have reported some of its usage, too, instead of telling both
    #[arg(long)]
    pub(crate) refuse_overlap: bool,

    /// The order of day, month and year, where a spreadsheet changed the dates: mdy, dmy or ymd
    /// [default: the one that all dates of a file fit]
    #[arg(long, value_name = "ORDER", value_parser = date_order)]
    pub(crate) dates: Option<DateOrder>,

    /// Take lines of days after tomorrow, too
    #[arg(long)]
    pub(crate) future: bool,

    /// The files are parts of one report: count all of them, also where two state usage of the same
    /// days, SKUs and organizations
    #[arg(long)]
    pub(crate) join: bool,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

/// The account: at most one of the three, and for an import exactly one.
#[derive(Debug, Args)]
pub(crate) struct AccountArguments {
    /// The enterprise whose usage it is
    #[arg(long, value_name = "SLUG", group = "account", value_parser = name)]
    enterprise: Option<String>,

    /// The organization whose usage it is
    #[arg(long, value_name = "LOGIN", group = "account", value_parser = name)]
    organization: Option<String>,

    /// The user whose usage it is
    #[arg(long, value_name = "LOGIN", group = "account", value_parser = name)]
    user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Imports {
    /// List imports, newest first: an account's, or all
    #[command(group = ArgGroup::new("account"))]
    List {
        #[command(flatten)]
        account: AccountArguments,
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Revert an import: what it had hidden counts again
    #[command(group = ArgGroup::new("account"))]
    Revert {
        /// The import's id, as the list shows it
        #[arg(value_name = "ID", value_parser = import_id)]
        id: ImportId,
        #[command(flatten)]
        account: AccountArguments,
        #[command(flatten)]
        place: PlaceArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The billing file, YAML or JSON; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Let organizations with usage go to another payer from now on
    #[arg(long)]
    pub(crate) move_payers: bool,

    #[command(flatten)]
    pub(crate) trial: Trial,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The new file; an existing one is not overwritten
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    /// The data directory [default: a folder of the user's; on Linux ~/.local/share/tallybook]
    #[arg(long, value_name = "DIR", env = "TALLYBOOK_DATA")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file that `tallybook backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The data directory to make; it must not hold data yet
    // No variable and no default: the target of a restore must be explicit.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

impl AccountArguments {
    /// The named account.
    pub(crate) fn name(&self) -> Option<AccountName> {
        let kinds = [
            (AccountKind::Enterprise, &self.enterprise),
            (AccountKind::Organization, &self.organization),
            (AccountKind::User, &self.user),
        ];
        kinds
            .into_iter()
            .find_map(|(kind, name)| Some(AccountName::new(kind, name.as_deref()?)))
    }
}

/// Why there is no command to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentsError {
    /// Wrong usage, or a request for help or the version; clap prints it.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The configuration file cannot be used.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// A value in the configuration file is invalid.
    #[error("{}: {reason}", path.display())]
    ConfigValue {
        /// The file.
        path: PathBuf,
        /// What the flag's parser said.
        reason: String,
    },
}

/// Parses arguments; the configuration file's values become the defaults of a second pass.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(CommandLine, ArgMatches), ArgumentsError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = CommandLine::command();
    let matches = command.clone().try_get_matches_from(&arguments)?;
    let Some(path) = matches.get_one::<PathBuf>("config") else {
        return Ok((CommandLine::from_arg_matches(&matches)?, matches));
    };
    let command = config::file::read(path, &command)?.apply_to(command);
    let matches = command.try_get_matches_from(&arguments).map_err(|error| {
        // The first pass accepted the same arguments, so the error comes from the file.
        ArgumentsError::ConfigValue {
            path: path.clone(),
            reason: first_line(&error),
        }
    })?;
    Ok((CommandLine::from_arg_matches(&matches)?, matches))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// An error in how the command was called: exit code 2, with a hint at `--help`.
pub(crate) fn usage_error(message: impl std::fmt::Display) -> clap::Error {
    CommandLine::command().error(ErrorKind::ArgumentConflict, message)
}

fn name(text: &str) -> Result<String, String> {
    account::check_name(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

fn instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text)
        .map_err(|error| format!("{error} (2026-10-02 and 2026-10-02T13:00:00Z are)"))
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).map_err(|error| format!("{error} (2026-10-02 is)"))
}

fn date_order(text: &str) -> Result<DateOrder, String> {
    DateOrder::parse(text).ok_or_else(|| "it must be mdy, dmy or ymd".to_owned())
}

fn import_id(text: &str) -> Result<ImportId, String> {
    ImportId::parse(text).ok_or_else(|| "an import's id is a UUID".to_owned())
}

#[cfg(test)]
mod tests;
