//! The model's lines of a month: what counts, what it costs, what of it is free.
//!
//! Invariant: as in [`super::model`]; a month is rated from its first line to its last each time.

use crate::catalogue::{self, Pool, SEAT_SKUS, Sku};
use crate::model::{Body, Imported, Line, Model, Sums, Used, decimal, rounded};
use bigdecimal::{BigDecimal, RoundingMode};
use std::collections::{BTreeMap, BTreeSet};

/// Hour, SKU's id, repository, user and model, in lower case: the order of rating.
type Key = (String, &'static str, String, String, String);

/// The seats of each user, and the number of unnamed seats of each SKU.
#[derive(Default)]
struct Seats {
    users: BTreeMap<String, BTreeSet<&'static str>>,
    nameless: BTreeMap<&'static str, BigDecimal>,
}

/// What is left of included usage.
struct Left {
    minutes: BigDecimal,
    credits: BigDecimal,
    /// By user.
    requests: BTreeMap<String, BigDecimal>,
}

impl Model {
    /// The rated lines of a month, `YYYY-MM`.
    pub(crate) fn lines(&self, month: &str) -> Vec<Line> {
        let mut lines = self.metered(month);
        for (place, (_, report, live)) in self.imports.iter().enumerate() {
            for line in report {
                let later = self.imports[place + 1..].iter();
                let is_hidden = later.filter(|(_, _, live)| *live).any(|(_, other, _)| {
                    let days = || other.iter().map(|line| &line.day);
                    days().min() <= Some(&line.day) && Some(&line.day) <= days().max()
                });
                if *live && !is_hidden && line.day.starts_with(month) {
                    lines.push(stated(line));
                }
            }
        }
        lines
    }

    /// How a name is shown that was declared as `declared`, if it was: else in the least spelling
    /// of those that live imports and events have.
    fn shown<'a>(
        &'a self,
        folded: &'a str,
        declared: bool,
        of_event: impl Fn(&'a Used) -> &'a str,
        of_import: impl Fn(&'a Imported) -> &'a str,
    ) -> &'a str {
        if declared {
            return folded;
        }
        let of_events = self.events.values().filter_map(|event| match &event.body {
            Body::Usage(used) | Body::Amend(_, used) => Some(of_event(used)),
            Body::Void(_) => None,
        });
        let live = self.imports.iter().filter(|(_, _, live)| *live);
        let of_imports = live.flat_map(|(_, lines, _)| lines.iter().map(&of_import));
        let all = of_events.chain(of_imports);
        let mut same = all.filter(|name| name.eq_ignore_ascii_case(folded));
        let first = same.next();
        first.map_or(folded, |first| same.fold(first, Ord::min))
    }

    /// A repository's declared spelling is in lower case.
    pub(crate) fn shown_repository<'a>(&'a self, folded: &'a str) -> &'a str {
        let is_declared = self.visibility.iter().any(|(name, _, _)| name == folded);
        self.shown(
            folded,
            is_declared,
            |it| &it.repository,
            |it| &it.repository,
        )
    }

    pub(crate) fn shown_model<'a>(&'a self, folded: &'a str) -> &'a str {
        self.shown(folded, false, |it| &it.model, |_| "")
    }

    /// The quantities of a month's events, before they are multiplied.
    fn quantities(&self, month: &str) -> BTreeMap<Key, BigDecimal> {
        let mut quantities: BTreeMap<Key, BigDecimal> = BTreeMap::new();
        for event in self.events.values() {
            let hour = event.time[..13].to_owned();
            if let Some(used) = self.stands(event)
                && hour.starts_with(month)
            {
                let sku = self
                    .own
                    .sku(&used.sku)
                    .expect("a catalogue that lacks it is refused");
                let [repository, user, model] =
                    [&used.repository, &used.user, &used.model].map(|it| it.to_lowercase());
                let key = (hour, sku.id, repository, user, model);
                *quantities.entry(key).or_default() += decimal(&used.quantity);
            }
        }
        quantities
    }

    /// Included usage is spent line by line, in the order of the keys; what it leaves is discounted
    /// as was negotiated.
    fn metered(&self, month: &str) -> Vec<Line> {
        let quantities = self.quantities(month);
        let mut left = self.left(month, &quantities);
        let mut lines = Vec::new();
        for ((hour, id, repository, user, model), used) in quantities {
            let (sku, day) = (self.own.sku(id).expect("was counted"), &hour[..10]);
            let multiplier = self.own.multiplier(sku, &model, day);
            let quantity = rounded(&(&used * rounded(&multiplier)));
            let price = self.own.price(sku, day).expect("usage has a price");
            let gross = rounded(&(&quantity * &price));
            let is_free = sku.pool == Pool::Minutes && self.is_public(&repository, &hour);
            let discount = if is_free {
                gross.clone()
            } else {
                let included = left.spend(sku, &user, &quantity, &price, &gross);
                let percent = catalogue::percent_on(&self.discounts, sku, day);
                let negotiated = percent * (&gross - &included) / BigDecimal::from(100);
                included + rounded(&negotiated)
            };
            lines.push(Line {
                day: day.to_owned(),
                sku,
                price,
                repository,
                user,
                model,
                sums: sums(quantity, gross, discount),
            });
        }
        lines
    }

    /// What is included in a month: the best of its days.
    fn left(&self, month: &str, quantities: &BTreeMap<Key, BigDecimal>) -> Left {
        let days: Vec<String> = (1..=31).map(|day| format!("{month}-{day:02}")).collect();
        let days: Vec<&str> = days
            .iter()
            .map(|day| &**day)
            .filter(|day| exists(day))
            .collect();
        let best = |of_day: &dyn Fn(&str) -> BigDecimal| {
            days.iter().map(|day| of_day(day)).max().unwrap_or_default()
        };
        let minutes = best(&|day| {
            let begun = self.plans.iter().rev().find(|(from, _)| &**from <= day);
            let (_, plan) = begun.or(self.plans.first()).expect("a plan");
            self.own.minutes(plan, day)
        });
        let linux = self.own.sku("actions_linux").expect("built in");
        let price = self.own.price(linux, &format!("{month}-01"));
        let seats = Seats::new(quantities);
        let of_seat = |pool, seat| best(&|day| self.own.seat(pool, seat, day));
        let of_user = |pool, skus: &BTreeSet<&'static str>| {
            let each = skus.iter().map(|seat| of_seat(pool, seat));
            each.max().unwrap_or_default()
        };
        let mut credits = BigDecimal::default();
        let mut requests = BTreeMap::new();
        for (user, skus) in &seats.users {
            credits += of_user(Pool::Credits, skus);
            requests.insert(user.clone(), of_user(Pool::Requests, skus));
        }
        for (seat, months) in &seats.nameless {
            let count = months.with_scale_round(0, RoundingMode::Up);
            credits += count * of_seat(Pool::Credits, seat);
        }
        Left {
            minutes: rounded(&(minutes * price.expect("it always had one"))),
            credits,
            requests,
        }
    }

    fn is_public(&self, repository: &str, hour: &str) -> bool {
        let start = format!("{hour}:00:00Z");
        let history = || {
            self.visibility
                .iter()
                .filter(|(name, _, _)| name == repository)
        };
        let begun = history().rev().find(|(_, at, _)| *at <= start);
        begun
            .or(history().next())
            .is_some_and(|(_, _, public)| *public)
    }
}

/// Whether a day of one of the model's months is in the calendar.
fn exists(day: &str) -> bool {
    let (month, day) = (&day[5..7], &day[8..]);
    match month {
        "02" => day <= "28",
        "04" | "06" | "09" | "11" => day <= "30",
        _ => true,
    }
}

impl Seats {
    /// A user with usage of a seat has it for the month.
    fn new(quantities: &BTreeMap<Key, BigDecimal>) -> Self {
        let mut seats = Self::default();
        for ((_, id, _, user, _), quantity) in quantities {
            if !SEAT_SKUS.contains(id) || *quantity == BigDecimal::default() {
                continue;
            }
            if user.is_empty() {
                *seats.nameless.entry(*id).or_default() += quantity;
            } else {
                seats.users.entry(user.clone()).or_default().insert(*id);
            }
        }
        seats
    }
}

impl Left {
    /// What of a line is free.
    fn spend(
        &mut self,
        sku: &Sku,
        user: &str,
        quantity: &BigDecimal,
        price: &BigDecimal,
        gross: &BigDecimal,
    ) -> BigDecimal {
        let zero = BigDecimal::default();
        // What costs nothing takes nothing.
        if *price == zero || *quantity == zero {
            return zero;
        }
        let (left, needed) = match sku.pool {
            Pool::None => return zero,
            Pool::Minutes => (&mut self.minutes, gross),
            Pool::Credits => (&mut self.credits, quantity),
            Pool::Requests => match self.requests.get_mut(user) {
                Some(left) => (left, quantity),
                None => return zero,
            },
        };
        if *needed <= *left {
            *left -= needed;
            return gross.clone();
        }
        let rest = std::mem::take(left);
        match sku.pool {
            Pool::Minutes => rest,
            _ => rounded(&(rest * price)),
        }
    }
}

/// A report's line keeps the amounts that it states.
fn stated(line: &Imported) -> Line {
    Line {
        day: line.day.clone(),
        sku: line.sku,
        price: line.price.clone(),
        repository: line.repository.to_lowercase(),
        user: line.user.to_lowercase(),
        model: String::new(),
        sums: sums(
            line.quantity.clone(),
            line.gross.clone(),
            line.discount.clone(),
        ),
    }
}

fn sums(quantity: BigDecimal, gross: BigDecimal, discount: BigDecimal) -> Sums {
    let zero = BigDecimal::default();
    let of_quantity = if gross == zero {
        zero
    } else {
        rounded(&(&quantity * &discount / &gross))
    };
    [quantity, gross, of_quantity, discount]
}
