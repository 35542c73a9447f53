//! Connections over pipes and a clock that jumps: clients that are slow, silent, or gone.

use super::*;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";
const CLOSE: &str = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const LONG_BYTES: usize = 1 << 20;
const AN_HOUR: Duration = Duration::from_secs(60 * 60);
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn router() -> Router {
    let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let slow = async || {
        sleep(AN_HOUR).await;
        "slow"
    };
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/echo", post(async |body: String| body))
        .route("/unread", post(async || "unread"))
        .route("/peer", get(peer))
        .route("/long", get(async || "x".repeat(LONG_BYTES)))
        .route("/slow", get(slow))
}

/// A connection that is served to its end.
struct Served {
    client: DuplexStream,
    serving: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Served {
    /// A connection whose pipe holds so many bytes.
    fn begin(pipe: usize) -> Self {
        let (client, server) = duplex(pipe);
        let limits = Limits::default();
        let connections = Connections::new(None, &limits, 1, TrustedProxies::default());
        let peer = SocketAddr::from(([192, 0, 2, 1], 7));
        let admitted = connections.admission.admit(peer.ip()).expect("a place");
        let shutdown = CancellationToken::new();
        let ends = shutdown.clone();
        let serving = tokio::spawn(async move {
            let client = Client { peer, admitted };
            let serving = connections.serve_stream(server, client, router(), ends);
            serving.await;
        });
        Self {
            client,
            serving,
            shutdown,
        }
    }

    async fn send(&mut self, bytes: &str) {
        self.client.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until an answer ends so.
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
        let mut rest = Vec::new();
        let read = timeout(A_DAY, self.client.read_to_end(&mut rest)).await;
        read.expect("the server closes").unwrap();
        self.serving.await.unwrap();
        (String::from_utf8(rest).unwrap(), began.elapsed())
    }
}

/// Whether it was so long, to the second.
#[track_caller]
fn assert_lasted(lasted: Duration, expected: Duration) {
    assert!(
        (expected..expected + Duration::from_secs(1)).contains(&lasted),
        "{lasted:?} instead of {expected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let (rest, lasted) = Served::begin(1024).rest().await;
    assert_eq!(rest, "");
    assert_lasted(lasted, Limits::default().idle);
    for path in ["/hello", "/slow"] {
        let mut served = Served::begin(1024);
        served.send(&HELLO.replace("/hello", path)).await;
        served.read_to(&path.replace('/', "\r\n\r\n")).await;
        let (rest, lasted) = served.rest().await;
        assert_eq!(rest, "");
        assert_lasted(lasted, Limits::default().idle);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_given_up() {
    let limits = Limits::default();
    let mut served = Served::begin(1024);
    sleep(limits.idle / 2).await;
    served.send("GET /he").await;
    let (rest, lasted) = served.rest().await;
    assert_eq!(rest, "");
    assert_lasted(lasted, limits.headers);

    let mut served = Served::begin(1024);
    served.send(HELLO).await;
    served.read_to("\r\n\r\nhello").await;
    sleep(limits.idle / 2).await;
    served.send("P").await;
    assert_lasted(served.rest().await.1, limits.headers);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let mut served = Served::begin(1024);
    let began = tokio::time::Instant::now();
    while served.client.write_all(b"G").await.is_ok() {
        sleep(Limits::default().headers / 10).await;
        assert!(began.elapsed() < AN_HOUR);
    }
    let lasted = began.elapsed();
    assert!(lasted < Limits::default().headers * 2, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_of_one_connection_are_answered_one_after_the_other() {
    let mut served = Served::begin(LONG_BYTES * 2);
    served.send(&HELLO.repeat(40)).await;
    for _ in 0..40 {
        served.read_to("\r\n\r\nhello").await;
    }
    for _ in 0..3 {
        sleep(Limits::default().idle / 2).await;
        served.send(&HELLO.replace("/hello", "/peer")).await;
        served.read_to("\r\n\r\n192.0.2.1:7").await;
        let post = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n";
        served.send(post).await;
        // Between head and body it is the request's deadlines that count, not the connection's.
        sleep(Limits::default().idle * 2).await;
        served.send("body").await;
        served.read_to("\r\n\r\nbody").await;
        served.send(&HELLO.replace("/hello", "/long")).await;
        served.send(HELLO).await;
        let answers = served.read_to("\r\n\r\nhello").await;
        assert!(answers.contains(&"x".repeat(LONG_BYTES)));
    }
    served.send(CLOSE).await;
    assert!(served.rest().await.0.ends_with("\r\n\r\nhello"));
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_no_request() {
    let mut served = Served::begin(1 << 16);
    let head = "POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    served.send(head).await;
    served.read_to("\r\n\r\nunread").await;
    // The server has closed, or has read this as the body that was announced.
    let sent = served.client.write_all(HELLO.as_bytes()).await;
    let (rest, _) = served.rest().await;
    assert!(!rest.contains("hello"), "{sent:?} {rest}");
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_client_gets_its_answer() {
    for path in ["/hello", "/slow"] {
        let mut served = Served::begin(1024);
        served.send(&HELLO.replace("/hello", path)).await;
        served.client.shutdown().await.unwrap();
        let (answer, _) = served.rest().await;
        let end = path.replace('/', "\r\n\r\n");
        assert!(answer.ends_with(&end), "{path}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_connection() {
    for before in ["", "GET /he", HELLO] {
        let mut served = Served::begin(1024);
        served.send(before).await;
        sleep(Duration::from_millis(1)).await;
        drop(served.client);
        let ended = timeout(Duration::from_secs(1), served.serving).await;
        ended.expect("it ends at once").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_or_a_byte_now_and_then_is_given_up() {
    let mut served = Served::begin(1024);
    served.send(&HELLO.replace("/hello", "/long")).await;
    let ended = timeout(AN_HOUR, served.serving).await;
    ended.expect("it is given up").unwrap();

    let mut served = Served::begin(1024);
    served.send(&HELLO.replace("/hello", "/long")).await;
    let mut count = 0;
    while timeout(AN_HOUR, served.client.read_u8())
        .await
        .unwrap()
        .is_ok()
    {
        count += 1;
        sleep(Duration::from_millis(700)).await;
    }
    assert!(count < LONG_BYTES / 2, "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_steady_client_may_take_any_time() {
    let mut served = Served::begin(1024);
    served.send(&CLOSE.replace("/hello", "/long")).await;
    let mut buffer = [0; 1024];
    let mut count = 0;
    while let Ok(more @ 1..) = served.client.read(&mut buffer).await {
        count += more;
        sleep(Duration::from_millis(500)).await;
    }
    assert!(count > LONG_BYTES, "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_what_waits_and_answers_what_is_in_progress() {
    for before in ["", HELLO, "GET /he"] {
        let mut served = Served::begin(1024);
        served.send(before).await;
        if before == HELLO {
            served.read_to("\r\n\r\nhello").await;
        }
        sleep(Duration::from_millis(1)).await;
        served.shutdown.cancel();
        let (rest, lasted) = served.rest().await;
        let most = match before {
            "GET /he" => Limits::default().headers,
            _ => Duration::ZERO,
        };
        assert_eq!(rest, "");
        assert!(lasted <= most, "{before}: {lasted:?}");
    }
    let mut served = Served::begin(1024);
    served.send(&HELLO.replace("/hello", "/slow")).await;
    sleep(Duration::from_secs(1)).await;
    served.shutdown.cancel();
    let (answer, _) = served.rest().await;
    assert!(answer.ends_with("\r\n\r\nslow"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn http_2_is_refused_at_once() {
    // The preface and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
    let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for size in [1, 10, 24, begin.len()] {
        let mut served = Served::begin(1024);
        for piece in begin.chunks(size) {
            // The rest of it may come too late.
            let _ = served.client.write_all(piece).await;
            sleep(Duration::from_millis(1)).await;
        }
        let (answer, lasted) = served.rest().await;
        let is_error = answer.starts_with("HTTP/1.1 400 ");
        assert!(answer.is_empty() || is_error, "{answer}");
        assert_lasted(lasted, Duration::ZERO);
    }
}

#[tokio::test]
async fn a_head_that_is_none_is_400() {
    let mut served = Served::begin(1024);
    served.send("nonsense\r\n\r\n").await;
    let (answer, _) = served.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
}
