//! Metered usage as bytes: what a checkpoint keeps, so that a start need not read every event.
//!
//! Derived: bytes of another format are `None`, and the log is read instead.
//!
//! Layout: format; events; names by dimension; months, each its newest batch, the blob of its rows
//! and their number; corrections, sorted by key.

use super::super::events::{read_codes, read_stated, write_stated};
use super::rows::{MonthUsage, StoredRows};
use super::{Correction, Metered};
use crate::codec::{DecodeError, Reader, Writer};
use crate::event::{EventKey, EventName};
use crate::ids::{Digest, Seq};
use crate::names::Dictionary;
use crate::time::{Month, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

const FORMAT: u8 = 1;
const WHAT: &str = "metered usage";

impl Metered {
    /// Its bytes but for its rows, which `stored` names by month; a month that it lacks is left
    /// out. The same for the same usage under the same dictionary.
    #[must_use]
    pub fn encode(&self, stored: &BTreeMap<Month, StoredRows>) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(FORMAT);
        out.varint(self.events);
        for names in self.names.iter() {
            out.count(names.len());
            names.iter().for_each(|id| out.varint(u64::from(*id)));
        }
        let months = self.months.iter();
        let months = months.filter_map(|(month, usage)| Some((month, usage, stored.get(month)?)));
        let months: Vec<_> = months.collect();
        out.count(months.len());
        for (month, usage, stored) in months {
            out.signed(i128::from(month.index()));
            out.varint(usage.through().0);
            out.raw(&stored.blob.0);
            out.varint(u64::from(stored.count));
        }
        let mut corrections: Vec<_> = self.corrections.iter().collect();
        corrections.sort_unstable_by_key(|(key, _)| **key);
        out.count(corrections.len());
        for (key, correction) in corrections {
            out.raw(&key.0);
            write_correction(&mut out, correction);
        }
        out.finish()
    }

    /// Reads it back; `None` when another format wrote it.
    pub fn decode(bytes: &[u8], dictionary: &Dictionary) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        if r.byte(WHAT)? != FORMAT {
            return Ok(None);
        }
        let events = r.varint(WHAT)?;
        let mut names: [BTreeSet<u32>; 6] = Default::default();
        for names in &mut names {
            let count = r.count(1, "names")?;
            *names = (0..count)
                .map(|_| r.varint32("name"))
                .collect::<Result<_, _>>()?;
            if names.last().is_some_and(|id| *id >= dictionary.next_id().0) {
                return Err(r.invalid("name"));
            }
        }
        let count = r.count(4, "months")?;
        let mut months = BTreeMap::new();
        for _ in 0..count {
            let month = i32::try_from(r.signed("month")?).map_err(|_| r.invalid("month"))?;
            let month = Month::from_index(month).map_err(|_| r.invalid("month"))?;
            let through = Seq(r.varint("batch")?);
            let blob = Digest(r.array("rows")?);
            let count = r.varint32("rows")?;
            months.insert(
                month,
                MonthUsage::of_stored(through, StoredRows { blob, count }),
            );
        }
        let count = r.count(18, "corrections")?;
        let corrections = (0..count)
            .map(|_| Ok((EventKey(r.array("event")?), read_correction(r, dictionary)?)))
            .collect::<Result<HashMap<_, _>, DecodeError>>()?;
        reader.finish(WHAT)?;
        let mut metered = Self {
            months,
            corrections: crate::layered::Layered::default(),
            names: Arc::new(names),
            events,
        };
        metered.corrections.extend(corrections);
        Ok(Some(metered))
    }
}

fn write_correction(out: &mut Writer, correction: &Correction) {
    write_stated(out, correction.target.as_ref());
    out.byte(u8::from(correction.voided));
    out.byte(u8::from(correction.amend.is_some()));
    if let Some(((time, name), codes)) = &correction.amend {
        out.signed(i128::from(time.micros()));
        out.text(&name.source);
        out.text(&name.id);
        let names = codes.names.iter();
        names.for_each(|code| out.varint(u64::from(*code)));
        out.signed(codes.quantity);
    }
}

fn read_correction(r: &mut Reader<'_>, dictionary: &Dictionary) -> Result<Correction, DecodeError> {
    let target = read_stated(r, dictionary)?;
    let voided = read_flag(r)?;
    let amend = if read_flag(r)? {
        let micros = i64::try_from(r.signed("time")?).map_err(|_| r.invalid("time"))?;
        let time = Timestamp::from_micros(micros).map_err(|_| r.invalid("time"))?;
        let name = EventName {
            source: r.text("source")?.into(),
            id: r.text("event id")?.into(),
        };
        Some(((time, name), read_codes(r, dictionary)?))
    } else {
        None
    };
    Ok(Correction {
        target,
        voided,
        amend,
    })
}

fn read_flag(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.byte("flag")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.invalid("flag")),
    }
}
