//! Batches as a changed disk might give them, with a hash that fits: read or refused, and what is
//! read is written as the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook_core::batch::Batch;
use tallybook_core::ids::Digest;

fuzz_target!(|bytes: &[u8]| {
    assert!(Batch::decode(bytes).is_err(), "no hash fits by chance");
    let whole = [bytes, &Digest::of(bytes).0].concat();
    if let Ok((batch, digest)) = Batch::decode(&whole) {
        let (again, of_again) = batch.encode();
        let (batch_again, _) = Batch::decode(&again).expect("was just written");
        assert_eq!(batch_again, batch);
        // Numbers have one shortest form; bytes that a writer made are given back.
        if again == whole {
            assert_eq!(of_again, digest);
        }
    }
});
