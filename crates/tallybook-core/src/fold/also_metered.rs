//! Usage that both an import and events state. Both are counted, because neither owns the other's;
//! but it is mostly the same usage twice, so the person importing is shown both totals.
//!
//! Invariant: both sides are sums over the same days and SKUs; names are ignored here, because
//! reports leave some of them out.

use super::{Fold, Unrated};
use crate::catalog::Catalog;
use crate::dimension::Dimension;
use crate::ledger::owners::{CellSum, CellSums, sku_id};
use crate::ledger::record::ImportRecord;
use crate::name::Name;
use crate::report::ReportKind;
use crate::time::Day;
use std::collections::BTreeMap;

/// Sums by day and folded SKU id.
pub type DaySums = BTreeMap<(Day, String), CellSum>;

/// A SKU for which an import and events both state usage on the same days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlsoMetered {
    /// The SKU's id, folded.
    pub sku: String,
    /// The first of these days.
    pub first_day: Day,
    /// The last of them.
    pub last_day: Day,
    /// The number of these days.
    pub days: u32,
    /// What the import states.
    pub imported: CellSum,
    /// What events add up to.
    pub metered: CellSum,
}

/// What an import states by day and SKU, whether or not another import hides it; `cells` holds the
/// cell sums of its parts, in order. Where parts of several kinds overlap, the finer one counts.
#[must_use]
pub fn imported_days(record: &ImportRecord, catalog: &Catalog, cells: &[CellSums]) -> DaySums {
    let ids: Vec<String> = record
        .tables
        .skus
        .iter()
        .map(|raw| sku_id(catalog, raw))
        .collect();
    let mut days: BTreeMap<(Day, String), (ReportKind, CellSum)> = BTreeMap::new();
    for (part, cells) in record.parts.iter().zip(cells) {
        for ((day, sku, _), sum) in cells.iter() {
            let id = ids.get(*sku as usize).cloned().unwrap_or_default();
            let known = days.entry((*day, id));
            let (kind, known) = known.or_insert((part.kind, CellSum::default()));
            if *kind < part.kind {
                (*kind, *known) = (part.kind, CellSum::default());
            }
            if *kind == part.kind {
                known.add(sum);
            }
        }
    }
    let sums = days.into_iter();
    sums.map(|(key, (_, sum))| (key, sum)).collect()
}

impl Fold<'_> {
    /// What the month's events add up to by day and SKU; restricted to one organization if given.
    pub fn metered_days(&self, only: Option<&Name>) -> Result<DaySums, Unrated> {
        let metered = self.metered()?;
        let (summary, lines) = (metered.summary(), metered.lines());
        let organizations = summary.names(Dimension::Organization);
        let column = &lines.names[Dimension::Organization as usize];
        let only = only.map(|name| Dimension::Organization.fold(name.as_str()));
        let first = summary.month().first_day().index();
        let mut days = DaySums::new();
        for (run, rows) in summary.lines.rows_by_run() {
            let day = Day::from_index(first + i32::from(run.hour / 24));
            for at in rows {
                let organization = column.as_ref().map_or(0, |column| column.code(at));
                let shown = &*organizations[organization as usize];
                if only.as_ref().is_some_and(|only| only != shown) {
                    continue;
                }
                let rate = &summary.rates[lines.rate.code(at) as usize].rate;
                let sum = CellSum {
                    lines: 1,
                    totals: lines.sums(at),
                };
                let key = (day, rate.sku.to_ascii_lowercase());
                days.entry(key).or_default().add(&sum);
            }
        }
        Ok(days)
    }
}

/// Every SKU that both sides have on some day, with the sums of those days.
#[must_use]
pub fn also_metered(imported: &DaySums, metered: &DaySums) -> Vec<AlsoMetered> {
    let mut skus: BTreeMap<&str, AlsoMetered> = BTreeMap::new();
    for (key, metered) in metered {
        let Some(imported) = imported.get(key) else {
            continue;
        };
        let (day, sku) = key;
        let both = skus.entry(sku).or_insert_with(|| AlsoMetered {
            sku: sku.clone(),
            first_day: *day,
            last_day: *day,
            days: 0,
            imported: CellSum::default(),
            metered: CellSum::default(),
        });
        // Keys are ordered by day.
        both.last_day = *day;
        both.days += 1;
        both.imported.add(imported);
        both.metered.add(metered);
    }
    skus.into_values().collect()
}
