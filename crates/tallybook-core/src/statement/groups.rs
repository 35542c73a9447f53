//! Adding up rows of a table by group.
//!
//! Invariant: each matching row is counted in exactly one group, by integer addition only. Rows are
//! sorted, so neighbours mostly share their group: a block of rows is cut where a code changes, and
//! a column's sum over a piece is the difference of two of its running sums. Look next:
//! [`crate::query`] for which rows match and what becomes of the groups.

use super::table::Table;
use crate::packed::{Packed, mark_changes};
use crate::query::{Sums, Totals};
use crate::shares::Scratch;

/// Codes of a rate and of three names: one number, because it is compared a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    #[inline]
    pub(crate) fn new(codes: [u32; 4]) -> Self {
        let append = |key, code| key << 32 | u128::from(code);
        Self(codes.into_iter().fold(0, append))
    }

    #[expect(clippy::cast_possible_truncation, reason = "each part has 32 bits")]
    #[inline]
    pub(crate) fn codes(self) -> [u32; 4] {
        [96, 64, 32, 0].map(|shift| (self.0 >> shift) as u32)
    }

    #[inline]
    pub(crate) fn rate(self) -> usize {
        self.codes()[0] as usize
    }
}

/// A group and its sums.
pub(crate) type Cell<S> = (Key, S);

/// Sorts groups, and adds up those of the same key.
pub(crate) fn merge<S: Sums>(cells: &mut Vec<Cell<S>>) {
    // A stable sort, because it merges the sorted runs that hours make.
    cells.sort_by_key(|(key, _)| *key);
    cells.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
}

/// Rows that are unpacked at a time.
const BLOCK: usize = 1024;

/// What a column's values may be at most, so that the sum over a block fits 64 bits.
const MOST: i64 = i64::MAX / BLOCK as i64;

/// What is made of a block of rows; allocated once an answer.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    codes: Vec<u32>,
    matches: Vec<bool>,
    /// Whether the next row's group is another.
    changes: Vec<bool>,
    /// Where pieces of one group end.
    ends: Vec<usize>,
    /// Running sums, as `Packed::read_running_sums` writes them: one more than there are rows.
    running: [Vec<u64>; 4],
    scratch: Scratch,
}

impl Buffers {
    fn grow(&mut self, rows: usize) {
        if self.matches.len() >= rows {
            return;
        }
        self.codes.resize(rows, 0);
        self.matches.resize(rows, true);
        self.changes.resize(rows, false);
        self.ends.resize(rows, 0);
        self.running
            .iter_mut()
            .for_each(|sums| sums.resize(rows + 1, 0));
    }

    /// Finds where the block's first `count` rows are to be cut, and says how many pieces they are.
    fn cut(&mut self, count: usize) -> usize {
        let mut found = 0;
        for (end, changes) in (1..count).zip(&self.changes) {
            // Written whether or not it is an end: no branch to predict.
            self.ends[found] = end;
            found += usize::from(*changes);
        }
        self.ends[found] = count;
        found + 1
    }

    /// Reads the running sums of a block of rows.
    fn read<S: Sums>(&mut self, table: &Table, start: usize, count: usize) {
        let Self {
            running, scratch, ..
        } = self;
        let running = running.each_mut().map(|sums| &mut sums[..=count]);
        let [quantity, discount_quantity, gross, discount] = running;
        let (quantities, amounts) = (&table.quantity, &table.gross);
        quantities.whole.read_running_sums(start, quantity);
        if S::DISCOUNT_QUANTITY {
            let part = &quantities.part;
            part.read_running_sums(start, quantity, discount_quantity, scratch);
        }
        amounts.whole.read_running_sums(start, gross);
        let part = &amounts.part;
        part.read_running_sums(start, gross, discount, scratch);
    }

    /// The sums of rows of the block.
    fn between<S: Sums>(&self, from: usize, end: usize) -> S {
        let between = |sums: &[u64]| i128::from(sums[end].wrapping_sub(sums[from]).cast_signed());
        let [quantity, discount_quantity, gross, discount] = &self.running;
        let discount_quantity = if S::DISCOUNT_QUANTITY {
            between(discount_quantity)
        } else {
            0
        };
        let amounts = [between(gross), between(discount)];
        let numbers = [between(quantity), discount_quantity, amounts[0], amounts[1]];
        S::from(Totals::from_nanos(numbers))
    }
}

/// Which rows of a table count.
pub(crate) trait Matching {
    /// Marks which of the rows from `start` on do, and counts them; `codes` is scratch.
    fn matches(&self, start: usize, codes: &mut [u32], out: &mut [bool]) -> usize;
}

/// Every row counts.
#[derive(Debug)]
pub(crate) struct Every;

impl Matching for Every {
    fn matches(&self, _: usize, _: &mut [u32], out: &mut [bool]) -> usize {
        out.fill(true);
        out.len()
    }
}

/// The groups of the matching rows of some ranges of a table, by rate and by some columns of names:
/// sorted by their codes (0 where not grouped), each key once. About `expected` many.
pub(crate) fn groups<S: Sums>(
    table: &Table,
    names: [Option<&Packed>; 3],
    ranges: &[(usize, usize)],
    matching: &impl Matching,
    expected: usize,
    buffers: &mut Buffers,
) -> Vec<Cell<S>> {
    let rows = ranges.iter().map(|(start, end)| end - start);
    let longest = rows.max().unwrap_or(0);
    buffers.grow(longest.min(BLOCK));
    let mut groups = Groups {
        table,
        matching,
        keys: [Some(&table.rate), names[0], names[1], names[2]],
        narrow: table.quantity.is_within(MOST) && table.gross.is_within(MOST),
        cells: Vec::with_capacity(expected.min(MANY_GROUPS)),
        sorted: true,
        most: FEW_GROUPS,
    };
    for (start, end) in ranges {
        for block in (*start..*end).step_by(BLOCK) {
            groups.add(buffers, block, BLOCK.min(end - block));
        }
    }
    groups.merge();
    groups.cells
}

/// Accumulates groups over blocks of rows.
struct Groups<'a, S, M> {
    table: &'a Table,
    matching: &'a M,
    /// The columns that group.
    keys: [Option<&'a Packed>; 4],
    /// Whether every number is within [`MOST`], as all but absurd ones are.
    narrow: bool,
    /// The groups so far; one that came back is there again until they are merged.
    cells: Vec<Cell<S>>,
    /// Whether each group's key is greater than the one before.
    sorted: bool,
    /// When to merge: memory is bounded by the number of groups, not of rows.
    most: usize,
}

/// Of fewer rows in a block, it is not worth while to add up columns.
const FEW_ROWS: usize = 64;

/// Room is made for no more groups than these before there are any: two megabytes.
const MANY_GROUPS: usize = 32 * 1024;

/// So many groups are kept before they are merged.
const FEW_GROUPS: usize = 4096;

impl<S: Sums, M: Matching> Groups<'_, S, M> {
    fn add(&mut self, buffers: &mut Buffers, start: usize, count: usize) {
        let (codes, matches) = (&mut buffers.codes[..count], &mut buffers.matches[..count]);
        let matching = self.matching.matches(start, codes, matches);
        if matching == 0 {
            return;
        }
        if matching < FEW_ROWS || !self.narrow {
            self.add_rows(buffers, start, count);
        } else {
            self.add_pieces(buffers, start, count, matching == count);
        }
        if self.cells.len() >= self.most {
            self.merge();
            self.most = FEW_GROUPS.max(2 * self.cells.len());
        }
    }

    /// Row by row, each number by itself.
    fn add_rows(&mut self, buffers: &Buffers, start: usize, count: usize) {
        for (row, _) in (start..start + count)
            .zip(&buffers.matches)
            .filter(|(_, is)| **is)
        {
            self.sum(self.key(row), self.table.sums(row));
        }
    }

    /// Piece by piece, each a difference of running sums.
    fn add_pieces(&mut self, buffers: &mut Buffers, start: usize, count: usize, all_match: bool) {
        let changes = &mut buffers.changes[..count - 1];
        changes.fill(false);
        for column in self.keys.iter().flatten() {
            column.mark_changes(start, changes);
        }
        if !all_match {
            mark_changes(&buffers.matches[..count], changes);
        }
        let pieces = buffers.cut(count);
        buffers.read::<S>(self.table, start, count);
        let mut first = 0;
        for end in &buffers.ends[..pieces] {
            let (from, end) = (first, *end);
            first = end;
            if buffers.matches[from] {
                self.sum(self.key(start + from), buffers.between(from, end));
            }
        }
    }

    /// The group of a row.
    fn key(&self, row: usize) -> Key {
        let code = |column: Option<&Packed>| column.map_or(0, |column| column.code(row));
        Key::new(self.keys.map(code))
    }

    fn sum(&mut self, key: Key, totals: S) {
        if let Some((last, sum)) = self.cells.last_mut() {
            if *last == key {
                *sum += totals;
                return;
            }
            // Rows of one hour come sorted, so that mostly there is nothing to merge.
            self.sorted &= *last < key;
        }
        self.cells.push((key, totals));
    }

    fn merge(&mut self) {
        if !self.sorted {
            merge(&mut self.cells);
            self.sorted = true;
        }
    }
}
