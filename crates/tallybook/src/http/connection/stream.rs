//! A connection's bytes, and how long nothing may come or go.
//!
//! Invariant: a read ends when nothing came for longer than a client may be idle, or may take for
//! its headers; a write, when the client has not taken enough in time. What was read and given back
//! comes before everything that is read later. Look next: [`super::activity`], which is told.

use super::activity::Activity;
use super::automatic::Automatic;
use super::{Meter, Patience};
use crate::config::Limits;
use axum::body::Bytes;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What is read before the HTTP library is there: most heads are shorter, and those that are not
/// cost the library another read.
const FIRST_BYTES: usize = 4096;

/// What a silent client is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// Anything.
    Request,
    /// The rest of the headers after so many answers: whatever comes, the time runs on.
    Headers(u64),
}

/// A connection's bytes.
#[derive(Debug)]
pub(super) struct Stream<I> {
    inner: I,
    /// What was read and is to be read again.
    before: Bytes,
    activity: Arc<Activity>,
    patience: Patience,
    silence: Option<(Awaited, Pin<Box<Sleep>>)>,
    written: Meter,
    automatic: Automatic,
}

impl<I> Stream<I> {
    /// A new connection's.
    pub(super) fn new(inner: I, activity: Arc<Activity>, patience: Patience) -> Self {
        Self {
            inner,
            before: Bytes::new(),
            activity,
            patience,
            silence: None,
            written: Meter::new(patience.write),
            automatic: Automatic::default(),
        }
    }

    /// What was read already, beginning with what came first.
    pub(super) fn before(&self) -> &[u8] {
        &self.before
    }

    /// Gives back what was read and not used: the beginning of a head.
    pub(super) fn give_back(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.activity.receives();
            self.before = bytes;
        }
    }

    /// Nothing comes; whether that was so for too long.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        if self.activity.is_under_way() {
            self.silence = None;
            return false;
        }
        let answered = self.activity.answered();
        let multiplexed = self.activity.is_multiplexed();
        let (awaited, patience) = if self.activity.is_receiving_head() && !multiplexed {
            (Awaited::Headers(answered), self.patience.headers)
        } else {
            (Awaited::Request, self.patience.idle)
        };
        let silence = self.silence.take().filter(|(of, _)| *of == awaited);
        let (_, alarm) = self
            .silence
            .insert(silence.unwrap_or_else(|| (awaited, Box::pin(tokio::time::sleep(patience)))));
        alarm.as_mut().poll(context).is_ready()
    }

    /// What a write came to, or the end of patience.
    fn wrote<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        moved: impl FnOnce(&mut Meter, &T),
    ) -> Poll<io::Result<T>> {
        match &polled {
            Poll::Pending if self.written.is_late(context) => {
                tracing::debug!("a client that takes nothing is given up");
                let message = format!("nothing was taken in time ({})", Limits::WRITE);
                return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, message)));
            }
            Poll::Ready(Ok(value)) => moved(&mut self.written, value),
            _ => {}
        }
        polled
    }
}

impl<I: AsyncRead + Unpin> Stream<I> {
    /// Waits for bytes and keeps them, to be read once more: how many came, none at the end.
    ///
    /// # Errors
    ///
    /// The connection's, and when nothing came in time.
    pub(super) async fn first(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_first(context)).await
    }

    fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [const { MaybeUninit::uninit() }; FIRST_BYTES];
        let mut buffer = ReadBuf::uninit(&mut room);
        ready!(self.poll_more(context, &mut buffer))?;
        let came = buffer.filled();
        if self.before.is_empty() {
            self.before = Bytes::copy_from_slice(came);
        } else {
            self.before = [&self.before, came].concat().into();
        }
        Poll::Ready(Ok(came.len()))
    }

    /// Reads what nobody has read yet.
    fn poll_more(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if polled.is_pending() && self.is_silent(context) {
            let message = format!("no request came ({}, {})", Limits::HEADERS, Limits::IDLE);
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, message)));
        }
        if buffer.filled().len() > before {
            self.activity.receives();
            if matches!(self.silence, Some((Awaited::Request, _))) {
                self.silence = None;
            }
        }
        polled
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.before.is_empty() {
            return this.poll_more(context, buffer);
        }
        let count = this.before.len().min(buffer.remaining());
        buffer.put_slice(&this.before.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.activity.writes();
        let polled = match this.automatic.replace(bytes) {
            Some(instead) => instead.poll_write(Pin::new(&mut this.inner), context),
            None => Pin::new(&mut this.inner).poll_write(context, bytes),
        };
        this.wrote(context, polled, |meter, bytes| meter.moved(*bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.activity.writes();
        let polled = match slices
            .first()
            .and_then(|first| this.automatic.replace(first))
        {
            Some(instead) => instead.poll_write(Pin::new(&mut this.inner), context),
            None => Pin::new(&mut this.inner).poll_write_vectored(context, slices),
        };
        this.wrote(context, polled, |meter, bytes| meter.moved(*bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            this.activity.flushes();
        }
        this.wrote(context, polled, |meter, ()| meter.rest())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.activity.closes();
        let polled = Pin::new(&mut this.inner).poll_shutdown(context);
        this.wrote(context, polled, |meter, ()| meter.rest())
    }
}
