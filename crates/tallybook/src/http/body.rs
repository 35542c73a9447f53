//! Bodies of any length in bounded memory.
//!
//! Invariant: at most one chunk of about [`CHUNK_BYTES`] is held for an answer, however many items
//! it has; an answer that fits one chunk is sent whole, with its length. What fails before the
//! first chunk is an error with a status; what fails later breaks the connection, so that no
//! client takes half an answer for a whole one.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use std::future::Future;

/// When a chunk is handed on.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Something that writes itself a chunk at a time.
pub trait Chunks: Send + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next chunk, of about [`CHUNK_BYTES`], and whether it is the last.
    fn next(&mut self) -> impl Future<Output = Result<(Bytes, End), Self::Error>> + Send;
}

/// Whether a chunk is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is.
    Last,
    /// More is to come.
    More,
}

/// The body that `chunks` writes, made as fast as the client takes it.
pub async fn body<C: Chunks>(mut chunks: C) -> Result<Body, C::Error> {
    let (first, end) = chunks.next().await?;
    if end == End::Last {
        return Ok(Body::from(first));
    }
    let state = Some((Some(first), chunks));
    let rest = futures_util::stream::unfold(state, |state| async move {
        let (pending, mut chunks) = state?;
        if let Some(pending) = pending {
            return Some((Ok(pending), Some((None, chunks))));
        }
        Some(match chunks.next().await {
            Ok((chunk, End::More)) => (Ok(chunk), Some((None, chunks))),
            Ok((chunk, End::Last)) => (Ok(chunk), None),
            Err(error) => {
                tracing::error!(%error, "an answer broke off");
                (Err(error), None)
            }
        })
    });
    // Compression polls once more after the end.
    Ok(Body::from_stream(rest.fuse()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    struct Letters(std::vec::IntoIter<Result<&'static str, std::fmt::Error>>);

    impl Chunks for Letters {
        type Error = std::fmt::Error;

        async fn next(&mut self) -> Result<(Bytes, End), std::fmt::Error> {
            let text = self.0.next().unwrap_or(Ok(""))?;
            let end = if self.0.len() == 0 {
                End::Last
            } else {
                End::More
            };
            Ok((Bytes::from(text), end))
        }
    }

    fn letters(chunks: &[Result<&'static str, std::fmt::Error>]) -> Letters {
        let chunks: Vec<_> = chunks.into();
        Letters(chunks.into_iter())
    }

    #[tokio::test]
    async fn short_bodies_know_their_length() {
        let body = body(letters(&[Ok("abc")])).await.unwrap();
        assert_eq!(axum::body::HttpBody::size_hint(&body).exact(), Some(3));
    }

    #[tokio::test]
    async fn long_bodies_come_whole_and_in_order() {
        let body = body(letters(&[Ok("a"), Ok("b"), Ok(""), Ok("c")]))
            .await
            .unwrap();
        assert_eq!(axum::body::HttpBody::size_hint(&body).exact(), None);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn what_fails_first_is_an_error_and_later_breaks_off() {
        assert!(
            body(letters(&[Err(std::fmt::Error), Ok("a")]))
                .await
                .is_err()
        );
        let broken = body(letters(&[Ok("a"), Err(std::fmt::Error)]))
            .await
            .unwrap();
        assert!(broken.collect().await.is_err());
    }
}
