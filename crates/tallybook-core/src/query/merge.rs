//! The groups of one statement or several made one answer: names as they are shown.
//!
//! Invariant: every key is there once, and the order is that of keys. A statement's own codes of
//! names are in the order of names; those of an answer are too.

use super::Context;
use crate::dimension::Dimension;
use crate::statement::Summary;
use crate::statement::groups::{Cell, Groups, Key, merge};
use crate::sums::Sums;
use std::sync::Arc;

/// The dimensions that group, in the order of keys.
pub(super) const GROUPS: [Dimension; 3] = [
    Dimension::Organization,
    Dimension::Repository,
    Dimension::Model,
];

/// Groups of one statement, by the answer's codes of rates and the statement's own of names.
pub(super) type Scan<'a, S> = (&'a Summary, Groups<S>);

/// By code, as they are shown; `None` where no group has it.
pub(super) type Names = Vec<Option<Arc<str>>>;

/// The names of each dimension, and all groups under their codes. `by` says which dimensions group;
/// the names of others are `""`.
pub(super) fn merged<S: Sums>(
    mut scans: Vec<Scan<'_, S>>,
    by: [bool; 3],
    context: Context<'_>,
) -> ([Names; 3], Vec<Cell<S>>) {
    let places = [0, 1, 2];
    if scans.len() <= 1 {
        // Its own codes will do.
        let only = scans.pop();
        let shown = |place: usize| match &only {
            Some(scan) if by[place] => own_names(scan, place, context),
            _ => vec![None],
        };
        return (
            places.map(shown),
            only.map_or_else(Vec::new, |(_, groups)| groups.cells),
        );
    }
    let names = places.map(|place| match by[place] {
        true => merge_names(&scans, place, context),
        false => (vec![None], vec![vec![0]; scans.len()]),
    });
    let mut all = Vec::with_capacity(scans.iter().map(|(_, groups)| groups.cells.len()).sum());
    for (scan, (_, groups)) in scans.iter().enumerate() {
        let [organizations, repositories, models] =
            names.each_ref().map(|(_, codes)| codes[scan].as_slice());
        all.extend(groups.cells.iter().map(|(key, sums)| {
            let [rate, organization, repository, model] = key.codes();
            let codes = [
                rate,
                organizations[organization as usize],
                repositories[repository as usize],
                models[model as usize],
            ];
            (Key::new(codes), *sums)
        }));
    }
    merge(&mut all);
    (names.map(|(shown, _)| shown), all)
}

/// The names that groups of one statement have, at the places of its codes.
fn own_names<S>((statement, groups): &Scan<'_, S>, place: usize, context: Context<'_>) -> Names {
    let names = statement.names(GROUPS[place]).iter();
    let names = names.zip(&groups.used[place]);
    names
        .map(|(folded, used)| used.then(|| show(folded, place, context)))
        .collect()
}

/// The names that groups have, sorted, and by statement, then its own code, their places.
fn merge_names<S>(
    scans: &[Scan<'_, S>],
    place: usize,
    context: Context<'_>,
) -> (Names, Vec<Vec<u32>>) {
    let mut used: Vec<(&str, usize, u32)> = Vec::new();
    let mut codes: Vec<Vec<u32>> = Vec::with_capacity(scans.len());
    for (scan, (statement, groups)) in scans.iter().enumerate() {
        let names = statement.names(GROUPS[place]);
        let present = (0u32..).zip(&groups.used[place]).filter(|(_, used)| **used);
        used.extend(present.map(|(code, _)| (&*names[code as usize], scan, code)));
        codes.push(vec![u32::MAX; names.len()]);
    }
    used.sort_unstable();
    let mut shown: Names = Vec::new();
    let mut last = None;
    for (folded, scan, code) in used {
        if last != Some(folded) {
            last = Some(folded);
            shown.push(Some(show(folded, place, context)));
        }
        codes[scan][code as usize] = u32::try_from(shown.len() - 1).unwrap_or(u32::MAX);
    }
    (shown, codes)
}

/// A name, as it is shown.
fn show(folded: &str, place: usize, context: Context<'_>) -> Arc<str> {
    let spelled = context.spellings.of_folded(GROUPS[place], folded);
    spelled.map_or_else(|| folded.into(), Arc::clone)
}
