//! Which events are valid, which are refused, and the messages.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tallybook_core::event::{EventBody, Tokens};
use tallybook_core::money::Quantity;
use tallybook_core::time::Timestamp;

const LENGTHS: Lengths = Lengths {
    event_bytes: 4096,
    name_bytes: 256,
};

const MOST: usize = 100;

fn usage() -> Value {
    json!({
        "specversion": "1.0",
        "id": "run-1",
        "source": "https://ci.example.com/octo",
        "type": "usage",
        "time": "2026-10-02T13:00:00.25+02:00",
        "data": {"sku": "actions_linux", "quantity": 3, "organization": "octo-org"},
    })
}

fn void() -> Value {
    let mut event = usage();
    event["type"] = "void".into();
    event["data"] = json!({
        "target": {"source": "/ci", "id": "run-1"},
        "organization": "octo-org",
    });
    event
}

fn read_one(text: &str) -> Result<Incoming, String> {
    let mut events = Events::default();
    read_line(&mut events, 0, text.as_bytes(), LENGTHS);
    match (events.good.pop(), events.bad.pop()) {
        (Some((0, incoming)), None) => Ok(incoming),
        (None, Some(rejection)) => {
            assert_eq!(rejection.code, RejectionCode::Invalid);
            Err(rejection.reason)
        }
        other => panic!("{other:?}"),
    }
}

fn reason(event: &Value) -> String {
    read_one(&event.to_string()).expect_err("refused")
}

/// The event with a different value at a JSON pointer.
fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[key] = value;
    event
}

/// The event with a quantity in its original text.
fn quantity(text: &str) -> Result<i128, String> {
    let event = usage().to_string();
    let event = event.replace("\"quantity\":3", &format!("\"quantity\":{text}"));
    let incoming = read_one(&event)?;
    Ok(incoming.event.usage().unwrap().quantity.nanos())
}

#[test]
fn everything_that_usage_can_say() {
    let mut event = usage();
    event["data"] = json!({
        "sku": "ai_credit",
        "quantity": "12.5",
        "enterprise": "octo-ent",
        "organization": "octo-org",
        "repository": "api",
        "user": "dependabot[bot]",
        "model": "Claude \u{2603}",
        "workflow_path": ".github/workflows/\"ci\".yml",
        "tokens": {"input": 1, "output": 2, "cache_read": 0, "cache_write": null},
    });
    event["datacontenttype"] = "application/json; charset=utf-8".into();
    event["traceparent"] = json!({"any": ["thing"]});
    event["subject"] = Value::Null;
    let incoming = read_one(&event.to_string()).unwrap();
    assert_eq!(&*incoming.event.name.id, "run-1");
    assert_eq!(&*incoming.event.name.source, "https://ci.example.com/octo");
    let time = Timestamp::parse("2026-10-02T11:00:00.25Z").unwrap();
    assert_eq!(incoming.event.time, time);
    let usage = incoming.event.usage().unwrap();
    assert_eq!(&*usage.sku, "ai_credit");
    assert_eq!(usage.quantity, Quantity::parse("12.5").unwrap());
    assert_eq!(usage.repository, Some("api".into()));
    assert_eq!(usage.user, Some("dependabot[bot]".into()));
    assert_eq!(usage.model, Some("Claude \u{2603}".into()));
    assert_eq!(
        usage.workflow.as_deref(),
        Some(".github/workflows/\"ci\".yml")
    );
    let tokens = Tokens {
        input: Some(1),
        output: Some(2),
        cache_read: Some(0),
        cache_write: None,
    };
    assert_eq!(usage.tokens, tokens);
    assert_eq!(incoming.payer.enterprise, Some("octo-ent".into()));
    assert_eq!(incoming.payer.organization, Some("octo-org".into()));
    assert_eq!(incoming.payer.user, Some("dependabot[bot]".into()));
}

#[test]
fn corrections_name_their_target_and_who_pays() {
    let incoming = read_one(&void().to_string()).unwrap();
    let target = incoming.event.target().unwrap();
    assert_eq!((&*target.source, &*target.id), ("/ci", "run-1"));
    assert!(matches!(incoming.event.body, EventBody::Void(_)));
    assert_eq!(incoming.payer.organization, Some("octo-org".into()));
    let mut amend = void();
    amend["type"] = "amend".into();
    assert_eq!(reason(&amend), "data.sku: is missing");
    amend["data"]["sku"] = "actions_linux".into();
    amend["data"]["quantity"] = 2.into();
    let incoming = read_one(&amend.to_string()).unwrap();
    assert!(matches!(incoming.event.body, EventBody::Amend(..)));
}

#[test]
fn quantities_are_their_digits() {
    let units = |units: i128| Ok(units * 1_000_000_000);
    assert_eq!(quantity("1e12"), units(1_000_000_000_000));
    assert_eq!(quantity("123456789012345"), units(123_456_789_012_345));
    assert_eq!(quantity("\"123456789012345\""), units(123_456_789_012_345));
    assert_eq!(quantity("0.1"), Ok(100_000_000));
    assert_eq!(quantity("\"0.1\""), Ok(100_000_000));
    assert_eq!(quantity("1E-9"), Ok(1));
    assert_eq!(quantity("1.000000001"), Ok(1_000_000_001));
    assert_eq!(quantity("0"), Ok(0));
    assert_eq!(quantity("-0"), Ok(0));
    assert_eq!(quantity("0.0e5"), Ok(0));
    // Digits left over from adding doubles are noise.
    assert_eq!(quantity("0.07200000000000001"), Ok(72_000_000));
    // 2^53 + 1, which no double can represent.
    assert_eq!(quantity("9007199254.740993"), Ok(9_007_199_254_740_993_000));
}

#[test]
fn quantities_that_cannot_be_counted_are_refused() {
    for (text, expected) in [
        ("1e-10", "digits beyond the 9th decimal"),
        ("1e-13", "smaller than a billionth"),
        ("1e-400", "smaller than a billionth"),
        ("123456789012345678", "larger than 1000000000000000 units"),
        ("1e999", "larger than"),
        ("-1", "is negative"),
        ("-1e-13", "smaller than a billionth"),
        ("\"\"", "not a decimal number"),
        ("\" 1\"", "not a decimal number"),
        ("\"1 \"", "not a decimal number"),
        ("\"1,5\"", "not a decimal number"),
        ("\"NaN\"", "not a decimal number"),
        ("\"Infinity\"", "not a decimal number"),
        ("\"0x10\"", "not a decimal number"),
        ("\"+1\"", "not a decimal number"),
        ("\"1_000\"", "not a decimal number"),
        ("true", "must be a number or a decimal string"),
        ("[1]", "must be a number or a decimal string"),
        ("null", "is missing"),
    ] {
        let error = quantity(text).expect_err(text);
        assert!(error.starts_with("data.quantity: "), "{text}: {error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
    for text in ["NaN", "01", "+1", "1.", ".5", "1e", "Infinity", "0x1"] {
        let error = quantity(text).expect_err(text);
        assert!(error.contains("is not JSON"), "{text}: {error}");
    }
}

#[test]
fn each_attribute_is_checked() {
    let long = "x".repeat(257);
    for (pointer, value, expected) in [
        ("/specversion", json!("0.3"), "specversion: must be \"1.0\""),
        ("/specversion", json!(1.0), "specversion: must be a string"),
        ("/specversion", Value::Null, "specversion: is missing"),
        ("/id", Value::Null, "id: is missing"),
        ("/id", json!(7), "id: must be a string"),
        ("/id", json!(""), "id: is empty"),
        ("/id", json!("a\u{0}"), "id: has a control character"),
        (
            "/id",
            json!(long),
            "id: has more than 256 bytes (--limit-event-name-bytes)",
        ),
        ("/source", Value::Null, "source: is missing"),
        ("/source", json!(""), "source: is empty"),
        (
            "/source",
            json!("a b"),
            "source: is not a URI reference: it has a space or another character that needs \
             escaping",
        ),
        ("/type", Value::Null, "type: is missing"),
        (
            "/type",
            json!("Usage"),
            "type: must be usage, void or amend",
        ),
        ("/time", Value::Null, "time: is missing"),
        (
            "/time",
            json!("1999-12-31T23:59:59Z"),
            "time: the year must be between 2000 and 9999: a time from the year 2000 to 9999 is \
             needed",
        ),
        ("/data", Value::Null, "data: is missing"),
        ("/data", json!([1]), "data: must be an object"),
        ("/data", json!("{}"), "data: must be an object"),
        (
            "/data_base64",
            json!("e30="),
            "data_base64: is not read: give the data as a JSON object in data",
        ),
        (
            "/datacontenttype",
            json!("text/xml"),
            "datacontenttype: must be application/json",
        ),
    ] {
        assert_eq!(reason(&with(usage(), pointer, value)), expected);
    }
}

#[test]
fn times_have_an_offset() {
    let taken = |time: &str| read_one(&with(usage(), "/time", json!(time)).to_string()).is_ok();
    for good in [
        "2026-10-02T13:00:00Z",
        "2026-10-02t13:00:00z",
        "2026-10-02T13:00:00.123456789-05:30",
        "2024-02-29T00:00:00+00:00",
    ] {
        assert!(taken(good), "{good}");
    }
    for bad in [
        "",
        "2026-10-02",
        "2026-10-02T13:00:00",
        "2026-10-02 13:00:00Z",
        "2026-10-02T13:00Z",
        "2026-10-02T13:00:00.Z",
        "2026-10-02T13:00:00+0200",
        "2026-10-02T13:00:00Z[UTC]",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-10-02T25:00:00Z",
        "1790946000",
    ] {
        assert!(!taken(bad), "{bad}");
    }
}

#[test]
fn each_member_of_data_is_checked() {
    for (pointer, value, expected) in [
        ("/data/sku", Value::Null, "data.sku: is missing"),
        (
            "/data/sku",
            json!(" x"),
            "data.sku: begins or ends with a space",
        ),
        ("/data/model", json!(""), "data.model: is empty"),
        (
            "/data/quantitty",
            json!(1),
            "data.quantitty: is not a member that is known here",
        ),
        (
            "/data/organization",
            json!("a/b"),
            "data.organization: must be 1 to 100 letters, digits, \
          '-', '_' or '.'",
        ),
        (
            "/data/user",
            json!("a b"),
            "data.user: must be 1 to 100 letters, digits, '-', '_' or '.'",
        ),
        (
            "/data/repository",
            json!("octo-org/api"),
            "data.repository: must be the repository's own \
          name, without its organization",
        ),
        (
            "/data/target",
            json!({}),
            "data.target: has no place in an event of type usage",
        ),
        ("/data/tokens", json!(7), "data.tokens: must be an object"),
        (
            "/data/tokens",
            json!({"inputs": 1}),
            "data.tokens.inputs: is not a member that is known \
          here",
        ),
        (
            "/data/tokens",
            json!({"input": 1.5}),
            "data.tokens.input: must be a whole number of at \
          most 1000000000000000",
        ),
        (
            "/data/tokens",
            json!({"input": -1}),
            "data.tokens.input: must be a whole number of at \
          most 1000000000000000",
        ),
        (
            "/data/tokens",
            json!({"input": 10_000_000_000_000_000u64}),
            "data.tokens.input: must be \
          a whole number of at most 1000000000000000",
        ),
    ] {
        assert_eq!(reason(&with(usage(), pointer, value)), expected);
    }
}

#[test]
fn some_account_has_to_pay() {
    let nobody = with(usage(), "/data/organization", Value::Null);
    let expected = "data: names nobody who pays: give enterprise, organization or user";
    assert_eq!(reason(&nobody), expected);
    let orphan = with(nobody, "/data/repository", json!("api"));
    let enterprise = with(orphan.clone(), "/data/enterprise", json!("octo-ent"));
    let expected = "data.repository: needs data.organization, whose repository it is";
    assert_eq!(reason(&enterprise), expected);
    // A user has repositories too.
    let own = with(orphan, "/data/user", json!("monalisa"));
    assert!(read_one(&own.to_string()).is_ok());
}

#[test]
fn corrections_are_checked() {
    for (pointer, value, expected) in [
        ("/data/target", Value::Null, "data.target: is missing"),
        (
            "/data/target",
            json!({"id": "x"}),
            "data.target.source: is missing",
        ),
        ("/data/target/id", json!(""), "data.target.id: is empty"),
        (
            "/data/target/time",
            json!("x"),
            "data.target.time: is not a member that is known here",
        ),
        (
            "/data/quantity",
            json!(1),
            "data.quantity: has no place in an event of type void",
        ),
        (
            "/data/model",
            json!("x"),
            "data.model: has no place in an event of type void",
        ),
    ] {
        assert_eq!(reason(&with(void(), pointer, value)), expected);
    }
}

#[test]
fn a_member_given_twice_is_refused() {
    let twice = |from: &str, to: &str| {
        let text = usage().to_string();
        assert!(text.contains(from), "{text}");
        read_one(&text.replace(from, to)).expect_err("refused")
    };
    assert_eq!(
        twice("\"id\":", "\"id\":\"other\",\"id\":"),
        "id: is given twice"
    );
    // Another spelling of the same key.
    assert_eq!(
        twice("\"id\":", "\"\\u0069d\":\"other\",\"id\":"),
        "id: is given twice"
    );
    assert_eq!(
        twice("\"quantity\":", "\"quantity\":1,\"quantity\":"),
        "data.quantity: is given twice"
    );
    assert_eq!(
        twice("\"id\":", "\"x\":1,\"x\":1,\"id\":"),
        "x: is given twice"
    );
    let many: String = (0..64).map(|number| format!("\"x{number}\":1,")).collect();
    let crowded = twice("\"id\":", &format!("{many}\"id\":"));
    assert_eq!(crowded, "has more than 64 members");
}

#[test]
fn what_is_no_event_is_refused_by_itself() {
    assert_eq!(read_one("7").expect_err("refused"), "must be an object");
    assert_eq!(read_one("[]").expect_err("refused"), "must be an object");
    let cut = read_one("{\"id\":").expect_err("refused");
    assert!(cut.starts_with("is not JSON: EOF"), "{cut}");
    let two = read_one(&format!("{0}{0}", usage())).expect_err("refused");
    assert!(two.contains("trailing characters"), "{two}");
    let mut events = Events::default();
    read_line(&mut events, 3, b"{\"id\":\"\xff\"}", LENGTHS);
    assert_eq!(events.bad[0].reason, "is not UTF-8");
    assert_eq!(events.bad[0].index, 3);
    let long = with(usage(), "/x", json!("x".repeat(5000)));
    assert_eq!(
        reason(&long),
        "has more than 4096 bytes (--limit-event-bytes)"
    );
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(1500), "]".repeat(1500));
    assert_eq!(
        read_one(&deep).expect_err("refused"),
        "specversion: is missing"
    );
}

#[test]
fn formats_say_what_a_body_is() {
    let one = usage().to_string();
    let bad = void().to_string().replace("1.0", "2.0");
    let array = format!(" [{one},\n{bad}, {one}]\n");
    let lines = format!("{one}\r\n\n{bad}\n{one}");
    let indices = |events: Events| -> (Vec<u64>, Vec<u64>) {
        (
            events.good.iter().map(|(index, _)| *index).collect(),
            events.bad.iter().map(|bad| bad.index).collect(),
        )
    };
    let read = |format, text: &str| read(format, text.as_bytes(), LENGTHS, MOST);
    for format in [Format::Batch, Format::OneOrBatch] {
        let events = read(format, &array).unwrap();
        assert_eq!(indices(events), (vec![0, 2], vec![1]));
        assert_eq!(read(format, "[]").unwrap().count(), 0);
    }
    for format in [Format::One, Format::OneOrBatch] {
        assert_eq!(indices(read(format, &one).unwrap()), (vec![0], vec![]));
        assert_eq!(indices(read(format, &bad).unwrap()), (vec![], vec![0]));
    }
    // Blank lines count in line numbers.
    let events = read(Format::Lines, &lines).unwrap();
    assert_eq!(indices(events), (vec![0, 3], vec![2]));
    assert_eq!(read(Format::Lines, "\n \n").unwrap().count(), 0);
    assert!(read(Format::One, &array).is_err());
    assert!(read(Format::Batch, &one).is_err());
    for text in ["", "[", "{", "[{},]", "[] x", "nonsense", "{} {}"] {
        let error = read(Format::OneOrBatch, text).expect_err(text);
        assert!(
            error.to_string().starts_with("Problems parsing JSON: "),
            "{error}"
        );
    }
}

#[test]
fn more_than_was_allowed_is_too_many() {
    let one = usage().to_string();
    let array = format!("[{}]", [one.as_str(); 3].join(","));
    let lines = [one.as_str(); 3].join("\n");
    for (format, body) in [(Format::Batch, array), (Format::Lines, lines)] {
        let read = |most| super::read(format, body.as_bytes(), LENGTHS, most);
        assert_eq!(read(3).unwrap().count(), 3);
        assert_eq!(read(2), Err(Unreadable::TooMany(2)));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::One, Format::Batch, Format::OneOrBatch, Format::Lines] {
            let _ = read(format, &bytes, LENGTHS, MOST);
        }
    }

    #[test]
    fn a_damaged_event_is_read_or_refused(
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = usage().to_string().into_bytes();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        let mut events = Events::default();
        read_line(&mut events, 0, &bytes, LENGTHS);
        bytes.truncate(cut.index(bytes.len()));
        let _ = read(Format::OneOrBatch, &bytes, LENGTHS, MOST);
        prop_assert!(events.count() <= 2);
    }

    /// The digits sent are the digits counted, checked with a slow and obvious decimal type.
    #[test]
    fn quantities_agree_with_a_big_decimal(digits in "(0|[1-9][0-9]{0,13})(\\.[0-9]{1,9})?", as_text: bool) {
        let exact: bigdecimal::BigDecimal = digits.parse().unwrap();
        let nanos = exact * bigdecimal::BigDecimal::from(1_000_000_000);
        let sent = if as_text { format!("\"{digits}\"") } else { digits };
        prop_assert_eq!(bigdecimal::BigDecimal::from(quantity(&sent).unwrap()), nanos.normalized());
    }
}
