//! Sending mail: one letter, one connection, one attempt.
//!
//! Invariant: the outcome of an attempt is exact: accepted by the server, to be retried, or refused
//! for good. A letter's content cannot become a header or a recipient: addresses are parsed, and
//! the library encodes every other text. The caller decides when to retry: [`crate::jobs`].

use crate::config::mail::{MailSettings, Security};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use std::fmt;
use std::time::{Duration, SystemTime};
use tallybook_core::time::Instant;

/// How long to wait for the server to answer QUIT after it accepted a letter.
const GOODBYE: Duration = Duration::from_secs(5);

/// One letter to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Identifies the letter across retries, so that receivers can detect duplicates. A UUID or
    /// similar.
    pub id: String,
    /// When it was written.
    pub date: Instant,
    /// The recipient.
    pub to: String,
    /// The subject, one line.
    pub subject: String,
    /// The text for mail clients that show no HTML.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Why an attempt to send failed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A retry may succeed: no connection, a timeout, or a 4xx reply.
    #[error("{0}")]
    Temporary(String),
    /// A retry will not help: a 5xx reply, or an unusable letter or server.
    #[error("{0}")]
    Permanent(String),
}

/// The mail settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mail cannot be sent by {host}: {reason}")]
pub struct MailerError {
    host: String,
    reason: lettre::transport::smtp::Error,
}

/// Sends letters through one server.
#[derive(Clone)]
pub struct Mailer {
    settings: MailSettings,
    tls: Option<TlsParameters>,
    /// The name that the program announces to the server.
    name: ClientId,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailer").field(&self.settings).finish()
    }
}

impl Mailer {
    /// Prepares sending, without connecting. `own_host` is this program's host name, announced to
    /// the server.
    pub fn new(settings: MailSettings, own_host: &str) -> Result<Self, MailerError> {
        let tls = match settings.security {
            Security::None => None,
            Security::Starttls | Security::Tls => Some(tls(&settings)?),
        };
        Ok(Self {
            name: client_id(own_host),
            settings,
            tls,
        })
    }

    /// The sender.
    #[must_use]
    pub fn from(&self) -> &Mailbox {
        &self.settings.from
    }

    /// Sends a letter; `Ok` means that the server has accepted it. If the connection breaks before
    /// the last reply, it may have been sent as well: a retry then sends it twice, under one id.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = message(letter, self.from())?;
        let limit = self.settings.timeout;
        let sent = tokio::time::timeout(limit, self.hand_over(&message)).await;
        let mut connection = sent.map_err(|_| {
            let (host, seconds) = (&self.settings.host, limit.as_secs());
            SendError::Temporary(format!("{host} did not answer within {seconds} seconds"))
        })??;
        // The letter is accepted, however QUIT goes.
        match tokio::time::timeout(GOODBYE, connection.quit()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the mail server did not answer QUIT"),
            Err(_) => tracing::debug!("the mail server did not answer QUIT in time"),
        }
        Ok(())
    }

    async fn hand_over(&self, message: &Message) -> Result<AsyncSmtpConnection, SendError> {
        let server = (self.settings.host.as_str(), self.settings.port);
        let (limit, name) = (Some(self.settings.timeout), &self.name);
        let is_wrapped = self.settings.security == Security::Tls;
        let wrapper = self.tls.clone().filter(|_| is_wrapped);
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, limit, name, wrapper, None).await;
        let mut connection = connected.map_err(|error| failed(&error))?;
        if let Some(tls) = self.tls.clone().filter(|_| !is_wrapped) {
            let secured = connection.starttls(tls, name).await;
            secured.map_err(|error| failed(&error))?;
        }
        if let Some((user, password)) = &self.settings.credentials {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            let known = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            known.map_err(|error| failed(&error))?;
        }
        let text = message.formatted();
        let sent = connection.send(message.envelope(), &text).await;
        sent.map_err(|error| failed(&error))?;
        Ok(connection)
    }
}

/// Whether this is a valid mail address.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

fn tls(settings: &MailSettings) -> Result<TlsParameters, MailerError> {
    let unusable = |reason| MailerError {
        host: settings.host.clone(),
        reason,
    };
    let mut builder = TlsParameters::builder(settings.host.clone());
    for authority in &settings.authorities {
        let certificate = Certificate::from_der(authority.to_vec()).map_err(unusable)?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(unusable)
}

fn client_id(host: &str) -> ClientId {
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match inner.unwrap_or(host).parse() {
        Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

fn message(letter: &Letter, from: &Mailbox) -> Result<Message, SendError> {
    let unusable = |error: String| SendError::Permanent(format!("the letter: {error}"));
    let to: Address = letter
        .to
        .parse()
        .map_err(|error| unusable(format!("{error}")))?;
    let seconds = u64::try_from(letter.date.seconds()).map_err(|_| unusable("its date".into()))?;
    // Suppresses vacation messages and the like (RFC 3834).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let domain = from.email.domain();
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(&letter.subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{}@{domain}>", letter.id)))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(
            letter.text.clone(),
            letter.html.clone(),
        ))
        .map_err(|error| unusable(error.to_string()))
}

/// Whether an error of the library is worth a retry.
fn failed(error: &lettre::transport::smtp::Error) -> SendError {
    let mut text = error.to_string();
    // The library gives the kind of error, and the reason as its source.
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    // A client error: the server lacks STARTTLS, a supported login method, or a feature that the
    // address requires.
    if error.is_permanent() || error.is_client() {
        SendError::Permanent(text)
    } else {
        SendError::Temporary(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            id: "0b8f1c5e-3c1d-4a52-9d4e-7d6f0a2b1c3d".to_owned(),
            date: Instant::parse("2026-10-02T13:00:00Z").expect("an instant"),
            to: "monalisa@example.com".to_owned(),
            subject: "Usage".to_owned(),
            text: "text".to_owned(),
            html: "<p>text</p>".to_owned(),
        }
    }

    fn formatted(letter: &Letter) -> Result<String, SendError> {
        let from = "Billing <billing@example.com>".parse().expect("a mailbox");
        let message = message(letter, &from)?;
        Ok(String::from_utf8(message.formatted()).expect("UTF-8"))
    }

    #[test]
    fn a_letter_has_the_headers_that_mail_needs() {
        let text = formatted(&letter()).expect("a message");
        for line in [
            "From: Billing <billing@example.com>\r\n",
            "To: monalisa@example.com\r\n",
            "Subject: Usage\r\n",
            "Date: Fri, 02 Oct 2026 13:00:00 +0000\r\n",
            "Message-ID: <0b8f1c5e-3c1d-4a52-9d4e-7d6f0a2b1c3d@example.com>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative;",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn nothing_that_a_letter_says_becomes_a_header() {
        let evil = "x\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<eve@example.com>";
        let letter = Letter {
            subject: evil.to_owned(),
            text: evil.to_owned(),
            html: evil.to_owned(),
            ..letter()
        };
        let text = formatted(&letter).expect("a message");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        let names = head.lines().filter(|line| !line.starts_with(' '));
        let names: Vec<&str> = names.filter_map(|line| line.split(':').next()).collect();
        let expected = [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
        ];
        assert_eq!(names, expected, "{head}");
    }

    #[test]
    fn what_is_no_address_gets_no_mail() {
        for to in [
            "",
            "nobody",
            "a@b@c",
            "a@example.com\r\nRCPT TO:<eve@example.com>",
            "<a@example.com>",
            "a@example.com, eve@example.com",
        ] {
            assert!(!is_address(to), "{to:?}");
            let letter = Letter {
                to: to.to_owned(),
                ..letter()
            };
            let refused = formatted(&letter);
            assert!(matches!(refused, Err(SendError::Permanent(_))), "{to:?}");
        }
        assert!(is_address("monalisa+reports@billing.example.com"));
    }

    #[test]
    fn the_program_s_name_is_a_domain_or_an_address() {
        let named = |host| client_id(host).to_string();
        assert_eq!(named("billing.example.com"), "billing.example.com");
        assert_eq!(named("127.0.0.1"), "[127.0.0.1]");
        assert_eq!(named("[::1]"), "[IPv6:::1]");
    }
}
