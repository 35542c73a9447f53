//! Columns of parts of wholes: discounts of gross amounts, discounted quantities of quantities.
//!
//! Invariant: a part is exactly what was given. Most parts are nothing or everything: a mark per
//! line says so in one byte, or in none where all are alike, and only the other parts are stored.
//! The form in memory is the same as on disk, so a query reads an eighth of the memory and a
//! checkpoint is read without expanding it. Look next: [`crate::packed`].

use crate::codec::{DecodeError, Reader, Writer};
use crate::packed::Packed;

/// A column of wholes and one of their parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divided {
    /// The wholes.
    pub whole: Packed,
    /// The parts.
    pub part: Shares,
}

/// Parts, to be read beside their wholes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    marks: Packed,
    /// The parts that are neither nothing nor everything, in order.
    partial: Packed,
    /// The number of partial parts before each [`STEP`]-th line; empty where all marks are alike.
    before: Vec<u32>,
}

/// Scratch space for reading parts, allocated once for many reads.
#[derive(Debug, Default)]
pub struct Scratch {
    marks: Vec<u32>,
    partial: Vec<i64>,
}

const NOTHING: u32 = 0;
const EVERYTHING: u32 = 1;
const PARTIAL: u32 = 2;

/// How many lines' marks are scanned to find one of them: one cache line.
const STEP: usize = 64;

/// How many values are read at a time when a column is packed.
const BLOCK: usize = 1024;

impl Divided {
    /// Columns of wholes and of their parts.
    #[must_use]
    pub fn new(whole: Packed, parts: &Packed) -> Self {
        let part = Shares::of(parts, &whole);
        Self { whole, part }
    }

    /// The whole and the part of a line; panics beyond the end, like a slice.
    #[must_use]
    pub fn get(&self, line: usize) -> [i128; 2] {
        let whole = self.whole.get(line);
        [whole, self.part.get(line, whole)]
    }

    /// Whether every value fits an `i64`.
    #[must_use]
    pub fn fits_i64(&self) -> bool {
        self.whole.fits_i64() && self.part.partial.fits_i64()
    }

    /// Copies values from `start` on until each slice is full; only for columns that
    /// [`Self::fits_i64`].
    pub fn read_i64(&self, start: usize, [whole, part]: [&mut [i64]; 2], scratch: &mut Scratch) {
        self.whole.read_i64(start, whole);
        let wholes = whole.iter().copied();
        let parts = self.part.parts(start, wholes, scratch);
        part.iter_mut().zip(parts).for_each(|(to, part)| *to = part);
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        let Shares {
            marks,
            partial,
            before,
        } = &self.part;
        self.whole.memory() + marks.memory() + partial.memory() + size_of_val(before.as_slice())
    }

    /// Writes the columns.
    pub fn encode(&self, writer: &mut Writer) {
        self.whole.encode(writer);
        self.part.encode(writer);
    }
}

impl Shares {
    /// Packs `parts` of `wholes`.
    #[must_use]
    pub fn new(parts: &[i128], whole: impl Fn(usize) -> i128) -> Self {
        let mut shares = Building::of(parts.len());
        let pairs = parts.iter().enumerate();
        shares.add(pairs.map(|(line, part)| (*part, whole(line))));
        shares.finish()
    }

    /// Packs a column of parts of a column of wholes.
    #[must_use]
    pub fn of(parts: &Packed, wholes: &Packed) -> Self {
        if !(parts.fits_i64() && wholes.fits_i64()) {
            return Self::new(&parts.values(), |line| wholes.get(line));
        }
        let mut shares = Building::of(parts.len());
        let mut blocks = [[0; BLOCK]; 2];
        for start in (0..parts.len()).step_by(BLOCK) {
            let count = BLOCK.min(parts.len() - start);
            let [part, whole] = blocks.each_mut().map(|block| &mut block[..count]);
            parts.read_i64(start, part);
            wholes.read_i64(start, whole);
            shares.add(part.iter().copied().zip(whole.iter().copied()));
        }
        shares.finish()
    }

    /// The parts, in order.
    #[must_use]
    pub fn unpack(&self, whole: impl Fn(usize) -> i128) -> Vec<i128> {
        let mut partial = self.partial.iter();
        let part = |line: usize| match self.marks.code(line) {
            NOTHING => 0,
            EVERYTHING => whole(line),
            // Every such mark has a value, both when packed and when decoded.
            _ => partial.next().unwrap_or(0),
        };
        (0..self.marks.len()).map(part).collect()
    }

    /// The part of a line whose whole is known; panics beyond the end, like a slice.
    #[must_use]
    pub fn get(&self, line: usize, whole: i128) -> i128 {
        match self.marks.code(line) {
            NOTHING => 0,
            EVERYTHING => whole,
            _ => self.partial.get(self.partial_before(line)),
        }
    }

    /// The parts of the lines from `start` on with these wholes.
    fn parts<'a, W>(
        &self,
        start: usize,
        wholes: W,
        Scratch { marks, partial }: &'a mut Scratch,
    ) -> impl Iterator<Item = i64> + use<'a, W>
    where
        W: ExactSizeIterator<Item = i64>,
    {
        if marks.len() < wholes.len() {
            marks.resize(wholes.len(), 0);
        }
        let marks = &mut marks[..wholes.len()];
        self.marks.read_codes(start, marks);
        let found = marks.iter().filter(|mark| **mark == PARTIAL).count();
        // One extra, so that there is always a next one.
        if partial.len() <= found {
            partial.resize(found + 1, 0);
        }
        let partial = &mut partial[..=found];
        let first = self.partial_before(start);
        self.partial.read_i64(first, &mut partial[..found]);
        let mut next = 0usize;
        // Marks follow no pattern, so selecting a value is quicker than branching.
        wholes.zip(marks.iter()).map(move |(whole, mark)| {
            let is_partial = *mark == PARTIAL;
            let all = if *mark == EVERYTHING { whole } else { 0 };
            let part = if is_partial { partial[next] } else { all };
            next = next.wrapping_add(usize::from(is_partial));
            part
        })
    }

    /// The number of partial parts before a line.
    fn partial_before(&self, line: usize) -> usize {
        match self.marks.constant() {
            Some(mark) if mark == i128::from(PARTIAL) => line,
            Some(_) => 0,
            None => {
                let step = line / STEP;
                let mut marks = [NOTHING; STEP];
                let marks = &mut marks[..line - step * STEP];
                self.marks.read_codes(step * STEP, marks);
                let known = self.before.get(step).map_or(0, |before| *before as usize);
                known + marks.iter().filter(|mark| **mark == PARTIAL).count()
            }
        }
    }

    /// Writes both columns.
    pub fn encode(&self, writer: &mut Writer) {
        self.marks.encode(writer);
        self.partial.encode(writer);
    }

    /// Reads both columns of `count` lines.
    pub fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Self, DecodeError> {
        let marks = Packed::decode_exactly(reader, count)?;
        let partial = Packed::decode(reader, count)?;
        if !marks.is_below(1 + PARTIAL as usize) {
            return Err(reader.invalid("share mark"));
        }
        let shares = Self::with_marks(marks, partial);
        if shares.partial_before(count) == shares.partial.len() {
            Ok(shares)
        } else {
            Err(reader.invalid("partial shares"))
        }
    }

    fn with_marks(marks: Packed, partial: Packed) -> Self {
        let mut before = Vec::new();
        if marks.constant().is_none() {
            // Also for the end, which gives their total.
            before.reserve_exact(marks.len() / STEP + 1);
            let mut found = 0u32;
            let mut step = [NOTHING; STEP];
            for start in (0..marks.len()).step_by(STEP) {
                before.push(found);
                let step = &mut step[..STEP.min(marks.len() - start)];
                marks.read_codes(start, step);
                found += step
                    .iter()
                    .map(|mark| u32::from(*mark == PARTIAL))
                    .sum::<u32>();
            }
            if marks.len().is_multiple_of(STEP) {
                before.push(found);
            }
        }
        Self {
            marks,
            partial,
            before,
        }
    }
}

/// Shares under construction.
struct Building<T> {
    marks: Vec<u8>,
    partial: Vec<T>,
}

impl<T: crate::packed::Number + Default> Building<T> {
    fn of(lines: usize) -> Self {
        Self {
            marks: Vec::with_capacity(lines),
            partial: Vec::new(),
        }
    }

    /// Adds parts, each with its whole.
    #[expect(clippy::cast_possible_truncation, reason = "there are three marks")]
    fn add(&mut self, pairs: impl Iterator<Item = (T, T)>) {
        let Self { marks, partial } = self;
        marks.extend(pairs.map(|(part, whole)| {
            let mark = if part == T::default() {
                NOTHING
            } else if part == whole {
                EVERYTHING
            } else {
                partial.push(part);
                PARTIAL
            };
            mark as u8
        }));
    }

    fn finish(self) -> Shares {
        Shares::with_marks(Packed::new(&self.marks), Packed::new(&self.partial))
    }
}
