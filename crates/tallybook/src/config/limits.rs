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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            import_bytes: 8 << 30,
            import_files: 1000,
            line_bytes: 64 << 10,
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
        ];
        let parsed = Command::try_parse_from(arguments).expect("each flag is known");
        let expected = Limits {
            body_bytes: 1,
            import_bytes: 2048,
            import_files: 3,
            line_bytes: 4,
        };
        assert_eq!(parsed.limits, expected);
    }
}
