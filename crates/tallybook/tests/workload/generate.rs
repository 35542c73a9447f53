//! What happens, from a seed.
//!
//! Invariant: the same seed gives the same history, as long as the model answers the same.

use crate::ORGANIZATION;
use crate::model::{Body, Event, Imported, Model, SKUS, Used, decimal};
use std::collections::BTreeSet;
use tallybook_core::time::Instant;

/// Months that a history reaches.
pub(crate) const MONTHS: [&str; 4] = ["2025-11", "2025-12", "2026-01", "2026-02"];

pub(crate) const REPOSITORIES: [&str; 3] = ["api", "docs", "web"];
const USERS: [&str; 4] = ["hubot", "lisa", "mona", "nobody-yet"];

/// Seconds that a history begins at: 2025-12-20.
const START: i64 = 1_766_188_800;
const DAY: u64 = 86_400;

#[derive(Debug)]
pub(crate) enum Operation {
    Submit {
        events: Vec<Event>,
        skip: bool,
    },
    Plan(&'static str),
    Visibility(&'static str, bool),
    Import(Vec<Imported>),
    Revert(String),
    Restart,
    Sweep,
    Verify,
    Ask {
        month: String,
        day: Option<String>,
        repository: Option<&'static str>,
        sku: Option<&'static str>,
        user: Option<&'static str>,
    },
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
            45..70 => self.ask(),
            70..75 => Operation::Plan(self.one_of(&["free", "team"])),
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
            (34..50, _) => self.new_event(|it| Body::Amend(it.target(), it.used())),
            _ => self.new_event(|it| Body::Usage(it.used())),
        };
        if let Body::Usage(used) | Body::Amend(_, used) = &mut event.body {
            match self.below(60) {
                0 => used.sku = "perpetual_motion".to_owned(),
                1 => event.organization = "nobody".to_owned(),
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

    fn used(&mut self) -> Used {
        let quantity = match self.below(4) {
            0 => format!("{}", 1 + self.below(600)),
            1 => format!("{}.5", self.below(300)),
            2 => format!("0.{:09}", 1 + self.below(999_999_999)),
            _ => format!("{}.{:03}", self.below(900), 1 + self.below(999)),
        };
        Used {
            sku: self.one_of(&SKUS.each_ref().map(|sku| sku.id)).to_owned(),
            quantity,
            repository: self.one_of(&REPOSITORIES).to_owned(),
            user: self.one_of(&USERS[..3]).to_owned(),
        }
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
                sku: sku.id.to_owned(),
                quantity,
                price,
                gross,
                discount,
                repository: repository.to_owned(),
                user: self.one_of(&USERS[..3]).to_owned(),
            });
        }
        lines
    }

    fn ask(&mut self) -> Operation {
        let month = self.one_of(&MONTHS).to_owned();
        let day = (self.below(3) == 0).then(|| format!("{:02}", 1 + self.below(28)));
        Operation::Ask {
            month,
            day,
            repository: (self.below(2) == 0).then(|| self.one_of(&REPOSITORIES)),
            sku: (self.below(2) == 0).then(|| self.one_of(&SKUS.each_ref().map(|sku| sku.id))),
            user: (self.below(2) == 0).then(|| self.one_of(&USERS)),
        }
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
