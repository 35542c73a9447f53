//! The columns of recorded events, and the encoding of a single usage among them.
//!
//! Invariant: every code that is read is in the dictionary, every count within its range.

use super::{Codes, FORMAT, Stated, Target, WHAT};
use crate::codec::{DecodeError, Reader, Writer};
use crate::event::{EventName, Tokens};
use crate::names::Dictionary;
use crate::packed::Packed;
use crate::time::{Hour, Timestamp};
use std::collections::HashMap;

/// The head of a payload.
pub(super) struct Head {
    pub format: u8,
    /// The number of events.
    pub count: usize,
    pub sources: Vec<Box<str>>,
}

pub(super) fn read_head(r: &mut Reader<'_>) -> Result<Head, DecodeError> {
    let format = r.byte(WHAT)?;
    if !(1..=FORMAT).contains(&format) {
        return Err(DecodeError::TooNew {
            what: WHAT,
            found: format,
            supported: FORMAT,
        });
    }
    let count = r.count(1, "sources")?;
    let sources = (0..count)
        .map(|_| r.text("source").map(Box::from))
        .collect::<Result<_, _>>()?;
    Ok(Head {
        format,
        count: r.count(1, WHAT)?,
        sources,
    })
}

pub(super) const USAGE: u8 = 0;
pub(super) const VOID: u8 = 1;
pub(super) const AMEND: u8 = 2;

/// The distinct sources of a batch.
#[derive(Default)]
pub(super) struct Sources<'a> {
    pub texts: Vec<&'a str>,
    codes: HashMap<&'a str, u32>,
}

impl<'a> Sources<'a> {
    pub(super) fn code(&mut self, source: &'a str) -> u32 {
        *self.codes.entry(source).or_insert_with(|| {
            self.texts.push(source);
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// The columns of a batch's events.
#[derive(Default)]
pub(super) struct Columns {
    pub kind: Vec<u8>,
    pub source: Vec<u32>,
    pub time: Vec<i64>,
    names: [Vec<u32>; 6],
    quantity: Vec<i128>,
    /// 0 for none, else the count plus one.
    tokens: [Vec<i128>; 4],
}

impl Columns {
    pub(super) fn push(&mut self, kind: u8, source: u32, time: Timestamp, codes: Option<Codes>) {
        let codes = codes.unwrap_or(Codes::NONE);
        self.kind.push(kind);
        self.source.push(source);
        self.time.push(time.micros());
        for (column, code) in self.names.iter_mut().zip(codes.names) {
            column.push(code);
        }
        self.quantity.push(codes.quantity);
        let tokens = codes.tokens.unwrap_or_default();
        for (column, count) in self.tokens.iter_mut().zip(tokens.counts()) {
            column.push(count.map_or(0, |count| i128::from(count) + 1));
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        Packed::new(&self.kind).encode(out);
        Packed::new(&self.source).encode(out);
        Packed::new(&self.time).encode(out);
        let columns = self.names.iter();
        columns.for_each(|column| Packed::new(column).encode(out));
        Packed::new(&self.quantity).encode(out);
        let columns = self.tokens.iter();
        columns.for_each(|column| Packed::new(column).encode(out));
    }

    pub(super) fn decode(
        r: &mut Reader<'_>,
        count: usize,
        sources: usize,
        names: &Dictionary,
    ) -> Result<Self, DecodeError> {
        let mut column = |below: Option<usize>| {
            let column = Packed::decode(r, count)?;
            let in_range = below.is_none_or(|below| column.is_below(below));
            if column.len() == count && in_range {
                Ok(column)
            } else {
                Err(r.invalid("column of events"))
            }
        };
        let codes = |column: &Packed| {
            let mut codes = vec![0; count];
            column.read_codes(0, &mut codes);
            codes
        };
        let kind = column(Some(3))?;
        let source = codes(&column(Some(sources))?);
        let time = column(None)?;
        if !time.fits_i64() {
            return Err(r.invalid("time of an event"));
        }
        let mut times = vec![0; count];
        time.read_i64(0, &mut times);
        let mut name_columns: [Vec<u32>; 6] = Default::default();
        // A code is an id plus one.
        let codes_end = names.next_id().0 as usize + 1;
        for slot in &mut name_columns {
            *slot = codes(&column(Some(codes_end))?);
        }
        let quantity = column(None)?.values();
        let mut tokens: [Vec<i128>; 4] = Default::default();
        for slot in &mut tokens {
            let column = column(None)?;
            let most = i128::from(u64::MAX) + 1;
            if column.iter().any(|value| !(0..=most).contains(&value)) {
                return Err(r.invalid("count of tokens"));
            }
            *slot = column.values();
        }
        // Each is below 3.
        let kinds = codes(&kind).into_iter();
        let kinds = kinds.map(|kind| u8::try_from(kind).unwrap_or(u8::MAX));
        Ok(Self {
            kind: kinds.collect(),
            source,
            time: times,
            names: name_columns,
            quantity,
            tokens,
        })
    }

    pub(super) fn codes(&self, place: usize) -> Codes {
        Codes {
            names: std::array::from_fn(|column| self.names[column][place]),
            quantity: self.quantity[place],
            tokens: Some(self.tokens(place)),
        }
    }

    fn tokens(&self, place: usize) -> Tokens {
        Tokens::of(std::array::from_fn(|column| {
            let stored = self.tokens[column][place].checked_sub(1)?;
            u64::try_from(stored).ok()
        }))
    }
}

pub(in crate::ledger) fn write_stated(out: &mut Writer, stated: Option<&Stated>) {
    out.byte(u8::from(stated.is_some()));
    if let Some(Stated { hour, codes }) = stated {
        out.signed(i128::from(hour.index()));
        write_codes(out, codes);
    }
}

pub(in crate::ledger) fn write_codes(out: &mut Writer, codes: &Codes) {
    let names = codes.names.iter();
    names.for_each(|code| out.varint(u64::from(*code)));
    out.signed(codes.quantity);
    out.byte(u8::from(codes.tokens.is_some()));
    let counts = codes.tokens.unwrap_or_default().counts();
    for count in counts.into_iter().filter(|_| codes.tokens.is_some()) {
        out.signed(count.map_or(0, |count| i128::from(count) + 1));
    }
}

/// Reads what [`write_stated`] wrote, in a format of events.
pub(in crate::ledger) fn read_stated(
    r: &mut Reader<'_>,
    format: u8,
    names: &Dictionary,
) -> Result<Option<Stated>, DecodeError> {
    match r.byte("target")? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(r.invalid("target")),
    }
    let hour = i32::try_from(r.signed("hour")?).map_err(|_| r.invalid("hour"))?;
    let hour = Hour::try_from_index(hour).map_err(|_| r.invalid("hour"))?;
    let codes = read_codes(r, format, names)?;
    Ok(Some(Stated { hour, codes }))
}

pub(in crate::ledger) fn read_codes(
    r: &mut Reader<'_>,
    format: u8,
    names: &Dictionary,
) -> Result<Codes, DecodeError> {
    let mut codes = Codes::NONE;
    for code in &mut codes.names {
        *code = r.varint32("name")?;
        if *code > names.next_id().0 {
            return Err(r.invalid("name"));
        }
    }
    codes.quantity = r.signed("quantity")?;
    if codes.names[0] == 0 || codes.quantity < 0 {
        return Err(r.invalid("usage"));
    }
    if format >= 2 && r.byte("tokens")? != 0 {
        let mut counts = [None; 4];
        for count in &mut counts {
            let stored = r.signed("count of tokens")?;
            let valid = u64::try_from(stored.max(1) - 1).map_err(|_| r.invalid("tokens"))?;
            *count = (stored > 0).then_some(valid);
        }
        codes.tokens = Some(Tokens::of(counts));
    }
    Ok(codes)
}

pub(super) fn read_target(
    r: &mut Reader<'_>,
    format: u8,
    sources: &[Box<str>],
    names: &Dictionary,
) -> Result<Target, DecodeError> {
    let source = sources.get(r.varint32("source")? as usize).cloned();
    let source = source.ok_or_else(|| r.invalid("source"))?;
    let id = r.text("event id")?.into();
    Ok(Target {
        name: EventName { source, id },
        stated: read_stated(r, format, names)?,
    })
}
