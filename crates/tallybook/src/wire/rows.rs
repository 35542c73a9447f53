//! The rows of one period on their way into a body, some at a time.
//!
//! Invariant: every row is written once, in order. A repository is in an answer once for every SKU
//! that it used, so the ends of items, which name it, are kept and copied; memory for them is
//! bounded. Look next: [`super::usage`] and [`super::summary`], which write the rows.

use tallybook_core::query::run::PeriodAnswer;
use tallybook_core::query::{Rate, Row, Sums};

/// Rows, and the next of them.
#[derive(Debug)]
pub struct Rows<S> {
    answer: PeriodAnswer<S>,
    next: usize,
    ends: Ends,
}

impl<S: Sums> Rows<S> {
    /// All rows of `answer`.
    #[must_use]
    pub const fn new(answer: PeriodAnswer<S>) -> Self {
        Self {
            answer,
            next: 0,
            ends: Ends { slots: Vec::new() },
        }
    }

    /// How many rows are not written yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.answer.len() - self.next
    }

    /// Calls `write` with rows until `out` is at least `enough` bytes long, and says whether that
    /// were all. `write` is told whether the rate is another than in the call before it.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        enough: usize,
        mut write: impl FnMut(&mut Vec<u8>, &Row<'_, S>, bool, &mut End<'_>),
    ) -> bool {
        let mut last: Option<&Rate> = None;
        while let Some(row) = self.answer.row(self.next) {
            if out.len() >= enough {
                return false;
            }
            // Rows come by rate.
            let another = !last.is_some_and(|rate| std::ptr::eq(rate, row.rate));
            last = Some(row.rate);
            let mut end = End {
                ends: &mut self.ends,
                owner: self.answer.owner(self.next),
                rows: self.answer.len(),
            };
            write(out, &row, another, &mut end);
            self.next += 1;
        }
        true
    }
}

/// The end of one item: what names the organization and the repository.
#[derive(Debug)]
pub(super) struct End<'a> {
    ends: &'a mut Ends,
    owner: [u32; 2],
    rows: usize,
}

impl End<'_> {
    /// Appends what `write` appends, which may depend on the row's organization and repository
    /// only; when it is remembered, `write` is not called.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.rows < FEW_ROWS {
            write(out);
            return;
        }
        if self.ends.slots.is_empty() {
            let slots = (self.rows / 8).next_power_of_two().min(MOST_SLOTS);
            self.ends.slots.resize(slots, Slot::EMPTY);
        }
        self.ends.slot(self.owner).push(out, self.owner, write);
    }
}

/// Below so many rows, little would be copied.
const FEW_ROWS: usize = 256;

/// Half a megabyte at most.
const MOST_SLOTS: usize = 4096;

/// Remembered ends, each in the one place where it can be.
#[derive(Debug)]
struct Ends {
    slots: Vec<Slot>,
}

impl Ends {
    /// There are slots, as many as a power of two.
    fn slot(&mut self, [organization, repository]: [u32; 2]) -> &mut Slot {
        // Repositories have neighbouring numbers: they fill the places evenly by themselves.
        let spread = organization.wrapping_mul(0x9e37_79b1) >> 20;
        let place = repository.wrapping_add(spread) as usize & (self.slots.len() - 1);
        &mut self.slots[place]
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    owner: [u32; 2],
    /// 0 when nothing is remembered: no end is empty, since it closes the item.
    length: u8,
    text: [u8; 119],
}

impl Slot {
    const EMPTY: Self = Self {
        owner: [0; 2],
        length: 0,
        text: [0; 119],
    };

    fn push(&mut self, out: &mut Vec<u8>, owner: [u32; 2], write: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        if self.length > 0 && self.owner == owner {
            // A copy of fixed length needs no call; what is too much is taken back.
            out.extend_from_slice(&self.text);
            out.truncate(start + usize::from(self.length));
            return;
        }
        write(out);
        let written = &out[start..];
        if let (Ok(length), Some(text)) = (
            u8::try_from(written.len()),
            self.text.get_mut(..written.len()),
        ) {
            text.copy_from_slice(written);
            (self.owner, self.length) = (owner, length);
        }
    }
}
