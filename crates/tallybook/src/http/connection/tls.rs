//! TLS with a certificate that may change while the server runs.
//!
//! Invariant: a new pair is used from the next connection on, and only if certificate and key are
//! valid and belong together; otherwise the previous pair stays in use.

use crate::config::TlsFiles;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are checked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {} ({flag}): {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The flag that names it.
        flag: &'static str,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// A file does not contain what it should.
    #[error("{} ({flag}) holds no {what}, PEM: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The flag that names it.
        flag: &'static str,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        reason: pem::Error,
    },
    /// The two cannot be used together.
    #[error(
        "cannot use {} ({CERTIFICATE}) with {} ({KEY}): {reason}",
        files.certificate.display(),
        files.key.display()
    )]
    Unusable {
        /// The two.
        files: TlsFiles,
        /// What is wrong.
        reason: rustls::Error,
    },
}

const CERTIFICATE: &str = "--tls-certificate";
const KEY: &str = "--tls-key";

/// The current certificate and key.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    /// The hash of the contents tried last, valid or not.
    tried: Mutex<blake3::Hash>,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let config = contents.config(&files)?;
        Ok(Self(Arc::new(Shared {
            files,
            config: RwLock::new(Arc::new(config)),
            tried: Mutex::new(contents.hash()),
        })))
    }

    /// Reads the files again. Returns whether they had changed.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let shared = &*self.0;
        let contents = Contents::read(&shared.files)?;
        let mut tried = shared.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == contents.hash() {
            return Ok(false);
        }
        *tried = contents.hash();
        let config = Arc::new(contents.config(&shared.files)?);
        *shared
            .config
            .write()
            .unwrap_or_else(PoisonError::into_inner) = config;
        Ok(true)
    }

    /// The acceptor for the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Reads the files again when they change, and on SIGHUP, until `shutdown`.
    pub async fn watch(self, shutdown: CancellationToken) {
        let mut hangup = Hangup::new();
        let mut was_readable = true;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = hangup.received() => was_readable = true,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let tls = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || tls.reload()).await;
            was_readable = match reloaded {
                Ok(Ok(true)) => {
                    tracing::info!("reloaded the TLS certificate and key");
                    true
                }
                Ok(Ok(false)) => true,
                Ok(Err(error)) => {
                    let is_news = was_readable || !matches!(error, TlsError::Unreadable { .. });
                    if is_news {
                        tracing::error!(
                            %error,
                            "could not reload the TLS certificate and key; keeping the old ones"
                        );
                    }
                    !matches!(error, TlsError::Unreadable { .. })
                }
                Err(error) => {
                    tracing::error!(%error, "reloading the TLS certificate and key was aborted");
                    true
                }
            };
        }
    }
}

/// The contents of the two files.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |file: &PathBuf, flag| {
            std::fs::read(file).map_err(|reason| TlsError::Unreadable {
                file: file.clone(),
                flag,
                reason,
            })
        };
        Ok(Self {
            certificate: read(&files.certificate, CERTIFICATE)?,
            key: read(&files.key, KEY)?,
        })
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(blake3::hash(&self.certificate).as_bytes());
        hasher.update(blake3::hash(&self.key).as_bytes());
        hasher.finalize()
    }

    fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<_, _>>();
        let chain: Vec<_> = chain.map_err(|reason| TlsError::Invalid {
            file: files.certificate.clone(),
            flag: CERTIFICATE,
            what: "certificate chain",
            reason,
        })?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|reason| TlsError::Invalid {
            file: files.key.clone(),
            flag: KEY,
            what: "private key",
            reason,
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|reason| TlsError::Unusable {
            files: files.clone(),
            reason,
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// SIGHUP, on platforms that have it.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = signal(SignalKind::hangup());
        if let Err(error) = &signal {
            tracing::warn!(%error, "cannot handle SIGHUP: TLS files are read again only on change");
        }
        Self {
            signal: signal.ok(),
        }
    }

    #[cfg(unix)]
    async fn received(&mut self) {
        let came = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if came.is_none() {
            std::future::pending().await
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn received(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
