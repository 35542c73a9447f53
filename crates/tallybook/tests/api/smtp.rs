//! A mail server on a port of the system's choice: it speaks SMTP as far as senders need it, and
//! fails where a test says so.
//!
//! Invariant: a mail counts as received when its last line was read, whatever is answered then. A
//! thread for the server, and one for each connection; they end with the tests.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use tallybook::config::mail::{MailSettings, Password, Security};

/// What `AUTH PLAIN` sends for the user `tally` with the password `s3cret`.
const PLAIN: &str = "AHRhbGx5AHMzY3JldA==";

/// Where a connection fails, and how; a connection takes the first of those that were planned.
/// Commands are named by their verb, the greeting `CONNECT`, the end of a mail's text `.`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// This is the reply to the command.
    Reply(&'static str, &'static str),
    /// The connection ends when the command comes.
    HangUp(&'static str),
    /// Nothing is replied to the command, ever.
    Silence(&'static str),
}

/// A mail that was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) is_encrypted: bool,
    pub(crate) is_authenticated: bool,
    /// Headers and body, as they came.
    pub(crate) text: String,
}

/// What a server wants and offers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offer {
    /// TLS: from the first byte, or by STARTTLS.
    pub(crate) tls: Option<Security>,
    /// Only `tally` with the password `s3cret` may send.
    pub(crate) authentication: bool,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Received>>,
    faults: Mutex<VecDeque<Fault>>,
    connections: Mutex<usize>,
}

/// A server.
pub(crate) struct Smtp {
    port: u16,
    certificate: CertificateDer<'static>,
    shared: Arc<Shared>,
}

impl Smtp {
    pub(crate) fn start(offer: Offer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let (tls, shared) = (Arc::new(tls), Arc::new(Shared::default()));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let session = Session {
                    offer,
                    tls: Arc::clone(&tls),
                    fault: theirs.faults.lock().unwrap().pop_front(),
                    shared: Arc::clone(&theirs),
                };
                *theirs.connections.lock().unwrap() += 1;
                // A sender that goes away in the middle is its own affair.
                thread::spawn(move || session.run(stream.unwrap()).ok());
            }
        });
        Self {
            port,
            certificate,
            shared,
        }
    }

    /// Settings that suit the server.
    pub(crate) fn settings(&self, security: Security) -> MailSettings {
        MailSettings {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            security,
            credentials: None,
            authorities: vec![self.certificate.clone()],
            timeout: std::time::Duration::from_secs(3600),
            from: "Tallybook <billing@example.com>".parse().unwrap(),
        }
    }

    /// The user that servers with authentication know.
    pub(crate) fn credentials() -> Option<(String, Password)> {
        Some(("tally".to_owned(), Password::parse("s3cret").unwrap()))
    }

    /// What goes wrong, connection by connection; after that nothing does.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.shared.faults.lock().unwrap().extend(faults);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

struct Session {
    offer: Offer,
    tls: Arc<ServerConfig>,
    fault: Option<Fault>,
    shared: Arc<Shared>,
}

impl Session {
    fn run(&self, tcp: TcpStream) -> io::Result<()> {
        let mut is_encrypted = self.offer.tls == Some(Security::Tls);
        let mut wire = self.wire(&tcp, is_encrypted)?;
        let mut mail = self.blank();
        self.reply(&mut wire, "CONNECT", "220 mail.example.com ready")?;
        loop {
            mail.is_encrypted = is_encrypted;
            let line = read_line(&mut wire)?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb {
                "EHLO" => {
                    let answer = self.extensions(is_encrypted);
                    self.reply(&mut wire, verb, &answer)?;
                }
                "STARTTLS" => {
                    if self.reply(&mut wire, verb, "220 go ahead")? {
                        is_encrypted = true;
                        wire = self.wire(&tcp, true)?;
                    }
                }
                "AUTH" if rest == format!("PLAIN {PLAIN}") => {
                    mail.is_authenticated = self.reply(&mut wire, verb, "235 welcome")?;
                }
                "AUTH" => {
                    self.reply(&mut wire, verb, "535 5.7.8 bad credentials")?;
                }
                "MAIL" if self.offer.authentication && !mail.is_authenticated => {
                    self.reply(&mut wire, verb, "530 5.7.0 authentication required")?;
                }
                "MAIL" => {
                    rest.clone_into(&mut mail.from);
                    self.reply(&mut wire, verb, "250 ok")?;
                }
                "RCPT" => {
                    mail.to.push(rest.to_owned());
                    self.reply(&mut wire, verb, "250 ok")?;
                }
                "DATA" => {
                    if !self.reply(&mut wire, verb, "354 go on")? {
                        continue;
                    }
                    mail.text = read_text(&mut wire)?;
                    self.shared.received.lock().unwrap().push(mail);
                    mail = self.blank();
                    self.reply(&mut wire, ".", "250 queued")?;
                }
                "QUIT" => {
                    self.reply(&mut wire, verb, "221 bye")?;
                    return Ok(());
                }
                _ => {
                    self.reply(&mut wire, verb, "502 what?")?;
                }
            }
        }
    }

    fn blank(&self) -> Received {
        Received {
            from: String::new(),
            to: Vec::new(),
            is_encrypted: false,
            is_authenticated: false,
            text: String::new(),
        }
    }

    fn wire(&self, tcp: &TcpStream, is_encrypted: bool) -> io::Result<Box<dyn Wire>> {
        let tcp = tcp.try_clone()?;
        if !is_encrypted {
            return Ok(Box::new(tcp));
        }
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        Ok(Box::new(StreamOwned::new(connection, tcp)))
    }

    fn extensions(&self, is_encrypted: bool) -> String {
        let mut lines = vec!["mail.example.com"];
        if self.offer.tls == Some(Security::Starttls) && !is_encrypted {
            lines.push("STARTTLS");
        }
        if self.offer.authentication {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines.push("8BITMIME");
        let last = lines.len() - 1;
        let line = |(place, text)| match place == last {
            true => format!("250 {text}"),
            false => format!("250-{text}\r\n"),
        };
        lines.into_iter().enumerate().map(line).collect()
    }

    /// Replies as planned; says whether that was the good reply.
    fn reply(&self, wire: &mut Box<dyn Wire>, verb: &str, good: &str) -> io::Result<bool> {
        let (is_good, text) = match self.fault {
            Some(Fault::Reply(at, text)) if at == verb => (false, text),
            Some(Fault::HangUp(at)) if at == verb => return Err(io::Error::other("hung up")),
            Some(Fault::Silence(at)) if at == verb => loop {
                read_line(wire)?;
            },
            _ => (true, good),
        };
        wire.write_all(format!("{text}\r\n").as_bytes())?;
        wire.flush()?;
        Ok(is_good)
    }
}

/// A line without its end.
fn read_line(wire: &mut Box<dyn Wire>) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        wire.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(io::Error::other)
}

/// A mail's text up to the line with a dot alone.
fn read_text(wire: &mut Box<dyn Wire>) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let line = read_line(wire)?;
        if line == "." {
            return Ok(text);
        }
        text += line.strip_prefix('.').unwrap_or(&line);
        text += "\r\n";
    }
}
