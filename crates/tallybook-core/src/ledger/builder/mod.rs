//! From report lines to an import's record and chunks.
//!
//! Invariant: memory is bounded: a chunk is handed out as soon as it is full, leaving only names,
//! sums and at most [`MOST_OPEN_LINES`] lines. Nothing here knows dictionary ids.
//! Look next: `part` for the state kept for each kind.

mod files;
mod intern;
mod part;
mod size;

pub use files::FileOverlap;
pub use size::{Most, TooMuch};

use super::chunk::{Lines, MOST_LINES};
use super::record::{ChunkRef, ImportRecord, ImportedFile, Part, SkuSum, Tables};
use crate::catalog::Catalog;
use crate::dimension::Dimension;
use crate::ids::{Digest, ImportId};
use crate::money::checked_discount_quantity;
use crate::name::Name;
use crate::report::{Line, ReportKind};
use crate::sums::Totals;
use crate::time::Month;
use intern::{Interner, SkuInterner};
use part::{OpenMonth, PartBuilder, append};
use size::Size;

/// The most lines held at once, over all months and kinds.
pub const MOST_OPEN_LINES: usize = 4 * MOST_LINES;

/// What the usage is imported for; decides what a line without an organization means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportScope {
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
    /// The offending column.
    pub column: &'static str,
    /// Why.
    pub reason: String,
}

/// A full chunk: [`Self::encode`] it, on another thread if available, put it into the store, and
/// return its [`Staged`] to the builder.
#[derive(Debug)]
pub struct FullChunk {
    kind: ReportKind,
    place: usize,
    month: Month,
    lines: Lines,
}

/// A blob to be put into the store before the import is committed.
#[derive(Debug)]
pub struct Staged {
    kind: ReportKind,
    /// Which chunk of its kind; `None` for cell sums.
    place: Option<usize>,
    /// Its name.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl FullChunk {
    /// The chunk's bytes and their hash.
    #[must_use]
    pub fn encode(self) -> Staged {
        let bytes = self.lines.encode(self.month);
        Staged {
            kind: self.kind,
            place: Some(self.place),
            digest: Digest::of(&bytes),
            bytes,
        }
    }
}

/// Collects the lines of one import.
#[derive(Debug)]
pub struct ImportBuilder {
    scope: ImportScope,
    skus: SkuInterner,
    names: [Interner; 6],
    texts: Interner,
    parts: Vec<PartBuilder>,
    open_lines: usize,
    /// The file being read, by its index among the files.
    file: usize,
    has_file: bool,
    size: Size,
    most: Most,
}

/// The finished import, without its files.
#[derive(Debug)]
pub struct Finished {
    /// What its codes stand for.
    pub tables: Tables,
    /// A part for each kind that had a line.
    pub parts: Vec<Part>,
    /// The sums of each part, to stage like chunks.
    pub staged: Vec<Staged>,
}

impl Finished {
    /// The record, with the files that it was made from.
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
    pub fn new(scope: ImportScope) -> Self {
        Self {
            scope,
            skus: SkuInterner::default(),
            names: std::array::from_fn(|_| Interner::with_nothing()),
            texts: Interner::with_nothing(),
            parts: Vec::new(),
            open_lines: 0,
            file: 0,
            has_file: false,
            size: Size::default(),
            most: Most::default(),
        }
    }

    /// Sets the limits of what the import may hold; see [`Self::check_size`].
    pub fn limit(&mut self, most: Most) {
        self.most = most;
    }

    /// Fails if the import holds more than its limits allow; call it after each line.
    pub fn check_size(&self) -> Result<(), TooMuch> {
        self.size.check(&self.most)
    }

    /// Starts another file; the lines that follow belong to it. If never called, all lines belong
    /// to one file.
    pub fn begin_file(&mut self) {
        self.file += usize::from(self.has_file);
        self.has_file = true;
    }

    /// The files that state the same usage.
    #[must_use]
    pub fn overlaps(&self, catalog: &Catalog) -> Vec<FileOverlap> {
        let names = |dimension: Dimension| &self.names[dimension as usize];
        let names = (names(Dimension::Organization), names(Dimension::Repository));
        files::overlaps(&self.parts, &self.skus, names, catalog)
    }

    /// Adds a line of a report of `kind`. Returns a chunk that has become full, to be staged.
    ///
    /// `admit` is called once for every organization that a line names.
    pub fn push(
        &mut self,
        kind: ReportKind,
        line: &Line<'_>,
        admit: impl FnOnce(&str) -> Result<(), String>,
    ) -> Result<Option<FullChunk>, LineRefused> {
        let (organization, repository) = place(&self.scope, line)?;
        let known = self.names[Dimension::Organization as usize].find(organization);
        if known.is_none() && !organization.is_empty() {
            let refused = |reason| LineRefused {
                column: "organization",
                reason,
            };
            admit(organization).map_err(refused)?;
        }
        let totals = totals(line)?;
        let texts = [
            organization,
            repository,
            line.user,
            line.model,
            line.workflow,
            line.cost_center,
        ];
        let size = &mut self.size;
        let sku = self.skus.code(line, size);
        let mut codes = [0; 6];
        for ((code, interner), text) in codes.iter_mut().zip(&mut self.names).zip(texts) {
            *code = interner.code(text, size);
        }
        let extras = &line.extras;
        let texts = [
            extras.total_monthly_quota,
            extras.workflow_name,
            extras.notes,
        ]
        .map(|text| self.texts.code(text, size));
        let part = self.part(kind);
        let own = &mut self.parts[part];
        let cell = (
            line.hour.day(),
            sku,
            codes[Dimension::Organization as usize],
        );
        let repository = codes[Dimension::Repository as usize];
        let new_sums = own.count(self.file, cell, repository, totals);
        self.size.add_sums(new_sums);
        let month = own.month(line.hour);
        let open = &mut own.open[month];
        let before = open.lines.unknown.bytes();
        append(open, line, sku, codes, texts);
        self.size.add_bytes(open.lines.unknown.bytes() - before);
        let is_full = open.lines.len() >= MOST_LINES;
        self.open_lines += 1;
        if is_full {
            return Ok(Some(self.close(part, month)));
        }
        if self.open_lines >= MOST_OPEN_LINES {
            return Ok(self.close_largest());
        }
        Ok(None)
    }

    /// Notes that a chunk was put into the store.
    pub fn staged(&mut self, staged: &Staged) {
        let part = self.part(staged.kind);
        let chunk = staged
            .place
            .and_then(|place| self.parts[part].chunks.get_mut(place));
        if let Some((_, _, blob)) = chunk {
            *blob = Some(staged.digest);
        }
    }

    fn part(&mut self, kind: ReportKind) -> usize {
        self.parts
            .iter()
            .position(|part| part.kind == kind)
            .unwrap_or_else(|| {
                self.parts.push(PartBuilder::new(kind));
                self.parts.len() - 1
            })
    }

    fn close(&mut self, part: usize, month: usize) -> FullChunk {
        let part = &mut self.parts[part];
        let OpenMonth { month, lines, .. } = part.open.swap_remove(month);
        self.open_lines -= lines.len();
        self.size.release(lines.unknown.bytes());
        #[expect(clippy::cast_possible_truncation, reason = "at most MOST_LINES")]
        part.chunks.push((month, lines.len() as u32, None));
        FullChunk {
            kind: part.kind,
            place: part.chunks.len() - 1,
            month,
            lines,
        }
    }

    fn close_largest(&mut self) -> Option<FullChunk> {
        let sizes = self.parts.iter().enumerate().flat_map(|(part, own)| {
            let months = own.open.iter().enumerate();
            months.map(move |(month, open)| (open.lines.len(), part, month))
        });
        let (_, part, month) = sizes.max()?;
        Some(self.close(part, month))
    }

    /// The next chunk that is still open; call it until there is none, then [`Self::finish`].
    pub fn flush(&mut self) -> Option<FullChunk> {
        let part = self.parts.iter().position(|part| !part.open.is_empty())?;
        Some(self.close(part, 0))
    }

    /// Finishes the import. Fails when a chunk that was handed out was not staged.
    pub fn finish(self) -> Result<Finished, Unstaged> {
        let mut staged = Vec::new();
        let mut parts = Vec::new();
        let mut builders = self.parts;
        builders.sort_by_key(|part| part.kind);
        for part in builders {
            if !part.open.is_empty() {
                return Err(Unstaged);
            }
            let Some((first_day, last_day)) = part.days else {
                continue;
            };
            let bytes = PartBuilder::cells(part.files).encode();
            let cells = Digest::of(&bytes);
            staged.push(Staged {
                kind: part.kind,
                place: None,
                digest: cells,
                bytes,
            });
            let sums = (0..).zip(part.sums).filter(|(_, (lines, _))| *lines > 0);
            let sums = sums
                .map(|(sku, (lines, totals))| SkuSum { sku, lines, totals })
                .collect();
            let chunk = |(month, lines, blob): (Month, u32, Option<Digest>)| {
                blob.map(|blob| ChunkRef { month, blob, lines })
                    .ok_or(Unstaged)
            };
            let chunks = part
                .chunks
                .into_iter()
                .map(chunk)
                .collect::<Result<_, _>>()?;
            parts.push(Part {
                kind: part.kind,
                first_day,
                last_day,
                sums,
                chunks,
                cells,
            });
        }
        let names = self.names.map(|interner| interner.values);
        let tables = Tables {
            skus: self.skus.values,
            names,
            texts: self.texts.values,
        };
        Ok(Finished {
            tables,
            parts,
            staged,
        })
    }
}

/// A chunk was not put into the store, so that the import cannot be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk of the import was not stored")]
pub struct Unstaged;

/// The organization and the repository's own name, resolved by the scope.
fn place<'a>(scope: &'a ImportScope, line: &Line<'a>) -> Result<(&'a str, &'a str), LineRefused> {
    let foreign = |login: &Name, kind: &str| LineRefused {
        column: "organization",
        reason: format!(
            "names organization {}, but the import is for {kind} {login}",
            line.organization
        ),
    };
    let (organization, owner) = match scope {
        ImportScope::Enterprise => (line.organization, line.organization),
        ImportScope::Organization(login) if line.organization.is_empty() => {
            (login.as_str(), login.as_str())
        }
        ImportScope::Organization(login) => {
            if !line.organization.eq_ignore_ascii_case(login.as_str()) {
                return Err(foreign(login, "organization"));
            }
            (line.organization, line.organization)
        }
        ImportScope::User(login) if line.organization.is_empty() => ("", login.as_str()),
        ImportScope::User(login) => return Err(foreign(login, "user")),
    };
    let repository = match line.repository.split_once('/') {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(owner) => name,
        _ => line.repository,
    };
    Ok((organization, repository))
}

fn totals(line: &Line<'_>) -> Result<Totals, LineRefused> {
    let discounted = checked_discount_quantity(line.quantity, line.discount, line.gross);
    let discount_quantity = discounted.map_err(|error| LineRefused {
        column: "discount_amount",
        reason: format!("the discounted part of the quantity: {error}"),
    })?;
    let Line {
        quantity,
        gross,
        discount,
        ..
    } = *line;
    Ok(Totals {
        quantity,
        discount_quantity,
        gross,
        discount,
    })
}
