//! The record of one import: its files, their kinds, and the chunks that hold its lines.
//!
//! Invariant: a record names every byte that its lines are made of: chunks by their hashes, names
//! by their ids in the account's dictionary. Chunks hold codes into the record's [`Tables`], so
//! that staging needs no ids before the commit.

use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{Digest, ImportId};
use crate::money::{Amount, Quantity};
use crate::name::Name;
use crate::names::codec::{read_optional, write_optional};
use crate::names::{Dictionary, Draft};
use crate::report::ReportKind;
use crate::sums::Totals;
use crate::time::{Day, Month};
use std::sync::Arc;

/// One import, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its id.
    pub id: ImportId,
    /// The organization that it was limited to; `None` is the whole account.
    pub organization: Option<Name>,
    /// The files it was made from, in the order given.
    pub files: Vec<ImportedFile>,
    /// What its codes stand for.
    pub tables: Tables,
    /// A part for each kind of report among the files.
    pub parts: Vec<Part>,
}

/// One file of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedFile {
    /// Its name, for people.
    pub name: Arc<str>,
    /// The hash of its bytes, decompressed.
    pub digest: Digest,
    /// Its kind.
    pub kind: ReportKind,
    /// Its layout, for people.
    pub layout: Arc<str>,
    /// Its size, decompressed.
    pub bytes: u64,
    /// Lines imported.
    pub lines: u64,
    /// Lines left out on request.
    pub skipped: u64,
}

/// A product, SKU and unit as a report spells them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawSku {
    /// `actions`.
    pub product: Arc<str>,
    /// `actions_linux`.
    pub sku: Arc<str>,
    /// `minutes`.
    pub unit: Arc<str>,
}

/// What an import's codes stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// By SKU code.
    pub skus: Vec<RawSku>,
    /// By dimension, then code.
    pub names: [Vec<Arc<str>>; 6],
    /// Texts of columns that only exports need: quotas, workflow names, notes.
    pub texts: Vec<Arc<str>>,
}

/// The lines of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The kind.
    pub kind: ReportKind,
    /// The first day that has a line.
    pub first_day: Day,
    /// The last day that has a line.
    pub last_day: Day,
    /// Sums by SKU code.
    pub sums: Vec<SkuSum>,
    /// The chunks that hold the lines.
    pub chunks: Vec<ChunkRef>,
    /// The blob that holds the sums by day, SKU and organization; see [`super::owners`].
    pub cells: Digest,
}

/// What one SKU adds up to in one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuSum {
    /// Its code.
    pub sku: u32,
    /// Lines.
    pub lines: u64,
    /// Sums.
    pub totals: Totals,
}

/// A chunk: lines of one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// The month.
    pub month: Month,
    /// The blob.
    pub blob: Digest,
    /// Lines in it.
    pub lines: u32,
}

impl ImportRecord {
    /// Lines of all parts.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.parts
            .iter()
            .flat_map(|part| &part.sums)
            .map(|sum| sum.lines)
            .sum()
    }

    /// An identity to detect the same bytes imported again: the scope and the set of file hashes.
    #[must_use]
    pub fn content(&self) -> (Option<Name>, Vec<Digest>) {
        let mut digests: Vec<Digest> = self.files.iter().map(|file| file.digest).collect();
        digests.sort();
        (self.organization.clone(), digests)
    }

    pub(super) fn encode(&self, out: &mut Writer, names: &mut Draft<'_>) {
        out.raw(&self.id.0);
        write_optional(out, names, self.organization.as_ref().map(Name::as_str));
        out.count(self.files.len());
        for file in &self.files {
            write_text(out, names, &file.name);
            out.raw(&file.digest.0);
            out.byte(kind_code(file.kind));
            out.text(&file.layout);
            [file.bytes, file.lines, file.skipped]
                .into_iter()
                .for_each(|n| out.varint(n));
        }
        self.tables.encode(out, names);
        out.count(self.parts.len());
        self.parts.iter().for_each(|part| part.encode(out));
    }

    pub(super) fn decode(r: &mut Reader<'_>, names: &Dictionary) -> Result<Self, DecodeError> {
        let id = ImportId(r.array("import")?);
        let organization = read_optional(r, names)?;
        let count = r.count(38, "files")?;
        let files = (0..count)
            .map(|_| decode_file(r, names))
            .collect::<Result<_, _>>()?;
        let tables = Tables::decode(r, names)?;
        let count = r.count(36, "parts")?;
        let parts = (0..count)
            .map(|_| Part::decode(r))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id,
            organization,
            files,
            tables,
            parts,
        })
    }
}

fn decode_file(r: &mut Reader<'_>, names: &Dictionary) -> Result<ImportedFile, DecodeError> {
    Ok(ImportedFile {
        name: read_text(r, names)?,
        digest: Digest(r.array("file")?),
        kind: read_kind(r)?,
        layout: r.text("layout")?.into(),
        bytes: r.varint("file")?,
        lines: r.varint("file")?,
        skipped: r.varint("file")?,
    })
}

impl Tables {
    fn encode(&self, out: &mut Writer, names: &mut Draft<'_>) {
        out.count(self.skus.len());
        for sku in &self.skus {
            [&sku.product, &sku.sku, &sku.unit]
                .into_iter()
                .for_each(|t| write_text(out, names, t));
        }
        for list in self.names.iter().chain([&self.texts]) {
            out.count(list.len());
            list.iter().for_each(|text| write_text(out, names, text));
        }
    }

    fn decode(r: &mut Reader<'_>, names: &Dictionary) -> Result<Self, DecodeError> {
        let count = r.count(3, "SKUs")?;
        let skus = (0..count)
            .map(|_| {
                let product = read_text(r, names)?;
                let sku = read_text(r, names)?;
                Ok(RawSku {
                    product,
                    sku,
                    unit: read_text(r, names)?,
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        let mut lists: [Vec<Arc<str>>; 7] = Default::default();
        for list in &mut lists {
            let count = r.count(1, "names")?;
            *list = (0..count)
                .map(|_| read_text(r, names))
                .collect::<Result<_, _>>()?;
        }
        let [
            organization,
            repository,
            user,
            model,
            workflow,
            cost_center,
            texts,
        ] = lists;
        let names = [organization, repository, user, model, workflow, cost_center];
        Ok(Self { skus, names, texts })
    }
}

impl Part {
    fn encode(&self, out: &mut Writer) {
        out.byte(kind_code(self.kind));
        out.signed(i128::from(self.first_day.index()));
        out.signed(i128::from(self.last_day.index()));
        out.count(self.sums.len());
        for sum in &self.sums {
            out.varint(u64::from(sum.sku));
            out.varint(sum.lines);
            write_totals(out, &sum.totals);
        }
        out.count(self.chunks.len());
        for chunk in &self.chunks {
            out.signed(i128::from(chunk.month.index()));
            out.raw(&chunk.blob.0);
            out.varint(u64::from(chunk.lines));
        }
        out.raw(&self.cells.0);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = read_kind(r)?;
        let first_day = read_day(r)?;
        let last_day = read_day(r)?;
        let count = r.count(6, "sums")?;
        let sums = (0..count)
            .map(|_| {
                let (sku, lines) = (r.varint32("SKU")?, r.varint("lines")?);
                Ok(SkuSum {
                    sku,
                    lines,
                    totals: read_totals(r)?,
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        let count = r.count(34, "chunks")?;
        let chunks = (0..count)
            .map(|_| {
                let index = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
                let month = Month::from_index(index).map_err(|_| r.invalid("month"))?;
                let blob = Digest(r.array("chunk")?);
                Ok(ChunkRef {
                    month,
                    blob,
                    lines: r.varint32("lines")?,
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self {
            kind,
            first_day,
            last_day,
            sums,
            chunks,
            cells: Digest(r.array("cells")?),
        })
    }
}

pub(super) fn write_totals(out: &mut Writer, totals: &Totals) {
    out.signed(totals.quantity.nanos());
    out.signed(totals.discount_quantity.nanos());
    out.signed(totals.gross.nanos());
    out.signed(totals.discount.nanos());
}

pub(super) fn read_totals(r: &mut Reader<'_>) -> Result<Totals, DecodeError> {
    Ok(Totals {
        quantity: Quantity::from_nanos(r.signed("quantity")?),
        discount_quantity: Quantity::from_nanos(r.signed("quantity")?),
        gross: Amount::from_nanos(r.signed("amount")?),
        discount: Amount::from_nanos(r.signed("amount")?),
    })
}

fn write_text(out: &mut Writer, names: &mut Draft<'_>, text: &str) {
    write_optional(out, names, (!text.is_empty()).then_some(text));
}

fn read_text(r: &mut Reader<'_>, names: &Dictionary) -> Result<Arc<str>, DecodeError> {
    Ok(read_optional(r, names)?.map_or_else(|| "".into(), |name| name.shared()))
}

fn kind_code(kind: ReportKind) -> u8 {
    match kind {
        ReportKind::Summarized => 1,
        ReportKind::Detailed => 2,
        ReportKind::PremiumRequest => 3,
        ReportKind::AiCredit => 4,
    }
}

fn read_kind(r: &mut Reader<'_>) -> Result<ReportKind, DecodeError> {
    match r.byte("report kind")? {
        1 => Ok(ReportKind::Summarized),
        2 => Ok(ReportKind::Detailed),
        3 => Ok(ReportKind::PremiumRequest),
        4 => Ok(ReportKind::AiCredit),
        _ => Err(r.invalid("report kind")),
    }
}

pub(super) fn read_day(r: &mut Reader<'_>) -> Result<Day, DecodeError> {
    let index = i64::try_from(r.signed("day")?).map_err(|_| r.invalid("day"))?;
    Day::try_from_index(index).map_err(|_| r.invalid("day"))
}
