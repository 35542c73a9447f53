//! Which import owns which usage.
//!
//! Within a kind, the newest live import owns every SKU of every day from its first day to its
//! last. Between kinds the finer wins, by day and SKU: AI-credit and premium-request reports own
//! their own SKUs, then detailed reports, then summarized ones. An import for one organization
//! yields to imports for the whole account. Invariant: every (day, SKU, organization) has at most
//! one owner, whatever the order of imports, except for which of two of the same kind is newer.

use super::record::{Part, RawSku, read_day, read_totals, write_totals};
use super::unlisted::Unlisted;
use super::{Account, Import};
use crate::catalog::Catalog;
use crate::codec::{DecodeError, Reader, Writer};
use crate::dimension::Dimension;
use crate::hash::QuickMap;
use crate::name::Name;
use crate::sums::Totals;
use crate::time::Day;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One part of a live import, as a contender for ownership.
#[derive(Debug, Clone)]
pub struct Contender {
    /// The import.
    pub import: Arc<Import>,
    /// The index of the part.
    pub part: usize,
    /// The SKU ids that it covers; `None` is every SKU.
    covers: Option<Vec<String>>,
}

impl Contender {
    /// The part.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.import.record.parts[self.part]
    }

    fn covers(&self, sku: &str, day: Day) -> bool {
        let part = self.part();
        (part.first_day..=part.last_day).contains(&day)
            && self
                .covers
                .as_ref()
                .is_none_or(|skus| skus.iter().any(|own| own == sku))
    }
}

/// The parts of live imports, the strongest claim last.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    contenders: Vec<Contender>,
    /// Of all live imports, regardless of days.
    unlisted: Unlisted,
}

impl Owners {
    /// The contenders for everything live in `account`.
    #[must_use]
    pub fn new(account: &Account, catalog: &Catalog) -> Self {
        let mut contenders: Vec<Contender> = account
            .live_imports()
            .flat_map(|import| {
                (0..import.record.parts.len()).map(|part| contender(import, part, catalog))
            })
            .collect();
        contenders.sort_by_key(|contender| {
            let whole_account = contender.import.record.organization.is_none();
            (whole_account, contender.part().kind, contender.import.seq)
        });
        let unlisted = Unlisted::new(account, catalog);
        Self {
            contenders,
            unlisted,
        }
    }

    /// Names in the account's reports that the catalogue lacks.
    #[must_use]
    pub fn unlisted(&self) -> &Unlisted {
        &self.unlisted
    }

    /// Every contender, the strongest claim last.
    #[must_use]
    pub fn contenders(&self) -> &[Contender] {
        &self.contenders
    }

    /// Keeps only contenders that have a line or a claim between two days.
    #[must_use]
    pub fn between(&self, first: Day, last: Day) -> Self {
        let overlaps = |contender: &&Contender| {
            contender.part().first_day <= last && contender.part().last_day >= first
        };
        Self {
            contenders: self.contenders.iter().filter(overlaps).cloned().collect(),
            unlisted: self.unlisted.clone(),
        }
    }

    /// The index of the owner of one day's usage of a SKU (its catalogue id, folded) by an
    /// organization.
    #[must_use]
    pub fn owner(&self, day: Day, sku: &str, organization: &str) -> Option<usize> {
        self.contenders.iter().rposition(|contender| {
            let scope = &contender.import.record.organization;
            let in_scope = scope
                .as_ref()
                .is_none_or(|own| own.as_str().eq_ignore_ascii_case(organization));
            in_scope && contender.covers(sku, day)
        })
    }
}

fn contender(import: &Arc<Import>, part: usize, catalog: &Catalog) -> Contender {
    let kind = import.record.parts[part].kind;
    let covers = (!kind.covers_every_sku()).then(|| {
        let raw = &import.record.tables.skus;
        let own = import.record.parts[part]
            .sums
            .iter()
            .filter_map(|sum| raw.get(sum.sku as usize));
        let mut skus: Vec<String> = own.map(|raw| sku_id(catalog, raw)).collect();
        let about = catalog.skus().filter(|sku| sku.is_in(kind));
        skus.extend(about.map(|sku| sku.id.to_ascii_lowercase()));
        skus.sort();
        skus.dedup();
        skus
    });
    Contender {
        import: Arc::clone(import),
        part,
        covers,
    }
}

/// The id by which a reported SKU is known, folded.
#[must_use]
pub fn sku_id(catalog: &Catalog, raw: &RawSku) -> String {
    catalog
        .canonical(&raw.product, &raw.sku, &raw.unit)
        .sku
        .id
        .to_ascii_lowercase()
}

/// Sums by (day, SKU code, organization code) of one part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CellSums {
    cells: QuickMap<(Day, u32, u32), CellSum>,
}

/// Lines and sums of one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellSum {
    /// Lines.
    pub lines: u64,
    /// Sums.
    pub totals: Totals,
}

impl CellSum {
    /// Adds another cell.
    pub fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.totals += other.totals;
    }
}

impl CellSums {
    /// Adds a line.
    pub fn add(&mut self, day: Day, sku: u32, organization: u32, totals: Totals) {
        self.cells
            .entry((day, sku, organization))
            .or_default()
            .add(&CellSum { lines: 1, totals });
    }

    /// How many cells have a line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no cell has a line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Adds the cells of another part.
    pub fn merge(&mut self, other: &Self) {
        for (cell, sum) in &other.cells {
            self.cells.entry(*cell).or_default().add(sum);
        }
    }

    /// Every cell as (day, SKU code, organization code) and sums, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&(Day, u32, u32), &CellSum)> {
        self.cells.iter()
    }

    /// Writes the cells in order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let sorted: BTreeMap<_, _> = self.cells.iter().collect();
        let mut out = Writer::new();
        out.raw(b"TBS1");
        out.count(sorted.len());
        for ((day, sku, organization), sum) in sorted {
            out.signed(i128::from(day.index()));
            out.varint(u64::from(*sku));
            out.varint(u64::from(*organization));
            out.varint(sum.lines);
            write_totals(&mut out, &sum.totals);
        }
        out.finish()
    }

    /// Reads the cells.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.raw(4, "cells")? != b"TBS1" {
            return Err(r.invalid("the start of cells"));
        }
        let count = r.count(8, "cells")?;
        let mut cells = QuickMap::default();
        for _ in 0..count {
            let key = (
                read_day(&mut r)?,
                r.varint32("SKU")?,
                r.varint32("organization")?,
            );
            let lines = r.varint("lines")?;
            cells.insert(
                key,
                CellSum {
                    lines,
                    totals: read_totals(&mut r)?,
                },
            );
        }
        r.finish("cells")?;
        Ok(Self { cells })
    }
}

/// What one contender hides of another: both sides of the same (day, SKU, organization) cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Of the part that yields.
    pub hidden: CellSum,
    /// Of the part that owns.
    pub counted: CellSum,
}

/// What is hidden, by (loser, winner) as indexes of contenders.
///
/// `cells` holds the cell sums of each contender, in order.
#[must_use]
pub fn hidden(
    owners: &Owners,
    catalog: &Catalog,
    cells: &[Arc<CellSums>],
) -> BTreeMap<(usize, usize), Hidden> {
    let mut pairs: BTreeMap<(usize, usize), Hidden> = BTreeMap::new();
    let indexed: Vec<_> = owners
        .contenders
        .iter()
        .zip(cells)
        .map(|(contender, cells)| by_names(contender, catalog, cells))
        .collect();
    for (loser, own) in indexed.iter().enumerate() {
        for ((day, sku, organization), sum) in own {
            let Some(winner) = owners.owner(*day, sku, organization.as_str()) else {
                continue;
            };
            if winner == loser {
                continue;
            }
            let pair = pairs.entry((loser, winner)).or_default();
            pair.hidden.add(sum);
            if let Some(counted) = indexed[winner].get(&(*day, sku.clone(), organization.clone())) {
                pair.counted.add(counted);
            }
        }
    }
    pairs
}

fn by_names(
    contender: &Contender,
    catalog: &Catalog,
    cells: &CellSums,
) -> BTreeMap<(Day, String, Name), CellSum> {
    let tables = &contender.import.record.tables;
    let ids: Vec<String> = tables.skus.iter().map(|raw| sku_id(catalog, raw)).collect();
    let organizations = &tables.names[Dimension::Organization as usize];
    let mut by_names: BTreeMap<(Day, String, Name), CellSum> = BTreeMap::new();
    for ((day, sku, organization), sum) in cells.iter() {
        let sku = ids.get(*sku as usize).cloned().unwrap_or_default();
        let organization = organizations.get(*organization as usize);
        let organization = Name::new(organization.cloned().unwrap_or_else(|| "".into()));
        by_names
            .entry((*day, sku, organization))
            .or_default()
            .add(sum);
    }
    by_names
}
