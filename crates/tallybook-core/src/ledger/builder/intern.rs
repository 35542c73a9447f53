//! Dense codes for the texts of one import.
//!
//! Invariant: a text has one code, which is its index in `values`.

use super::size::Size;
use crate::hash::{QuickHasher, QuickMap};
use crate::ledger::record::RawSku;
use crate::report::Line;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Assigns texts dense codes in order of arrival; code 0 is the absent name.
#[derive(Debug)]
pub(super) struct Interner {
    pub values: Vec<Arc<str>>,
    codes: QuickMap<Arc<str>, u32>,
    last: u32,
}

impl Interner {
    pub(super) fn with_nothing() -> Self {
        let mut interner = Self {
            values: Vec::new(),
            codes: QuickMap::default(),
            last: 0,
        };
        interner.code("", &mut Size::default());
        interner
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        // A separate case, because it is the most frequent name, and because comparing empty slices
        // in the C library touches their dangling pointers, which costs hundreds of cycles.
        if text.is_empty() {
            return (!self.values.is_empty()).then_some(0);
        }
        match self.values.get(self.last as usize) {
            Some(last) if **last == *text => Some(self.last),
            _ => self.codes.get(text).copied(),
        }
    }

    pub(super) fn code(&mut self, text: &str, size: &mut Size) -> u32 {
        let code = match self.find(text) {
            Some(code) => code,
            None => {
                let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
                size.add_name(text);
                let text: Arc<str> = text.into();
                self.values.push(Arc::clone(&text));
                self.codes.insert(text, code);
                code
            }
        };
        if code != 0 {
            self.last = code;
        }
        code
    }
}

/// Assigns (product, SKU, unit) dense codes, without building a key for each line.
#[derive(Debug, Default)]
pub(super) struct SkuInterner {
    pub values: Vec<RawSku>,
    /// Codes by hash; different SKUs may share one.
    codes: QuickMap<u64, Vec<u32>>,
    last: u32,
}

impl SkuInterner {
    pub(super) fn code(&mut self, line: &Line<'_>, size: &mut Size) -> u32 {
        let is = |known: &RawSku| {
            *known.sku == *line.sku && *known.product == *line.product && *known.unit == *line.unit
        };
        if self.values.get(self.last as usize).is_some_and(is) {
            return self.last;
        }
        let mut hasher = QuickHasher::default();
        (line.sku, line.product, line.unit).hash(&mut hasher);
        let codes = self.codes.entry(hasher.finish()).or_default();
        let known = codes
            .iter()
            .copied()
            .find(|code| is(&self.values[*code as usize]));
        self.last = known.unwrap_or_else(|| {
            let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
            [line.product, line.sku, line.unit]
                .into_iter()
                .for_each(|text| size.add_name(text));
            self.values.push(RawSku {
                product: line.product.into(),
                sku: line.sku.into(),
                unit: line.unit.into(),
            });
            codes.push(code);
            code
        });
        self.last
    }
}
