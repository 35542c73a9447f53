//! What is admitted can be rated, also when many events of the largest kind make up one line.

use tallybook_core::account::{AccountKind, AccountName, Plan};
use tallybook_core::catalog::Catalog;
use tallybook_core::ids::LogId;
use tallybook_core::ledger::Account;
use tallybook_core::money::{LIMIT_UNITS, Overflow, Quantity};
use tallybook_core::rating::seats::Seats;
use tallybook_core::rating::terms::Terms;
use tallybook_core::rating::{Rater, RatingError, UsageLine, check};
use tallybook_core::time::{Day, Instant};

const TEXT: &str = "product p \"P\"\nunit u U\nsku cheap \"Cheap\" p u\nprice 1\n\
    sku dear \"Dear\" p u\nprice 2 from 2026-01-02\n\
    included i \"I\"\ncovers cheap weight 4000000000\nplan free 1\n\
    multipliers m\ncovers cheap\nmodel big 3\n";

fn most() -> Quantity {
    Quantity::from_nanos(LIMIT_UNITS * 1_000_000_000)
}

#[test]
fn admission_asks_for_a_price_and_an_amount_within_the_limits() {
    let catalog = Catalog::parse(TEXT).unwrap();
    let [first, second] = ["2026-01-01", "2026-01-02"].map(|day| Day::parse(day).unwrap());
    let check = |sku: &str, model: &str, day, quantity| {
        check(&catalog, catalog.sku(sku).unwrap(), model, day, quantity)
    };
    let one = Quantity::from_nanos(1);
    assert_eq!(check("cheap", "", first, most()), Ok(()));
    assert_eq!(
        check("cheap", "", first, most() + one),
        Err(RatingError::Overflow(Overflow))
    );
    assert_eq!(
        check("cheap", "big", first, most()),
        Err(RatingError::Overflow(Overflow))
    );
    assert_eq!(
        check("dear", "", second, most()),
        Err(RatingError::Overflow(Overflow))
    );
    assert_eq!(check("dear", "", second, one), Ok(()));
    assert_eq!(check("dear", "", first, one), Err(RatingError::NoPrice));
}

#[test]
fn a_line_of_many_of_the_largest_events_can_be_rated() {
    let catalog = Catalog::parse(TEXT).unwrap();
    let name = AccountName::new(AccountKind::Organization, "octo");
    let mut account = Account::new(LogId(1), name);
    let at = Instant::parse("2026-01-01").unwrap();
    account.plans.push((at, Plan::Free));
    let terms = Terms::new(&account, &catalog);
    let month = at.month();
    let mut rater = Rater::new(month, &catalog, &terms, Seats::new()).unwrap();
    let quantity = Quantity::from_nanos(most().nanos() << 40);
    let sku = catalog.sku("cheap").unwrap();
    let line = UsageLine {
        hour: at.hour(),
        sku,
        organization: "octo",
        repository: "",
        user: "",
        model: "",
        quantity,
    };
    let rated = rater.rate(&line).unwrap();
    assert_eq!(rated.gross.nanos(), quantity.nanos());
    // A four-billionth of a unit rounds to nothing, and is used up.
    assert_eq!(rated.discount.nanos(), 0);
    assert_eq!(rater.balances()[0].left, 0);
}
