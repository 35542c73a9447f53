//! Reads a catalogue's text: a statement a line, words by white space, texts in double quotes.
//!
//! Invariant: whatever is not understood is an error with its line and column; nothing is skipped
//! but white space and comments. The head of `github.txt` describes the statements.

use super::{Catalog, DatedPrice, Product, Sku, Unit};
use crate::decimal::ParseDecimalError;
use crate::money::Price;
use crate::report::ReportKind;
use crate::time::{CalendarError, Day};

/// What is wrong with a catalogue's text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct CatalogError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a catalogue's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A line begins with an unknown word.
    #[error(
        "unknown statement '{0}' (edition, product, unit, sku, alias, report and price are known)"
    )]
    UnknownStatement(String),
    /// A word that the statement needs is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A word more than the statement takes.
    #[error("unexpected '{0}'")]
    Unexpected(String),
    /// A quoted text does not end on its line.
    #[error("the text that begins here has no closing quote")]
    OpenQuote,
    /// Something stands directly behind a closing quote.
    #[error("white space is needed after a closing quote")]
    NoSpaceAfterQuote,
    /// An id is not made of lower-case letters, digits, '_' and '-'.
    #[error("'{0}' is not an id: lower-case letters, digits, '_' and '-' are allowed")]
    InvalidId(String),
    /// A name that another entry has.
    #[error("'{0}' already names another {1}")]
    Duplicate(String, &'static str),
    /// A SKU names a product or unit that is not defined above it.
    #[error("there is no {1} '{0}' above this line")]
    Undefined(String, &'static str),
    /// An `alias`, `report` or `price` line without an entry that it could be about.
    #[error("'{0}' must follow the {1} that it is about")]
    Orphan(String, &'static str),
    /// The report is none of those that a SKU can be in besides detailed and summarized.
    #[error("'{0}' must be premium_request or ai_credit")]
    InvalidReport(String),
    /// The SKU has a report line already.
    #[error("the SKU already has a report")]
    SecondReport,
    /// The price is not a decimal number.
    #[error("the price '{0}' {1}")]
    InvalidPrice(String, ParseDecimalError),
    /// The price is below zero.
    #[error("the price '{0}' is negative")]
    NegativePrice(String),
    /// The day is not a date.
    #[error("'{0}' is not a day: {1}")]
    InvalidDay(String, CalendarError),
    /// A price without a day, or with an earlier day, below another.
    #[error("prices must stand in the order of their days")]
    PriceOrder,
}

/// A word and where it stands.
struct Word<'a> {
    text: &'a str,
    column: usize,
}

/// One line's words, taken from the left.
struct Line<'a> {
    number: usize,
    words: std::vec::IntoIter<Word<'a>>,
    end_column: usize,
}

/// What `alias` lines are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Product,
    Unit,
    Sku,
}

pub(super) fn parse(text: &str) -> Result<Catalog, CatalogError> {
    let mut catalog = Catalog::default();
    let mut entry = None;
    for (index, line) in text.lines().enumerate() {
        let mut line = Line::read(index + 1, line)?;
        let Some(statement) = line.words.next() else {
            continue;
        };
        match statement.text {
            "edition" => catalog.edition = Some(line.day()?),
            "product" => {
                product(&mut catalog, &mut line)?;
                entry = Some(Entry::Product);
            }
            "unit" => {
                unit(&mut catalog, &mut line)?;
                entry = Some(Entry::Unit);
            }
            "sku" => {
                sku(&mut catalog, &mut line)?;
                entry = Some(Entry::Sku);
            }
            "alias" => {
                let orphan = || line.orphan(&statement, "product, unit or SKU");
                let entry = entry.ok_or_else(orphan)?;
                alias(&mut catalog, &mut line, entry)?;
            }
            "report" | "price" => {
                let newest = catalog.skus.entries.last_mut();
                let newest = newest.filter(|_| entry == Some(Entry::Sku));
                let newest = newest.ok_or_else(|| line.orphan(&statement, "SKU"))?;
                match statement.text {
                    "report" => report(newest, &mut line)?,
                    _ => price(newest, &mut line)?,
                }
            }
            unknown => {
                let problem = Problem::UnknownStatement(unknown.to_owned());
                return Err(line.error(&statement, problem));
            }
        }
        line.finish()?;
    }
    Ok(catalog)
}

fn product(catalog: &mut Catalog, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let id = line.id("the product's id")?;
    let display = line.word("the product's display name")?;
    catalog.products.push(Product {
        id: id.text.to_owned(),
        display: display.text.to_owned(),
    });
    name(catalog, line, Entry::Product, &id)?;
    name(catalog, line, Entry::Product, &display)
}

fn unit(catalog: &mut Catalog, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let id = line.id("the unit's id")?;
    let pascal = line.word("the unit's Pascal-case name")?;
    catalog.units.push(Unit {
        id: id.text.to_owned(),
        pascal: pascal.text.to_owned(),
    });
    name(catalog, line, Entry::Unit, &id)?;
    name(catalog, line, Entry::Unit, &pascal)
}

fn sku(catalog: &mut Catalog, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let id = line.id("the SKU's id")?;
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
    catalog.skus.push(Sku {
        id: id.text.to_owned(),
        display: display.text.to_owned(),
        product: product.text.to_owned(),
        unit: unit.text.to_owned(),
        report: None,
        prices: Vec::new(),
    });
    name(catalog, line, Entry::Sku, &id)?;
    name(catalog, line, Entry::Sku, &display)
}

fn alias(catalog: &mut Catalog, line: &mut Line<'_>, entry: Entry) -> Result<(), CatalogError> {
    let first = line.word("the alias")?;
    name(catalog, line, entry, &first)?;
    while let Some(word) = line.words.next() {
        name(catalog, line, entry, &word)?;
    }
    Ok(())
}

/// Gives the newest entry of a kind a name.
fn name(
    catalog: &mut Catalog,
    line: &Line<'_>,
    entry: Entry,
    word: &Word<'_>,
) -> Result<(), CatalogError> {
    let (is_new, noun) = match entry {
        Entry::Product => (catalog.products.name_newest(word.text), "product"),
        Entry::Unit => (catalog.units.name_newest(word.text), "unit"),
        Entry::Sku => (catalog.skus.name_newest(word.text), "SKU"),
    };
    if is_new {
        Ok(())
    } else {
        Err(line.error(word, Problem::Duplicate(word.text.to_owned(), noun)))
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

fn price(sku: &mut Sku, line: &mut Line<'_>) -> Result<(), CatalogError> {
    let word = line.word("the price")?;
    let price = Price::parse(word.text)
        .map_err(|error| line.error(&word, Problem::InvalidPrice(word.text.to_owned(), error)))?;
    if price < Price::ZERO {
        return Err(line.error(&word, Problem::NegativePrice(word.text.to_owned())));
    }
    let from = match line.words.next() {
        None => None,
        Some(from) if from.text == "from" => Some(line.day()?),
        Some(other) => {
            return Err(line.error(&other, Problem::Unexpected(other.text.to_owned())));
        }
    };
    // `None`, the beginning of time, is less than every day.
    if sku.prices.last().is_some_and(|last| last.from >= from) {
        return Err(line.error(&word, Problem::PriceOrder));
    }
    sku.prices.push(DatedPrice { from, price });
    Ok(())
}

impl<'a> Line<'a> {
    fn read(number: usize, text: &'a str) -> Result<Self, CatalogError> {
        let fail = |at: usize, problem: Problem| CatalogError {
            line: number,
            column: column(text, at),
            problem,
        };
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(offset) = text[at..].find(|c: char| !c.is_whitespace()) {
            let start = at + offset;
            let rest = &text[start..];
            if rest.starts_with('#') {
                break;
            }
            let end = if let Some(quoted) = rest.strip_prefix('"') {
                let length = quoted
                    .find('"')
                    .ok_or_else(|| fail(start, Problem::OpenQuote))?;
                let end = start + length + 2;
                if text[end..].starts_with(|c: char| !c.is_whitespace()) {
                    return Err(fail(end, Problem::NoSpaceAfterQuote));
                }
                words.push(Word {
                    text: &quoted[..length],
                    column: column(text, start),
                });
                end
            } else {
                let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(Word {
                    text: &rest[..length],
                    column: column(text, start),
                });
                start + length
            };
            at = end;
        }
        Ok(Self {
            number,
            words: words.into_iter(),
            end_column: column(text, text.len()),
        })
    }

    fn word(&mut self, what: &'static str) -> Result<Word<'a>, CatalogError> {
        let word = self.words.next().filter(|word| !word.text.is_empty());
        word.ok_or(CatalogError {
            line: self.number,
            column: self.end_column,
            problem: Problem::Missing(what),
        })
    }

    fn id(&mut self, what: &'static str) -> Result<Word<'a>, CatalogError> {
        let word = self.word(what)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if word.text.chars().all(allowed) {
            Ok(word)
        } else {
            Err(self.error(&word, Problem::InvalidId(word.text.to_owned())))
        }
    }

    fn day(&mut self) -> Result<Day, CatalogError> {
        let word = self.word("the day")?;
        Day::parse(word.text)
            .map_err(|error| self.error(&word, Problem::InvalidDay(word.text.to_owned(), error)))
    }

    fn finish(mut self) -> Result<(), CatalogError> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(self.error(&word, Problem::Unexpected(word.text.to_owned()))),
        }
    }

    fn error(&self, word: &Word<'_>, problem: Problem) -> CatalogError {
        CatalogError {
            line: self.number,
            column: word.column,
            problem,
        }
    }

    fn orphan(&self, statement: &Word<'_>, noun: &'static str) -> CatalogError {
        self.error(statement, Problem::Orphan(statement.text.to_owned(), noun))
    }
}

/// The column, in characters from 1, of a byte offset.
fn column(text: &str, offset: usize) -> usize {
    text[..offset].chars().count() + 1
}
