//! The program `tallybook`: everything is in the library, beginning at `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tallybook::cli::main()
}
