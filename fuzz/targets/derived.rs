//! Chunks, statements, checkpoints and sums of metered usage: read, `None` or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::metered::{Metered, rows};
use tallybook_core::ledger::owners::CellSums;
use tallybook_core::statement::{Detail, Source, TablePart};
use tallybook_core::time::Month;
use tallybook_fuzz::dictionary;

fuzz_target!(|bytes: &[u8]| {
    let _ = Chunk::decode(bytes);
    let _ = CellSums::decode(bytes);
    let _ = TablePart::decode(bytes);
    if let Ok(Some(source)) = Source::decode(bytes) {
        for detail in [Detail::Lines, Detail::Days] {
            let _ = source.clone().with_parts(detail, Vec::new());
        }
    }
    let names = dictionary();
    let month = Month::new(2026, 2).expect("a month");
    if let Ok(Some(rows)) = rows::decode(bytes, month, &names) {
        let again = rows::encode(month, &rows);
        assert_eq!(
            rows::decode(&again, month, &names).expect("was just written"),
            Some(rows)
        );
    }
    if let Ok(Some(metered)) = Metered::decode(bytes, &names) {
        let months = metered.months();
        let stored = months
            .filter_map(|(month, usage)| Some((month, usage.stored()?)))
            .collect();
        let again = metered.encode(&stored);
        let read = Metered::decode(&again, &names).expect("was just written");
        assert_eq!(read.map(|metered| metered.encode(&stored)), Some(again));
    }
});
