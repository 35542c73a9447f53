//! The model: what every answer must be, from plain lists and decimals, all of it again each time.
//!
//! Invariant: nothing of the program is used here, and nothing is remembered between two questions
//! but what was accepted. Slow and obvious.

use bigdecimal::{BigDecimal, RoundingMode};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A SKU of the model: id, display name, product's display name, unit's display name.
pub(crate) struct Sku {
    pub(crate) id: &'static str,
    pub(crate) display: &'static str,
    /// Before 2026, and from then on.
    prices: [&'static str; 2],
    /// Whether it is covered by the included minutes, and free in public repositories.
    is_minutes: bool,
}

pub(crate) const SKUS: [Sku; 3] = [
    Sku {
        id: "actions_linux",
        display: "Actions Linux",
        prices: ["0.008", "0.006"],
        is_minutes: true,
    },
    Sku {
        id: "actions_windows",
        display: "Actions Windows",
        prices: ["0.016", "0.01"],
        is_minutes: true,
    },
    Sku {
        id: "copilot_premium_request",
        display: "Copilot Premium Request",
        prices: ["0.04", "0.04"],
        is_minutes: false,
    },
];

/// What a usage or amend event says was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) sku: String,
    pub(crate) quantity: String,
    pub(crate) repository: String,
    pub(crate) user: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Usage(Used),
    Void(String),
    Amend(String, Used),
}

/// An event of the organization; `time` is `YYYY-MM-DDTHH:MM:SSZ`, so that texts sort like times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) organization: String,
    pub(crate) time: String,
    pub(crate) body: Body,
}

/// One line of an imported report.
#[derive(Debug, Clone)]
pub(crate) struct Imported {
    pub(crate) day: String,
    pub(crate) sku: String,
    pub(crate) quantity: BigDecimal,
    pub(crate) price: BigDecimal,
    pub(crate) gross: BigDecimal,
    pub(crate) discount: BigDecimal,
    pub(crate) repository: String,
    pub(crate) user: String,
}

/// What came of a submission.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) pending: u64,
    /// Index and code.
    pub(crate) rejected: Vec<(u64, &'static str)>,
}

/// A rated line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) day: String,
    pub(crate) sku: String,
    pub(crate) price: BigDecimal,
    pub(crate) repository: String,
    pub(crate) user: String,
    pub(crate) sums: [BigDecimal; 4],
}

/// Quantity, gross, discount's quantity, discount.
pub(crate) type Sums = [BigDecimal; 4];

/// All that one organization's log holds.
#[derive(Debug)]
pub(crate) struct Model {
    organization: String,
    events: BTreeMap<String, Event>,
    /// By id, in the order in which they came; the second says whether it is live.
    imports: Vec<(String, Vec<Imported>, bool)>,
    /// The day from which each plan holds.
    plans: Vec<(String, String)>,
    /// Repository, instant from which it is public or not.
    visibility: Vec<(String, String, bool)>,
    pub(crate) users: BTreeSet<String>,
}

pub(crate) fn decimal(text: &str) -> BigDecimal {
    BigDecimal::from_str(text).expect("a decimal")
}

fn rounded(exact: &BigDecimal) -> BigDecimal {
    exact.with_scale_round(9, RoundingMode::HalfEven)
}

impl Model {
    pub(crate) fn new(organization: &str) -> Self {
        Self {
            organization: organization.to_owned(),
            events: BTreeMap::new(),
            imports: Vec::new(),
            plans: Vec::new(),
            visibility: Vec::new(),
            users: BTreeSet::new(),
        }
    }

    pub(crate) fn set_plan(&mut self, day: &str, plan: &str) {
        if self.plans.last().is_none_or(|(_, last)| last != plan) {
            self.plans.push((day.to_owned(), plan.to_owned()));
        }
    }

    pub(crate) fn set_visibility(&mut self, at: &str, repository: &str, public: bool) {
        let mut known = self.visibility.iter().rev();
        let last = known.find(|(name, _, _)| name == repository);
        if last.is_none_or(|(_, _, last)| *last != public) {
            let entry = (repository.to_owned(), at.to_owned(), public);
            self.visibility.push(entry);
        }
    }

    pub(crate) fn import(&mut self, id: String, lines: Vec<Imported>) {
        self.users
            .extend(lines.iter().map(|line| line.user.clone()));
        self.imports.push((id, lines, true));
    }

    pub(crate) fn live_imports(&self) -> Vec<String> {
        let live = self.imports.iter().filter(|(_, _, live)| *live);
        live.map(|(id, _, _)| id.clone()).collect()
    }

    pub(crate) fn revert(&mut self, id: &str) {
        for import in &mut self.imports {
            import.2 &= import.0 != id;
        }
    }

    /// What comes of events sent together.
    pub(crate) fn submit(&mut self, sent: &[Event], skip: bool) -> Receipt {
        let mut receipt = Receipt::default();
        for (index, event) in (0..).zip(sent) {
            if let Some(code) = self.refused_by_itself(event) {
                receipt.rejected.push((index, code));
            }
        }
        if !skip && !receipt.rejected.is_empty() {
            return receipt;
        }
        let (before, users) = (self.events.clone(), self.users.clone());
        for (index, event) in (0..).zip(sent) {
            if self.refused_by_itself(event).is_none() {
                self.take(index, event, &mut receipt);
            }
        }
        receipt.rejected.sort_unstable();
        if !skip && !receipt.rejected.is_empty() {
            self.events = before;
            self.users = users;
            return Receipt {
                rejected: receipt.rejected,
                ..Receipt::default()
            };
        }
        receipt
    }

    fn refused_by_itself(&self, event: &Event) -> Option<&'static str> {
        if event.organization != self.organization {
            return Some("unknown_payer");
        }
        match &event.body {
            Body::Usage(used) | Body::Amend(_, used)
                if SKUS.iter().all(|sku| sku.id != used.sku) =>
            {
                Some("unknown_sku")
            }
            _ => None,
        }
    }

    fn take(&mut self, index: u64, event: &Event, receipt: &mut Receipt) {
        if let Some(known) = self.events.get(&event.id) {
            if same(&known.body, &event.body) {
                receipt.duplicates += 1;
            } else {
                receipt.rejected.push((index, "conflict"));
            }
            return;
        }
        if let Body::Void(target) | Body::Amend(target, _) = &event.body {
            match self.events.get(target).map(|target| &target.body) {
                None => receipt.pending += 1,
                Some(Body::Usage(_)) => {}
                Some(_) => return receipt.rejected.push((index, "not_usage")),
            }
        }
        if let Body::Usage(used) | Body::Amend(_, used) = &event.body {
            self.users.insert(used.user.clone());
        }
        receipt.accepted += 1;
        self.events.insert(event.id.clone(), event.clone());
    }

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

    /// Included minutes are spent line by line: by hour, SKU, repository and user.
    fn metered(&self, month: &str) -> Vec<Line> {
        let mut quantities: BTreeMap<(String, String, String, String), BigDecimal> =
            BTreeMap::new();
        for event in self.events.values() {
            let hour = event.time[..13].to_owned();
            if let Some(used) = self.stands(event)
                && hour.starts_with(month)
            {
                let Used {
                    sku,
                    quantity,
                    repository,
                    user,
                } = used.clone();
                *quantities.entry((hour, sku, repository, user)).or_default() += decimal(&quantity);
            }
        }
        let mut left = self.included(month);
        let mut lines = Vec::new();
        for ((hour, id, repository, user), quantity) in quantities {
            let sku = SKUS.iter().find(|sku| sku.id == id).expect("was accepted");
            let price = decimal(sku.prices[usize::from(hour.as_str() >= "2026")]);
            let gross = rounded(&(&quantity * &price));
            let discount = if !sku.is_minutes {
                BigDecimal::default()
            } else if self.is_public(&repository, &hour) {
                gross.clone()
            } else {
                let paid = gross.clone().min(left.clone());
                left -= &paid;
                paid
            };
            lines.push(Line {
                day: hour[..10].to_owned(),
                sku: id,
                price,
                repository,
                user,
                sums: sums(quantity, gross, discount),
            });
        }
        lines
    }

    /// What counts of a usage event after its corrections.
    fn stands<'a>(&'a self, event: &'a Event) -> Option<&'a Used> {
        let Body::Usage(stated) = &event.body else {
            return None;
        };
        let mut amended = None;
        for other in self.events.values() {
            match &other.body {
                Body::Void(target) if *target == event.id => return None,
                Body::Amend(target, used) if *target == event.id => {
                    let this = Some(((&other.time, &other.id), used));
                    let newest = |it: &Option<((&'a String, &'a String), &'a Used)>| {
                        it.map(|(name, _)| name)
                    };
                    if newest(&this) > newest(&amended) {
                        amended = this;
                    }
                }
                _ => {}
            }
        }
        Some(amended.map_or(stated, |(_, used)| used))
    }

    /// The best plan of the month's days, in dollars at the Linux price of its first day.
    fn included(&self, month: &str) -> BigDecimal {
        let minutes = |plan: &str| if plan == "free" { 2000 } else { 3000 };
        let days = (1..=31).map(|day| format!("{month}-{day:02}"));
        let best = days.filter_map(|day| {
            let begun = self.plans.iter().rev().find(|(from, _)| *from <= day);
            begun.or(self.plans.first()).map(|(_, plan)| minutes(plan))
        });
        let price = decimal(SKUS[0].prices[usize::from(month >= "2026")]);
        price * BigDecimal::from(best.max().unwrap_or(0))
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

/// Everything but the time; a quantity is a number.
fn same(left: &Body, right: &Body) -> bool {
    let used = |left: &Used, right: &Used| {
        decimal(&left.quantity) == decimal(&right.quantity)
            && (&left.sku, &left.repository, &left.user)
                == (&right.sku, &right.repository, &right.user)
    };
    match (left, right) {
        (Body::Usage(left), Body::Usage(right)) => used(left, right),
        (Body::Void(left), Body::Void(right)) => left == right,
        (Body::Amend(of, left), Body::Amend(also, right)) => of == also && used(left, right),
        _ => false,
    }
}

/// A report's line keeps the amounts that it states.
fn stated(line: &Imported) -> Line {
    Line {
        day: line.day.clone(),
        sku: line.sku.clone(),
        price: line.price.clone(),
        repository: line.repository.clone(),
        user: line.user.clone(),
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
