//! Bodies of any length in bounded memory.
//!
//! Invariant: at most one chunk of about [`CHUNK_BYTES`] is held for an answer, however many items
//! it has; an answer that fits one chunk is sent whole, with its length.

use axum::body::Body;
use bytes::Bytes;

/// When a chunk is handed on.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Something that writes itself a piece at a time.
pub trait Render: Send + 'static {
    /// Appends the next piece, a few hundred bytes as a rule. Says whether more is to come.
    fn piece(&mut self, out: &mut Vec<u8>) -> bool;
}

/// The body that `render` writes, made as fast as the client takes it.
pub fn render(mut render: impl Render) -> Body {
    let (first, more) = next_chunk(&mut render);
    if !more {
        return Body::from(first);
    }
    // A chunk takes well under a millisecond to make, so that it may be made where it is polled.
    let state = Some((Some(first), render));
    let chunks = futures_util::stream::unfold(state, |state| async move {
        let (pending, mut render) = state?;
        if let Some(pending) = pending {
            return Some((
                Ok::<_, std::convert::Infallible>(pending),
                Some((None, render)),
            ));
        }
        let (chunk, more) = next_chunk(&mut render);
        Some((Ok(chunk), more.then_some((None, render))))
    });
    Body::from_stream(chunks)
}

fn next_chunk(render: &mut impl Render) -> (Bytes, bool) {
    // Room for the piece that goes over the edge.
    let mut out = Vec::with_capacity(CHUNK_BYTES + 4096);
    while out.len() < CHUNK_BYTES {
        if !render.piece(&mut out) {
            out.shrink_to_fit();
            return (Bytes::from(out), false);
        }
    }
    (Bytes::from(out), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    struct Numbers {
        next: u32,
        end: u32,
    }

    impl Render for Numbers {
        fn piece(&mut self, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(&self.next.to_be_bytes());
            self.next += 1;
            self.next < self.end
        }
    }

    #[tokio::test]
    async fn short_bodies_know_their_length() {
        let body = render(Numbers { next: 0, end: 10 });
        assert_eq!(axum::body::HttpBody::size_hint(&body).exact(), Some(40));
    }

    #[tokio::test]
    async fn long_bodies_come_in_bounded_chunks_and_whole() {
        let end = 100_000;
        let mut body = render(Numbers { next: 0, end });
        let (mut bytes, mut chunks) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let chunk = frame.unwrap().into_data().unwrap();
            assert!(chunk.len() < CHUNK_BYTES + 4);
            bytes.extend_from_slice(&chunk);
            chunks += 1;
        }
        let expected: Vec<u8> = (0..end).flat_map(u32::to_be_bytes).collect();
        assert_eq!(bytes, expected);
        assert_eq!(chunks, 7);
    }

    #[tokio::test]
    async fn a_body_that_ends_with_a_chunk_ends() {
        let end = u32::try_from(CHUNK_BYTES).unwrap() / 4;
        for end in [end, end + 1, 2 * end] {
            let body = render(Numbers { next: 0, end });
            let bytes = body.collect().await.unwrap().to_bytes();
            assert_eq!(bytes.len(), usize::try_from(end).unwrap() * 4);
        }
    }
}
