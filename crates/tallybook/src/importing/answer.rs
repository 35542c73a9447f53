//! The answer to an import, shared by the command line and the HTTP API.

use super::ImportReport;
use crate::engine::imports::{Created, JoinedFiles, Overlap};
use crate::wire::imports::{
    AccountAnswer, AlsoMeteredAnswer, AmountSum, CreatedAnswer, Decimal, FileAnswer, ImportAnswer,
    JoinedFilesAnswer, JoinedSide, MeteredSide, OverlapAnswer, OverlapSide, ProductSum,
    ReadingAnswer, SkuSumAnswer,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tallybook_core::account::AccountName;
use tallybook_core::fold::also_metered::AlsoMetered;
use tallybook_core::ledger::Import;
use tallybook_core::ledger::owners::CellSum;
use tallybook_core::ledger::record::{ImportedFile, Part, RawSku};
use tallybook_core::time::Day;

/// The most skipped lines that an answer lists; the rest are only counted.
const LISTED_BAD_LINES: usize = 1000;

impl ImportReport {
    /// The answer to the import, which took `elapsed`.
    #[must_use]
    pub fn answer(&self, elapsed: Duration) -> ImportAnswer {
        let outcome = &self.outcome;
        let mut answer = import(&outcome.account, &outcome.import, &outcome.overlaps);
        let lines: u64 = self.files.iter().map(|file| file.lines).sum();
        let skipped = self.files.iter().flat_map(|file| &file.skipped);
        let mut unknown: Vec<_> = self
            .files
            .iter()
            .flat_map(|file| file.unknown_columns.clone())
            .collect();
        unknown.sort();
        unknown.dedup();
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        answer.reading = Some(ReadingAnswer {
            repeated: outcome.repeated,
            created: created(&outcome.created),
            also_metered: outcome.also_metered.iter().map(also_metered).collect(),
            joined: outcome.joined.iter().map(joined).collect(),
            skipped: skipped
                .take(LISTED_BAD_LINES)
                .map(ToString::to_string)
                .collect(),
            unknown_columns: unknown,
            adjusted_nets: self.files.iter().map(|file| file.adjusted_nets).sum(),
            milliseconds,
            lines_per_second: lines.saturating_mul(1000) / milliseconds.max(1),
        });
        answer
    }
}

/// The description of an import, at any time.
#[must_use]
pub fn import(account: &AccountName, import: &Import, overlaps: &[Overlap]) -> ImportAnswer {
    let record = &import.record;
    let sums = sums(import);
    let mut products: BTreeMap<&str, CellSum> = BTreeMap::new();
    for (raw, sum) in &sums {
        products.entry(&raw.product).or_default().add(sum);
    }
    let days = |day: fn(&Part) -> Day| record.parts.iter().map(day);
    let product = |(product, sum): (&str, CellSum)| ProductSum {
        product: product.to_owned(),
        totals: AmountSum::new(sum.lines, &sum.totals),
    };
    ImportAnswer {
        id: record.id.to_string(),
        account: account_answer(account),
        organization: record.organization.as_ref().map(ToString::to_string),
        state: if import.is_live() { "live" } else { "reverted" }.to_owned(),
        created_at: import.at.to_string(),
        reverted_at: import.reverted_at.map(|at| at.to_string()),
        lines: record.lines(),
        first_day: days(|part| part.first_day).min().map(|day| day.to_string()),
        last_day: days(|part| part.last_day).max().map(|day| day.to_string()),
        files: record.files.iter().map(file).collect(),
        products: products.into_iter().map(product).collect(),
        skus: sums.iter().map(|(raw, sum)| sku(raw, sum)).collect(),
        overlaps: overlaps.iter().map(overlap).collect(),
        reading: None,
    }
}

/// Sums by SKU over all kinds.
fn sums(import: &Import) -> BTreeMap<RawSku, CellSum> {
    let mut sums: BTreeMap<RawSku, CellSum> = BTreeMap::new();
    for sum in import.record.parts.iter().flat_map(|part| &part.sums) {
        if let Some(raw) = import.record.tables.skus.get(sum.sku as usize) {
            let sum = CellSum {
                lines: sum.lines,
                totals: sum.totals,
            };
            sums.entry(raw.clone()).or_default().add(&sum);
        }
    }
    sums
}

fn sku(raw: &RawSku, sum: &CellSum) -> SkuSumAnswer {
    SkuSumAnswer {
        product: raw.product.to_string(),
        sku: raw.sku.to_string(),
        unit: raw.unit.to_string(),
        quantity: Decimal::new(sum.totals.quantity),
        totals: AmountSum::new(sum.lines, &sum.totals),
    }
}

fn account_answer(account: &AccountName) -> AccountAnswer {
    AccountAnswer {
        kind: account.kind.to_string(),
        name: account.name.to_string(),
    }
}

fn file(file: &ImportedFile) -> FileAnswer {
    FileAnswer {
        name: file.name.to_string(),
        kind: file.kind.to_string(),
        layout: file.layout.to_string(),
        digest: file.digest.to_string(),
        bytes: file.bytes,
        lines: file.lines,
        skipped_lines: file.skipped,
    }
}

fn overlap(overlap: &Overlap) -> OverlapAnswer {
    OverlapAnswer {
        hidden: OverlapSide::new(&overlap.hidden.0, &overlap.hidden.1, &overlap.hidden_sum),
        counted: OverlapSide::new(&overlap.counted.0, &overlap.counted.1, &overlap.counted_sum),
    }
}

fn also_metered(both: &AlsoMetered) -> AlsoMeteredAnswer {
    let side = |sum: &CellSum| MeteredSide {
        quantity: Decimal::new(sum.totals.quantity),
        totals: AmountSum::new(sum.lines, &sum.totals),
    };
    AlsoMeteredAnswer {
        sku: both.sku.clone(),
        first_day: both.first_day.to_string(),
        last_day: both.last_day.to_string(),
        days: both.days,
        imported: side(&both.imported),
        metered: side(&both.metered),
    }
}

fn joined(files: &JoinedFiles) -> JoinedFilesAnswer {
    let overlap = &files.overlap;
    let side = |name: &str, sum: &CellSum| JoinedSide {
        file: name.to_owned(),
        totals: AmountSum::new(sum.lines, &sum.totals),
    };
    JoinedFilesAnswer {
        kind: overlap.kind.to_string(),
        first_day: overlap.first_day.to_string(),
        last_day: overlap.last_day.to_string(),
        days: overlap.days as u64,
        first: side(&files.first, &overlap.first_sum),
        again: side(&files.again, &overlap.again_sum),
    }
}

fn created(created: &Created) -> CreatedAnswer {
    CreatedAnswer {
        account: created.account.as_ref().map(account_answer),
        organizations: created.organizations.clone(),
        repositories: created.repositories.clone(),
        users: created.users.clone(),
        cost_centers: created.cost_centers.clone(),
        products: created.products.clone(),
        skus: created.skus.clone(),
        units: created.units.clone(),
    }
}
