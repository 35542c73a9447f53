//! Usage reports: a line is understood exactly or refused, and one line's fault is not the next's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook::import::{Layout, ReadOptions, Sink, SinkError, read_file};
use tallybook_core::report::Line;

#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn begin(&mut self, _: Layout) -> Result<(), SinkError> {
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), SinkError> {
        assert!(!line.sku.is_empty());
        self.0 += 1;
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut options = ReadOptions::default();
    // What decompresses to much takes time and finds nothing.
    options.limits.file_bytes = 1 << 20;
    let mut strict = Count::default();
    let refused = read_file("report", bytes, &options, &mut strict);
    options.skip_bad_lines = true;
    let mut lenient = Count::default();
    let taken = read_file("report", bytes, &options, &mut lenient);
    if let Ok(summary) = &taken {
        assert_eq!(summary.lines, lenient.0);
    }
    if let Ok(summary) = &refused {
        let taken = taken.expect("what is good is good with bad lines left out");
        assert_eq!((summary.lines, summary.digest), (taken.lines, taken.digest));
        assert_eq!(taken.skipped_lines, 0);
    }
});
