//! Random histories and questions over small vocabularies, so that everything collides: names that
//! differ only by case, aliases of one SKU, equal lines, negative amounts.

use crate::model::{Import, Line};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use tallybook_core::account::AccountKind;
use tallybook_core::money::{Amount, Quantity, checked_discount_quantity};
use tallybook_core::name::Name;
use tallybook_core::query::{CostCenterFilter, Filter, Grain, Group, Query, RepositoryName};
use tallybook_core::report::ReportKind;
use tallybook_core::time::{Day, Hour};

/// What happens to an account.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Import(Import),
    /// Of the import with this number, modulo how many there are.
    Revert(usize),
}

/// (product, SKU, unit) as reports spell them: aliases, another case, and some that the catalogue
/// lacks.
const SKUS: [(&str, &str, &str); 11] = [
    ("actions", "actions_linux", "minutes"),
    ("Actions", "Compute - UBUNTU", "minute"),
    ("actions", "ACTIONS_WINDOWS", "Minutes"),
    ("copilot", "copilot_premium_request", "requests"),
    ("copilot", "copilot_premium_requests", "request"),
    ("spark", "spark_premium_request", "requests"),
    ("copilot", "copilot_ai_credit", "ai-credits"),
    ("mystery", "mystery_sku", "units"),
    ("Mystery", "Mystery_SKU", "UNITS"),
    ("copilot", "mystery_premium_request", "requests"),
    ("Copilot", "Mystery_Premium_Request", "request"),
];
const REPOSITORIES: [&str; 7] = ["", "api", "API", "web", "octo/api", "acme/Web", "/x"];
const USERS: [&str; 3] = ["", "mona", "Mona"];
const MODELS: [&str; 4] = ["", "GPT-5", "gpt-5", "claude"];
const WORKFLOWS: [&str; 3] = ["", "ci.yml", "CI.yml"];
const CENTERS: [&str; 4] = ["", "Flint", "FLINT", "Quartz"];
/// Who may be named by the whole account's lines, by kind of account.
pub(crate) const ENTERPRISE_ORGANIZATIONS: [&str; 5] = ["", "octo", "Octo", "acme", "ACME"];

/// The account that histories of a kind are about; organizations and users are called `octo`.
pub(crate) fn account_kind() -> impl Strategy<Value = AccountKind> {
    prop_oneof![
        4 => Just(AccountKind::Enterprise),
        1 => Just(AccountKind::Organization),
        1 => Just(AccountKind::User),
    ]
}

/// Up to eight imports and reverts of an account of `kind`.
pub(crate) fn history(kind: AccountKind) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => import(kind).prop_map(Step::Import),
        1 => (0..8usize).prop_map(Step::Revert),
    ];
    vec(step, 1..8)
}

/// An import for an account of `kind`, for a part of it when it is an enterprise.
pub(crate) fn import(kind: AccountKind) -> impl Strategy<Value = Import> {
    let scope = match kind {
        AccountKind::Enterprise => weighted(0.4, select(vec!["octo", "ACME"])).boxed(),
        AccountKind::Organization | AccountKind::User => Just(None).boxed(),
    };
    (scope, vec(select(&ReportKind::ALL[..]), 1..3)).prop_flat_map(move |(scope, kinds)| {
        let lines = vec(vec(line(organizations(kind, scope)), 1..8), kinds.len());
        lines.prop_map(move |lines| Import {
            organization: scope,
            parts: kinds.iter().copied().zip(lines).collect(),
            live: true,
        })
    })
}

/// An import of one kind for a scope of an enterprise.
pub(crate) fn part(scope: Option<&'static str>, kind: ReportKind) -> impl Strategy<Value = Import> {
    let lines = vec(line(organizations(AccountKind::Enterprise, scope)), 1..6);
    lines.prop_map(move |lines| Import {
        organization: scope,
        parts: BTreeMap::from([(kind, lines)]),
        live: true,
    })
}

/// An import of so many lines that columns are read in several blocks, in numbers of which many
/// can be added up in 64 bits.
pub(crate) fn long() -> impl Strategy<Value = Import> {
    let lines = vec(
        line(organizations(AccountKind::Enterprise, None)),
        1200..2500,
    );
    lines.prop_map(|mut lines| {
        for line in &mut lines {
            let all_discounted = line.discount == line.gross;
            line.quantity %= 1_000_000_000_007;
            line.gross %= 1_000_000_000_007;
            line.discount = if all_discounted { line.gross } else { 0 };
        }
        Import {
            organization: None,
            parts: BTreeMap::from([(ReportKind::Detailed, lines)]),
            live: true,
        }
    })
}

fn organizations(kind: AccountKind, scope: Option<&'static str>) -> Vec<&'static str> {
    match (kind, scope) {
        (AccountKind::Enterprise, None) => ENTERPRISE_ORGANIZATIONS.to_vec(),
        (AccountKind::Enterprise, Some("octo")) | (AccountKind::Organization, _) => {
            vec!["", "octo", "OCTO"]
        }
        (AccountKind::Enterprise, Some(_)) => vec!["", "acme", "Acme"],
        (AccountKind::User, _) => vec![""],
    }
}

fn line(organizations: Vec<&'static str>) -> impl Strategy<Value = Line> {
    let names = (
        select(organizations),
        select(&REPOSITORIES[..]),
        select(&USERS[..]),
        select(&MODELS[..]),
        select(&WORKFLOWS[..]),
        select(&CENTERS[..]),
    );
    let price = select(vec![0, 6_000_000_000, 8_000_000_000]);
    (hour(), select(&SKUS[..]), names, price, amounts()).prop_map(
        |(hour, (product, sku, unit), names, price, (quantity, gross, discount))| Line {
            hour,
            product,
            sku,
            unit,
            names: <[&str; 6]>::from(names).map(str::to_owned),
            price,
            quantity,
            gross,
            discount,
        },
    )
}

/// The days around a year's end, and the last two of a February.
pub(crate) fn day() -> impl Strategy<Value = Day> {
    let first = Day::new(2025, 12, 30).unwrap().index();
    let february = Day::new(2026, 2, 27).unwrap().index();
    prop_oneof![6 => first..first + 5, 1 => february..february + 3].prop_map(Day::from_index)
}

fn hour() -> impl Strategy<Value = Hour> {
    (day(), select(vec![0, 0, 0, 11, 23])).prop_map(|(day, hour)| day.hour(hour).unwrap())
}

/// Quantity, gross and discount.
fn amounts() -> impl Strategy<Value = (i128, i128, i128)> {
    let number = || {
        prop_oneof![
            2 => (-3..4i128).prop_map(|units| units * 1_000_000_000),
            4 => -1_000_000_000_000..1_000_000_000_000i128,
            1 => select(vec![1_000_000_000_000_000_000_000_000, -999_999_999_999_999_999_999_999]),
        ]
    };
    (number(), number(), 0..5u8, -700..1400i128).prop_map(|(quantity, gross, how, share)| {
        let discount = match how {
            0 | 1 => 0,
            2 => gross,
            _ => gross * share / 701,
        };
        // A line that no import takes (see `builder`) is no line of the model.
        let part = checked_discount_quantity(
            Quantity::from_nanos(quantity),
            Amount::from_nanos(discount),
            Amount::from_nanos(gross),
        );
        (quantity, gross, if part.is_ok() { discount } else { 0 })
    })
}

/// A question over some part of what histories are about.
pub(crate) fn query() -> impl Strategy<Value = Query> {
    let grain = select(vec![Grain::Whole, Grain::Month, Grain::Day, Grain::Hour]);
    let between = (day(), 0..24i32, 0..1600i32, any::<bool>());
    let group = (any::<bool>(), any::<bool>());
    (between, grain, filter(), group).prop_map(|(between, grain, filter, group)| {
        let (day, hour, hours, everything) = between;
        let from = day.first_hour().index() + if everything { -600 } else { hour };
        let hours = if everything { 3000 } else { hours };
        // A row an hour is asked of a few days only, to keep the test quick.
        let hours = if grain == Grain::Hour {
            hours.min(150)
        } else {
            hours
        };
        let (repository, model) = group;
        Query {
            from: Hour::from_index(from),
            to: Hour::from_index(from + hours),
            grain,
            filter,
            group: Group { repository, model },
        }
    })
}

fn named(names: &'static [&'static str]) -> impl Strategy<Value = Option<Name>> {
    weighted(0.15, select(names).prop_map(Name::from))
}

fn filter() -> impl Strategy<Value = Filter> {
    let repository = (
        select(vec!["octo", "ACME", "mona"]),
        select(&REPOSITORIES[1..4]),
    );
    let repository = weighted(
        0.2,
        repository.prop_map(|(owner, name)| RepositoryName {
            owner: owner.into(),
            name: name.into(),
        }),
    );
    let centers = prop_oneof![
        3 => Just(CostCenterFilter::Any),
        1 => Just(CostCenterFilter::None),
        1 => select(vec!["flint", "Quartz", "nobody"])
            .prop_map(|name| CostCenterFilter::Is(name.into())),
    ];
    let strategies = (
        named(&["OCTO", "acme", "nobody"]),
        repository,
        named(&["MONA", "nobody"]),
        named(&["gpt-5", "Claude", "nothing"]),
        named(&["Actions", "copilot", "MYSTERY", "nothing"]),
        named(&[
            "Actions Linux",
            "compute - ubuntu",
            "mystery_SKU",
            "spark_premium_requests",
        ]),
        weighted(0.2, select(&ReportKind::ALL[..])),
        centers,
    );
    strategies.prop_map(
        |(organization, repository, user, model, product, sku, report, cost_center)| Filter {
            organization,
            repository,
            user,
            model,
            product,
            sku,
            report,
            cost_center,
        },
    )
}
