//! What happens, from a seed.
//!
//! Invariant: the same seed gives the same history, as long as the model answers the same.

use crate::ORGANIZATION;
use crate::catalogue::{Discount, OWN, Own, SEAT_SKUS, SKUS, Scope, Sku, Subject};
use crate::model::{Body, Event, Imported, Model, Used, decimal};
use std::collections::BTreeSet;
use tallybook_core::time::Instant;

/// Months that a history reaches.
pub(crate) const MONTHS: [&str; 4] = ["2025-11", "2025-12", "2026-01", "2026-02"];

pub(crate) const REPOSITORIES: [&str; 3] = ["api", "docs", "web"];
const USERS: [&str; 4] = ["hubot", "lisa", "mona", "nobody-yet"];
const MODELS: [&str; 7] = [
    "GPT-4.1",
    "Claude Haiku 4.5",
    "Claude Opus 4.5",
    "Claude Opus 4.7",
    "Auto: Claude Haiku 4.5",
    "Auto: nobody's",
    "nobody's",
];

/// Days on which something of an own catalogue or a discount may begin; `""` is always.
pub(crate) const DAYS: [&str; 7] = [
    "",
    "2025-12-20",
    "2026-01-01",
    "2026-01-12",
    "2026-01-31",
    "2026-02-10",
    "2026-03-01",
];

/// Seconds that a history begins at: 2025-12-20.
const START: i64 = 1_766_188_800;
const DAY: u64 = 86_400;

#[derive(Debug)]
pub(crate) enum Operation {
    Submit { events: Vec<Event>, skip: bool },
    Plan(&'static str),
    Visibility(&'static str, bool),
    Catalogue(Own),
    Discounts(Vec<Discount>),
    Import(Vec<Imported>),
    Revert(String),
    Restart,
    Sweep,
    Verify,
    Ask(Question),
}

/// What is asked of a month.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) month: String,
    pub(crate) day: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) sku: Option<String>,
    pub(crate) user: Option<String>,
}

pub(crate) struct Generator {
    state: u64,
    now: i64,
    /// Everything that was ever sent.
    sent: Vec<Event>,
    made: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            now: START,
            sent: Vec::new(),
            made: 0,
        }
    }

    pub(crate) fn now(&self) -> String {
        instant(self.now)
    }

    pub(crate) fn next(&mut self, model: &Model) -> Operation {
        // In the end two months have gone by.
        self.now += i64::try_from(self.below(DAY)).unwrap();
        match self.below(100) {
            0..45 => self.submit(),
            45..64 => self.ask(),
            64..68 => Operation::Catalogue(self.own()),
            68..71 => Operation::Discounts(self.discounts()),
            71..75 => Operation::Plan(self.one_of(&["free", "team"])),
            75..81 => Operation::Visibility(self.one_of(&REPOSITORIES), self.below(2) == 0),
            81..86 => Operation::Import(self.report()),
            86..89 => match model.live_imports() {
                live if live.is_empty() => Operation::Verify,
                live => Operation::Revert(self.one_of(&live)),
            },
            89..94 => Operation::Restart,
            94..97 => Operation::Sweep,
            _ => Operation::Verify,
        }
    }

    fn submit(&mut self) -> Operation {
        let count = 1 + self.below(10);
        let events = (0..count).map(|_| self.event()).collect();
        let skip = self.below(2) == 0;
        Operation::Submit { events, skip }
    }

    fn event(&mut self) -> Event {
        let choice = self.below(100);
        let known = if self.sent.is_empty() {
            None
        } else {
            Some(self.one_of(&self.sent.clone()))
        };
        let mut event = match (choice, known) {
            (0..12, Some(known)) => known,
            (12..20, Some(known)) => Event {
                time: self.time(),
                ..known
            },
            (20..24, Some(known)) => Event {
                body: Body::Usage(self.used()),
                ..known
            },
            (24..34, _) => self.new_event(|it| Body::Void(it.target())),
            (34..44, _) => self.new_event(|it| Body::Amend(it.target(), it.used())),
            // Before its event, which mostly comes soon and may be of a day without a price.
            (44..50, _) => self.new_event(|it| Body::Amend(it.coming(), it.used())),
            _ => self.new_event(|it| Body::Usage(it.used())),
        };
        if let Body::Usage(used) | Body::Amend(_, used) = &mut event.body {
            match self.below(60) {
                0 => used.sku = "perpetual_motion".to_owned(),
                1 => event.organization = "nobody".to_owned(),
                // Another case of the same names.
                3 => {
                    used.sku = used.sku.to_uppercase();
                    used.model = used.model.to_lowercase();
                    used.repository = used.repository.to_uppercase();
                }
                // Another spelling of the same number.
                2 if used.quantity.contains('.') => used.quantity.push('0'),
                _ => {}
            }
        }
        self.sent.push(event.clone());
        event
    }

    fn new_event(&mut self, body: impl FnOnce(&mut Self) -> Body) -> Event {
        self.made += 1;
        Event {
            id: format!("e{}", self.made),
            organization: ORGANIZATION.to_owned(),
            time: self.time(),
            body: body(self),
        }
    }

    /// An id of the past, or of an event that may yet come.
    fn target(&mut self) -> String {
        let recent = self.made.saturating_sub(25);
        format!("e{}", recent + self.below(30))
    }

    /// An id of an event that comes soon, if it is no other event.
    fn coming(&mut self) -> String {
        format!("e{}", self.made + 1 + self.below(6))
    }

    fn used(&mut self) -> Used {
        let quantity = match self.below(4) {
            0 => format!("{}", 1 + self.below(600)),
            1 => format!("{}.5", self.below(300)),
            2 => format!("0.{:09}", 1 + self.below(999_999_999)),
            _ => format!("{}.{:03}", self.below(900), 1 + self.below(999)),
        };
        let sku = &SKUS[self.place(SKUS.len() as u64)];
        let is_seat = SEAT_SKUS.contains(&sku.id);
        let user = match self.below(8) {
            0 => String::new(),
            _ => self.one_spelled(&USERS[..3]),
        };
        let has_model = !is_seat && self.below(3) > 0;
        Used {
            sku: self.name_of(sku),
            quantity: if is_seat { self.seats() } else { quantity },
            repository: self.one_spelled(&REPOSITORIES),
            user,
            model: if has_model {
                self.one_spelled(&MODELS)
            } else {
                String::new()
            },
        }
    }

    /// A part of a user-month, often nothing of it.
    fn seats(&mut self) -> String {
        self.one_of(&["0", "1", "0.5", "0.032258064", "2"])
            .to_owned()
    }

    fn name_of(&mut self, sku: &Sku) -> String {
        let names: Vec<&str> = sku.names().collect();
        // Mostly by its id.
        let place = self.place(names.len() as u64 + 3);
        let name = names.get(place).copied().unwrap_or(sku.id);
        self.spelled(name)
    }

    fn one_spelled(&mut self, names: &[&str]) -> String {
        let place = self.place(names.len() as u64);
        self.spelled(names[place])
    }

    fn spelled(&mut self, name: &str) -> String {
        match self.below(8) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            2 => name[..1].to_uppercase() + &name[1..],
            _ => name.to_owned(),
        }
    }

    /// A site's own text: some lines, often of days to come.
    fn own(&mut self) -> Own {
        let mut lines = Vec::new();
        for _ in 0..self.below(6) {
            lines.push(self.own_line());
        }
        // Without one the site's own SKU is gone, which is refused if it has usage.
        if self.below(4) > 0 {
            let from = if self.below(3) == 0 {
                self.one_of(&DAYS)
            } else {
                ""
            };
            let price = self.one_of(&["2.4", "2.1", "0.000000007"]);
            lines.push((Subject::Price(OWN), from.to_owned(), price));
        }
        lines.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
        lines.dedup_by(|next, kept| (&next.0, &next.1) == (&kept.0, &kept.1));
        let has_alias = self.below(3) > 0;
        Own { lines, has_alias }
    }

    fn own_line(&mut self) -> (Subject, String, &'static str) {
        let seat = self.one_of(&SEAT_SKUS);
        let (subject, value) = match self.below(6) {
            0 | 1 => {
                let sku = SKUS[self.place(6)].id;
                let prices = ["0", "0.004", "0.0125", "1.000000000001"];
                (Subject::Price(sku), self.one_of(&prices))
            }
            2 => {
                let plan = self.one_of(&["free", "team"]);
                (Subject::Plan(plan), self.one_of(&["0", "100", "2500.5"]))
            }
            3 => (Subject::Requests(seat), self.one_of(&["0", "10", "450.25"])),
            4 => (Subject::Credits(seat), self.one_of(&["100", "0.5", "900"])),
            _ => {
                let models = ["gpt-4.1", "claude opus 4.5", "claude haiku 4.5"];
                let subject = match self.below(3) {
                    0 => Subject::Prefix,
                    _ => Subject::Model(self.one_of(&models)),
                };
                (subject, self.one_of(&["0", "0.333333333", "2"]))
            }
        };
        (subject, self.one_of(&DAYS).to_owned(), value)
    }

    fn discounts(&mut self) -> Vec<Discount> {
        let mut discounts = Vec::new();
        for _ in 0..self.below(5) {
            let scope = match self.below(4) {
                0 => Scope::Account,
                1 => Scope::Product(self.one_of(&["actions", "Copilot"])),
                _ => {
                    let names: Vec<&str> = SKUS[self.place(6)].names().collect();
                    Scope::Sku(self.one_of(&names))
                }
            };
            let first = self.place(DAYS.len() as u64 - 1);
            let last = first + 1 + self.place((DAYS.len() - first) as u64);
            discounts.push(Discount {
                scope,
                percent: self.one_of(&["5", "12.5", "33.333333333", "100", "0.000000001"]),
                from: Some(DAYS[first].to_owned()).filter(|day| !day.is_empty()),
                until: DAYS.get(last).map(|day| (*day).to_owned()),
            });
        }
        discounts
    }

    /// Within the last twenty days; some at the same moment.
    fn time(&mut self) -> String {
        let ago = match self.below(3) {
            0 => self.below(20) * DAY,
            _ => self.below(20 * DAY),
        };
        instant(self.now - i64::try_from(ago).unwrap())
    }

    /// A detailed report of a few days, one line for each day, repository and SKU at most.
    fn report(&mut self) -> Vec<Imported> {
        let first = self.now - i64::try_from(self.below(20) * DAY).unwrap();
        let mut lines = Vec::new();
        let mut places = BTreeSet::new();
        for _ in 0..1 + self.below(6) {
            let at = first + i64::try_from(self.below(4) * DAY).unwrap();
            let day = instant(at)[..10].to_owned();
            let (sku, repository) = (&SKUS[self.place(2)], self.one_of(&REPOSITORIES));
            let sku_name = self.one_of(&sku.names().collect::<Vec<_>>());
            if !places.insert((day.clone(), sku.id, repository)) {
                continue;
            }
            let quantity = decimal(&format!("{}.{:03}", self.below(500), 1 + self.below(999)));
            // What a report states stands, whatever the catalogue says.
            let price = decimal(self.one_of(&["0.006", "0.008", "0.0075"]));
            let gross = &quantity * &price;
            let discount = match self.below(3) {
                0 => gross.clone(),
                1 => decimal("0"),
                _ => (&gross * decimal("0.25")).with_scale(9),
            };
            lines.push(Imported {
                day,
                sku,
                sku_name,
                quantity,
                price,
                gross,
                discount,
                repository: self.spelled(repository),
                user: self.one_spelled(&USERS[..3]),
            });
        }
        lines
    }

    fn ask(&mut self) -> Operation {
        let month = self.one_of(&MONTHS).to_owned();
        let day = (self.below(3) == 0).then(|| format!("{:02}", 1 + self.below(28)));
        Operation::Ask(Question {
            month,
            day,
            repository: (self.below(2) == 0).then(|| self.one_spelled(&REPOSITORIES)),
            sku: (self.below(2) == 0).then(|| {
                let sku = &SKUS[self.place(SKUS.len() as u64)];
                self.name_of(sku)
            }),
            user: (self.below(2) == 0).then(|| self.one_spelled(&USERS)),
        })
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.place(list.len() as u64)].clone()
    }

    fn place(&mut self, end: u64) -> usize {
        usize::try_from(self.below(end)).unwrap()
    }

    /// At least 0 and less than `end` (SplitMix64).
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn instant(seconds: i64) -> String {
    Instant::from_seconds(seconds).unwrap().to_string()
}
