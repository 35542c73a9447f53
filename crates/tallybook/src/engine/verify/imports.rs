//! Verifies imports against their lines: every chunk is read, and its sums are recomputed.

use crate::engine::blob::named;
use crate::engine::{Engine, EngineError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tallybook_core::codec::DecodeError;
use tallybook_core::dimension::Dimension;
use tallybook_core::ids::Digest;
use tallybook_core::ledger::Import;
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::owners::{CellSum, CellSums};
use tallybook_core::ledger::record::Part;
use tallybook_core::money::{Amount, Quantity, discount_quantity};
use tallybook_core::query::Totals;
use tallybook_core::time::Hour;

impl Engine {
    /// Returns the number of the import's lines.
    pub(super) async fn verify_import(&self, import: &Arc<Import>) -> Result<u64, EngineError> {
        let mut lines = 0;
        for part in &import.record.parts {
            let mut recomputed = CellSums::default();
            for chunk in &part.chunks {
                let decoded = self.chunk(chunk.blob).await?;
                if (decoded.month, decoded.count) != (chunk.month, chunk.lines as usize) {
                    let detail = "its month or count is not what the ledger says";
                    return Err(EngineError::damaged(format!("blob {}", chunk.blob), detail));
                }
                lines += decoded.count as u64;
                let from = Arc::clone(import);
                recomputed = tokio::task::spawn_blocking(move || {
                    add_cells(&mut recomputed, &decoded, &from).map(|()| recomputed)
                })
                .await?
                .map_err(|error| EngineError::blob(chunk.blob, &error))?;
            }
            let stored = self.cells(part.cells).await?;
            let what = format!("import {}, kind {}", import.record.id, part.kind);
            if stored != recomputed {
                return Err(EngineError::damaged(
                    what,
                    "its cell sums are not those of its lines",
                ));
            }
            if sums(part) != by_sku(&recomputed) {
                return Err(EngineError::damaged(
                    what,
                    "its SKU sums are not those of its lines",
                ));
            }
        }
        Ok(lines)
    }

    async fn chunk(&self, blob: Digest) -> Result<Chunk, EngineError> {
        let bytes = named(self.store.as_ref(), blob).await?;
        let decoded = tokio::task::spawn_blocking(move || Chunk::decode(&bytes)).await?;
        decoded.map_err(|error| EngineError::blob(blob, &error))
    }
}

fn add_cells(cells: &mut CellSums, chunk: &Chunk, import: &Import) -> Result<(), DecodeError> {
    let discount = chunk.discount.unpack(|line| chunk.gross.get(line));
    let first = chunk.month.first_day().first_hour().index();
    let tables = &import.record.tables;
    let organizations = &chunk.names[Dimension::Organization as usize];
    let foreign = || DecodeError::Invalid {
        what: "a code that the import's tables lack",
        at: 0,
    };
    for (line, discount) in discount.into_iter().enumerate() {
        let code = |column: &tallybook_core::packed::Packed, count: usize| {
            let code = u32::try_from(column.get(line)).ok();
            code.filter(|code| (*code as usize) < count)
                .ok_or_else(foreign)
        };
        let quantity = Quantity::from_nanos(chunk.quantity.get(line));
        let gross = Amount::from_nanos(chunk.gross.get(line));
        let discount = Amount::from_nanos(discount);
        let discount_quantity = discount_quantity(quantity, discount, gross);
        let hour = i32::try_from(chunk.hour.get(line)).map_err(|_| foreign())?;
        cells.add(
            Hour::from_index(first + hour).day(),
            code(&chunk.sku, tables.skus.len())?,
            code(
                organizations,
                tables.names[Dimension::Organization as usize].len(),
            )?,
            Totals {
                quantity,
                discount_quantity,
                gross,
                discount,
            },
        );
    }
    Ok(())
}

fn sums(part: &Part) -> BTreeMap<u32, CellSum> {
    let sum = |sum: &tallybook_core::ledger::record::SkuSum| {
        (
            sum.sku,
            CellSum {
                lines: sum.lines,
                totals: sum.totals,
            },
        )
    };
    part.sums.iter().map(sum).collect()
}

fn by_sku(cells: &CellSums) -> BTreeMap<u32, CellSum> {
    let mut sums: BTreeMap<u32, CellSum> = BTreeMap::new();
    for ((_, sku, _), sum) in cells.iter() {
        sums.entry(*sku).or_default().add(sum);
    }
    sums
}
