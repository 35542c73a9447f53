//! A connection's bytes, with a deadline for writing.
//!
//! Invariant: a write fails when the client has not read enough of an answer in time; reads are
//! only noted. Look next: [`super::deadline`] for how the notes are used.

use super::super::pace::Meter;
use super::deadline::Activity;
use crate::config::Limits;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that notes what it moves.
#[derive(Debug)]
pub(super) struct Stream<I> {
    inner: I,
    activity: Arc<Activity>,
    written: Meter,
}

impl<I> Stream<I> {
    /// Wraps a new connection; the client must read the next part of an answer `within` this time.
    pub(super) fn new(inner: I, activity: Arc<Activity>, within: Duration) -> Self {
        Self {
            inner,
            activity,
            written: Meter::new(within),
        }
    }

    /// Notes the result of a write; one that waits too long fails.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(bytes)) => {
                self.written.moved(*bytes);
                self.activity.sent();
                polled
            }
            Poll::Ready(Err(_)) => polled,
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    /// Notes the end of a flush or of the stream; one that waits too long fails.
    fn finished(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        match &polled {
            Poll::Ready(Ok(())) => {
                self.written.rest();
                polled
            }
            Poll::Ready(Err(_)) => polled,
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.written.is_late(context) {
            return Poll::Pending;
        }
        let message = format!(
            "the client took too little of an answer ({})",
            Limits::WRITE
        );
        Poll::Ready(io::Error::new(ErrorKind::TimedOut, message))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.activity.received();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.wrote(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.wrote(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(context);
        this.finished(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_shutdown(context);
        this.finished(context, polled)
    }
}
