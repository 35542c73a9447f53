//! The client of a running server, for commands called with `--url`.
//!
//! Invariant: the token is sent only in the `Authorization` header and never appears in messages;
//! an unsuccessful answer is an error with the server's message. Paths are those of `/metering/v1`,
//! or begin with a slash.

use crate::config::PublicUrl;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

/// The most bytes of an answer that are read into memory; downloads stream.
const MOST_ANSWER_BYTES: u64 = 64 << 20;

/// How long [`Client::deliver`] waits for one answer.
const MOST_WAIT: Duration = Duration::from_secs(300);

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long the server asks to wait before a retry.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) text: String,
}

/// A file downloaded by a link.
pub(crate) struct File<R> {
    /// The SHA-256 of the whole file, in hexadecimal digits.
    pub(crate) sha256: Option<String>,
    /// The state that it was computed from.
    pub(crate) as_of: Option<String>,
    pub(crate) body: R,
}

/// A server and the token for it.
pub(crate) struct Client {
    agent: Agent,
    url: PublicUrl,
    authorization: String,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No answer came.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The server.
        url: PublicUrl,
        /// The network error.
        reason: ureq::Error,
    },
    /// The server refused.
    #[error("the server answers {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The server's message.
        message: String,
    },
    /// The answer is not one of `/metering/v1`.
    #[error("{url} gave no answer that can be read: {reason}")]
    Unreadable {
        /// The server.
        url: PublicUrl,
        /// What is wrong with it.
        reason: String,
    },
}

impl Client {
    /// Creates a client without connecting.
    pub(crate) fn new(url: PublicUrl, token: &str) -> Self {
        // An internal server may have a certificate of a company's own authority, so the system's
        // trust store decides.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("tallybook/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .new_agent();
        Self {
            agent,
            url,
            authorization: format!("Bearer {token}"),
        }
    }

    /// `GET`, answered with JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = self.agent.get(self.link(path));
        let sent = request.header("Authorization", &self.authorization).call();
        self.json(sent)
    }

    /// `GET`, answered with a text.
    pub(crate) fn text(&self, path: &str) -> Result<String, ClientError> {
        let request = self.agent.get(self.link(path));
        let sent = request
            .header("Authorization", &self.authorization)
            .header("Accept", "text/plain")
            .call();
        self.body(sent)
    }

    /// `PUT` of a text, answered with JSON.
    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        text: &str,
    ) -> Result<T, ClientError> {
        let sent = self
            .agent
            .put(self.link(path))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "text/plain; charset=utf-8")
            .send(text);
        self.json(sent)
    }

    /// `GET`, answered with bytes of any length.
    pub(crate) fn download(&self, path: &str) -> Result<impl Read + use<>, ClientError> {
        let request = self.agent.get(self.link(path));
        let sent = request.header("Authorization", &self.authorization).call();
        Ok(self.success(sent)?.into_body().into_reader())
    }

    /// `GET` of a link that the server gave, without the token.
    pub(crate) fn follow(&self, link: &str) -> Result<File<impl Read + use<>>, ClientError> {
        let response = self.success(self.agent.get(link).call())?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Ok(File {
            sha256: header("x-checksum-sha256"),
            as_of: header("x-tallybook-as-of"),
            body: response.into_body().into_reader(),
        })
    }

    /// `DELETE`, answered with JSON or nothing.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = self.agent.delete(self.link(path));
        let sent = request.header("Authorization", &self.authorization).call();
        self.json(sent)
    }

    /// `POST` with JSON, answered with JSON.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, ClientError> {
        let sent = self
            .agent
            .post(self.link(path))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json")
            .send(body.to_string());
        self.json(sent)
    }

    /// `POST` of a stream, answered with JSON.
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: &mut dyn Read,
    ) -> Result<T, ClientError> {
        let sent = self
            .agent
            .post(self.link(path))
            .header("Authorization", &self.authorization)
            .header("Content-Type", content_type)
            .send(SendBody::from_reader(body));
        self.json(sent)
    }

    /// `POST` of bytes in memory; any status counts as an answer, because the caller may retry.
    pub(crate) fn deliver(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ClientError> {
        let mut request = self
            .agent
            .post(self.link(path))
            .header("Authorization", &self.authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(MOST_WAIT)).build();
        let unreachable = |reason| ClientError::Unreachable {
            url: self.url.clone(),
            reason,
        };
        let mut response = request.send(body).map_err(unreachable)?;
        let status = response.status();
        let seconds = response.headers().get("retry-after");
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response
            .body_mut()
            .with_config()
            .limit(MOST_ANSWER_BYTES)
            .read_to_string()
            .map_err(unreachable)?;
        Ok(Answer {
            status,
            retry_after: seconds.map(Duration::from_secs),
            text,
        })
    }

    /// The error for an unsuccessful answer.
    pub(crate) fn refusal(answer: &Answer) -> ClientError {
        ClientError::Refused {
            status: answer.status,
            message: message(&answer.text),
        }
    }

    fn link(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => format!("{}{path}", self.url),
            false => format!("{}/metering/v1/{path}", self.url),
        }
    }

    fn success(
        &self,
        sent: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, ClientError> {
        let mut response = sent.map_err(|reason| ClientError::Unreachable {
            url: self.url.clone(),
            reason,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(MOST_ANSWER_BYTES)
            .read_to_string();
        let message = message(&body.unwrap_or_default());
        Err(ClientError::Refused { status, message })
    }

    /// Parsed from the text, never via a float: amounts are exact.
    fn json<T: DeserializeOwned>(
        &self,
        sent: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let text = self.body(sent)?;
        let text = if text.trim().is_empty() {
            "null"
        } else {
            &text
        };
        serde_json::from_str(text).map_err(|error| self.unreadable(error.to_string()))
    }

    fn body(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<String, ClientError> {
        let mut response = self.success(sent)?;
        let body = response
            .body_mut()
            .with_config()
            .limit(MOST_ANSWER_BYTES)
            .read_to_string();
        body.map_err(|error| self.unreadable(error.to_string()))
    }

    fn unreadable(&self, reason: String) -> ClientError {
        ClientError::Unreadable {
            url: self.url.clone(),
            reason,
        }
    }
}

/// The message in the body of a refusal.
fn message(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(answer) => explanation(&answer),
        Err(_) => "it is no Tallybook, or something stands before it".to_owned(),
    }
}

/// The message of GitHub's error body, with its details when it has some.
fn explanation(answer: &Value) -> String {
    let message = answer["message"]
        .as_str()
        .unwrap_or("no reason given")
        .to_owned();
    let details = answer["errors"].as_array().into_iter().flatten();
    let details = details.filter_map(|it| it["message"].as_str().or(it.as_str()));
    details.fold(message, |message, detail| format!("{message}; {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// Answers one request; returns the request's head and body.
    fn server(status: &'static str, body: &'static str) -> (Client, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                reader.read_line(&mut request).expect("a line");
            }
            if request
                .to_ascii_lowercase()
                .contains("transfer-encoding: chunked")
            {
                while !request.ends_with("\r\n0\r\n\r\n") {
                    reader.read_line(&mut request).expect("a line");
                }
            }
            let length = body.len();
            write!(
                &stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .expect("sent");
            request
        });
        let url = PublicUrl::parse(&format!("http://{address}/base")).expect("a URL");
        (Client::new(url, "s3cret"), server)
    }

    #[test]
    fn asks_with_the_token_in_the_header() {
        let (client, server) = server("200 OK", "[]");
        assert_eq!(
            client.get::<Value>("tokens").expect("an answer"),
            Value::Array(Vec::new())
        );
        let request = server.join().expect("a request").to_ascii_lowercase();
        assert!(
            request.starts_with("get /base/metering/v1/tokens http/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("authorization: bearer s3cret\r\n"),
            "{request}"
        );
    }

    #[test]
    fn streams_a_body_and_reads_the_answer() {
        let (client, server) = server("201 Created", "{\"a\": 1}");
        let answer: Value = client
            .send("x", "text/csv", &mut "a,b\n".as_bytes())
            .expect("an answer");
        assert_eq!(answer["a"], 1);
        let request = server.join().expect("a request");
        assert!(request.contains("4\r\na,b\n\r\n0\r\n\r\n"), "{request}");
    }

    #[test]
    fn a_refusal_says_what_the_server_said_and_never_the_token() {
        let (client, server) = server(
            "422 Unprocessable Entity",
            r#"{"message": "No.", "errors": [{"message": "line 3"}, "line 4"]}"#,
        );
        let error = client
            .delete::<Value>("x")
            .expect_err("refused")
            .to_string();
        server.join().expect("a request");
        assert_eq!(
            error,
            "the server answers 422 Unprocessable Entity: No.; line 3; line 4"
        );
    }

    #[test]
    fn an_empty_answer_is_null_and_no_server_is_an_error() {
        let (client, server) = server("204 No Content", "");
        assert_eq!(client.delete::<Value>("x").expect("an answer"), Value::Null);
        server.join().expect("a request");
        let error = client
            .get::<Value>("x")
            .expect_err("nobody listens any more")
            .to_string();
        assert!(
            error.starts_with("cannot reach http://127.0.0.1:"),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}
