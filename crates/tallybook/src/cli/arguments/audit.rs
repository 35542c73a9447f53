//! The flags of `tallybook audit`.

use super::{AccountArguments, PlaceArguments, instant};
use crate::engine::audit::Action;
use clap::{ArgGroup, Args};
use tallybook_core::time::Instant;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("account"))]
pub(crate) struct AuditArguments {
    /// By whom: a token's id, a command such as import, server, or a user's login
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,

    /// What was done, or all of a noun: import.revert, token, report
    #[arg(long, value_name = "ACTION", value_parser = action)]
    pub(crate) action: Option<String>,

    /// From this day or instant on (UTC)
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(crate) since: Option<Instant>,

    /// Before this day or instant (UTC)
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(crate) until: Option<Instant>,

    /// Recorded before the line of this number: what follows it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) before: Option<u64>,

    /// The most lines
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,

    /// Print JSON, as the API answers it, instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) account: AccountArguments,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

fn action(text: &str) -> Result<String, String> {
    if Action::is_known(text) {
        return Ok(text.to_owned());
    }
    Err(format!("there are {}, and their nouns", Action::list()))
}
