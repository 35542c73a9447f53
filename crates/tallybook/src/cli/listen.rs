//! Listening: a port, TLS if there is a certificate, and graceful shutdown.
//!
//! Invariant: the port is bound before anything else is done, so that a busy port is an error
//! without side effects; on shutdown, requests in progress are answered first.

use super::open_files;
use crate::config::{Limits, PublicUrl, TlsFiles, TrustedProxies};
use crate::http::connection::{Connections, Tls};
use anyhow::Context;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long requests in progress may take once shutdown was requested.
const GRACE: Duration = Duration::from_secs(30);

/// A bound port.
pub(crate) struct Listening {
    listener: TcpListener,
    tls: Option<Tls>,
    /// Its actual address, even if port 0 was requested.
    pub(crate) address: SocketAddr,
    /// The base of links.
    pub(crate) url: PublicUrl,
}

/// Takes the port.
pub(crate) fn bind(
    listen: SocketAddr,
    tls: Option<TlsFiles>,
    public_url: Option<PublicUrl>,
) -> anyhow::Result<Listening> {
    let listener = TcpListener::bind(listen).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!(
            "{listen} is in use by another program: choose another port with --listen, such as \
             --listen {}",
            SocketAddr::new(listen.ip(), listen.port().checked_add(1).unwrap_or(8080))
        ),
        _ => anyhow::anyhow!("cannot listen on {listen} (--listen): {error}"),
    })?;
    listener
        .set_nonblocking(true)
        .context("cannot listen without blocking")?;
    let address = listener.local_addr().context("cannot ask for the port")?;
    let tls = tls.map(Tls::load).transpose()?;
    let url = match public_url {
        Some(url) => url,
        None => own_url(address, tls.is_some())?,
    };
    Ok(Listening {
        listener,
        tls,
        address,
        url,
    })
}

/// The URL by which this machine reaches the address.
fn own_url(address: SocketAddr, is_tls: bool) -> anyhow::Result<PublicUrl> {
    let scheme = if is_tls { "https" } else { "http" };
    let reachable = match address {
        // All addresses of the machine, including loopback.
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("127.0.0.1:{}", v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("[::1]:{}", v6.port()),
        other => other.to_string(),
    };
    PublicUrl::parse(&format!("{scheme}://{reachable}")).map_err(anyhow::Error::msg)
}

impl Listening {
    /// Whether tokens travel unencrypted over a network.
    pub(crate) fn is_exposed(&self) -> bool {
        self.tls.is_none() && !self.address.ip().is_loopback()
    }

    /// Serves until SIGTERM or SIGINT, then answers requests in progress and returns.
    pub(crate) async fn serve(
        self,
        router: axum::Router,
        limits: &Limits,
        proxies: TrustedProxies,
    ) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener).context("cannot listen")?;
        let shutdown = CancellationToken::new();
        let mut beside = JoinSet::new();
        beside.spawn(end_when_asked(shutdown.clone()));
        if let Some(tls) = self.tls.clone() {
            beside.spawn(tls.watch(shutdown.clone()));
        }
        let most = open_files::connections(limits);
        let connections = Connections::new(self.tls, limits, most, proxies);
        connections.serve(listener, router, shutdown, GRACE).await;
        beside.shutdown().await;
        Ok(())
    }
}

async fn end_when_asked(shutdown: CancellationToken) {
    if let Err(error) = asked_to_end().await {
        tracing::error!(%error, "cannot handle signals: the server can only be killed");
        return;
    }
    tracing::info!("shutting down after answering the requests in progress");
    shutdown.cancel();
}

#[cfg(unix)]
async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn a_busy_port_names_the_flag() {
        let first = bind(loopback(), None, None).expect("a free port");
        let second = bind(first.address, None, None);
        let message = second.err().expect("the port is taken").to_string();
        let begin = format!("{} is in use by another program", first.address);
        assert!(message.starts_with(&begin), "{message}");
        assert!(message.contains("--listen"), "{message}");
    }

    #[test]
    fn links_begin_with_the_public_url_or_the_address() {
        let listening = bind(loopback(), None, None).expect("a free port");
        assert_eq!(
            listening.url.as_str(),
            format!("http://{}", listening.address)
        );
        assert!(!listening.is_exposed());
        let public = PublicUrl::parse("https://billing.example.com").ok();
        let listening = bind(loopback(), None, public).expect("a free port");
        assert_eq!(listening.url.as_str(), "https://billing.example.com");
        let every = own_url(SocketAddr::from(([0, 0, 0, 0], 80)), true).expect("a URL");
        assert_eq!(every.as_str(), "https://127.0.0.1:80");
    }
}
