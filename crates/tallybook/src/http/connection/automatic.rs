//! What the HTTP library answers by itself, before there is a request: GitHub's body for it.
//!
//! Invariant: only an answer without a body is replaced that did not come through
//! [`super::super::frame`], which gives each of its answers an id; the connection ends after it.

use crate::http::endpoint::DOCUMENTATION;
use crate::http::error::ApiError;
use crate::http::{JSON, headers};
use axum::http::StatusCode;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// The head of such an answer is short: a status, a length of zero, a date.
const LONGEST: usize = 256;

/// An answer on its way instead of another one.
#[derive(Debug, Default)]
pub(super) struct Automatic(Option<Instead>);

#[derive(Debug)]
pub(super) struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// The length of what is not written.
    replaces: usize,
}

impl Automatic {
    /// What to write instead of `head`, until all of it is written.
    pub(super) fn replace(&mut self, head: &[u8]) -> Option<&mut Instead> {
        if self.0.as_ref().is_none_or(Instead::is_done) {
            self.0 = Instead::of(head);
        }
        self.0.as_mut()
    }
}

impl Instead {
    fn of(head: &[u8]) -> Option<Self> {
        let rest = head.strip_prefix(b"HTTP/1.1 ")?;
        let error = error(rest.get(..3)?)?;
        let text = std::str::from_utf8(head).ok()?;
        let is_automatic = text.len() <= LONGEST
            && text.ends_with("\r\n\r\n")
            && text.contains("content-length: 0\r\n")
            && !text.contains(headers::REQUEST_ID.as_str());
        let body = error.body(DOCUMENTATION);
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\
             cache-control: no-cache\r\nconnection: close\r\n\r\n",
            error.status,
            body.len()
        );
        is_automatic.then(|| Self {
            bytes: [head.as_bytes(), &body].concat(),
            written: 0,
            replaces: text.len(),
        })
    }

    fn is_done(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Writes all of it, and says then that what it replaces was written.
    pub(super) fn poll_write(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        while !self.is_done() {
            let rest = &self.bytes[self.written..];
            match ready!(stream.as_mut().poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        Poll::Ready(Ok(self.replaces))
    }
}

fn error(status: &[u8]) -> Option<ApiError> {
    let (status, message) = match status {
        b"400" => (StatusCode::BAD_REQUEST, "Problems parsing the request."),
        b"414" => (StatusCode::URI_TOO_LONG, "The path and query are too long."),
        b"431" => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too large, or more than 100.",
        ),
        _ => return None,
    };
    Some(ApiError::new(status, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &str) -> Option<String> {
        let instead = Instead::of(head.as_bytes())?;
        Some(String::from_utf8(instead.bytes).unwrap())
    }

    #[test]
    fn answers_of_the_library_get_a_body() {
        let head = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\
                    date: Sat, 21 Nov 2026 04:00:00 GMT\r\n\r\n";
        let answer = of(head).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
        let expected = concat!(
            r#"{"message":"The headers are too large, or more than 100.","#,
            r#""documentation_url":"https://docs.github.com/rest","status":"431"}"#
        );
        assert_eq!(body, expected);
    }

    #[test]
    fn answers_of_the_server_stay() {
        let ours = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\
                    x-github-request-id: 1:2:3\r\n\r\n";
        assert_eq!(of(ours), None);
        let beginning = "HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\n\r\n";
        assert_eq!(of(beginning), None);
        assert_eq!(of("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(of(r#"{"status":"431"}"#), None);
    }
}
