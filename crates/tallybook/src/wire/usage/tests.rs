//! The documentation's examples of `usage`, byte for byte except whitespace.

use super::*;
use proptest::prelude::*;
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::time::Day;

const LINUX: Words<'_> = Words {
    product_id: "actions",
    product_display: "Actions",
    sku_id: "actions_linux",
    sku_display: "Actions Linux",
    unit_id: "minutes",
    unit_pascal: "Minutes",
};

fn rate() -> Arc<Rate> {
    Arc::new(Rate {
        product: "actions".into(),
        sku: "actions_linux".into(),
        unit: "minutes".into(),
        price: Price::parse("0.008").unwrap(),
    })
}

fn row<'a>(rate: &'a Arc<Rate>, organization: &'a str, repository: &'a str) -> Row<'a, Charges> {
    Row {
        start: Day::parse("2023-08-01").unwrap().first_hour(),
        rate,
        organization,
        repository,
        model: "",
        totals: Charges {
            quantity: Quantity::parse("100").unwrap(),
            gross: Amount::parse("0.8").unwrap(),
            discount: Amount::ZERO,
        },
    }
}

fn body(shape: UsageShape, owner: &str, rows: &[Row<'_, Charges>]) -> String {
    let mut writer = UsageWriter::new(shape, owner);
    let mut out = Vec::new();
    writer.open(&mut out);
    for row in rows {
        writer.item(&mut out, row, || LINUX);
    }
    writer.close(&mut out);
    String::from_utf8(out).unwrap()
}

fn shape(dialect: Dialect, grain: Grain, with_organization: bool) -> UsageShape {
    UsageShape {
        dialect,
        grain,
        with_organization,
    }
}

#[test]
fn enterprise_and_organization_example() {
    let rate = rate();
    let shape = shape(Dialect::Documented, Grain::Month, true);
    let expected = concat!(
        r#"{"usageItems":[{"date":"2023-08-01","product":"Actions","sku":"Actions Linux","#,
        r#""quantity":100,"unitType":"minutes","pricePerUnit":0.008,"grossAmount":0.8,"#,
        r#""discountAmount":0,"netAmount":0.8,"organizationName":"GitHub","#,
        r#""repositoryName":"github/example"}]}"#,
    );
    // The example's organization and repository owner differ in case; the owner is the organization
    // in its own spelling.
    let expected = expected.replace("github/example", "GitHub/example");
    assert_eq!(
        body(shape, "", &[row(&rate, "GitHub", "example")]),
        expected
    );
}

#[test]
fn user_example() {
    let rate = rate();
    let shape = shape(Dialect::Documented, Grain::Month, false);
    let expected = concat!(
        r#"{"usageItems":[{"date":"2023-08-01","product":"Actions","sku":"Actions Linux","#,
        r#""quantity":100,"unitType":"minutes","pricePerUnit":0.008,"grossAmount":0.8,"#,
        r#""discountAmount":0,"netAmount":0.8,"repositoryName":"user/example"}]}"#,
    );
    assert_eq!(body(shape, "user", &[row(&rate, "", "example")]), expected);
}

#[test]
fn no_repository_and_no_organization() {
    let rate = rate();
    let documented = body(
        shape(Dialect::Documented, Grain::Day, true),
        "",
        &[row(&rate, "", "")],
    );
    assert!(
        documented.ends_with(r#""netAmount":0.8,"organizationName":""}]}"#),
        "{documented}"
    );
    let observed = body(
        shape(Dialect::Observed, Grain::Day, true),
        "",
        &[row(&rate, "octo-org", "")],
    );
    let end = r#""organizationName":"octo-org","repositoryName":""}]}"#;
    assert!(observed.ends_with(end), "{observed}");
}

#[test]
fn observed_words_and_instants() {
    let rate = rate();
    let observed = body(
        shape(Dialect::Observed, Grain::Day, true),
        "",
        &[row(&rate, "octo-org", "api"), row(&rate, "octo-org", "web")],
    );
    let item = |repository: &str| {
        format!(
            concat!(
                r#"{{"date":"2023-08-01T00:00:00Z","product":"actions","sku":"Actions Linux","#,
                r#""quantity":100,"unitType":"Minutes","pricePerUnit":0.008,"grossAmount":0.8,"#,
                r#""discountAmount":0,"netAmount":0.8,"organizationName":"octo-org","#,
                r#""repositoryName":"{}"}}"#,
            ),
            repository
        )
    };
    assert_eq!(
        observed,
        format!(r#"{{"usageItems":[{},{}]}}"#, item("api"), item("web"))
    );
}

#[test]
fn hours_show_their_date_and_observed_ones_their_instant() {
    let rate = rate();
    let start = Day::parse("2025-11-01").unwrap().hour(13).unwrap();
    let row = Row {
        start,
        ..row(&rate, "octo-org", "api")
    };
    let documented = body(shape(Dialect::Documented, Grain::Hour, true), "", &[row]);
    assert!(
        documented.contains(r#""date":"2025-11-01","#),
        "{documented}"
    );
    let observed = body(shape(Dialect::Observed, Grain::Hour, true), "", &[row]);
    assert!(
        observed.contains(r#""date":"2025-11-01T13:00:00Z","#),
        "{observed}"
    );
}

#[test]
fn repositories_of_other_owners_keep_them() {
    let rate = rate();
    let rows = [row(&rate, "octo-org", "other/api")];
    let documented = body(shape(Dialect::Documented, Grain::Day, true), "", &rows);
    assert!(
        documented.contains(r#""repositoryName":"other/api""#),
        "{documented}"
    );
    let observed = body(shape(Dialect::Observed, Grain::Day, true), "", &rows);
    assert!(observed.contains(r#""repositoryName":"api""#), "{observed}");
}

#[test]
fn changing_rates_and_dates_are_noticed() {
    let cheap = rate();
    let dear = Arc::new(Rate {
        price: Price::parse("0.016").unwrap(),
        ..(*cheap).clone()
    });
    let later = Row {
        start: Day::parse("2023-09-01").unwrap().first_hour(),
        ..row(&cheap, "o", "")
    };
    let shape = shape(Dialect::Documented, Grain::Month, true);
    let body = body(
        shape,
        "",
        &[row(&cheap, "o", ""), row(&dear, "o", ""), later],
    );
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let items = value["usageItems"].as_array().unwrap();
    let shown: Vec<_> = items
        .iter()
        .map(|item| format!("{} {}", item["date"], item["pricePerUnit"]))
        .collect();
    let expected = [
        "\"2023-08-01\" 0.008",
        "\"2023-08-01\" 0.016",
        "\"2023-09-01\" 0.008",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn an_answer_without_items_is_an_empty_list() {
    let shape = shape(Dialect::Documented, Grain::Month, true);
    assert_eq!(body(shape, "", &[]), r#"{"usageItems":[]}"#);
}

/// One item, the slow and obvious way: texts by serde_json, numbers as they print themselves.
fn expected(shape: UsageShape, owner: &str, row: &Row<'_, Charges>, words: &Words<'_>) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let documented = shape.dialect == Dialect::Documented;
    let (product, unit) = if documented {
        (words.product_display, words.unit_id)
    } else {
        (words.product_id, words.unit_pascal)
    };
    let Charges {
        quantity,
        gross,
        discount,
    } = row.totals;
    let mut item = format!(
        "{{\"date\":\"{}{}\",\"product\":{},\"sku\":{},\"quantity\":{quantity},\"unitType\":{},\
         \"pricePerUnit\":{},\"grossAmount\":{gross},\"discountAmount\":{discount},\
         \"netAmount\":{}",
        row.start.day(),
        if documented { "" } else { "T00:00:00Z" },
        text(product),
        text(words.sku_display),
        text(unit),
        row.rate.price,
        gross - discount,
    );
    if shape.with_organization {
        item += &format!(",\"organizationName\":{}", text(row.organization));
    }
    let owner = if row.organization.is_empty() {
        owner
    } else {
        row.organization
    };
    let name = row.repository;
    let repository = match (documented, name.rsplit_once('/')) {
        (true, _) if name.is_empty() => None,
        (true, None) if !owner.is_empty() => Some(format!("{owner}/{name}")),
        (true, _) | (false, None) => Some(name.to_owned()),
        (false, Some((_, own))) => Some(own.to_owned()),
    };
    if let Some(repository) = repository {
        item += &format!(",\"repositoryName\":{}", text(&repository));
    }
    item + "}"
}

/// Short and long names, some with escapes.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{0,2}",
        3 => "[a-z/\"\\\\é\n]{0,20}",
        1 => "[a-z]{0,140}",
    ]
}

fn nanos() -> impl Strategy<Value = i128> {
    let units = 10i128.pow(9);
    prop_oneof![
        Just(0),
        -10 * units..10 * units,
        (-2000..2_000_000i128).prop_map(move |whole| whole * units),
        (0u32..70).prop_map(|shift| (1i128 << shift) - 1),
        -10i128.pow(24)..10i128.pow(24),
    ]
}

proptest! {
    #[test]
    fn items_are_what_the_obvious_writer_writes(
        names in proptest::collection::vec((name(), name(), nanos(), nanos(), nanos()), 1..12),
        words in (name(), name(), name()), repeat in 1usize..3,
        owner in name(), documented: bool, with_organization: bool,
    ) {
        let dialect = if documented { Dialect::Documented } else { Dialect::Observed };
        let shape = shape(dialect, Grain::Day, with_organization);
        let (product, sku, unit) = &words;
        let words = Words {
            product_id: product,
            product_display: product,
            sku_id: sku,
            sku_display: sku,
            unit_id: unit,
            unit_pascal: unit,
        };
        let rate = Arc::new(Rate {
            product: product.as_str().into(),
            sku: sku.as_str().into(),
            unit: unit.as_str().into(),
            price: Price::parse("0.008").unwrap(),
        });
        let mut writer = UsageWriter::new(shape, &owner);
        let mut out = Vec::new();
        let mut items = Vec::new();
        for (organization, repository, quantity, gross, discount) in &names {
            for _ in 0..repeat {
                let row = Row {
                    totals: Charges {
                        quantity: Quantity::from_nanos(*quantity),
                        gross: Amount::from_nanos(*gross),
                        discount: Amount::from_nanos(*discount),
                    },
                    ..row(&rate, organization, repository)
                };
                writer.item(&mut out, &row, || words);
                items.push(expected(shape, &owner, &row, &words));
            }
        }
        prop_assert_eq!(String::from_utf8(out).unwrap(), items.join(","));
    }
}

#[test]
fn words_of_any_length_are_written_alike() {
    let rate = rate();
    let shape = shape(Dialect::Documented, Grain::Day, true);
    for length in 0..140 {
        let long = "x".repeat(length);
        for words in [
            Words {
                sku_display: &long,
                ..LINUX
            },
            Words {
                unit_id: &long,
                ..LINUX
            },
        ] {
            let row = row(&rate, "octo-org", "api");
            let mut writer = UsageWriter::new(shape, "");
            let mut out = Vec::new();
            writer.item(&mut out, &row, || words);
            writer.item(&mut out, &row, || words);
            let item = expected(shape, "", &row, &words);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("{item},{item}"),
                "{length}"
            );
        }
    }
}
