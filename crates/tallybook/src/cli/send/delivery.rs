//! Delivers one batch: to a server with retries, or into a directory's engine.
//!
//! Invariant: resending events that may have been accepted is safe, because an event counts once.
//! Only transient failures are retried: no answer, 429, 502, 503 and 504, with growing, randomized
//! pauses that are at least as long as the server asks for.

use super::batches::Batch;
use crate::cli::client::{Answer, Client, ClientError};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::engine::metering::{Allowed, OnError, Submission, SubmitError};
use crate::events::answer::{refused, taken};
use crate::events::{self, Format, Lengths};
use crate::wire::events::EventsAnswer;
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The first pause is at most this long, and each next one twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where batches go.
pub(super) enum Delivery {
    /// To a server.
    Server {
        /// How it is asked.
        client: Client,
        /// How it is asked again.
        backoff: Backoff,
    },
    /// Into a directory.
    Engine {
        /// Its engine.
        engine: Arc<Engine>,
        /// The engine's runtime.
        runtime: Runtime,
        /// What time it is.
        clock: Clock,
        /// How long events may be.
        lengths: Lengths,
    },
}

impl Delivery {
    /// Delivers a batch and returns the outcome; refused batches have a message.
    pub(super) fn deliver(&self, batch: &Batch, skip: bool) -> anyhow::Result<EventsAnswer> {
        match self {
            Self::Server { client, backoff } => {
                let path = if skip {
                    "events?on_error=skip"
                } else {
                    "events"
                };
                let body = zstd::bulk::compress(&batch.lines, zstd::DEFAULT_COMPRESSION_LEVEL);
                let body = body.context("cannot compress")?;
                send(client, backoff, path, &body)
            }
            Self::Engine {
                engine,
                runtime,
                clock,
                lengths,
            } => runtime.block_on(submit(engine, (clock, *lengths), batch, skip)),
        }
    }
}

impl Delivery {
    /// Waits for what is still being stored, so that the next start is quick.
    pub(super) fn finish(&self) {
        if let Self::Engine {
            engine, runtime, ..
        } = self
        {
            runtime.block_on(engine.settle());
        }
    }
}

const HEADERS: [(&str, &str); 2] = [
    ("Content-Type", "application/x-ndjson"),
    ("Content-Encoding", "zstd"),
];

fn send(
    client: &Client,
    backoff: &Backoff,
    path: &str,
    body: &[u8],
) -> anyhow::Result<EventsAnswer> {
    let mut attempt = 0;
    loop {
        let answered = client.deliver(path, &HEADERS, body);
        let (error, wanted) = match answered {
            Ok(answer) if is_final(answer.status.as_u16()) => return read(&answer),
            Ok(answer) if !may_pass(answer.status.as_u16()) => {
                return Err(Client::refusal(&answer).into());
            }
            Ok(answer) => (Client::refusal(&answer), answer.retry_after),
            Err(error @ ClientError::Unreachable { .. }) => (error, None),
            Err(error) => return Err(error.into()),
        };
        let Some(pause) = backoff.pause(attempt, wanted)? else {
            return Err(error).context(format!("gave up after {} attempts", attempt + 1));
        };
        tracing::warn!(%error, "sending again in {} ms", pause.as_millis());
        std::thread::sleep(pause);
        attempt += 1;
    }
}

/// Whether an answer states the outcome of the events.
const fn is_final(status: u16) -> bool {
    matches!(status, 200 | 409 | 422)
}

/// Whether a retry may be answered differently.
const fn may_pass(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

fn read(answer: &Answer) -> anyhow::Result<EventsAnswer> {
    serde_json::from_str(&answer.text).context("the server's answer cannot be read")
}

/// Pauses between attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    retries: u32,
}

impl Backoff {
    pub(super) const fn new(retries: u32) -> Self {
        Self { retries }
    }

    /// The pause after an attempt, from 0, that failed; `None` when it was the last.
    fn pause(self, attempt: u32, wanted: Option<Duration>) -> anyhow::Result<Option<Duration>> {
        if attempt >= self.retries {
            return Ok(None);
        }
        let chance = getrandom::u32().context("no random numbers for a pause")?;
        Ok(Some(pause(attempt, wanted, chance)))
    }
}

/// A random pause up to a limit that doubles each time, so that many senders do not return at once;
/// never shorter than the server asks for.
fn pause(attempt: u32, wanted: Option<Duration>, chance: u32) -> Duration {
    let factor = 2u32.saturating_pow(attempt);
    let longest = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    let millis = longest.as_millis() * u128::from(chance) / u128::from(u32::MAX);
    let jitter = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    wanted.unwrap_or_default().saturating_add(jitter)
}

/// Accepts a batch as a server would, without a server.
async fn submit(
    engine: &Arc<Engine>,
    (clock, lengths): (&Clock, Lengths),
    batch: &Batch,
    skip: bool,
) -> anyhow::Result<EventsAnswer> {
    let events = events::read(Format::Lines, &batch.lines, lengths, usize::MAX)?;
    let sent = events.count();
    if !skip && !events.bad.is_empty() {
        return Ok(refused(events.bad, sent));
    }
    let submission = Submission {
        events: events.good,
        on_error: if skip { OnError::Skip } else { OnError::Reject },
        allowed: Allowed::default(),
    };
    match engine.submit(clock.now()?, submission).await {
        Ok(receipt) => Ok(taken(receipt, events.bad)),
        Err(SubmitError::Rejected(receipt)) => Ok(refused(receipt.rejected, sent)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PublicUrl;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::ops::ControlFlow;

    /// Answers each request with the next answer, and returns the decompressed bodies received.
    fn server(answers: Vec<Sent>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serve = move |(status, answer): Sent| {
            let (stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut line, mut length) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).expect("a line");
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            if !status.is_empty() {
                let length = answer.len();
                write!(
                    &stream,
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n\
                     {answer}"
                )
                .expect("sent");
            }
            let body = zstd::stream::decode_all(&*body).expect("zstd");
            String::from_utf8(body).expect("UTF-8")
        };
        let bodies = move || answers.into_iter().map(serve).collect();
        (url, std::thread::spawn(bodies))
    }

    /// A status with a header, and a body.
    type Sent = (&'static str, &'static str);

    const BUSY: Sent = ("503 x\r\nRetry-After: 0", r#"{"message":"busy"}"#);
    /// The connection closes before there is an answer.
    const NOTHING: Sent = ("", "");
    const TAKEN: Sent = (
        "200 OK",
        r#"{"accepted":0,"duplicates":2,"pending":0,"rejected":[],"commits":[]}"#,
    );
    const REFUSED: Sent = ("403 x", r#"{"message":"No."}"#);

    fn deliver(url: &str, retries: u32) -> anyhow::Result<EventsAnswer> {
        let delivery = Delivery::Server {
            client: Client::new(PublicUrl::parse(url).expect("a URL"), "t"),
            backoff: Backoff::new(retries),
        };
        let mut answer = None;
        super::super::batches::each("{}\n{}".as_bytes(), 9, |batch| {
            answer = Some(delivery.deliver(&batch, false));
            Ok(ControlFlow::Continue(()))
        })?;
        answer.expect("one batch")
    }

    #[test]
    fn what_got_no_answer_is_sent_again_until_it_has_one() {
        let (url, server) = server(vec![BUSY, NOTHING, TAKEN]);
        let answer = deliver(&url, 5).expect("an answer");
        assert_eq!(answer.duplicates, 2);
        let bodies = server.join().expect("bodies");
        assert_eq!(bodies, ["{}\n{}\n"; 3]);
    }

    #[test]
    fn what_cannot_pass_is_not_sent_again() {
        let (url, one) = server(vec![REFUSED]);
        let error = deliver(&url, 5).expect_err("refused");
        assert!(error.to_string().contains("403"), "{error}");
        one.join().expect("bodies");
        let (url, two) = server(vec![BUSY, BUSY]);
        let error = deliver(&url, 1).expect_err("busy for ever");
        assert_eq!(error.to_string(), "gave up after 2 attempts");
        two.join().expect("bodies");
    }

    #[test]
    fn pauses_grow_differ_and_are_as_long_as_the_server_wants() {
        let millis = |attempt, chance| pause(attempt, None, chance).as_millis();
        assert_eq!(millis(0, 0), 0);
        assert_eq!(millis(0, u32::MAX), 250);
        assert_eq!(millis(3, u32::MAX), 2000);
        assert_eq!(millis(99, u32::MAX), 30_000);
        let wanted = Some(Duration::from_secs(60));
        assert_eq!(pause(0, wanted, u32::MAX).as_millis(), 60_250);
        let last = Backoff::new(2).pause(2, wanted).expect("random numbers");
        assert_eq!(last, None);
    }
}
