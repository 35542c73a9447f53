//! Billing files: read or refused, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = tallybook::billing_file::parse(text).map_err(|error| error.to_string());
    }
});
