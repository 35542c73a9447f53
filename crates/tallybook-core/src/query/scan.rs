//! Adding up the rows of one statement that match.
//!
//! Invariant: each matching row is counted in exactly one group, by integer addition only. Rows are
//! sorted, so neighbours mostly share their group: a block of rows is cut where a code changes, and
//! a column's sum over a piece is the difference of two of its running sums. Look next:
//! [`super::select`] for which rows match, [`super::merge`] for what becomes of the groups.

use super::merge::{Cell, GROUPS, Key, merge};
use super::run::{Context, Period};
use super::select::Selection;
use super::{Query, Totals};
use crate::money::{Amount, Quantity};
use crate::statement::Statement;

/// Rows that are unpacked at a time.
const BLOCK: usize = 1024;

/// What a column's values may be at most, so that the sum over a block fits 64 bits.
const MOST: i64 = i64::MAX / BLOCK as i64;

/// Columns of a block of rows, unpacked; made once an answer.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    codes: [Vec<u32>; 4],
    /// Running sums, as `Packed::read_running_sums` writes them: one more than there are rows.
    running: [Vec<u64>; 4],
    compared: Vec<u32>,
    matches: Vec<bool>,
    /// Whether a row's group is another than that of the row before.
    changes: Vec<bool>,
    /// Where pieces of one group end.
    ends: Vec<usize>,
}

impl Buffers {
    fn grow(&mut self, rows: usize) {
        if self.matches.len() >= rows {
            return;
        }
        self.codes
            .iter_mut()
            .for_each(|codes| codes.resize(rows, 0));
        self.running
            .iter_mut()
            .for_each(|sums| sums.resize(rows + 1, 0));
        self.compared.resize(rows, 0);
        self.matches.resize(rows, true);
        self.changes.resize(rows, false);
        self.ends.resize(rows, 0);
    }

    /// The group of a row.
    fn key(&self, row: usize) -> Key {
        std::array::from_fn(|place| self.codes[place][row])
    }

    /// Finds the pieces of the block's first `count` rows, at least one, and says how many.
    fn cut(&mut self, count: usize, by: [bool; 3], all_match: bool) -> usize {
        let changes = &mut self.changes[1..count];
        changes.fill(false);
        let [rate, names @ ..] = &self.codes;
        mark_changes(&rate[..count], changes);
        for (codes, by) in names.iter().zip(by) {
            if by {
                mark_changes(&codes[..count], changes);
            }
        }
        if !all_match {
            mark_changes(&self.matches[..count], changes);
        }
        let mut found = 0;
        for (end, changes) in (1..count).zip(&*changes) {
            // Written whether or not it is an end: no branch to predict.
            self.ends[found] = end;
            found += usize::from(*changes);
        }
        self.ends[found] = count;
        found + 1
    }
}

fn mark_changes<T: PartialEq>(values: &[T], changes: &mut [bool]) {
    let neighbours = values.iter().zip(values.iter().skip(1));
    for (changes, (before, value)) in changes.iter_mut().zip(neighbours) {
        *changes |= before != value;
    }
}

/// The groups of one statement, sorted by its own codes (0 where not grouped), each key once.
pub(super) fn scan(
    statement: &Statement,
    query: &Query,
    period: Period,
    context: Context<'_>,
    buffers: &mut Buffers,
) -> Vec<Cell> {
    let Some(selection) = Selection::new(statement, query, period, context) else {
        return Vec::new();
    };
    let rows = selection.ranges.iter().map(|(start, end)| end - start);
    buffers.grow(rows.max().unwrap_or(0).min(BLOCK));
    let by = query.group.by();
    for (codes, by) in buffers.codes[1..].iter_mut().zip(by) {
        if !by {
            codes.fill(0);
        }
    }
    let numbers = selection.table.numbers();
    let mut groups = Groups {
        selection: &selection,
        by,
        narrow: numbers.iter().all(|column| column.is_within(MOST)),
        cells: Vec::new(),
        most: FEW_GROUPS,
    };
    for (start, end) in &selection.ranges {
        for block in (*start..*end).step_by(BLOCK) {
            groups.add(buffers, block, BLOCK.min(end - block));
        }
    }
    merge(&mut groups.cells);
    groups.cells
}

/// Accumulates groups over blocks of rows.
struct Groups<'a> {
    selection: &'a Selection<'a>,
    by: [bool; 3],
    /// Whether every number is within [`MOST`], as all but absurd ones are.
    narrow: bool,
    /// The groups so far; one that came back is there again until [`merge`].
    cells: Vec<Cell>,
    /// When to merge: memory is bounded by the number of groups, not of rows.
    most: usize,
}

/// Of fewer rows in a block, it is not worth while to add up columns.
const FEW_ROWS: usize = 64;

/// So many groups are kept before they are merged.
const FEW_GROUPS: usize = 4096;

impl Groups<'_> {
    fn add(&mut self, buffers: &mut Buffers, start: usize, count: usize) {
        let table = self.selection.table;
        table.rate.read_codes(start, &mut buffers.codes[0][..count]);
        let (rates, compared) = (&buffers.codes[0][..count], &mut buffers.compared[..count]);
        let matches = &mut buffers.matches[..count];
        self.selection.matches(start, rates, compared, matches);
        let matching = matches.iter().filter(|matches| **matches).count();
        if matching == 0 {
            return;
        }
        for (place, dimension) in GROUPS.into_iter().enumerate() {
            if let (true, Some(column)) = (self.by[place], &table.names[dimension as usize]) {
                column.read_codes(start, &mut buffers.codes[place + 1][..count]);
            }
        }
        if matching < FEW_ROWS || !self.narrow {
            self.add_rows(buffers, start, count);
        } else {
            for (column, sums) in table.numbers().iter().zip(&mut buffers.running) {
                column.read_running_sums(start, &mut sums[..=count]);
            }
            self.add_pieces(buffers, count, matching == count);
        }
        if self.cells.len() >= self.most {
            merge(&mut self.cells);
            self.most = FEW_GROUPS.max(2 * self.cells.len());
        }
    }

    /// Row by row, each number by itself.
    fn add_rows(&mut self, buffers: &Buffers, start: usize, count: usize) {
        let numbers = self.selection.table.numbers();
        for (row, _) in (0..count).zip(&buffers.matches).filter(|(_, is)| **is) {
            let sums = numbers.map(|column| column.get(start + row));
            self.sum(buffers.key(row), sums);
        }
    }

    /// Piece by piece, each a difference of running sums.
    fn add_pieces(&mut self, buffers: &mut Buffers, count: usize, all_match: bool) {
        let pieces = buffers.cut(count, self.by, all_match);
        let numbers = self.selection.table.numbers();
        let [quantity, discount_quantity, gross, discount] = &buffers.running;
        let mut first = 0;
        for end in &buffers.ends[..pieces] {
            let (from, end) = (first, *end);
            first = end;
            if buffers.matches[from] {
                let sums = [
                    numbers[0].sum_between(quantity, from, end),
                    numbers[1].sum_between(discount_quantity, from, end),
                    numbers[2].sum_between(gross, from, end),
                    numbers[3].sum_between(discount, from, end),
                ];
                self.sum(buffers.key(from), sums.map(i128::from));
            }
        }
    }

    fn sum(&mut self, key: Key, [quantity, discount_quantity, gross, discount]: [i128; 4]) {
        let totals = Totals {
            quantity: Quantity::from_nanos(quantity),
            discount_quantity: Quantity::from_nanos(discount_quantity),
            gross: Amount::from_nanos(gross),
            discount: Amount::from_nanos(discount),
        };
        match self.cells.last_mut() {
            Some((last, sum)) if *last == key => *sum += totals,
            _ => self.cells.push((key, totals)),
        }
    }
}
