//! Texts of catalogues: read or refused with a line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook_core::catalog::Catalog;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Catalog::parse(text).map_err(|error| error.to_string());
    }
});
