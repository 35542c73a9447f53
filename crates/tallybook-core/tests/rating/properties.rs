//! What must hold whatever was used: the rules agree with the model to the last digit.

use crate::case::{Usage, rate};
use crate::generate::{MODELS, Scenario, USERS, scenario};
use bigdecimal::num_bigint::BigInt;
use proptest::prelude::*;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName, Plan, Visibility};
use tallybook_core::catalog::Catalog;
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, Percent};
use tallybook_core::ids::LogId;
use tallybook_core::ledger::Account;
use tallybook_core::money::Quantity;
use tallybook_core::rating::seats::Seats;
use tallybook_core::rating::terms::Terms;
use tallybook_core::rating::{Rater, UsageLine};
use tallybook_core::time::{Hour, Instant, Month};

fn month() -> Month {
    Month::new(2026, 2).unwrap()
}

fn account(scenario: &Scenario) -> Account {
    let name = AccountName::new(AccountKind::Organization, "octo");
    let mut account = Account::new(LogId(1), name);
    let at = Instant::parse("2026-01-01").unwrap();
    account.plans.push((at, Plan::Team));
    let public = vec![(at, Visibility::Public)];
    Arc::make_mut(&mut account.repositories).insert(("octo".into(), "open".into()), public);
    let discount = |scope, nanos: u64| NegotiatedDiscount {
        scope,
        percent: Percent::from_nanos(i128::from(nanos)).unwrap(),
        from: None,
        until: None,
    };
    let (all, by_sku) = &scenario.discounts;
    account
        .discounts
        .extend(all.map(|nanos| discount(DiscountScope::Account, nanos)));
    for (sku, nanos) in by_sku.iter().enumerate() {
        let scope = DiscountScope::Sku(format!("s{sku}"));
        account
            .discounts
            .extend(nanos.map(|nanos| discount(scope, nanos)));
    }
    account
}

fn usage(scenario: &Scenario) -> Vec<Usage> {
    let first = month().first_day().first_hour().index();
    let line = |line: &crate::generate::LineSpec| Usage {
        hour: Hour::from_index(first + line.hour),
        sku: format!("s{}", line.sku),
        organization: "octo".to_owned(),
        repository: if line.public { "open" } else { "closed" }.to_owned(),
        user: USERS[line.user].to_owned(),
        model: MODELS[line.model].to_owned(),
        quantity: Quantity::from_nanos(i128::from(line.quantity)),
    };
    scenario.lines.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_line_costs_what_the_model_says(scenario in scenario()) {
        let catalog = Catalog::parse(&scenario.catalogue()).unwrap();
        let terms = Terms::new(&account(&scenario), &catalog);
        let (rated, left) = rate(&catalog, &terms, &usage(&scenario));
        for (place, rated) in rated.iter().enumerate() {
            let rated = rated.unwrap();
            let (gross, discount) = (rated.gross.nanos(), rated.discount.nanos());
            let found = [rated.quantity.nanos(), gross, rated.included.nanos(), discount];
            let expected = scenario.amounts(place);
            prop_assert_eq!(found.map(BigInt::from), expected, "line {}", place);
            prop_assert!(0 <= discount && discount <= gross, "a net amount below zero");
        }
        for (name, left) in left {
            let (pool, user) = of_balance(&name);
            let granted = scenario.granted(pool, user);
            let used = scenario.used(pool, user, &scenario.lines);
            let paid = &granted - BigInt::from(left);
            prop_assert_eq!(paid, granted.min(used), "pool {}", name);
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        (scenario, shuffled) in scenario().prop_flat_map(|scenario| {
            let lines = usage(&scenario);
            (Just(scenario), Just(lines).prop_shuffle())
        }),
    ) {
        let catalog = Catalog::parse(&scenario.catalogue()).unwrap();
        let terms = Terms::new(&account(&scenario), &catalog);
        let seats = |lines: &[Usage]| {
            let mut seats = Seats::new();
            for line in lines {
                seats.add(catalog.sku(&line.sku).unwrap(), &line.user, line.quantity);
            }
            seats
        };
        let lines = usage(&scenario);
        prop_assert_eq!(seats(&lines), seats(&shuffled));
        let mut sorted = shuffled;
        sorted.sort_by(|left, right| {
            let key = |line: &Usage| (line.hour, line.sku.clone());
            let names = |line: &Usage| (line.repository.clone(), line.user.clone(), line.model.clone());
            key(left).cmp(&key(right)).then_with(|| names(left).cmp(&names(right)))
        });
        let mut declared = lines;
        declared.sort();
        prop_assert_eq!(rate(&catalog, &terms, &sorted), rate(&catalog, &terms, &declared));
    }

    #[test]
    fn rating_goes_on_from_a_copy(scenario in scenario(), at in any::<prop::sample::Index>()) {
        let catalog = Catalog::parse(&scenario.catalogue()).unwrap();
        let terms = Terms::new(&account(&scenario), &catalog);
        let mut lines = usage(&scenario);
        lines.sort();
        let mut seats = Seats::new();
        for line in &lines {
            seats.add(catalog.sku(&line.sku).unwrap(), &line.user, line.quantity);
        }
        let mut rater = Rater::new(month(), &catalog, &terms, seats).unwrap();
        let split = if lines.is_empty() { 0 } else { at.index(lines.len()) };
        let run = |rater: &mut Rater<'_>, lines: &[Usage]| -> Vec<_> {
            let line = |line: &Usage| rater.rate(&UsageLine {
                hour: line.hour,
                sku: catalog.sku(&line.sku).unwrap(),
                organization: &line.organization,
                repository: &line.repository,
                user: &line.user,
                model: &line.model,
                quantity: line.quantity,
            });
            lines.iter().map(line).collect()
        };
        run(&mut rater, &lines[..split]);
        let mut copy = rater.clone();
        let first = run(&mut rater, &lines[split..]);
        prop_assert_eq!(first, run(&mut copy, &lines[split..]));
        prop_assert_eq!(rater.balances(), copy.balances());
    }
}

/// The pool and the user of `2026-02 i0 user:ann`.
fn of_balance(name: &str) -> (usize, usize) {
    let mut words = name.split(' ').skip(1);
    let pool = words.next().unwrap()[1..].parse().unwrap();
    let user = words.next().map_or("", |word| &word["user:".len()..]);
    let user = USERS.iter().position(|known| *known == user).unwrap();
    (pool, user)
}
