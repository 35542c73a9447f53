//! The bytes of a statement: what checkpoints keep, and what "byte-identical" means.
//!
//! Layout, format 1: `TBM` `1`, rules version, month, names, rates, runs, lines, rollups. The
//! blob that holds them is named by its hash, so there is no checksum inside.

use super::table::{RollupKind, Table};
use super::{RULES, Run, Statement, StatementRate};
use crate::codec::{DecodeError, Reader, Writer};
use crate::ledger::chunk::Shares;
use crate::ledger::record::Dimension;
use crate::money::Price;
use crate::packed::Packed;
use crate::query::Rate;
use crate::time::Month;

/// The newest statement format.
pub const FORMAT: u8 = 1;

const MAGIC: &[u8; 3] = b"TBM";
const WHAT: &str = "statement";

impl Statement {
    /// The statement's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.byte(FORMAT);
        out.varint(u64::from(RULES));
        out.signed(i128::from(self.month.index()));
        for list in &self.names {
            out.count(list.len());
            list.iter().for_each(|name| out.text(name));
        }
        out.count(self.rates.len());
        for known in &self.rates {
            let Rate {
                product,
                sku,
                unit,
                price,
            } = &known.rate;
            [product, sku, unit]
                .into_iter()
                .for_each(|text| out.text(text));
            out.signed(price.picos());
            out.byte(u8::from(known.premium_request) | u8::from(known.ai_credit) << 1);
        }
        out.count(self.len());
        out.count(self.runs.len());
        for run in &self.runs {
            out.varint(u64::from(run.hour));
            out.varint(u64::from(run.rates.0));
            out.varint(u64::from(run.rates.1));
            out.varint(u64::from(run.start));
        }
        encode_table(&self.lines, &mut out);
        for rollup in &self.rollups {
            out.count(rollup.len());
            encode_table(rollup, &mut out);
        }
        out.finish()
    }

    /// Reads a statement; `None` when other rules made it.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        if r.raw(MAGIC.len(), WHAT)? != MAGIC {
            return Err(DecodeError::Invalid {
                what: "the start of a statement",
                at: 0,
            });
        }
        if r.byte(WHAT)? != FORMAT || r.varint(WHAT)? != u64::from(RULES) {
            return Ok(None);
        }
        let month = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
        let month = Month::from_index(month).map_err(|_| r.invalid("month"))?;
        let mut names: [Vec<Box<str>>; 6] = Default::default();
        for list in &mut names {
            let count = r.count(1, "names")?;
            *list = (0..count)
                .map(|_| Ok(r.text("name")?.into()))
                .collect::<Result<_, _>>()?;
        }
        let rates = read_rates(r)?;
        // Lines are numbered by 32 bits.
        let count = r.varint32(WHAT)? as usize;
        let runs = read_runs(r, count, rates.len())?;
        let lines = read_table(r, count, &Dimension::ALL)?;
        let mut rollups = RollupKind::ALL.map(|_| None);
        for (slot, kind) in rollups.iter_mut().zip(RollupKind::ALL) {
            let rows = r.varint32(WHAT)? as usize;
            *slot = Some(read_table(r, rows, kind.dimensions())?);
        }
        let [
            Some(rates_rollup),
            Some(centers),
            Some(users),
            Some(repositories),
        ] = rollups
        else {
            return Err(r.invalid("rollups"));
        };
        let rollups = [rates_rollup, centers, users, repositories];
        reader.finish(WHAT)?;
        let statement = Self {
            month,
            names,
            rates,
            runs,
            lines,
            rollups,
        };
        statement.check().map(Some)
    }

    /// Every code must be a place in its list, so that answers need not look.
    fn check(self) -> Result<Self, DecodeError> {
        let hours = self.month.hours();
        let in_lists = |table: &Table| {
            let mut columns = table.names.iter().zip(&self.names);
            let below = |(column, names): (&Option<Packed>, &Vec<_>)| {
                column
                    .as_ref()
                    .is_none_or(|column| column.is_below(names.len()))
            };
            table.rate.is_below(self.rates.len()) && columns.all(below)
        };
        let sane = in_lists(&self.lines)
            && self.rollups.iter().all(in_lists)
            && self.runs.iter().all(|run| usize::from(run.hour) < hours);
        if sane {
            Ok(self)
        } else {
            Err(DecodeError::Invalid {
                what: "a statement's code",
                at: 0,
            })
        }
    }
}

fn shares(part: &Packed, whole: &Packed) -> Shares {
    let (parts, wholes) = (part.values(), whole.values());
    Shares::new(&parts, |index| wholes[index])
}

fn read_rates(r: &mut Reader<'_>) -> Result<Vec<StatementRate>, DecodeError> {
    let count = r.count(5, "rates")?;
    (0..count)
        .map(|_| {
            let product = r.text("product")?.into();
            let sku = r.text("SKU")?.into();
            let unit = r.text("unit")?.into();
            let price = Price::from_picos(r.signed("price")?);
            let kinds = r.byte("report kinds")?;
            let rate = Rate {
                product,
                sku,
                unit,
                price,
            };
            Ok(StatementRate::new(rate, kinds & 1 != 0, kinds & 2 != 0))
        })
        .collect()
}

fn read_runs(r: &mut Reader<'_>, lines: usize, rates: usize) -> Result<Vec<Run>, DecodeError> {
    let count = r.count(4, "runs")?;
    let mut runs: Vec<Run> = Vec::with_capacity(count);
    for _ in 0..count {
        let hour = u16::try_from(r.varint("hour")?).map_err(|_| r.invalid("hour"))?;
        let of_sku = (r.varint32("rate")?, r.varint32("rate")?);
        let start = r.varint32("run")?;
        let rises = runs.last().map_or(start == 0, |last| last.start < start);
        let in_range = start as usize <= lines && of_sku.0 < of_sku.1;
        if !rises || !in_range || of_sku.1 as usize > rates {
            return Err(r.invalid("run"));
        }
        runs.push(Run {
            hour,
            rates: of_sku,
            start,
        });
    }
    Ok(runs)
}

fn encode_table(table: &Table, out: &mut Writer) {
    table.rate.encode(out);
    table
        .names
        .iter()
        .flatten()
        .for_each(|codes| codes.encode(out));
    table.quantity.encode(out);
    table.gross.encode(out);
    shares(&table.discount, &table.gross).encode(out);
    shares(&table.discount_quantity, &table.quantity).encode(out);
}

fn read_table(
    r: &mut Reader<'_>,
    count: usize,
    dimensions: &[Dimension],
) -> Result<Table, DecodeError> {
    let mut column = || {
        let column = Packed::decode(r, count)?;
        if column.len() == count {
            Ok(column)
        } else {
            Err(r.invalid("column length"))
        }
    };
    let rate = column()?;
    let mut names = [const { None }; 6];
    for dimension in Dimension::ALL {
        if dimensions.contains(&dimension) {
            names[dimension as usize] = Some(column()?);
        }
    }
    let (quantity, gross) = (column()?, column()?);
    let discount = Shares::decode(r, count)?.column(&gross);
    let discount_quantity = Shares::decode(r, count)?.column(&quantity);
    Ok(Table {
        rate,
        names,
        quantity,
        discount_quantity,
        gross,
        discount,
    })
}
