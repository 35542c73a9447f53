//! Connections that wait for their next request: parked, and served as if they had not been.

use super::*;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use serving::LINGER;
use std::future::pending;
use std::pin::{Pin, pin};
use tokio::io::ReadBuf;
use tokio::task::JoinHandle;

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";
const CLOSE: &str = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const LONG: usize = 1 << 20;
/// Longer than any answer of these takes, shorter than any patience.
const A_WHILE: Duration = Duration::from_secs(15);

fn router() -> Router {
    let client = async |ConnectInfo(client): ConnectInfo<SocketAddr>| client.to_string();
    let streamed = async || {
        let pieces = ["one", "two"].map(Ok::<_, Infallible>);
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    let slow = async || {
        sleep(Duration::from_secs(10)).await;
        "slow"
    };
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/echo", post(async |body: String| body))
        .route("/unread", post(async || "unread"))
        .route("/client", get(client))
        .route("/long", get(async || "x".repeat(LONG)))
        .route("/streamed", get(streamed))
        .route("/slow", get(slow))
}

fn serving(lingering: usize) -> Serving {
    let http2 = http2::Builder::new(TokioExecutor::new());
    Serving::new(http1::Builder::new(), http2, lingering)
}

/// The client's end, and what the server has of it.
fn routed(buffer: usize) -> (DuplexStream, Stream<DuplexStream>, Counted<Router>) {
    let (client, server) = duplex(buffer);
    let address = SocketAddr::from(([192, 0, 2, 1], 7));
    let (stream, service) = watched(server, router(), address, PATIENCE);
    (client, stream, service)
}

/// Gives what `bytes` ask to the library until the connection is parked: what was answered, and what
/// was read and not used. Nothing when it is not parked.
async fn parked_after(bytes: &str) -> Option<(String, String)> {
    let (mut client, stream, service) = routed(4 * LONG);
    client.write_all(bytes.as_bytes()).await.unwrap();
    let lively = serving(0).lively(stream, service);
    let parked = timeout(A_WHILE, lively.serve(pin!(pending()))).await;
    let stream = parked.ok().flatten()?;
    let unused = String::from_utf8(stream.before().to_vec()).unwrap();
    drop(stream);
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    Some((answers, unused))
}

/// A connection that is served to its end.
struct Served {
    client: DuplexStream,
    serving: JoinHandle<()>,
    ending: CancellationToken,
}

impl Served {
    fn begin(buffer: usize, lingering: usize) -> Self {
        let (client, stream, service) = routed(buffer);
        let ending = CancellationToken::new();
        let ended = ending.clone().cancelled_owned();
        let serving = serving(lingering);
        let serving = tokio::spawn(async move { serving.serve(stream, service, ended).await });
        Self {
            client,
            serving,
            ending,
        }
    }

    async fn send(&mut self, bytes: &str) {
        self.client.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until the answer ends so.
    async fn read_to(&mut self, end: &str) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let byte = timeout(A_DAY, self.client.read_u8()).await.unwrap();
            answer.push(byte.expect("an answer"));
        }
        String::from_utf8(answer).unwrap()
    }

    /// What still comes until the server closes, and how long that takes.
    async fn rest(mut self) -> (String, Duration) {
        let began = tokio::time::Instant::now();
        let mut rest = String::new();
        let read = timeout(A_DAY, self.client.read_to_string(&mut rest)).await;
        read.expect("the server closes").unwrap();
        self.serving.await.unwrap();
        (rest, began.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_to_its_end_is_parked() {
    let requests = [
        HELLO,
        "HEAD /hello HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /streamed HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /long HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        "POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ];
    for request in requests {
        let Some((answer, unused)) = parked_after(request).await else {
            panic!("{request} is not parked");
        };
        assert!(answer.starts_with("HTTP/1."), "{answer}");
        assert_eq!(unused, "");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_more_to_do_or_is_to_be_closed_is_not_parked() {
    let requests = [
        "",
        "GET /hel",
        CLOSE,
        "GET /hello HTTP/1.0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbo",
        // Answered, but the rest of the body would be taken for a head.
        "POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbo",
        "POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
        "nonsense\r\n\r\n",
    ];
    for request in requests {
        assert_eq!(parked_after(request).await, None, "{request}");
    }
}

/// A pipe whose end never comes to be said.
struct Unending(DuplexStream);

impl AsyncRead for Unending {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Unending {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_being_closed_is_not_parked() {
    let (mut client, server) = duplex(1024);
    let address = SocketAddr::from(([192, 0, 2, 1], 7));
    let (stream, service) = watched(Unending(server), router(), address, PATIENCE);
    client.write_all(CLOSE.as_bytes()).await.unwrap();
    let lively = serving(0).lively(stream, service);
    let parked = timeout(A_WHILE, lively.serve(pin!(pending()))).await;
    assert!(parked.is_err(), "it waits for the end");
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_are_all_answered_and_a_half_one_is_kept() {
    let (answers, unused) = parked_after(&format!("{HELLO}{HELLO}GET /he"))
        .await
        .unwrap();
    assert_eq!(answers.matches("\r\n\r\nhello").count(), 2, "{answers}");
    assert_eq!(unused, "GET /he");
    let slow = HELLO.replace("/hello", "/slow");
    let (answers, _) = parked_after(&format!("{HELLO}{slow}")).await.unwrap();
    assert!(answers.ends_with("\r\n\r\nslow"), "{answers}");

    for lingering in [0, 1] {
        let mut served = Served::begin(1 << 16, lingering);
        served.send(&format!("{}GET /cli", HELLO.repeat(40))).await;
        for _ in 0..40 {
            served.read_to("\r\n\r\nhello").await;
        }
        sleep(PATIENCE.headers / 2).await;
        served.send("ent HTTP/1.1\r\nhost: x\r\n\r\n").await;
        served.read_to("\r\n\r\n192.0.2.1:7").await;
        served.send(CLOSE).await;
        assert!(served.rest().await.0.ends_with("\r\n\r\nhello"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_connection_answers_whatever_comes_next() {
    let mut served = Served::begin(1024, 0);
    for _ in 0..3 {
        served.send(HELLO).await;
        served.read_to("\r\n\r\nhello").await;
        sleep(PATIENCE.idle / 2).await;
        // A head of which the beginning comes alone, and a body in two pieces.
        served.send("P").await;
        sleep(PATIENCE.headers / 2).await;
        served
            .send("OST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbo")
            .await;
        sleep(A_WHILE).await;
        served.send("dy").await;
        served.read_to("\r\n\r\nbody").await;
        sleep(PATIENCE.idle / 2).await;
        // A head that is longer than what is read at first.
        let long = HELLO.replace("host: x", &format!("host: x\r\na: {}", "x".repeat(10_000)));
        served.send(&long).await;
        served.read_to("\r\n\r\nhello").await;
        // An answer that the client takes slowly, and another request before it has it.
        served.send("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
        served.send(HELLO).await;
        let answer = served.read_to("\r\n\r\nhello").await;
        assert!(answer.contains(&"x".repeat(LONG)));
    }
    served.send(CLOSE).await;
    assert!(served.rest().await.0.ends_with("\r\n\r\nhello"));
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_no_request() {
    let mut served = Served::begin(1 << 16, 0);
    let head = "POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    served.send(head).await;
    served.read_to("\r\n\r\nunread").await;
    // The server has closed, or has read this as the body that was announced.
    let sent = served.client.write_all(HELLO.as_bytes()).await;
    let (rest, _) = served.rest().await;
    assert!(!rest.contains("hello"), "{sent:?} {rest}");
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_head_are_given_up_after_an_answer_too() {
    for lingering in [0, 1] {
        for path in ["/hello", "/slow"] {
            let mut served = Served::begin(1024, lingering);
            served.send(&HELLO.replace("/hello", path)).await;
            served.read_to(&path.replace('/', "\r\n\r\n")).await;
            let (rest, lasted) = served.rest().await;
            assert_eq!(rest, "");
            let most = PATIENCE.idle + 3 * LINGER;
            assert!((PATIENCE.idle..most).contains(&lasted), "{lasted:?}");
        }
        for half in ["GET /he", "P"] {
            let mut served = Served::begin(1024, lingering);
            served.send(&format!("{HELLO}{half}")).await;
            served.read_to("\r\n\r\nhello").await;
            let (rest, lasted) = served.rest().await;
            let most = PATIENCE.headers + 3 * LINGER;
            assert_eq!(rest, "");
            assert!(
                (PATIENCE.headers..most).contains(&lasted),
                "{half}: {lasted:?}"
            );

            let mut served = Served::begin(1024, lingering);
            served.send(HELLO).await;
            served.read_to("\r\n\r\nhello").await;
            sleep(PATIENCE.idle / 2).await;
            served.send(half).await;
            let (rest, lasted) = served.rest().await;
            assert_eq!((rest.as_str(), lasted), ("", PATIENCE.headers), "{half}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_closes_what_waits_and_answers_what_is_under_way() {
    for lingering in [0, 1] {
        for before in ["", "GET /he", HELLO] {
            let mut served = Served::begin(1024, lingering);
            served.send(before).await;
            if before == HELLO {
                served.read_to("\r\n\r\nhello").await;
            }
            sleep(Duration::from_millis(1)).await;
            served.ending.cancel();
            let (rest, lasted) = served.rest().await;
            let most = if before == "GET /he" {
                PATIENCE.headers
            } else {
                Duration::ZERO
            };
            assert_eq!(rest, "");
            assert!(lasted <= most, "{before}: {lasted:?}");
        }
        let mut served = Served::begin(1024, lingering);
        served.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        sleep(Duration::from_secs(1)).await;
        served.ending.cancel();
        assert!(served.rest().await.0.ends_with("\r\n\r\nslow"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_connection() {
    for lingering in [0, 1] {
        let mut served = Served::begin(1024, lingering);
        served.send(HELLO).await;
        served.read_to("\r\n\r\nhello").await;
        let Served {
            client,
            serving,
            ending,
        } = served;
        drop(client);
        timeout(LINGER, serving)
            .await
            .expect("it ends at once")
            .unwrap();
        drop(ending);
    }
}

#[tokio::test(start_paused = true)]
async fn buffers_are_kept_for_a_while_when_there_is_a_place() {
    let serving = serving(1);
    let mut never = pin!(pending());
    let (mut client, stream, service) = routed(1024);
    client.write_all(HELLO.as_bytes()).await.unwrap();
    let lively = serving.lively(stream, service);
    let mut first = pin!(lively.serve(never.as_mut()));
    assert!(
        timeout(LINGER / 2, first.as_mut()).await.is_err(),
        "it has the place"
    );

    let (mut other, stream, service) = routed(1024);
    other.write_all(HELLO.as_bytes()).await.unwrap();
    let lively = serving.lively(stream, service);
    let second = timeout(LINGER / 2, lively.serve(pin!(pending()))).await;
    assert!(second.expect("there is no second place").is_some());

    // A connection on which requests come keeps it.
    for _ in 0..5 {
        client.write_all(HELLO.as_bytes()).await.unwrap();
        assert!(timeout(LINGER / 2, first.as_mut()).await.is_err());
    }
    let parked = timeout(3 * LINGER, first.as_mut()).await;
    assert!(parked.expect("silent for too long").is_some());
}

#[tokio::test(start_paused = true)]
async fn http_2_is_known_by_how_it_begins() {
    // The preface and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
    let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for size in [1, 10, begin.len()] {
        let mut served = Served::begin(1024, 0);
        for piece in begin.chunks(size) {
            served.client.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        let mut head = [0; 9];
        served.client.read_exact(&mut head).await.unwrap();
        assert_eq!(head[3], 4, "a SETTINGS frame");
    }
    let mut served = Served::begin(1024, 0);
    served
        .send("PRI /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let (rest, _) = served.rest().await;
    assert!(rest.starts_with("HTTP/1.1 405"), "{rest}");
}
