//! Every limit that protects the server, in one place, with its flag and default.
//!
//! An answer that is caused by a limit names its flag.

use super::{parse_bytes, parse_seconds};
use std::time::Duration;

/// How large one usage event may be, wherever it comes from.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct EventLimits {
    /// The largest single usage event
    #[arg(long = "limit-event-bytes", value_name = "BYTES", env = "TALLYBOOK_LIMIT_EVENT_BYTES",
          default_value = "64KiB", value_parser = parse_bytes)]
    pub event_bytes: u64,
    /// The longest id and the longest source of a usage event
    #[arg(long = "limit-event-name-bytes", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_EVENT_NAME_BYTES",
          default_value = "256", value_parser = parse_bytes)]
    pub event_name_bytes: u64,
}

/// How large what clients send may be, how slow they may be, and how many.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// The largest JSON body of a request
    #[arg(long = "limit-body-bytes", value_name = "BYTES", env = "TALLYBOOK_LIMIT_BODY_BYTES",
          default_value = "1MiB", value_parser = parse_bytes)]
    pub body_bytes: u64,
    /// The largest import that a request may send, after decompression
    #[arg(long = "limit-import-bytes", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_IMPORT_BYTES",
          default_value = "8GiB", value_parser = parse_bytes)]
    pub import_bytes: u64,
    /// The most files of one import
    #[arg(
        long = "limit-import-files",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_IMPORT_FILES",
        default_value_t = 1000
    )]
    pub import_files: u32,
    /// The most imports that are uploaded at the same time, half of them with one token; beyond
    /// them it is 503
    #[arg(
        long = "limit-imports",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_IMPORTS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub imports: u32,
    /// The most different names in one import (organizations, repositories, users, workflows, ...)
    #[arg(
        long = "limit-import-names",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_IMPORT_NAMES",
        default_value_t = 250_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub import_names: u32,
    /// The most sums that are kept of one import: by day, SKU and organization, and by repository
    #[arg(
        long = "limit-import-sums",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_IMPORT_SUMS",
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub import_sums: u32,
    /// The most different names that imports over HTTP may bring to one account
    #[arg(
        long = "limit-account-names",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_ACCOUNT_NAMES",
        default_value_t = 2_000_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub account_names: u32,
    /// The longest line of a usage report
    #[arg(long = "limit-line-bytes", value_name = "BYTES", env = "TALLYBOOK_LIMIT_LINE_BYTES",
          default_value = "64KiB", value_parser = parse_bytes)]
    pub line_bytes: u64,
    /// The largest body of usage events that is one atomic batch, after decompression
    #[arg(long = "limit-events-bytes", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_EVENTS_BYTES",
          default_value = "16MiB", value_parser = parse_bytes)]
    pub events_bytes: u64,
    /// The most usage events of one atomic batch
    #[arg(
        long = "limit-events",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_EVENTS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub events: u32,
    /// How large one usage event may be.
    #[command(flatten)]
    pub event: EventLimits,
    /// Memory for the bodies of usage events that are being read; beyond it the answer is 503
    #[arg(long = "limit-events-memory", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_EVENTS_MEMORY",
          default_value = "256MiB", value_parser = parse_bytes)]
    pub events_memory: u64,
    /// The most usage reports of one enterprise that wait to be made; beyond them it is 503
    #[arg(
        long = "limit-reports",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_REPORTS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub reports: u32,
    /// The most bytes of all files of usage reports; beyond them no report is made
    #[arg(long = "limit-report-bytes", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_REPORT_BYTES",
          default_value = "10GiB", value_parser = parse_bytes)]
    pub report_bytes: u64,
    /// The longest path and query of a request
    #[arg(long = "limit-url-bytes", value_name = "BYTES", env = "TALLYBOOK_LIMIT_URL_BYTES",
          default_value = "8KiB", value_parser = parse_bytes)]
    pub url_bytes: u64,
    /// The most bytes of all headers of a request
    #[arg(long = "limit-header-bytes", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_HEADER_BYTES",
          default_value = "32KiB", value_parser = parse_bytes)]
    pub header_bytes: u64,
    /// The most connections at one time, at most half of the files that the process may open;
    /// beyond them the answer is 503
    #[arg(
        long = "limit-connections",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_CONNECTIONS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub connections: u32,
    /// The most connections from one address (IPv6: /64) that is no trusted proxy's
    #[arg(
        long = "limit-connections-per-address",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_CONNECTIONS_PER_ADDRESS",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub connections_per_address: u32,
    /// How many long answers are written at the same time; more of them wait
    #[arg(
        long = "limit-long-answers",
        value_name = "N",
        env = "TALLYBOOK_LIMIT_LONG_ANSWERS",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub long_answers: u32,
    /// How long a long answer waits for its turn, before it is refused with 503
    #[arg(long = "timeout-queue", value_name = "SECONDS", env = "TALLYBOOK_TIMEOUT_QUEUE",
          default_value = "10", value_parser = parse_seconds)]
    pub queue: Duration,
    /// How long a client may take to send the headers of a request
    #[arg(long = "timeout-headers", value_name = "SECONDS", env = "TALLYBOOK_TIMEOUT_HEADERS",
          default_value = "30", value_parser = parse_seconds)]
    pub headers: Duration,
    /// In how much time a client must send the next 64 KiB of a body
    #[arg(long = "timeout-body", value_name = "SECONDS", env = "TALLYBOOK_TIMEOUT_BODY",
          default_value = "60", value_parser = parse_seconds)]
    pub body: Duration,
    /// In how much time a client must take the next 64 KiB of an answer
    #[arg(long = "timeout-write", value_name = "SECONDS", env = "TALLYBOOK_TIMEOUT_WRITE",
          default_value = "60", value_parser = parse_seconds)]
    pub write: Duration,
    /// How long a connection is kept on which nothing is asked
    #[arg(long = "timeout-idle", value_name = "SECONDS", env = "TALLYBOOK_TIMEOUT_IDLE",
          default_value = "120", value_parser = parse_seconds)]
    pub idle: Duration,
}

impl Limits {
    /// The flag of the largest JSON body.
    pub const BODY_BYTES: &'static str = "--limit-body-bytes";
    /// The flag of the largest import.
    pub const IMPORT_BYTES: &'static str = "--limit-import-bytes";
    /// The flag of the most files of one import.
    pub const IMPORT_FILES: &'static str = "--limit-import-files";
    /// The flag of the most imports at the same time.
    pub const IMPORTS: &'static str = "--limit-imports";
    /// The flag of the most names of one import.
    pub const IMPORT_NAMES: &'static str = "--limit-import-names";
    /// The flag of the most sums of one import.
    pub const IMPORT_SUMS: &'static str = "--limit-import-sums";
    /// The flag of the most names of one account.
    pub const ACCOUNT_NAMES: &'static str = "--limit-account-names";
    /// The flag of the longest line.
    pub const LINE_BYTES: &'static str = "--limit-line-bytes";
    /// The flag of the largest body of events.
    pub const EVENTS_BYTES: &'static str = "--limit-events-bytes";
    /// The flag of the most events of a batch.
    pub const EVENTS: &'static str = "--limit-events";
    /// The flag of the largest event.
    pub const EVENT_BYTES: &'static str = "--limit-event-bytes";
    /// The flag of the longest id and source.
    pub const EVENT_NAME_BYTES: &'static str = "--limit-event-name-bytes";
    /// The flag of the memory for bodies of events.
    pub const EVENTS_MEMORY: &'static str = "--limit-events-memory";
    /// The flag of the most reports that wait.
    pub const REPORTS: &'static str = "--limit-reports";
    /// The flag of the most bytes of reports.
    pub const REPORT_BYTES: &'static str = "--limit-report-bytes";
    /// The flag of the longest path and query.
    pub const URL_BYTES: &'static str = "--limit-url-bytes";
    /// The flag of the largest headers.
    pub const HEADER_BYTES: &'static str = "--limit-header-bytes";
    /// The flag of the most connections.
    pub const CONNECTIONS: &'static str = "--limit-connections";
    /// The flag of the most connections from one address.
    pub const CONNECTIONS_PER_ADDRESS: &'static str = "--limit-connections-per-address";
    /// The flag of the most long answers.
    pub const LONG_ANSWERS: &'static str = "--limit-long-answers";
    /// The flag of the longest wait of a long answer.
    pub const QUEUE: &'static str = "--timeout-queue";
    /// The flag of the slowest headers.
    pub const HEADERS: &'static str = "--timeout-headers";
    /// The flag of the slowest body.
    pub const BODY: &'static str = "--timeout-body";
    /// The flag of the slowest reader.
    pub const WRITE: &'static str = "--timeout-write";
    /// The flag of the longest silence.
    pub const IDLE: &'static str = "--timeout-idle";
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            event_bytes: 64 << 10,
            event_name_bytes: 256,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            import_bytes: 8 << 30,
            import_files: 1000,
            imports: 4,
            import_names: 250_000,
            import_sums: 1_000_000,
            account_names: 2_000_000,
            line_bytes: 64 << 10,
            events_bytes: 16 << 20,
            events: 10_000,
            event: EventLimits::default(),
            events_memory: 256 << 20,
            reports: 100,
            report_bytes: 10 << 30,
            url_bytes: 8 << 10,
            header_bytes: 32 << 10,
            connections: 10_000,
            connections_per_address: 500,
            long_answers: 64,
            queue: Duration::from_secs(10),
            headers: Duration::from_secs(30),
            body: Duration::from_secs(60),
            write: Duration::from_secs(60),
            idle: Duration::from_secs(120),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn the_flags_have_the_defaults_of_the_type() {
        let parsed = Command::try_parse_from(["tallybook"]).expect("no flag is needed");
        assert_eq!(parsed.limits, Limits::default());
    }

    /// Each flag with a value of its own.
    const EACH: &[[&str; 2]] = &[
        [Limits::BODY_BYTES, "1"],
        [Limits::IMPORT_BYTES, "2KiB"],
        [Limits::IMPORT_FILES, "3"],
        [Limits::IMPORTS, "21"],
        [Limits::IMPORT_NAMES, "22"],
        [Limits::IMPORT_SUMS, "23"],
        [Limits::ACCOUNT_NAMES, "24"],
        [Limits::LINE_BYTES, "4"],
        [Limits::EVENTS_BYTES, "5"],
        [Limits::EVENTS, "6"],
        [Limits::EVENT_BYTES, "7"],
        [Limits::EVENT_NAME_BYTES, "8"],
        [Limits::EVENTS_MEMORY, "9"],
        [Limits::REPORTS, "10"],
        [Limits::REPORT_BYTES, "11"],
        [Limits::URL_BYTES, "5"],
        [Limits::HEADER_BYTES, "6"],
        [Limits::CONNECTIONS, "13"],
        [Limits::CONNECTIONS_PER_ADDRESS, "14"],
        [Limits::LONG_ANSWERS, "7"],
        [Limits::QUEUE, "8"],
        [Limits::HEADERS, "9"],
        [Limits::BODY, "10"],
        [Limits::WRITE, "11"],
        [Limits::IDLE, "12"],
    ];

    #[test]
    fn each_flag_is_named_as_errors_name_it() {
        let arguments = EACH.iter().flatten().copied();
        let arguments = ["tallybook"].into_iter().chain(arguments);
        let parsed = Command::try_parse_from(arguments).expect("each flag is known");
        let expected = Limits {
            body_bytes: 1,
            import_bytes: 2048,
            import_files: 3,
            imports: 21,
            import_names: 22,
            import_sums: 23,
            account_names: 24,
            line_bytes: 4,
            events_bytes: 5,
            events: 6,
            event: EventLimits {
                event_bytes: 7,
                event_name_bytes: 8,
            },
            events_memory: 9,
            reports: 10,
            report_bytes: 11,
            url_bytes: 5,
            header_bytes: 6,
            connections: 13,
            connections_per_address: 14,
            long_answers: 7,
            queue: Duration::from_secs(8),
            headers: Duration::from_secs(9),
            body: Duration::from_secs(10),
            write: Duration::from_secs(11),
            idle: Duration::from_secs(12),
        };
        assert_eq!(parsed.limits, expected);
    }
}
