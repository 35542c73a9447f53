//! The command line: one file per command, each a thin layer over the engine or a server's API.
//!
//! Invariant: output for programs goes to stdout, messages for people to stderr; an error is one
//! line that begins with `error: `; the exit code is 1 for failures and 2 for wrong usage. Look
//! next: [`arguments`] for every flag, [`open`] for how a directory is opened, [`client`] for
//! requests to a server.

mod apply;
mod arguments;
mod audit;
mod catalog;
mod client;
mod demo;
mod export;
mod import;
mod imports;
mod listen;
mod open;
mod open_files;
mod output;
mod place;
mod sample;
mod send;
mod serve;
mod summary;
mod token;
mod upkeep;
mod what_if;

use crate::clock::Clock;
use crate::telemetry;
use anyhow::Context;
use arguments::{ArgumentsError, Command, CommandLine, Export, Import, Imports, Token};
use clap::ArgMatches;
use std::process::ExitCode;
use tallybook_core::export::{Cells, Days};
use tallybook_core::time::Instant;
use tokio::runtime::Runtime;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    let (line, matches) = match arguments::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(ArgumentsError::Usage(error)) => return usage(&error),
        Err(error) => return failed(&error.into(), WRONG_USAGE),
    };
    match run(line, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<clap::Error>() {
            Some(error) => usage(error),
            None if is_closed_pipe(&error) => ExitCode::SUCCESS,
            None => failed(&error, FAILED),
        },
    }
}

/// Help and the version are not failures; clap prints each to the right stream.
fn usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE)),
        // The reader has closed the pipe.
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Whether the reader of the output has closed the pipe, as `head` does; by then the work is done.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {}", output::one_line(error));
    ExitCode::from(code)
}

fn run(line: CommandLine, matches: &ArgMatches) -> anyhow::Result<()> {
    let serves = matches!(line.command, Command::Serve(_) | Command::Demo(_));
    let quiet = if serves { "info" } else { "warn" };
    telemetry::start(line.log.as_deref().unwrap_or(quiet))?;
    let clock = line.now.map_or(Clock::System, Clock::Fixed);
    let now = clock.now()?;
    match line.command {
        Command::Serve(serve) => serve::run(*serve, clock),
        Command::Demo(demo) => demo::run(demo, clock),
        Command::Import(import) => run_import(import, matches, now),
        Command::Export(export) => run_export(export, matches, now),
        Command::Imports(Imports::List { account, place }) => {
            imports::list(account.name(), place.resolve(matches)?, now)
        }
        Command::Imports(Imports::Revert { id, account, place }) => {
            imports::revert(id, account.name(), place.resolve(matches)?, now)
        }
        Command::Apply(apply) => {
            let request = apply::Request {
                file: apply.file,
                trial: apply.trial,
                move_payers: apply.move_payers,
            };
            apply::run(&request, apply.place.resolve(matches)?, now)
        }
        Command::Catalog(command) => catalog::run(command, matches, now),
        Command::Send(send) => {
            let request = send::Request {
                file: send.file,
                on_error: send.on_error,
                batch: usize::try_from(send.batch)?,
                retries: send.retries,
                limits: send.limits,
            };
            send::run(&request, send.place.resolve(matches)?, clock)
        }
        Command::Token(Token::Create(create)) => token::create(create, matches, now),
        Command::Token(Token::List { place }) => token::list(place.resolve(matches)?, now),
        Command::Token(Token::Revoke { id, place }) => {
            token::revoke(&id, place.resolve(matches)?, now)
        }
        Command::Audit(asked) => audit::run(*asked, matches, now),
        Command::Verify(verify) => upkeep::verify(verify.place.resolve(matches)?, now),
        Command::Compact(compact) => upkeep::compact(&place::data_directory(compact.data)?),
        Command::Backup(backup) => {
            upkeep::backup(&backup.file, backup.place.resolve(matches)?, now)
        }
        Command::Restore(restore) => upkeep::restore(&restore.file, &restore.data, now),
    }
}

fn run_import(import: Import, matches: &ArgMatches, now: Instant) -> anyhow::Result<()> {
    let account = import.account.name().context("an account is needed")?;
    let request = import::Request {
        account,
        files: import.files,
        skip_bad_lines: import.skip_bad_lines,
        refuse_overlap: import.refuse_overlap,
        dates: import.dates,
        future: import.future,
        join: import.join,
    };
    import::run(request, import.place.resolve(matches)?, now)
}

fn run_export(export: Export, matches: &ArgMatches, now: Instant) -> anyhow::Result<()> {
    let request = export::Request {
        account: export.account.name(),
        kind: export.kind,
        days: Days {
            first: export.from,
            last: export.to,
        },
        cells: match export.guard_cells {
            true => Cells::Guarded,
            false => Cells::Exact,
        },
        out: export.out,
    };
    export::run(request, export.place.resolve(matches)?, now)
}

/// The runtime of a command that works on a directory.
fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("cannot start threads")
}
