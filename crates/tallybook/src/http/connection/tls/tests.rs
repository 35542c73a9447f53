//! Certificates that change while the server runs.

use super::*;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::duplex;
use tokio_rustls::TlsConnector;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.folder.path().join("certificate.pem"),
            key: self.folder.path().join("key.pem"),
        }
    }

    /// A new certificate for a name, in the files.
    fn write(&self, name: &str) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(self.files().certificate, made.cert.pem()).unwrap();
        std::fs::write(self.files().key, made.signing_key.serialize_pem()).unwrap();
    }
}

/// The certificate that a client is shown, and the protocol that they agree on.
async fn shake_hands(tls: &Tls, protocols: &[&str]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let (client, server) = duplex(1 << 16);
    let accepting = tls.acceptor().accept(server);
    let name = ServerName::try_from("any.example.com").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, client);
    let (_server, client) = tokio::join!(accepting, connecting);
    let client = client.map_err(|error| error.to_string())?;
    let (_, session) = client.get_ref();
    let protocol = session.alpn_protocol().unwrap_or_default().to_vec();
    let certificate = session.peer_certificates().unwrap()[0].to_vec();
    Ok((certificate, protocol))
}

async fn certificate(tls: &Tls) -> Vec<u8> {
    shake_hands(tls, &[]).await.expect("a handshake").0
}

fn error(loaded: Result<Tls, TlsError>) -> String {
    loaded.expect_err("an error").to_string()
}

#[tokio::test]
async fn a_new_pair_is_used_and_a_bad_one_is_not() {
    let folder = Folder::new();
    folder.write("one.example.com");
    let tls = Tls::load(folder.files()).unwrap();
    let first = certificate(&tls).await;
    assert!(!tls.reload().unwrap(), "nothing is new");

    // A certificate that does not match the key, as happens while the two are being replaced.
    let key = std::fs::read(folder.files().key).unwrap();
    folder.write("two.example.com");
    let second_key = std::fs::read(folder.files().key).unwrap();
    std::fs::write(folder.files().key, key).unwrap();
    let refused = tls.reload().expect_err("they do not match").to_string();
    assert!(refused.contains("--tls-key"), "{refused}");
    assert_eq!(certificate(&tls).await, first);
    assert!(!tls.reload().unwrap(), "the same is not tried again");

    std::fs::write(folder.files().key, second_key).unwrap();
    assert!(tls.reload().unwrap());
    assert_ne!(certificate(&tls).await, first);

    std::fs::write(folder.files().certificate, "").unwrap();
    let empty = tls.reload().expect_err("no certificate").to_string();
    assert!(empty.contains("--tls-certificate"), "{empty}");
    std::fs::remove_file(folder.files().certificate).unwrap();
    let gone = tls.reload().expect_err("no file").to_string();
    assert!(gone.starts_with("cannot read "), "{gone}");
    assert_ne!(certificate(&tls).await, first);
}

#[tokio::test(start_paused = true)]
async fn files_that_change_are_read_again() {
    let folder = Folder::new();
    folder.write("one.example.com");
    let tls = Tls::load(folder.files()).unwrap();
    let first = certificate(&tls).await;
    let shutdown = CancellationToken::new();
    let watching = tokio::spawn(tls.clone().watch(shutdown.clone()));
    folder.write("two.example.com");
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert_ne!(certificate(&tls).await, first);
    shutdown.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn http_1_1_is_all_that_is_negotiated() {
    let folder = Folder::new();
    folder.write("one.example.com");
    let tls = Tls::load(folder.files()).unwrap();
    let both = shake_hands(&tls, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(both.1, b"http/1.1");
    assert!(shake_hands(&tls, &["h2"]).await.is_err());
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let folder = Folder::new();
    let missing = error(Tls::load(folder.files()));
    assert!(missing.starts_with("cannot read "), "{missing}");
    assert!(
        missing.contains("certificate.pem (--tls-certificate)"),
        "{missing}"
    );
    folder.write("one.example.com");
    std::fs::write(folder.files().key, "nonsense").unwrap();
    let no_key = error(Tls::load(folder.files()));
    assert!(
        no_key.contains("key.pem (--tls-key) holds no private key"),
        "{no_key}"
    );
}

/// Trusts every certificate: what is shown is what is tested.
#[derive(Debug)]
struct Trusting;

mod trusting {
    use super::Trusting;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    impl ServerCertVerifier for Trusting {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![
                SignatureScheme::ECDSA_NISTP256_SHA256,
                SignatureScheme::ED25519,
                SignatureScheme::RSA_PSS_SHA256,
            ]
        }
    }
}
