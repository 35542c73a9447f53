//! Connections whose clients are silent, slow or gone: they end, and what they held is freed.
//!
//! Invariant: a connection without a request under way lasts no longer than a client may be idle,
//! or may take for its headers; one with bytes to be written, no longer than the client keeps
//! taking them. What the HTTP library answers by itself gets GitHub's body here. Look next:
//! [`super::pace`] for bodies of requests, [`super::body`] for what answers hold.

mod automatic;

use super::pace::Meter;
use crate::config::Limits;
use automatic::Automatic;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response, Version};
use axum::response::IntoResponse;
use axum_server::accept::Accept;
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tower::Service;

/// Accepts connections and watches them.
#[derive(Debug, Clone)]
pub struct Watchful<A> {
    inner: A,
    patience: Patience,
}

/// How long a connection may do nothing, by what it is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    headers: Duration,
    idle: Duration,
    write: Duration,
}

/// What service and stream of one connection know of each other.
#[derive(Debug, Default)]
struct Activity {
    /// Requests whose answers are not made to their end.
    under_way: AtomicUsize,
    /// Requests that were answered.
    answered: AtomicU64,
    /// Whether the client speaks HTTP/2, in which more than headers comes between requests.
    multiplexed: AtomicBool,
}

impl<A> Watchful<A> {
    /// Watches what `inner` accepts.
    pub fn new(inner: A, limits: &Limits) -> Self {
        let patience = Patience {
            headers: limits.headers,
            idle: limits.idle,
            write: limits.write,
        };
        Self { inner, patience }
    }
}

type Accepting<I, S> = Pin<Box<dyn Future<Output = io::Result<(Stream<I>, Counted<S>)>> + Send>>;

impl<A, S> Accept<TcpStream, S> for Watchful<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Stream<A::Stream>;
    type Service = Counted<A::Service>;
    type Future = Accepting<A::Stream, A::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let patience = self.patience;
        let no_delay = stream.set_nodelay(true);
        let accepting = self.inner.accept(stream, service);
        Box::pin(async move {
            no_delay?;
            let (inner, service) = accepting.await?;
            Ok(watched(inner, service, patience))
        })
    }
}

fn watched<I, S>(inner: I, service: S, patience: Patience) -> (Stream<I>, Counted<S>) {
    let activity = Arc::new(Activity::default());
    let stream = Stream {
        inner,
        activity: Arc::clone(&activity),
        patience,
        receiving: None,
        silence: None,
        written: Meter::new(patience.write),
        automatic: Automatic::default(),
    };
    let inner = service;
    (stream, Counted { inner, activity })
}

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
pub struct Stream<I> {
    inner: I,
    activity: Arc<Activity>,
    patience: Patience,
    /// How many requests were answered when bytes came last.
    receiving: Option<u64>,
    silence: Option<(Awaited, Pin<Box<Sleep>>)>,
    written: Meter,
    automatic: Automatic,
}

impl<I> Stream<I> {
    /// Nothing comes; whether that was so for too long.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        if self.activity.under_way.load(Ordering::Acquire) > 0 {
            self.silence = None;
            return false;
        }
        let answered = self.activity.answered.load(Ordering::Acquire);
        let multiplexed = self.activity.multiplexed.load(Ordering::Relaxed);
        let (awaited, patience) = if self.receiving == Some(answered) && !multiplexed {
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

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(context, buffer);
        if polled.is_pending() && this.is_silent(context) {
            let message = format!("no request came ({}, {})", Limits::HEADERS, Limits::IDLE);
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, message)));
        }
        if buffer.filled().len() > before {
            this.receiving = Some(this.activity.answered.load(Ordering::Acquire));
            if matches!(this.silence, Some((Awaited::Request, _))) {
                this.silence = None;
            }
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
        this.wrote(context, polled, |meter, ()| meter.rest())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_shutdown(context);
        this.wrote(context, polled, |meter, ()| meter.rest())
    }
}

/// A service that counts its requests until their answers are made.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    activity: Arc<Activity>,
}

/// A request under way.
struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn begin(activity: &Arc<Activity>, version: Version) -> Self {
        activity.under_way.fetch_add(1, Ordering::AcqRel);
        if version == Version::HTTP_2 {
            activity.multiplexed.store(true, Ordering::Relaxed);
        }
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::AcqRel);
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response<CountedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let under_way = UnderWay::begin(&self.activity, request.version());
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?.into_response();
            Ok(response.map(|body| CountedBody {
                body,
                _under_way: under_way,
            }))
        })
    }
}

/// A body whose request is under way until it is dropped.
pub struct CountedBody {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for CountedBody {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
