//! Chunks, statements, checkpoints and sums of metered usage: read, `None` or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::owners::CellSums;
use tallybook_core::statement::{LinesPart, Source};
use tallybook_fuzz::dictionary;

fuzz_target!(|bytes: &[u8]| {
    let _ = Chunk::decode(bytes);
    let _ = CellSums::decode(bytes);
    let _ = LinesPart::decode(bytes);
    if let Ok(Some(Source::Summary(summary))) = Source::decode(bytes) {
        let _ = summary.with_parts(Vec::new());
    }
    let names = dictionary();
    if let Ok(Some(metered)) = Metered::decode(bytes, &names) {
        let again = metered.encode();
        let read = Metered::decode(&again, &names).expect("was just written");
        assert_eq!(read.map(|metered| metered.encode()), Some(again));
    }
});
