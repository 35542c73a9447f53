//! Tests of [`super`], over pipes and a clock that jumps.

use super::*;
use axum::body::Body;
use axum::http::{Request, Response, Version};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{sleep, timeout};
use tower::Service;

mod parking;

const PATIENCE: Patience = Patience {
    headers: Duration::from_secs(30),
    idle: Duration::from_secs(120),
    write: Duration::from_secs(60),
};
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone)]
struct Answering;

impl Service<Request<Body>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(Body::from("answer"))))
    }
}

/// The client's end, and what the server has of it.
fn connection(buffer: usize) -> (DuplexStream, Stream<DuplexStream>, Counted<Answering>) {
    let (client, server) = duplex(buffer);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let (stream, service) = watched(server, Answering, address, PATIENCE);
    (client, stream, service)
}

/// Reads until the end, or until it is given up.
async fn read_all(stream: &mut Stream<DuplexStream>) -> (usize, ErrorKind) {
    let mut count = 0;
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return (count, ErrorKind::UnexpectedEof),
            Ok(more) => count += more,
            Err(error) => return (count, error.kind()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let (_client, mut stream, _) = connection(1024);
    let started = tokio::time::sleep(PATIENCE.idle - Duration::from_secs(1));
    let read = read_all(&mut stream);
    tokio::pin!(read, started);
    tokio::select! {
        _ = &mut read => panic!("closed too early"),
        () = started => {}
    }
    assert_eq!(timeout(A_DAY, read).await, Ok((0, ErrorKind::TimedOut)));
}

#[tokio::test(start_paused = true)]
async fn headers_byte_by_byte_are_given_up() {
    let (mut client, mut stream, _) = connection(1024);
    let sending = tokio::spawn(async move {
        while client.write_all(b"G").await.is_ok() {
            sleep(PATIENCE.headers / 10).await;
        }
    });
    let (count, kind) = timeout(A_DAY, read_all(&mut stream)).await.unwrap();
    assert_eq!(kind, ErrorKind::TimedOut);
    assert!((9..=11).contains(&count), "{count}");
    drop(stream);
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_silent_while_a_request_is_under_way() {
    let (mut client, mut stream, service) = connection(1024);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 18);
    let response = service.answer(Request::new(Body::empty())).await.unwrap();
    let silent = timeout(A_DAY, stream.read(&mut buffer)).await;
    assert!(silent.is_err(), "the answer is not taken yet");
    drop(response);
    // Answered: it may now be idle, which is longer than it may take for headers.
    let early = timeout(PATIENCE.headers * 2, stream.read(&mut buffer)).await;
    assert!(early.is_err());
    let closed = timeout(A_DAY, read_all(&mut stream)).await;
    assert_eq!(closed, Ok((0, ErrorKind::TimedOut)));
}

#[tokio::test(start_paused = true)]
async fn what_http_2_sends_between_requests_is_no_header() {
    let (mut client, mut stream, service) = connection(1024);
    let mut request = Request::new(Body::empty());
    *request.version_mut() = Version::HTTP_2;
    drop(service.answer(request).await.unwrap());
    let sending = tokio::spawn(async move {
        for _ in 0..10 {
            client.write_all(b"ping").await.unwrap();
            sleep(PATIENCE.headers).await;
        }
        client
    });
    let closed = timeout(A_DAY, read_all(&mut stream)).await;
    assert_eq!(closed, Ok((40, ErrorKind::TimedOut)));
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_or_a_byte_now_and_then_is_given_up() {
    let (client, mut stream, _) = connection(1024);
    let written = timeout(A_DAY, stream.write_all(&[0; 4096])).await.unwrap();
    assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
    drop(client);

    let (mut client, mut stream, _) = connection(1024);
    tokio::spawn(async move {
        while client.read_u8().await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let written = timeout(A_DAY, stream.write_all(&[0; 4096])).await.unwrap();
    assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_steady_client_may_take_any_time() {
    let (mut client, mut stream, _) = connection(1024);
    let reading = tokio::spawn(async move {
        let mut buffer = [0; 1024];
        let mut count = 0;
        while let Ok(more @ 1..) = client.read(&mut buffer).await {
            count += more;
            sleep(Duration::from_millis(500)).await;
        }
        count
    });
    stream.write_all(&[0; 1 << 20]).await.unwrap();
    drop(stream);
    assert_eq!(reading.await.unwrap(), 1 << 20);
}

#[tokio::test]
async fn an_automatic_answer_is_written_with_its_body() {
    let (mut client, mut stream, _) = connection(16);
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    });
    let head = b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(head).await.unwrap();
    drop(stream);
    let text = reading.await.unwrap();
    assert!(text.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{text}");
    assert!(text.ends_with(r#""status":"414"}"#), "{text}");
}
