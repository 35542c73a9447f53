//! Reads a case, rates its usage and says how the result differs from what is expected.
//!
//! A case is a text of lines; `#` begins a comment, a text with spaces stands in double quotes.
//!
//! ```text
//! catalogue [alone]             the lines below it that are indented are an own catalogue: over the
//!                               built-in one, or alone
//! account KIND NAME
//! plan PLAN [from TIME]
//! repository OWNER/NAME VISIBILITY [from TIME]
//! discount PERCENT% on everything|product ID|sku ID [from DAY] [until DAY]
//! HOUR SKU QUANTITY [OWNER/REPOSITORY] [user:NAME] [model:NAME] => QUANTITY GROSS DISCOUNT NET
//! total GROSS DISCOUNT NET
//! left MONTH POOL [user:NAME] AMOUNT
//! ```
//!
//! HOUR is a day, or a day and an hour (`2026-09-03T14`). The lines are rated in the order of the
//! statement, wherever they stand. A line that cannot be rated has `=> error TEXT`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use tallybook_core::account::{AccountKind, AccountName, Plan, Visibility};
use tallybook_core::catalog::Catalog;
use tallybook_core::discount::{DiscountScope, NegotiatedDiscount, Percent};
use tallybook_core::ids::LogId;
use tallybook_core::ledger::Account;
use tallybook_core::money::{Amount, Quantity};
use tallybook_core::rating::seats::Seats;
use tallybook_core::rating::terms::Terms;
use tallybook_core::rating::{Rated, Rater, RatingError, UsageLine};
use tallybook_core::setting::Setting;
use tallybook_core::time::{Day, Hour, Instant, Month};

/// A line of usage with texts of its own, in the order of the statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Usage {
    pub(crate) hour: Hour,
    pub(crate) sku: String,
    pub(crate) organization: String,
    pub(crate) repository: String,
    pub(crate) user: String,
    pub(crate) model: String,
    pub(crate) quantity: Quantity,
}

/// Rates lines that stand in the order of the statement; gives the balances of each month too.
pub(crate) fn rate(
    catalog: &Catalog,
    terms: &Terms,
    lines: &[Usage],
) -> (Vec<Result<Rated, RatingError>>, BTreeMap<String, i128>) {
    let month = |line: &Usage| line.hour.day().month();
    let months: BTreeSet<Month> = lines.iter().map(month).collect();
    let (mut rated, mut left) = (Vec::new(), BTreeMap::new());
    for current in months {
        let of_month = || lines.iter().filter(|line| month(line) == current);
        let mut seats = Seats::new();
        for line in of_month() {
            seats.add(catalog.sku(&line.sku).unwrap(), &line.user, line.quantity);
        }
        let mut rater = Rater::new(current, catalog, terms, seats).unwrap();
        for line in of_month() {
            rated.push(rater.rate(&UsageLine {
                hour: line.hour,
                sku: catalog.sku(&line.sku).unwrap(),
                organization: &line.organization,
                repository: &line.repository,
                user: &line.user,
                model: &line.model,
                quantity: line.quantity,
            }));
        }
        for balance in rater.balances() {
            let user = balance.user.map(|user| format!(" user:{user}"));
            let name = format!("{current} {}{}", balance.pool.id, user.unwrap_or_default());
            left.insert(name, balance.left);
        }
    }
    (rated, left)
}

/// Panics with what differs.
pub(crate) fn check(text: &str) {
    let case = Case::read(text);
    let terms = Terms::new(&case.account, &case.catalog);
    let mut order: Vec<&(Usage, String)> = case.usage.iter().collect();
    order.sort();
    let lines: Vec<Usage> = order.iter().map(|(line, _)| line.clone()).collect();
    let (rated, left) = rate(&case.catalog, &terms, &lines);
    let mut differences = String::new();
    let mut compare = |what: &str, expected: &str, found: &str| {
        if expected != found {
            writeln!(
                differences,
                "{what}\n  expected {expected}\n  found    {found}"
            )
            .unwrap();
        }
    };
    let mut sums = [Amount::ZERO; 3];
    for ((line, expected), rated) in order.iter().zip(&rated) {
        let found = match rated {
            Ok(rated) => {
                let net = rated.gross - rated.discount;
                for (sum, part) in sums.iter_mut().zip([rated.gross, rated.discount, net]) {
                    *sum += part;
                }
                let Rated {
                    quantity,
                    gross,
                    discount,
                    ..
                } = rated;
                format!("{quantity} {gross} {discount} {net}")
            }
            Err(error) => format!("error {error}"),
        };
        let Usage {
            sku,
            organization,
            repository,
            user,
            model,
            ..
        } = line;
        let at = format!("{}T{:02}", line.hour.day(), line.hour.of_day());
        let quantity = line.quantity;
        let names = format!("{organization}/{repository} user:{user} model:{model}");
        compare(&format!("{at} {sku} {quantity} {names}"), expected, &found);
    }
    if let Some(total) = &case.total {
        let [gross, discount, net] = sums;
        compare("total", total, &format!("{gross} {discount} {net}"));
    }
    for (name, expected) in &case.left {
        let found = left
            .get(name)
            .map(|nanos| Quantity::from_nanos(*nanos).to_string());
        compare(
            &format!("left {name}"),
            expected,
            &found.unwrap_or_default(),
        );
    }
    assert!(differences.is_empty(), "\n{differences}");
    assert!(!case.usage.is_empty(), "a case without usage");
}

struct Case {
    catalog: Catalog,
    account: Account,
    usage: Vec<(Usage, String)>,
    total: Option<String>,
    left: Vec<(String, String)>,
}

impl Case {
    fn read(text: &str) -> Self {
        let own: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
        let alone = text.lines().any(|line| line == "catalogue alone");
        let base = if alone { "" } else { Catalog::BUILTIN };
        let catalog = Catalog::parse(base).unwrap().layered(&own.join("\n"));
        let name = AccountName::new(AccountKind::Organization, "octo-org");
        let mut case = Self {
            catalog: catalog.unwrap_or_else(|error| panic!("own catalogue: {error}")),
            account: Account::new(LogId(1), name),
            usage: Vec::new(),
            total: None,
            left: Vec::new(),
        };
        for line in text.lines() {
            let line = line.split('#').next().unwrap();
            if !line.trim().is_empty() && !line.starts_with("  ") {
                case.line(line);
            }
        }
        let discounts = std::mem::take(&mut case.account.discounts);
        if let Setting::Discounts(sorted) = Setting::discounts(discounts) {
            case.account.discounts = sorted;
        }
        case
    }

    fn line(&mut self, line: &str) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let account = &mut self.account;
        match &words[..] {
            ["catalogue", ..] => {}
            ["account", kind, name] => account.name = AccountName::new(account_kind(kind), *name),
            ["plan", plan, from @ ..] => {
                account.plans.push((time(from), Plan::parse(plan).unwrap()));
            }
            ["repository", path, visibility, from @ ..] => {
                let (owner, name) = path.split_once('/').unwrap();
                let key = (owner.into(), name.into());
                let visibility = Visibility::parse(visibility).unwrap();
                let history = Arc::make_mut(&mut account.repositories)
                    .entry(key)
                    .or_default();
                history.push((time(from), visibility));
            }
            ["discount", percent, "on", scope @ ..] => {
                account.discounts.push(discount(percent, scope));
            }
            ["total", gross, discount, net] => {
                self.total = Some(format!("{gross} {discount} {net}"));
            }
            ["left", name @ .., amount] => {
                self.left.push((name.join(" "), (*amount).to_owned()));
            }
            [hour, sku, quantity, rest @ ..] => {
                let arrow = rest.iter().position(|word| *word == "=>").unwrap();
                let mut usage = Usage {
                    hour: self::hour(hour),
                    sku: (*sku).to_owned(),
                    organization: String::new(),
                    repository: String::new(),
                    user: String::new(),
                    model: String::new(),
                    quantity: Quantity::parse(quantity).unwrap(),
                };
                for word in &rest[..arrow] {
                    name(&mut usage, &word.to_ascii_lowercase());
                }
                assert!(self.catalog.sku(sku).is_some(), "no SKU {sku}");
                self.usage.push((usage, rest[arrow + 1..].join(" ")));
            }
            _ => panic!("a case has no line '{line}'"),
        }
    }
}

fn name(usage: &mut Usage, word: &str) {
    if let Some(user) = word.strip_prefix("user:") {
        user.clone_into(&mut usage.user);
    } else if let Some(model) = word.strip_prefix("model:") {
        model.clone_into(&mut usage.model);
    } else {
        let (owner, repository) = word.split_once('/').unwrap();
        owner.clone_into(&mut usage.organization);
        repository.clone_into(&mut usage.repository);
    }
}

fn account_kind(text: &str) -> AccountKind {
    let kinds = [
        AccountKind::Enterprise,
        AccountKind::Organization,
        AccountKind::User,
    ];
    kinds
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .unwrap()
}

fn time(from: &[&str]) -> Instant {
    match from {
        ["from", at] => Instant::parse(at).unwrap(),
        _ => Instant::parse("2000-01-01").unwrap(),
    }
}

fn hour(text: &str) -> Hour {
    let (day, of_day) = text.split_once('T').unwrap_or((text, "0"));
    Day::parse(day)
        .unwrap()
        .hour(of_day.parse().unwrap())
        .unwrap()
}

fn discount(percent: &str, scope: &[&str]) -> NegotiatedDiscount {
    let (scope, days) = match scope {
        ["everything", days @ ..] => (DiscountScope::Account, days),
        ["product", id, days @ ..] => (DiscountScope::Product((*id).to_owned()), days),
        ["sku", id, days @ ..] => (DiscountScope::Sku((*id).to_owned()), days),
        _ => panic!("a discount on {scope:?}"),
    };
    let day = |word: &str| {
        let at = days.iter().position(|other| *other == word)?;
        Some(Day::parse(days[at + 1]).unwrap())
    };
    NegotiatedDiscount {
        scope,
        percent: Percent::parse(percent.strip_suffix('%').unwrap()).unwrap(),
        from: day("from"),
        until: day("until"),
    }
}

/// By white space, but for what stands in double quotes, which are left out.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
            }
            other => word.push(other),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}
