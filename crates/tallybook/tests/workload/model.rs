//! The model: what every answer must be, from plain lists and decimals, all of it again each time.
//!
//! Invariant: nothing of the program is used here, and nothing is remembered between two questions
//! but what was accepted. Slow and obvious. Look next: [`super::catalogue`] for what things cost,
//! [`super::rated`] for the lines of a month.

use crate::catalogue::{Discount, Own, Sku};
use crate::generate::DAYS;
use bigdecimal::{BigDecimal, RoundingMode};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// What a usage or amend event says was used; names in any spelling, `""` for no user or model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) sku: String,
    pub(crate) quantity: String,
    pub(crate) repository: String,
    pub(crate) user: String,
    pub(crate) model: String,
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
    pub(crate) sku: &'static Sku,
    /// As the report spells it.
    pub(crate) sku_name: &'static str,
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

/// A rated line; names in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) day: String,
    pub(crate) sku: &'static Sku,
    pub(crate) price: BigDecimal,
    pub(crate) repository: String,
    pub(crate) user: String,
    pub(crate) model: String,
    pub(crate) sums: [BigDecimal; 4],
}

/// Quantity, gross, discount's quantity, discount.
pub(crate) type Sums = [BigDecimal; 4];

/// All that one organization's log holds.
#[derive(Debug)]
pub(crate) struct Model {
    organization: String,
    pub(crate) events: BTreeMap<String, Event>,
    /// By id, in the order in which they came; the second says whether it is live.
    pub(crate) imports: Vec<(String, Vec<Imported>, bool)>,
    /// The day from which each plan holds.
    pub(crate) plans: Vec<(String, String)>,
    /// Repository, instant from which it is public or not.
    pub(crate) visibility: Vec<(String, String, bool)>,
    /// Amends that came before their events, and had no price when these came.
    pub(crate) failed: BTreeSet<String>,
    /// Users whom events ever named, in lower case.
    users: BTreeSet<String>,
    /// The site's own catalogue.
    pub(crate) own: Own,
    pub(crate) discounts: Vec<Discount>,
}

pub(crate) fn decimal(text: &str) -> BigDecimal {
    BigDecimal::from_str(text).expect("a decimal")
}

pub(crate) fn rounded(exact: &BigDecimal) -> BigDecimal {
    exact.with_scale_round(9, RoundingMode::HalfEven)
}

impl Model {
    pub(crate) fn new(organization: &str) -> Self {
        Self {
            organization: organization.to_owned(),
            events: BTreeMap::new(),
            failed: BTreeSet::new(),
            imports: Vec::new(),
            plans: Vec::new(),
            visibility: Vec::new(),
            users: BTreeSet::new(),
            own: Own::default(),
            discounts: Vec::new(),
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
        self.imports.push((id, lines, true));
    }

    /// Whether an event ever named a user (in lower case), or a live import does.
    pub(crate) fn knows(&self, user: &str) -> bool {
        let live = self.imports.iter().filter(|(_, _, live)| *live);
        let mut reported = live.flat_map(|(_, lines, _)| lines);
        self.users.contains(user) || reported.any(|line| line.user.eq_ignore_ascii_case(user))
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
        let failed = self.failed.clone();
        let is_usage = |event: &Event| matches!(event.body, Body::Usage(_));
        // Usage comes before the corrections that are sent with it.
        for usage in [true, false] {
            for (index, event) in (0..).zip(sent) {
                if is_usage(event) == usage && self.refused_by_itself(event).is_none() {
                    self.take(index, event, &mut receipt);
                }
            }
        }
        receipt.rejected.sort_unstable();
        if !skip && !receipt.rejected.is_empty() {
            self.events = before;
            self.users = users;
            self.failed = failed;
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
        let (Body::Usage(used) | Body::Amend(_, used)) = &event.body else {
            return None;
        };
        let is_usage = matches!(event.body, Body::Usage(_));
        match self.own.sku(&used.sku) {
            None => Some("unknown_sku"),
            Some(sku) if is_usage && self.own.price(sku, &event.time[..10]).is_none() => {
                Some("no_price")
            }
            Some(_) => None,
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
            let known = self.events.get(target);
            if known.is_some_and(|known| !matches!(known.body, Body::Usage(_))) {
                return receipt.rejected.push((index, "not_usage"));
            }
            // An amend counts on the day of its target, whenever that comes.
            if let (Body::Amend(_, used), Some(known)) = (&event.body, known)
                && !self.is_priced(&self.own, used, &known.time[..10])
            {
                return receipt.rejected.push((index, "no_price"));
            }
            receipt.pending += u64::from(known.is_none());
        }
        if let Body::Usage(_) = &event.body {
            self.fail_amends(event);
        }
        if let Body::Usage(used) | Body::Amend(_, used) = &event.body
            && !used.user.is_empty()
        {
            self.users.insert(used.user.to_lowercase());
        }
        receipt.accepted += 1;
        self.events.insert(event.id.clone(), event.clone());
    }

    /// Notes the amends that waited for an event and have no price on its day.
    fn fail_amends(&mut self, event: &Event) {
        let waiting = self.events.values().filter(|other| match &other.body {
            Body::Amend(target, used) => {
                *target == event.id && !self.is_priced(&self.own, used, &event.time[..10])
            }
            _ => false,
        });
        let failed: Vec<String> = waiting.map(|amend| amend.id.clone()).collect();
        self.failed.extend(failed);
    }

    /// Corrections whose event has not come as a usage event, in the order of their ids.
    pub(crate) fn pending(&self) -> Vec<String> {
        let pending = self.events.values().filter(|event| match &event.body {
            Body::Usage(_) => false,
            Body::Void(target) | Body::Amend(target, _) => {
                let target = self.events.get(target);
                target.is_none_or(|target| !matches!(target.body, Body::Usage(_)))
            }
        });
        pending.map(|event| event.id.clone()).collect()
    }

    fn is_priced(&self, own: &Own, used: &Used, day: &str) -> bool {
        let sku = own.sku(&used.sku);
        sku.is_some_and(|sku| own.price(sku, day).is_some())
    }

    /// Whether an own catalogue must be refused: all usage keeps its price, and what an amend says
    /// of usage that has not come keeps it on every day.
    pub(crate) fn refuses(&self, own: &Own) -> bool {
        self.events.values().any(|event| {
            let stands = self.stands(event);
            if stands.is_some_and(|used| !self.is_priced(own, used, &event.time[..10])) {
                return true;
            }
            let Body::Amend(target, used) = &event.body else {
                return false;
            };
            let target_is_usage = |event: &Event| matches!(event.body, Body::Usage(_));
            let waits = !self.events.get(target).is_some_and(target_is_usage);
            let may_act = waits && self.correction(target) != Some(None);
            let loses =
                |day: &str| self.is_priced(&self.own, used, day) && !self.is_priced(own, used, day);
            may_act && DAYS.into_iter().any(loses)
        })
    }

    /// What counts of a usage event after its corrections.
    pub(crate) fn stands<'a>(&'a self, event: &'a Event) -> Option<&'a Used> {
        let Body::Usage(stated) = &event.body else {
            return None;
        };
        self.correction(&event.id).map_or(Some(stated), |it| it)
    }

    /// What corrections make of an event: nothing, or what the newest amend says. `None` when there
    /// are none.
    fn correction(&self, id: &str) -> Option<Option<&Used>> {
        let mut amended = None;
        for other in self.events.values() {
            match &other.body {
                Body::Void(target) if target == id => return Some(None),
                Body::Amend(target, used) if target == id && !self.failed.contains(&other.id) => {
                    let this = Some(((&other.time, &other.id), used));
                    let newest = |it: &Option<((&String, &String), &Used)>| {
                        it.map(|((time, id), _)| (time.clone(), id.clone()))
                    };
                    if newest(&this) > newest(&amended) {
                        amended = this;
                    }
                }
                _ => {}
            }
        }
        amended.map(|(_, used)| Some(used))
    }
}

/// Everything but the time; a quantity is a number, and case is no part of a name.
fn same(left: &Body, right: &Body) -> bool {
    let names = |used: &Used| {
        let names = [&used.sku, &used.repository, &used.user, &used.model];
        names.map(|name| name.to_lowercase())
    };
    let used = |left: &Used, right: &Used| {
        decimal(&left.quantity) == decimal(&right.quantity) && names(left) == names(right)
    };
    match (left, right) {
        (Body::Usage(left), Body::Usage(right)) => used(left, right),
        (Body::Void(left), Body::Void(right)) => left == right,
        (Body::Amend(of, left), Body::Amend(also, right)) => of == also && used(left, right),
        _ => false,
    }
}
