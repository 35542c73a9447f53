//! Every limit that protects the server, in one place, with its flag, variable, help and default.
//!
//! Invariant: each is defined once, in [`limits`]; an answer caused by a limit names its flag.

use super::{parse_bytes, parse_seconds};
use clap::builder::Resettable;
use std::time::Duration;

/// Defines limits. For each: its help; the field; the constant by which errors name the flag; the
/// flag and variable; the name of its value; the default; and the value parser.
macro_rules! limits {
    ($(#[$about:meta])* $name:ident {
        $($(#[$help:meta])+
        $field:ident: $type:ty = $constant:ident(
            $flag:literal, $variable:literal, $value:literal, $default:literal, $parser:expr
        );)+
    } $({ $(#[$more:meta])+ $group:ident: $group_type:ty })?) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
        #[command(next_help_heading = "Limits")]
        pub struct $name {
            $($(#[$help])+
            #[arg(
                long = $flag,
                value_name = $value,
                env = $variable,
                default_value = $default,
                value_parser = $parser
            )]
            pub $field: $type,)+
            $($(#[$more])+
            #[command(flatten)]
            pub $group: $group_type,)?
        }

        impl $name {
            $(#[doc = concat!("The flag of [`Self::", stringify!($field), "`].")]
            pub const $constant: &'static str = concat!("--", $flag);)+
        }

        impl Default for $name {
            fn default() -> Self {
                defaults()
            }
        }
    };
}

/// The defaults of flags, ignoring the environment.
fn defaults<A: clap::Args>() -> A {
    let command = A::augment_args(clap::Command::new("defaults"));
    let command = command.mut_args(|argument| argument.env(Resettable::Reset));
    let matches = command.try_get_matches_from(["defaults"]);
    let read = matches.and_then(|matches| A::from_arg_matches(&matches));
    read.expect("each default is a value of its flag")
}

/// Reads a number of at least 1.
fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

limits! {
/// How large one usage event may be, wherever it comes from.
EventLimits {
    /// The largest single usage event
    event_bytes: u64 = EVENT_BYTES(
        "limit-event-bytes", "TALLYBOOK_LIMIT_EVENT_BYTES",
        "BYTES", "64KiB", parse_bytes
    );
    /// The longest id and the longest source of a usage event
    event_name_bytes: u64 = EVENT_NAME_BYTES(
        "limit-event-name-bytes", "TALLYBOOK_LIMIT_EVENT_NAME_BYTES",
        "BYTES", "256", parse_bytes
    );
}}

limits! {
/// How large what clients send may be, how slow they may be, and how many.
Limits {
    /// The largest JSON body of a request
    body_bytes: u64 = BODY_BYTES(
        "limit-body-bytes", "TALLYBOOK_LIMIT_BODY_BYTES",
        "BYTES", "1MiB", parse_bytes
    );
    /// The largest import that a request may send, after decompression
    import_bytes: u64 = IMPORT_BYTES(
        "limit-import-bytes", "TALLYBOOK_LIMIT_IMPORT_BYTES",
        "BYTES", "8GiB", parse_bytes
    );
    /// The most files of one import
    import_files: u32 = IMPORT_FILES(
        "limit-import-files", "TALLYBOOK_LIMIT_IMPORT_FILES",
        "N", "1000", clap::value_parser!(u32)
    );
    /// The most imports that are uploaded at the same time, half of them with one token; beyond
    /// them it is 503
    imports: u32 = IMPORTS(
        "limit-imports", "TALLYBOOK_LIMIT_IMPORTS",
        "N", "4", at_least_one()
    );
    /// The most different names in one import (organizations, repositories, users, workflows, ...)
    import_names: u32 = IMPORT_NAMES(
        "limit-import-names", "TALLYBOOK_LIMIT_IMPORT_NAMES",
        "N", "250000", at_least_one()
    );
    /// The most sums that are kept of one import: by day, SKU and organization, and by repository
    import_sums: u32 = IMPORT_SUMS(
        "limit-import-sums", "TALLYBOOK_LIMIT_IMPORT_SUMS",
        "N", "1000000", at_least_one()
    );
    /// The most different names that imports over HTTP may bring to one account
    account_names: u32 = ACCOUNT_NAMES(
        "limit-account-names", "TALLYBOOK_LIMIT_ACCOUNT_NAMES",
        "N", "2000000", at_least_one()
    );
    /// The longest line of a usage report
    line_bytes: u64 = LINE_BYTES(
        "limit-line-bytes", "TALLYBOOK_LIMIT_LINE_BYTES",
        "BYTES", "64KiB", parse_bytes
    );
    /// The largest body of usage events that is one atomic batch, after decompression
    events_bytes: u64 = EVENTS_BYTES(
        "limit-events-bytes", "TALLYBOOK_LIMIT_EVENTS_BYTES",
        "BYTES", "16MiB", parse_bytes
    );
    /// The most usage events of one atomic batch
    events: u32 = EVENTS(
        "limit-events", "TALLYBOOK_LIMIT_EVENTS",
        "N", "10000", at_least_one()
    );
    /// Memory for the bodies of usage events that are being read; beyond it the answer is 503
    events_memory: u64 = EVENTS_MEMORY(
        "limit-events-memory", "TALLYBOOK_LIMIT_EVENTS_MEMORY",
        "BYTES", "256MiB", parse_bytes
    );
    /// The most usage reports of one enterprise that wait to be made; beyond them it is 503
    reports: u32 = REPORTS(
        "limit-reports", "TALLYBOOK_LIMIT_REPORTS",
        "N", "100", at_least_one()
    );
    /// The most bytes of all files of usage reports; beyond them no report is made
    report_bytes: u64 = REPORT_BYTES(
        "limit-report-bytes", "TALLYBOOK_LIMIT_REPORT_BYTES",
        "BYTES", "10GiB", parse_bytes
    );
    /// The longest path and query of a request
    url_bytes: u64 = URL_BYTES(
        "limit-url-bytes", "TALLYBOOK_LIMIT_URL_BYTES",
        "BYTES", "8KiB", parse_bytes
    );
    /// The most bytes of all headers of a request
    header_bytes: u64 = HEADER_BYTES(
        "limit-header-bytes", "TALLYBOOK_LIMIT_HEADER_BYTES",
        "BYTES", "32KiB", parse_bytes
    );
    /// The most connections at one time, at most half of the files that the process may open;
    /// beyond them the answer is 503
    connections: u32 = CONNECTIONS(
        "limit-connections", "TALLYBOOK_LIMIT_CONNECTIONS",
        "N", "10000", at_least_one()
    );
    /// The most connections from one address (IPv6: /64) that is no trusted proxy's
    connections_per_address: u32 = CONNECTIONS_PER_ADDRESS(
        "limit-connections-per-address", "TALLYBOOK_LIMIT_CONNECTIONS_PER_ADDRESS",
        "N", "500", at_least_one()
    );
    /// How many long answers are written at the same time; more of them wait
    long_answers: u32 = LONG_ANSWERS(
        "limit-long-answers", "TALLYBOOK_LIMIT_LONG_ANSWERS",
        "N", "64", at_least_one()
    );
    /// How long a long answer waits for its turn, before it is refused with 503
    queue: Duration = QUEUE(
        "timeout-queue", "TALLYBOOK_TIMEOUT_QUEUE",
        "SECONDS", "10", parse_seconds
    );
    /// How long a client may take to send the headers of a request
    headers: Duration = HEADERS(
        "timeout-headers", "TALLYBOOK_TIMEOUT_HEADERS",
        "SECONDS", "30", parse_seconds
    );
    /// Time in which a client must send the next 64 KiB of a body
    body: Duration = BODY(
        "timeout-body", "TALLYBOOK_TIMEOUT_BODY",
        "SECONDS", "60", parse_seconds
    );
    /// Time in which a client must read the next 64 KiB of an answer
    write: Duration = WRITE(
        "timeout-write", "TALLYBOOK_TIMEOUT_WRITE",
        "SECONDS", "60", parse_seconds
    );
    /// How long a connection is kept on which nothing is asked
    idle: Duration = IDLE(
        "timeout-idle", "TALLYBOOK_TIMEOUT_IDLE",
        "SECONDS", "120", parse_seconds
    );
} {
    /// How large one usage event may be.
    event: EventLimits
}}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: Limits,
    }

    fn parse(arguments: &[&str]) -> Limits {
        let arguments = [&["tallybook"], arguments].concat();
        let parsed = Command::try_parse_from(arguments).expect("each flag is known");
        parsed.limits
    }

    #[test]
    fn the_defaults_are_those_of_the_flags() {
        let limits = Limits::default();
        assert_eq!(parse(&[]), limits);
        assert_eq!(limits.import_bytes, 8 << 30);
        assert_eq!(limits.connections, 10_000);
        assert_eq!(limits.idle, Duration::from_secs(120));
        assert_eq!(limits.event.event_name_bytes, 256);
    }

    #[test]
    fn a_flag_is_named_as_errors_name_it() {
        let given = [
            (Limits::IMPORT_BYTES, "2KiB"),
            (Limits::IMPORTS, "21"),
            (EventLimits::EVENT_BYTES, "7"),
            (Limits::IDLE, "12"),
        ];
        let arguments = given.map(|(flag, value)| [flag, value]);
        let mut expected = Limits {
            import_bytes: 2048,
            imports: 21,
            idle: Duration::from_secs(12),
            ..Limits::default()
        };
        expected.event.event_bytes = 7;
        assert_eq!(parse(arguments.as_flattened()), expected);
        assert_eq!(Limits::IDLE, "--timeout-idle");
    }

    #[test]
    fn what_must_be_some_is_not_nothing() {
        let refused = Command::try_parse_from(["tallybook", Limits::CONNECTIONS, "0"]);
        assert!(refused.is_err());
    }
}
