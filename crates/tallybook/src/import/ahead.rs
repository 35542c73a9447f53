//! Reads the bytes of a report and digests them on the way, in the caller's thread or ahead of it.
//!
//! Invariant: every byte comes once, in order, and an error comes after all bytes before it. The
//! end of the bytes is signalled explicitly: a thread that dies is an error. Look next:
//! [`super::physical`], which makes lines of them.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tallybook_core::ids::Digest;

/// How many bytes are read at once; enough for the digest to use wide registers.
const BLOCK_BYTES: usize = 1 << 18;

/// How many blocks are read ahead.
const AHEAD: usize = 4;

/// A reader that computes the digest of its bytes.
pub(super) trait Digested: Read {
    /// The digest of all bytes, once the end has been reached.
    fn digest(&self) -> Option<Digest>;
}

/// Digests what it reads.
pub(super) struct Digesting<R> {
    input: R,
    hasher: blake3::Hasher,
    ended: bool,
}

impl<R> Digesting<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            hasher: blake3::Hasher::new(),
            ended: false,
        }
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.ended |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl<R: Read> Digested for Digesting<R> {
    fn digest(&self) -> Option<Digest> {
        self.ended
            .then(|| Digest(*self.hasher.finalize().as_bytes()))
    }
}

/// A message from the thread.
enum Piece {
    Bytes(Vec<u8>),
    Failed(io::Error),
    End(Digest),
}

/// A reader whose bytes are read, decompressed and digested by a background thread. When it is
/// dropped the thread ends, at the latest after its current read.
pub(super) struct Ahead {
    pieces: Receiver<Piece>,
    /// Consumed blocks, to be refilled.
    spent: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    /// How many bytes of the block were consumed.
    taken: usize,
    end: Option<Digest>,
}

impl Ahead {
    pub(super) fn begin<R: Read + Send + 'static>(input: R) -> io::Result<Self> {
        let (give, pieces) = sync_channel(AHEAD);
        // The block being consumed comes back, too.
        let (spent, again) = sync_channel(AHEAD + 2);
        std::thread::Builder::new()
            .name("read ahead".to_owned())
            .spawn(move || read_all(Digesting::new(input), &give, &again))?;
        Ok(Self {
            pieces,
            spent,
            block: Vec::new(),
            taken: 0,
            end: None,
        })
    }

    /// Waits for a non-empty block; must not be called at the end.
    fn next_block(&mut self) -> io::Result<()> {
        // There is room for every existing block; if this fails, the thread is gone and the block
        // is not needed.
        let _ = self.spent.try_send(std::mem::take(&mut self.block));
        self.taken = 0;
        match self.pieces.recv() {
            Ok(Piece::Bytes(block)) => self.block = block,
            Ok(Piece::Failed(error)) => return Err(error),
            Ok(Piece::End(digest)) => self.end = Some(digest),
            Err(_) => return Err(io::Error::other("whoever reads the file has stopped")),
        }
        Ok(())
    }
}

/// Reads blocks until the end, an error, or until the receiver is dropped.
fn read_all<R: Read>(mut input: Digesting<R>, give: &SyncSender<Piece>, again: &Receiver<Vec<u8>>) {
    loop {
        let mut block = again.try_recv().unwrap_or_default();
        block.clear();
        block.reserve_exact(BLOCK_BYTES);
        let read = (&mut input)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block);
        let is_empty = block.is_empty();
        // Bytes before an error count.
        if !is_empty && give.send(Piece::Bytes(block)).is_err() {
            return;
        }
        let last = match read {
            Err(error) => Piece::Failed(error),
            Ok(_) => match input.digest() {
                Some(digest) => Piece::End(digest),
                None => continue,
            },
        };
        // The receiver may be gone.
        let _ = give.send(last);
        return;
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() && self.end.is_none() {
            self.next_block()?;
        }
        let count = (&self.block[self.taken..]).read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

impl Digested for Ahead {
    fn digest(&self) -> Option<Digest> {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes in pieces of any length, then an error or the end.
    struct Pieces {
        bytes: Vec<u8>,
        at: usize,
        error: bool,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let left = &self.bytes[self.at..];
            if left.is_empty() && self.error {
                return Err(io::Error::other("torn"));
            }
            let count = left.len().min(buffer.len()).min(1 + self.at % 70_001);
            buffer[..count].copy_from_slice(&left[..count]);
            self.at += count;
            Ok(count)
        }
    }

    fn pieces(length: usize, error: bool) -> Pieces {
        let bytes = (0..=250).cycle().take(length).collect();
        Pieces {
            bytes,
            at: 0,
            error,
        }
    }

    #[test]
    fn all_bytes_come_in_order_with_their_digest() {
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 13 * BLOCK_BYTES + 7] {
            let input = pieces(length, false);
            let expected = input.bytes.clone();
            let mut ahead = Ahead::begin(input).unwrap();
            assert_eq!(ahead.digest(), None, "before the end");
            let mut found = Vec::new();
            ahead.read_to_end(&mut found).unwrap();
            assert!(found == expected, "{length} bytes");
            assert_eq!(ahead.digest(), Some(Digest::of(&expected)));
            assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 0, "the end stays the end");
        }
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        let input = pieces(3 * BLOCK_BYTES + 5, true);
        let expected = input.bytes.clone();
        let mut ahead = Ahead::begin(input).unwrap();
        let mut found = Vec::new();
        let error = ahead.read_to_end(&mut found).unwrap_err();
        assert_eq!(error.to_string(), "torn");
        assert!(found == expected);
    }

    #[test]
    fn a_lost_thread_is_an_error_and_not_the_end() {
        struct Lost;
        impl Read for Lost {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::panic::resume_unwind(Box::new("gone"))
            }
        }
        let mut ahead = Ahead::begin(Lost).unwrap();
        let error = ahead.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("has stopped"), "{error}");
    }

    #[test]
    fn the_thread_ends_when_nobody_wants_the_rest() {
        let (gone, seen) = sync_channel::<()>(0);
        struct Endless(
            #[expect(dead_code, reason = "it is dropped with the thread")] SyncSender<()>,
        );
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        let mut ahead = Ahead::begin(Endless(gone)).unwrap();
        ahead.read_exact(&mut [0; 100]).unwrap();
        drop(ahead);
        assert!(seen.recv().is_err(), "whoever would send is gone");
    }
}
