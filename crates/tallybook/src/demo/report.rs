//! The demo's usage in the layouts that GitHub writes.
//!
//! Invariant: `tallybook::import` reads every written report without a bad line.

use super::company::{Company, OWNER, PERSONAL_REPOSITORIES};
use super::rated::Row;
use std::io::{self, Write};
use std::sync::Arc;
use tallybook_core::money::Amount;
use tallybook_core::report::ReportKind;
use tallybook_core::time::Month;

/// One file.
pub struct Report {
    /// `detailed_2025-11.csv`.
    pub file_name: String,
    /// Its kind.
    pub kind: ReportKind,
    /// The month that it covers.
    pub month: Month,
    company: Arc<Company>,
    personal: bool,
    rows: Vec<Row>,
}

const DETAILED: [&str; 14] = [
    "date",
    "product",
    "sku",
    "quantity",
    "unit_type",
    "applied_cost_per_quantity",
    "gross_amount",
    "discount_amount",
    "net_amount",
    "username",
    "organization",
    "repository",
    "workflow_path",
    "cost_center_name",
];
const PREMIUM_REQUEST: [&str; 17] = [
    "date",
    "username",
    "product",
    "sku",
    "model",
    "quantity",
    "unit_type",
    "applied_cost_per_quantity",
    "gross_amount",
    "discount_amount",
    "net_amount",
    "exceeds_quota",
    "total_monthly_quota",
    "organization",
    "cost_center_name",
    "aic_quantity",
    "aic_gross_amount",
];
const AI_CREDIT: [&str; 21] = [
    "date",
    "username",
    "product",
    "sku",
    "model",
    "quantity",
    "unit_type",
    "applied_cost_per_quantity",
    "gross_amount",
    "discount_amount",
    "net_amount",
    "total_monthly_quota",
    "organization",
    "repository",
    "cost_center_name",
    "aic_quantity",
    "aic_gross_amount",
    "input",
    "output",
    "cache_read",
    "cache_write",
];

impl Report {
    pub(super) fn new(
        kind: ReportKind,
        month: Month,
        company: &Arc<Company>,
        rows: Vec<Row>,
    ) -> Self {
        Self {
            file_name: format!("{kind}_{month}.csv"),
            kind,
            month,
            company: Arc::clone(company),
            personal: false,
            rows,
        }
    }

    /// Of the owner's own account, whose lines name their repositories.
    pub(super) fn personal(self) -> Self {
        Self {
            file_name: format!("{OWNER}_{}", self.file_name),
            personal: true,
            ..self
        }
    }

    /// How many lines it has, without the header.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.rows.len()
    }

    /// The sums of gross and discount.
    #[must_use]
    pub fn totals(&self) -> (Amount, Amount) {
        let gross = self.rows.iter().map(|row| row.gross).sum();
        (gross, self.rows.iter().map(|row| row.discount).sum())
    }

    /// Writes the file: UTF-8 with a byte order mark, every field in quotes, `\n` after each line.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all("\u{feff}".as_bytes())?;
        match self.kind {
            ReportKind::PremiumRequest => write_line(out, &PREMIUM_REQUEST)?,
            ReportKind::AiCredit => write_line(out, &AI_CREDIT)?,
            ReportKind::Detailed | ReportKind::Summarized => write_line(out, &DETAILED)?,
        }
        for row in &self.rows {
            match self.kind {
                ReportKind::PremiumRequest => self.write_premium_request(out, row)?,
                ReportKind::AiCredit => self.write_ai_credit(out, row)?,
                ReportKind::Detailed | ReportKind::Summarized => self.write_detailed(out, row)?,
            }
        }
        Ok(())
    }

    fn write_detailed(&self, out: &mut dyn Write, row: &Row) -> io::Result<()> {
        let money = Money::of(row);
        let names = self.names(row);
        write_line(
            out,
            &[
                &money.day,
                &row.product,
                row.key.sku,
                &money.quantity,
                &row.unit,
                &money.price,
                &money.gross,
                &money.discount,
                &money.net,
                names.user,
                names.organization,
                names.repository,
                row.key.workflow,
                names.cost_center,
            ],
        )
    }

    fn write_premium_request(&self, out: &mut dyn Write, row: &Row) -> io::Result<()> {
        let money = Money::of(row);
        let names = self.names(row);
        let exceeds = if row.exceeds_quota { "True" } else { "False" };
        // A credit is a hundredth of a dollar.
        let cost = Amount::from_nanos(row.credits.nanos() / 100);
        write_line(
            out,
            &[
                &money.day,
                names.user,
                &row.product,
                row.key.sku,
                row.key.model,
                &money.quantity,
                &row.unit,
                &money.price,
                &money.gross,
                &money.discount,
                &money.net,
                exceeds,
                &row.quota.to_string(),
                names.organization,
                names.cost_center,
                &row.credits.to_string(),
                &cost.to_string(),
            ],
        )
    }

    fn write_ai_credit(&self, out: &mut dyn Write, row: &Row) -> io::Result<()> {
        let money = Money::of(row);
        let names = self.names(row);
        // Rough proportions of a real report: a credit is some thousand tokens, mostly cached.
        let credits = row.quantity.nanos() / 1_000_000_000;
        let tokens = [1_900, 240, 8_100, 620].map(|each| (credits * each).to_string());
        let [input, output, cache_read, cache_write] = &tokens;
        write_line(
            out,
            &[
                &money.day,
                names.user,
                &row.product,
                row.key.sku,
                row.key.model,
                &money.quantity,
                &row.unit,
                &money.price,
                &money.gross,
                &money.discount,
                &money.net,
                "3900",
                names.organization,
                names.repository,
                names.cost_center,
                "0",
                "0",
                input,
                output,
                cache_read,
                cache_write,
            ],
        )
    }

    fn names(&self, row: &Row) -> Names<'_> {
        if self.personal {
            let repository = row
                .key
                .repository
                .map_or("", |at| PERSONAL_REPOSITORIES[at].0);
            return Names {
                user: OWNER,
                repository,
                organization: "",
                cost_center: "",
            };
        }
        let user = row.key.user.map_or("", |at| &self.company.users[at].login);
        let repository = row
            .key
            .repository
            .map_or("", |at| &self.company.repositories[at].name);
        Names {
            user,
            repository,
            organization: row.organization(),
            cost_center: row.cost_center(&self.company),
        }
    }
}

struct Names<'a> {
    user: &'a str,
    organization: &'a str,
    repository: &'a str,
    cost_center: &'a str,
}

/// The numbers of a row as text.
struct Money {
    day: String,
    quantity: String,
    price: String,
    gross: String,
    discount: String,
    net: String,
}

impl Money {
    fn of(row: &Row) -> Self {
        Self {
            day: row.key.day.to_string(),
            quantity: row.quantity.to_string(),
            price: row.price.to_string(),
            gross: row.gross.to_string(),
            discount: row.discount.to_string(),
            net: (row.gross - row.discount).to_string(),
        }
    }
}

/// None of the demo's names contains a quote, so none needs doubling.
fn write_line(out: &mut dyn Write, fields: &[&str]) -> io::Result<()> {
    for (index, field) in fields.iter().enumerate() {
        out.write_all(if index == 0 { b"\"" } else { b",\"" })?;
        out.write_all(field.as_bytes())?;
        out.write_all(b"\"")?;
    }
    out.write_all(b"\n")
}
