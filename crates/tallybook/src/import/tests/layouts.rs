//! Layouts are recognised by all their columns.

use super::*;
use tallybook_core::report::Column;

#[test]
fn a_summarized_report_may_have_a_model() {
    let (summary, kept) = good(&fixture("summarized_with_model.csv"));
    assert_eq!((summary.layout, summary.lines), (Layout::Summarized, 3));
    assert_eq!(summary.unknown_columns, [""; 0]);
    // Its quantity is a sum of doubles: 4989.661349999989.
    assert_eq!(kept.sums["actions_storage"][0], 4_989_661_350_000);
}

/// A detailed line with one column more.
fn detailed_with(column: &str, value: &str) -> String {
    format!(
        "{HEADER},{column}\n\
         2025-11-01,actions,actions_linux,9,minutes,0.008,0.072,0,0.072,m,o,r,w,,{value}\n"
    )
}

#[test]
fn one_column_of_another_kind_does_not_make_that_kind() {
    for (column, value) in [
        ("model", "GPT-5"),
        ("exceeds_quota", "True"),
        ("total_monthly_quota", "1500"),
        ("aic_quantity", "0"),
        ("input", "3"),
    ] {
        let (summary, _) = good(detailed_with(column, value).as_bytes());
        assert_eq!(summary.layout, Layout::Detailed, "{column}");
        assert_eq!(summary.unknown_columns, [""; 0], "{column}");
    }
    // The line's value in that column is kept.
    let (_, kept) = good(detailed_with("model", "GPT-5").as_bytes());
    assert!(
        kept.lines[0].contains(r#"model: "GPT-5""#),
        "{:?}",
        kept.lines
    );
}

#[test]
fn a_missing_column_names_the_layouts_that_came_closest() {
    for (header, expected) in [
        (
            HEADER.replace("discount_amount,", ""),
            "closest are: detailed (which also needs discount_amount), summarized (which also \
             needs discount_amount)",
        ),
        (
            "date,username,product,sku,model,quantity,unit_type,applied_cost_per_quantity,\
             gross_amount,discount_amount,exceeds_quota,total_monthly_quota"
                .to_owned(),
            "closest are: premium_request (which also needs net_amount), ai_credit (which also \
             needs net_amount)",
        ),
        (
            "Date,Product,SKU,Quantity,Unit Type,Multiplier,Owner,Repository Slug".to_owned(),
            "closest is: usage report before 2024 (which also needs price per unit ($))",
        ),
        (
            "date,product,sku,quantity".to_owned(),
            "closest is: usage report before 2024 (which also needs unit_type, price per unit ($))",
        ),
    ] {
        let message = error(header.as_bytes());
        assert!(message.starts_with("usage.csv, line 1: "), "{message}");
        assert!(message.ends_with(expected), "{message}");
    }
}

#[test]
fn every_layout_is_told_from_its_required_columns_alone() {
    for layout in Layout::ALL {
        let required: Vec<&str> = layout.required().map(Column::name).collect();
        let header = required.join(",") + "\n";
        let (summary, _) = good(header.as_bytes());
        assert_eq!(summary.layout, layout, "{header}");
    }
}
