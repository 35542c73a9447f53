//! The documentation's and the schemas' examples of bodies with envelopes, ignoring whitespace.

use super::*;
use tallybook_core::dimension::Dimension;
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::query::{Rate, Totals};
use tallybook_core::rate::RateKey;
use tallybook_core::statement::build::{BuilderLine, StatementBuilder};
use tallybook_core::time::{Day, Month};

const LINUX: Words<'_> = Words {
    product_id: "actions",
    product_display: "Actions",
    sku_id: "actions_linux",
    sku_display: "Actions Linux",
    unit_id: "minutes",
    unit_pascal: "Minutes",
};

const PREMIUM: Words<'_> = Words {
    product_id: "copilot",
    product_display: "Copilot",
    sku_id: "copilot_premium_request",
    sku_display: "Copilot Premium Request",
    unit_id: "requests",
    unit_pascal: "Requests",
};

fn totals(quantity: &str, gross: &str) -> Totals {
    Totals {
        quantity: Quantity::parse(quantity).unwrap(),
        discount_quantity: Quantity::ZERO,
        gross: Amount::parse(gross).unwrap(),
        discount: Amount::ZERO,
    }
}

fn rate(price: &str) -> Rate {
    Rate {
        product: "p".into(),
        sku: "s".into(),
        unit: "u".into(),
        price: Price::parse(price).unwrap(),
    }
}

fn row<'a>(rate: &'a Arc<Rate>, model: &'a str, totals: Totals) -> Row<'a> {
    Row {
        start: Day::parse("2025-01-01").unwrap().first_hour(),
        rate,
        organization: "",
        repository: "",
        model,
        totals,
    }
}

fn year_of(account_kind: AccountKind, account: &str) -> Envelope {
    Envelope {
        time_period: TimePeriod {
            year: 2025,
            month: None,
            day: None,
        },
        account_kind,
        account: account.to_owned(),
        echoes: Echoes::default(),
    }
}

fn requests(envelope: &Envelope, rows: &[Row<'_>]) -> String {
    let mut writer = RequestsWriter::default();
    let mut out = Vec::new();
    writer.open(&mut out, envelope);
    for row in rows {
        writer.item(&mut out, row, &PREMIUM);
    }
    writer.close(&mut out);
    String::from_utf8(out).unwrap()
}

fn summary(envelope: &Envelope, items: &[(Rate, Totals)]) -> String {
    let label = |(rate, _): &(Rate, Totals)| label(rate, &LINUX);
    let labels: Vec<_> = items.iter().map(label).collect();
    let totals = items.iter().map(|(_, totals)| totals);
    let items = labels.iter().map(|label| &**label).zip(totals);
    String::from_utf8(summary_body(envelope, items)).unwrap()
}

#[test]
fn enterprise_summary_example() {
    let items = [(rate("0.008"), totals("1000", "8"))];
    let envelope = year_of(AccountKind::Enterprise, "GitHub");
    let expected = concat!(
        r#"{"timePeriod":{"year":2025},"enterprise":"GitHub","usageItems":[{"#,
        r#""product":"Actions","sku":"actions_linux","unitType":"minutes","#,
        r#""pricePerUnit":0.008,"grossQuantity":1000,"grossAmount":8,"discountQuantity":0,"#,
        r#""discountAmount":0,"netQuantity":1000,"netAmount":8}]}"#,
    );
    assert_eq!(summary(&envelope, &items), expected);
}

#[test]
fn premium_request_examples_of_all_three_kinds() {
    let rate = Arc::new(rate("0.04"));
    let rows = [row(&rate, "GPT-5", totals("100", "4"))];
    let accounts = [
        (AccountKind::Enterprise, "GitHub"),
        (AccountKind::Organization, "GitHub"),
        (AccountKind::User, "monalisa"),
    ];
    for (kind, name) in accounts {
        let expected = format!(
            concat!(
                r#"{{"timePeriod":{{"year":2025}},"{}":"{}","usageItems":[{{"#,
                r#""product":"Copilot","sku":"Copilot Premium Request","model":"GPT-5","#,
                r#""unitType":"requests","pricePerUnit":0.04,"grossQuantity":100,"grossAmount":4,"#,
                r#""discountQuantity":0,"discountAmount":0,"netQuantity":100,"netAmount":4}}]}}"#,
            ),
            kind.as_str(),
            name
        );
        let envelope = year_of(kind, name);
        assert_eq!(requests(&envelope, &rows), expected);
    }
}

#[test]
fn a_day_and_every_echo() {
    let mut envelope = year_of(AccountKind::Enterprise, "Octo \"Ent\"");
    envelope.time_period = TimePeriod {
        year: 2025,
        month: Some(11),
        day: Some(2),
    };
    envelope.echoes = Echoes {
        organization: Some("octo-org".to_owned()),
        repository: Some("octo-org/api".to_owned()),
        user: Some("monalisa".to_owned()),
        product: Some("Actions".to_owned()),
        sku: Some("actions_linux".to_owned()),
        model: Some("GPT-5".to_owned()),
        cost_center: Some(CostCenterEcho {
            id: "2eeb8ffe-6903-11ee-8c99-0242ac120002".to_owned(),
            name: "Ops".to_owned(),
        }),
    };
    let expected = concat!(
        r#"{"timePeriod":{"year":2025,"month":11,"day":2},"enterprise":"Octo \"Ent\"","#,
        r#""user":"monalisa","organization":"octo-org","repository":"octo-org/api","#,
        r#""product":"Actions","sku":"actions_linux","model":"GPT-5","costCenter":{"#,
        r#""id":"2eeb8ffe-6903-11ee-8c99-0242ac120002","name":"Ops"},"usageItems":[]}"#,
    );
    assert_eq!(summary(&envelope, &[]), expected);
    assert_eq!(requests(&envelope, &[]), expected);
}

#[test]
fn items_are_separated_by_commas() {
    let premium = Arc::new(rate("0.04"));
    let rows = [
        row(&premium, "GPT-5", totals("1", "0.04")),
        row(&premium, "o3", totals("2", "0.08")),
    ];
    let envelope = year_of(AccountKind::User, "monalisa");
    let value: serde_json::Value = serde_json::from_str(&requests(&envelope, &rows)).unwrap();
    assert_eq!(value["usageItems"][1]["model"], "o3");
    assert_eq!(value["usageItems"].as_array().map(Vec::len), Some(2));
    let items = [
        (rate("0.008"), totals("1", "0.008")),
        (rate("0.016"), totals("1", "0.016")),
    ];
    let value: serde_json::Value = serde_json::from_str(&summary(&envelope, &items)).unwrap();
    assert_eq!(value["usageItems"][1]["pricePerUnit"], 0.016);
    assert_eq!(value["usageItems"].as_array().map(Vec::len), Some(2));
}

#[test]
fn each_order_of_rates_has_labels_of_its_own() {
    let catalog = Catalog::parse(Catalog::BUILTIN).unwrap();
    let labels = Labels::default();
    let skus = ["actions_linux", "actions_windows"];
    let shown = |index: usize| -> Vec<u8> {
        let order = Arc::new(order_of(skus[index % 2]));
        let first = labels.of(&order, &catalog);
        assert!(Arc::ptr_eq(&first, &labels.of(&order, &catalog)));
        first[0].to_vec()
    };
    // More than are remembered, each dropped before the next is created, so that addresses recur.
    for index in 0..2 * MOST_LABELLED.get() {
        let shown = String::from_utf8(shown(index)).unwrap();
        assert!(shown.contains(skus[index % 2]), "{index}: {shown}");
    }
    assert_eq!(labels.lock().len(), MOST_LABELLED.get());
}

/// The order of the rates of a statement with one line.
fn order_of(sku: &str) -> RateOrder {
    let mut builder = StatementBuilder::new(Month::new(2026, 1).unwrap());
    let rate = RateKey {
        folded_sku: sku.to_owned(),
        sku: sku.to_owned(),
        product: "actions".to_owned(),
        unit: "minutes".to_owned(),
        price: Price::ZERO,
    };
    let rate = builder.rate(rate, None);
    let names = Dimension::ALL.map(|dimension| builder.name(dimension, ""));
    builder.push(BuilderLine {
        hour: 0,
        rate,
        names,
        quantity: 1,
        gross: 0,
        discount: 0,
    });
    RateOrder::new([builder.finish().summary()].into_iter())
}
