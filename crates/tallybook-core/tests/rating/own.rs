//! A site's own catalogue over the built-in one.

use proptest::prelude::*;
use tallybook_core::account::{AccountKind, Plan};
use tallybook_core::catalog::{Catalog, Pool, Problem};
use tallybook_core::ids::Digest;
use tallybook_core::money::Price;
use tallybook_core::time::Day;

fn builtin() -> Catalog {
    Catalog::parse(Catalog::BUILTIN).unwrap()
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn pool<'a>(catalog: &'a Catalog, id: &str) -> &'a Pool {
    catalog.pools().find(|pool| pool.id == id).unwrap()
}

#[test]
fn an_own_price_holds_from_its_day_on() {
    let own = "sku actions_linux\n  alias \"Our Linux\"\n  price 0.005 from 2025-07-01\n  \
               price 0.004 from 2030-01-01\n";
    let catalog = builtin().layered(own).unwrap();
    let linux = catalog.sku("our linux").unwrap();
    for (from, price) in [
        ("2025-06-30", "0.008"),
        ("2025-07-01", "0.005"),
        ("2026-01-01", "0.005"),
        ("2029-12-31", "0.005"),
        ("2030-01-01", "0.004"),
    ] {
        let expected = Price::parse(price).unwrap();
        assert_eq!(linux.price_on(day(from)), Some(expected), "{from}");
    }
    assert_eq!(catalog.edition(), builtin().edition());
    assert_eq!(catalog.skus().count(), builtin().skus().count());
}

#[test]
fn own_included_usage_takes_the_place_of_the_built_in() {
    let own = "included actions_minutes\n  plan team 9000 from 2026-05-01\nsku mine \"Mine\" \
               actions minutes\n  price 1\nincluded actions_minutes\n  covers mine weight 2\n";
    let catalog = builtin().layered(own).unwrap();
    let minutes = pool(&catalog, "actions_minutes");
    let granted = |plan, on: &str| {
        let first = day(on).month().first_day();
        catalog.plan_grant(minutes, plan, day(on), first).unwrap()
    };
    assert_eq!(granted(Plan::Team, "2026-04-30"), 18_000_000_000);
    assert_eq!(granted(Plan::Team, "2026-05-01"), 54_000_000_000);
    assert_eq!(granted(Plan::Free, "2026-05-01"), 12_000_000_000);
    assert_eq!(granted(Plan::Free, "2025-12-31"), 16_000_000_000);
    let mine = catalog.sku("mine").unwrap();
    let (place, weight) = catalog.pool_of(mine, AccountKind::User).unwrap();
    assert_eq!(catalog.pools().nth(place).unwrap().id, "actions_minutes");
    assert_eq!(weight, 2);
}

#[test]
fn own_multipliers_take_the_place_of_the_built_in() {
    let own = "multipliers premium_requests\n  model \"GPT-4.1\" 0.5 from 2026-05-01\n";
    let catalog = builtin().layered(own).unwrap();
    let request = catalog.sku("copilot_premium_request").unwrap();
    let on = |model, on| {
        catalog
            .multiplier(request, model, day(on))
            .unwrap()
            .to_string()
    };
    assert_eq!(on("gpt-4.1", "2026-04-30"), "0");
    assert_eq!(on("gpt-4.1", "2026-05-01"), "0.5");
    assert_eq!(on("auto: gpt-4.1", "2026-05-01"), "0.45");
    assert_eq!(on("", "2026-05-01"), "1");
}

#[test]
fn an_account_has_at_most_one_pool_for_a_sku() {
    let catalog = builtin();
    let kinds = [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ];
    let covered = |kind| {
        catalog
            .skus()
            .filter(|sku| catalog.pool_of(sku, kind).is_some())
            .count()
    };
    assert_eq!(kinds.map(covered), [22, 22, 29]);
}

/// Texts, and the line and column of what is wrong with them.
const WRONG: &[(&str, usize, usize, &str)] = &[
    (
        "sku actions_linux \"Mine\" actions minutes",
        1,
        5,
        "'actions_linux' already names another SKU",
    ),
    ("sku mine", 1, 9, "the SKU's display name is missing"),
    (
        "sku mine \"Mine\" actions minutes\nsku mine",
        2,
        9,
        "the SKU's display name is missing",
    ),
    (
        "sku actions_linux\nprice 1 from 2026-01-01\nprice 2 from 2026-01-01",
        3,
        7,
        "prices must stand in the order of their days",
    ),
    (
        "included more \"More\"\n  covers actions_linux",
        2,
        10,
        "'actions_linux' is covered by 'actions_minutes' already",
    ),
    (
        "included more \"More\" per head",
        1,
        26,
        "unexpected 'head'",
    ),
    (
        "included more \"More\"\n  worth nothing",
        2,
        9,
        "there is no SKU 'nothing' above this line",
    ),
    (
        "included more \"More\"\n  plan gold 5",
        2,
        8,
        "'gold' must be free, pro, team or enterprise",
    ),
    (
        "included more \"More\"\n  plan free -5",
        2,
        13,
        "'-5' is negative",
    ),
    (
        "included more \"More\"\n  plan free",
        2,
        12,
        "what the plan includes is missing",
    ),
    (
        "included more \"More\"\n  plan free 5\n  plan free 6",
        3,
        8,
        "the lines of 'free' must stand in the order of their days",
    ),
    (
        "included more \"More\"\n  times 0",
        2,
        9,
        "'0' must be a whole number of at least 1",
    ),
    (
        "included actions_minutes\n  for user",
        2,
        3,
        "'for' must stand above the first 'covers'",
    ),
    (
        "included more \"More\"\n  for team",
        2,
        7,
        "'team' must be enterprise, organization or user",
    ),
    (
        "multipliers mine\n  covers copilot_premium_request",
        2,
        10,
        "'copilot_premium_request' has multipliers already",
    ),
    (
        "sku actions_linux\n  free in private repositories",
        2,
        11,
        "unexpected 'private'",
    ),
    (
        "seat x 1",
        1,
        1,
        "'seat' must follow the included usage that it is about",
    ),
];

#[test]
fn errors_are_of_the_own_text() {
    let check = |own: &str, line: usize, column: usize, message: &str| {
        let error = builtin().layered(own).expect_err(own);
        assert_eq!((error.line, error.column), (line, column), "{own}");
        assert_eq!(error.problem.to_string(), message, "{own}");
    };
    let edition = Problem::EditionOfOwn.to_string();
    check("edition 2027-01-01", 1, 1, &edition);
    for (own, line, column, message) in WRONG {
        check(own, *line, *column, message);
    }
}

#[test]
fn the_digest_stands_for_both_texts() {
    let base = Catalog::BUILTIN;
    assert_eq!(Catalog::digest(base, None), Digest::of(base.as_bytes()));
    let digests = [None, Some(""), Some("a"), Some("b")].map(|own| Catalog::digest(base, own));
    for (place, digest) in digests.iter().enumerate() {
        assert!(!digests[..place].contains(digest));
    }
}

proptest! {
    /// Whatever the words are: a catalogue or an error in a line of the text, and what is read
    /// says the same when it is read again.
    #[test]
    fn any_words_are_refused_or_read(
        lines in prop::collection::vec(prop::collection::vec(word(), 0..6), 0..12),
    ) {
        let text: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        let text = text.join("\n");
        match builtin().layered(&text) {
            Err(error) => prop_assert!((1..=lines.len()).contains(&error.line), "{}", error),
            Ok(catalog) => {
                let again = builtin().layered(&text).unwrap();
                prop_assert!(catalog.skus().eq(again.skus()));
                prop_assert!(catalog.pools().eq(again.pools()));
                for sku in catalog.skus() {
                    catalog.multiplier(sku, "auto: x", day("2027-01-01")).unwrap();
                    let pool = catalog.pool_of(sku, AccountKind::User);
                    prop_assert!(pool.is_none_or(|(place, _)| place < catalog.pools().len()));
                }
            }
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    let known = [
        "sku",
        "price",
        "free",
        "in",
        "public",
        "repositories",
        "included",
        "for",
        "worth",
        "times",
        "covers",
        "weight",
        "plan",
        "seat",
        "multipliers",
        "model",
        "prefix",
        "from",
        "per",
        "user",
        "actions_linux",
        "actions",
        "minutes",
        "actions_minutes",
        "premium_requests",
        "team",
        "x",
        "copilot_for_business",
        "dollars",
        "2027-01-01",
        "0",
        "7",
        "1.5",
        "-2",
        "\"X y\"",
        "#",
    ];
    proptest::sample::select(known.to_vec()).prop_map(str::to_owned)
}
