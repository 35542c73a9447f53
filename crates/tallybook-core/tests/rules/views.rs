//! Every view adds up, and the order of what happened does not show.

use crate::answers::play;
use crate::generate::{account_kind, day, history, import, part, query};
use crate::model::{Import, Line, Row};
use crate::rig::Rig;
use bigdecimal::num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::ids::Digest;
use tallybook_core::ledger::owners::{CellSum, CellSums, Owners, hidden};
use tallybook_core::query::{CostCenterFilter, Filter, Grain, Group, Query};
use tallybook_core::report::ReportKind;
use tallybook_core::statement::encode::FORMAT;
use tallybook_core::statement::{RULES, Source};
use tallybook_core::time::Month;

/// The months that histories touch.
fn months() -> impl Iterator<Item = Month> {
    let first = Month::new(2025, 12).unwrap();
    (0..4).map(move |after| first.plus(after))
}

fn bytes(rig: &Rig) -> Vec<Vec<Vec<u8>>> {
    months()
        .map(|month| rig.statement(month).encode())
        .collect()
}

/// Rows without names, added up by rate.
fn totals<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
) -> Vec<((String, String, i128), [BigInt; 4])> {
    let mut sums = std::collections::BTreeMap::<_, [BigInt; 4]>::new();
    for row in rows {
        let key = (row.sku.clone(), row.unit.clone(), row.price);
        let sum = sums.entry(key).or_default();
        sum.iter_mut()
            .zip(&row.sums)
            .for_each(|(sum, part)| *sum += part);
    }
    sums.into_iter().collect()
}

fn everything(grain: Grain) -> Query {
    Query {
        from: Month::new(2025, 11).unwrap().first_day().first_hour(),
        to: Month::new(2026, 4).unwrap().first_day().first_hour(),
        grain,
        filter: Filter::default(),
        group: Group::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_grain_and_grouping_adds_up_to_the_whole(
        (kind, steps) in account_kind().prop_flat_map(|kind| (Just(kind), history(kind))),
        asked in query(),
    ) {
        let (rig, _) = play(kind, &steps);
        let with = |grain, repository, model| Query {
            grain,
            filter: asked.filter.clone(),
            group: Group { repository, model },
            ..everything(grain)
        };
        let whole = totals(&rig.answer(&with(Grain::Whole, false, false)));
        for grain in [Grain::Whole, Grain::Month, Grain::Day] {
            for (repository, model) in [(false, true), (true, false), (true, true)] {
                let parts = totals(&rig.answer(&with(grain, repository, model)));
                prop_assert_eq!(&parts, &whole, "{:?} {} {}", grain, repository, model);
            }
        }
    }

    #[test]
    fn a_day_is_its_hours(
        steps in history(AccountKind::Enterprise),
        day in day(),
    ) {
        let (rig, _) = play(AccountKind::Enterprise, &steps);
        let of_day = |grain| Query {
            from: day.first_hour(),
            to: day.next().first_hour(),
            ..everything(grain)
        };
        let hours = totals(&rig.answer(&of_day(Grain::Hour)));
        prop_assert_eq!(hours, totals(&rig.answer(&of_day(Grain::Day))));
    }

    #[test]
    fn the_cost_centers_and_none_are_everything(steps in history(AccountKind::Enterprise)) {
        let (rig, _) = play(AccountKind::Enterprise, &steps);
        let of = |center| {
            let mut query = everything(Grain::Day);
            query.filter.cost_center = center;
            rig.answer(&query)
        };
        let centers = [
            CostCenterFilter::None,
            CostCenterFilter::Is("flint".into()),
            CostCenterFilter::Is("QUARTZ".into()),
        ];
        let parts: Vec<Row> = centers.into_iter().flat_map(of).collect();
        prop_assert_eq!(totals(&parts), totals(&of(CostCenterFilter::Any)));
    }

    /// Every live line either counts or is listed as hidden, once.
    #[test]
    fn what_counts_and_what_is_hidden_is_everything(
        (kind, steps) in account_kind().prop_flat_map(|kind| (Just(kind), history(kind))),
    ) {
        let (rig, model) = play(kind, &steps);
        let owners = Owners::new(&rig.account, &rig.catalog);
        let cells = owners.contenders().iter().map(|contender| {
            let cells = &rig.blobs[&contender.part().cells];
            Arc::new(CellSums::decode(cells).unwrap())
        });
        let pairs = hidden(&owners, &rig.catalog, &cells.collect::<Vec<_>>());
        prop_assert!(pairs.keys().all(|(loser, winner)| loser < winner));
        let mut all = CellSum::default();
        pairs.values().for_each(|pair| all.add(&pair.hidden));
        let counted = model.counted().len() as u64;
        let shown: usize = months().map(|month| rig.statement(month).len()).sum();
        prop_assert_eq!(shown as u64, counted);
        let live = rig.account.live_imports().map(|import| import.record.lines());
        prop_assert_eq!(all.lines + counted, live.sum::<u64>());
        let stated = rig.account.live_imports().flat_map(|import| &import.record.parts);
        let stated = stated.flat_map(|part| &part.sums);
        let stated = stated.map(|sum| BigInt::from(sum.totals.quantity.nanos()));
        let whole = totals(&rig.answer(&everything(Grain::Whole)));
        let answered = whole.iter().map(|(_, sums)| sums[0].clone());
        let hidden_quantity = BigInt::from(all.totals.quantity.nanos());
        prop_assert_eq!(answered.sum::<BigInt>() + hidden_quantity, stated.sum::<BigInt>());
    }

    /// Of different kinds or scopes: only between two of one kind does it matter which is newer.
    #[test]
    fn the_order_of_imports_does_not_show((imports, shuffled) in one_of_each()) {
        let of = |imports: &[Import]| {
            let mut rig = Rig::new(AccountName::new(AccountKind::Enterprise, "octo-ent"));
            imports.iter().for_each(|import| rig.import(import));
            rig
        };
        let (left, right) = (of(&imports), of(&shuffled));
        prop_assert_eq!(bytes(&left), bytes(&right));
        let mut query = everything(Grain::Month);
        query.group = Group { repository: true, model: true };
        prop_assert_eq!(left.answer(&query), right.answer(&query), "spellings");
    }

    #[test]
    fn a_revert_gives_back_what_was_before(
        (kind, steps, more) in account_kind()
            .prop_flat_map(|kind| (Just(kind), history(kind), vec(import(kind), 1..3))),
    ) {
        let (mut rig, _) = play(kind, &steps);
        let mut query = everything(Grain::Day);
        query.group = Group { repository: true, model: true };
        let (before, answer) = (bytes(&rig), rig.answer(&query));
        let fingerprints = |rig: &Rig| -> Vec<Digest> {
            months().map(|month| rig.plan(month).fingerprint(Digest([0; 32]))).collect()
        };
        let named = fingerprints(&rig);
        let first = rig.imports.len();
        more.iter().for_each(|import| rig.import(import));
        prop_assert_ne!(fingerprints(&rig), named.clone());
        (first..rig.imports.len()).for_each(|number| rig.revert(number));
        prop_assert_eq!(bytes(&rig), before);
        prop_assert_eq!(fingerprints(&rig), named);
        prop_assert_eq!(rig.answer(&query), answer);
    }
}

/// At most one import of each kind and scope, in two orders, their lines too.
fn one_of_each() -> impl Strategy<Value = (Vec<Import>, Vec<Import>)> {
    let scopes = [None, Some("octo"), Some("ACME")];
    let pairs: Vec<_> = scopes
        .into_iter()
        .flat_map(|scope| ReportKind::ALL.map(|kind| (scope, kind)))
        .collect();
    let chosen = proptest::sample::subsequence(pairs, 2..8);
    let imports = chosen.prop_flat_map(|chosen| {
        let imports = chosen.into_iter().map(|(scope, kind)| part(scope, kind));
        imports.collect::<Vec<_>>()
    });
    imports.prop_flat_map(|mut imports| {
        let lines = |import: &mut Import| import.parts.values_mut().next().map(std::mem::take);
        for import in &mut imports {
            // Lines that differ in their amounts alone have no order of their own.
            let twins = lines(import).into_iter().flatten().flat_map(|line| {
                // Toward zero, so that the twin is within the limits too.
                let quantity = line.quantity - line.quantity.signum();
                [line.clone(), Line { quantity, ..line }]
            });
            let twins = twins.collect();
            import
                .parts
                .values_mut()
                .for_each(|part| *part = Vec::clone(&twins));
        }
        let mut reversed = imports.clone();
        for import in &mut reversed {
            import.parts.values_mut().for_each(|part| part.reverse());
        }
        (Just(imports), Just(reversed).prop_shuffle())
    })
}

#[test]
fn a_statement_of_other_rules_is_not_read() {
    let rig = Rig::new(AccountName::new(AccountKind::Enterprise, "octo-ent"));
    let parts = rig.statement(Month::new(2026, 1).unwrap()).encode();
    assert!(Source::decode(&parts[0]).unwrap().is_some());
    // After the mark stand the format and the version of the rules.
    assert_eq!(parts[0][3..5], [FORMAT, u8::try_from(RULES).unwrap()]);
    for place in [3, 4] {
        for change in [-1, 1] {
            let mut other = parts[0].clone();
            other[place] = other[place].wrapping_add_signed(change);
            assert_eq!(Source::decode(&other).unwrap(), None);
        }
    }
}

/// The finer wins, by day and SKU; and an import for one organization yields.
#[test]
fn ownership_by_example() {
    let line = |day: i8, sku: &'static str, organization: &str, quantity: i128| Line {
        hour: Month::new(2026, 1).unwrap().day(day).unwrap().first_hour(),
        product: "p",
        sku,
        unit: "u",
        names: [organization, "", "", "", "", ""].map(str::to_owned),
        price: 0,
        quantity,
        gross: 0,
        discount: 0,
    };
    let one = |organization, kind, lines: Vec<Line>| Import {
        organization,
        parts: [(kind, lines)].into(),
        live: true,
    };
    let premium = "copilot_premium_request";
    let imports = [
        one(
            None,
            ReportKind::Summarized,
            (1..=9).map(|day| line(day, premium, "octo", 1)).collect(),
        ),
        one(
            None,
            ReportKind::PremiumRequest,
            vec![line(2, premium, "octo", 10), line(4, premium, "acme", 10)],
        ),
        // Covers day 3 without a line of it, and every SKU: the summarized lines of 3 do not count.
        one(
            None,
            ReportKind::Detailed,
            vec![line(5, "x", "octo", 100), line(7, premium, "octo", 100)],
        ),
        // Yields on the days 1 to 9, counts on the 10th.
        one(
            Some("octo"),
            ReportKind::AiCredit,
            vec![line(9, "x", "octo", 1000), line(10, "x", "octo", 1000)],
        ),
    ];
    let mut rig = Rig::new(AccountName::new(AccountKind::Enterprise, "octo-ent"));
    imports.iter().for_each(|import| rig.import(import));
    let by_day: Vec<(i8, BigInt)> = rig
        .answer(&everything(Grain::Day))
        .iter()
        .map(|row| (row.start.day().of_month(), row.sums[0].clone()))
        .collect();
    let expected = [
        (1, 1),
        (2, 10),
        (4, 10),
        (5, 100),
        (7, 100),
        (8, 1),
        (9, 1),
        (10, 1000),
    ];
    assert_eq!(by_day, expected.map(|(day, sum)| (day, BigInt::from(sum))));
    let days: BTreeSet<i8> = by_day.iter().map(|(day, _)| *day).collect();
    assert!(
        !days.contains(&3) && !days.contains(&6),
        "owned, and nothing there"
    );
}
