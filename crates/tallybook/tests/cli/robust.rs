//! Clients that send too much, too little or nonsense, over a socket.

use crate::program::{Program, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bytes as they are, and reads until the server closes: status and body of the answer.
fn send(server: &Server, bytes: &[u8]) -> (String, String) {
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("a server");
    // Only so that a server that never closes fails the test instead of hanging it.
    let patience = Some(Duration::from_secs(120));
    stream.set_read_timeout(patience).expect("a socket");
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server closes");
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    (status.to_owned(), body.to_owned())
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

#[test]
fn too_much_is_refused_with_github_s_body() {
    let program = Program::new();
    let variables = [("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret")];
    let server = program.start(&["serve", "--limit-body-bytes", "100"], &variables);
    // What is no request at all is answered by the HTTP library, without a body.
    let bare = |bytes: &[u8], status: &str| {
        let (line, body) = send(&server, bytes);
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
        assert_eq!(body, "");
    };
    let check = |bytes: &[u8], status: &str, message: &str| {
        let (line, body) = send(&server, bytes);
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
        let begin = format!("{{\"message\":\"{message}\",\"documentation_url\":");
        assert!(body.starts_with(&begin), "{body}");
        assert!(
            body.ends_with(&format!("\"status\":\"{status}\"}}")),
            "{body}"
        );
    };
    let url = |bytes: usize| get(&format!("/healthz?{}", "x".repeat(bytes)), "");
    let ours = "The path and query have more than 8192 bytes (--limit-url-bytes).";
    check(&url(10_000), "414", ours);
    bare(&url(70_000), "414");
    let header = |bytes: usize| get("/healthz", &format!("a: {}\r\n", "x".repeat(bytes)));
    let ours = "The headers have more than 32768 bytes (--limit-header-bytes).";
    check(&header(40_000), "431", ours);
    bare(&header(200_000), "431");
    bare(&get("/healthz", &"a: b\r\n".repeat(101)), "431");
    bare(b"nonsense\r\n\r\n", "400");
    let none = b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n";
    check(none, "400", "The Host header is missing.");
    let two = get("/healthz", "host: y\r\n");
    check(&two, "400", "There is more than one Host header.");
    let body = "x".repeat(101);
    let post = format!(
        "POST /metering/v1/apply HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer s3cret-s3cret\r\ncontent-length: 101\r\n\r\n{body}"
    );
    let large = "The body has more than 100 bytes (--limit-body-bytes).";
    check(post.as_bytes(), "413", large);
    assert_eq!(send(&server, &get("/healthz", "")).1, "ok\n");
}

#[test]
fn half_a_request_and_none_at_all_end_the_connection() {
    let program = Program::new();
    let words = ["serve", "--timeout-headers", "1", "--timeout-idle", "1"];
    let variables = [("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret")];
    let server = program.start(&words, &variables);
    assert_eq!(send(&server, b"GET / HT"), (String::new(), String::new()));
    assert_eq!(send(&server, b""), (String::new(), String::new()));
    let (status, _) = send(&server, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(
        status, "HTTP/1.1 200 OK",
        "kept alive, and closed in the end"
    );
    // It is read from while it waits for its answer, and must be read from once more.
    let usage = "GET /enterprises/nobody/settings/billing/usage HTTP/1.1\r\nhost: x\r\n\
                 authorization: Bearer s3cret-s3cret\r\n\r\n";
    let (status, _) = send(&server, usage.as_bytes());
    assert_eq!(status, "HTTP/1.1 404 Not Found", "closed in the end, too");
}

#[test]
fn half_a_body_is_told_so() {
    let program = Program::new();
    let variables = [("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret")];
    let server = program.start(&["serve", "--timeout-body", "1"], &variables);
    let import = "POST /metering/v1/users/someone/imports HTTP/1.1\r\nhost: x\r\n\
                  authorization: Bearer s3cret-s3cret\r\ncontent-type: text/csv\r\n\
                  content-length: 100000\r\n\r\ndate,product";
    let (status, body) = send(&server, import.as_bytes());
    assert_eq!(status, "HTTP/1.1 408 Request Timeout", "{body}");
    let reason = "less than 65536 bytes of the body came in 1 seconds (--timeout-body)";
    assert!(body.contains(reason), "{body}");
    let short = import.replace("100000", "100");
    let (status, body) = send(&server, short.as_bytes());
    assert_eq!(status, "HTTP/1.1 408 Request Timeout", "{body}");
    assert!(body.contains(reason), "{body}");
}

#[test]
fn more_connections_than_an_address_may_have_are_told_so() {
    let program = Program::new();
    let words = ["serve", "--limit-connections-per-address", "1"];
    let server = program.start(&words, &[("TALLYBOOK_ADMIN_TOKEN", "s3cret-s3cret")]);
    let address = server.url.trim_start_matches("http://");
    let mut first = TcpStream::connect(address).expect("a server");
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    first.write_all(request).expect("sent");
    let mut byte = [0];
    first.read_exact(&mut byte).expect("an answer");
    // The first one is still there, though nothing is asked on it.
    let (status, body) = send(&server, request);
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    let message = "Too many connections from your address: at most 1 are served \
                   (--limit-connections-per-address).";
    assert!(body.contains(message), "{body}");
    drop(first);
    let closed = get("/healthz", "");
    while send(&server, &closed).0 != "HTTP/1.1 200 OK" {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_half_closed_is_answered() {
    let program = Program::new();
    let server = program.start(&["serve"], &[]);
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("a server");
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("closed");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the server closes");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with('}'), "{answer}");
}
