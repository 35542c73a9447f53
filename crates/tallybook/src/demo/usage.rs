//! What the demo's enterprise uses, day by day.
//!
//! Invariant: a day's usage is a function of (seed, first month, day): fewer days give a prefix of
//! the same data. Quantities only; `rated.rs` prices them.

use super::company::{Company, ORGANIZATIONS};
use super::random::Random;
use std::collections::BTreeMap;
use tallybook_core::account::Visibility;
use tallybook_core::money::Quantity;
use tallybook_core::time::{Day, Month};

/// The key of one line of a report, in the order of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) day: Day,
    pub(super) sku: &'static str,
    pub(super) organization: usize,
    pub(super) repository: Option<usize>,
    pub(super) user: Option<usize>,
    pub(super) workflow: &'static str,
    pub(super) model: &'static str,
}

/// The quantity of a line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measure {
    pub(super) quantity: Quantity,
    /// The cost of the same requests in AI credits; only for premium requests.
    pub(super) credits: Quantity,
}

pub(super) type Usage = BTreeMap<Key, Measure>;

const NANO: i128 = 1;
const MICRO: i128 = 1_000;
const MILLI: i128 = 1_000_000;
const UNIT: i128 = 1_000_000_000;

/// A model, the premium requests that one request counts as (in millionths), and the AI credits
/// that one request costs at least (in thousandths).
const MODELS: [(&str, u64, u64); 9] = [
    ("Claude Sonnet 4.5", 1_000_000, 25_200),
    ("GPT-5", 1_000_000, 18_600),
    ("Claude Haiku 4.5", 330_000, 5_400),
    ("Claude Opus 4.5", 3_000_000, 58_200),
    ("Gemini 3 Pro", 1_000_000, 16_800),
    ("GPT-5.1-Codex", 1_000_000, 31_800),
    ("Auto: Claude Sonnet 4.5", 900_000, 22_800),
    ("GPT-4.1", 0, 6_600),
    ("GPT-5 mini", 0, 1_800),
];

/// One day of usage.
pub(super) struct DayOfUse<'a> {
    company: &'a Company,
    random: Random,
    day: Day,
    /// Months since the data begins.
    age: i32,
    /// Hundredths of an ordinary day at the beginning.
    pace: u64,
    usage: &'a mut Usage,
}

impl<'a> DayOfUse<'a> {
    pub(super) fn new(
        company: &'a Company,
        seed: u64,
        first: Month,
        day: Day,
        usage: &'a mut Usage,
    ) -> Self {
        let age = day.month().index() - first.index();
        let day_number = u64::try_from(day.index()).unwrap_or(0);
        Self {
            company,
            random: Random::new(&[seed, 3, day_number]),
            day,
            age,
            pace: pace(day, age),
            usage,
        }
    }

    /// Adds all that was used on the day.
    pub(super) fn add(&mut self, premium: bool, credits: bool) {
        self.runners();
        self.storage();
        self.transfer();
        self.codespaces();
        self.licences();
        self.seats();
        self.models();
        if premium || credits {
            self.copilot(credits);
        }
    }

    fn put(&mut self, key: Key, nanos: i128) {
        self.usage.entry(key).or_default().quantity += Quantity::from_nanos(nanos);
    }

    /// A key of the day that names only a SKU and an organization.
    fn key(&self, sku: &'static str, organization: usize) -> Key {
        Key {
            day: self.day,
            sku,
            organization,
            repository: None,
            user: None,
            workflow: "",
            model: "",
        }
    }

    fn runners(&mut self) {
        for _ in 0..self.pace {
            let at = self.random.weighted(&self.company.activity);
            let repository = &self.company.repositories[at];
            let usual = repository.runners.len() == 1 || self.random.chance(80);
            let sku = if usual {
                repository.runners[0]
            } else {
                *self.random.pick(&repository.runners[1..])
            };
            // Larger machines are used less, Linux most.
            let bits = if sku == "actions_linux" { 11 } else { 8 };
            let minutes = self.random.skewed(bits);
            let members = &self.company.members[repository.organization];
            let user = self.random.chance(85).then(|| *self.random.pick(members));
            let workflow = *self.random.pick(&repository.workflows);
            let key = Key {
                repository: Some(at),
                user,
                workflow,
                ..self.key(sku, repository.organization)
            };
            self.put(key, i128::from(minutes) * UNIT);
        }
    }

    /// Storage of artifacts, packages and caches; one gigabyte for one day is 24 gigabyte-hours.
    fn storage(&mut self) {
        for at in (0..self.company.repositories.len()).step_by(8) {
            let repository = &self.company.repositories[at];
            let sku = match at % 64 {
                8 => "packages_storage",
                16 => "git_lfs_storage",
                32 => "actions_cache_storage",
                _ => "actions_storage",
            };
            let grown = i128::from(repository.artifacts_megabytes) * i128::from(10 + self.age) / 10;
            let changed = i128::from(self.random.below(900_000));
            let key = Key {
                repository: Some(at),
                ..self.key(sku, repository.organization)
            };
            self.put(key, (grown * MILLI + changed * NANO) * 24);
        }
        for organization in [0, 3] {
            let gigabytes = 180 + 10 * i128::from(self.age);
            let key = self.key("actions_custom_image_storage", organization);
            self.put(key, gigabytes * 24 * UNIT);
        }
    }

    fn transfer(&mut self) {
        for _ in 0..self.pace / 30 {
            let at = self.random.weighted(&self.company.activity);
            let repository = &self.company.repositories[at];
            let packages = self.random.chance(70);
            let sku = if packages {
                "packages_bandwidth"
            } else {
                "git_lfs_bandwidth"
            };
            // Public packages are free and therefore not in reports.
            if packages && repository.visibility == Visibility::Public {
                continue;
            }
            let megabytes = self.random.skewed(14);
            let key = Key {
                repository: Some(at),
                ..self.key(sku, repository.organization)
            };
            self.put(key, i128::from(megabytes) * MILLI);
        }
    }

    fn codespaces(&mut self) {
        for _ in 0..self.pace / 20 {
            let user = self.random.index(self.company.users.len() / 4);
            let organization = self.company.users[user].organization;
            let machines = [
                "codespaces_compute_d2",
                "codespaces_compute_d4",
                "codespaces_compute_d8",
            ];
            let sku = *self.random.pick(&machines);
            let hundredths = self.random.between(20, 900);
            let key = Key {
                user: Some(user),
                ..self.key(sku, organization)
            };
            self.put(key, i128::from(hundredths) * 10 * MILLI);
        }
        for user in (3..40).step_by(9) {
            let organization = self.company.users[user].organization;
            let gigabytes = i128::from(12 + self.random.below(20));
            let key = Key {
                user: Some(user),
                ..self.key("codespaces_storage", organization)
            };
            self.put(key, gigabytes * 24 * UNIT);
        }
    }

    /// A user-month is counted by the day: 1 / days of the month, truncated to nine decimals.
    fn daily_share(&self) -> i128 {
        UNIT / i128::from(self.day.month().days())
    }

    fn licences(&mut self) {
        for organization in 0..ORGANIZATIONS.len() {
            let members = self.company.members[organization].len();
            let members = i128::try_from(members).unwrap_or(0);
            let key = self.key("ghec_licenses", organization);
            self.put(key, members * self.daily_share());
        }
        for (sku, organization, hundredths) in [
            ("ghas_code_security_licenses", 0, 60),
            ("ghas_code_security_licenses", 5, 90),
            ("ghas_secret_protection_licenses", 0, 80),
            ("ghas_secret_protection_licenses", 3, 50),
        ] {
            let members = self.company.members[organization].len();
            let committers = i128::try_from(members).unwrap_or(0) * hundredths / 100;
            let key = self.key(sku, organization);
            self.put(key, committers * self.daily_share());
        }
    }

    fn seats(&mut self) {
        for (at, user) in self.company.users.iter().enumerate() {
            if let Some(sku) = user.seat.filter(|(_, given)| *given <= self.age) {
                let key = Key {
                    user: Some(at),
                    ..self.key(sku.0, user.organization)
                };
                self.put(key, self.daily_share());
            }
        }
    }

    /// Inference by programs, and the sandboxes of agents.
    fn models(&mut self) {
        let tokens = self.random.skewed(22) * self.pace / 100;
        let key = self.key("models_inference", 4);
        self.put(key, i128::from(tokens) * UNIT);
        if self.age >= 18 {
            let seconds = i128::from(self.random.skewed(14));
            let key = self.key("sandbox_linux", 4);
            self.put(key, seconds * UNIT);
            let key = self.key("sandbox_memory", 4);
            self.put(key, seconds * 4 * UNIT);
        }
    }

    fn copilot(&mut self, in_credits: bool) {
        for at in 0..self.company.users.len() {
            let user = &self.company.users[at];
            let has_seat = user.seat.is_some_and(|(_, given)| given <= self.age);
            if !has_seat || !self.random.chance(self.pace.min(140) * 3 / 10) {
                continue;
            }
            for _ in 0..self.random.between(1, 2) {
                let requests = 1 + self.random.below(user.appetite);
                self.ask(at, requests, in_credits);
            }
        }
        if self.pace > 60 {
            let at = self.random.index(20);
            let organization = self.company.users[at].organization;
            let sku = if in_credits {
                "spark_ai_credit"
            } else {
                "spark_premium_request"
            };
            let key = Key {
                user: Some(at),
                model: "Claude Sonnet 4.5",
                ..self.key(sku, organization)
            };
            let quantity = if in_credits { 17_350 * MILLI } else { 4 * UNIT };
            self.put(key, quantity);
        }
    }

    /// Some requests of one user to one model, or to the coding agent.
    fn ask(&mut self, at: usize, requests: u64, in_credits: bool) {
        let organization = self.company.users[at].organization;
        let agent = self.random.chance(15);
        let (model, multiplier, floor) = if agent {
            ("Coding Agent model", 1_000_000, 74_400)
        } else {
            *self.random.pick(&MODELS)
        };
        let sku = match (agent, in_credits) {
            (false, false) => "copilot_premium_request",
            (true, false) => "coding_agent_premium_request",
            (false, true) => "copilot_ai_credit",
            (true, true) => "coding_agent_ai_credit",
        };
        // Only the report of AI credits says where the agent worked.
        let repository = (agent && in_credits).then(|| self.repository_of(organization));
        let key = Key {
            repository: repository.flatten(),
            user: Some(at),
            model,
            ..self.key(sku, organization)
        };
        let credits = i128::from(requests * (floor + self.random.below(floor))) * MILLI;
        if in_credits {
            self.put(key, credits);
        } else {
            self.put(key, i128::from(requests * multiplier) * MICRO);
            let measure = self.usage.entry(key).or_default();
            measure.credits += Quantity::from_nanos(credits);
        }
    }

    fn repository_of(&mut self, organization: usize) -> Option<usize> {
        let at = self.random.weighted(&self.company.activity);
        (self.company.repositories[at].organization == organization).then_some(at)
    }
}

/// Hundredths of an ordinary day: weekends are quiet, the last week of the year more so, and the
/// company grows from three fifths to twice the usual in two years.
fn pace(day: Day, age: i32) -> u64 {
    let growth = 60 + 6 * u64::try_from(age).unwrap_or(0);
    // 1970-01-01 was a Thursday.
    let weekend = (day.index() + 3).rem_euclid(7) >= 5;
    let holidays = day.month().month() == 12 && day.of_month() >= 24;
    let share = match (weekend, holidays) {
        (true, _) => 18,
        (false, true) => 30,
        (false, false) => 100,
    };
    growth * share / 100
}
