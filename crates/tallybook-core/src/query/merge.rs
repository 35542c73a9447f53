//! The groups of several statements made one.
//!
//! Invariant: after [`merge`] every key is there once, and the order is that of keys. A statement's
//! own codes are in the order of names; those of an answer are too, and in the order of rates.

use super::run::Context;
use super::{Sums, compare_rates};
use crate::hash::QuickMap;
use crate::ledger::record::Dimension;
use crate::statement::Summary;
use crate::statement::groups::{Cell, Key, merge};
use std::sync::Arc;

/// The dimensions that can group, in the order of keys.
pub(super) const GROUPS: [Dimension; 3] = [
    Dimension::Organization,
    Dimension::Repository,
    Dimension::Model,
];

/// The groups when rates alone group: each has its place.
pub(super) fn by_rate<S: Sums>(rates: usize, scans: &[Scan<S>], codes: &Codes) -> Vec<Cell<S>> {
    let place = |rate: u32| (Key::new([rate, 0, 0, 0]), S::default());
    let mut sums: Vec<Cell<S>> = (0..).take(rates).map(place).collect();
    for ((_, cells), codes) in scans.iter().zip(codes) {
        for (key, totals) in cells {
            sums[codes[key.rate()] as usize].1 += *totals;
        }
    }
    sums
}

/// The groups of all statements under the codes of the answer, in its order.
pub(super) fn translated<S: Sums>(
    scans: &[Scan<S>],
    rates: &Codes,
    names: &[MergedNames; 3],
) -> Vec<Cell<S>> {
    let mut pieces: Vec<(u32, usize, &[Cell<S>])> = Vec::new();
    let mut count = 0;
    for (place, (_, cells)) in scans.iter().enumerate() {
        count += cells.len();
        // A statement's groups are sorted by rate, which has another place in the answer.
        let of_rate = cells.chunk_by(|left, right| left.0.rate() == right.0.rate());
        pieces.extend(of_rate.map(|cells| (rates[place][cells[0].0.rate()], place, cells)));
    }
    pieces.sort_unstable_by_key(|(rate, place, _)| (*rate, *place));
    let mut merged = Vec::with_capacity(count);
    for (rate, place, cells) in pieces {
        let codes = names.each_ref().map(|names| names.codes[place].as_slice());
        let name =
            |dimension: usize, code: u32| codes[dimension].get(code as usize).copied().unwrap_or(0);
        merged.extend(cells.iter().map(|(key, totals)| {
            let [_, organization, repository, model] = key.codes();
            let names = [name(0, organization), name(1, repository), name(2, model)];
            (Key::new([rate, names[0], names[1], names[2]]), *totals)
        }));
    }
    // The order of one statement's codes is that of the answer's.
    if scans.len() > 1 {
        merge(&mut merged);
    }
    merged
}

/// Groups of one statement, under its own codes.
pub(super) type Scan<S> = (Arc<Summary>, Vec<Cell<S>>);

/// By statement, then its own code, the code in the answer.
pub(super) type Codes = Vec<Vec<u32>>;

/// The rates in the order of answers: product, SKU, price.
pub(super) fn merge_rates<S>(scans: &[Scan<S>]) -> (Vec<(usize, u32)>, Codes) {
    let mut distinct: Vec<(usize, u32)> = Vec::new();
    let mut by_key: QuickMap<u64, u32> = QuickMap::default();
    let mut codes: Codes = Vec::with_capacity(scans.len());
    let rate = |(place, code): (usize, u32)| &scans[place].0.rates[code as usize];
    for (place, (statement, cells)) in scans.iter().enumerate() {
        let mut own = vec![u32::MAX; statement.rates.len()];
        for (key, _) in cells {
            let slot = &mut own[key.rate()];
            if *slot != u32::MAX {
                continue;
            }
            let this = &statement.rates[key.rate()];
            let is = |at: &u32| rate(distinct[*at as usize]).rate == this.rate;
            let hashed = by_key.get(&this.key).copied();
            let known = match hashed.filter(is) {
                // Two rates of one hash: look at every one.
                None if hashed.is_some() => (0..).take(distinct.len()).find(is),
                known => known,
            };
            *slot = known.unwrap_or_else(|| {
                let at = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
                distinct.push((place, key.codes()[0]));
                by_key.entry(this.key).or_insert(at);
                at
            });
        }
        codes.push(own);
    }
    let mut order: Vec<u32> = (0..).take(distinct.len()).collect();
    order.sort_by(|left, right| {
        let of = |at: &u32| &rate(distinct[*at as usize]).rate;
        compare_rates(of(left), of(right))
    });
    let mut ranks = vec![0; order.len()];
    order
        .iter()
        .zip(0u32..)
        .for_each(|(at, rank)| ranks[*at as usize] = rank);
    for code in codes.iter_mut().flatten() {
        *code = ranks.get(*code as usize).copied().unwrap_or(u32::MAX);
    }
    (
        order.into_iter().map(|at| distinct[at as usize]).collect(),
        codes,
    )
}

/// The names of one dimension, as they are shown, and their codes.
pub(super) struct MergedNames {
    pub(super) shown: Vec<Option<Arc<str>>>,
    pub(super) codes: Codes,
}

pub(super) fn ungrouped<S>(scans: &[Scan<S>]) -> MergedNames {
    MergedNames {
        shown: vec![None],
        codes: vec![Vec::new(); scans.len()],
    }
}

pub(super) fn merge_names<S>(scans: &[Scan<S>], place: usize, context: Context<'_>) -> MergedNames {
    let dimension = GROUPS[place];
    let mut used: Vec<(&str, usize, u32)> = Vec::new();
    let mut codes: Codes = Vec::with_capacity(scans.len());
    for (scan, (statement, cells)) in scans.iter().enumerate() {
        let names = statement.names(dimension);
        let mut own = vec![u32::MAX; names.len()];
        cells
            .iter()
            .for_each(|(key, _)| own[key.codes()[place + 1] as usize] = 0);
        let present = (0u32..).zip(&own).filter(|(_, mark)| **mark == 0);
        used.extend(present.map(|(code, _)| (&*names[code as usize], scan, code)));
        codes.push(own);
    }
    if scans.len() > 1 {
        used.sort_unstable();
    }
    let mut shown: Vec<Option<Arc<str>>> = Vec::new();
    let mut last = None;
    for (folded, scan, code) in used {
        if last != Some(folded) {
            last = Some(folded);
            let spelled = context.spellings.of_folded(dimension, folded);
            shown.push(Some(spelled.map_or_else(|| folded.into(), Arc::clone)));
        }
        codes[scan][code as usize] = u32::try_from(shown.len() - 1).unwrap_or(u32::MAX);
    }
    MergedNames { shown, codes }
}
