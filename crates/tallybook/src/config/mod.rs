//! Settings: what `serve` needs to know before it starts, resolved from flag, environment, file and
//! default, in that order.
//!
//! Invariant: a value of these types is valid; an error in a text names the flag. Look next:
//! [`limits`] for every limit in one place, [`mail`] for how mail is sent, [`file`] for `--config`.

pub mod file;
pub mod limits;
pub mod mail;
pub mod proxies;

pub use limits::{EventLimits, Limits};
pub use mail::MailSettings;
pub use proxies::TrustedProxies;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All settings of `serve` and `demo`.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The data directory; created if missing.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The base of links; `http(s)://` and the listening address if not set.
    pub public_url: Option<PublicUrl>,
    /// The dialect of GitHub's answers.
    pub dialect: Dialect,
    /// How many months before the current one can be queried; 0 is all.
    pub history_months: u32,
    /// How many days usage reports are kept.
    pub report_days: u32,
    /// Requests per hour and token; 0 is no limit.
    pub rate_limit: u32,
    /// Memory for cached statements, in bytes.
    pub cache_bytes: u64,
    /// Certificate and key, if the server terminates TLS itself.
    pub tls: Option<TlsFiles>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// The mail server; without it, no mail is sent.
    pub mail: Option<MailSettings>,
    /// The limits that protect the server.
    pub limits: Limits,
}

/// A certificate chain and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Which shape GitHub's usage answers have; see the table in `wire`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Dialect {
    /// As GitHub documents them.
    #[default]
    Documented,
    /// As GitHub was observed to send them.
    Observed,
}

impl Dialect {
    /// `documented` or `observed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
        }
    }

    /// The dialect with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Documented, Self::Observed]
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
    }
}

/// The URL by which clients reach the server, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Checks a URL: `http` or `https`, a host, maybe a path; no query, no fragment, no user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim_end_matches('/');
        let rest = trimmed
            .strip_prefix("https://")
            .or_else(|| trimmed.strip_prefix("http://"));
        let is_plain = |c: char| c.is_ascii_graphic() && !"?#@\"<>\\".contains(c);
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with(['/', ':']) => {
                if rest.chars().all(is_plain) {
                    Ok(Self(trimmed.to_owned()))
                } else {
                    Err("a query, a fragment, a user or a space has no place here".to_owned())
                }
            }
            _ => Err("a URL such as https://billing.example.com is needed".to_owned()),
        }
    }

    /// The URL, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicUrl {
    /// Its host, without the port; an IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        match authority.find(']') {
            Some(end) => &authority[..=end],
            None => authority.split(':').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses a listening address: an address and a port, or `localhost:PORT`.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    text.parse()
        .map_err(|_| "an address and a port are needed, such as 127.0.0.1:8080".to_owned())
}

/// Parses a size: bytes, or a number with KiB, MiB or GiB.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let needed = || "a number of bytes is needed, such as 1048576 or 64MiB".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor: u64 = match text[digits.len()..].trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(needed()),
    };
    let number: u64 = digits.parse().map_err(|_| needed())?;
    number.checked_mul(factor).ok_or_else(needed)
}

/// Parses a time: whole seconds, at least one.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        // No one waits longer than a day; a larger number was probably not meant in seconds.
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("a number of seconds from 1 to 86400 is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls() {
        let good = PublicUrl::parse("https://billing.example.com/base/").expect("a URL");
        assert_eq!(good.as_str(), "https://billing.example.com/base");
        for (url, host) in [
            ("https://billing.example.com/base", "billing.example.com"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "[::1]"),
        ] {
            assert_eq!(PublicUrl::parse(url).expect("a URL").host(), host);
        }
        assert!(PublicUrl::parse("http://127.0.0.1:8080").is_ok());
        for bad in [
            "billing.example.com",
            "ftp://x",
            "https://",
            "https:///x",
            "http://:80",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
        for bad in ["https://x/?q", "https://a@b", "https://x y"] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listening_addresses() {
        let local = parse_listen("localhost:80").expect("an address");
        assert_eq!(local, parse_listen("127.0.0.1:80").expect("an address"));
        assert!(parse_listen("[::1]:8080").is_ok());
        assert!(parse_listen("8080").is_err());
        assert!(parse_listen("localhost:99999").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("1000"), Ok(1000));
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("2 GiB"), Ok(2 << 30));
        for bad in ["", "MiB", "1.5MiB", "-1", "64MB", "99999999999GiB"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds() {
        assert_eq!(parse_seconds("30"), Ok(Duration::from_secs(30)));
        for bad in ["", "0", "-1", "1.5", "30s", "86401"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
