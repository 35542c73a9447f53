//! Every limit that protects the server, in one place, with its flag and default.
//!
//! An answer that is caused by a limit names its flag.

use super::parse_bytes;

/// How large what clients send may be.
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
    /// The largest single usage event
    #[arg(long = "limit-event-bytes", value_name = "BYTES", env = "TALLYBOOK_LIMIT_EVENT_BYTES",
          default_value = "64KiB", value_parser = parse_bytes)]
    pub event_bytes: u64,
    /// The longest id and the longest source of a usage event
    #[arg(long = "limit-event-name-bytes", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_EVENT_NAME_BYTES",
          default_value = "256", value_parser = parse_bytes)]
    pub event_name_bytes: u64,
    /// Memory for the bodies of usage events that are being read; beyond it the answer is 503
    #[arg(long = "limit-events-memory", value_name = "BYTES",
          env = "TALLYBOOK_LIMIT_EVENTS_MEMORY",
          default_value = "256MiB", value_parser = parse_bytes)]
    pub events_memory: u64,
}

impl Limits {
    /// The flag of the largest JSON body.
    pub const BODY_BYTES: &'static str = "--limit-body-bytes";
    /// The flag of the largest import.
    pub const IMPORT_BYTES: &'static str = "--limit-import-bytes";
    /// The flag of the most files of one import.
    pub const IMPORT_FILES: &'static str = "--limit-import-files";
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            import_bytes: 8 << 30,
            import_files: 1000,
            line_bytes: 64 << 10,
            events_bytes: 16 << 20,
            events: 10_000,
            event_bytes: 64 << 10,
            event_name_bytes: 256,
            events_memory: 256 << 20,
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

    #[test]
    fn each_flag_is_named_as_errors_name_it() {
        let arguments = [
            "tallybook",
            Limits::BODY_BYTES,
            "1",
            Limits::IMPORT_BYTES,
            "2KiB",
            Limits::IMPORT_FILES,
            "3",
            Limits::LINE_BYTES,
            "4",
            Limits::EVENTS_BYTES,
            "5",
            Limits::EVENTS,
            "6",
            Limits::EVENT_BYTES,
            "7",
            Limits::EVENT_NAME_BYTES,
            "8",
            Limits::EVENTS_MEMORY,
            "9",
        ];
        let parsed = Command::try_parse_from(arguments).expect("each flag is known");
        let expected = Limits {
            body_bytes: 1,
            import_bytes: 2048,
            import_files: 3,
            line_bytes: 4,
            events_bytes: 5,
            events: 6,
            event_bytes: 7,
            event_name_bytes: 8,
            events_memory: 9,
        };
        assert_eq!(parsed.limits, expected);
    }
}
