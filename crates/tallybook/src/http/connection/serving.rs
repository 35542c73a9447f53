//! Serving one connection, with the HTTP library beside it only while it is needed.
//!
//! hyper keeps up to 24 kB of buffers for as long as it has a connection, and gives none back. A
//! connection that waits for its next request is therefore parked: taken from the library, which
//! begins anew with the next bytes. Some linger with their buffers first, so that clients that ask
//! again and again do not pay for it.
//!
//! Invariant: no byte is lost or read twice by parking, and nothing but a parked connection's own
//! bytes, its patience and the end of the server wakes it. Look next: [`super::activity`] for when
//! a connection is at rest.

use super::activity::Activity;
use super::requests::{Application, Counted};
use super::stream::Stream;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// How a client begins that speaks HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that lingers is parked when nothing came for so long, or for twice as long.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What connections have in common.
#[derive(Debug)]
pub(super) struct Serving {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    lingering: Arc<Semaphore>,
}

impl Serving {
    /// Serves by the library's settings, with buffers for so many connections at rest.
    pub(super) fn new(
        http1: http1::Builder,
        http2: http2::Builder<TokioExecutor>,
        lingering: usize,
    ) -> Self {
        Self {
            http1,
            http2,
            lingering: Arc::new(Semaphore::new(lingering)),
        }
    }

    /// Gives a connection to the library.
    pub(super) fn lively<I, S>(&self, stream: Stream<I>, service: Counted<S>) -> Box<Lively<I, S>>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Application,
    {
        let activity = service.activity();
        let io = TokioIo::new(stream);
        Box::new(Lively {
            connection: self.http1.serve_connection(io, service),
            answered: activity.answered(),
            activity,
            lingering: Linger::new(Arc::clone(&self.lingering)),
        })
    }

    /// Serves a connection until it ends; once the server is `ending`, until what is under way is
    /// answered.
    pub(super) async fn serve<I, S>(
        &self,
        mut stream: Stream<I>,
        service: Counted<S>,
        ending: impl Future<Output = ()>,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Application,
    {
        tokio::pin!(ending);
        match first(&mut stream, ending.as_mut()).await {
            None => return close(stream).await,
            Some(Protocol::Http2) => {
                let io = TokioIo::new(stream);
                let connection = Box::pin(self.http2.serve_connection(io, service));
                return serve_http2(connection, ending).await;
            }
            Some(Protocol::Http1) => {}
        }
        loop {
            let lively = self.lively(stream, service.clone());
            match lively.serve(ending.as_mut()).await {
                Some(parked) => stream = parked,
                None => return,
            }
            // The beginning of a head that came with the request before it is waiting already.
            if stream.before().is_empty() && !wait(&mut stream, ending.as_mut()).await {
                return close(stream).await;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// What the first bytes say; nothing when the connection or the server ends instead.
async fn first<I: AsyncRead + Unpin>(
    stream: &mut Stream<I>,
    mut ending: Pin<&mut impl Future<Output = ()>>,
) -> Option<Protocol> {
    loop {
        let before = stream.before();
        if before.starts_with(PREFACE) {
            return Some(Protocol::Http2);
        }
        if !PREFACE.starts_with(before) {
            return Some(Protocol::Http1);
        }
        if !wait(stream, ending.as_mut()).await {
            return None;
        }
    }
}

/// Waits for bytes; whether there are any.
async fn wait<I: AsyncRead + Unpin>(
    stream: &mut Stream<I>,
    ending: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    tokio::select! {
        biased;
        () = ending => false,
        came = stream.first() => match came {
            Ok(count) => count > 0,
            Err(error) => {
                tracing::debug!(%error, "an idle connection ends");
                false
            }
        },
    }
}

/// Tells the client that nothing more comes.
async fn close<I: AsyncWrite + Unpin>(mut stream: Stream<I>) {
    if let Err(error) = stream.shutdown().await {
        tracing::debug!(%error, "a connection was not closed in order");
    }
}

type Http2<I, S> = http2::Connection<TokioIo<Stream<I>>, Counted<S>, TokioExecutor>;

async fn serve_http2<I, S>(
    mut connection: Pin<Box<Http2<I, S>>>,
    ending: Pin<&mut impl Future<Output = ()>>,
) where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Application,
{
    let served = tokio::select! {
        biased;
        () = ending => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        served = &mut connection => served,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of HTTP/2 broke off");
    }
}

/// A connection of HTTP/1 in the library's hands.
pub(super) struct Lively<I, S: Application> {
    connection: http1::Connection<TokioIo<Stream<I>>, Counted<S>>,
    activity: Arc<Activity>,
    /// How many requests were answered when the library was last made to read.
    answered: u64,
    lingering: Linger,
}

impl<I, S> Lively<I, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Application,
{
    /// Serves until the connection can be parked; nothing when it has ended.
    pub(super) async fn serve(
        mut self: Box<Self>,
        ending: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Stream<I>> {
        let served = tokio::select! {
            biased;
            () = ending => {
                Pin::new(&mut self.connection).graceful_shutdown();
                Some((&mut self.connection).await)
            }
            served = std::future::poll_fn(|context| self.poll(context)) => served,
        };
        match served {
            None => {
                let parts = self.connection.into_parts();
                let mut stream = parts.io.into_inner();
                stream.give_back(parts.read_buf);
                return Some(stream);
            }
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a connection broke off"),
        }
        None
    }

    /// How the connection ended; nothing when it is to be parked.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<hyper::Result<()>>> {
        loop {
            if let Poll::Ready(served) = Pin::new(&mut self.connection).poll(context) {
                return Poll::Ready(Some(served));
            }
            let answered = self.activity.answered();
            if self.activity.is_at_rest() {
                return match self.lingering.is_over(context, answered) {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                };
            }
            if self.activity.is_under_way() || self.answered == answered {
                return Poll::Pending;
            }
            // The library has read before it answered, and reads no more until bytes come: it is
            // made to, because how long a client may be silent counts from a read.
            self.answered = answered;
        }
    }
}

/// Whether a connection at rest may keep its buffers.
struct Linger {
    places: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
    /// When to look, and how many requests had been answered when that was decided: the alarm is
    /// not set anew for each of them.
    alarm: Option<(Pin<Box<Sleep>>, u64)>,
}

impl Linger {
    fn new(places: Arc<Semaphore>) -> Self {
        Self {
            places,
            place: None,
            alarm: None,
        }
    }

    /// Asked at rest, after so many answers: there is no place, or nothing has come for too long.
    fn is_over(&mut self, context: &mut Context<'_>, answered: u64) -> bool {
        if self.place.is_none() {
            self.place = Arc::clone(&self.places).try_acquire_owned().ok();
        }
        if self.place.is_none() {
            return true;
        }
        let (alarm, since) = self
            .alarm
            .get_or_insert_with(|| (Box::pin(sleep(LINGER)), answered));
        while alarm.as_mut().poll(context).is_ready() {
            if *since == answered {
                return true;
            }
            *since = answered;
            alarm.set(sleep(LINGER));
        }
        false
    }
}
