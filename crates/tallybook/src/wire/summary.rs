//! The bodies of `usage/summary`, `premium_request/usage` and `ai_credit/usage`: an envelope that
//! echoes the request, and items without dates.
//!
//! Invariant: the order of keys is that of the documentation's examples; echoes come in the order
//! of the schemas. Look next: [`super::words`].

use super::json::{JsonNumber, push_integer, push_key, push_string, push_text_field};
use super::rows::Rows;
use super::words::{Shown, Vocabulary, Words, shown, words};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tallybook_core::account::AccountKind;
use tallybook_core::catalog::Catalog;
use tallybook_core::money::Price;
use tallybook_core::query::rates::RateOrder;
use tallybook_core::query::{Rate, Row, Totals};

/// The period that was resolved, as `timePeriod` echoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimePeriod {
    /// Four digits.
    pub year: i16,
    /// 1 to 12, when the period is a month or a day.
    pub month: Option<i8>,
    /// 1 to 31, when the period is a day.
    pub day: Option<i8>,
}

/// A cost center, as echoed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CostCenterEcho {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Filters in their canonical spelling; filters that were not given are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
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
    /// The kind of account, which determines the key.
    pub account_kind: AccountKind,
    /// Its name, as declared.
    pub account: String,
    /// What was filtered by.
    pub echoes: Echoes,
}

/// The beginning of every item of a rate: SKUs by id, no model.
type Label = Box<[u8]>;

/// The beginnings of items of `usage/summary`, by the address of their rate order: cached on first
/// use, because they make up half of such a body.
#[derive(Debug)]
pub struct Labels(Mutex<LruCache<usize, Labelled>>);

/// A rate order and its labels; keeping the order ensures that no other has its address.
#[derive(Debug)]
struct Labelled {
    _order: Arc<RateOrder>,
    labels: Arc<[Label]>,
}

/// How many orders are remembered: some kilobytes each.
const MOST_LABELLED: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

impl Default for Labels {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_LABELLED)))
    }
}

impl Labels {
    /// The labels of `order`, which is of one catalogue.
    #[must_use]
    pub fn of(&self, order: &Arc<RateOrder>, catalog: &Catalog) -> Arc<[Label]> {
        let key = Arc::as_ptr(order).addr();
        let known = self.lock().get(&key).map(|it| Arc::clone(&it.labels));
        known.unwrap_or_else(|| {
            let rates = order.rates().iter();
            let labels: Arc<[Label]> = rates
                .map(|rate| label(rate, &words(catalog, rate)))
                .collect();
            let labelled = Labelled {
                _order: Arc::clone(order),
                labels: Arc::clone(&labels),
            };
            self.lock().put(key, labelled);
            labels
        })
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<usize, Labelled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label(rate: &Rate, words: &Words<'_>) -> Label {
    let called = shown(words, Vocabulary::Summary);
    let mut out = Vec::new();
    push_product_and_sku(&mut out, &called);
    push_unit_and_price(&mut out, &called, rate.price);
    out.into()
}

/// Space reserved for the sums of an item, so that a body rarely reallocates.
const SUMS_BYTES: usize = 224;
/// Space reserved for an envelope with some echoes.
const ENVELOPE_BYTES: usize = 512;

/// The body of `usage/summary`: one item per rate, consisting of its label and its sums.
pub fn summary_body<'a>(
    envelope: &Envelope,
    items: impl Iterator<Item = (&'a [u8], &'a Totals)> + Clone,
) -> Vec<u8> {
    let sizes = items.clone().map(|(label, _)| label.len() + SUMS_BYTES);
    let mut out = Vec::with_capacity(ENVELOPE_BYTES + sizes.sum::<usize>());
    push_envelope(&mut out, envelope);
    for (index, (label, totals)) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(label);
        push_totals(&mut out, totals);
    }
    out.extend_from_slice(END);
    out
}

/// Writes the body of premium requests or AI credits, an item at a time: SKUs by display name,
/// with a model.
#[derive(Debug, Default)]
pub struct RequestsWriter {
    any: bool,
}

impl RequestsWriter {
    /// Appends the envelope.
    pub fn open(&self, out: &mut Vec<u8>, envelope: &Envelope) {
        push_envelope(out, envelope);
    }

    /// Appends the part after the items.
    pub fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(END);
    }

    /// Appends items until `out` is at least `enough` bytes long, and returns whether those were
    /// all of `rows`. Words are the catalogue's.
    pub fn items(
        &mut self,
        out: &mut Vec<u8>,
        rows: &mut Rows<Totals>,
        enough: usize,
        catalog: &Catalog,
    ) -> bool {
        rows.write(out, enough, |out, row| {
            self.item(out, row, &words(catalog, row.rate));
        })
    }

    /// Appends one item. `words` are those of the row's rate.
    pub fn item(&mut self, out: &mut Vec<u8>, row: &Row<'_>, words: &Words<'_>) {
        if std::mem::replace(&mut self.any, true) {
            out.push(b',');
        }
        let called = shown(words, Vocabulary::Requests);
        push_product_and_sku(out, &called);
        out.push(b',');
        push_text_field(out, "model", row.model);
        push_unit_and_price(out, &called, row.rate.price);
        push_totals(out, &row.totals);
    }
}

/// The part after the items.
const END: &[u8] = b"]}";

fn push_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    out.push(b'{');
    push_time_period(out, envelope.time_period);
    out.push(b',');
    push_text_field(out, envelope.account_kind.as_str(), &envelope.account);
    push_echoes(out, &envelope.echoes);
    out.extend_from_slice(b",\"usageItems\":[");
}

fn push_product_and_sku(out: &mut Vec<u8>, called: &Shown<'_>) {
    out.push(b'{');
    push_text_field(out, "product", called.product);
    out.push(b',');
    push_text_field(out, "sku", called.sku);
}

fn push_unit_and_price(out: &mut Vec<u8>, called: &Shown<'_>, price: Price) {
    out.push(b',');
    push_text_field(out, "unitType", called.unit);
    out.push(b',');
    push_key(out, "pricePerUnit");
    price.push(out);
}

/// The sums of an item, and its end.
fn push_totals(out: &mut Vec<u8>, totals: &Totals) {
    out.extend_from_slice(b",\"grossQuantity\":");
    totals.quantity.push(out);
    out.extend_from_slice(b",\"grossAmount\":");
    totals.gross.push(out);
    out.extend_from_slice(b",\"discountQuantity\":");
    totals.discount_quantity.push(out);
    out.extend_from_slice(b",\"discountAmount\":");
    totals.discount.push(out);
    out.extend_from_slice(b",\"netQuantity\":");
    totals.net_quantity().push(out);
    out.extend_from_slice(b",\"netAmount\":");
    totals.net().push(out);
    out.push(b'}');
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
