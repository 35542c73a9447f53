//! The periods that rows of an answer stand for.
//!
//! Invariant: a query's periods follow each other without a gap, from its first hour to its last.

use super::{Grain, Query};
use crate::time::{Hour, Month};

/// Hours for which rows share a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// What the rows are dated.
    pub start: Hour,
    /// The first hour that counts.
    pub from: Hour,
    /// The hour after the last that counts.
    pub to: Hour,
}

impl Query {
    /// The periods of the answer, in order: long answers are made one at a time.
    pub fn periods(&self) -> impl Iterator<Item = Period> + use<> {
        let (grain, to) = (self.grain, self.to);
        let mut next = Some(self.from).filter(|from| *from < to);
        std::iter::from_fn(move || {
            let from = next?;
            let end = match grain {
                Grain::Whole => to,
                Grain::Month => from.day().month().last_day().next().first_hour(),
                Grain::Day => from.day().next().first_hour(),
                Grain::Hour => Hour::from_index(from.index() + 1),
            };
            let end = end.min(to);
            next = Some(end).filter(|end| *end < to);
            let start = match grain {
                Grain::Whole | Grain::Hour => from,
                Grain::Month => from.day().month().first_day().first_hour(),
                Grain::Day => from.day().first_hour(),
            };
            Some(Period {
                start,
                from,
                to: end,
            })
        })
    }

    /// The months whose statements are needed.
    pub fn months(&self) -> impl Iterator<Item = Month> + use<> {
        months_between(self.from, self.to)
    }
}

impl Period {
    /// The months whose statements the period needs.
    pub fn months(&self) -> impl Iterator<Item = Month> + use<> {
        months_between(self.from, self.to)
    }
}

fn months_between(from: Hour, to: Hour) -> impl Iterator<Item = Month> {
    let last = Hour::from_index(to.index() - 1).day().month();
    let mut next = Some(from.day().month()).filter(|first| from < to && *first <= last);
    std::iter::from_fn(move || {
        let month = next?;
        next = Some(month.plus(1)).filter(|next| *next <= last && *next > month);
        Some(month)
    })
}
