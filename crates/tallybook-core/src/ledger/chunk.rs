//! Chunks: the lines of one import, one kind and one month, as columns.
//!
//! Invariant: a chunk is immutable and named by its hash; its codes refer to the record's tables.
//! Layout, format 2: `TBC` `2`, month, count, then the columns in the order of [`Chunk`]. Format 1
//! has no unknown columns.
//! Look next: [`super::unknown`], the columns that no layout has.

use super::unknown::{UnknownColumns, UnknownTexts};
use crate::codec::{DecodeError, Reader, Writer};
use crate::money::Price;
use crate::packed::Packed;
use crate::shares::Shares;
use crate::time::Month;
use std::collections::BTreeSet;

/// The newest chunk format.
pub const FORMAT: u8 = 2;

/// The most lines in a chunk: at some 40 bytes a line it stays below 8 MB.
pub const MOST_LINES: usize = 128 * 1024;

const MAGIC: &[u8; 3] = b"TBC";
const WHAT: &str = "chunk";

/// The number of columns that are optional per line.
pub const OPTIONAL_COLUMNS: usize = 8;

/// The optional columns, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optional {
    /// Nanos of `aic_quantity`.
    AicQuantity,
    /// Nano-dollars of `aic_gross_amount`.
    AicGross,
    /// Nanos of `input` tokens.
    Input,
    /// Nanos of `output` tokens.
    Output,
    /// Nanos of `cache_read` tokens.
    CacheRead,
    /// Nanos of `cache_write` tokens.
    CacheWrite,
    /// Seconds of `usage_at`.
    UsedAt,
    /// Nanos of the pre-2024 `Multiplier`.
    Multiplier,
}

/// Lines as they are collected.
#[derive(Debug, Default)]
pub struct Lines {
    /// Hours since the start of the month.
    pub hour: Vec<u16>,
    /// SKU codes.
    pub sku: Vec<u32>,
    /// Codes by dimension.
    pub names: [Vec<u32>; 6],
    /// Prices, in trillionths of a dollar.
    pub price: Vec<i128>,
    /// Quantities, in billionths.
    pub quantity: Vec<i128>,
    /// Gross amounts, in billionths of a dollar.
    pub gross: Vec<i128>,
    /// Discounts, in billionths of a dollar.
    pub discount: Vec<i128>,
    /// 0 unknown, 1 false, 2 true.
    pub exceeds_quota: Vec<u8>,
    /// Text codes of quota, workflow name and notes.
    pub texts: [Vec<u32>; 3],
    /// The optional columns.
    pub optional: [OptionalColumn; OPTIONAL_COLUMNS],
    /// The columns that no layout has.
    pub unknown: UnknownTexts,
}

/// An optional column; costs nothing until the first value.
#[derive(Debug, Default)]
pub struct OptionalColumn {
    present: Vec<u8>,
    values: Vec<i128>,
}

impl OptionalColumn {
    /// Adds the value of line `index`.
    pub fn set(&mut self, index: usize, value: Option<i128>) {
        if let Some(value) = value {
            self.present.resize(index, 0);
            self.present.push(1);
            self.values.push(value);
        }
    }
}

/// Lines as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The month of all its lines.
    pub month: Month,
    /// How many lines.
    pub count: usize,
    /// Hours since the start of the month.
    pub hour: Packed,
    /// SKU codes.
    pub sku: Packed,
    /// Codes by dimension.
    pub names: [Packed; 6],
    /// Prices, in trillionths of a dollar, by price code.
    pub prices: Vec<Price>,
    /// Price codes.
    pub price: Packed,
    /// Quantities, in billionths.
    pub quantity: Packed,
    /// Gross amounts, in billionths of a dollar.
    pub gross: Packed,
    /// Discounts.
    pub discount: Shares,
    /// 0 unknown, 1 false, 2 true.
    pub exceeds_quota: Packed,
    /// Text codes of quota, workflow name and notes.
    pub texts: [Packed; 3],
    /// The optional columns: which lines have a value, and the values.
    pub optional: [(Packed, Packed); OPTIONAL_COLUMNS],
    /// The columns that no layout has.
    pub unknown: UnknownColumns,
}

impl Lines {
    /// How many lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sku.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sku.is_empty()
    }

    /// Packs the lines of `month` and writes them.
    #[must_use]
    pub fn encode(&self, month: Month) -> Vec<u8> {
        let count = self.len();
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.byte(FORMAT);
        out.signed(i128::from(month.index()));
        out.count(count);
        Packed::new(&self.hour).encode(&mut out);
        Packed::new(&self.sku).encode(&mut out);
        self.names
            .iter()
            .for_each(|codes| Packed::new(codes).encode(&mut out));
        self.encode_prices(&mut out);
        Packed::new(&self.quantity).encode(&mut out);
        Packed::new(&self.gross).encode(&mut out);
        Shares::new(&self.discount, |index| self.gross[index]).encode(&mut out);
        Packed::new(&self.exceeds_quota).encode(&mut out);
        self.texts
            .iter()
            .for_each(|codes| Packed::new(codes).encode(&mut out));
        for column in &self.optional {
            let mut present = column.present.clone();
            present.resize(count, 0);
            Packed::new(&present).encode(&mut out);
            Packed::new(&column.values).encode(&mut out);
        }
        self.unknown.encode(&mut out, count);
        out.finish()
    }

    fn encode_prices(&self, out: &mut Writer) {
        let distinct: BTreeSet<i128> = self.price.iter().copied().collect();
        let prices: Vec<i128> = distinct.into_iter().collect();
        out.count(prices.len());
        prices.iter().for_each(|price| out.signed(*price));
        // The list holds every price, so the search succeeds; a chunk has far fewer than 2^32
        // lines.
        #[expect(clippy::cast_possible_truncation, reason = "fewer prices than lines")]
        let code = |price: &i128| prices.partition_point(|other| other < price) as u32;
        let codes: Vec<u32> = self.price.iter().map(code).collect();
        Packed::new(&codes).encode(out);
    }
}

impl Chunk {
    /// Reads a chunk.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        if r.raw(MAGIC.len(), WHAT)? != MAGIC {
            return Err(DecodeError::Invalid {
                what: "the start of a chunk",
                at: 0,
            });
        }
        let format = r.byte(WHAT)?;
        if format == 0 || format > FORMAT {
            return Err(DecodeError::TooNew {
                what: WHAT,
                found: format,
                supported: FORMAT,
            });
        }
        let month = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
        let month = Month::from_index(month).map_err(|_| r.invalid("month"))?;
        let count = usize::try_from(r.varint(WHAT)?).map_err(|_| r.invalid(WHAT))?;
        if count > MOST_LINES {
            return Err(r.invalid("number of lines"));
        }
        let chunk = Self {
            month,
            count,
            hour: Packed::decode_exactly(r, count)?,
            sku: Packed::decode_exactly(r, count)?,
            names: columns(r, count)?,
            prices: read_prices(r)?,
            price: Packed::decode_exactly(r, count)?,
            quantity: Packed::decode_exactly(r, count)?,
            gross: Packed::decode_exactly(r, count)?,
            discount: Shares::decode(r, count)?,
            exceeds_quota: Packed::decode_exactly(r, count)?,
            texts: columns(r, count)?,
            optional: optional_columns(r, count)?,
            unknown: match format {
                1 => UnknownColumns::default(),
                _ => UnknownColumns::decode(r, count)?,
            },
        };
        reader.finish(WHAT)?;
        chunk.check()
    }

    fn check(self) -> Result<Self, DecodeError> {
        let hours = self.month.hours();
        // The import's tables are not known here, so codes are only checked for their range.
        let is_codes = |column: &Packed| column.is_below(u32::MAX as usize);
        let sane = self.hour.is_below(hours)
            && self.price.is_below(self.prices.len())
            && is_codes(&self.sku)
            && self.names.iter().all(is_codes)
            && self.texts.iter().all(is_codes);
        if sane {
            Ok(self)
        } else {
            Err(DecodeError::Invalid {
                what: "a chunk's code",
                at: 0,
            })
        }
    }
}

fn columns<const N: usize>(
    reader: &mut Reader<'_>,
    count: usize,
) -> Result<[Packed; N], DecodeError> {
    let mut columns = [const { None }; N];
    for slot in &mut columns {
        *slot = Some(Packed::decode_exactly(reader, count)?);
    }
    Ok(columns.map(|column| column.unwrap_or_else(|| Packed::new::<u8>(&[]))))
}

fn optional_columns(
    reader: &mut Reader<'_>,
    count: usize,
) -> Result<[(Packed, Packed); OPTIONAL_COLUMNS], DecodeError> {
    let mut columns = [const { None }; OPTIONAL_COLUMNS];
    for slot in &mut columns {
        let present = Packed::decode_exactly(reader, count)?;
        *slot = Some((present, Packed::decode(reader, count)?));
    }
    let none = || (Packed::new::<u8>(&[]), Packed::new::<u8>(&[]));
    Ok(columns.map(|column| column.unwrap_or_else(none)))
}

fn read_prices(reader: &mut Reader<'_>) -> Result<Vec<Price>, DecodeError> {
    let count = reader.count(1, "prices")?;
    (0..count)
        .map(|_| reader.signed("price").map(Price::from_picos))
        .collect()
}
