//! The program `tallybook`: everything is in the library, starting at `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tallybook::cli::main()
}
