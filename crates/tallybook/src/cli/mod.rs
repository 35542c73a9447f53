//! The command line: one file a command, each a thin face over the engine or a server's API.
//!
//! Invariant: what a command prints for programs goes to stdout, what it tells people to stderr; an
//! error is one line that begins with `error: `; the exit code is 1 for what failed and 2 for wrong
//! usage. Look next: [`arguments`] for every flag.

mod arguments;
mod client;
mod listen;
mod output;
mod place;

use crate::clock::Clock;
use crate::telemetry;
use arguments::{ArgumentsError, Command, CommandLine};
use clap::ArgMatches;
use std::process::ExitCode;

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
            None => failed(&error, FAILED),
        },
    }
}

/// Help and the version are no failures; clap prints each where it belongs.
fn usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE)),
        // Whoever asked has closed the pipe.
        Err(_) => ExitCode::from(FAILED),
    }
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {}", output::one_line(error));
    ExitCode::from(code)
}

fn run(line: CommandLine, _matches: &ArgMatches) -> anyhow::Result<()> {
    telemetry::start(line.log.as_deref().unwrap_or("info"))?;
    let _clock = line.now.map_or(Clock::System, Clock::Fixed);
    match line.command {
        Command::Serve(_) => anyhow::bail!("this build has no server yet"),
        _ => anyhow::bail!("this build does not have this command yet"),
    }
}
