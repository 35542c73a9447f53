//! Connections: taken in, served and ended, also when their clients are silent, slow or gone.
//!
//! Invariant: a connection without a request under way lasts no longer than a client may be idle,
//! or may take for its headers; one with bytes to be written, no longer than the client keeps
//! taking them. One that waits for its next request costs about as much as one that has made none.
//! What the HTTP library answers by itself gets GitHub's body here. Look next: [`serving`] for how
//! one is served, [`super::pace`] for bodies of requests, [`super::body`] for what answers hold.

mod activity;
mod automatic;
mod requests;
mod serving;
mod stream;

pub use requests::Application;

use super::pace::Meter;
use crate::config::Limits;
use activity::Activity;
use axum_server::accept::Accept;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use requests::Counted;
use serving::Serving;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Bytes of an answer that wait for one client, beside those in the kernel.
const SEND_BYTES: usize = 128 * 1024;

/// How many connections at rest keep the library's buffers for a while: with 24 kB each, 1.5 MB.
const LINGERING: usize = 64;

/// How long to wait when the system gives no connection, as when there are too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// How connections are accepted and served.
#[derive(Debug, Clone)]
pub struct Connections<A> {
    acceptor: A,
    patience: Patience,
    serving: Arc<Serving>,
}

/// How long a connection may do nothing, by what it is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    headers: Duration,
    idle: Duration,
    write: Duration,
}

impl<A> Connections<A> {
    /// Connections as an acceptor makes them of sockets, held to the limits.
    pub fn new(acceptor: A, limits: &Limits) -> Self {
        let patience = Patience {
            headers: limits.headers,
            idle: limits.idle,
            write: limits.write,
        };
        let head = largest_head(limits);
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(head);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .max_send_buf_size(SEND_BYTES)
            .max_concurrent_streams(100)
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
        let serving = Arc::new(Serving::new(http1, http2, LINGERING));
        Self {
            acceptor,
            patience,
            serving,
        }
    }
}

impl<A> Connections<A>
where
    A: Accept<TcpStream, (), Service = ()> + Clone + Send + Sync + 'static,
    A::Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A::Future: Send,
{
    /// Serves what comes until `ending`; then what is under way is answered, for so long at most.
    pub async fn serve(
        self,
        listener: TcpListener,
        service: impl Application,
        ending: CancellationToken,
        patience: Duration,
    ) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = ending.cancelled() => break,
                Some(_) = open.join_next() => continue,
                accepted = accept(&listener) => accepted,
            };
            let (socket, client) = accepted;
            let connection = self.clone();
            let (service, ending) = (service.clone(), ending.clone());
            open.spawn(async move {
                connection.serve_one(socket, client, service, ending).await;
            });
        }
        // Clients are refused from now on, instead of waiting for nobody.
        drop(listener);
        let ended = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!(connections = open.len(), "ended before all was answered");
            open.shutdown().await;
        }
    }

    async fn serve_one(
        self,
        socket: TcpStream,
        client: SocketAddr,
        service: impl Application,
        ending: CancellationToken,
    ) {
        let accepting = async {
            socket.set_nodelay(true)?;
            self.acceptor.accept(socket, ()).await
        };
        // What a handshake needs is in no other's way while the connection lasts.
        let accepting = Box::pin(accepting);
        let accepted = tokio::select! {
            biased;
            () = ending.cancelled() => return,
            accepted = accepting => accepted,
        };
        match accepted {
            Ok((inner, ())) => {
                // TLS has 1 kB of state, which would be in every place where the stream can be.
                let inner = Box::new(inner);
                let (stream, service) = watched(inner, service, client, self.patience);
                let ending = ending.cancelled();
                self.serving.serve(stream, service, ending).await;
            }
            Err(error) => tracing::debug!(%error, "a connection was not accepted"),
        }
    }
}

/// What the library reads of a head before it refuses it: more than our own limits, whose refusals
/// say more. It is also what waits to be written to a client of HTTP/1.1.
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
            Err(error) if is_the_client_s(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Whether a client was gone before it was accepted.
fn is_the_client_s(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

/// A connection's two ends, and what they say of it.
fn watched<I, S>(
    inner: I,
    service: S,
    client: SocketAddr,
    patience: Patience,
) -> (Stream<I>, Counted<S>) {
    let activity = Arc::new(Activity::default());
    let stream = Stream::new(inner, Arc::clone(&activity), patience);
    (stream, Counted::new(service, client, activity))
}

#[cfg(test)]
mod tests;
