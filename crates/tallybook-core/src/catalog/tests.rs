//! The built-in catalogue against the published prices, and the errors of the text form.

use super::*;

const PRICES: &str = include_str!("../../tests/data/prices.csv");

fn builtin() -> Catalog {
    Catalog::parse(Catalog::BUILTIN).expect("the built-in catalogue parses")
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn price(text: &str) -> Price {
    Price::parse(text).expect("a price")
}

#[test]
fn agrees_with_the_published_prices_of_both_eras() {
    let catalog = builtin();
    let mut rows = 0;
    for row in PRICES.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [id, display, product, unit, pascal, old, new, ..] = cells[..] else {
            panic!("a short row: {row}");
        };
        let sku = catalog.sku(id).unwrap_or_else(|| panic!("no SKU {id}"));
        let words = catalog.words(product, id, unit);
        assert_eq!(
            (words.product_id, words.sku_id, words.unit_id),
            (product, id, unit)
        );
        assert_eq!((&*sku.product, &*sku.unit), (product, unit), "{id}");
        if !display.is_empty() {
            assert_eq!(words.sku_display, display);
        }
        if !pascal.is_empty() {
            assert_eq!(words.unit_pascal, pascal);
        }
        // A row without any price means that none was published; the catalogue may still derive
        // one.
        if !(old.is_empty() && new.is_empty()) {
            for (text, first, last) in [
                (old, "2000-01-01", "2025-12-31"),
                (new, "2026-01-01", "9999-12-31"),
            ] {
                let expected = (!text.is_empty()).then(|| price(text));
                assert_eq!(sku.price_on(day(first)), expected, "{id} on {first}");
                assert_eq!(sku.price_on(day(last)), expected, "{id} on {last}");
            }
        }
        rows += 1;
    }
    assert_eq!(rows, 45);
}

#[test]
fn every_sku_is_found_by_each_of_its_names_in_any_case() {
    let catalog = builtin();
    let mut ids = std::collections::HashSet::new();
    for sku in catalog.skus() {
        assert!(ids.insert(sku.id.clone()), "{} is twice", sku.id);
        assert_eq!(catalog.sku(&sku.id), Some(sku));
        assert_eq!(catalog.sku(&sku.display), Some(sku));
        assert_eq!(catalog.sku(&sku.display.to_uppercase()), Some(sku));
        let words = catalog.words(&sku.product, &sku.id, &sku.unit);
        let back = catalog.canonical(words.product_display, words.sku_display, words.unit_pascal);
        assert!(back.product.known && back.sku.known && back.unit.known);
        assert_eq!(
            (back.product.id, back.sku.id, back.unit.id),
            (&*sku.product, &*sku.id, &*sku.unit)
        );
    }
    assert!(ids.len() > 70, "{} SKUs", ids.len());
}

#[test]
fn older_spellings_name_the_same_thing() {
    let catalog = builtin();
    let old = catalog.canonical("Actions", "Compute - UBUNTU", "minute");
    assert_eq!(
        (old.product.id, old.sku.id, old.unit.id),
        ("actions", "actions_linux", "minutes")
    );
    let plural = catalog
        .sku("copilot_ai_credits")
        .expect("the documented plural");
    assert_eq!(plural.id, "copilot_ai_credit");
    let agent = catalog
        .sku("copilot_agent_premium_request")
        .expect("an older id");
    assert_eq!(agent.display, "Copilot Cloud Agent");
}

#[test]
fn what_is_unknown_is_called_by_its_own_text() {
    let catalog = builtin();
    let words = catalog.words("Quarry", "quarry_runs", "runs");
    assert_eq!(
        (words.product_id, words.product_display),
        ("Quarry", "Quarry")
    );
    assert_eq!(
        (words.sku_id, words.sku_display),
        ("quarry_runs", "quarry_runs")
    );
    assert_eq!((words.unit_id, words.unit_pascal), ("runs", "runs"));
    let canonical = catalog.canonical("actions", "quarry_runs", "runs");
    assert!(canonical.product.known && !canonical.sku.known && !canonical.unit.known);
    assert_eq!(canonical.sku.id, "quarry_runs");
}

#[test]
fn skus_belong_to_their_reports() {
    let catalog = builtin();
    let kinds = |id: &str| {
        let sku = catalog.sku(id).expect("a SKU");
        ReportKind::ALL.map(|kind| sku.is_in(kind))
    };
    assert_eq!(kinds("actions_linux"), [true, true, false, false]);
    assert_eq!(kinds("spark_premium_request"), [true, true, true, false]);
    assert_eq!(kinds("copilot_ai_credit"), [true, true, false, true]);
}

/// Requests are premium requests, AI units and AI credits are AI credits, and nothing else is in a
/// report of single requests.
#[test]
fn the_unit_of_every_sku_agrees_with_its_report() {
    let catalog = builtin();
    let mut belonging = 0;
    for sku in catalog.skus() {
        let expected = match &*sku.unit {
            "requests" => Some(ReportKind::PremiumRequest),
            "ai-units" | "ai-credits" => Some(ReportKind::AiCredit),
            _ => None,
        };
        assert_eq!(sku.report(), expected, "{}", sku.id);
        assert_eq!(catalog.report_of_unit(&sku.unit), expected, "{}", sku.unit);
        belonging += usize::from(expected.is_some());
    }
    for id in ["copilot_ai_unit", "coding_agent_ai_unit", "spark_ai_unit"] {
        assert_eq!(
            catalog.sku(id).unwrap().report(),
            Some(ReportKind::AiCredit)
        );
    }
    assert_eq!(belonging, 10);
}

#[test]
fn a_price_holds_from_its_day() {
    let catalog = builtin();
    let linux = catalog.sku("actions_linux").expect("a SKU");
    assert_eq!(linux.price_on(day("2025-12-31")), Some(price("0.008")));
    assert_eq!(linux.price_on(day("2026-01-01")), Some(price("0.006")));
    let credit = catalog.sku("copilot_ai_credit").expect("a SKU");
    assert_eq!(credit.price_on(day("2025-12-31")), None);
    let unpriced = catalog.sku("actions_unknown").expect("a SKU");
    assert_eq!(unpriced.price_on(day("2026-01-01")), None);
}

const HEAD: &str = "product p \"P\"\nunit u U\n";

fn check_error(line: &str, column: usize, message: &str) {
    let error = Catalog::parse(&format!("{HEAD}sku s \"S s\" p u\n{line}\n"))
        .expect_err("the line is wrong");
    assert_eq!((error.line, error.column), (4, column), "{line}");
    assert_eq!(error.problem.to_string(), message);
}

#[test]
fn errors_name_line_column_and_reason() {
    check_error(
        "skuu x",
        1,
        "unknown statement 'skuu' (edition, product, unit, sku, included and multipliers are \
         known, and what stands under them: alias, report, price, free, for, worth, times, covers, \
         plan, seat, model and prefix)",
    );
    check_error(
        "sku x \"X\" q u",
        11,
        "there is no product 'q' above this line",
    );
    check_error(
        "sku x \"X\" p v",
        13,
        "there is no unit 'v' above this line",
    );
    check_error("sku x \"X\" p", 12, "the SKU's unit is missing");
    check_error("sku x \"X\" p u more", 15, "unexpected 'more'");
    check_error(
        "sku X \"X\" p u",
        5,
        "'X' is not an id: lower-case letters, digits, '_' and '-' are allowed",
    );
    check_error("sku x \"S S\" p u", 7, "'S S' already names another SKU");
    check_error(
        "sku x \"X",
        7,
        "the text that begins here has no closing quote",
    );
    check_error(
        "sku x \"X\"p u",
        10,
        "white space is needed after a closing quote",
    );
    check_error("  price 1,5", 9, "the price '1,5' is not a decimal number");
    check_error("  price -1", 9, "the price '-1' is negative");
    check_error("  price 1 since 2026-01-01", 11, "unexpected 'since'");
    check_error(
        "  price 1 from 2026-02-30",
        16,
        "'2026-02-30' is not a day: the month has no such day",
    );
    check_error(
        "  report detailed",
        10,
        "'detailed' must be premium_request or ai_credit",
    );
    check_error("  alias", 8, "the alias is missing");
    check_error(
        "sku é \"É\" p u",
        5,
        "'é' is not an id: lower-case letters, digits, '_' and '-' are allowed",
    );
}

#[test]
fn prices_out_of_order_and_orphans_are_refused() {
    let text = format!("{HEAD}sku s \"S\" p u\nprice 1 from 2026-01-01\nprice 2\n");
    let error = Catalog::parse(&text).expect_err("out of order");
    assert_eq!((error.line, error.problem), (5, Problem::PriceOrder));
    for orphan in [
        "alias x",
        "price 1",
        "unit u U\nprice 1",
        "product p P\nreport ai_credit",
    ] {
        let error = Catalog::parse(orphan).expect_err("an orphan");
        assert!(
            matches!(error.problem, Problem::Orphan(..)),
            "{orphan}: {error}"
        );
    }
    let text = format!("{HEAD}sku s \"S\" p u\nreport ai_credit\nreport ai_credit\n");
    let error = Catalog::parse(&text).expect_err("two reports");
    assert_eq!(error.problem, Problem::SecondReport);
}
