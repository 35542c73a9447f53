//! The body of `usage`: dated items.
//!
//! Invariant: the order of keys is that of the documentation's examples. The parts of an item that
//! are the same for many rows (its date, product, SKU, unit and price; its organization) are cached
//! in written form, because answers reach millions of items. Look next: [`super::words`].

use super::json::{JsonNumber, push_escaped, push_key, push_string, push_text_field};
use super::rows::Rows;
use super::words::{Dialect, Vocabulary, Words, shown, words};
use std::sync::Arc;
use tallybook_core::catalog::Catalog;
use tallybook_core::query::{Charges, Grain, Rate, Row};
use tallybook_core::time::Hour;

/// The shape shared by an answer's items.
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
    /// The login that owns repositories without an organization: the user's, on user endpoints.
    owner: Box<str>,
    any: bool,
    date: Option<Hour>,
    rate: Option<Arc<Rate>>,
    rate_part: RatePart,
    owner_part: OwnerPart,
}

/// The shared parts of items with one date and rate: before the quantity, and between it and the
/// amounts.
#[derive(Debug, Default)]
struct RatePart {
    before_quantity: Vec<u8>,
    after_quantity: Vec<u8>,
}

/// The shared ends of items of one organization.
#[derive(Debug)]
struct OwnerPart {
    organization: Box<str>,
    /// The organization, if items have one.
    named: Vec<u8>,
    /// The same, then the beginning of a repository's name that is shown with its owner.
    before_name: Option<Vec<u8>>,
}

impl UsageWriter {
    /// A writer for one body. `owner` owns repositories of rows without an organization; `""` if
    /// unknown.
    #[must_use]
    pub fn new(shape: UsageShape, owner: &str) -> Self {
        Self {
            shape,
            owner: owner.into(),
            any: false,
            date: None,
            rate: None,
            rate_part: RatePart::default(),
            owner_part: OwnerPart::new("", shape, owner),
        }
    }

    /// Appends the part before the items.
    pub fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"usageItems\":[");
    }

    /// Appends the part after the items.
    pub fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }

    /// Appends items until `out` is at least `enough` bytes long, and returns whether those were
    /// all of `rows`. Words are the catalogue's.
    pub fn items(
        &mut self,
        out: &mut Vec<u8>,
        rows: &mut Rows<Charges>,
        enough: usize,
        catalog: &Catalog,
    ) -> bool {
        rows.write(out, enough, |out, row| {
            self.item(out, row, || words(catalog, row.rate));
        })
    }

    /// Appends one item. `words` gives those of the row's rate.
    pub fn item<'w>(
        &mut self,
        out: &mut Vec<u8>,
        row: &Row<'_, Charges>,
        words: impl FnOnce() -> Words<'w>,
    ) {
        if self.date != Some(row.start) || self.rate.as_ref() != Some(row.rate) {
            self.date = Some(row.start);
            self.rate = Some(Arc::clone(row.rate));
            let date = self.date_text(row.start);
            self.rate_part = RatePart::new(&date, row.rate, &words(), self.shape.dialect);
        }
        if *self.owner_part.organization != *row.organization {
            self.owner_part = OwnerPart::new(row.organization, self.shape, &self.owner);
        }
        if std::mem::replace(&mut self.any, true) {
            out.push(b',');
        }
        self.rate_part.push(out, &row.totals);
        self.owner_part
            .push(out, row.repository, self.shape.dialect);
    }

    /// The first day of the row's period; the observed dialect writes it as an instant.
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

    fn push(&self, out: &mut Vec<u8>, sums: &Charges) {
        out.extend_from_slice(&self.before_quantity);
        sums.quantity.push(out);
        out.extend_from_slice(&self.after_quantity);
        sums.gross.push(out);
        out.extend_from_slice(b",\"discountAmount\":");
        sums.discount.push(out);
        out.extend_from_slice(b",\"netAmount\":");
        sums.net().push(out);
    }
}

impl OwnerPart {
    /// `owner` owns repositories without an organization.
    fn new(organization: &str, shape: UsageShape, owner: &str) -> Self {
        let mut named = Vec::new();
        if shape.with_organization {
            named.extend_from_slice(b",\"organizationName\":");
            push_string(&mut named, organization);
        }
        let owner = match organization {
            "" => owner,
            organization => organization,
        };
        let shows_owner = shape.dialect == Dialect::Documented && !owner.is_empty();
        let before_name = shows_owner.then(|| {
            let mut out = named.clone();
            out.extend_from_slice(b",\"repositoryName\":\"");
            push_escaped(&mut out, owner);
            out.push(b'/');
            out
        });
        Self {
            organization: organization.into(),
            named,
            before_name,
        }
    }

    /// Documented: `owner/name`, and no key if there is no repository. Observed: the bare name,
    /// `""` when there is none. A report may name a repository of another owner, in full.
    fn push(&self, out: &mut Vec<u8>, name: &str, dialect: Dialect) {
        // Names are short, so no call is needed to scan one.
        let slash = name.bytes().rposition(|byte| byte == b'/');
        if let (Some(before), None, false) = (&self.before_name, slash, name.is_empty()) {
            out.extend_from_slice(before);
            push_escaped(out, name);
            out.extend_from_slice(b"\"}");
            return;
        }
        out.extend_from_slice(&self.named);
        if !name.is_empty() || dialect == Dialect::Observed {
            out.extend_from_slice(b",\"repositoryName\":");
            let shown = match (dialect, slash) {
                (Dialect::Observed, Some(slash)) => &name[slash + 1..],
                (Dialect::Observed, None) | (Dialect::Documented, _) => name,
            };
            push_string(out, shown);
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
