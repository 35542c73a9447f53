//! Adding up the rows of one statement that match.
//!
//! Look next: [`super::select`] for which rows match, [`groups`](crate::statement::groups) for how
//! they are added up, [`super::merge`] for what becomes of the groups.

use super::merge::GROUPS;
use super::select::Selection;
use super::{Query, Sums};
use crate::statement::groups::{Buffers, Cell, groups};

/// The groups of what is selected of one statement.
pub(super) fn scan<S: Sums>(
    selection: &Selection<'_>,
    query: &Query,
    buffers: &mut Buffers,
) -> Vec<Cell<S>> {
    let Selection { table, ranges, .. } = selection;
    let by = query.group.by();
    let column = |place: usize| table.names[GROUPS[place] as usize].as_ref();
    let names = [0, 1, 2].map(|place| column(place).filter(|_| by[place]));
    let expected = selection.expected_groups();
    groups(table, names, ranges, selection, expected, buffers)
}
