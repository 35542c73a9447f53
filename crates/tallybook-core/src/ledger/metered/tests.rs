//! Events in any order and batching against a model that sees them all at once.

use super::rows::StoredRows;
use super::*;
use crate::event::{Event, EventBody, EventName, Tokens, Usage};
use crate::ids::Digest;
use crate::ledger::events::{self, Admitted, FailedAmend};
use crate::money::Quantity;
use crate::names::{Dictionary, Draft};
use crate::time::{Hour, Timestamp};
use proptest::prelude::*;

const LOG: LogId = LogId(3);

/// An account's log of events under construction.
#[derive(Default)]
struct Log {
    dictionary: Dictionary,
    metered: Metered,
    seq: u64,
    /// Usage events so far, for the copies that corrections carry.
    known: HashMap<EventKey, Stated>,
    /// Every accepted event.
    taken: Vec<Admitted>,
}

impl Log {
    /// Commits the acceptable events of a batch, as the engine plans it: an amend without a price
    /// is refused if its event has arrived, and fails later if it comes first.
    fn commit(&mut self, batch: &[Event]) {
        let mut admitted: Vec<Admitted> = Vec::new();
        for event in batch {
            let about = event
                .target()
                .and_then(|target| self.usage_of(target, &admitted));
            if let (Some(hour), EventBody::Amend(_, usage)) = (about, &event.body)
                && !is_priced(usage, hour)
            {
                continue;
            }
            let key = event.target().map(|target| target.key(LOG));
            let failed = match event.body {
                EventBody::Usage(_) => self.failing(event, &admitted),
                _ => Vec::new(),
            };
            admitted.push(Admitted {
                event: Arc::new(event.clone()),
                target: key.and_then(|key| self.known.get(&key).copied()),
                failed,
            });
        }
        let mut draft = Draft::new(&self.dictionary);
        let payload = events::encode(&admitted, &mut draft);
        for name in draft.into_new() {
            self.dictionary.push(Some(name));
        }
        let recorded = events::decode(&payload, &self.dictionary).unwrap();
        self.seq += 1;
        self.metered.fold(LOG, Seq(self.seq), &recorded);
        for event in recorded {
            self.known
                .extend(event.stated().map(|stated| (event.key(LOG), stated)));
        }
        self.taken.extend(admitted);
    }

    /// The hour of a usage event that has arrived.
    fn usage_of(&self, name: &EventName, batch: &[Admitted]) -> Option<Hour> {
        let mut all = self.taken.iter().chain(batch).map(|taken| &taken.event);
        let event = all.find(|event| event.name == *name && !event.is_correction())?;
        Some(event.time.instant().hour())
    }

    /// The amends waiting for a usage event that have no price in its hour.
    fn failing(&self, event: &Event, batch: &[Admitted]) -> Vec<FailedAmend> {
        let hour = event.time.instant().hour();
        let all = self.taken.iter().chain(batch).map(|taken| &taken.event);
        let waiting = all.filter(|other| other.target() == Some(&event.name));
        let unpriced = waiting.filter(|other| other.usage().is_some_and(|it| !is_priced(it, hour)));
        let failed = unpriced.map(|amend| FailedAmend {
            name: amend.name.clone(),
            reason: AmendFailure::NoPrice,
        });
        failed.collect()
    }

    /// The ids of waiting corrections, and of failed amends.
    fn open(&self) -> [BTreeSet<String>; 2] {
        let ids = |failed: bool| {
            let open = self.metered.open_corrections();
            let open = open.filter(|open| open.failed.is_some() == failed);
            open.map(|open| open.name.id.to_string()).collect()
        };
        [ids(false), ids(true)]
    }

    /// The sums by texts, so that logs with other dictionaries compare.
    fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for (month, usage) in self.metered.months() {
            for row in usage.joined(&[]) {
                assert!(row.events > 0, "a row of no event: {row:?}");
                let text = |code: u32| {
                    let id = code.checked_sub(1)?;
                    Some(
                        self.dictionary
                            .get(crate::ids::NameId(id))
                            .unwrap()
                            .to_string(),
                    )
                };
                let hour = month.first_day().first_hour().index() + i32::from(row.hour);
                let [sku, organization, ..] = row.names.map(text);
                let tokens = row.tokens.unwrap_or_default();
                assert!(tokens.all_known());
                sums.insert(
                    (hour, sku.unwrap(), organization),
                    (row.events, row.quantity, tokens.known()),
                );
            }
        }
        sums
    }
}

type Sums = BTreeMap<(i32, String, Option<String>), (i64, i128, [Option<i128>; 4])>;

/// One of the two SKUs has a price only from March on.
fn is_priced(usage: &Usage, hour: Hour) -> bool {
    &*usage.sku != "sku1" || hour >= march()
}

/// The first hour of March, around which events happen.
fn march() -> Hour {
    Timestamp::from_micros(1_772_323_200_000_000)
        .unwrap()
        .instant()
        .hour()
}

/// What a set of events adds up to, found the slow way.
fn model(events: &[Event]) -> Sums {
    let mut sums = Sums::new();
    for event in events {
        let EventBody::Usage(stated) = &event.body else {
            continue;
        };
        let about = |other: &&Event| other.target() == Some(&event.name);
        let corrections: Vec<&Event> = events.iter().filter(about).collect();
        if corrections
            .iter()
            .any(|other| matches!(other.body, EventBody::Void(_)))
        {
            continue;
        }
        let hour = event.time.instant().hour();
        let priced = (corrections.iter()).filter(|it| is_priced(it.usage().unwrap(), hour));
        let winner = priced.max_by_key(|other| (other.time, &other.name));
        let usage = winner.map_or(stated, |other| other.usage().unwrap());
        let organization = usage.organization.as_ref().map(ToString::to_string);
        let key = (
            event.time.instant().hour().index(),
            usage.sku.to_string(),
            organization,
        );
        let sum = sums.entry(key).or_default();
        sum.0 += 1;
        sum.1 += usage.quantity.nanos();
        for (sum, count) in sum.2.iter_mut().zip(usage.tokens.counts()) {
            *sum = count
                .map(i128::from)
                .into_iter()
                .chain(*sum)
                .reduce(|a, b| a + b);
        }
    }
    sums
}

/// Drawn from few values, so that corrections hit their targets and rows share keys.
fn any_event(number: usize) -> impl Strategy<Value = Event> {
    let organization = proptest::option::of(0..2u8);
    let tokens = proptest::array::uniform4(proptest::option::weighted(0.3, 0..3u64));
    let usage = (0..2u8, 0..3i128, organization, tokens);
    let usage = usage.prop_map(|(sku, n, organization, tokens)| Usage {
        sku: format!("sku{sku}").into(),
        quantity: Quantity::from_nanos(n),
        organization: organization.map(|n| format!("org{n}").as_str().into()),
        tokens: Tokens::of(tokens),
        ..Usage::default()
    });
    let name = move |id: usize| EventName {
        source: "/s".into(),
        id: id.to_string().into(),
    };
    (0..6u8, 0..12usize, 0..3i64, usage).prop_map(move |(kind, target, hour, usage)| {
        // Around a month's end.
        let time = Timestamp::from_micros(1_772_323_200_000_000 + (hour - 1) * 3_600_000_000);
        let body = match kind {
            0 => EventBody::Void(name(target)),
            1 | 2 => EventBody::Amend(name(target), usage),
            _ => EventBody::Usage(usage),
        };
        Event {
            name: name(number),
            time: time.unwrap(),
            body,
        }
    })
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    (0..12usize).prop_flat_map(|count| (0..count).map(any_event).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn order_and_batches_do_not_matter(
        events in any_events(),
        order in any::<u64>(),
        cuts in proptest::collection::vec(1..5usize, 12),
    ) {
        let mut shuffled: Vec<&Event> = events.iter().collect();
        shuffled.sort_by_key(|event| blake3_order(order, &event.name.id));
        let mut log = Log::default();
        let mut rest: Vec<Event> = shuffled.into_iter().cloned().collect();
        for cut in cuts {
            let batch: Vec<Event> = rest.drain(..cut.min(rest.len())).collect();
            if !batch.is_empty() {
                log.commit(&batch);
            }
        }
        log.commit(&rest);
        prop_assert_eq!(log.sums(), model(&events));
        let waits = |event: &&Event| {
            let target = event.target().filter(|_| log.taken.iter().any(|it| *it.event == **event));
            target.is_some_and(|target| log.usage_of(target, &[]).is_none())
        };
        let waiting = events.iter().filter(waits).map(|event| event.name.id.to_string());
        let failed = log.taken.iter().flat_map(|taken| &taken.failed);
        let failed = failed.map(|amend| amend.name.id.to_string());
        prop_assert_eq!(log.open(), [waiting.collect::<BTreeSet<_>>(), failed.collect()]);

        let mut blobs = BTreeMap::new();
        let mut stored = BTreeMap::new();
        for (month, usage) in log.metered.months() {
            let rows = usage.joined(&[]);
            let bytes = rows::encode(month, &rows);
            let read = rows::decode(&bytes, month, &log.dictionary).unwrap().unwrap();
            prop_assert_eq!(&read, &rows);
            let blob = Digest::of(&bytes);
            let count = u32::try_from(rows.len()).unwrap();
            let through = usage.through();
            stored.insert(
                month,
                StoredRows {
                    blob,
                    count,
                    through,
                },
            );
            blobs.insert(month, rows);
        }
        let bytes = log.metered.encode(&stored);
        let read = Metered::decode(&bytes, &log.dictionary).unwrap().unwrap();
        prop_assert_eq!(read.encode(&stored), bytes);
        for (month, usage) in read.months() {
            prop_assert_eq!(&usage.joined(&blobs[&month]), &blobs[&month]);
        }
        prop_assert_eq!(read.events(), log.taken.len() as u64);
    }
}

fn blake3_order(seed: u64, id: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(id.as_bytes());
    *hasher.finalize().as_bytes()
}
