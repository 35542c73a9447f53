//! Usage events in every format: read or refused, the same as a line and as an element.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook::config::EventLimits;
use tallybook::events::{Format, Lengths, read};

const MOST: usize = 1000;

fuzz_target!(|body: &[u8]| {
    let lengths = Lengths::from(&EventLimits::default());
    for format in [
        Format::One,
        Format::Batch,
        Format::OneOrBatch,
        Format::Lines,
    ] {
        let Ok(events) = read(format, body, lengths, MOST) else {
            continue;
        };
        assert!(events.count() <= MOST);
        for (_, incoming) in &events.good {
            let event = &incoming.event;
            assert!(
                event
                    .usage()
                    .is_none_or(|usage| usage.quantity.nanos() >= 0)
            );
            assert_eq!(event.is_correction(), event.target().is_some());
        }
    }
    // One object on one line is one event, whichever way it is sent.
    if !body.contains(&b'\n')
        && let Ok(one) = read(Format::One, body, lengths, MOST)
    {
        let line = read(Format::Lines, body, lengths, MOST);
        assert_eq!(line.map(|events| events.good), Ok(one.good));
    }
});
