//! Fold: an account's imports and events, month by month, to statements.
//!
//! Invariant: pure; the same log gives the same statement bytes, whatever the order of imports and
//! reverts, except for which of two imports of one kind is newer.

pub mod also_metered;
mod metered;
mod spellings;

pub use metered::Unrated;
pub use spellings::{MergedSpellings, Spellings};

use crate::catalog::Catalog;
use crate::dimension::Dimension;
use crate::hash::QuickMap;
use crate::ids::Digest;
use crate::ledger::Account;
use crate::ledger::chunk::Chunk;
use crate::ledger::metered::rows::{MeteredRow, MonthUsage, StoredRows};
use crate::ledger::owners::{Owners, sku_id};
use crate::ledger::record::ChunkRef;
use crate::names::Dictionary;
use crate::rating::terms::Terms;
use crate::report::ReportKind;
use crate::statement::build::{BuilderLine, StatementBuilder};
use crate::statement::{RULES, Statement};
use crate::time::Month;
use std::collections::HashMap;
use std::sync::Arc;

/// One month of an account: which imports and events count, and what identifies the resulting
/// statement.
#[derive(Debug, Clone)]
pub struct MonthPlan {
    /// The month.
    pub month: Month,
    owners: Owners,
    metered: Option<MeteredPlan>,
}

/// The metered usage of a month, and everything except the catalogue that its rating depends on.
#[derive(Debug, Clone)]
struct MeteredPlan {
    usage: MonthUsage,
    names: Dictionary,
    terms: Arc<Terms>,
}

/// Why a chunk could not become lines of a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chunk {chunk} of import {import} has a code that its import's tables lack")]
pub struct ForeignCode {
    /// The chunk's blob.
    pub chunk: Digest,
    /// The import that names it.
    pub import: crate::ids::ImportId,
}

impl MonthPlan {
    /// The plan of a month.
    #[must_use]
    pub fn new(owners: &Owners, account: &Account, terms: &Arc<Terms>, month: Month) -> Self {
        let metered = account.metered.month(month).map(|usage| MeteredPlan {
            usage: usage.clone(),
            names: account.dictionary.clone(),
            terms: Arc::clone(terms),
        });
        Self {
            month,
            owners: owners.between(month.first_day(), month.last_day()),
            metered,
        }
    }

    /// What the statement is a function of, as a hash: rules, catalogue, month, live imports, and
    /// where the month has events, the newest batch with any and the terms.
    #[must_use]
    pub fn fingerprint(&self, catalog: Digest) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&RULES.to_le_bytes());
        hasher.update(&catalog.0);
        hasher.update(&self.month.index().to_le_bytes());
        for contender in self.owners.contenders() {
            hasher.update(&contender.import.record.id.0);
            hasher.update(&contender.import.seq.0.to_le_bytes());
            hasher.update(&(contender.part as u64).to_le_bytes());
        }
        if let Some(unlisted) = self.owners.unlisted().digest() {
            hasher.update(b"unlisted");
            hasher.update(&unlisted.0);
        }
        if let Some(metered) = &self.metered {
            hasher.update(b"metered");
            hasher.update(&metered.usage.through().0.to_le_bytes());
            hasher.update(&metered.terms.digest(self.month).0);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// Whether the month has no live usage.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.contenders().is_empty() && self.metered.is_none()
    }

    /// The stored rows of the month's events, for [`Fold::add_rows`].
    #[must_use]
    pub fn stored_rows(&self) -> Option<StoredRows> {
        self.metered
            .as_ref()
            .and_then(|metered| metered.usage.stored())
    }

    /// An upper bound on the number of event sums in the statement.
    #[must_use]
    pub fn metered_rows(&self) -> usize {
        let metered = self.metered.as_ref();
        metered.map_or(0, |metered| metered.usage.len())
    }

    /// The chunks that the statement is made of, each with its contender.
    pub fn chunks(&self) -> impl Iterator<Item = (usize, &ChunkRef)> {
        self.owners
            .contenders()
            .iter()
            .enumerate()
            .flat_map(|(index, contender)| {
                let chunks = contender.part().chunks.iter();
                chunks
                    .filter(|chunk| chunk.month == self.month)
                    .map(move |chunk| (index, chunk))
            })
    }

    /// Starts the statement.
    #[must_use]
    pub fn fold<'a>(&'a self, catalog: &'a Catalog) -> Fold<'a> {
        let mut builder = StatementBuilder::new(self.month);
        // Lines that another import owns are left out, so this may reserve too much.
        builder.reserve(self.chunks().map(|(_, chunk)| chunk.lines as usize).sum());
        Fold {
            plan: self,
            catalog,
            builder,
            mappings: HashMap::new(),
            rows: Vec::new(),
        }
    }

    /// Starts a fold that keeps no imported lines, because it passes them on one by one or only
    /// concerns events.
    #[must_use]
    pub fn fold_names<'a>(&'a self, catalog: &'a Catalog) -> Fold<'a> {
        Fold {
            plan: self,
            catalog,
            builder: StatementBuilder::new(self.month),
            mappings: HashMap::new(),
            rows: Vec::new(),
        }
    }
}

/// A statement under construction: feed it every chunk of the plan and the rows that the plan
/// names.
#[derive(Debug)]
pub struct Fold<'a> {
    plan: &'a MonthPlan,
    catalog: &'a Catalog,
    builder: StatementBuilder,
    mappings: HashMap<usize, Mapping>,
    /// Stored rows of events.
    rows: Vec<MeteredRow>,
}

/// The translation of one contender's codes, and which of its usage counts.
#[derive(Debug)]
struct Mapping {
    names: [Vec<u32>; 6],
    /// By day of the month (from 0), then SKU code.
    counts: Vec<Vec<bool>>,
}

impl<'a> Fold<'a> {
    /// Keeps the codes and switches to the plan of another account.
    pub(crate) fn with_plan(self, plan: &'a MonthPlan) -> Self {
        Fold {
            plan,
            builder: self.builder,
            ..plan.fold_names(self.catalog)
        }
    }

    /// Adds the lines of a chunk that count.
    pub fn add(
        &mut self,
        contender: usize,
        digest: Digest,
        chunk: &Chunk,
    ) -> Result<(), ForeignCode> {
        let push = |builder: &mut StatementBuilder, line, _| builder.push(line);
        self.add_each(contender, digest, chunk, push)
    }

    /// Passes `each` the lines of a chunk that count, in the builder's codes, each with its index
    /// in the chunk.
    pub(crate) fn add_each(
        &mut self,
        contender: usize,
        digest: Digest,
        chunk: &Chunk,
        mut each: impl FnMut(&mut StatementBuilder, BuilderLine, usize),
    ) -> Result<(), ForeignCode> {
        let of = &self.plan.owners.contenders()[contender];
        let foreign = || ForeignCode {
            chunk: digest,
            import: of.import.record.id,
        };
        if !self.mappings.contains_key(&contender) {
            let mapping = self.mapping(contender);
            self.mappings.insert(contender, mapping);
        }
        let Some(mapping) = self.mappings.get(&contender) else {
            return Err(foreign());
        };
        let (quantity, gross) = (chunk.quantity.values(), chunk.gross.values());
        let discount = chunk.discount.unpack(|line| gross[line]);
        let skus = &of.import.record.tables.skus;
        let codes = Codes::read(chunk);
        // By SKU code and price code: a rate is looked up once per chunk, not once per line.
        let mut rates: QuickMap<(u32, u32), u32> = QuickMap::default();
        let mut last = ((u32::MAX, u32::MAX), 0);
        for line in 0..chunk.count {
            let hour = codes.hour[line];
            let sku = codes.sku[line];
            let counts = mapping.counts.get(usize::from(hour) / 24);
            let counts = counts
                .and_then(|day| day.get(sku as usize))
                .ok_or_else(foreign)?;
            if !counts {
                continue;
            }
            let key = (sku, codes.price[line]);
            if last.0 != key {
                let rate = *rates.entry(key).or_insert_with(|| {
                    let (raw, price) = (&skus[key.0 as usize], chunk.prices[key.1 as usize]);
                    let unlisted = self.plan.owners.unlisted();
                    let rate = unlisted.rate(self.catalog, raw, price);
                    self.builder.rate(rate, unlisted.report(self.catalog, raw))
                });
                last = (key, rate);
            }
            let rate = last.1;
            let mut names = [0; 6];
            for ((to, table), column) in names.iter_mut().zip(&mapping.names).zip(&codes.names) {
                *to = *table.get(column[line] as usize).ok_or_else(foreign)?;
            }
            let counted = BuilderLine {
                hour,
                rate,
                names,
                quantity: quantity[line],
                gross: gross[line],
                discount: discount[line],
            };
            each(&mut self.builder, counted, line);
        }
        Ok(())
    }

    /// The report kind of a contender.
    pub(crate) fn kind(&self, contender: usize) -> ReportKind {
        self.plan.owners.contenders()[contender].part().kind
    }

    /// The texts of a contender's tables.
    pub(crate) fn texts(&self, contender: usize) -> &[Arc<str>] {
        let of = &self.plan.owners.contenders()[contender];
        &of.import.record.tables.texts
    }

    /// The error for a code in a contender's chunk that its tables lack.
    pub(crate) fn foreign(&self, contender: usize, chunk: Digest) -> ForeignCode {
        let of = &self.plan.owners.contenders()[contender];
        ForeignCode {
            chunk,
            import: of.import.record.id,
        }
    }

    /// The builder, which assigns the codes.
    pub(crate) fn builder(&mut self) -> &mut StatementBuilder {
        &mut self.builder
    }

    /// Takes the rows that [`MonthPlan::stored_rows`] names.
    pub fn add_rows(&mut self, rows: Vec<MeteredRow>) {
        self.rows = rows;
    }

    fn mapping(&mut self, contender: usize) -> Mapping {
        let of = &self.plan.owners.contenders()[contender];
        let tables = &of.import.record.tables;
        let mut names: [Vec<u32>; 6] = Default::default();
        for dimension in Dimension::ALL {
            let texts = &tables.names[dimension as usize];
            names[dimension as usize] = texts
                .iter()
                .map(|text| self.builder.name(dimension, text))
                .collect();
        }
        let ids: Vec<String> = tables
            .skus
            .iter()
            .map(|raw| sku_id(self.catalog, raw))
            .collect();
        let scope = of
            .import
            .record
            .organization
            .as_ref()
            .map_or("", |name| name.as_str());
        let first = self.plan.month.first_day();
        let counts = (0..self.plan.month.days())
            .map(|day| {
                let day = crate::time::Day::from_index(first.index() + day);
                let owner = |sku: &String| self.plan.owners.owner(day, sku, scope);
                ids.iter()
                    .map(|sku| owner(sku) == Some(contender))
                    .collect()
            })
            .collect();
        Mapping { names, counts }
    }

    /// The statement; fails when an amount overflows.
    pub fn finish(mut self) -> Result<Statement, Unrated> {
        self.rate_events()?;
        Ok(self.builder.finish())
    }

    /// A statement of the month's events alone, ignoring any lines added.
    pub(crate) fn metered(&self) -> Result<Statement, Unrated> {
        let mut alone = self.plan.fold_names(self.catalog);
        alone.rows.clone_from(&self.rows);
        alone.finish()
    }

    /// The rows of the month's events that count, and what their codes stand for.
    pub(crate) fn counting(&self) -> Option<(Vec<&MeteredRow>, &Dictionary)> {
        let metered = self.plan.metered.as_ref()?;
        Some((metered.usage.counting(&self.rows), &metered.names))
    }

    fn rate_events(&mut self) -> Result<(), Unrated> {
        let Some(metered) = &self.plan.metered else {
            return Ok(());
        };
        let MeteredPlan {
            usage,
            names,
            terms,
        } = metered;
        let rows = usage.counting(&self.rows);
        let (month, catalog) = (self.plan.month, self.catalog);
        metered::rate(month, &rows, names, catalog, terms, &mut self.builder)
    }
}

/// A chunk's codes, unpacked once.
struct Codes {
    hour: Vec<u16>,
    sku: Vec<u32>,
    price: Vec<u32>,
    names: [Vec<u32>; 6],
}

impl Codes {
    fn read(chunk: &Chunk) -> Self {
        let read = |column: &crate::packed::Packed| {
            let mut codes = vec![0; chunk.count];
            column.read_codes(0, &mut codes);
            codes
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a chunk's hours are below 744"
        )]
        let hour = read(&chunk.hour)
            .into_iter()
            .map(|hour| hour as u16)
            .collect();
        let names = std::array::from_fn(|dimension| read(&chunk.names[dimension]));
        Self {
            hour,
            sku: read(&chunk.sku),
            price: read(&chunk.price),
            names,
        }
    }
}
