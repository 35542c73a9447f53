//! The demo's enterprise, its usage, and the reports of it.
//!
//! Invariant: the same seed and last day give the same bytes, on every machine; the reports of an
//! earlier last day are a prefix of those with the same first month. No floats, no clock.
//! Look next: `company.rs` for who exists, `usage.rs` for what they do.

mod billing;
mod company;
mod random;
mod rated;
mod report;
#[cfg(test)]
mod tests;
mod usage;

pub use company::{BILLING_MANAGER, ENTERPRISE_NAME, ENTERPRISE_SLUG, OWNER};
pub use report::Report;

use company::{Company, PERSONAL_REPOSITORIES};
use random::Random;
use std::sync::Arc;
use tallybook_core::catalog::Catalog;
use tallybook_core::money::Quantity;
use tallybook_core::report::ReportKind;
use tallybook_core::time::{Day, Month};
use usage::{DayOfUse, Key, Usage};

/// How many months of data there are, the last one included.
pub const MONTHS: i32 = 24;

/// Two years of a made-up enterprise.
pub struct Dataset {
    seed: u64,
    until: Day,
    catalog: Catalog,
    company: Arc<Company>,
}

impl Dataset {
    /// The enterprise of a `seed`, with data for [`MONTHS`] months up to and including `until`.
    ///
    /// # Panics
    ///
    /// Never with the built-in catalogue, as its tests verify.
    #[must_use]
    pub fn new(seed: u64, until: Day) -> Self {
        Self {
            seed,
            until,
            catalog: Catalog::parse(Catalog::BUILTIN).expect("the built-in catalogue is valid"),
            company: Arc::new(Company::new(seed)),
        }
    }

    /// The enterprise's reports, oldest month first: each month's detailed one, and beside it one
    /// of premium requests or of AI credits when GitHub had it.
    pub fn reports(&self) -> impl Iterator<Item = Report> + '_ {
        self.months().flat_map(|month| self.month(month))
    }

    /// The detailed reports of [`OWNER`]'s own account, oldest first.
    pub fn personal_reports(&self) -> impl Iterator<Item = Report> + '_ {
        self.months().map(|month| {
            let rows = rated::rate_personal(&self.catalog, self.personal_usage(month));
            Report::new(ReportKind::Detailed, month, &self.company, rows).personal()
        })
    }

    /// The billing file (YAML, for `tallybook apply`) that declares everyone in the reports.
    #[must_use]
    pub fn billing_file(&self) -> String {
        billing::file(&self.company)
    }

    fn first_month(&self) -> Month {
        self.until.month().plus(1 - MONTHS)
    }

    fn months(&self) -> impl Iterator<Item = Month> + use<> {
        let first = self.first_month();
        (0..MONTHS).map(move |age| first.plus(age))
    }

    /// The days of a month that have data.
    fn days(&self, month: Month) -> impl Iterator<Item = Day> + use<> {
        let last = month.last_day().min(self.until);
        let next = move |day: &Day| Some(day.next()).filter(|next| *next <= last);
        std::iter::successors(Some(month.first_day()), next)
    }

    fn month(&self, month: Month) -> Vec<Report> {
        let (premium, credits) = (is_from(month, 2025, 6), is_from(month, 2026, 6));
        let mut usage = Usage::new();
        for day in self.days(month) {
            let first = self.first_month();
            let mut day = DayOfUse::new(&self.company, self.seed, first, day, &mut usage);
            day.add(premium, credits);
        }
        let age = month.index() - self.first_month().index();
        let rows = rated::rate(&self.catalog, &self.company, age, usage);
        let detailed = rated::without_models(&rows);
        let mut reports = vec![Report::new(
            ReportKind::Detailed,
            month,
            &self.company,
            detailed,
        )];
        let kind = match () {
            () if credits => Some(ReportKind::AiCredit),
            () if is_from(month, 2025, 10) => Some(ReportKind::PremiumRequest),
            () => None,
        };
        if let Some(kind) = kind {
            let rows = rows.into_iter().filter(rated::Row::is_ai).collect();
            reports.push(Report::new(kind, month, &self.company, rows));
        }
        reports
    }

    fn personal_usage(&self, month: Month) -> Usage {
        let mut usage = Usage::new();
        for day in self.days(month) {
            let number = u64::try_from(day.index()).unwrap_or(0);
            let mut random = Random::new(&[self.seed, 4, number]);
            let repository = random.index(PERSONAL_REPOSITORIES.len());
            let key = Key {
                day,
                sku: "actions_linux",
                organization: 0,
                repository: Some(repository),
                user: None,
                workflow: ".github/workflows/ci.yml",
                model: "",
            };
            if random.chance(60) {
                let minutes = i128::from(random.skewed(8)) * 1_000_000_000;
                usage.entry(key).or_default().quantity = Quantity::from_nanos(minutes);
            }
            let stored = Key {
                sku: "actions_storage",
                repository: Some(2),
                workflow: "",
                ..key
            };
            let gigabyte_hours = 24 * i128::from(400 + random.below(200)) * 1_000_000;
            usage.entry(stored).or_default().quantity = Quantity::from_nanos(gigabyte_hours);
        }
        usage
    }
}

/// Whether `month` is not before the given one: premium requests were billed from June 2025, have
/// a report from October 2025, and became AI credits in June 2026.
fn is_from(month: Month, year: i16, of_year: i8) -> bool {
    (month.year(), month.month()) >= (year, of_year)
}
