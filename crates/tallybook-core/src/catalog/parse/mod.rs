//! Reads a catalogue's text: one statement per line, words separated by white space, texts in
//! double quotes.
//!
//! Invariant: anything not understood is an error with its line and column; only white space and
//! comments are skipped. The head of `github.txt` describes the statements. Look next:
//! `included.rs` for the statements under `included` and `multipliers`.

mod included;
mod line;
mod problem;

use super::history::History;
use super::included::{Multipliers, Worth};
use super::{Catalog, Layer, Pool, Product, Sku, Unit};
use crate::money::Price;
use crate::report::ReportKind;
use line::{Line, Word};
pub use problem::{CatalogError, Problem};
use std::collections::HashMap;

/// The kinds of entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Product,
    Unit,
    Sku,
    Included,
    Multipliers,
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Unit => "unit",
            Self::Sku => "SKU",
            Self::Included => "included usage",
            Self::Multipliers => "table of multipliers",
        }
    }
}

/// The entry that the lines below it describe, by its index.
#[derive(Clone, Copy)]
struct Current {
    kind: Kind,
    place: usize,
}

/// Reads `text` over a catalogue whose `layer` is the text's own.
pub(super) fn parse(base: Catalog, text: &str) -> Result<Catalog, CatalogError> {
    let mut catalog = base;
    // Entries from here on are the text's own: they cannot be reopened by their id alone.
    let beneath = [
        catalog.products.entries.len(),
        catalog.units.entries.len(),
        catalog.skus.entries.len(),
        catalog.pools.entries.len(),
        catalog.multipliers.entries.len(),
    ];
    let mut current = None;
    for (index, line) in text.lines().enumerate() {
        let mut line = Line::read(index + 1, line)?;
        let Some(statement) = line.next() else {
            continue;
        };
        let kind = match statement.text {
            "product" => Some(Kind::Product),
            "unit" => Some(Kind::Unit),
            "sku" => Some(Kind::Sku),
            "included" => Some(Kind::Included),
            "multipliers" => Some(Kind::Multipliers),
            _ => None,
        };
        if let Some(kind) = kind {
            let place = entry(&mut catalog, kind, beneath[kind as usize], &mut line)?;
            current = Some(Current { kind, place });
        } else if statement.text == "edition" {
            if catalog.layer > 0 {
                return Err(line.error(&statement, Problem::EditionOfOwn));
            }
            catalog.edition = Some(line.day()?);
        } else {
            part(&mut catalog, current, &statement, &mut line)?;
        }
        line.finish()?;
    }
    Ok(catalog)
}

/// A statement that begins an entry, or reopens one of the underlying catalogue by its id alone.
fn entry(
    catalog: &mut Catalog,
    kind: Kind,
    beneath: usize,
    line: &mut Line<'_>,
) -> Result<usize, CatalogError> {
    let id = line.id("the id")?;
    if line.is_at_end() {
        let known = match kind {
            Kind::Product => catalog.products.place(id.text),
            Kind::Unit => catalog.units.place(id.text),
            Kind::Sku => catalog.skus.place(id.text),
            Kind::Included => catalog.pools.place(id.text),
            Kind::Multipliers => catalog.multipliers.place(id.text),
        };
        if let Some(place) = known.filter(|place| *place < beneath) {
            return Ok(place);
        }
    }
    match kind {
        Kind::Product => product(catalog, &id, line),
        Kind::Unit => unit(catalog, &id, line),
        Kind::Sku => sku(catalog, &id, line),
        Kind::Included => pool(catalog, &id, line),
        Kind::Multipliers => {
            let place = catalog.multipliers.push(Multipliers::default());
            name(catalog, line, Current { kind, place }, &id)?;
            Ok(place)
        }
    }
}

/// A statement that describes the entry above it.
fn part(
    catalog: &mut Catalog,
    current: Option<Current>,
    statement: &Word<'_>,
    line: &mut Line<'_>,
) -> Result<(), CatalogError> {
    let (wanted, noun): (&[Kind], _) = match statement.text {
        "alias" => (
            &[Kind::Product, Kind::Unit, Kind::Sku],
            "product, unit or SKU",
        ),
        "report" | "price" | "free" => (&[Kind::Sku], "SKU"),
        "for" | "worth" | "times" | "plan" | "seat" => (&[Kind::Included], "included usage"),
        "model" | "prefix" => (&[Kind::Multipliers], "multipliers"),
        "covers" => (
            &[Kind::Included, Kind::Multipliers],
            "included usage or multipliers",
        ),
        unknown => {
            return Err(line.error(statement, Problem::UnknownStatement(unknown.to_owned())));
        }
    };
    let Some(current) = current.filter(|current| wanted.contains(&current.kind)) else {
        return Err(line.error(statement, Problem::Orphan(statement.text.to_owned(), noun)));
    };
    let layer = catalog.layer;
    match (current.kind, statement.text) {
        (Kind::Included, _) => included::pool_statement(catalog, current.place, statement, line),
        (Kind::Multipliers, _) => {
            included::multipliers_statement(catalog, current.place, statement, line)
        }
        (_, "alias") => alias(catalog, line, current),
        (_, "report") => report(&mut catalog.skus.entries[current.place], line),
        (_, "free") => free(&mut catalog.skus.entries[current.place], line),
        _ => price(&mut catalog.skus.entries[current.place], layer, line),
    }
}

fn product(
    catalog: &mut Catalog,
    id: &Word<'_>,
    line: &mut Line<'_>,
) -> Result<usize, CatalogError> {
    let display = line.word("the product's display name")?;
    let place = catalog.products.push(Product {
        id: id.text.to_owned(),
        display: display.text.to_owned(),
    });
    let kind = Kind::Product;
    name(catalog, line, Current { kind, place }, id)?;
    name(catalog, line, Current { kind, place }, &display)?;
    Ok(place)
}

fn unit(catalog: &mut Catalog, id: &Word<'_>, line: &mut Line<'_>) -> Result<usize, CatalogError> {
    let pascal = line.word("the unit's Pascal-case name")?;
    let place = catalog.units.push(Unit {
        id: id.text.to_owned(),
        pascal: pascal.text.to_owned(),
    });
    let kind = Kind::Unit;
    name(catalog, line, Current { kind, place }, id)?;
    name(catalog, line, Current { kind, place }, &pascal)?;
    Ok(place)
}

fn sku(catalog: &mut Catalog, id: &Word<'_>, line: &mut Line<'_>) -> Result<usize, CatalogError> {
    let display = line.word("the SKU's display name")?;
    let product = line.word("the SKU's product")?;
    if !catalog.products().any(|it| it.id == product.text) {
        let problem = Problem::Undefined(product.text.to_owned(), "product");
        return Err(line.error(&product, problem));
    }
    let unit = line.word("the SKU's unit")?;
    if !catalog.units().any(|it| it.id == unit.text) {
        let problem = Problem::Undefined(unit.text.to_owned(), "unit");
        return Err(line.error(&unit, problem));
    }
    let place = catalog.skus.push(Sku {
        id: id.text.to_owned(),
        display: display.text.to_owned(),
        product: product.text.to_owned(),
        unit: unit.text.to_owned(),
        report: None,
        prices: History::default(),
        free_in_public: false,
        is_seat: false,
        covers: Vec::new(),
        multipliers: None,
    });
    let kind = Kind::Sku;
    name(catalog, line, Current { kind, place }, id)?;
    name(catalog, line, Current { kind, place }, &display)?;
    Ok(place)
}

fn pool(catalog: &mut Catalog, id: &Word<'_>, line: &mut Line<'_>) -> Result<usize, CatalogError> {
    let display = line.word("the included usage's display name")?;
    let per_user = line.next_is("per");
    if per_user {
        let user = line.word("'user'")?;
        if user.text != "user" {
            return Err(line.error(&user, Problem::Unexpected(user.text.to_owned())));
        }
    }
    let place = catalog.pools.push(Pool {
        id: id.text.to_owned(),
        display: display.text.to_owned(),
        per_user,
        kinds: Vec::new(),
        worth: Worth::default(),
        times: 1,
        plans: HashMap::new(),
        seats: HashMap::new(),
    });
    let kind = Kind::Included;
    name(catalog, line, Current { kind, place }, id)?;
    Ok(place)
}

fn alias(catalog: &mut Catalog, line: &mut Line<'_>, current: Current) -> Result<(), CatalogError> {
    let first = line.word("the alias")?;
    name(catalog, line, current, &first)?;
    while let Some(word) = line.next() {
        name(catalog, line, current, &word)?;
    }
    Ok(())
}

/// Gives an entry a name.
fn name(
    catalog: &mut Catalog,
    line: &Line<'_>,
    current: Current,
    word: &Word<'_>,
) -> Result<(), CatalogError> {
    let Current { kind, place } = current;
    let is_free = match kind {
        Kind::Product => catalog.products.name(place, word.text),
        Kind::Unit => catalog.units.name(place, word.text),
        Kind::Sku => catalog.skus.name(place, word.text),
        Kind::Included => catalog.pools.name(place, word.text),
        Kind::Multipliers => catalog.multipliers.name(place, word.text),
    };
    if is_free {
        Ok(())
    } else {
        let problem = Problem::Duplicate(word.text.to_owned(), kind.noun());
        Err(line.error(word, problem))
    }
}

fn report(sku: &mut Sku, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let word = line.word("the report")?;
    let kind = ReportKind::parse(word.text).filter(|kind| !kind.covers_every_sku());
    let Some(kind) = kind else {
        return Err(line.error(&word, Problem::InvalidReport(word.text.to_owned())));
    };
    if sku.report.is_some() {
        return Err(line.error(&word, Problem::SecondReport));
    }
    sku.report = Some(kind);
    Ok(())
}

/// `free in public repositories`.
fn free(sku: &mut Sku, line: &mut Line<'_>) -> Result<(), CatalogError> {
    for (wanted, what) in [
        ("in", "'in'"),
        ("public", "'public'"),
        ("repositories", "'repositories'"),
    ] {
        let word = line.word(what)?;
        if word.text != wanted {
            return Err(line.error(&word, Problem::Unexpected(word.text.to_owned())));
        }
    }
    sku.free_in_public = true;
    Ok(())
}

fn price(sku: &mut Sku, layer: Layer, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let word = line.word("the price")?;
    let price = Price::parse(word.text)
        .map_err(|error| line.error(&word, Problem::InvalidPrice(word.text.to_owned(), error)))?;
    if price < Price::ZERO {
        return Err(line.error(&word, Problem::NegativePrice(word.text.to_owned())));
    }
    let from = line.since()?;
    if sku.prices.add(from, layer, price) {
        Ok(())
    } else {
        Err(line.error(&word, Problem::PriceOrder))
    }
}
