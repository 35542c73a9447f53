//! The encoding of metered usage in a checkpoint, which spares startup from reading every event.
//!
//! Derived: bytes of another format are `None`, and the log is read instead.
//!
//! Layout: format; events; names by dimension; months, each with its newest batch, the blob of its
//! rows and their number; corrections by the key of their usage event, then open corrections by
//! their own key, each sorted by key.

use super::super::events::{
    self, AmendFailure, read_codes, read_stated, write_codes, write_stated,
};
use super::Metered;
use super::corrections::{Correction, OpenCorrection};
use super::rows::{MonthUsage, StoredRows};
use crate::codec::{DecodeError, Reader, Writer};
use crate::event::{EventKey, EventName};
use crate::ids::{Digest, Seq};
use crate::names::Dictionary;
use crate::time::{Hour, Month, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

const FORMAT: u8 = 2;
const WHAT: &str = "metered usage";

impl Metered {
    /// Its bytes without the rows, which `stored` names by month; months missing from `stored` are
    /// left out. Deterministic for the same usage and dictionary.
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
        let open = self.open.iter();
        let open = open.filter_map(|(key, open)| Some((key, open.as_ref()?)));
        let mut open: Vec<_> = open.collect();
        open.sort_unstable_by_key(|(key, _)| **key);
        out.count(open.len());
        for (key, open) in open {
            out.raw(&key.0);
            write_open(&mut out, open);
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
                MonthUsage::of_stored(StoredRows {
                    blob,
                    count,
                    through,
                }),
            );
        }
        let count = r.count(18, "corrections")?;
        let corrections = (0..count)
            .map(|_| Ok((EventKey(r.array("event")?), read_correction(r, dictionary)?)))
            .collect::<Result<HashMap<_, _>, DecodeError>>()?;
        let count = r.count(20, "open corrections")?;
        let open = (0..count)
            .map(|_| Ok((EventKey(r.array("event")?), Some(read_open(r, dictionary)?))))
            .collect::<Result<HashMap<_, _>, DecodeError>>()?;
        reader.finish(WHAT)?;
        let mut metered = Self {
            months,
            corrections: crate::layered::Layered::default(),
            open: crate::layered::Layered::default(),
            names: Arc::new(names),
            events,
        };
        metered.corrections.extend(corrections);
        metered.open.extend(open);
        Ok(Some(metered))
    }
}

fn write_correction(out: &mut Writer, correction: &Correction) {
    write_stated(out, correction.target.as_ref());
    out.byte(u8::from(correction.voided));
    out.count(correction.amends.len());
    for ((time, name), codes) in &correction.amends {
        out.signed(i128::from(time.micros()));
        write_event_name(out, name);
        write_codes(out, codes);
    }
    out.count(correction.waiting.len());
    correction.waiting.iter().for_each(|key| out.raw(&key.0));
}

fn read_correction(r: &mut Reader<'_>, dictionary: &Dictionary) -> Result<Correction, DecodeError> {
    let target = read_stated(r, events::FORMAT, dictionary)?;
    let voided = read_flag(r)?;
    let count = r.count(12, "amends")?;
    let amends = (0..count).map(|_| {
        let order = (read_time(r)?, read_event_name(r)?);
        Ok((order, read_codes(r, events::FORMAT, dictionary)?))
    });
    let amends = amends.collect::<Result<_, DecodeError>>()?;
    let count = r.count(16, "waiting corrections")?;
    let waiting = (0..count).map(|_| r.array("event").map(EventKey));
    Ok(Correction {
        target,
        voided,
        amends,
        waiting: waiting.collect::<Result<_, _>>()?,
    })
}

fn write_open(out: &mut Writer, open: &OpenCorrection) {
    write_event_name(out, &open.name);
    out.signed(i128::from(open.time.micros()));
    write_event_name(out, &open.target);
    out.byte(u8::from(open.amend.is_some()));
    if let Some(codes) = &open.amend {
        write_codes(out, codes);
    }
    out.byte(u8::from(open.failed.is_some()));
    if let Some((hour, reason)) = open.failed {
        out.signed(i128::from(hour.index()));
        reason.write(out);
    }
}

fn read_open(r: &mut Reader<'_>, dictionary: &Dictionary) -> Result<OpenCorrection, DecodeError> {
    let name = read_event_name(r)?;
    let time = read_time(r)?;
    let target = read_event_name(r)?;
    let amend = match read_flag(r)? {
        true => Some(read_codes(r, events::FORMAT, dictionary)?),
        false => None,
    };
    let failed = match read_flag(r)? {
        true => {
            let hour = i32::try_from(r.signed("hour")?).map_err(|_| r.invalid("hour"))?;
            let hour = Hour::try_from_index(hour).map_err(|_| r.invalid("hour"))?;
            Some((hour, AmendFailure::read(r)?))
        }
        false => None,
    };
    Ok(OpenCorrection {
        name,
        time,
        target,
        amend,
        failed,
    })
}

fn write_event_name(out: &mut Writer, name: &EventName) {
    out.text(&name.source);
    out.text(&name.id);
}

fn read_event_name(r: &mut Reader<'_>) -> Result<EventName, DecodeError> {
    Ok(EventName {
        source: r.text("source")?.into(),
        id: r.text("event id")?.into(),
    })
}

fn read_time(r: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    let micros = i64::try_from(r.signed("time")?).map_err(|_| r.invalid("time"))?;
    Timestamp::from_micros(micros).map_err(|_| r.invalid("time"))
}

fn read_flag(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.byte("flag")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.invalid("flag")),
    }
}
