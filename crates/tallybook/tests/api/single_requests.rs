//! Which usage belongs to premium requests and which to AI credits: reports and endpoints agree.

use crate::exports::{Rows, export_of, rows};
use crate::server::{Server, ai_credits, detailed, enterprise, premium_requests};
use bigdecimal::BigDecimal;
use std::collections::BTreeMap;
use std::str::FromStr;
use tallybook_core::report::ReportKind;

const NOW: &str = "2026-06-20";
const ENTERPRISE: &str = "/enterprises/octo-ent/settings/billing";

/// May and June of 2026, the months in which AI credits took the place of premium requests.
const DAYS: [(&str, &str); 2] = [("2026-05-01", "2026-05-31"), ("2026-06-01", "2026-06-30")];

async fn export(server: &Server, kind: ReportKind) -> Rows {
    let mut all = Rows::new();
    for days in DAYS {
        let bytes = export_of(server, &enterprise("octo-ent"), kind, days).await;
        all.extend(rows(&bytes));
    }
    all
}

/// The sum of an exported report's column.
fn sum(rows: &Rows, column: &str) -> BigDecimal {
    rows.values().filter_map(|sums| sums.get(column)).sum()
}

/// Gross quantities of an endpoint's items by SKU.
async fn quantities(server: &Server, endpoint: &str) -> BTreeMap<String, BigDecimal> {
    let answer = server
        .get(&format!("{ENTERPRISE}/{endpoint}?year=2026"))
        .await
        .ok();
    let mut quantities: BTreeMap<String, BigDecimal> = BTreeMap::new();
    for item in answer.items() {
        let quantity = BigDecimal::from_str(&item["grossQuantity"].to_string()).unwrap();
        *quantities
            .entry(item["sku"].as_str().unwrap().to_owned())
            .or_default() += quantity;
    }
    quantities
}

/// A report of AI credits holds premium requests and unknown SKUs; all of it comes back.
#[tokio::test]
async fn an_ai_credit_report_comes_back_with_its_premium_requests() {
    let report = ai_credits(&[
        "2026-05-30,mona,copilot,copilot_premium_request,GPT-5,3,requests,0.04,0.12,0.12,0,0,octo,api,,9,0.09",
        "2026-05-31,mona,copilot,coding_agent_premium_request,GPT-5,2,requests,0.04,0.08,0,0.08,0,octo,,,5,0.05",
        "2026-06-01,mona,copilot,copilot_ai_credit,GPT-5,250,ai-credits,0.01,2.5,2.5,0,3900,octo,api,,0,0",
        "2026-06-02,zoe,copilot,coding_agent_ai_unit,GPT-5,7,ai-units,0.01,0.07,0,0.07,3900,octo,,,0,0",
        "2026-06-02,zoe,gizmos,gizmo_turns,GPT-5,11,turns,0.5,5.5,0,5.5,,octo,,,0,0",
    ]);
    let first = Server::new(NOW).await;
    let file = ("credits.csv", report.clone());
    first.import(&enterprise("octo-ent"), &[file]).await;
    let exported = export(&first, ReportKind::AiCredit).await;
    let imported = rows(&report);
    assert_eq!(
        sum(&exported, "gross_amount"),
        sum(&imported, "gross_amount")
    );
    assert_eq!(
        sum(&exported, "aic_quantity"),
        sum(&imported, "aic_quantity")
    );
    assert_eq!(exported.len(), imported.len());

    let second = Server::new(NOW).await;
    for days in DAYS {
        let account = enterprise("octo-ent");
        let bytes = export_of(&first, &account, ReportKind::AiCredit, days).await;
        second.import(&account, &[("exported.csv", bytes)]).await;
    }
    assert_eq!(export(&second, ReportKind::AiCredit).await, exported);
    for endpoint in ["premium_request/usage", "ai_credit/usage", "usage/summary"] {
        let (left, right) = (
            quantities(&first, endpoint).await,
            quantities(&second, endpoint).await,
        );
        assert_eq!(left, right, "{endpoint}");
    }
    let skus = async |endpoint| -> Vec<String> {
        quantities(&first, endpoint).await.into_keys().collect()
    };
    assert_eq!(
        skus("premium_request/usage").await,
        ["Copilot Cloud Agent", "Copilot Premium Request"]
    );
    assert_eq!(
        skus("ai_credit/usage").await,
        ["Coding Agent AI Units", "Copilot AI Credits", "gizmo_turns"]
    );
}

/// A SKU that the catalogue lacks is in the report and at the endpoint of its unit with all of its
/// usage, whichever report named it, and under one name.
#[tokio::test]
async fn a_report_and_its_endpoint_agree_on_what_the_catalogue_lacks() {
    let server = Server::new(NOW).await;
    let requests = premium_requests(&[
        "2026-05-02,mona,copilot,new_requests,GPT-5,7,requests,0.04,0.28,0,0.28,True,300,octo,,,",
    ]);
    let both = detailed(&[
        "2026-05-01,copilot,New_Requests,5,Requests,0.04,0.2,0,0.2,mona,octo,,,",
        "2026-05-02,copilot,new_requests,7,requests,0.04,0.28,0,0.28,mona,octo,,,",
    ]);
    for (name, file) in [("requests.csv", requests), ("detailed.csv", both)] {
        server
            .import(&enterprise("octo-ent"), &[(name, file)])
            .await;
    }
    let twelve = BigDecimal::from(12);
    let expected = BTreeMap::from([("New_Requests".to_owned(), twelve.clone())]);
    assert_eq!(quantities(&server, "premium_request/usage").await, expected);
    assert!(quantities(&server, "ai_credit/usage").await.is_empty());
    assert_eq!(quantities(&server, "usage/summary").await, expected);
    let exported = export(&server, ReportKind::PremiumRequest).await;
    assert_eq!(sum(&exported, "quantity"), twelve);
    assert!(exported.keys().all(|row| row["sku"] == "New_Requests"));
}
