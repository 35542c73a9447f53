//! `tallybook verify`: read everything again, recompute everything, say the first difference.
//!
//! Invariant: nothing is written. What is compared is what was stored (batches, names, chunks,
//! sums, checkpoints) with what follows from the ledger alone.

use super::checkpoint::Checkpoints;
use super::{Engine, EngineError, View, load};
use crate::engine::blob::named;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tallybook_core::account::AccountName;
use tallybook_core::codec::DecodeError;
use tallybook_core::ids::{Digest, ImportId, LogId};
use tallybook_core::ledger::chunk::Chunk;
use tallybook_core::ledger::owners::{CellSum, CellSums};
use tallybook_core::ledger::record::{Dimension, Part};
use tallybook_core::ledger::{Account, Import};
use tallybook_core::money::{Amount, Quantity, discount_quantity};
use tallybook_core::query::Totals;
use tallybook_core::site::Site;
use tallybook_core::statement::{Source, Statement};
use tallybook_core::time::{Hour, Month};

/// What was read and found to agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Accounts.
    pub accounts: u64,
    /// Batches of all logs.
    pub batches: u64,
    /// Imports, live and reverted.
    pub imports: u64,
    /// Lines of all imports.
    pub lines: u64,
    /// Statements recomputed.
    pub statements: u64,
    /// Checkpoints compared with them, byte by byte.
    pub checkpoints: u64,
}

impl Engine {
    /// Reads and recomputes everything; the error is the first difference.
    pub async fn verify(&self) -> Result<Verified, EngineError> {
        self.store.check().await?;
        let mut verified = Verified::default();
        // Before the site's log: whose account is opened in between is not looked for.
        let heads = self.store.heads().await?;
        let site = Arc::new(load::site(self.store.as_ref()).await?);
        verified.batches += site.seq.0;
        for (log, _) in heads {
            if log != LogId::SITE && site.directory.account_of(log).is_none() {
                return Err(EngineError::damaged(
                    format!("log {}", log.0),
                    "it has no account",
                ));
            }
        }
        for (log, name) in site.directory.accounts() {
            let account = load::account_from_log(self.store.as_ref(), log, name).await?;
            if in_one_log_only(&site, &account).is_some() {
                self.verify_agreement(log, name).await?;
            }
            verified.accounts += 1;
            verified.batches += account.seq.0;
            let view = View::new(Arc::clone(&site), Arc::new(account));
            for import in &view.account.imports {
                verified.imports += 1;
                verified.lines += self.verify_import(import).await?;
            }
            self.verify_statements(&view, &mut verified).await?;
            if self.verify_account(&view).await? {
                verified.checkpoints += 1;
            }
        }
        Ok(verified)
    }

    /// The site's and an account's log name the same live imports. The chain of a log tells when a
    /// batch in its middle is gone; that its end is gone shows only in the other log.
    async fn verify_agreement(&self, log: LogId, name: &AccountName) -> Result<(), EngineError> {
        // Nobody commits between the two reads.
        let _turn = self.turn().await;
        let site = load::site(self.store.as_ref()).await?;
        let account = load::account_from_log(self.store.as_ref(), log, name).await?;
        match in_one_log_only(&site, &account) {
            None => Ok(()),
            Some(import) => Err(EngineError::damaged(
                format!("log {}", log.0),
                format!("import {import} is live in it or in the site's log, but not in both"),
            )),
        }
    }

    async fn verify_import(&self, import: &Arc<Import>) -> Result<u64, EngineError> {
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

    async fn verify_statements(
        &self,
        view: &View,
        verified: &mut Verified,
    ) -> Result<(), EngineError> {
        let (_, checkpoints) = Checkpoints::load(self.store.as_ref(), view.account.log).await?;
        let months: std::collections::BTreeSet<Month> = view
            .account
            .imports
            .iter()
            .flat_map(|import| &import.record.parts)
            .flat_map(|part| part.chunks.iter().map(|chunk| chunk.month))
            .chain(view.account.metered.months().map(|(month, _)| month))
            .collect();
        for month in months {
            let (plan, fingerprint) = (view.plan(month), view.fingerprint(month));
            let statement = self.fold(view, &plan).await?;
            verified.statements += 1;
            let blobs = checkpoints.find(month, fingerprint);
            if self.verify_checkpoint(view, statement, blobs).await? {
                verified.checkpoints += 1;
            }
        }
        Ok(())
    }

    /// Compares a checkpoint's parts with those of the statement. False when there is none, or it
    /// is of other rules or of another format: it is never read, and made again.
    async fn verify_checkpoint(
        &self,
        view: &View,
        statement: Statement,
        blobs: &[Digest],
    ) -> Result<bool, EngineError> {
        let differs = |detail: &str| {
            let what = format!(
                "the checkpoint of {} of {}",
                statement.month(),
                view.account.name
            );
            EngineError::damaged(what, detail)
        };
        for (part, blob) in blobs.iter().enumerate() {
            let Some(stored) = self.store.get_blob(*blob).await? else {
                return Ok(false);
            };
            let again = statement.clone();
            let bytes = tokio::task::spawn_blocking(move || again.encode_part(part)).await?;
            if bytes != stored {
                return match Source::decode(&stored) {
                    Ok(None) => Ok(false),
                    _ => Err(differs("it is not what the ledger gives")),
                };
            }
        }
        if !blobs.is_empty() && blobs.len() != statement.parts() {
            return Err(differs("it has not as many parts as it should"));
        }
        Ok(!blobs.is_empty())
    }
}

/// An import that is live as one of the two logs says, but not as the other does.
fn in_one_log_only(site: &Site, account: &Account) -> Option<ImportId> {
    let seen = site.directory.sightings();
    let seen = seen.filter(|(_, log)| *log == account.log);
    let seen: BTreeSet<_> = seen.map(|(import, _)| import).collect();
    let live = account.live_imports().map(|import| import.record.id);
    let live: BTreeSet<_> = live.collect();
    seen.symmetric_difference(&live).next().copied()
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
