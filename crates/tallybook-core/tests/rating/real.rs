//! A real enterprise's report of two days, rated again from its quantities alone.
//!
//! GitHub's amounts of storage are sums of hourly ones that were cut off, so gross amounts differ
//! by up to a hundredth; what is free and what is paid has to be the same, line by line.

use crate::case::{Usage, rate};
use std::collections::BTreeMap;
use tallybook_core::account::{AccountKind, AccountName, Plan};
use tallybook_core::catalog::Catalog;
use tallybook_core::ids::LogId;
use tallybook_core::ledger::Account;
use tallybook_core::money::{Amount, Quantity};
use tallybook_core::rating::terms::Terms;
use tallybook_core::time::{Day, Instant};

const REPORT: &str =
    include_str!("../../../tallybook/tests/fixtures/reports/detailed_2025-11-01_02.csv");

/// Nothing is published for custom images; this is where that enterprise's ran out.
const OWN: &str = "included custom_image_storage \"Included custom image storage\"\n  worth dollars\n  \
    covers actions_custom_image_storage\n  plan enterprise 9.0463713\n";

const CUSTOM: &str = "actions_custom_image_storage";

/// What the report states of a line.
#[derive(Default)]
struct Stated {
    quantity: Quantity,
    gross: Amount,
    discount: Amount,
    net: Amount,
}

fn stated() -> BTreeMap<Usage, Stated> {
    let mut lines: BTreeMap<Usage, Stated> = BTreeMap::new();
    for row in REPORT.lines().skip(1) {
        let cells: Vec<&str> = row.trim_matches('"').split("\",\"").collect();
        let amount = |cell: usize| Amount::parse(cells[cell]).unwrap();
        let line = lines.entry(Usage {
            hour: Day::parse(cells[0]).unwrap().first_hour(),
            sku: cells[2].to_owned(),
            organization: cells[10].to_owned(),
            repository: cells[11].to_owned(),
            user: cells[9].to_owned(),
            model: String::new(),
            quantity: Quantity::ZERO,
        });
        let line = line.or_default();
        line.quantity += Quantity::parse(cells[3]).unwrap();
        line.gross += amount(6);
        line.discount += amount(7);
        line.net += amount(8);
    }
    lines
}

#[test]
fn what_was_free_is_free_and_what_was_paid_is_paid() {
    let stated = stated();
    let catalog = Catalog::parse(Catalog::BUILTIN)
        .unwrap()
        .layered(OWN)
        .unwrap();
    let name = AccountName::new(AccountKind::Enterprise, "octo");
    let mut account = Account::new(LogId(1), name);
    let at = Instant::parse("2025-11-01").unwrap();
    account.plans.push((at, Plan::Enterprise));
    let with_quantity = |(line, stated): (&Usage, &Stated)| Usage {
        quantity: stated.quantity,
        ..line.clone()
    };
    let lines: Vec<Usage> = stated.iter().map(with_quantity).collect();
    let (rated, _) = rate(&catalog, &Terms::new(&account, &catalog), &lines);
    let mut custom = [Amount::ZERO; 2];
    for ((line, stated), rated) in stated.iter().zip(rated) {
        let rated = rated.unwrap();
        let difference = (rated.gross - stated.gross).nanos().abs();
        assert!(
            difference <= 10_000,
            "{line:?}: {} {}",
            rated.gross,
            stated.gross
        );
        if line.sku == CUSTOM {
            custom[0] += rated.discount;
            custom[1] += stated.discount;
            continue;
        }
        let is_whole = rated.discount.is_zero() || rated.discount == rated.gross;
        assert!(is_whole, "{line:?}: free in part");
        let net = (rated.gross - rated.discount - stated.net).nanos().abs();
        assert!(net <= 2, "{line:?}: net {}", stated.net);
    }
    assert_eq!(custom[0], custom[1]);
    assert!(stated.len() > 1000, "{} lines", stated.len());
}
