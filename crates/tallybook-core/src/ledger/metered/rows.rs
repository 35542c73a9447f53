//! Sums of usage by hour, SKU and names, which events and corrections add to.
//!
//! Invariant: rows are only ever added, so order never matters. A month consists of the rows that a
//! checkpoint stored, by reference, and the rows since then: a few sorted runs, each at least twice
//! as long as the next, shared between copies.
//!
//! Layout of stored rows (`TBU2`): month, count, then as columns hour, the six names, events,
//! quantity; whether any has tokens, and if so, as columns, the four counts, how many events say
//! each, and how many are unknown. Sorted by hour and names, each key once.

use super::super::events::Codes;
use super::tokens::TokenSums;
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{Digest, Seq};
use crate::names::Dictionary;
use crate::packed::Packed;
use crate::time::{Hour, Month};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// A sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteredRow {
    /// In billionths of the SKU's unit.
    pub quantity: i128,
    /// SKU, organization, repository, user, model and workflow; see [`Codes`].
    pub names: [u32; 6],
    /// How many events count here; a row with none is not usage. Negative only in a partial sum.
    pub events: i64,
    /// Token counts; few events have any.
    pub tokens: Option<Box<TokenSums>>,
    /// Hours since the start of the month.
    pub hour: u16,
}

impl MeteredRow {
    /// One event's row, `times` being 1 to add it and -1 to take it back.
    #[must_use]
    pub fn new(month: Month, hour: Hour, codes: Codes, times: i64) -> Self {
        let since = hour.index() - month.first_day().first_hour().index();
        Self {
            quantity: codes.quantity * i128::from(times),
            names: codes.names,
            events: times,
            tokens: TokenSums::of(codes.tokens, times),
            // A month has at most 744 hours.
            hour: u16::try_from(since).unwrap_or(u16::MAX),
        }
    }

    fn key(&self) -> (u16, [u32; 6]) {
        (self.hour, self.names)
    }

    /// Adds another of the same key.
    fn add(&mut self, other: &Self) {
        self.quantity += other.quantity;
        self.events += other.events;
        if let Some(more) = &other.tokens {
            self.tokens.get_or_insert_default().add(more);
            self.tokens.take_if(|sums| sums.is_nothing());
        }
    }

    fn is_nothing(&self) -> bool {
        self.events == 0 && self.quantity == 0 && self.tokens.is_none()
    }
}

/// Rows that a checkpoint stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRows {
    /// The blob that holds them.
    pub blob: Digest,
    /// How many.
    pub count: u32,
    /// The newest batch that they include.
    pub through: Seq,
}

/// The rows of a month.
#[derive(Debug, Clone, Default)]
pub struct MonthUsage {
    stored: Option<StoredRows>,
    runs: Vec<Arc<[MeteredRow]>>,
    /// How many rows with tokens were added since the checkpoint, for [`Self::memory`].
    with_tokens: usize,
    through: Seq,
}

impl MonthUsage {
    /// Adds the rows of one batch.
    pub(super) fn add(&mut self, seq: Seq, rows: Vec<MeteredRow>) {
        self.through = seq;
        self.with_tokens += rows.iter().filter(|row| row.tokens.is_some()).count();
        let mut top: Arc<[MeteredRow]> = summed(rows).into();
        while let Some(below) = self.runs.pop_if(|below| below.len() < 2 * top.len()) {
            top = joined(&below, &top).into();
        }
        if !top.is_empty() {
            self.runs.push(top);
        }
    }

    /// A month restored from a checkpoint.
    pub(super) fn of_stored(stored: StoredRows) -> Self {
        Self {
            stored: Some(stored),
            runs: Vec::new(),
            with_tokens: 0,
            through: stored.through,
        }
    }

    /// The newest batch that affected the month: together with the log, it determines the month's
    /// usage.
    #[must_use]
    pub fn through(&self) -> Seq {
        self.through
    }

    /// The rows to read from a checkpoint in addition to [`Self::recent`].
    #[must_use]
    pub fn stored(&self) -> Option<StoredRows> {
        self.stored
    }

    /// The number of rows, stored and recent; a key may have several.
    #[must_use]
    pub fn len(&self) -> usize {
        let stored = self.stored.map_or(0, |stored| stored.count as usize);
        stored + self.runs.iter().map(|run| run.len()).sum::<usize>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that no checkpoint has. A key may have several, which add up with each other and
    /// with a stored one.
    pub fn recent(&self) -> impl Iterator<Item = &MeteredRow> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    /// The rows that count, stored and recent: those of a key whose events were all taken back are
    /// left out, whether or not a checkpoint has summed them up. A key may have several rows, which
    /// add up.
    #[must_use]
    pub fn counting<'a>(&'a self, stored: &'a [MeteredRow]) -> Vec<&'a MeteredRow> {
        let all = || stored.iter().chain(self.recent());
        let taken_back = all().filter(|row| row.events <= 0);
        let mut sums: HashMap<_, i64> = taken_back.map(|row| (row.key(), 0)).collect();
        if sums.is_empty() {
            return all().collect();
        }
        for row in all() {
            if let Some(sum) = sums.get_mut(&row.key()) {
                *sum += row.events;
            }
        }
        all()
            .filter(|row| sums.get(&row.key()).is_none_or(|sum| *sum != 0))
            .collect()
    }

    /// Every row, one per key, sorted by key: the recent ones merged with the stored ones.
    #[must_use]
    pub fn joined(&self, stored: &[MeteredRow]) -> Vec<MeteredRow> {
        let runs = self.runs.iter().rev();
        let recent = runs.fold(Vec::new(), |sum, run| joined(run, &sum));
        joined(stored, &recent)
    }

    /// Bytes held.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rows: usize = self.runs.iter().map(|run| size_of_val(&**run)).sum();
        rows + self.with_tokens * size_of::<TokenSums>()
    }
}

const MAGIC: &[u8; 4] = b"TBU2";

/// The bytes of sorted rows.
#[must_use]
pub fn encode(month: Month, rows: &[MeteredRow]) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(MAGIC);
    out.signed(i128::from(month.index()));
    out.count(rows.len());
    let hours: Vec<u32> = rows.iter().map(|row| u32::from(row.hour)).collect();
    Packed::new(&hours).encode(&mut out);
    for place in 0..6 {
        let codes: Vec<u32> = rows.iter().map(|row| row.names[place]).collect();
        Packed::new(&codes).encode(&mut out);
    }
    let events: Vec<i64> = rows.iter().map(|row| row.events).collect();
    Packed::new(&events).encode(&mut out);
    let quantities: Vec<i128> = rows.iter().map(|row| row.quantity).collect();
    Packed::new(&quantities).encode(&mut out);
    encode_tokens(rows, &mut out);
    out.finish()
}

fn encode_tokens(rows: &[MeteredRow], out: &mut Writer) {
    let any = rows.iter().any(|row| row.tokens.is_some());
    out.byte(u8::from(any));
    if !any {
        return;
    }
    let sums = |row: &MeteredRow| row.tokens.as_deref().copied().unwrap_or_default();
    for place in 0..4 {
        let counts: Vec<i128> = rows.iter().map(|row| sums(row).counts[place]).collect();
        Packed::new(&counts).encode(out);
        let said: Vec<i64> = rows.iter().map(|row| sums(row).said[place]).collect();
        Packed::new(&said).encode(out);
    }
    let unknown: Vec<i64> = rows.iter().map(|row| sums(row).unknown).collect();
    Packed::new(&unknown).encode(out);
}

fn decode_tokens(r: &mut Reader<'_>, rows: &mut [MeteredRow]) -> Result<(), DecodeError> {
    if r.byte("tokens")? == 0 {
        return Ok(());
    }
    let mut all = vec![TokenSums::default(); rows.len()];
    let mut column = |set: &mut dyn FnMut(&mut TokenSums, i128) -> Option<()>| {
        let column = Packed::decode(r, all.len())?;
        if column.len() != all.len() {
            return Err(r.invalid("column of tokens"));
        }
        for (place, sums) in all.iter_mut().enumerate() {
            let set = set(sums, column.get(place));
            set.ok_or_else(|| r.invalid("column of tokens"))?;
        }
        Ok(())
    };
    for place in 0..4 {
        column(&mut |sums, count| {
            sums.counts[place] = count;
            Some(())
        })?;
        column(&mut |sums, said| {
            sums.said[place] = i64::try_from(said).ok()?;
            Some(())
        })?;
    }
    column(&mut |sums, unknown| {
        sums.unknown = i64::try_from(unknown).ok()?;
        Some(())
    })?;
    for (row, sums) in rows.iter_mut().zip(all) {
        row.tokens = (!sums.is_nothing()).then(|| Box::new(sums));
    }
    Ok(())
}

/// Reads rows back; `None` when another format wrote them.
pub fn decode(
    bytes: &[u8],
    month: Month,
    names: &Dictionary,
) -> Result<Option<Vec<MeteredRow>>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let r = &mut reader;
    if r.raw(MAGIC.len(), "usage")? != MAGIC {
        return Ok(None);
    }
    if r.signed("month")? != i128::from(month.index()) {
        return Err(r.invalid("month"));
    }
    let count = r.varint32("rows")? as usize;
    let mut column = |below: Option<usize>| {
        let column = Packed::decode(r, count)?;
        let in_range = below.is_none_or(|below| column.is_below(below));
        if column.len() == count && in_range {
            Ok(column)
        } else {
            Err(r.invalid("column of usage"))
        }
    };
    let hour = column(Some(month.hours()))?;
    let mut codes = Vec::with_capacity(6);
    for _ in 0..6 {
        codes.push(column(Some(names.next_id().0 as usize + 1))?);
    }
    let events = column(Some(usize::try_from(i64::MAX).unwrap_or(usize::MAX)))?;
    let quantity = column(None)?;
    let row = |place: usize| {
        let mut names = [0; 6];
        for (name, column) in names.iter_mut().zip(&codes) {
            *name = column.code(place);
        }
        MeteredRow {
            quantity: quantity.get(place),
            names,
            events: i64::try_from(events.get(place)).unwrap_or(i64::MAX),
            tokens: None,
            hour: u16::try_from(hour.get(place)).unwrap_or(u16::MAX),
        }
    };
    let mut rows: Vec<MeteredRow> = (0..count).map(row).collect();
    decode_tokens(r, &mut rows)?;
    reader.finish("usage")?;
    Ok(Some(rows))
}

/// Sorts rows, and adds up those with equal keys.
fn summed(mut rows: Vec<MeteredRow>) -> Vec<MeteredRow> {
    rows.sort_unstable_by_key(MeteredRow::key);
    rows.dedup_by(|next, kept| {
        let same = next.key() == kept.key();
        if same {
            kept.add(next);
        }
        same
    });
    rows.retain(|row| !row.is_nothing());
    rows
}

/// Merges two sorted runs.
fn joined(left: &[MeteredRow], right: &[MeteredRow]) -> Vec<MeteredRow> {
    let mut sum = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        match a.key().cmp(&b.key()) {
            Ordering::Less => sum.extend(left.next().cloned()),
            Ordering::Greater => sum.extend(right.next().cloned()),
            Ordering::Equal => {
                let mut both = (*a).clone();
                both.add(b);
                if !both.is_nothing() {
                    sum.push(both);
                }
                left.next();
                right.next();
            }
        }
    }
    sum.extend(left.cloned());
    sum.extend(right.cloned());
    sum
}
