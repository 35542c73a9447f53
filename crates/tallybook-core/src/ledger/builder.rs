//! From report lines to an import's record and chunks.
//!
//! Invariant: memory is bounded: a chunk is handed out as soon as it is full, and what stays are
//! names, sums and at most [`MOST_OPEN_LINES`] lines. Nothing here knows ids of the dictionary.

use super::chunk::{Lines, MOST_LINES, Optional};
use super::owners::CellSums;
use super::record::{
    ChunkRef, Dimension, ImportRecord, ImportedFile, Part, RawSku, SkuSum, Tables,
};
use crate::ids::{Digest, ImportId};
use crate::money::discount_quantity;
use crate::name::Name;
use crate::query::Totals;
use crate::report::{Line, ReportKind};
use crate::time::{Day, Month};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most lines held at once, over all months and kinds.
pub const MOST_OPEN_LINES: usize = 4 * MOST_LINES;

/// For whom usage is imported; decides what a line without an organization means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A whole enterprise.
    Enterprise,
    /// One organization: standing alone, or within an enterprise.
    Organization(Name),
    /// A user's own usage.
    User(Name),
}

/// Why a line cannot be part of the import.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LineRefused {
    /// The column that is to blame.
    pub column: &'static str,
    /// Why.
    pub reason: String,
}

/// A blob to be staged before the import is committed.
#[derive(Debug)]
pub struct Staged {
    /// Its name.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Staged {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }
}

/// Collects the lines of one import.
#[derive(Debug)]
pub struct ImportBuilder {
    scope: Scope,
    skus: Interner<RawSku>,
    names: [Interner<Arc<str>>; 6],
    texts: Interner<Arc<str>>,
    parts: BTreeMap<ReportKind, PartBuilder>,
    open_lines: usize,
}

#[derive(Debug, Default)]
struct PartBuilder {
    days: Option<(Day, Day)>,
    sums: BTreeMap<u32, (u64, Totals)>,
    cells: CellSums,
    open: BTreeMap<Month, Lines>,
    chunks: Vec<ChunkRef>,
}

/// The finished import, but for its files.
#[derive(Debug)]
pub struct Finished {
    /// What its codes stand for.
    pub tables: Tables,
    /// A part for each kind that had a line.
    pub parts: Vec<Part>,
    /// The last blobs to stage.
    pub staged: Vec<Staged>,
}

impl Finished {
    /// The record, with the files that it was made of.
    #[must_use]
    pub fn into_record(
        self,
        id: ImportId,
        organization: Option<Name>,
        files: Vec<ImportedFile>,
    ) -> ImportRecord {
        ImportRecord {
            id,
            organization,
            files,
            tables: self.tables,
            parts: self.parts,
        }
    }
}

impl ImportBuilder {
    /// An import without lines.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            skus: Interner::default(),
            names: std::array::from_fn(|_| Interner::with_nothing()),
            texts: Interner::with_nothing(),
            parts: BTreeMap::new(),
            open_lines: 0,
        }
    }

    /// Adds a line of a report of `kind`. A chunk that is full is handed out to be staged.
    ///
    /// `admit` is asked once about every organization that a line names.
    pub fn push(
        &mut self,
        kind: ReportKind,
        line: &Line<'_>,
        admit: impl FnOnce(&str) -> Result<(), String>,
    ) -> Result<Option<Staged>, LineRefused> {
        let (organization, repository) = place(&self.scope, line)?;
        let known = self.names[Dimension::Organization as usize].find(organization);
        if known.is_none() && !organization.is_empty() {
            let refused = |reason| LineRefused {
                column: "organization",
                reason,
            };
            admit(organization).map_err(refused)?;
        }
        let texts = [
            organization,
            repository,
            line.user,
            line.model,
            line.workflow,
            line.cost_center,
        ];
        let sku = self.skus.code_by(
            |known| {
                *known.sku == *line.sku
                    && *known.product == *line.product
                    && *known.unit == *line.unit
            },
            || RawSku {
                product: line.product.into(),
                sku: line.sku.into(),
                unit: line.unit.into(),
            },
        );
        let mut codes = [0; 6];
        for ((code, interner), text) in codes.iter_mut().zip(&mut self.names).zip(texts) {
            *code = interner.code(text);
        }
        let extras = &line.extras;
        let texts = [
            extras.total_monthly_quota,
            extras.workflow_name,
            extras.notes,
        ]
        .map(|text| self.texts.code(text));
        let month = line.hour.day().month();
        let part = self.parts.entry(kind).or_default();
        part.count(line, sku, codes[Dimension::Organization as usize]);
        let lines = part.open.entry(month).or_default();
        append(lines, month, line, sku, codes, texts);
        self.open_lines += 1;
        if lines.len() >= MOST_LINES {
            return Ok(self.close(kind, month));
        }
        if self.open_lines >= MOST_OPEN_LINES {
            return Ok(self.close_largest());
        }
        Ok(None)
    }

    fn close(&mut self, kind: ReportKind, month: Month) -> Option<Staged> {
        let part = self.parts.get_mut(&kind)?;
        let lines = part.open.remove(&month)?;
        self.open_lines -= lines.len();
        let staged = Staged::new(lines.encode(month));
        #[expect(clippy::cast_possible_truncation, reason = "at most MOST_LINES")]
        let lines = lines.len() as u32;
        part.chunks.push(ChunkRef {
            month,
            blob: staged.digest,
            lines,
        });
        Some(staged)
    }

    fn close_largest(&mut self) -> Option<Staged> {
        let sizes = self.parts.iter().flat_map(|(kind, part)| {
            part.open
                .iter()
                .map(move |(month, lines)| (lines.len(), *kind, *month))
        });
        let (_, kind, month) = sizes.max()?;
        self.close(kind, month)
    }

    /// Ends the import.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let mut staged = Vec::new();
        let open: Vec<_> = self
            .parts
            .iter()
            .flat_map(|(kind, part)| part.open.keys().map(|month| (*kind, *month)))
            .collect();
        for (kind, month) in open {
            staged.extend(self.close(kind, month));
        }
        let mut parts = Vec::new();
        for (kind, part) in self.parts {
            let Some((first_day, last_day)) = part.days else {
                continue;
            };
            let cells = Staged::new(part.cells.encode());
            let sum = |(sku, (lines, totals))| SkuSum { sku, lines, totals };
            let sums = part.sums.into_iter().map(sum).collect();
            let (chunks, cells_digest) = (part.chunks, cells.digest);
            staged.push(cells);
            parts.push(Part {
                kind,
                first_day,
                last_day,
                sums,
                chunks,
                cells: cells_digest,
            });
        }
        let names = self.names.map(|interner| interner.values);
        let tables = Tables {
            skus: self.skus.values,
            names,
            texts: self.texts.values,
        };
        Finished {
            tables,
            parts,
            staged,
        }
    }
}

impl PartBuilder {
    fn count(&mut self, line: &Line<'_>, sku: u32, organization: u32) {
        let day = line.hour.day();
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
        let totals = Totals {
            quantity: line.quantity,
            discount_quantity: discount_quantity(line.quantity, line.discount, line.gross),
            gross: line.gross,
            discount: line.discount,
        };
        let (lines, sum) = self.sums.entry(sku).or_default();
        *lines += 1;
        *sum += totals;
        self.cells.add(day, sku, organization, totals);
    }
}

/// The organization and the repository's own name, as the scope has it.
fn place<'a>(scope: &'a Scope, line: &Line<'a>) -> Result<(&'a str, &'a str), LineRefused> {
    let foreign = |login: &Name, kind: &str| LineRefused {
        column: "organization",
        reason: format!(
            "names organization {}, but the import is for {kind} {login}",
            line.organization
        ),
    };
    let (organization, owner) = match scope {
        Scope::Enterprise => (line.organization, line.organization),
        Scope::Organization(login) if line.organization.is_empty() => {
            (login.as_str(), login.as_str())
        }
        Scope::Organization(login) => {
            if !line.organization.eq_ignore_ascii_case(login.as_str()) {
                return Err(foreign(login, "organization"));
            }
            (line.organization, line.organization)
        }
        Scope::User(login) if line.organization.is_empty() => ("", login.as_str()),
        Scope::User(login) => return Err(foreign(login, "user")),
    };
    let repository = match line.repository.split_once('/') {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(owner) => name,
        _ => line.repository,
    };
    Ok((organization, repository))
}

fn append(
    lines: &mut Lines,
    month: Month,
    line: &Line<'_>,
    sku: u32,
    codes: [u32; 6],
    texts: [u32; 3],
) {
    let index = lines.len();
    let hour = line.hour.index() - month.first_day().first_hour().index();
    // A month has at most 744 hours.
    lines.hour.push(u16::try_from(hour).unwrap_or(u16::MAX));
    lines.sku.push(sku);
    lines
        .names
        .iter_mut()
        .zip(codes)
        .for_each(|(column, code)| column.push(code));
    lines.price.push(line.price.picos());
    lines.quantity.push(line.quantity.nanos());
    lines.gross.push(line.gross.nanos());
    lines.discount.push(line.discount.nanos());
    let extras = &line.extras;
    lines.exceeds_quota.push(
        extras
            .exceeds_quota
            .map_or(0, |exceeds| 1 + u8::from(exceeds)),
    );
    lines
        .texts
        .iter_mut()
        .zip(texts)
        .for_each(|(column, code)| column.push(code));
    let mut optional = |column: Optional, value: Option<i128>| {
        lines.optional[column as usize].set(index, value);
    };
    optional(
        Optional::AicQuantity,
        extras.aic_quantity.map(|v| v.nanos()),
    );
    optional(
        Optional::AicGross,
        extras.aic_gross_amount.map(|v| v.nanos()),
    );
    let tokens = [
        Optional::Input,
        Optional::Output,
        Optional::CacheRead,
        Optional::CacheWrite,
    ];
    for (column, value) in tokens.into_iter().zip(extras.tokens) {
        optional(column, value.map(|v| v.nanos()));
    }
    optional(
        Optional::UsedAt,
        extras.used_at.map(|at| i128::from(at.seconds())),
    );
    optional(Optional::Multiplier, extras.multiplier.map(|v| v.nanos()));
}

/// Gives texts dense codes in the order in which they come.
#[derive(Debug)]
struct Interner<T> {
    values: Vec<T>,
    codes: HashMap<T, u32>,
    last: u32,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            codes: HashMap::new(),
            last: 0,
        }
    }
}

impl Interner<Arc<str>> {
    /// Code 0 is the absent name.
    fn with_nothing() -> Self {
        let mut interner = Self::default();
        interner.code("");
        interner
    }

    fn find(&self, text: &str) -> Option<u32> {
        match self.values.get(self.last as usize) {
            Some(last) if **last == *text => Some(self.last),
            _ => self.codes.get(text).copied(),
        }
    }

    fn code(&mut self, text: &str) -> u32 {
        let code = match self.find(text) {
            Some(code) => code,
            None => {
                let code = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
                let text: Arc<str> = text.into();
                self.values.push(Arc::clone(&text));
                self.codes.insert(text, code);
                code
            }
        };
        self.last = code;
        code
    }
}

impl Interner<RawSku> {
    /// SKUs are few: a scan beats building a key for each line.
    fn code_by(&mut self, is: impl Fn(&RawSku) -> bool, make: impl FnOnce() -> RawSku) -> u32 {
        if self.values.get(self.last as usize).is_some_and(&is) {
            return self.last;
        }
        let found = self.values.iter().position(is).unwrap_or_else(|| {
            self.values.push(make());
            self.values.len() - 1
        });
        self.last = u32::try_from(found).unwrap_or(u32::MAX);
        self.last
    }
}
