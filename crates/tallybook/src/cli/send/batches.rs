//! From a file of events to batches of lines.
//!
//! Invariant: at most one batch is in memory, however long the file; whatever the file's layout, a
//! batch is NDJSON, and knows the position in the file of each of its events. The contents of
//! events are not examined: the receiver does that.

use anyhow::{Context, bail};
use serde::de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::{BufRead, Cursor, Read};
use std::ops::ControlFlow;

/// A batch is sent before it exceeds this size, so that a server accepts it in one piece.
const MOST_BYTES: usize = 8 << 20;

/// The longest event that may span several lines.
const MOST_EVENT_BYTES: u64 = 1 << 20;

/// Events to be sent together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// NDJSON, without blank lines.
    pub(super) lines: Vec<u8>,
    /// The position of each event in the file, from 1.
    places: Vec<u64>,
    /// Whether positions are lines of the file, or events of an array.
    counts_lines: bool,
}

impl Batch {
    /// `line 7`, or `event 7`, of the event with this index in the batch.
    pub(super) fn place(&self, index: u64) -> String {
        let word = if self.counts_lines { "line" } else { "event" };
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| self.places.get(index));
        place.map_or_else(
            || format!("event {index}"),
            |place| format!("{word} {place}"),
        )
    }
}

/// The result of sending a batch: whether to continue.
type Flow = anyhow::Result<ControlFlow<()>>;

/// Reads a file, and passes batches of at most `most` events to `send` until it stops.
pub(super) fn each(
    mut input: impl BufRead,
    most: usize,
    send: impl FnMut(Batch) -> Flow,
) -> anyhow::Result<()> {
    let is_array = first_byte(&mut input)? == Some(b'[');
    let mut batcher = Batcher {
        batch: Batch::default(),
        most,
        counts_lines: !is_array,
        send,
        has_ended: false,
    };
    if is_array {
        batcher.array(input)?;
    } else {
        batcher.lines(input)?;
    }
    batcher.flush()
}

/// The first byte that is not white space, which stays unread.
fn first_byte(input: &mut impl BufRead) -> anyhow::Result<Option<u8>> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            // Line numbers count blank lines too, so that only spaces of an array are consumed.
            Some(start) if buffer[start] == b'[' => {
                input.consume(start);
                return Ok(Some(b'['));
            }
            Some(start) => return Ok(Some(buffer[start])),
            None if buffer.contains(&b'\n') => return Ok(None),
            None => {
                let length = buffer.len();
                input.consume(length);
            }
        }
    }
}

struct Batcher<S> {
    batch: Batch,
    most: usize,
    counts_lines: bool,
    send: S,
    has_ended: bool,
}

impl<S: FnMut(Batch) -> Flow> Batcher<S> {
    fn push(&mut self, place: u64, event: &[u8]) -> anyhow::Result<()> {
        let is_full = self.batch.places.len() == self.most
            || self.batch.lines.len() + event.len() >= MOST_BYTES;
        if is_full {
            self.flush()?;
        }
        self.batch.places.push(place);
        // Strings have no bare line breaks: one between an event's members is a space.
        let flat = event.iter().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            byte => *byte,
        });
        self.batch.lines.extend(flat);
        self.batch.lines.push(b'\n');
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        if batch.places.is_empty() || self.has_ended {
            return Ok(());
        }
        batch.counts_lines = self.counts_lines;
        self.has_ended = (self.send)(batch)?.is_break();
        Ok(())
    }

    fn lines(&mut self, mut input: impl BufRead) -> anyhow::Result<()> {
        let (mut line, mut number) = (Vec::new(), 0);
        while !self.has_ended && input.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            let event = line.trim_ascii();
            let is_first = self.batch.places.is_empty() && number == 1;
            if is_first && is_cut_off(event) {
                return self.one_or_lines(line, input);
            }
            if !event.is_empty() {
                self.push(number, event)?;
            }
            line.clear();
        }
        Ok(())
    }

    /// A file whose first line is not a complete value: one event on several lines, or a bad line.
    fn one_or_lines(&mut self, start: Vec<u8>, mut rest: impl BufRead) -> anyhow::Result<()> {
        let mut whole = start;
        rest.by_ref()
            .take(MOST_EVENT_BYTES)
            .read_to_end(&mut whole)?;
        if serde_json::from_slice::<IgnoredAny>(&whole).is_ok() {
            return self.push(1, whole.trim_ascii());
        }
        let mut input = Cursor::new(whole).chain(rest);
        let (mut line, mut number) = (Vec::new(), 0);
        while !self.has_ended && input.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            if !line.trim_ascii().is_empty() {
                self.push(number, line.trim_ascii())?;
            }
            line.clear();
        }
        Ok(())
    }

    fn array(&mut self, input: impl BufRead) -> anyhow::Result<()> {
        let mut failure = None;
        let mut json = serde_json::Deserializer::from_reader(input);
        let array = Array {
            batcher: self,
            failure: &mut failure,
        };
        let read = array.deserialize(&mut json).and_then(|()| json.end());
        if let Some(failure) = failure {
            return Err(failure);
        }
        match read {
            // If sending has stopped, the rest of the file is not read.
            Err(_) if self.has_ended => Ok(()),
            Err(error) => {
                // The events before the fault are valid, but are not sent.
                self.batch = Batch::default();
                bail!("the array of events is not JSON: {error}")
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Whether a text is the beginning of a JSON value.
fn is_cut_off(text: &[u8]) -> bool {
    let read = serde_json::from_slice::<IgnoredAny>(text);
    !text.is_empty() && read.is_err_and(|error| error.is_eof())
}

/// An array whose elements go into batches one by one.
struct Array<'a, S> {
    batcher: &'a mut Batcher<S>,
    failure: &'a mut Option<anyhow::Error>,
}

impl<'de, S: FnMut(Batch) -> Flow> DeserializeSeed<'de> for Array<'_, S> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de, S: FnMut(Batch) -> Flow> Visitor<'de> for Array<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(event) = sequence.next_element::<Box<RawValue>>()? {
            place += 1;
            let pushed = self.batcher.push(place, event.get().as_bytes());
            if let Err(error) = pushed.context("a batch could not be sent") {
                *self.failure = Some(error);
                return Err(A::Error::custom("not sent"));
            }
            if self.batcher.has_ended {
                return Err(A::Error::custom("not wanted"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(text: &str, most: usize) -> Vec<(String, Vec<String>)> {
        let mut batches = Vec::new();
        each(text.as_bytes(), most, |batch| {
            let places = (0..).take(batch.places.len());
            let places = places.map(|index| batch.place(index)).collect();
            let lines = String::from_utf8(batch.lines).expect("UTF-8");
            batches.push((lines, places));
            Ok(ControlFlow::Continue(()))
        })
        .expect("batches");
        batches
    }

    fn batch(lines: &str, places: &[&str]) -> (String, Vec<String>) {
        let places = places.iter().map(|it| (*it).to_owned()).collect();
        (lines.to_owned(), places)
    }

    #[test]
    fn lines_know_their_numbers_also_behind_blank_ones() {
        let text = "\n{\"a\":1}\r\n\n  {\"a\":2}\nnonsense\n{\"a\":3}";
        let expected = [
            batch("{\"a\":1}\n{\"a\":2}\n", &["line 2", "line 4"]),
            batch("nonsense\n{\"a\":3}\n", &["line 5", "line 6"]),
        ];
        assert_eq!(batches(text, 2), expected);
        assert_eq!(batches("", 2), []);
        assert_eq!(batches(" \n \n", 2), []);
    }

    #[test]
    fn an_array_is_taken_apart() {
        let text = " [{\"a\":\n1}, {\"a\":2},\n{\"a\":\"x\"}]\n";
        let expected = [
            batch("{\"a\": 1}\n{\"a\":2}\n", &["event 1", "event 2"]),
            batch("{\"a\":\"x\"}\n", &["event 3"]),
        ];
        assert_eq!(batches(text, 2), expected);
        assert_eq!(batches("[]", 2), []);
    }

    #[test]
    fn one_event_may_stand_on_several_lines() {
        let text = "{\n  \"a\": 1\n}\n";
        assert_eq!(batches(text, 9), [batch("{   \"a\": 1 }\n", &["line 1"])]);
        // A truncated first line is a bad line, not the start of a longer value.
        let expected = [batch("{\"a\":\n{\"a\":2}\n", &["line 1", "line 2"])];
        assert_eq!(batches("{\"a\":\n{\"a\":2}\n", 9), expected);
    }

    #[test]
    fn an_array_that_breaks_off_is_an_error() {
        let mut sent = 0;
        let read = each("[{}, {}, {".as_bytes(), 2, |_| {
            sent += 1;
            Ok(ControlFlow::Continue(()))
        });
        let message = read.expect_err("broken off").to_string();
        assert!(message.contains("is not JSON"), "{message}");
        assert_eq!(sent, 0);
    }

    #[test]
    fn nothing_is_read_after_the_end_was_asked_for() {
        for text in ["{}\n{}\n{}\n", "[{},{},{}]"] {
            let mut sent = 0;
            let end = |_| {
                sent += 1;
                Ok(ControlFlow::Break(()))
            };
            each(text.as_bytes(), 1, end).expect("an end");
            assert_eq!(sent, 1, "{text}");
        }
    }
}
