//! Writing at the end of a body within room of fixed length.
//!
//! Invariant: a pen writes over nothing but its room; what does not fit it refuses, and the caller
//! writes that piece by piece. Copies of fixed length need no call and no growing: a piece is
//! copied with what lies behind it, and the next one is written over that. Look next:
//! [`super::usage`], whose items are written so.

use tallybook_core::decimal::{NANOS_ROOM, put_nanos};

/// Lets `write` write at the end of `out`, within room that begins with `begin`. Says whether all
/// of it fitted; if not, `out` is what it was.
#[inline]
pub(super) fn write_within<const ROOM: usize>(
    out: &mut Vec<u8>,
    begin: &Padded<ROOM>,
    write: impl FnOnce(&mut Pen<'_, ROOM>) -> Option<()>,
) -> bool {
    let start = out.len();
    out.extend_from_slice(&begin.text);
    let Some(room) = out[start..].first_chunk_mut() else {
        return false;
    };
    let mut pen = Pen {
        room,
        at: begin.length,
    };
    let fitted = write(&mut pen).is_some();
    let length = if fitted { pen.at } else { 0 };
    out.truncate(start + length);
    fitted
}

/// Room, and how much of it is written.
#[derive(Debug)]
pub(super) struct Pen<'a, const ROOM: usize> {
    room: &'a mut [u8; ROOM],
    at: usize,
}

impl<const ROOM: usize> Pen<'_, ROOM> {
    /// Writes a number of billionths.
    #[inline(always)]
    pub(super) fn nanos(&mut self, nanos: i128) -> Option<()> {
        let text: &mut [u8; NANOS_ROOM] = self.room.get_mut(self.at..)?.first_chunk_mut()?;
        self.at += put_nanos(text, nanos)?;
        Some(())
    }

    /// Writes a text of fixed length.
    #[inline]
    pub(super) fn text<const LENGTH: usize>(&mut self, text: &[u8; LENGTH]) -> Option<()> {
        self.copy(text, LENGTH)
    }

    /// Writes a text that was padded before.
    #[inline]
    pub(super) fn padded<const LENGTH: usize>(&mut self, text: &Padded<LENGTH>) -> Option<()> {
        self.copy(&text.text, text.length)
    }

    #[inline]
    fn copy<const LENGTH: usize>(&mut self, text: &[u8; LENGTH], length: usize) -> Option<()> {
        *self.room.get_mut(self.at..)?.first_chunk_mut()? = *text;
        self.at += length;
        Some(())
    }
}

/// A text, and as much behind it as a copy of fixed length takes along.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padded<const LENGTH: usize> {
    text: [u8; LENGTH],
    length: usize,
}

impl<const LENGTH: usize> Padded<LENGTH> {
    /// How long the text is.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Pads `text`, unless it is too long.
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let mut padded = [0; LENGTH];
        padded.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            text: padded,
            length: text.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 64;

    fn begin(length: usize) -> Padded<ROOM> {
        Padded::new(&vec![b'x'; length]).unwrap()
    }

    #[test]
    fn pieces_follow_each_other_and_nothing_else_stays() {
        let mut out = b"before".to_vec();
        let key = Padded::<16>::new(b"key:").unwrap();
        assert!(write_within(&mut out, &begin(2), |pen| {
            pen.padded(&key)?;
            pen.nanos(-1_500_000_000)?;
            pen.text(b";")
        }));
        assert_eq!(out, b"beforexxkey:-1.5;");
    }

    #[test]
    fn what_does_not_fit_leaves_nothing_behind() {
        let most = ROOM - NANOS_ROOM;
        for length in most - 1..=most + 1 {
            let mut out = b"before".to_vec();
            let fitted = write_within(&mut out, &begin(length), |pen| pen.nanos(0));
            assert_eq!(fitted, length <= most);
            let expected = if fitted { length + 1 } else { 0 };
            assert_eq!(out.len(), b"before".len() + expected, "{length}");
        }
        let mut out = Vec::new();
        let large = i128::from(i64::MAX);
        assert!(!write_within(&mut out, &begin(0), |pen| pen.nanos(large)));
        assert!(!write_within(&mut out, &begin(ROOM), |pen| pen.text(b"y")));
        assert!(write_within(&mut out, &begin(ROOM - 1), |pen| pen.text(b"y")));
        assert_eq!(out.len(), ROOM);
    }

    #[test]
    fn texts_of_every_length_up_to_the_room_are_padded() {
        for length in 0..=8 {
            let text = Padded::<8>::new(&vec![b'x'; length]).unwrap();
            assert_eq!(text.len(), length);
        }
        assert!(Padded::<8>::new(&[b'x'; 9]).is_none());
    }
}
