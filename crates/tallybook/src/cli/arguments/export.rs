//! The flags of `tallybook export`.

use super::{AccountArguments, PlaceArguments, day};
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Day;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("account"))]
pub(crate) struct Export {
    /// Which report: detailed, summarized, premium_request or ai_credit
    #[arg(long = "type", value_name = "TYPE", value_parser = report_kind)]
    pub(crate) kind: ReportKind,

    /// The first day
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(crate) from: Day,

    /// The last day, included
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(crate) to: Day,

    /// The file to write, or a folder for as many files as the days need [default: standard output]
    #[arg(short, long, value_name = "FILE|FOLDER/")]
    pub(crate) out: Option<PathBuf>,

    /// Write an apostrophe before texts that spreadsheets would take for formulas (= + - @);
    /// such a file is for reading, not for importing again
    #[arg(long)]
    pub(crate) guard_cells: bool,

    #[command(flatten)]
    pub(crate) account: AccountArguments,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

fn report_kind(text: &str) -> Result<ReportKind, String> {
    ReportKind::parse(text).ok_or_else(|| {
        let known = ReportKind::ALL.map(ReportKind::as_str).join(", ");
        format!("there is no such report; there are {known}")
    })
}
