//! The flags of `tallybook token`.

use super::{PlaceArguments, instant, name};
use crate::config::Dialect;
use clap::{ArgGroup, Args, Subcommand};
use tallybook_core::time::Instant;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Create a token and print it; it cannot be shown again
    Create(TokenCreate),
    /// List tokens, oldest first, without their secrets
    List {
        #[command(flatten)]
        place: PlaceArguments,
    },
    /// Revoke a token: it stops working at once
    Revoke {
        /// The token's id, as the list shows it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        place: PlaceArguments,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("holder").required(true)
    .args(["user", "site_admin", "metering_write", "import"]))]
#[command(group = ArgGroup::new("grant").args(["scopes", "permissions"]))]
pub(crate) struct TokenCreate {
    /// The user whose token it is
    #[arg(long, value_name = "LOGIN", value_parser = name)]
    pub(crate) user: Option<String>,

    /// A classic token's scopes, such as manage_billing:enterprise,read:org
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', requires = "user")]
    pub(crate) scopes: Vec<String>,

    /// A fine-grained token's permissions, such as organization_administration=read
    #[arg(
        long,
        value_name = "NAME=LEVEL",
        value_delimiter = ',',
        requires = "user"
    )]
    pub(crate) permissions: Vec<String>,

    /// A token of the site's administrator, who may read and do everything
    #[arg(long, conflicts_with_all = ["user", "scopes", "permissions"])]
    pub(crate) site_admin: bool,

    /// A token that sends usage events (metering:write) for the accounts named, and reads nothing
    #[arg(long, requires = "accounts", conflicts_with_all = ["scopes", "permissions"])]
    pub(crate) metering_write: bool,

    /// A token that imports usage reports over HTTP, and lists and reverts imports, for the
    /// accounts named
    #[arg(long, requires = "accounts", conflicts_with_all = ["scopes", "permissions", "sources"])]
    pub(crate) import: bool,

    /// An account for which the token sends or imports, such as enterprise/octo-ent; repeatable
    #[arg(
        long = "account",
        value_name = "KIND/NAME",
        conflicts_with_all = ["user", "site_admin"]
    )]
    pub(crate) accounts: Vec<String>,

    /// A source that a sending token may send from [default: every source]; repeatable
    #[arg(
        long = "source",
        value_name = "URI",
        requires = "metering_write",
        conflicts_with_all = ["user", "site_admin"]
    )]
    pub(crate) sources: Vec<String>,

    /// In which shape GitHub's answers come to it [default: the server's]
    #[arg(
        long,
        value_name = "WORD",
        value_enum,
        conflicts_with_all = ["metering_write", "import"]
    )]
    pub(crate) dialect: Option<Dialect>,

    /// When it stops working: a day (its first instant, UTC) or an instant
    #[arg(long, value_name = "DATE", value_parser = instant)]
    pub(crate) expires: Option<Instant>,

    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}
