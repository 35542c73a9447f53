//! What `send` takes.
//!
//! Invariant: as in [`super`]. Look next: [`crate::cli::send`] for what it does.

use super::PlaceArguments;
use crate::config::EventLimits;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Usage events (CloudEvents as NDJSON, a JSON array, or one object); - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// What happens to the good events of a batch beside a bad one
    #[arg(long, value_name = "WORD", value_enum, default_value_t = OnErrorArgument::Reject)]
    pub(crate) on_error: OnErrorArgument,

    /// Events in a batch, which counts whole or not at all
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,

    /// How often a batch is sent again that got no answer, or 429, 502, 503 or 504
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) retries: u32,

    // A server has its own.
    #[command(flatten)]
    pub(crate) limits: EventLimits,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

/// What happens to good events beside bad ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnErrorArgument {
    /// Refuse the batch, and end.
    Reject,
    /// Take the good ones, and go on.
    Skip,
}
