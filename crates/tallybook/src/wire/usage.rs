//! The body of `usage`: dated items.
//!
//! Invariant: the order of keys is that of the documents' examples. The parts of an item that are
//! the same for many rows (its date, product, SKU, unit and price; its organization and repository)
//! are written once and copied, because answers reach millions of items. Look next:
//! [`super::words`], and [`super::rows`] for what is copied.

use super::json::{Number, push_key, push_parts, push_string, push_text_field};
use super::rows::Rows;
use super::words::{Dialect, Vocabulary, Words, shown, words};
use tallybook_core::catalog::Catalog;
use tallybook_core::query::{Charges, Grain, Rate, Row};
use tallybook_core::time::Hour;

/// What an answer's items have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageShape {
    /// Whose words.
    pub dialect: Dialect,
    /// Hours show their hour in the observed dialect.
    pub grain: Grain,
    /// Users' items carry no organization.
    pub with_organization: bool,
}

/// Writes a `usage` body, an item at a time.
#[derive(Debug)]
pub struct UsageWriter {
    shape: UsageShape,
    /// The login that owns repositories of no organization: the user's, on user endpoints.
    owner: Box<str>,
    any: bool,
    date: Option<Hour>,
    rate: Option<Rate>,
    rate_part: RatePart,
}

/// What stands before the quantity of items of one date and rate, and between it and the amounts.
#[derive(Debug, Default)]
struct RatePart {
    before_quantity: Vec<u8>,
    after_quantity: Vec<u8>,
}

impl UsageWriter {
    /// A writer for one body. `owner` owns repositories of rows without an organization; `""` when
    /// nobody is known to.
    #[must_use]
    pub fn new(shape: UsageShape, owner: &str) -> Self {
        Self {
            shape,
            owner: owner.into(),
            any: false,
            date: None,
            rate: None,
            rate_part: RatePart::default(),
        }
    }

    /// Appends what stands before the items.
    pub fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"usageItems\":[");
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
        rows: &mut Rows<Charges>,
        enough: usize,
        catalog: &Catalog,
    ) -> bool {
        rows.write(out, enough, |out, row, another_rate, end| {
            if another_rate {
                self.remember(row, &words(catalog, row.rate));
            }
            self.start(out, row);
            end.push(out, |out| self.end(out, row));
        })
    }

    /// Appends one item. `words` are those of the row's rate.
    pub fn item(&mut self, out: &mut Vec<u8>, row: &Row<'_, Charges>, words: &Words<'_>) {
        self.remember(row, words);
        self.start(out, row);
        self.end(out, row);
    }

    /// What depends on the date, the rate, which are remembered, and the sums.
    fn start(&mut self, out: &mut Vec<u8>, row: &Row<'_, Charges>) {
        if std::mem::replace(&mut self.any, true) {
            out.push(b',');
        }
        out.extend_from_slice(&self.rate_part.before_quantity);
        row.totals.quantity.push(out);
        out.extend_from_slice(&self.rate_part.after_quantity);
        row.totals.gross.push(out);
        out.extend_from_slice(b",\"discountAmount\":");
        row.totals.discount.push(out);
        out.extend_from_slice(b",\"netAmount\":");
        row.totals.net().push(out);
    }

    /// What depends on the organization and the repository only.
    fn end(&self, out: &mut Vec<u8>, row: &Row<'_, Charges>) {
        if self.shape.with_organization {
            out.extend_from_slice(b",\"organizationName\":");
            push_string(out, row.organization);
        }
        self.repository(out, row);
        out.push(b'}');
    }

    /// Documented: `owner/name`, and no key when there is no repository. Observed: the bare name,
    /// `""` when there is none. A report may name a repository of another owner, in full.
    fn repository(&self, out: &mut Vec<u8>, row: &Row<'_, Charges>) {
        let name = row.repository;
        if name.is_empty() && self.shape.dialect == Dialect::Documented {
            return;
        }
        out.extend_from_slice(b",\"repositoryName\":");
        let owner = match row.organization {
            "" => &self.owner,
            organization => organization,
        };
        match (self.shape.dialect, name.rsplit_once('/')) {
            (Dialect::Observed, Some((_, own))) => push_string(out, own),
            (Dialect::Observed, None) | (Dialect::Documented, Some(_)) => push_string(out, name),
            (Dialect::Documented, None) if owner.is_empty() => push_string(out, name),
            (Dialect::Documented, None) => push_parts(out, &[owner, "/", name]),
        }
    }

    fn remember(&mut self, row: &Row<'_, Charges>, words: &Words<'_>) {
        if self.date != Some(row.start) || self.rate.as_ref() != Some(row.rate) {
            self.date = Some(row.start);
            self.rate = Some(row.rate.clone());
            let date = self.date_text(row.start);
            self.rate_part = RatePart::new(&date, row.rate, words, self.shape.dialect);
        }
    }

    /// The first day of the row's period; the observed dialect says it as an instant.
    fn date_text(&self, start: Hour) -> String {
        match (self.shape.dialect, self.shape.grain) {
            (Dialect::Documented, _) => start.day().to_string(),
            (Dialect::Observed, Grain::Hour) => start.start().to_string(),
            (Dialect::Observed, _) => start.day().first_hour().start().to_string(),
        }
    }
}

impl RatePart {
    fn new(date: &str, rate: &Rate, words: &Words<'_>, dialect: Dialect) -> Self {
        let called = shown(words, Vocabulary::Usage(dialect));
        let mut part = Self::default();
        let out = &mut part.before_quantity;
        out.push(b'{');
        push_text_field(out, "date", date);
        out.push(b',');
        push_text_field(out, "product", called.product);
        out.push(b',');
        push_text_field(out, "sku", called.sku);
        out.push(b',');
        push_key(out, "quantity");
        let out = &mut part.after_quantity;
        out.push(b',');
        push_text_field(out, "unitType", called.unit);
        out.push(b',');
        push_key(out, "pricePerUnit");
        rate.price.push(out);
        out.push(b',');
        push_key(out, "grossAmount");
        part
    }
}

#[cfg(test)]
mod tests;
