//! SKUs, products and units that reports name and the catalogue lacks: their spelling, and the
//! reports that they belong to.
//!
//! Invariant: a function of the account's live imports and the catalogue, so neither the order of
//! imports nor the months queried change an answer. Names compare without ASCII case; of several
//! spellings the bytewise smallest is shown.

use super::Account;
use super::record::RawSku;
use crate::catalog::Catalog;
use crate::ids::Digest;
use crate::money::Price;
use crate::rate::RateKey;
use crate::report::ReportKind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The products, SKUs and units of an account's live imports that the catalogue lacks.
#[derive(Debug, Clone, Default)]
pub struct Unlisted(Arc<Names>);

#[derive(Debug, Default)]
struct Names {
    products: BTreeMap<String, Arc<str>>,
    skus: BTreeMap<String, Arc<str>>,
    units: BTreeMap<String, Arc<str>>,
    /// By SKU, the request-level report that it belongs to.
    reports: BTreeMap<String, ReportKind>,
}

impl Unlisted {
    /// The unlisted names of everything live in `account`.
    #[must_use]
    pub fn new(account: &Account, catalog: &Catalog) -> Self {
        let mut names = Names::default();
        for import in account.live_imports() {
            let skus = &import.record.tables.skus;
            skus.iter().for_each(|raw| names.note(catalog, raw));
            for part in &import.record.parts {
                let stated = part.sums.iter();
                let stated = stated.filter_map(|sum| skus.get(sum.sku as usize));
                stated.for_each(|raw| names.note_report(catalog, raw, part.kind));
            }
        }
        Self(Arc::new(names))
    }

    /// The rate that a report states, under the spellings shared by all reports of that usage.
    #[must_use]
    pub fn rate(&self, catalog: &Catalog, raw: &RawSku, price: Price) -> RateKey {
        let canonical = catalog.canonical(&raw.product, &raw.sku, &raw.unit);
        let spelled = |names: &BTreeMap<String, Arc<str>>, text: &str| {
            let least = names.get(&text.to_ascii_lowercase());
            least.map_or_else(|| text.to_owned(), ToString::to_string)
        };
        RateKey {
            folded_sku: canonical.sku.id.to_ascii_lowercase(),
            sku: spelled(&self.0.skus, canonical.sku.id),
            product: spelled(&self.0.products, canonical.product.id),
            unit: spelled(&self.0.units, canonical.unit.id),
            price,
        }
    }

    /// The request-level report that a reported SKU belongs to: according to the catalogue's entry
    /// for the SKU, else for other SKUs with its unit, else the finest report that ever named it.
    #[must_use]
    pub fn report(&self, catalog: &Catalog, raw: &RawSku) -> Option<ReportKind> {
        match catalog.sku(&raw.sku) {
            Some(sku) => sku.report(),
            None => self.0.reports.get(&raw.sku.to_ascii_lowercase()).copied(),
        }
    }

    /// A hash of all this; `None` when the catalogue lacks nothing.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let names = &self.0;
        let tables = [&names.products, &names.skus, &names.units];
        if tables.iter().all(|table| table.is_empty()) {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        for table in tables {
            hasher.update(&(table.len() as u64).to_le_bytes());
            for spelling in table.values() {
                hasher.update(&(spelling.len() as u64).to_le_bytes());
                hasher.update(spelling.as_bytes());
            }
        }
        for sku in names.skus.keys() {
            let report = names.reports.get(sku);
            hasher.update(report.map_or("", |kind| kind.as_str()).as_bytes());
            hasher.update(b";");
        }
        Some(Digest(*hasher.finalize().as_bytes()))
    }
}

impl Names {
    fn note(&mut self, catalog: &Catalog, raw: &RawSku) {
        let canonical = catalog.canonical(&raw.product, &raw.sku, &raw.unit);
        for (names, text, known) in [
            (&mut self.products, &raw.product, canonical.product.known),
            (&mut self.skus, &raw.sku, canonical.sku.known),
            (&mut self.units, &raw.unit, canonical.unit.known),
        ] {
            if known {
                continue;
            }
            let least = names.entry(text.to_ascii_lowercase());
            let least = least.or_insert_with(|| text.as_ref().into());
            if **text < **least {
                *least = text.as_ref().into();
            }
        }
    }

    fn note_report(&mut self, catalog: &Catalog, raw: &RawSku, kind: ReportKind) {
        if catalog.sku(&raw.sku).is_some() {
            return;
        }
        let of_unit = catalog.report_of_unit(&raw.unit);
        let named = (!kind.covers_every_sku()).then_some(kind);
        let Some(report) = of_unit.or(named) else {
            return;
        };
        let known = self.reports.entry(raw.sku.to_ascii_lowercase());
        let known = known.or_insert(report);
        *known = report.max(*known);
    }
}
