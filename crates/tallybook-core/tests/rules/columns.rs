//! Every column of a report is kept: chunks give back what lines said, to the last optional value.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use tallybook_core::codec::{Reader, Writer};
use tallybook_core::ids::ImportId;
use tallybook_core::ledger::builder::{ImportBuilder, ImportScope, Most, TooMuch};
use tallybook_core::ledger::chunk::{Chunk, Optional};
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::packed::Packed;
use tallybook_core::report::{Extras, Line, ReportKind};
use tallybook_core::shares::{Divided, Scratch, Shares};
use tallybook_core::time::{Day, Hour, Instant};

fn extras() -> impl Strategy<Value = Extras<'static>> {
    let number = || of(-1_000_000_000_000i128..1_000_000_000_000_000);
    let texts = || select(vec!["", "Unlimited", "300", "build", "a note"]);
    let numbers = (
        number(),
        number(),
        [number(), number(), number(), number()],
        number(),
    );
    let used_at = of(1_700_000_000i64..1_800_000_000);
    let unknown = btree_map(
        select(vec!["carbon", "region", ""]),
        select(vec!["1", "eu"]),
        0..3,
    );
    (
        of(any::<bool>()),
        [texts(), texts(), texts()],
        numbers,
        used_at,
        unknown,
    )
        .prop_map(
            |(
                exceeds_quota,
                [total_monthly_quota, workflow_name, notes],
                numbers,
                used_at,
                unknown,
            )| {
                let quantity = |value: Option<i128>| value.map(Quantity::from_nanos);
                Extras {
                    exceeds_quota,
                    total_monthly_quota,
                    aic_quantity: quantity(numbers.0),
                    aic_gross_amount: numbers.1.map(Amount::from_nanos),
                    tokens: numbers.2.map(quantity),
                    workflow_name,
                    used_at: used_at.map(|seconds| Instant::from_seconds(seconds).unwrap()),
                    multiplier: quantity(numbers.3),
                    notes,
                    unknown: unknown
                        .into_iter()
                        .map(|(heading, text)| (heading.into(), text))
                        .collect(),
                }
            },
        )
}

fn lines() -> impl Strategy<Value = Vec<Line<'static>>> {
    let texts = || select(vec!["", "x", "Y"]);
    let numbers = [0..4i128, -5..5, -5..5, -5..5];
    let line = (
        0..744i32,
        [texts(), texts(), texts(), texts()],
        numbers,
        extras(),
    );
    let line = line.prop_map(
        |(hour, texts, [price, quantity, gross, discount], extras)| {
            let first = Day::new(2026, 1, 1).unwrap().first_hour();
            Line {
                hour: Hour::from_index(first.index() + hour),
                product: "p",
                sku: texts[0],
                unit: "u",
                organization: texts[1],
                user: texts[2],
                workflow: texts[3],
                price: Price::from_picos(price),
                quantity: Quantity::from_nanos(quantity),
                gross: Amount::from_nanos(gross),
                discount: Amount::from_nanos(discount),
                extras,
                ..Line::default()
            }
        },
    );
    vec(line, 1..20)
}

/// The values of an optional column, line by line.
fn optional(chunk: &Chunk, column: Optional) -> Vec<Option<i128>> {
    let (present, values) = &chunk.optional[column as usize];
    let mut values = values.iter();
    let of_line = present
        .iter()
        .map(|is| (is == 1).then(|| values.next().unwrap()));
    let of_line: Vec<_> = of_line.collect();
    assert_eq!(values.next(), None, "no value is left over");
    of_line
}

proptest! {
    #[test]
    fn a_chunk_gives_back_what_lines_said(lines in lines()) {
        let mut builder = ImportBuilder::new(ImportScope::Enterprise);
        for line in &lines {
            prop_assert!(builder.push(ReportKind::AiCredit, line, |_| Ok(())).unwrap().is_none());
        }
        let staged = builder.flush().unwrap().encode();
        builder.staged(&staged);
        prop_assert!(builder.flush().is_none());
        let record = builder.finish().unwrap().into_record(ImportId([1; 16]), None, Vec::new());
        let chunk = Chunk::decode(&staged.bytes).unwrap();
        prop_assert_eq!(chunk.count, lines.len());
        let discount = chunk.discount.unpack(|line| chunk.gross.get(line));
        let first = chunk.month.first_day().first_hour().index();
        for (place, line) in lines.iter().enumerate() {
            let code = |column: &Packed| usize::try_from(column.get(place)).unwrap();
            let hour = i32::try_from(chunk.hour.get(place)).unwrap();
            prop_assert_eq!(first + hour, line.hour.index());
            prop_assert_eq!(&*record.tables.skus[code(&chunk.sku)].sku, line.sku);
            let names: Vec<&str> = (0..6)
                .map(|dimension| &*record.tables.names[dimension][code(&chunk.names[dimension])])
                .collect();
            prop_assert_eq!(names, [line.organization, "", line.user, "", line.workflow, ""]);
            prop_assert_eq!(chunk.prices[code(&chunk.price)], line.price);
            prop_assert_eq!(chunk.quantity.get(place), line.quantity.nanos());
            prop_assert_eq!(chunk.gross.get(place), line.gross.nanos());
            prop_assert_eq!(discount[place], line.discount.nanos());
            let exceeds = [None, Some(false), Some(true)][code(&chunk.exceeds_quota)];
            prop_assert_eq!(exceeds, line.extras.exceeds_quota);
            let texts: Vec<&str> =
                chunk.texts.iter().map(|column| &*record.tables.texts[code(column)]).collect();
            let extras = &line.extras;
            let stated = [extras.total_monthly_quota, extras.workflow_name, extras.notes];
            prop_assert_eq!(texts, stated);
            let mut unknown: Vec<_> = chunk.unknown.of_line(place).collect();
            unknown.sort_unstable();
            let stated = extras.unknown.iter().map(|(heading, text)| (&**heading, *text));
            prop_assert_eq!(unknown, stated.collect::<Vec<_>>());
        }
        let of = |value: fn(&Extras<'_>) -> Option<i128>| -> Vec<Option<i128>> {
            lines.iter().map(|line| value(&line.extras)).collect()
        };
        let nanos = |column| optional(&chunk, column);
        let credits = of(|it| it.aic_quantity.map(Quantity::nanos));
        prop_assert_eq!(nanos(Optional::AicQuantity), credits);
        prop_assert_eq!(nanos(Optional::AicGross), of(|it| it.aic_gross_amount.map(Amount::nanos)));
        prop_assert_eq!(nanos(Optional::Input), of(|it| it.tokens[0].map(Quantity::nanos)));
        prop_assert_eq!(nanos(Optional::Output), of(|it| it.tokens[1].map(Quantity::nanos)));
        prop_assert_eq!(nanos(Optional::CacheRead), of(|it| it.tokens[2].map(Quantity::nanos)));
        prop_assert_eq!(nanos(Optional::CacheWrite), of(|it| it.tokens[3].map(Quantity::nanos)));
        prop_assert_eq!(nanos(Optional::UsedAt), of(|it| it.used_at.map(|at| at.seconds().into())));
        prop_assert_eq!(nanos(Optional::Multiplier), of(|it| it.multiplier.map(Quantity::nanos)));
    }

    #[test]
    fn shares_give_back_the_parts(
        pairs in vec((-3..3i128, prop_oneof![Just(None), (-3..3i128).prop_map(Some)]), 0..30),
        alike: bool,
    ) {
        // A part that is not given is the whole.
        let count = pairs.len();
        let pair = |line: usize| pairs[if alike { 0 } else { line }];
        let wholes: Vec<i128> = (0..count).map(|line| pair(line).0).collect();
        let wholes = Packed::new(&wholes);
        let part = |line| pair(line).1.unwrap_or(pair(line).0);
        let parts: Vec<i128> = (0..count).map(part).collect();
        let shares = Shares::new(&parts, |line| wholes.get(line));
        let mut out = Writer::new();
        shares.encode(&mut out);
        let bytes = out.finish();
        let read = Shares::decode(&mut Reader::new(&bytes), count).unwrap();
        prop_assert_eq!(&read, &shares);
        prop_assert_eq!(read.unpack(|line| wholes.get(line)), parts.clone());
        let got: Vec<i128> = (0..count).map(|line| read.get(line, wholes.get(line))).collect();
        prop_assert_eq!(got, parts);
    }

    #[test]
    fn parts_are_read_from_any_place(
        pairs in vec((any::<i32>(), 0..4u8), 1..400),
        alike: bool,
        from in any::<prop::sample::Index>(),
        end in any::<prop::sample::Index>(),
    ) {
        let part = |(line, (whole, kind)): (usize, &(i32, u8))| {
            let (whole, line) = (i64::from(*whole), line as i64);
            [0, whole, whole / 3, line - 200][usize::from(if alike { pairs[0].1 } else { *kind })]
        };
        let wholes: Vec<i64> = pairs.iter().map(|(whole, _)| i64::from(*whole)).collect();
        let parts: Vec<i64> = pairs.iter().enumerate().map(part).collect();
        let divided = Divided::new(Packed::new(&wholes), &Packed::new(&parts));
        let (from, end) = (from.index(pairs.len()), end.index(pairs.len()));
        let lines = from.min(end)..from.max(end) + 1;
        let count = lines.len();
        let mut scratch = Scratch::default();
        let (mut whole, mut part) = (vec![0; count], vec![0; count]);
        divided.read_i64(lines.start, [&mut whole, &mut part], &mut scratch);
        prop_assert_eq!(&whole[..], &wholes[lines.clone()]);
        prop_assert_eq!(&part[..], &parts[lines.clone()]);
    }
}

/// Texts of unknown columns count while they are in memory, which is until their chunk is full.
#[test]
fn texts_of_unknown_columns_are_bounded() {
    let mut builder = ImportBuilder::new(ImportScope::Enterprise);
    builder.limit(Most {
        names: 10,
        sums: 10,
    });
    let texts: Vec<String> = (0..3u8)
        .map(|number| number.to_string().repeat(700))
        .collect();
    let push = |builder: &mut ImportBuilder, text: usize| {
        let extras = Extras {
            unknown: vec![("carbon".into(), texts[text].as_str())],
            ..Extras::default()
        };
        let line = Line {
            extras,
            ..Line::default()
        };
        builder
            .push(ReportKind::Detailed, &line, |_| Ok(()))
            .unwrap();
        builder.check_size()
    };
    for text in [0, 1, 2, 0, 1, 2] {
        assert_eq!(push(&mut builder, text), Ok(()));
    }
    let staged = builder.flush().unwrap().encode();
    builder.staged(&staged);
    assert_eq!(builder.check_size(), Ok(()));
    for text in [0, 1, 2] {
        assert_eq!(push(&mut builder, text), Ok(()));
    }
    builder.limit(Most { names: 8, sums: 10 });
    assert_eq!(builder.check_size(), Err(TooMuch::NameBytes(8 * 256)));
}
