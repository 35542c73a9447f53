//! The catalogue: which products, units and SKUs exist, what they are called, what they cost, and
//! how much of them plans and seats include.
//!
//! Invariant: a text names at most one SKU, one product and one unit, whatever its ASCII case;
//! every SKU's product and unit are in the catalogue, its prices are in order of day. The data is a
//! human-readable text (`github.txt`, whose head explains the syntax); the code here knows no SKU
//! by name. A SKU, product or unit that the catalogue lacks is not an error: it keeps the report's
//! own spelling. Look next: `parse`, which reads the text, `included.rs` for what is free.

mod describe;
mod difference;
mod history;
mod included;
mod parse;
#[cfg(test)]
mod tests;

use crate::ids::Digest;
use crate::money::Price;
use crate::name::NameKey;
use crate::report::ReportKind;
use crate::time::Day;
use std::borrow::Cow;
use std::collections::HashMap;

use history::{History, Layer};
use included::{Cover, Multipliers};

pub use describe::{Dated, MultiplierTable};
pub use difference::{Fact, LostPrice};
pub use included::{Measure, Pool};
pub use parse::{CatalogError, Problem};

/// Every known product, unit and SKU, with its names and prices.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    edition: Option<Day>,
    products: Register<Product>,
    units: Register<Unit>,
    skus: Register<Sku>,
    pools: Register<Pool>,
    multipliers: Register<Multipliers>,
    layer: Layer,
}

/// What SKUs are grouped by: `actions`, shown as `Actions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// As reports spell it: `git_lfs`.
    pub id: String,
    /// For display: `Git LFS`.
    pub display: String,
}

/// What a quantity counts: `minutes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// As reports spell it: `gigabyte-hours`.
    pub id: String,
    /// As GitHub's `usage` answer was seen to spell it: `GigabyteHours`.
    pub pascal: String,
}

/// An item that is metered and priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku {
    /// As reports spell it: `actions_linux`.
    pub id: String,
    /// For display: `Actions Linux`.
    pub display: String,
    /// The id of its product.
    pub product: String,
    /// The id of its unit.
    pub unit: String,
    report: Option<ReportKind>,
    prices: History<Price>,
    free_in_public: bool,
    is_seat: bool,
    covers: Vec<Cover>,
    multipliers: Option<usize>,
}

/// How one (product, SKU, unit) is spelled in each vocabulary of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a> {
    /// `actions`
    pub product_id: &'a str,
    /// `Actions`
    pub product_display: &'a str,
    /// `actions_linux`
    pub sku_id: &'a str,
    /// `Actions Linux`
    pub sku_display: &'a str,
    /// `minutes`
    pub unit_id: &'a str,
    /// `Minutes`
    pub unit_pascal: &'a str,
}

/// The ids of a (product, SKU, unit) after aliases, each with whether the catalogue knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canonical<'a> {
    /// The product.
    pub product: Resolved<'a>,
    /// The SKU.
    pub sku: Resolved<'a>,
    /// The unit.
    pub unit: Resolved<'a>,
}

/// An id, or the text itself where the catalogue has no such entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The catalogue's id, else the text that was asked for.
    pub id: &'a str,
    /// Whether the catalogue has it.
    pub known: bool,
}

impl Catalog {
    /// GitHub's published catalogue, covering both price eras.
    pub const BUILTIN: &'static str = include_str!("github.txt");

    /// Reads a catalogue's text; the error names line and column.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        parse::parse(Self::default(), text)
    }

    /// This catalogue with a site's own text over it; the error's line and column are of `own`.
    ///
    /// The text adds entries, and changes existing ones by naming their id alone: what it states
    /// from a given day on replaces what this catalogue states from that day on.
    pub fn layered(&self, own: &str) -> Result<Self, CatalogError> {
        let mut base = self.clone();
        base.layer = base.layer.saturating_add(1);
        parse::parse(base, own)
    }

    /// The hash that identifies a catalogue made of `base` and perhaps a site's own text: the plain
    /// hash of `base` when there is no own text, else one that no single text can have.
    #[must_use]
    pub fn digest(base: &str, own: Option<&str>) -> Digest {
        let base = Digest::of(base.as_bytes());
        match own {
            None => base,
            Some(own) => {
                let parts = [b"layered ".as_slice(), &base.0, own.as_bytes()];
                Digest::of(&parts.concat())
            }
        }
    }

    /// The edition date that the text states, if any: a newer version of the program brings a newer
    /// edition.
    #[must_use]
    pub fn edition(&self) -> Option<Day> {
        self.edition
    }

    /// The SKU with this id, alias or display name, ignoring ASCII case.
    #[must_use]
    pub fn sku(&self, text: &str) -> Option<&Sku> {
        self.skus.get(text)
    }

    /// The product with this id, alias or display name, ignoring ASCII case.
    #[must_use]
    pub fn product(&self, text: &str) -> Option<&Product> {
        self.products.get(text)
    }

    /// The unit with this id, alias or Pascal-case name, ignoring ASCII case.
    #[must_use]
    pub fn unit(&self, text: &str) -> Option<&Unit> {
        self.units.get(text)
    }

    /// The vocabulary of one (product, SKU, unit).
    ///
    /// An entry that the catalogue lacks keeps its own text in every vocabulary: that is the rule
    /// for SKUs, units and products that first appear in a report.
    #[must_use]
    pub fn words<'a>(&'a self, product: &'a str, sku: &'a str, unit: &'a str) -> Words<'a> {
        let (product_id, product_display) = match self.product(product) {
            Some(found) => (found.id.as_str(), found.display.as_str()),
            None => (product, product),
        };
        let (sku_id, sku_display) = match self.sku(sku) {
            Some(found) => (found.id.as_str(), found.display.as_str()),
            None => (sku, sku),
        };
        let (unit_id, unit_pascal) = match self.unit(unit) {
            Some(found) => (found.id.as_str(), found.pascal.as_str()),
            None => (unit, unit),
        };
        Words {
            product_id,
            product_display,
            sku_id,
            sku_display,
            unit_id,
            unit_pascal,
        }
    }

    /// The ids of one (product, SKU, unit) after aliases; unknown texts stay as they are.
    ///
    /// Each part is resolved separately: when a report gives a SKU a different product or unit than
    /// the catalogue does, the report's is kept.
    #[must_use]
    pub fn canonical<'a>(&'a self, product: &'a str, sku: &'a str, unit: &'a str) -> Canonical<'a> {
        fn resolve<'a>(found: Option<&'a str>, text: &'a str) -> Resolved<'a> {
            Resolved {
                id: found.unwrap_or(text),
                known: found.is_some(),
            }
        }
        Canonical {
            product: resolve(self.product(product).map(|it| it.id.as_str()), product),
            sku: resolve(self.sku(sku).map(|it| it.id.as_str()), sku),
            unit: resolve(self.unit(unit).map(|it| it.id.as_str()), unit),
        }
    }

    /// The request-level report that SKUs with this unit belong to, if all those that belong to one
    /// agree.
    #[must_use]
    pub fn report_of_unit(&self, unit: &str) -> Option<ReportKind> {
        let unit = self.unit(unit)?;
        let of_unit = self.skus().filter(|sku| sku.unit == unit.id);
        let mut reports = of_unit.filter_map(|sku| sku.report);
        let first = reports.next()?;
        reports.all(|other| other == first).then_some(first)
    }

    /// Every SKU, in the order of the text.
    pub fn skus(&self) -> impl Iterator<Item = &Sku> {
        self.skus.entries.iter()
    }

    /// Every product, in the order of the text.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.entries.iter()
    }

    /// Every pool of included usage, in the order of the text.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = &Pool> {
        self.pools.entries.iter()
    }

    /// Every unit, in the order of the text.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.entries.iter()
    }
}

impl Sku {
    /// The list price per unit in US dollars on `day`; `None` where none is published.
    #[must_use]
    pub fn price_on(&self, day: Day) -> Option<Price> {
        self.prices.on(day)
    }

    /// Whether it is free in public repositories, as standard runners are.
    #[must_use]
    pub fn is_free_in_public(&self) -> bool {
        self.free_in_public
    }

    /// Whether using it means having a seat that grants included usage.
    #[must_use]
    pub fn is_seat(&self) -> bool {
        self.is_seat
    }

    /// Whether reports of `kind` are about this SKU: detailed and summarized reports are about
    /// every SKU, and at most one of the other two kinds is.
    #[must_use]
    pub fn is_in(&self, kind: ReportKind) -> bool {
        kind.is_about(self.report)
    }
}

/// Entries in the order of the text, searchable by any of their names.
#[derive(Debug, Clone)]
struct Register<T> {
    entries: Vec<T>,
    places: HashMap<NameKey, usize>,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Register<T> {
    fn get(&self, text: &str) -> Option<&T> {
        // Most texts are ids, already in lower case: these are looked up without an allocation.
        let folded = if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
        let place = self.places.get(folded.as_ref())?;
        self.entries.get(*place)
    }

    /// Adds an entry without a name, and returns its index.
    fn push(&mut self, entry: T) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Every name of the entry at index `place`, folded and sorted.
    fn names(&self, place: usize) -> Vec<&str> {
        let names = self.places.iter().filter(|(_, of)| **of == place);
        let mut names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The names of the entry with this id other than its id and display name, folded and sorted.
    fn aliases(&self, id: &str, display: &str) -> Vec<&str> {
        let place = self.place(id);
        let mut names = place.map_or_else(Vec::new, |place| self.names(place));
        names.retain(|name| !name.eq_ignore_ascii_case(id) && !name.eq_ignore_ascii_case(display));
        names
    }

    /// The index of the entry with this name.
    fn place(&self, name: &str) -> Option<usize> {
        self.places.get(&NameKey::new(name)).copied()
    }

    /// Names the entry at index `place`; false when another entry already has the name.
    ///
    /// An id and a display name that differ only in case (`copilot`, `Copilot`) are one name.
    fn name(&mut self, place: usize, name: &str) -> bool {
        *self.places.entry(NameKey::new(name)).or_insert(place) == place
    }
}
