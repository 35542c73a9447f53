//! The catalogue: which products, units and SKUs exist, what they are called, what they cost, and
//! what of them is included in plans and seats.
//!
//! Invariant: a text names at most one SKU, one product and one unit, whatever its ASCII case;
//! every SKU's product and unit are in the catalogue, its prices in the order of their days. The
//! data is a text that a person can read and edit (`github.txt`, whose head explains the form);
//! the code here knows no SKU by name. What a catalogue does not know is not an error: words then
//! are the report's own. Look next: `parse`, which reads the text, `included.rs` for what is free.

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

/// Every product, unit and SKU that is known, with its names and prices.
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
    /// As people read it: `Git LFS`.
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

/// One thing that is metered and priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku {
    /// As reports spell it: `actions_linux`.
    pub id: String,
    /// As people read it: `Actions Linux`.
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

/// How one (product, SKU, unit) is spelled in each vocabulary of the wire.
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
    /// GitHub's published catalogue, both price eras.
    pub const BUILTIN: &'static str = include_str!("github.txt");

    /// Reads a catalogue's text; the error names line and column.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        parse::parse(Self::default(), text)
    }

    /// This catalogue with a site's own text over it; the error's line and column are of `own`.
    ///
    /// The text adds entries, and changes those of this catalogue by naming their id alone: what
    /// it says of them from a day on takes the place of what this catalogue says from that day on.
    pub fn layered(&self, own: &str) -> Result<Self, CatalogError> {
        let mut base = self.clone();
        base.layer = base.layer.saturating_add(1);
        parse::parse(base, own)
    }

    /// The hash that stands for a catalogue made of `base` and perhaps a site's own text: that of
    /// the one text as it is, else one that no single text has.
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

    /// The day as of which the text was written, if it says so: a newer version of the program
    /// brings a newer edition.
    #[must_use]
    pub fn edition(&self) -> Option<Day> {
        self.edition
    }

    /// The SKU of an id, an alias or a display name, without ASCII case.
    #[must_use]
    pub fn sku(&self, text: &str) -> Option<&Sku> {
        self.skus.get(text)
    }

    /// The product of an id, an alias or a display name, without ASCII case.
    #[must_use]
    pub fn product(&self, text: &str) -> Option<&Product> {
        self.products.get(text)
    }

    /// The unit of an id, an alias or a Pascal-case name, without ASCII case.
    #[must_use]
    pub fn unit(&self, text: &str) -> Option<&Unit> {
        self.units.get(text)
    }

    /// The vocabulary of one (product, SKU, unit).
    ///
    /// What is not in the catalogue is called by the text itself in every vocabulary: that is the
    /// rule for SKUs, units and products that are created from a report.
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
    /// Each part is resolved by itself: a report that states another product or unit than the
    /// catalogue's for a SKU is kept as it states it.
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

    /// The report of single requests that the SKUs with a unit belong to, where all of them that
    /// belong to one agree.
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

    /// Whether it costs nothing in public repositories, as standard runners do.
    #[must_use]
    pub fn is_free_in_public(&self) -> bool {
        self.free_in_public
    }

    /// Whether using it is having a seat that grants something.
    #[must_use]
    pub fn is_seat(&self) -> bool {
        self.is_seat
    }

    /// Whether reports of `kind` are about this SKU: the detailed and the summarized one are about
    /// every SKU, and at most one of the two others is.
    #[must_use]
    pub fn is_in(&self, kind: ReportKind) -> bool {
        kind.is_about(self.report)
    }
}

/// Entries in the order of the text, found by any of their names.
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
        // Most texts are ids, which are lower case already: those are found without an allocation.
        let folded = if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
        let place = self.places.get(folded.as_ref())?;
        self.entries.get(*place)
    }

    /// Adds an entry without a name, and gives its place.
    fn push(&mut self, entry: T) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Every name of the entry at `place`, folded and sorted.
    fn names(&self, place: usize) -> Vec<&str> {
        let names = self.places.iter().filter(|(_, of)| **of == place);
        let mut names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The names of the entry with this id besides its id and its display name, as they are
    /// compared, sorted.
    fn aliases(&self, id: &str, display: &str) -> Vec<&str> {
        let place = self.place(id);
        let mut names = place.map_or_else(Vec::new, |place| self.names(place));
        names.retain(|name| !name.eq_ignore_ascii_case(id) && !name.eq_ignore_ascii_case(display));
        names
    }

    /// The place of the entry that has a name.
    fn place(&self, name: &str) -> Option<usize> {
        self.places.get(&NameKey::new(name)).copied()
    }

    /// Gives the entry at `place` a name; false when another entry has it.
    ///
    /// An id and a display name that differ only in case (`copilot`, `Copilot`) are one name.
    fn name(&mut self, place: usize, name: &str) -> bool {
        *self.places.entry(NameKey::new(name)).or_insert(place) == place
    }
}
