//! The bodies of `usage/summary`, `premium_request/usage` and `ai_credit/usage`: an envelope that
//! echoes what was asked, and items without dates.
//!
//! Invariant: the order of keys is that of the documents' examples; echoes come in the order of
//! the schemas. Look next: [`super::words`].

use super::json::{Number, push_integer, push_key, push_string, push_text_field};
use super::rows::Rows;
use super::words::{Vocabulary, Words, shown, words};
use tallybook_core::account::AccountKind;
use tallybook_core::catalog::Catalog;
use tallybook_core::query::Row;

/// The period that was resolved, as `timePeriod` echoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePeriod {
    /// Four digits.
    pub year: i16,
    /// 1 to 12, when the period is a month or a day.
    pub month: Option<i8>,
    /// 1 to 31, when the period is a day.
    pub day: Option<i8>,
}

/// A cost center, as it is echoed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostCenterEcho {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Filters in their canonical spelling; those that were not given are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Echoes {
    /// An organization of the enterprise.
    pub organization: Option<String>,
    /// `owner/name`.
    pub repository: Option<String>,
    /// A user's login.
    pub user: Option<String>,
    /// A product.
    pub product: Option<String>,
    /// A SKU.
    pub sku: Option<String>,
    /// An AI model.
    pub model: Option<String>,
    /// A cost center; usage in none echoes nothing.
    pub cost_center: Option<CostCenterEcho>,
}

/// Everything before the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What was resolved.
    pub time_period: TimePeriod,
    /// Whose usage: decides the key.
    pub account_kind: AccountKind,
    /// Its name, as declared.
    pub account: String,
    /// What was filtered by.
    pub echoes: Echoes,
}

/// Which of the three bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryKind {
    /// `usage/summary`: SKUs by id, no model.
    Summary,
    /// Premium requests and AI credits: SKUs by display name, with a model.
    Requests,
}

/// Writes one body, an item at a time.
#[derive(Debug)]
pub struct SummaryWriter {
    kind: SummaryKind,
    any: bool,
}

impl SummaryWriter {
    /// A writer for one body.
    #[must_use]
    pub const fn new(kind: SummaryKind) -> Self {
        Self { kind, any: false }
    }

    /// Appends the envelope.
    pub fn open(&self, out: &mut Vec<u8>, envelope: &Envelope) {
        out.push(b'{');
        push_time_period(out, envelope.time_period);
        out.push(b',');
        push_text_field(out, envelope.account_kind.as_str(), &envelope.account);
        push_echoes(out, &envelope.echoes);
        out.extend_from_slice(b",\"usageItems\":[");
    }

    /// Appends what stands after the items.
    pub fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }

    /// Appends items until `out` is at least `enough` bytes long, and says whether those were all
    /// of `rows`. Words are the catalogue's.
    pub fn items(
        &mut self,
        out: &mut Vec<u8>,
        rows: &mut Rows,
        enough: usize,
        catalog: &Catalog,
    ) -> bool {
        rows.write(out, enough, |out, row, _, _| {
            self.item(out, row, &words(catalog, row.rate));
        })
    }

    /// Appends one item. `words` are those of the row's rate.
    pub fn item(&mut self, out: &mut Vec<u8>, row: &Row<'_>, words: &Words<'_>) {
        if std::mem::replace(&mut self.any, true) {
            out.push(b',');
        }
        let called = shown(
            words,
            match self.kind {
                SummaryKind::Summary => Vocabulary::Summary,
                SummaryKind::Requests => Vocabulary::Requests,
            },
        );
        out.push(b'{');
        push_text_field(out, "product", called.product);
        out.push(b',');
        push_text_field(out, "sku", called.sku);
        if self.kind == SummaryKind::Requests {
            out.push(b',');
            push_text_field(out, "model", row.model);
        }
        out.push(b',');
        push_text_field(out, "unitType", called.unit);
        let totals = &row.totals;
        push_number(out, "pricePerUnit", row.rate.price);
        push_number(out, "grossQuantity", totals.quantity);
        push_number(out, "grossAmount", totals.gross);
        push_number(out, "discountQuantity", totals.discount_quantity);
        push_number(out, "discountAmount", totals.discount);
        push_number(out, "netQuantity", totals.net_quantity());
        push_number(out, "netAmount", totals.net());
        out.push(b'}');
    }
}

fn push_number(out: &mut Vec<u8>, key: &str, value: impl Number) {
    out.push(b',');
    push_key(out, key);
    value.push(out);
}

fn push_time_period(out: &mut Vec<u8>, period: TimePeriod) {
    out.extend_from_slice(b"\"timePeriod\":{\"year\":");
    push_integer(out, i64::from(period.year));
    for (key, value) in [("month", period.month), ("day", period.day)] {
        if let Some(value) = value {
            out.push(b',');
            push_key(out, key);
            push_integer(out, i64::from(value));
        }
    }
    out.push(b'}');
}

fn push_echoes(out: &mut Vec<u8>, echoes: &Echoes) {
    let texts = [
        ("user", &echoes.user),
        ("organization", &echoes.organization),
        ("repository", &echoes.repository),
        ("product", &echoes.product),
        ("sku", &echoes.sku),
        ("model", &echoes.model),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            out.push(b',');
            push_text_field(out, key, value);
        }
    }
    if let Some(center) = &echoes.cost_center {
        out.extend_from_slice(b",\"costCenter\":{\"id\":");
        push_string(out, &center.id);
        out.extend_from_slice(b",\"name\":");
        push_string(out, &center.name);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
