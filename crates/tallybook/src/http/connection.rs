//! Connections: accepted, served over HTTP/1.1, and closed, even when clients are silent or slow.
//!
//! Invariant: a connection is closed when its client exceeds the limits for idling between
//! requests, for sending a head or for reading the next bytes of an answer; it stays open while the
//! server works on an answer.
//! Look next: [`deadline`] for idle clients and slow heads, [`stream`] for slow readers,
//! [`admission`] for the limits on their number, [`super::pace`] for slow bodies.

mod admission;
mod deadline;
mod service;
mod stream;
mod tls;

pub use admission::Overload;
pub(crate) use admission::REFUSED_AT_ONCE;
pub use tls::{Tls, TlsError};

use crate::config::{Limits, TrustedProxies};
use admission::{Admission, Admitted};
use axum::Router;
use deadline::{Activity, Deadlines};
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use service::RequestService;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use stream::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Bytes of an answer buffered for one client, besides those in the kernel.
const SEND_BYTES: usize = 128 * 1024;

/// How long to wait when accepting fails, for instance because too many files are open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// The deadlines of a client that is only told that there are too many connections.
const REFUSAL: Deadlines = Deadlines {
    head: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    write: Duration::from_secs(5),
};

/// How connections are accepted and served.
#[derive(Debug, Clone)]
pub struct Connections {
    http1: http1::Builder,
    tls: Option<Tls>,
    deadlines: Deadlines,
    admission: Arc<Admission>,
}

impl Connections {
    /// Connections within the limits, at most `most` of them.
    pub fn new(tls: Option<Tls>, limits: &Limits, most: usize, proxies: TrustedProxies) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_buf_size(largest_head(limits))
            // A client that has closed its sending side still gets its answer.
            .half_close(true)
            // We enforce our own deadlines.
            .header_read_timeout(None);
        Self {
            http1,
            tls,
            deadlines: Deadlines {
                head: limits.headers,
                idle: limits.idle,
                write: limits.write,
            },
            admission: Arc::new(Admission::new(most, limits, proxies)),
        }
    }

    /// Serves until `shutdown`; then finishes requests in progress, for at most `grace`.
    pub async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        shutdown: CancellationToken,
        grace: Duration,
    ) {
        let mut open = JoinSet::new();
        loop {
            let (socket, peer) = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(_) = open.join_next() => continue,
                accepted = accept(&listener) => accepted,
            };
            let Some(admitted) = self.admission.admit(peer.ip()) else {
                continue;
            };
            let (connections, router) = (self.clone(), router.clone());
            let shutdown = shutdown.clone();
            open.spawn(async move {
                let client = Client { peer, admitted };
                connections
                    .serve_one(socket, client, router, shutdown)
                    .await;
            });
        }
        // New clients are refused by the system from here on.
        drop(listener);
        let ended = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            let connections = open.len();
            tracing::warn!(connections, "closed connections with unanswered requests");
            open.shutdown().await;
        }
    }
}

/// The client of a connection.
struct Client {
    peer: SocketAddr,
    admitted: Admitted,
}

impl Connections {
    async fn serve_one(
        self,
        socket: TcpStream,
        client: Client,
        router: Router,
        shutdown: CancellationToken,
    ) {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "the client disconnected before it was served");
            return;
        }
        let Some(tls) = &self.tls else {
            return self.serve_stream(socket, client, router, shutdown).await;
        };
        let handshake = tokio::time::timeout(self.deadlines.head, tls.acceptor().accept(socket));
        let stream = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            stream = handshake => stream,
        };
        match stream {
            Ok(Ok(stream)) => {
                // The TLS state is a kilobyte, which every enclosing future would contain.
                let stream = Box::new(stream);
                self.serve_stream(stream, client, router, shutdown).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake timed out"),
        }
    }

    async fn serve_stream<I>(
        &self,
        stream: I,
        client: Client,
        router: Router,
        shutdown: CancellationToken,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadlines = match client.admitted.overload() {
            Some(_) => REFUSAL,
            None => self.deadlines,
        };
        let activity = Arc::new(Activity::new(deadlines));
        let stream = Stream::new(stream, Arc::clone(&activity), deadlines.write);
        let service = RequestService::new(router, &client, Arc::clone(&activity));
        let connection = self.http1.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut shutdown = pin!(shutdown.cancelled().fuse());
        let mut idle = pin!(activity.expired());
        let served = poll_fn(|context| {
            if shutdown.as_mut().poll(context).is_ready() {
                connection.as_mut().graceful_shutdown();
            }
            match connection.as_mut().poll(context) {
                // Only now is it known what the client has to do next.
                Poll::Pending => idle.as_mut().poll(context).map(|()| Ok(())),
                served => served,
            }
        });
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection failed");
        }
    }
}

/// The largest head that hyper reads before refusing it: more than our own limits, whose errors are
/// more helpful. It also bounds the bytes waiting to be written to a client.
fn largest_head(limits: &Limits) -> usize {
    let head = limits.url_bytes.saturating_add(limits.header_bytes);
    let head = usize::try_from(head.saturating_mul(2)).unwrap_or(usize::MAX);
    head.max(SEND_BYTES)
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if was_gone(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections; retrying");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Whether a client disconnected before it was accepted.
fn was_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests;
