//! What batches hold, for the site's and an account's log: a tag, and whatever follows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::batch::{Batch, Entry, GENESIS};
use tallybook_core::ids::{CommitId, Digest, LogId, Seq};
use tallybook_core::ledger::metered::Metered;
use tallybook_core::ledger::metered::rows::StoredRows;
use tallybook_core::ledger::{Account, AccountEntry, events};
use tallybook_core::names::Draft;
use tallybook_core::site::entry::SiteEntry;
use tallybook_core::time::Instant;
use tallybook_fuzz::dictionary;

fuzz_target!(|bytes: &[u8]| {
    let Some((tag, payload)) = bytes.split_first() else {
        return;
    };
    let names = dictionary();
    let entry = Entry {
        tag: *tag,
        payload: payload.to_vec(),
    };
    if let Ok(read) = SiteEntry::decode(&entry, &names) {
        let again = read.encode(&mut Draft::new(&names));
        assert!(SiteEntry::decode(&again, &names).is_ok());
    }
    if let Ok(read) = AccountEntry::decode(&entry, &names) {
        let again = read.encode(&mut Draft::new(&names));
        assert!(AccountEntry::decode(&again, &names).is_ok());
    }
    if let Ok(recorded) = events::decode(payload, &names) {
        for recorded in &recorded {
            let _ = recorded.event(&names);
        }
    }
    let mut account = Account::new(LogId(1), AccountName::new(AccountKind::Enterprise, "octo"));
    account.dictionary = names.clone();
    let batch = Batch {
        log: LogId(1),
        seq: Seq(1),
        previous: GENESIS,
        commit: CommitId([1; 16]),
        at: Instant::EARLIEST,
        first_name: names.next_id(),
        commitments: Vec::new(),
        entries: vec![entry],
    };
    let (_, digest) = batch.encode();
    // Folded twice: an account that has usage, and entries that repeat.
    if account.fold(&batch, digest).is_ok() {
        let again = Batch {
            seq: Seq(2),
            previous: digest,
            ..batch
        };
        let (_, digest) = again.encode();
        let _ = account.fold(&again, digest);
        let blob = Digest([2; 32]);
        let months = account.metered.months();
        let stored = months
            .map(|(month, usage)| {
                let (count, through) = (1, usage.through());
                let stored = StoredRows {
                    blob,
                    count,
                    through,
                };
                (month, stored)
            })
            .collect();
        let bytes = account.metered.encode(&stored);
        let read = Metered::decode(&bytes, &account.dictionary).expect("was just written");
        assert_eq!(read.map(|metered| metered.encode(&stored)), Some(bytes));
    }
});
