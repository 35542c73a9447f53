//! The model's catalogue: a few SKUs of the built-in one, written down again, and what a site's own
//! text says over it.
//!
//! Invariant: days are texts, `YYYY-MM-DD`; the beginning of time is `""`, which is before each.
//! Nothing of the program is used here.

use bigdecimal::BigDecimal;

use crate::model::decimal;

/// What may pay for a SKU's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pool {
    None,
    /// The plan's minutes, as money; free in public repositories.
    Minutes,
    /// Each user's own, by their seat.
    Requests,
    /// Those of all seats together.
    Credits,
}

/// A SKU of the model.
#[derive(Debug)]
pub(crate) struct Sku {
    pub(crate) id: &'static str,
    pub(crate) display: &'static str,
    pub(crate) product: &'static str,
    /// Other names.
    aliases: &'static [&'static str],
    prices: &'static [(&'static str, &'static str)],
    pub(crate) pool: Pool,
}

/// The own SKU; the others are built in.
pub(crate) const OWN: &str = "gpu_a100";

pub(crate) const SKUS: [Sku; 7] = [
    Sku {
        id: "actions_linux",
        display: "Actions Linux",
        product: "actions",
        aliases: &["Compute - UBUNTU"],
        prices: &[("", "0.008"), ("2026-01-01", "0.006")],
        pool: Pool::Minutes,
    },
    Sku {
        id: "actions_windows",
        display: "Actions Windows",
        product: "actions",
        aliases: &["Compute - WINDOWS"],
        prices: &[("", "0.016"), ("2026-01-01", "0.01")],
        pool: Pool::Minutes,
    },
    Sku {
        id: "copilot_premium_request",
        display: "Copilot Premium Request",
        product: "copilot",
        aliases: &["copilot_premium_requests"],
        prices: &[("", "0.04")],
        pool: Pool::Requests,
    },
    Sku {
        id: "copilot_for_business",
        display: "Copilot Business",
        product: "copilot",
        aliases: &["Copilot for Business"],
        prices: &[("", "19")],
        pool: Pool::None,
    },
    Sku {
        id: "copilot_enterprise",
        display: "Copilot Enterprise",
        product: "copilot",
        aliases: &[],
        prices: &[("", "39")],
        pool: Pool::None,
    },
    Sku {
        id: "copilot_ai_credit",
        display: "Copilot AI Credits",
        product: "copilot",
        aliases: &["AI Credit", "copilot_ai_credits"],
        prices: &[("2026-01-01", "0.01")],
        pool: Pool::Credits,
    },
    Sku {
        id: OWN,
        display: "A100 hours",
        product: "gpu",
        aliases: &["A100"],
        prices: &[],
        pool: Pool::None,
    },
];

impl Sku {
    /// Every name of it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let own = [self.id, self.display];
        own.into_iter().chain(self.aliases.iter().copied())
    }

    /// Whether uses of it count as much as their model does.
    fn is_multiplied(&self) -> bool {
        self.pool == Pool::Requests
    }
}

/// What a plan includes, in minutes of Linux.
const PLANS: [(&str, &str); 2] = [("free", "2000"), ("team", "3000")];

/// What seats bring: pool, SKU, from when, how much.
const SEATS: [(Pool, &str, &str, &str); 6] = [
    (Pool::Requests, "copilot_for_business", "", "300"),
    (Pool::Requests, "copilot_enterprise", "", "1000"),
    (Pool::Credits, "copilot_for_business", "2026-06-01", "3000"),
    (Pool::Credits, "copilot_for_business", "2026-09-01", "1900"),
    (Pool::Credits, "copilot_enterprise", "2026-06-01", "7000"),
    (Pool::Credits, "copilot_enterprise", "2026-09-01", "3900"),
];

pub(crate) const SEAT_SKUS: [&str; 2] = ["copilot_for_business", "copilot_enterprise"];

const MODELS: [(&str, &str); 4] = [
    ("gpt-4.1", "0"),
    ("claude haiku 4.5", "0.33"),
    ("claude opus 4.5", "3"),
    ("claude opus 4.7", "7.5"),
];

const PREFIX: (&str, &str) = ("auto: ", "0.9");

/// What one line of an own text is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// The price of a SKU.
    Price(&'static str),
    /// The minutes that a plan includes.
    Plan(&'static str),
    /// The premium requests that a seat brings.
    Requests(&'static str),
    /// The AI credits that a seat brings.
    Credits(&'static str),
    /// What a use of a model counts.
    Model(&'static str),
    /// What it counts that a model's name begins so.
    Prefix,
}

/// A site's own text: lines about a subject in the order of their days, no two of one day.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    pub(crate) lines: Vec<(Subject, String, &'static str)>,
    /// Whether the own SKU is called by its alias, too.
    pub(crate) has_alias: bool,
}

impl Own {
    /// Whether the own SKU exists.
    pub(crate) fn has_own_sku(&self) -> bool {
        self.of(&Subject::Price(OWN)).next().is_some()
    }

    fn of<'a>(
        &'a self,
        subject: &'a Subject,
    ) -> impl DoubleEndedIterator<Item = (&'a str, &'a str)> {
        let lines = self.lines.iter().filter(move |(of, _, _)| of == subject);
        lines.map(|(_, from, value)| (from.as_str(), *value))
    }

    /// What holds on a day: of the own lines the newest, before the first of them what is built in.
    fn on<'a>(
        &'a self,
        subject: &'a Subject,
        built_in: &[(&'a str, &'a str)],
        day: &str,
    ) -> Option<BigDecimal> {
        let newest = |(from, _): &(&str, &str)| *from <= day;
        let own = self.of(subject).rev().find(newest);
        let found = own.or_else(|| built_in.iter().rev().copied().find(newest));
        found.map(|(_, value)| decimal(value))
    }

    /// The SKU with a name.
    pub(crate) fn sku(&self, name: &str) -> Option<&'static Sku> {
        SKUS.iter().find(|sku| {
            let is_here = sku.id != OWN || self.has_own_sku();
            let mut names = sku.names();
            let named = names.any(|known| known.eq_ignore_ascii_case(name));
            let is_alias = sku.aliases.iter().any(|it| it.eq_ignore_ascii_case(name));
            is_here && named && (sku.id != OWN || !is_alias || self.has_alias)
        })
    }

    pub(crate) fn price(&self, sku: &Sku, day: &str) -> Option<BigDecimal> {
        self.on(&Subject::Price(sku.id), sku.prices, day)
    }

    /// The minutes that a plan includes by the rule of a day.
    pub(crate) fn minutes(&self, plan: &str, day: &str) -> BigDecimal {
        let known = PLANS.iter().find(|(name, _)| *name == plan);
        let (name, minutes) = known.expect("a plan of the model");
        let granted = self.on(&Subject::Plan(name), &[("", minutes)], day);
        granted.unwrap_or_default()
    }

    /// What one seat brings by the rule of a day.
    pub(crate) fn seat(&self, pool: Pool, seat: &'static str, day: &str) -> BigDecimal {
        let subject = match pool {
            Pool::Requests => Subject::Requests(seat),
            _ => Subject::Credits(seat),
        };
        let built_in = SEATS.iter().filter(|it| (it.0, it.1) == (pool, seat));
        let built_in: Vec<(&str, &str)> = built_in.map(|it| (it.2, it.3)).collect();
        self.on(&subject, &built_in, day).unwrap_or_default()
    }

    /// What a use counts; `model` is in lower case.
    pub(crate) fn multiplier(&self, sku: &Sku, model: &str, day: &str) -> BigDecimal {
        let once = decimal("1");
        if !sku.is_multiplied() {
            return once;
        }
        let Some((name, built_in)) = MODELS.iter().find(|(name, _)| *name == model) else {
            return match model.strip_prefix(PREFIX.0) {
                Some(rest) => {
                    let factor = self.on(&Subject::Prefix, &[("", PREFIX.1)], day);
                    self.multiplier(sku, rest, day) * factor.unwrap_or(once)
                }
                None => once,
            };
        };
        let known = self.on(&Subject::Model(name), &[("", built_in)], day);
        known.unwrap_or(once)
    }

    /// As it is put in force.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.has_own_sku() {
            text.push_str("product gpu \"GPU pool\"\nunit gpu-hours GpuHours\n");
        }
        for (subject, from, value) in &self.lines {
            let since = match from.as_str() {
                "" => String::new(),
                from => format!(" from {from}"),
            };
            let (entry, line) = match subject {
                Subject::Price(OWN) => continue,
                Subject::Price(sku) => (format!("sku {sku}"), format!("price {value}")),
                Subject::Plan(plan) => (
                    "included actions_minutes".to_owned(),
                    format!("plan {plan} {value}"),
                ),
                Subject::Requests(seat) => (
                    "included premium_requests".to_owned(),
                    format!("seat {seat} {value}"),
                ),
                Subject::Credits(seat) => (
                    "included ai_credits".to_owned(),
                    format!("seat {seat} {value}"),
                ),
                Subject::Model(model) => (
                    "multipliers premium_requests".to_owned(),
                    format!("model \"{}\" {value}", model.to_uppercase()),
                ),
                Subject::Prefix => (
                    "multipliers premium_requests".to_owned(),
                    format!("prefix \"{}\" {value}", PREFIX.0),
                ),
            };
            text.push_str(&format!("{entry}\n  {line}{since}\n"));
        }
        if self.has_own_sku() {
            text.push_str(&format!("sku {OWN} \"A100 hours\" gpu gpu-hours\n"));
            if self.has_alias {
                text.push_str("  alias A100\n");
            }
            for (from, value) in self.of(&Subject::Price(OWN)) {
                let since = if from.is_empty() { "" } else { " from " };
                text.push_str(&format!("  price {value}{since}{from}\n"));
            }
        }
        text
    }
}

/// What a negotiated discount is on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    Account,
    /// By one of its names.
    Product(&'static str),
    /// By one of its names.
    Sku(&'static str),
}

/// One negotiated discount.
#[derive(Debug, Clone)]
pub(crate) struct Discount {
    pub(crate) scope: Scope,
    pub(crate) percent: &'static str,
    pub(crate) from: Option<String>,
    pub(crate) until: Option<String>,
}

/// The percentage on a SKU's usage of a day: of the most specific the greatest.
pub(crate) fn percent_on(discounts: &[Discount], sku: &Sku, day: &str) -> BigDecimal {
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    let specificity = |discount: &Discount| match discount.scope {
        Scope::Account => Some(0),
        Scope::Product(name) => is(name, sku.product).then_some(1),
        Scope::Sku(name) => sku.names().any(|known| is(known, name)).then_some(2),
    };
    let holding = discounts.iter().filter(|it| {
        let begun = it.from.as_deref().is_none_or(|from| from <= day);
        begun && it.until.as_deref().is_none_or(|until| day < until)
    });
    let fitting = holding.filter_map(|it| Some((specificity(it)?, decimal(it.percent))));
    fitting
        .max()
        .map(|(_, percent)| percent)
        .unwrap_or_default()
}
