//! Bytes that no writer wrote: reading them is an error or gives something harmless, never a panic,
//! and takes no more memory than the bytes could hold.

use crate::generate::{Step, history, import};
use crate::model::Import;
use crate::rig::Rig;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tallybook_core::account::{AccountKind, AccountName, Plan, Visibility};
use tallybook_core::batch::{Batch, Entry};
use tallybook_core::codec::{Reader, Writer};
use tallybook_core::fold::Spellings;
use tallybook_core::ids::{Digest, ImportId, LogId};
use tallybook_core::ledger::AccountEntry;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::owners::CellSums;
use tallybook_core::names::{Dictionary, Draft};
use tallybook_core::packed::Packed;
use tallybook_core::query::run::answer;
use tallybook_core::query::{Context, Filter, Grain, Group, Query, Totals};
use tallybook_core::setting::Setting;
use tallybook_core::site::entry::{EnterpriseFact, OrganizationFact, SiteEntry, UserFact};
use tallybook_core::statement::{Source, TablePart};
use tallybook_core::time::Month;

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index),
    Cut(Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<Index>;
    // Varints of large numbers, so that counts and codes become absurd.
    let large = prop_oneof![
        Just(vec![0xff; 4]),
        Just([vec![0xff; 9], vec![1]].concat()),
        Just([vec![0xff; 18], vec![3]].concat()),
        vec(any::<u8>(), 1..9),
    ];
    let change = prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (at(), large).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => at().prop_map(Change::Remove),
        1 => at().prop_map(Change::Cut),
    ];
    vec(change, 1..4)
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(at) => {
                let at = at.index(bytes.len());
                bytes.remove(at);
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

fn rig(imports: &[Import]) -> Rig {
    let mut rig = Rig::new(AccountName::new(AccountKind::Enterprise, "octo"));
    imports.iter().for_each(|import| rig.import(import));
    rig
}

/// Every entry that a site's log can have, and the dictionary that they use.
fn site_entries() -> (Vec<Entry>, Dictionary) {
    let names = |list: &[&str]| list.iter().map(|name| (*name).into()).collect::<Vec<_>>();
    let entries = [
        SiteEntry::Catalogue("product p \"P\"".to_owned()),
        SiteEntry::OpenAccount {
            log: LogId(7),
            account: AccountName::new(AccountKind::User, "mona"),
        },
        SiteEntry::Enterprise(EnterpriseFact {
            slug: "octo-ent".into(),
            display: "Octo".to_owned(),
            owners: names(&["mona"]),
            billing_managers: names(&["hubot", "mona"]),
        }),
        SiteEntry::Organization(OrganizationFact {
            login: "octo".into(),
            enterprise: Some("octo-ent".into()),
            owners: names(&["mona"]),
            billing_managers: names(&[]),
            members: names(&["hubot"]),
        }),
        SiteEntry::User(UserFact {
            login: "mona".into(),
            email: Some("mona@example.com".to_owned()),
        }),
        SiteEntry::Seen {
            import: ImportId([1; 16]),
            log: LogId(7),
            organizations: names(&["octo", "acme"]),
            users: names(&["mona"]),
        },
        SiteEntry::Withdrawn(ImportId([1; 16])),
        SiteEntry::Met(names(&["mona"])),
        SiteEntry::OwnCatalogue {
            text: "product q \"Q\"".to_owned(),
            by: "token t1".to_owned(),
        },
    ];
    let known = Dictionary::default();
    let mut draft = Draft::new(&known);
    let encoded = entries.iter().map(|entry| entry.encode(&mut draft));
    let encoded: Vec<_> = encoded.collect();
    let mut dictionary = Dictionary::default();
    for name in draft.into_new() {
        dictionary.push(Some(name));
    }
    for (entry, encoded) in entries.iter().zip(&encoded) {
        assert_eq!(SiteEntry::decode(encoded, &dictionary).unwrap(), *entry);
    }
    (encoded, dictionary)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_refused_or_harmless(bytes in vec(any::<u8>(), 0..200), tag: u8) {
        let entry = Entry { tag, payload: bytes.clone() };
        let (_, dictionary) = site_entries();
        drop(SiteEntry::decode(&entry, &dictionary));
        drop(AccountEntry::decode(&entry, &dictionary));
        drop(Packed::decode(&mut Reader::new(&bytes), 1000));
        for mark in ["TBB\x01", "TBC\x01", "TBM\x04\x02", "TBS1"] {
            let marked = [mark.as_bytes(), &bytes].concat();
            drop(Batch::decode(&resealed(&marked)));
            drop(Chunk::decode(&marked));
            drop(Source::decode(&marked));
            drop(TablePart::decode(&marked));
            drop(CellSums::decode(&marked));
        }
    }

    #[test]
    fn changed_batches_and_entries_are_refused_or_harmless(
        import in import(AccountKind::Enterprise),
        changes in changes(),
    ) {
        let mut rig = rig(&[import]);
        let (owner, name) = ("octo".into(), "api".into());
        let visibility = Visibility::Private;
        rig.commit(vec![
            AccountEntry::Setting(Setting::Plan(Plan::Team)),
            AccountEntry::Setting(Setting::Repository { owner, name, visibility }),
            AccountEntry::Revert(rig.imports[0]),
        ]);
        for bytes in &rig.batches {
            let mutant = changed(bytes, &changes);
            if mutant != *bytes {
                prop_assert!(Batch::decode(&mutant).is_err(), "a change went unnoticed");
            }
            let content = changed(&bytes[..bytes.len() - 32], &changes);
            if let Ok((batch, digest)) = Batch::decode(&resealed(&content)) {
                drop(rig.account.clone().fold(&batch, digest));
            }
            for entry in Batch::decode(bytes).unwrap().0.entries {
                let payload = changed(&entry.payload, &changes);
                drop(AccountEntry::decode(&Entry { payload, ..entry }, &rig.account.dictionary));
            }
        }
        let (entries, dictionary) = site_entries();
        for entry in entries {
            let payload = changed(&entry.payload, &changes);
            drop(SiteEntry::decode(&Entry { payload, ..entry }, &dictionary));
        }
    }

    #[test]
    fn changed_chunks_and_cells_are_refused_or_fold(
        import in import(AccountKind::Enterprise),
        changes in changes(),
    ) {
        let rig = rig(&[import]);
        for bytes in rig.blobs.values() {
            drop(CellSums::decode(&changed(bytes, &changes)));
        }
        let record = &rig.account.imports[0].record;
        for chunk in record.parts.iter().flat_map(|part| &part.chunks) {
            let Ok(decoded) = Chunk::decode(&changed(&rig.blobs[&chunk.blob], &changes)) else {
                continue;
            };
            // Whatever is left of the lines: a foreign code is an error.
            let plan = rig.plan(decoded.month);
            if let Some((contender, _)) = plan.chunks().next() {
                drop(plan.fold(&rig.catalog).add(contender, chunk.blob, &decoded));
            }
        }
    }

    #[test]
    fn changed_statements_are_refused_or_answer(
        steps in history(AccountKind::Enterprise),
        changes in changes(),
    ) {
        let imports = steps.into_iter().filter_map(|step| match step {
            Step::Import(import) => Some(import),
            Step::Revert(_) => None,
        });
        let rig = rig(&imports.collect::<Vec<_>>());
        let month = Month::new(2026, 1).unwrap();
        let parts = rig.statement(month).encode();
        if let Ok(Some(read)) = Source::decode(&changed(&parts[0], &changes)) {
            // Amounts may be anything, and sums of anything overflow: ask for no line of them.
            let query = Query {
                from: month.first_day().first_hour(),
                to: month.last_day().next().first_hour(),
                grain: Grain::Whole,
                filter: Filter { user: Some("nobody".into()), ..Filter::default() },
                group: Group { repository: true, model: true },
            };
            let period = query.periods().next().unwrap();
            let spellings = Spellings::default();
            let context = Context { catalog: &rig.catalog, spellings: (&spellings).into(), user: None };
            drop(answer::<Totals>(&query, period, &[read], context));
        }
    }
}

/// With a checksum that is right, so that what is behind it is read.
fn resealed(content: &[u8]) -> Vec<u8> {
    [content, &Digest::of(content).0].concat()
}

/// One import of one line, and its only chunk.
fn one_line() -> (Rig, Vec<u8>) {
    let line = crate::model::Line {
        hour: Month::new(2026, 1).unwrap().first_day().first_hour(),
        product: "actions",
        sku: "actions_linux",
        unit: "minutes",
        names: ["octo", "api", "mona", "", "ci.yml", ""].map(str::to_owned),
        price: 8_000_000_000,
        quantity: 5,
        gross: 7,
        discount: 3,
    };
    let import = Import {
        organization: None,
        parts: [(tallybook_core::report::ReportKind::Detailed, vec![line])].into(),
        live: true,
    };
    let rig = rig(&[import]);
    let chunk = rig.account.imports[0].record.parts[0].chunks[0].blob;
    let bytes = rig.blobs[&chunk].clone();
    (rig, bytes)
}

/// The columns of a chunk of one line each take three bytes: count 1, base, width 0.
#[test]
fn a_code_that_the_tables_lack_is_an_error() {
    let (rig, bytes) = one_line();
    let month = Month::new(2026, 1).unwrap();
    let plan = rig.plan(month);
    let (contender, chunk) = plan.chunks().next().unwrap();
    let mut header = Writer::new();
    header.raw(b"TBC\x01");
    header.signed(month.index().into());
    header.count(1);
    let header = header.finish().len();
    // The second column holds the SKU, the six after it the names.
    for column in 1..8 {
        let base = header + 3 * column + 1;
        assert_eq!(bytes[base - 1], 1, "the column's count");
        for value in [
            5_i128,
            i128::from(u32::MAX) - 1,
            i128::from(u32::MAX) + 1,
            -1,
            i128::MAX,
        ] {
            let mut number = Writer::new();
            number.signed(value);
            let mut mutant = bytes.clone();
            mutant.splice(base..=base, number.finish());
            let Ok(decoded) = Chunk::decode(&mutant) else {
                assert!(!(0..=5).contains(&value), "{value} is a code");
                continue;
            };
            let added = plan.fold(&rig.catalog).add(contender, chunk.blob, &decoded);
            let error = added.expect_err("no table has so many");
            assert_eq!((error.chunk, error.import), (chunk.blob, rig.imports[0]));
        }
    }
}

/// Columns of one value take no bytes a line, so a count alone says nothing of the size.
#[test]
fn a_statement_of_countless_equal_lines_takes_no_memory() {
    let encode = |count: u64, marks: i128| {
        let mut out = Writer::new();
        out.raw(b"TBM\x04\x02\x00");
        out.signed(Month::new(2026, 1).unwrap().index().into());
        for _ in 0..6 {
            out.count(1);
            out.text("");
        }
        out.count(1);
        ["p", "s", "u"].into_iter().for_each(|text| out.text(text));
        out.signed(0);
        out.byte(0);
        out.varint(count);
        out.varint(0);
        out.count(1);
        [0, 0, 1, 0].into_iter().for_each(|part| out.varint(part));
        // No sums by day.
        out.byte(0);
        // Four rollups of no rows: a count, then six columns of numbers, dimensions and rate.
        for dimensions in [0, 2, 4, 3] {
            out.varint(0);
            (0..6 + dimensions + 1).for_each(|_| out.raw(&[0; 3]));
        }
        // The lines follow.
        out.byte(0);
        let mut column = |count: u64, value: i128| {
            out.varint(count);
            out.signed(value);
            out.byte(0);
        };
        for _ in 0..2 {
            column(count, 9);
            column(count, marks);
            column(if marks == 2 { count } else { 0 }, 4);
        }
        (0..7).for_each(|_| column(count, 0));
        out.finish()
    };
    for marks in 0..3 {
        let read = Source::decode(&encode(u64::from(u32::MAX), marks));
        let read = read.unwrap().unwrap().statement();
        let read = read.expect("its lines follow");
        assert_eq!(read.len(), u32::MAX as usize);
        assert!(read.memory() < 10_000);
        assert!(Source::decode(&encode(1 << 32, marks)).is_err());
        assert!(Source::decode(&encode(u64::MAX, marks)).is_err());
    }
    assert!(Source::decode(&encode(3, 3)).is_err(), "no such mark");
}

#[test]
fn days_beyond_the_calendar_are_refused() {
    let cells = |day: i128| {
        let mut out = Writer::new();
        out.raw(b"TBS1");
        out.count(1);
        out.signed(day);
        (0..7).for_each(|_| out.byte(0));
        CellSums::decode(&out.finish())
    };
    assert!(cells(20_000).is_ok());
    for day in [
        0,
        -1,
        2_932_897,
        i128::from(i32::MAX),
        i128::from(i64::MAX),
        i128::MIN,
    ] {
        assert!(cells(day).is_err(), "{day}");
    }
}
