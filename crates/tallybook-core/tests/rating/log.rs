//! Negotiated discounts in an account's log.

use proptest::prelude::*;
use tallybook_core::account::{AccountKind, AccountName};
use tallybook_core::batch::Entry;
use tallybook_core::catalog::Catalog;
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, ParsePercentError, Percent};
use tallybook_core::ids::LogId;
use tallybook_core::ledger::{Account, AccountEntry};
use tallybook_core::money::Amount;
use tallybook_core::names::{Dictionary, Draft};
use tallybook_core::rating::terms::Terms;
use tallybook_core::setting::Setting;
use tallybook_core::time::{Day, Month};

fn discount() -> impl Strategy<Value = NegotiatedDiscount> {
    let scope = prop_oneof![
        Just(DiscountScope::Account),
        "[a-z_]{1,9}".prop_map(DiscountScope::Product),
        "[a-z_]{1,9}".prop_map(DiscountScope::Sku),
    ];
    let day = || prop::option::of((20_000..20_400i32).prop_map(Day::from_index));
    (scope, 1..=100_000_000_000i128, day(), day()).prop_map(|(scope, nanos, from, until)| {
        NegotiatedDiscount {
            scope,
            percent: Percent::from_nanos(nanos).unwrap(),
            from,
            until: until.filter(|until| from.is_none_or(|from| from < *until)),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        discounts in prop::collection::vec(discount(), 0..6),
        damage in any::<(prop::sample::Index, u8)>(),
    ) {
        let setting = Setting::discounts(discounts);
        let dictionary = Dictionary::default();
        let mut draft = Draft::new(&dictionary);
        let entry = AccountEntry::Setting(setting.clone()).encode(&mut draft);
        prop_assert_eq!(entry.tag, 6);
        let read = AccountEntry::decode(&entry, &dictionary).unwrap();
        prop_assert_eq!(read, AccountEntry::Setting(setting));
        let mut payload = entry.payload.clone();
        let at = damage.0.index(payload.len());
        payload[at] = damage.1;
        drop(AccountEntry::decode(&Entry { payload, ..entry }, &dictionary));
    }
}

/// The bytes of a list of discounts, as every later version has to read them.
#[test]
fn the_format_of_the_log_is_for_ever() {
    let half = Percent::parse("50").unwrap();
    let day = |text: &str| Some(Day::parse(text).unwrap());
    let setting = Setting::discounts(vec![
        NegotiatedDiscount {
            scope: DiscountScope::Sku("a".to_owned()),
            percent: half,
            from: day("2026-01-01"),
            until: day("2026-01-02"),
        },
        NegotiatedDiscount {
            scope: DiscountScope::Account,
            percent: Percent::from_nanos(1).unwrap(),
            from: None,
            until: None,
        },
    ]);
    let bytes: &[u8] = &[
        2, // discounts
        0, 2, 0, 0, // everything, a billionth of a percent, no days
        2, 1, b'a', // SKU a
        0x80, 0xd0, 0xdb, 0xc3, 0xf4, 0x02, // 50 percent
        1, 0xcc, 0xbf, 0x02, 1, 0xce, 0xbf, 0x02, // 20454 and 20455 days after 1970
    ];
    let dictionary = Dictionary::default();
    let mut draft = Draft::new(&dictionary);
    let entry = AccountEntry::Setting(setting.clone()).encode(&mut draft);
    assert_eq!((entry.tag, entry.payload.as_slice()), (6, bytes));
    let read = AccountEntry::decode(&entry, &dictionary);
    assert_eq!(read, Ok(AccountEntry::Setting(setting)));
}

#[test]
fn percentages_are_above_zero_and_at_most_all() {
    for text in ["0", "-1", "100.000000001"] {
        assert_eq!(
            Percent::parse(text),
            Err(ParsePercentError::Range),
            "{text}"
        );
    }
    assert!(matches!(
        Percent::parse("ten"),
        Err(ParsePercentError::Decimal(_))
    ));
    let all = Percent::parse("100").unwrap();
    let most = Amount::from_nanos(10i128.pow(24));
    assert_eq!(all.of(most), most);
    let half = Percent::parse("50").unwrap();
    let halves = [1, 3, -3].map(|nanos| half.of(Amount::from_nanos(nanos)).nanos());
    assert_eq!(halves, [0, 2, -2]);
}

#[test]
fn the_terms_of_a_month_have_a_hash_of_their_own() {
    let catalog = Catalog::parse(Catalog::BUILTIN).unwrap();
    let name = AccountName::new(AccountKind::Organization, "octo");
    let mut account = Account::new(LogId(1), name);
    let (january, march) = (Month::new(2026, 1).unwrap(), Month::new(2026, 3).unwrap());
    let digests = |account: &Account| {
        let terms = Terms::new(account, &catalog);
        (terms.digest(january), terms.digest(march))
    };
    let before = digests(&account);
    account.discounts = vec![NegotiatedDiscount {
        scope: DiscountScope::Sku("Actions Linux".to_owned()),
        percent: Percent::parse("12.5").unwrap(),
        from: Some(Day::parse("2026-03-31").unwrap()),
        until: None,
    }];
    let after = digests(&account);
    assert_eq!(before.0, after.0, "a discount of another month");
    assert_ne!(before.1, after.1);
    let text = account.discounts[0].to_string();
    assert_eq!(text, "12.5% on sku Actions Linux from 2026-03-31");
}
