//! The mail server and sender: flags, and the settings that they resolve to.
//!
//! Invariant: [`MailSettings`] are ready to use: all files have been read, and no given setting is
//! ignored. Without a host there is no mail, and then no other mail setting may be given. Look
//! next: [`crate::mail`], which sends.

use super::parse_seconds;
use lettre::message::Mailbox;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How mail is sent; each flag is also a variable and a key of the configuration file.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Mail")]
pub struct MailArguments {
    /// The server that takes mail (SMTP); without it no mail is sent
    #[arg(long = "smtp-host", value_name = "HOST", env = "TALLYBOOK_SMTP_HOST",
          value_parser = parse_host)]
    host: Option<String>,
    /// Its port [default: 587 with starttls, 465 with tls, 25 with none]
    #[arg(long = "smtp-port", value_name = "PORT", env = "TALLYBOOK_SMTP_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// How the connection is secured [default: starttls]
    #[arg(
        long = "smtp-security",
        value_name = "WORD",
        env = "TALLYBOOK_SMTP_SECURITY",
        value_enum
    )]
    security: Option<Security>,
    /// The user name, where the server wants one
    #[arg(
        long = "smtp-username",
        value_name = "NAME",
        env = "TALLYBOOK_SMTP_USERNAME"
    )]
    username: Option<String>,
    /// The password; in a file it stays out of lists of processes
    #[arg(long = "smtp-password", value_name = "PASSWORD", env = "TALLYBOOK_SMTP_PASSWORD",
          hide_env_values = true, value_parser = Password::parse)]
    password: Option<Password>,
    /// A file whose first line is the password
    #[arg(
        long = "smtp-password-file",
        value_name = "FILE",
        env = "TALLYBOOK_SMTP_PASSWORD_FILE"
    )]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) that are trusted beside the system's
    #[arg(
        long = "smtp-ca-file",
        value_name = "FILE",
        env = "TALLYBOOK_SMTP_CA_FILE"
    )]
    ca_file: Option<PathBuf>,
    /// How long the server may take for one mail [default: 60]
    #[arg(long = "smtp-timeout", value_name = "SECONDS", env = "TALLYBOOK_SMTP_TIMEOUT",
          value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// Whom mail is from, such as billing@example.com or "Billing <billing@example.com>"
    #[arg(long = "mail-from", value_name = "ADDRESS", env = "TALLYBOOK_MAIL_FROM",
          value_parser = parse_mailbox)]
    from: Option<Mailbox>,
}

/// How the connection to the server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Security {
    /// TLS after STARTTLS; nothing is sent through a server without it.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this machine.
    None,
}

impl Security {
    const fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// A password, which is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Checks a password: it must be one non-empty line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(char::is_control) {
            return Err("a password is needed, without control characters".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The text, for the mail server only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

/// The mail server and sender.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// The user name and password, if the server requires them.
    pub credentials: Option<(String, Password)>,
    /// Certificates trusted in addition to the system's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How long the server may take for one mail.
    pub timeout: Duration,
    /// The sender.
    pub from: Mailbox,
}

/// What is wrong with the mail settings; names the flag.
#[derive(Debug, thiserror::Error)]
pub enum MailSettingsError {
    /// A setting was given that has no meaning without another.
    #[error("{0} needs {1}")]
    Needs(&'static str, &'static str),
    /// Two settings were given that mean the same, or contradict each other.
    #[error("{0} cannot be used with {1}")]
    Conflict(&'static str, &'static str),
    /// A file cannot be used.
    #[error("cannot use {} ({flag}): {reason}", path.display())]
    File {
        /// The setting that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

const HOST: &str = "--smtp-host";
const FROM: &str = "--mail-from";
const USERNAME: &str = "--smtp-username";
const PASSWORD: &str = "--smtp-password";
const PASSWORD_FILE: &str = "--smtp-password-file";
const CA_FILE: &str = "--smtp-ca-file";

/// How long to wait for one mail.
const TIMEOUT: Duration = Duration::from_secs(60);

impl MailArguments {
    /// Reads the files and checks that the settings fit together; `None` when there is no server.
    pub fn settings(self) -> Result<Option<MailSettings>, MailSettingsError> {
        let Some(host) = self.host else {
            return match self.without_host() {
                Some(flag) => Err(MailSettingsError::Needs(flag, HOST)),
                None => Ok(None),
            };
        };
        let security = self.security.unwrap_or_default();
        let password = match (self.password, self.password_file) {
            (Some(_), Some(_)) => {
                return Err(MailSettingsError::Conflict(PASSWORD, PASSWORD_FILE));
            }
            (Some(password), None) => Some(password),
            (None, Some(path)) => Some(read_password(&path)?),
            (None, None) => None,
        };
        let credentials = match (self.username, password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            (Some(_), None) => return Err(MailSettingsError::Needs(USERNAME, PASSWORD)),
            (None, Some(_)) => return Err(MailSettingsError::Needs(PASSWORD, USERNAME)),
        };
        let authorities = match self.ca_file {
            Some(_) if security == Security::None => {
                return Err(MailSettingsError::Conflict(CA_FILE, "--smtp-security none"));
            }
            Some(path) => read_authorities(&path)?,
            None => Vec::new(),
        };
        Ok(Some(MailSettings {
            host,
            port: self.port.unwrap_or(security.port()),
            security,
            credentials,
            authorities,
            timeout: self.timeout.unwrap_or(TIMEOUT),
            from: self.from.ok_or(MailSettingsError::Needs(HOST, FROM))?,
        }))
    }

    /// A setting that was given although there is no server.
    fn without_host(&self) -> Option<&'static str> {
        let given = [
            (self.port.is_some(), "--smtp-port"),
            (self.security.is_some(), "--smtp-security"),
            (self.username.is_some(), USERNAME),
            (self.password.is_some(), PASSWORD),
            (self.password_file.is_some(), PASSWORD_FILE),
            (self.ca_file.is_some(), CA_FILE),
            (self.timeout.is_some(), "--smtp-timeout"),
            (self.from.is_some(), FROM),
        ];
        let first = given.into_iter().find(|(is_given, _)| *is_given);
        first.map(|(_, flag)| flag)
    }
}

fn read_password(path: &Path) -> Result<Password, MailSettingsError> {
    let unusable = |reason: String| MailSettingsError::File {
        flag: PASSWORD_FILE,
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default();
    Password::parse(line).map_err(unusable)
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, MailSettingsError> {
    let unusable = |reason: String| MailSettingsError::File {
        flag: CA_FILE,
        path: path.to_owned(),
        reason,
    };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|error| unusable(error.to_string()))?;
    if all.is_empty() {
        return Err(unusable("it has no certificate".to_owned()));
    }
    Ok(all)
}

fn parse_host(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host = inner.unwrap_or(text);
    if host.is_empty() || !host.chars().all(is_plain) {
        return Err("a name or an address is needed, such as smtp.example.com".to_owned());
    }
    if host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err() {
        return Err("the port has a flag of its own, --smtp-port".to_owned());
    }
    Ok(host.to_owned())
}

fn parse_mailbox(text: &str) -> Result<Mailbox, String> {
    let needed = "a mail address is needed, such as billing@example.com";
    if text.contains(char::is_control) {
        return Err(needed.to_owned());
    }
    text.parse().map_err(|_| needed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        mail: MailArguments,
    }

    fn parse(arguments: &[&str]) -> Result<Option<MailSettings>, String> {
        let all = [&["test"], arguments].concat();
        let command = Command::try_parse_from(all).map_err(|error| error.to_string())?;
        command.mail.settings().map_err(|error| error.to_string())
    }

    const LEAST: [&str; 4] = [HOST, "smtp.example.com", FROM, "Billing <b@example.com>"];

    #[test]
    fn the_port_follows_from_the_security() {
        assert!(parse(&[]).expect("no mail").is_none());
        let port = |more: &[&str]| {
            let settings = parse(&[&LEAST, more].concat()).expect("settings");
            settings.expect("a server").port
        };
        assert_eq!(port(&[]), 587);
        assert_eq!(port(&["--smtp-security", "tls"]), 465);
        assert_eq!(port(&["--smtp-security", "none"]), 25);
        assert_eq!(
            port(&["--smtp-security", "tls", "--smtp-port", "2525"]),
            2525
        );
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let refused = |arguments: &[&str]| parse(arguments).expect_err("refused");
        assert_eq!(refused(&LEAST[..2]), "--smtp-host needs --mail-from");
        assert_eq!(refused(&LEAST[2..]), "--mail-from needs --smtp-host");
        let more = |more: &[&str]| refused(&[&LEAST, more].concat());
        assert_eq!(
            more(&[USERNAME, "u"]),
            "--smtp-username needs --smtp-password"
        );
        assert_eq!(
            more(&[PASSWORD, "p"]),
            "--smtp-password needs --smtp-username"
        );
        assert_eq!(
            more(&[PASSWORD, "p", PASSWORD_FILE, "f"]),
            "--smtp-password cannot be used with --smtp-password-file"
        );
        assert_eq!(
            more(&[CA_FILE, "f", "--smtp-security", "none"]),
            "--smtp-ca-file cannot be used with --smtp-security none"
        );
        assert!(more(&[CA_FILE, "/no/such/file"]).contains("(--smtp-ca-file)"));
        assert!(more(&["--smtp-port", "0"]).contains("--smtp-port"));
        for address in ["nobody", "a@b\r\nBcc: c@d", ""] {
            let error = refused(&[HOST, "h", FROM, address]);
            assert!(error.contains("a mail address is needed"), "{error}");
        }
        for host in ["smtp.example.com:587", "a b", "", "a\r\nb"] {
            let error = refused(&[HOST, host, FROM, "a@example.com"]);
            assert!(error.contains(HOST), "{error}");
        }
    }

    #[test]
    fn the_password_s_file_has_it_in_its_first_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "s3cret\n").expect("written");
        let path = path.to_str().expect("UTF-8");
        let settings = parse(&[&LEAST[..], &[USERNAME, "u", PASSWORD_FILE, path]].concat());
        let settings = settings.expect("settings").expect("a server");
        let (name, password) = settings.credentials.clone().expect("credentials");
        assert_eq!((name.as_str(), password.expose()), ("u", "s3cret"));
        assert!(!format!("{settings:?}").contains("s3cret"));
        let no_certificate = parse(&[&LEAST[..], &[CA_FILE, path]].concat());
        let error = no_certificate.expect_err("no certificate");
        assert!(error.contains("it has no certificate"), "{error}");
    }
}
