//! An account's side of rating: its plan, which of its repositories are public, and its discounts.
//!
//! Invariant: a pure function of the account's settings and the catalogue. The first declaration
//! also applies to the time before it: usage that is reported late, or before the billing file was
//! applied, is rated by the earliest known settings.

use crate::account::{AccountKind, Plan, Visibility};
use crate::catalog::{Catalog, Sku};
use crate::discount::{DiscountScope, NegotiatedDiscount, Percent};
use crate::ids::Digest;
use crate::ledger::Account;
use crate::time::{Day, Hour, Instant, Month};
use std::collections::BTreeMap;

/// What rating needs to know about an account.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The kind of account.
    pub kind: AccountKind,
    /// Its folded name: the owner of repositories in lines without an organization.
    owner: String,
    plans: Vec<(Instant, Plan)>,
    /// By folded owner and folded name, repositories that were ever public.
    repositories: BTreeMap<Box<str>, Owned>,
    /// Discounts, with catalogue ids.
    discounts: Vec<NegotiatedDiscount>,
}

/// The visibility of one owner's repositories, oldest first.
type Owned = BTreeMap<Box<str>, Vec<(Instant, Visibility)>>;

impl Terms {
    /// The terms of an account, according to its log.
    #[must_use]
    pub fn new(account: &Account, catalog: &Catalog) -> Self {
        let mut repositories: BTreeMap<Box<str>, Owned> = BTreeMap::new();
        for ((owner, name), history) in account.repositories.iter() {
            let is_public = |(_, visibility): &(_, Visibility)| *visibility == Visibility::Public;
            if history.iter().any(is_public) {
                let owned = repositories.entry(owner.folded().into()).or_default();
                owned.insert(name.folded().into(), history.clone());
            }
        }
        let resolve = |discount: &NegotiatedDiscount| NegotiatedDiscount {
            scope: resolved(&discount.scope, catalog),
            ..discount.clone()
        };
        Self {
            kind: account.name.kind,
            owner: account.name.name.folded(),
            plans: account.plans.clone(),
            repositories,
            discounts: account.discounts.iter().map(resolve).collect(),
        }
    }

    /// The plan on a day: the one in force at its end, so that a mistake corrected on the same day
    /// has no effect. `None` when the account never had one.
    #[must_use]
    pub fn plan_on(&self, day: Day) -> Option<Plan> {
        in_force(&self.plans, |at| at.day() <= day)
    }

    /// Whether a repository is public at the beginning of an hour; names are folded, and a
    /// repository of no organization is the account's own. An undeclared one is private.
    #[must_use]
    pub fn is_public(&self, organization: &str, repository: &str, hour: Hour) -> bool {
        let owner = if organization.is_empty() {
            self.owner.as_str()
        } else {
            organization
        };
        // Some reports name a repository with its owner.
        let (owner, name) = repository.split_once('/').unwrap_or((owner, repository));
        let owned = self.repositories.get(owner);
        let history = owned.and_then(|owned| owned.get(name));
        history.is_some_and(|history| {
            in_force(history, |at| at <= hour.start()) == Some(Visibility::Public)
        })
    }

    /// The negotiated discount on a SKU on a day: the most specific, and of equally specific ones
    /// the greatest.
    #[must_use]
    pub fn discount_on(&self, sku: &Sku, day: Day) -> Option<Percent> {
        let fits = |discount: &&NegotiatedDiscount| match &discount.scope {
            DiscountScope::Account => true,
            DiscountScope::Product(id) => *id == sku.product,
            DiscountScope::Sku(id) => *id == sku.id,
        };
        let specificity = |scope: &DiscountScope| match scope {
            DiscountScope::Account => 0,
            DiscountScope::Product(_) => 1,
            DiscountScope::Sku(_) => 2,
        };
        let fitting = self.discounts.iter().filter(fits);
        let holding = fitting.filter(|discount| discount.holds_on(day));
        let best = holding.max_by_key(|it| (specificity(&it.scope), it.percent));
        best.map(|discount| discount.percent)
    }

    /// A hash of all that can change an amount of `month`, other than the usage and the catalogue.
    #[must_use]
    pub fn digest(&self, month: Month) -> Digest {
        let mut text = format!("{} {}\n", self.kind, self.owner);
        let days = (0..month.days()).map(|day| Day::from_index(month.first_day().index() + day));
        for day in days.clone() {
            let plan = self.plan_on(day).map_or("", Plan::as_str);
            text.push_str(&format!("plan {day} {plan}\n"));
        }
        for (owner, owned) in &self.repositories {
            for (name, history) in owned {
                text.push_str(&format!("repository {owner}/{name}"));
                for (at, visibility) in history {
                    text.push_str(&format!(" {at} {}", visibility.as_str()));
                }
                text.push('\n');
            }
        }
        let holds = |it: &&NegotiatedDiscount| days.clone().any(|day| it.holds_on(day));
        for discount in self.discounts.iter().filter(holds) {
            text.push_str(&format!("discount {discount}\n"));
        }
        Digest::of(text.as_bytes())
    }
}

/// The last entry that `has_begun`; the first one if none has.
fn in_force<T: Copy>(history: &[(Instant, T)], has_begun: impl Fn(Instant) -> bool) -> Option<T> {
    let current = history.iter().rev().find(|(at, _)| has_begun(*at));
    current.or(history.first()).map(|(_, value)| *value)
}

/// Replaces the name with the catalogue's id; a name that the catalogue lacks matches nothing.
fn resolved(scope: &DiscountScope, catalog: &Catalog) -> DiscountScope {
    match scope {
        DiscountScope::Account => DiscountScope::Account,
        DiscountScope::Product(name) => {
            let found = catalog.product(name).map(|product| product.id.as_str());
            DiscountScope::Product(found.unwrap_or(name).to_owned())
        }
        DiscountScope::Sku(name) => {
            let found = catalog.sku(name).map(|sku| sku.id.as_str());
            DiscountScope::Sku(found.unwrap_or(name).to_owned())
        }
    }
}
