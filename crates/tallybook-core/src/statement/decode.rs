//! Decodes a statement's parts.
//!
//! Invariant: bytes that no writer produced are an error; every code is a valid index into its
//! list, so answers need not check. Parts are read one by one, in any order.

use super::days;
use super::encode::{APART, FORMAT, MAGIC, PartColumns, WITHIN, place_of_part};
use super::table::{RollupKind, Table};
use super::{Detail, Extent, RULES, Run, Source, StatementRate, Summary, rank};
use crate::codec::{DecodeError, Reader};
use crate::dimension::Dimension;
use crate::money::Price;
use crate::packed::Packed;
use crate::rate::Rate;
use crate::report::ReportKind;
use crate::shares::{Divided, Shares};
use crate::time::Month;
use std::sync::Arc;

const WHAT: &str = "statement";

/// One part of a table of a long statement.
#[derive(Debug)]
pub struct TablePart {
    month: Month,
    detail: Detail,
    columns: Columns,
}

/// Some columns of a table, of one length.
#[derive(Debug)]
struct Columns {
    which: PartColumns,
    count: usize,
    rate: Option<Packed>,
    names: [Option<Packed>; 6],
    numbers: Option<Divided>,
}

impl Source {
    /// Reads part 0, which holds all of a short statement. `None` when it was made by another
    /// version of the rules.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let Some((part, month)) = read_start(r)? else {
            return Ok(None);
        };
        if part != 0 {
            return Err(r.invalid("the number of a part"));
        }
        let mut names: [Vec<Box<str>>; 6] = Default::default();
        for list in &mut names {
            let count = r.count(1, "names")?;
            *list = (0..count)
                .map(|_| Ok(r.text("name")?.into()))
                .collect::<Result<_, _>>()?;
        }
        let rates = read_rates(r)?;
        let lines = read_extent(r, rates.len())?;
        let days = match r.byte("days")? {
            0 => None,
            1 => Some(read_extent(r, rates.len())?),
            _ => return Err(r.invalid("days")),
        };
        let mut rollups = RollupKind::ALL.map(|_| None);
        for (slot, kind) in rollups.iter_mut().zip(RollupKind::ALL) {
            let rows = r.varint32(WHAT)? as usize;
            *slot = Some(read_table(r, rows, kind.dimensions())?);
        }
        let [
            Some(of_rates),
            Some(centers),
            Some(users),
            Some(repositories),
        ] = rollups
        else {
            return Err(r.invalid("rollups"));
        };
        let table = match (r.byte("lines")?, &days) {
            (WITHIN, None) => Some(read_table(r, lines.count, &Dimension::ALL)?),
            (APART, _) => None,
            _ => return Err(r.invalid("lines")),
        };
        reader.finish(WHAT)?;
        let summary = Arc::new(Summary {
            month,
            names,
            rates,
            rollups: [of_rates, centers, users, repositories],
            lines,
            days,
        });
        summary.check()?;
        let source = Self::from(summary);
        Ok(Some(match table {
            Some(lines) => source.with(Detail::Lines, Arc::new(lines))?,
            None => source,
        }))
    }

    /// Adds one of its own tables that was read before.
    pub fn with(mut self, detail: Detail, table: Arc<Table>) -> Result<Self, DecodeError> {
        let extent = self.summary.extent(detail);
        let is_of =
            |extent: &Extent| (table.len(), table.memory()) == (extent.count, extent.memory);
        let named = dimensions(detail);
        let named = Dimension::ALL.iter().all(|dimension| {
            table.names[*dimension as usize].is_some() == named.contains(dimension)
        });
        if !(named && extent.is_some_and(is_of)) {
            return Err(invalid("a statement's table"));
        }
        self.summary.check_codes(&table)?;
        match detail {
            Detail::Lines => self.lines = Some(table),
            Detail::Days => self.days = Some(table),
        }
        Ok(self)
    }

    /// Adds a table, assembled from its parts.
    pub fn with_parts(self, detail: Detail, parts: Vec<TablePart>) -> Result<Self, DecodeError> {
        let month = self.summary.month;
        let count = self.summary.extent(detail).map(|extent| extent.count);
        let belongs = |part: &TablePart| {
            (part.month, part.detail, Some(part.columns.count)) == (month, detail, count)
        };
        if !parts.iter().all(belongs) {
            return Err(invalid("a statement's part"));
        }
        let columns = parts.into_iter().map(|part| part.columns);
        self.with(detail, Arc::new(table(columns)?))
    }
}

/// The dimensions that a table's rows have.
fn dimensions(detail: Detail) -> &'static [Dimension] {
    match detail {
        Detail::Lines => &Dimension::ALL,
        Detail::Days => &days::DIMENSIONS,
    }
}

impl TablePart {
    /// Reads a part other than 0; `None` when it was made by another version of the rules.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let Some((part, month)) = read_start(r)? else {
            return Ok(None);
        };
        let place = place_of_part(part);
        let (detail, which) = place.ok_or_else(|| r.invalid("the number of a part"))?;
        let columns = Columns::read(r, which, None, dimensions(detail))?;
        reader.finish(WHAT)?;
        Ok(Some(Self {
            month,
            detail,
            columns,
        }))
    }
}

impl Columns {
    /// Reads columns of `count` values, or as many as the first one has; only the names of the
    /// given dimensions.
    fn read(
        r: &mut Reader<'_>,
        which: PartColumns,
        count: Option<usize>,
        dimensions: &[Dimension],
    ) -> Result<Self, DecodeError> {
        let mut columns = Self {
            which,
            count: count.unwrap_or_default(),
            rate: None,
            names: [const { None }; 6],
            numbers: None,
        };
        let mut count = count;
        let mut column = |r: &mut Reader<'_>| {
            // Lines are numbered by 32 bits.
            let column = Packed::decode(r, count.unwrap_or(u32::MAX as usize))?;
            if *count.get_or_insert(column.len()) == column.len() {
                columns.count = column.len();
                Ok(column)
            } else {
                Err(r.invalid("column length"))
            }
        };
        match which {
            PartColumns::Quantities | PartColumns::Amounts => {
                let whole = column(r)?;
                let part = Shares::decode(r, whole.len())?;
                columns.numbers = Some(Divided { whole, part });
            }
            PartColumns::Places => {}
            PartColumns::Others => columns.rate = Some(column(r)?),
        }
        for dimension in which.dimensions() {
            if dimensions.contains(dimension) {
                columns.names[*dimension as usize] = Some(column(r)?);
            }
        }
        Ok(columns)
    }
}

impl Summary {
    fn check(&self) -> Result<(), DecodeError> {
        let hours = self.month.hours();
        let days = self.days.iter().flat_map(|days| &days.runs);
        let mut runs = self.lines.runs.iter().chain(days);
        if runs.any(|run| usize::from(run.hour) >= hours) {
            return Err(invalid("a statement's hour"));
        }
        self.rollups
            .iter()
            .try_for_each(|rollup| self.check_codes(rollup))
    }

    /// Every code must be a valid index into its list.
    fn check_codes(&self, table: &Table) -> Result<(), DecodeError> {
        let mut columns = table.names.iter().zip(&self.names);
        let below = |(column, names): (&Option<Packed>, &Vec<_>)| {
            column
                .as_ref()
                .is_none_or(|column| column.is_below(names.len()))
        };
        if table.rate.is_below(self.rates.len()) && columns.all(below) {
            Ok(())
        } else {
            Err(invalid("a statement's code"))
        }
    }
}

fn invalid(what: &'static str) -> DecodeError {
    DecodeError::Invalid { what, at: 0 }
}

/// The number of a part and its month; `None` when it was made by another version of the rules.
fn read_start(r: &mut Reader<'_>) -> Result<Option<(usize, Month)>, DecodeError> {
    if r.raw(MAGIC.len(), WHAT)? != MAGIC {
        return Err(invalid("the start of a statement"));
    }
    if r.byte(WHAT)? != FORMAT || r.varint(WHAT)? != u64::from(RULES) {
        return Ok(None);
    }
    let part = r.varint32("the number of a part")? as usize;
    let month = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
    let month = Month::from_index(month).map_err(|_| r.invalid("month"))?;
    Ok(Some((part, month)))
}

fn read_rates(r: &mut Reader<'_>) -> Result<Vec<StatementRate>, DecodeError> {
    let count = r.count(5, "rates")?;
    let mut rates = (0..count)
        .map(|_| {
            let product = r.text("product")?.into();
            let sku = r.text("SKU")?.into();
            let unit = r.text("unit")?.into();
            let price = Price::from_picos(r.signed("price")?);
            let report = match r.text("report of a rate")? {
                "" => None,
                text => Some(ReportKind::parse(text).ok_or_else(|| r.invalid("report of a rate"))?),
            };
            let rate = Rate {
                product,
                sku,
                unit,
                price,
            };
            Ok(StatementRate::new(rate, report))
        })
        .collect::<Result<Vec<_>, _>>()?;
    rank(&mut rates);
    Ok(rates)
}

fn read_extent(r: &mut Reader<'_>, rates: usize) -> Result<Extent, DecodeError> {
    // Rows are numbered by 32 bits.
    let count = r.varint32(WHAT)? as usize;
    let memory = usize::try_from(r.varint(WHAT)?).map_err(|_| r.invalid(WHAT))?;
    let runs = read_runs(r, count, rates)?;
    Ok(Extent {
        runs,
        count,
        memory,
    })
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

fn read_table(
    r: &mut Reader<'_>,
    count: usize,
    dimensions: &[Dimension],
) -> Result<Table, DecodeError> {
    let columns = PartColumns::ALL
        .into_iter()
        .map(|which| Columns::read(r, which, Some(count), dimensions))
        .collect::<Result<Vec<_>, _>>()?;
    table(columns)
}

/// Assembles a table from all its columns.
fn table(parts: impl IntoIterator<Item = Columns>) -> Result<Table, DecodeError> {
    let mut numbers = [None, None];
    let mut rate = None;
    let mut names = [const { None }; 6];
    for part in parts {
        match part.which {
            PartColumns::Quantities => numbers[0] = part.numbers,
            PartColumns::Amounts => numbers[1] = part.numbers,
            PartColumns::Places => {}
            PartColumns::Others => rate = part.rate,
        }
        for (slot, column) in names.iter_mut().zip(part.names) {
            *slot = slot.take().or(column);
        }
    }
    let (Some(rate), [Some(quantity), Some(gross)]) = (rate, numbers) else {
        return Err(invalid("a statement's parts"));
    };
    Ok(Table {
        rate,
        names,
        quantity,
        gross,
    })
}
