//! Token counts of events, by the lines of a statement that they belong to.
//!
//! Invariant: counts are carried, not priced: no statement has them. A line is identified by its
//! hour, SKU and names, in the codes of the fold.

use crate::catalog::Catalog;
use crate::dimension::Dimension;
use crate::fold::{Fold, Unrated};
use crate::hash::QuickMap;
use crate::ids::NameId;
use crate::ledger::metered::tokens::TokenSums;
use std::collections::HashMap;

/// The counts of a month's events.
pub(super) struct LineTokens {
    /// Numbers of SKUs, by their folded ids.
    skus: HashMap<String, u32>,
    sums: QuickMap<Line, TokenSums>,
}

/// Hour since the start of the month, SKU, and names except the cost center, which events lack.
type Line = (u16, u32, [u32; 5]);

impl LineTokens {
    /// Of all events that count.
    pub(super) fn new(fold: &mut Fold<'_>, catalog: &Catalog) -> Result<Self, Unrated> {
        let mut tokens = Self {
            skus: HashMap::new(),
            sums: QuickMap::default(),
        };
        let Some((rows, dictionary)) = fold.counting() else {
            return Ok(tokens);
        };
        let text = |code: u32| match code.checked_sub(1) {
            None => Ok(""),
            Some(id) => {
                let text = dictionary.get(NameId(id)).ok_or(Unrated::ForeignCode)?;
                Ok(&**text)
            }
        };
        let mut lines = Vec::new();
        for row in rows {
            let Some(sums) = row.tokens.as_deref() else {
                continue;
            };
            let [sku, names @ ..] = row.names;
            let sku = text(sku)?;
            let known = catalog.sku(sku);
            let known = known.ok_or_else(|| Unrated::UnknownSku(sku.to_owned()))?;
            let names = names.map(|code| text(code).map(str::to_owned));
            lines.push((row.hour, known.id.to_ascii_lowercase(), names, *sums));
        }
        for (hour, sku, texts, sums) in lines {
            let mut names = [0; 5];
            for ((code, text), dimension) in names.iter_mut().zip(texts).zip(Dimension::ALL) {
                *code = fold.builder().name(dimension, &text?);
            }
            let next = u32::try_from(tokens.skus.len()).unwrap_or(u32::MAX);
            let sku = *tokens.skus.entry(sku).or_insert(next);
            let sum = tokens.sums.entry((hour, sku, names)).or_default();
            sum.add(&sums);
        }
        Ok(tokens)
    }

    /// Those of a line; `sku` is its id.
    pub(super) fn of(&self, hour: u16, sku: &str, names: [u32; 6]) -> Option<&TokenSums> {
        let sku = self.skus.get(&sku.to_ascii_lowercase())?;
        let [names @ .., _cost_center] = names;
        self.sums.get(&(hour, *sku, names))
    }
}
