//! Adds up rows of a table by group.
//!
//! Invariant: each matching row is counted in exactly one group, by integer addition only. Columns
//! are unpacked a block of rows at a time. Look next: [`crate::query`] for which rows match and how
//! groups become answers.

use super::table::Table;
use crate::packed::Packed;
use crate::shares::Scratch;
use crate::sums::{Sums, Totals};

/// Codes of a rate and three names, packed into one number because it is compared a lot.
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

/// Sorts groups, and adds up those with the same key.
pub(crate) fn merge<S: Sums>(cells: &mut Vec<Cell<S>>) {
    // A stable sort, because it merges the sorted runs that hours and statements make.
    cells.sort_by_key(|(key, _)| *key);
    cells.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
}

/// Which rows of a table count.
pub(crate) trait Matching {
    /// Marks which rows from `start` on count, and returns their number; `codes` is scratch space.
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

/// How many rows are unpacked at a time.
const BLOCK: usize = 1024;

/// Of fewer than one in so many rows of a block, each is read by itself.
const SPARSE: usize = 16;

/// Columns of a block of rows, unpacked; allocated once an answer.
#[derive(Debug, Default)]
pub(crate) struct Block {
    matches: Vec<bool>,
    /// Rates and names.
    codes: [Vec<u32>; 4],
    /// Quantity, discounted quantity, gross, discount.
    numbers: [Vec<i64>; 4],
    scratch: Scratch,
}

impl Block {
    /// Makes room for so many rows, whose codes in a column that is not there are 0.
    fn prepare(&mut self, rows: usize, columns: &Columns<'_>) {
        if self.matches.len() < rows {
            self.matches.resize(rows, true);
            self.codes.iter_mut().for_each(|it| it.resize(rows, 0));
            self.numbers.iter_mut().for_each(|it| it.resize(rows, 0));
        }
        let absent = columns.iter().zip(&mut self.codes);
        absent
            .filter(|(column, _)| column.is_none())
            .for_each(|(_, codes)| codes.fill(0));
    }

    fn read<S: Sums>(&mut self, table: &Table, columns: &Columns<'_>, first: usize, count: usize) {
        for (column, codes) in columns.iter().zip(&mut self.codes) {
            if let Some(column) = column {
                column.read_codes(first, &mut codes[..count]);
            }
        }
        let numbers = self.numbers.each_mut().map(|numbers| &mut numbers[..count]);
        let [quantity, discount_quantity, gross, discount] = numbers;
        let scratch = &mut self.scratch;
        if S::DISCOUNT_QUANTITY {
            let both = [quantity, discount_quantity];
            table.quantity.read_i64(first, both, scratch);
        } else {
            table.quantity.whole.read_i64(first, quantity);
        }
        table.gross.read_i64(first, [gross, discount], scratch);
    }
}

/// The rate, and the names that group.
type Columns<'a> = [Option<&'a Packed>; 4];

/// Rows that are to be added up, and by what.
#[derive(Debug)]
pub(crate) struct Rows<'a, M> {
    pub table: &'a Table,
    /// In which order they are read.
    pub ranges: &'a [(usize, usize)],
    pub matching: &'a M,
    /// By the table's code of a rate, its code in keys.
    pub rates: &'a [u32],
    /// The columns of names that group; the code of others is 0.
    pub names: [Option<&'a Packed>; 3],
}

impl<M: Matching> Rows<'_, M> {
    /// Calls `add` with the group and the numbers of each row that counts.
    #[inline]
    pub(crate) fn for_each<S: Sums>(&self, block: &mut Block, mut add: impl FnMut(Key, S)) {
        let [a, b, c] = self.names;
        let columns = [Some(&self.table.rate), a, b, c];
        // All but absurd numbers do.
        let fits = self.table.quantity.fits_i64() && self.table.gross.fits_i64();
        let longest = self.ranges.iter().map(|(start, end)| end - start).max();
        block.prepare(longest.unwrap_or(0).min(BLOCK), &columns);
        for (start, end) in self.ranges {
            for first in (*start..*end).step_by(BLOCK) {
                let count = BLOCK.min(end - first);
                let (matches, [codes, ..]) = (&mut block.matches[..count], &mut block.codes);
                let matching = self.matching.matches(first, &mut codes[..count], matches);
                if fits && matching * SPARSE >= count {
                    block.read::<S>(self.table, &columns, first, count);
                    self.for_unpacked(block, count, &mut add);
                } else if matching > 0 {
                    for (row, _) in (first..).zip(&*matches).filter(|(_, matches)| **matches) {
                        let code = |column: Option<&Packed>| column.map_or(0, |it| it.code(row));
                        add(self.key(columns.map(code)), self.table.sums(row));
                    }
                }
            }
        }
    }

    #[inline]
    fn for_unpacked<S: Sums>(&self, block: &Block, count: usize, add: &mut impl FnMut(Key, S)) {
        // Slices of one length: no row is checked against each.
        let matches = &block.matches[..count];
        let [rate, a, b, c] = block.codes.each_ref().map(|codes| &codes[..count]);
        let [quantity, discount_quantity, gross, discount] =
            block.numbers.each_ref().map(|numbers| &numbers[..count]);
        for row in (0..count).filter(|row| matches[*row]) {
            let key = self.key([rate[row], a[row], b[row], c[row]]);
            let numbers = [
                quantity[row],
                discount_quantity[row],
                gross[row],
                discount[row],
            ];
            let totals = Totals::from_nanos(numbers.map(i128::from));
            add(key, totals.into());
        }
    }

    #[inline]
    fn key(&self, [rate, names @ ..]: [u32; 4]) -> Key {
        let [a, b, c] = names;
        Key::new([self.rates[rate as usize], a, b, c])
    }
}

/// The groups of some rows. About `expected` many.
pub(crate) fn groups<S: Sums>(
    rows: &Rows<'_, impl Matching>,
    expected: usize,
    block: &mut Block,
) -> Groups<S> {
    let codes = |column: Option<&Packed>| column.map_or(1, Packed::code_count);
    let mut groups = Groups {
        cells: Vec::with_capacity(expected.min(MANY_GROUPS)),
        used: rows.names.map(|column| vec![false; codes(column)]),
        sorted: true,
        most: FEW_GROUPS,
    };
    rows.for_each(block, |key, sums| groups.add(key, sums));
    groups.merge();
    groups
}

/// Groups, sorted by their codes, each key once.
#[derive(Debug)]
pub(crate) struct Groups<S> {
    /// The groups so far; a key may occur more than once until they are merged.
    pub cells: Vec<Cell<S>>,
    /// By the code of a name, whether a group has it.
    pub used: [Vec<bool>; 3],
    /// Whether each group's key is greater than the one before.
    sorted: bool,
    /// The length at which to merge, which bounds memory by the number of groups rather than rows.
    most: usize,
}

/// The most groups to reserve space for up front: two megabytes.
const MANY_GROUPS: usize = 32 * 1024;

/// How many groups are kept before they are merged.
const FEW_GROUPS: usize = 4096;

impl<S: Sums> Groups<S> {
    #[inline]
    fn add(&mut self, key: Key, sums: S) {
        if let Some((last, sum)) = self.cells.last_mut() {
            if *last == key {
                *sum += sums;
                return;
            }
            // Rows mostly come sorted, so that there is nothing to merge.
            self.sorted &= *last < key;
        }
        let [_, names @ ..] = key.codes();
        for (used, code) in self.used.iter_mut().zip(names) {
            used[code as usize] = true;
        }
        self.cells.push((key, sums));
        if self.cells.len() >= self.most {
            self.merge();
            self.most = FEW_GROUPS.max(2 * self.cells.len());
        }
    }

    fn merge(&mut self) {
        if !self.sorted {
            merge(&mut self.cells);
            self.sorted = true;
        }
    }
}
