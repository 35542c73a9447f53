//! Recorded events: encoding round trips.

use super::*;
use crate::money::Quantity;
use proptest::prelude::*;

/// A dictionary to which a draft's new names were added, as a commit does.
fn recorded(events: &[Admitted], dictionary: &mut Dictionary) -> Vec<u8> {
    let mut draft = Draft::new(dictionary);
    let payload = encode(events, &mut draft);
    for name in draft.into_new() {
        dictionary.push(Some(name));
    }
    payload
}

prop_compose! {
    fn any_usage()(
        sku in "[a-z_]{1,8}",
        quantity in 0i128..1_000_000_000_000_000_000_000,
        names in proptest::array::uniform4(proptest::option::of("[a-zA-Z0-9-]{1,6}")),
        workflow in proptest::option::of(".{1,9}"),
        tokens in proptest::array::uniform4(proptest::option::of(any::<u64>())),
    ) -> Usage {
        let [organization, repository, user, model] = names.map(|name| name.map(Name::from));
        let [input, output, cache_read, cache_write] = tokens;
        Usage {
            sku: sku.into(),
            quantity: Quantity::from_nanos(quantity),
            organization,
            repository,
            user,
            model,
            workflow: workflow.map(Into::into),
            tokens: Tokens { input, output, cache_read, cache_write },
        }
    }
}

prop_compose! {
    fn any_name()(source in ".{1,4}", id in ".{1,12}") -> EventName {
        EventName { source: source.into(), id: id.into() }
    }
}

prop_compose! {
    fn any_event()(
        name in any_name(),
        micros in 946_684_800_000_000i64..253_402_300_799_999_999,
        kind in 0..3,
        target in any_name(),
        usage in any_usage(),
        failed in proptest::collection::vec((any_name(), 0..3usize), 0..3),
    ) -> Admitted {
        let body = match kind {
            0 => EventBody::Usage(usage),
            1 => EventBody::Void(target),
            _ => EventBody::Amend(target, usage),
        };
        let time = Timestamp::from_micros(micros).unwrap();
        // Only usage events carry it.
        let failed = failed.into_iter().filter(|_| kind == 0).map(|(name, reason)| FailedAmend {
            name,
            reason: AmendFailure::ALL[reason],
        });
        let failed = failed.collect();
        Admitted { event: Arc::new(Event { name, time, body }), target: None, failed }
    }
}

proptest! {
    #[test]
    fn events_are_read_back(events in proptest::collection::vec(any_event(), 0..20)) {
        let mut dictionary = Dictionary::default();
        dictionary.push(Some("known".into()));
        let payload = recorded(&events, &mut dictionary);
        let read = decode(&payload, &dictionary).unwrap();
        let read: Option<Vec<Admitted>> =
            read.iter().map(|event| event.admitted(&dictionary)).collect();
        prop_assert_eq!(read.unwrap(), events);
    }

    /// Corrupt bytes give an error or other events, never a panic.
    #[test]
    fn damaged_events_are_no_panic(
        events in proptest::collection::vec(any_event(), 1..6),
        place: prop::sample::Index,
        change: u8,
    ) {
        let mut dictionary = Dictionary::default();
        let mut payload = recorded(&events, &mut dictionary);
        let place = place.index(payload.len());
        payload[place] ^= change;
        if let Ok(events) = decode(&payload, &dictionary) {
            for event in events {
                prop_assert!(event.admitted(&dictionary).is_some());
            }
        }
        drop(decode(&payload[..place], &dictionary));
    }
}

#[test]
fn a_target_that_was_known_is_read_back() {
    let mut dictionary = Dictionary::default();
    let name = |id: &str| EventName {
        source: "/ci".into(),
        id: id.into(),
    };
    let usage = Usage {
        sku: "actions_linux".into(),
        ..Usage::default()
    };
    let time = Timestamp::parse("2026-02-03T04:05:06.7Z").unwrap();
    let mut codes = None;
    let mut draft = Draft::new(&dictionary);
    codes.replace(Codes::new(&usage, &mut draft));
    for name in draft.into_new() {
        dictionary.push(Some(name));
    }
    let target = codes.map(|codes| Stated {
        hour: time.instant().hour(),
        codes,
    });
    let void = Event {
        name: name("2"),
        time,
        body: EventBody::Void(name("1")),
    };
    let events = [Admitted {
        event: Arc::new(void),
        target,
        failed: Vec::new(),
    }];
    let payload = recorded(&events, &mut dictionary);
    let read = decode(&payload, &dictionary).unwrap();
    assert_eq!(read[0].admitted(&dictionary).unwrap(), events[0]);
}

/// The first format records neither a target's tokens nor failed amends.
#[test]
fn the_first_format_is_read_for_ever() {
    let mut dictionary = Dictionary::default();
    dictionary.push(Some("actions_linux".into()));
    let name = |id: &str| EventName {
        source: "/ci".into(),
        id: id.into(),
    };
    let time = Timestamp::parse("2026-02-03T04:05:06.7Z").unwrap();
    let codes = Codes {
        names: [1, 0, 0, 0, 0, 0],
        quantity: 5,
        tokens: None,
    };
    let hour = time.instant().hour();
    let events = [Admitted {
        event: Arc::new(Event {
            name: name("2"),
            time,
            body: EventBody::Void(name("1")),
        }),
        target: Some(Stated { hour, codes }),
        failed: Vec::new(),
    }];
    let newest = recorded(&events, &mut dictionary);
    // Whether the target's tokens are known, and the number of failed amends.
    let [2, same @ .., 0, 0] = &newest[..] else {
        panic!("{newest:?}");
    };
    let first = [&[1], same].concat();
    let read = decode(&first, &dictionary).unwrap();
    assert_eq!(read[0].admitted(&dictionary).unwrap(), events[0]);
    assert!(decode(&[&[3], same, &[0, 0]].concat(), &dictionary).is_err());
}
