//! The arguments of `catalog`, and the shared dry-run options.
//!
//! Look next: [`crate::cli::catalog`] for what the commands do.

use super::PlaceArguments;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tallybook_core::time::Month;

/// Whether something is only tried.
#[derive(Debug, Args)]
pub(crate) struct Trial {
    /// Print what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print what a month such as 2026-06 costs and would cost, and change nothing
    #[arg(long, value_name = "MONTH", value_parser = month)]
    pub(crate) what_if: Option<Month>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// Print the site's own text, or the whole catalogue as JSON
    Show {
        /// The whole catalogue, built-in and own, as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// List the versions: when the catalogue changed, and by whom
    Versions {
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Check an own text against the built-in catalogue of this program; needs no data
    Check {
        /// The text; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a text in the place of the site's own; an empty one takes it away
    Put {
        /// The text; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        trial: Trial,
        #[command(flatten)]
        place: PlaceArguments,
    },
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).map_err(|error| format!("{error} (2026-10 is)"))
}
