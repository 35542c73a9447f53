//! Reading usage events: `CloudEvents` 1.0 in JSON: a single event, a batch, or one per line.
//!
//! Invariant: every event is either read exactly or refused with its index, member and a reason;
//! numbers are never floats, and no member of `data` is ignored. Memory does not grow with nesting
//! depth: unknown members are skipped without recursion.
//!
//! An event has `specversion` ("1.0"), `id`, `source`, `type` (`usage`, `void` or `amend`), `time`
//! (RFC 3339) and `data`. `data` of `usage` has `sku` and `quantity` (a number or a decimal string)
//! and may have `organization`, `repository` (its bare name), `user`, `model`, `workflow_path`,
//! `enterprise` and `tokens: {input, output, cache_read, cache_write}`. `data` of `void` and
//! `amend` has `target: {source, id}`; `amend` also has everything that the usage should have
//! stated. Every `data`, including that of corrections, names the payer by `enterprise`,
//! `organization` or `user`, because an event's name is unique only within the paying account.
//! Other attributes, from `CloudEvents` or extensions, are ignored. Look next: [`members`] for the
//! JSON, [`check`] for valid values.

pub mod answer;
mod check;
mod members;
mod value;

use crate::config::EventLimits;
use crate::engine::metering::{Incoming, Rejection, RejectionCode};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The encoding of a body of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One event: `application/cloudevents+json`.
    One,
    /// An array of events: `application/cloudevents-batch+json`.
    Batch,
    /// One event or an array: `application/json`.
    OneOrBatch,
    /// An event on each line: `application/x-ndjson`. An event's index is that of its line.
    Lines,
}

/// How long the parts of an event may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// The longest event, in bytes of JSON.
    pub event_bytes: usize,
    /// The longest `id` or `source`, in bytes.
    pub name_bytes: usize,
}

impl From<&EventLimits> for Lengths {
    fn from(limits: &EventLimits) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            event_bytes: size(limits.event_bytes),
            name_bytes: size(limits.event_name_bytes),
        }
    }
}

/// The events read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    /// Events that are valid on their own, each with its index.
    pub good: Vec<(u64, Incoming)>,
    /// Invalid events, in order.
    pub bad: Vec<Rejection>,
}

impl Events {
    /// How many events were sent.
    #[must_use]
    pub fn count(&self) -> usize {
        self.good.len() + self.bad.len()
    }

    fn push(&mut self, index: u64, read: Result<Incoming, Fault>) {
        match read {
            Ok(incoming) => self.good.push((index, incoming)),
            Err(fault) => self.bad.push(Rejection {
                index,
                code: RejectionCode::Invalid,
                reason: fault.to_string(),
            }),
        }
    }
}

/// The body as a whole is not readable as events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They are not JSON in UTF-8, or neither an object nor an array.
    #[error("Problems parsing JSON: {0}")]
    Malformed(String),
    /// An array has more events than were allowed.
    #[error("there are more than {0} events")]
    TooMany(usize),
}

/// Why one event is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// The member at fault, such as `data.quantity`; empty when it is the event as a whole.
    member: String,
    /// What is wrong with it.
    reason: String,
}

impl Fault {
    fn new(member: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            member: member.into(),
            reason: reason.into(),
        }
    }
}

/// `data.quantity: is negative`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.member, self.reason)
        }
    }
}

/// Reads a whole body of at most `most` events.
pub fn read(
    format: Format,
    body: &[u8],
    lengths: Lengths,
    most: usize,
) -> Result<Events, Unreadable> {
    if format == Format::Lines {
        let mut events = Events::default();
        for (index, line) in (0..).zip(body.split(|byte| *byte == b'\n')) {
            read_line(&mut events, index, line, lengths);
            if events.count() > most {
                return Err(Unreadable::TooMany(most));
            }
        }
        return Ok(events);
    }
    let malformed = |reason: String| Unreadable::Malformed(reason);
    let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    let start = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let is_array = start.starts_with('[');
    match (format, is_array) {
        (Format::One, true) => Err(malformed("one event is an object".to_owned())),
        (Format::Batch, false) => Err(malformed("a batch of events is an array".to_owned())),
        (_, true) => read_array(text, lengths, most),
        (_, false) => {
            let mut events = Events::default();
            // If it is not JSON at all, the body is at fault, as with an array.
            let value: &RawValue =
                serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
            events.push(0, read_text(value.get(), lengths));
            Ok(events)
        }
    }
}

/// Reads one line of NDJSON into `events`; a blank line is skipped.
pub fn read_line(events: &mut Events, index: u64, line: &[u8], lengths: Lengths) {
    let line = line.trim_ascii();
    if line.is_empty() {
        return;
    }
    let read = match std::str::from_utf8(line) {
        Ok(text) => read_text(text, lengths),
        Err(_) => Err(Fault::new("", "is not UTF-8")),
    };
    events.push(index, read);
}

/// Refuses a line that was too long to buffer.
pub fn refuse_long_line(events: &mut Events, index: u64, lengths: Lengths) {
    events.push(index, Err(too_long(lengths)));
}

fn too_long(lengths: Lengths) -> Fault {
    let (most, flag) = (lengths.event_bytes, EventLimits::EVENT_BYTES);
    Fault::new("", format!("has more than {most} bytes ({flag})"))
}

fn read_text(text: &str, lengths: Lengths) -> Result<Incoming, Fault> {
    if text.len() > lengths.event_bytes {
        return Err(too_long(lengths));
    }
    check::event(&members::read(text)?, lengths)
}

fn read_array(text: &str, lengths: Lengths, most: usize) -> Result<Events, Unreadable> {
    let mut array = Array {
        events: Events::default(),
        lengths,
        most,
        is_too_long: false,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = array.deserialize(&mut json).and_then(|()| json.end());
    if array.is_too_long {
        return Err(Unreadable::TooMany(most));
    }
    read.map_err(|error| Unreadable::Malformed(error.to_string()))?;
    Ok(array.events)
}

/// An array of events that are read one by one, so that an invalid one affects no other.
struct Array {
    events: Events,
    lengths: Lengths,
    most: usize,
    is_too_long: bool,
}

impl<'de> DeserializeSeed<'de> for &mut Array {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Array {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(value) = sequence.next_element::<&RawValue>()? {
            if self.events.count() == self.most {
                self.is_too_long = true;
                return Err(serde::de::Error::custom("too many events"));
            }
            let read = read_text(value.get(), self.lengths);
            self.events.push(index, read);
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
