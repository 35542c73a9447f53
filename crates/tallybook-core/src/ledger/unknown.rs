//! Report columns that are in no layout: kept verbatim with the lines, so that a later version can
//! interpret them without the report.
//!
//! Invariant: a chunk holds its own texts, because no query uses them: this keeps an account's
//! in-memory tables small. An absent text is `""`. Layout: count of columns; for each its heading,
//! its distinct non-empty texts, and a code per line: 0 is absent, n is the n-th text.

use crate::codec::{DecodeError, Reader, Writer};
use crate::hash::QuickMap;
use crate::packed::Packed;
use std::sync::Arc;

const WHAT: &str = "an unknown column";

/// Memory overhead of a text, in bytes.
const OVERHEAD: usize = 64;

/// Unknown columns as their lines are collected.
#[derive(Debug, Default)]
pub struct UnknownTexts {
    columns: Vec<Collected>,
    bytes: usize,
}

#[derive(Debug)]
struct Collected {
    heading: Arc<str>,
    texts: Vec<Arc<str>>,
    codes: QuickMap<Arc<str>, u32>,
    /// By line, up to the last that has a text.
    lines: Vec<u32>,
}

impl UnknownTexts {
    /// Sets a line's text under a heading, at most once; `line` must not decrease between calls.
    pub fn set(&mut self, line: usize, heading: &Arc<str>, text: &str) {
        let known = self.columns.iter().position(|it| it.heading == *heading);
        let place = known.unwrap_or_else(|| {
            self.columns.push(Collected {
                heading: Arc::clone(heading),
                texts: Vec::new(),
                codes: QuickMap::default(),
                lines: Vec::new(),
            });
            self.columns.len() - 1
        });
        let column = &mut self.columns[place];
        let code = match column.codes.get(text) {
            Some(code) => *code,
            None => {
                let text: Arc<str> = text.into();
                self.bytes += text.len() + OVERHEAD;
                column.texts.push(Arc::clone(&text));
                // A chunk has far fewer than 2^32 lines.
                let code = u32::try_from(column.texts.len()).unwrap_or(u32::MAX);
                column.codes.insert(text, code);
                code
            }
        };
        column.lines.resize(line, 0);
        column.lines.push(code);
    }

    /// Bytes that the texts take in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the columns of `count` lines.
    pub(super) fn encode(&self, out: &mut Writer, count: usize) {
        out.count(self.columns.len());
        for column in &self.columns {
            out.text(&column.heading);
            out.count(column.texts.len());
            column.texts.iter().for_each(|text| out.text(text));
            let mut codes = column.lines.clone();
            codes.resize(count, 0);
            Packed::new(&codes).encode(out);
        }
    }
}

/// Unknown columns as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownColumns(Vec<Column>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    heading: Box<str>,
    texts: Vec<Box<str>>,
    codes: Packed,
}

impl UnknownColumns {
    /// The headings and texts of a line's non-empty columns.
    pub fn of_line(&self, line: usize) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(move |column| {
            let code = usize::try_from(column.codes.get(line)).ok()?;
            let text = column.texts.get(code.checked_sub(1)?)?;
            Some((&*column.heading, &**text))
        })
    }

    /// Reads the columns of `count` lines.
    pub(super) fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        let columns = reader.count(3, WHAT)?;
        let column = |_| Column::decode(reader, count);
        (0..columns).map(column).collect::<Result<_, _>>().map(Self)
    }
}

impl Column {
    fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        let heading = reader.text(WHAT)?.into();
        let texts = reader.count(1, WHAT)?;
        let texts = (0..texts).map(|_| reader.text(WHAT).map(Box::from));
        let texts: Vec<Box<str>> = texts.collect::<Result<_, _>>()?;
        let codes = Packed::decode_exactly(reader, count)?;
        if !codes.is_below(texts.len() + 1) {
            return Err(reader.invalid(WHAT));
        }
        Ok(Self {
            heading,
            texts,
            codes,
        })
    }
}
