//! The seeded usage of a large enterprise, as GitHub's reports and as flat rows for other engines.
//!
//! Invariant: the same size and seed give the same lines, in both forms.

use std::io::{self, Write};
use tallybook_core::money::{Amount, Price, Quantity};
use tallybook_core::time::{Day, Month};

pub(crate) const ORGANIZATIONS: u64 = 10;
pub(crate) const REPOSITORIES: u64 = 2_000;
pub(crate) const USERS: u64 = 3_000;
pub(crate) const MODELS: [&str; 6] = [
    "Claude Opus 4.5",
    "Claude Sonnet 4.5",
    "GPT-5",
    "GPT-5 mini",
    "Gemini 3 Pro",
    "Auto: GPT-5",
];
pub(crate) const COST_CENTERS: u64 = 20;

/// The first of the 24 months.
pub(crate) const FIRST: (i16, i8) = (2024, 1);
/// The month with the most lines, from the first.
pub(crate) const LARGEST: i32 = 20;
const MONTHS: i32 = 24;

/// (product, SKU, unit, price, price from 2026); the last six are premium requests.
const SKUS: [(&str, &str, &str, &str); 40] = [
    ("actions", "actions_linux", "minutes", "0.008"),
    ("actions", "actions_windows", "minutes", "0.016"),
    ("actions", "actions_macos", "minutes", "0.08"),
    ("actions", "actions_linux_4_core", "minutes", "0.016"),
    ("actions", "actions_linux_8_core", "minutes", "0.032"),
    ("actions", "actions_linux_16_core", "minutes", "0.064"),
    ("actions", "actions_linux_32_core", "minutes", "0.128"),
    ("actions", "actions_linux_64_core", "minutes", "0.256"),
    ("actions", "actions_linux_arm", "minutes", "0.005"),
    ("actions", "actions_linux_slim", "minutes", "0.002"),
    ("actions", "actions_windows_4_core", "minutes", "0.032"),
    ("actions", "actions_windows_8_core", "minutes", "0.064"),
    ("actions", "actions_windows_16_core", "minutes", "0.128"),
    ("actions", "actions_windows_32_core", "minutes", "0.256"),
    ("actions", "actions_macos_l", "minutes", "0.12"),
    ("actions", "actions_macos_xl", "minutes", "0.16"),
    ("actions", "actions_linux_4_core_gpu", "minutes", "0.07"),
    ("actions", "actions_windows_4_core_gpu", "minutes", "0.14"),
    ("actions", "actions_storage", "gigabyte-hours", "0.00033602"),
    (
        "actions",
        "actions_custom_image_storage",
        "gigabyte-hours",
        "9.4086E-05",
    ),
    (
        "packages",
        "packages_storage",
        "gigabyte-hours",
        "0.00033602",
    ),
    ("packages", "packages_bandwidth", "gigabytes", "0.5"),
    ("git_lfs", "git_lfs_storage", "gigabyte-hours", "9.4086E-05"),
    ("git_lfs", "git_lfs_bandwidth", "gigabytes", "0.0875"),
    ("codespaces", "codespaces_compute_d2", "hours", "0.18"),
    ("codespaces", "codespaces_compute_d4", "hours", "0.36"),
    ("codespaces", "codespaces_compute_d8", "hours", "0.72"),
    (
        "codespaces",
        "codespaces_storage",
        "gigabyte-hours",
        "9.4086E-05",
    ),
    ("copilot", "copilot_for_business", "user-months", "19"),
    ("copilot", "copilot_enterprise", "user-months", "39"),
    ("ghec", "ghec_licenses", "user-months", "21"),
    ("ghas", "ghas_licenses", "user-months", "49"),
    ("ghas", "ghas_code_security_licenses", "user-months", "30"),
    (
        "ghas",
        "ghas_secret_protection_licenses",
        "user-months",
        "19",
    ),
    ("copilot", "copilot_premium_request", "requests", "0.04"),
    (
        "copilot",
        "coding_agent_premium_request",
        "requests",
        "0.04",
    ),
    ("spark", "spark_premium_request", "requests", "0.04"),
    (
        "copilot",
        "bench_review_premium_request",
        "requests",
        "0.04",
    ),
    ("copilot", "bench_chat_premium_request", "requests", "0.04"),
    ("copilot", "bench_cli_premium_request", "requests", "0.04"),
];
const FIRST_PREMIUM: u64 = 34;

/// A workload: 24 months of about `lines` lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    lines: u64,
    seed: u64,
}

/// One line, before it is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) day: Day,
    pub(crate) sku: u64,
    pub(crate) organization: u64,
    pub(crate) repository: u64,
    pub(crate) user: u64,
    pub(crate) model: Option<u64>,
    pub(crate) cost_center: Option<u64>,
    pub(crate) quantity: Quantity,
    pub(crate) price: Price,
    pub(crate) gross: Amount,
    pub(crate) discount: Amount,
}

impl Workload {
    pub(crate) fn new(lines: u64, seed: u64) -> Self {
        Self { lines, seed }
    }

    pub(crate) fn months() -> impl Iterator<Item = Month> {
        (0..MONTHS).map(|index| first_month().plus(index))
    }

    /// Lines of a month: a fifth of all in the largest, the rest even.
    pub(crate) fn lines_of(&self, month: Month) -> u64 {
        if month == first_month().plus(LARGEST) {
            self.lines / 5
        } else {
            (self.lines - self.lines / 5) / (MONTHS.unsigned_abs() as u64 - 1)
        }
    }

    /// The lines of a month, day by day.
    pub(crate) fn month(&self, month: Month) -> impl Iterator<Item = Usage> + use<> {
        let lines = self.lines_of(month);
        let mut random = Random(self.seed ^ (month.index().unsigned_abs() as u64) << 32);
        let days = month.days().unsigned_abs() as u64;
        let first = month.first_day();
        (0..lines).map(move |line| {
            let day = line * days / lines;
            let day = Day::from_index(first.index() + i32::try_from(day).unwrap_or(0));
            random.usage(day)
        })
    }

    /// Writes the month's detailed and premium-request reports.
    pub(crate) fn write_reports(
        &self,
        month: Month,
        detailed: &mut impl Write,
        premium: &mut impl Write,
    ) -> io::Result<()> {
        writeln!(
            detailed,
            "\u{feff}\"date\",\"product\",\"sku\",\"quantity\",\"unit_type\",\
             \"applied_cost_per_quantity\",\"gross_amount\",\"discount_amount\",\"net_amount\",\
             \"username\",\"organization\",\"repository\",\"workflow_path\",\"cost_center_name\""
        )?;
        writeln!(
            premium,
            "\u{feff}\"date\",\"username\",\"product\",\"sku\",\"model\",\"quantity\",\
             \"unit_type\",\"applied_cost_per_quantity\",\"gross_amount\",\"discount_amount\",\
             \"net_amount\",\"exceeds_quota\",\"total_monthly_quota\",\"organization\",\
             \"cost_center_name\",\"aic_quantity\",\"aic_gross_amount\""
        )?;
        for usage in self.month(month) {
            match usage.model {
                None => usage.write_detailed(detailed)?,
                Some(model) => usage.write_premium(MODELS[model as usize], premium)?,
            }
        }
        Ok(())
    }

    /// Writes the month as flat rows of integers, for engines that know nothing of reports: day,
    /// SKU, price, organization, repository, user, model, cost center, quantity, gross, discount;
    /// -1 where there is none.
    pub(crate) fn write_rows(&self, month: Month, out: &mut impl Write) -> io::Result<()> {
        for u in self.month(month) {
            let repository = if u.model.is_some() {
                -1
            } else {
                i128::from(u.repository)
            };
            let optional = |id: Option<u64>| id.map_or(-1, i128::from);
            writeln!(
                out,
                "{},{},{},{},{repository},{},{},{},{},{},{}",
                u.day,
                u.sku,
                u.price.picos(),
                u.organization,
                u.user,
                optional(u.model),
                optional(u.cost_center),
                u.quantity.nanos(),
                u.gross.nanos(),
                u.discount.nanos(),
            )?;
        }
        Ok(())
    }
}

fn first_month() -> Month {
    Month::new(FIRST.0, FIRST.1).expect("a month of the calendar")
}

impl Usage {
    fn write_detailed(&self, out: &mut impl Write) -> io::Result<()> {
        let (product, sku, unit, price) = SKUS[self.sku as usize];
        let center = self
            .cost_center
            .map_or(String::new(), |center| format!("center-{center}"));
        writeln!(
            out,
            "\"{}\",\"{product}\",\"{sku}\",\"{}\",\"{unit}\",\"{price}\",\"{}\",\"{}\",\"{}\",\
             \"user-{}\",\"org-{}\",\"repo-{}\",\".github/workflows/ci.yml\",\"{center}\"",
            self.day,
            self.quantity,
            self.gross,
            self.discount,
            self.gross - self.discount,
            self.user,
            self.organization,
            self.repository,
        )
    }

    fn write_premium(&self, model: &str, out: &mut impl Write) -> io::Result<()> {
        let (product, sku, unit, price) = SKUS[self.sku as usize];
        let center = self
            .cost_center
            .map_or(String::new(), |center| format!("center-{center}"));
        writeln!(
            out,
            "\"{}\",\"user-{}\",\"{product}\",\"{sku}\",\"{model}\",\"{}\",\"{unit}\",\"{price}\",\
             \"{}\",\"{}\",\"{}\",\"False\",\"300\",\"org-{}\",\"{center}\",\"0\",\"0\"",
            self.day,
            self.user,
            self.quantity,
            self.gross,
            self.discount,
            self.gross - self.discount,
            self.organization,
        )
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Log-uniform: as many draws between 1 and 10 as between 100 and 1,000.
    fn skewed(&mut self, bound: u64) -> u64 {
        let bits = u64::from(64 - bound.leading_zeros());
        let octave = self.below(bits + 1);
        let drawn = (1 << octave) / 2 + self.below((1 << octave).max(2) / 2 + 1);
        drawn.min(bound) % bound
    }

    fn usage(&mut self, day: Day) -> Usage {
        let sku = match self.below(10) {
            0 => FIRST_PREMIUM + self.skewed(SKUS.len() as u64 - FIRST_PREMIUM),
            _ => self.skewed(FIRST_PREMIUM),
        };
        let repository = self.skewed(REPOSITORIES);
        let (_, _, unit, price) = SKUS[sku as usize];
        let nanos = match unit {
            "minutes" | "requests" => i128::from(1 + self.skewed(500)) * 1_000_000_000,
            "user-months" => 33_333_333,
            _ => i128::from(self.skewed(50_000_000_000)),
        };
        let quantity = Quantity::from_nanos(nanos);
        let price = Price::parse(price).expect("a price of the table");
        let gross = price.gross_of(quantity).expect("small numbers");
        let discount = match self.below(20) {
            0..9 => gross,
            9 => Amount::from_nanos(gross.nanos() / 3),
            _ => Amount::ZERO,
        };
        Usage {
            day,
            sku,
            organization: repository % ORGANIZATIONS,
            repository,
            user: self.skewed(USERS),
            model: (sku >= FIRST_PREMIUM).then(|| self.skewed(MODELS.len() as u64)),
            cost_center: Some(repository % (COST_CENTERS * 2)).filter(|id| *id < COST_CENTERS),
            quantity,
            price,
            gross,
            discount,
        }
    }
}
