//! Usage events in, over HTTP.

use super::*;
use serde_json::json;
use std::io::Write;
use tallybook::config::{EventLimits, Limits};

const EVENTS: &str = "/metering/v1/events";
const SKIP: &str = "/metering/v1/events?on_error=skip";
const NDJSON: &str = "application/x-ndjson";

/// A minute of `octo-org`, which `octo-ent` pays for.
fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/ci",
        "type": "usage",
        "time": "2025-11-20T10:00:00Z",
        "data": {"sku": "actions_linux", "quantity": 1, "organization": "octo-org"},
    })
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

async fn small(limits: Limits) -> Server {
    Server::with(HttpSettings {
        limits,
        ..HttpSettings::default()
    })
    .await
}

impl Server {
    async fn encoded(&self, coding: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(EVENTS)
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", content_type)
            .header("content-encoding", coding);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn send_as(&self, token: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(EVENTS)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let body = Body::from(body.to_string());
        self.send(request.body(body).unwrap()).await
    }
}

#[tokio::test]
async fn an_event_counts_once_in_every_format() {
    let server = Server::new().await;
    let one = event("1");
    let taken = server
        .post(EVENTS, "application/cloudevents+json", one.to_string())
        .await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    let seq = taken.json()["commits"][0]["seq"].as_u64().unwrap();
    let expected = json!({
        "accepted": 1,
        "duplicates": 0,
        "pending": 0,
        "rejected": [],
        "commits": [{"account": {"kind": "enterprise", "name": "octo-ent"}, "seq": seq}],
    });
    assert_eq!(taken.json(), expected);
    assert!(
        taken
            .text()
            .starts_with(r#"{"accepted":1,"duplicates":0,"pending":0,"#)
    );
    let array = format!("[{one}]");
    let bodies = [
        ("application/cloudevents+json", one.to_string()),
        ("application/cloudevents-batch+json", array.clone()),
        ("application/json", one.to_string()),
        ("application/json; charset=utf-8", array),
        (NDJSON, format!("\n{one}\n\n")),
    ];
    for (content_type, body) in bodies {
        let again = server.post(EVENTS, content_type, body).await;
        assert_eq!(
            again.status,
            StatusCode::OK,
            "{content_type}: {}",
            again.text()
        );
        assert_eq!(again.json()["duplicates"], 1, "{content_type}");
        assert_eq!(again.json()["accepted"], 0, "{content_type}");
    }
    for (content_type, body) in [("application/json", "[]"), (NDJSON, "\n")] {
        let nothing = server.post(EVENTS, content_type, body).await;
        assert_eq!(nothing.status, StatusCode::OK);
        assert_eq!(nothing.json()["accepted"], 0);
    }
}

#[tokio::test]
async fn bodies_may_be_compressed() {
    let server = Server::new().await;
    let body = lines(&[event("1"), event("2")]);
    let zstd = zstd::bulk::compress(body.as_bytes(), 1).unwrap();
    let gzip = gzip(body.as_bytes());
    let taken = server.encoded("zstd", NDJSON, zstd.clone()).await;
    assert_eq!(taken.json()["accepted"], 2, "{}", taken.text());
    let again = server.encoded("gzip", NDJSON, gzip.clone()).await;
    assert_eq!(again.json()["duplicates"], 2, "{}", again.text());
    let unknown = server.encoded("br", NDJSON, gzip.clone()).await;
    assert_eq!(unknown.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for (coding, whole) in [("gzip", gzip), ("zstd", zstd)] {
        let cut = whole[..whole.len() - 5].to_vec();
        let broken = server.encoded(coding, NDJSON, cut).await;
        assert_eq!(broken.status, StatusCode::BAD_REQUEST, "{coding}");
        let damaged = server.encoded(coding, NDJSON, b"{}".to_vec()).await;
        assert_eq!(damaged.status, StatusCode::BAD_REQUEST, "{coding}");
    }
}

#[tokio::test]
async fn what_decompresses_to_more_than_a_batch_is_refused() {
    let server = Server::new().await;
    let blank = vec![b'\n'; 40 << 20];
    let long = vec![b'x'; 40 << 20];
    for body in [blank, long] {
        for content_type in [NDJSON, "application/json"] {
            let bomb = zstd::bulk::compress(&body, 1).unwrap();
            assert!(bomb.len() < 100_000);
            let refused = server.encoded("zstd", content_type, bomb).await;
            assert_eq!(
                refused.status,
                StatusCode::PAYLOAD_TOO_LARGE,
                "{content_type}: {}",
                refused.text()
            );
            assert!(refused.text().contains("--limit-events-bytes"));
        }
    }
}

#[tokio::test]
async fn other_content_types_and_bodies_are_refused() {
    let server = Server::new().await;
    for content_type in ["text/plain", "text/csv", ""] {
        let answer = server.post(EVENTS, content_type, "{}").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    for body in ["", "{", "[{}", "nonsense"] {
        let answer = server.post(EVENTS, "application/json", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Problems parsing JSON"), "{message}");
    }
    let answer = server
        .post("/metering/v1/events?on_error=ignore", NDJSON, "")
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get(EVENTS).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_bad_event_refuses_all_or_is_left_out() {
    let server = Server::new().await;
    let mut bad = event("2");
    bad["data"]["quantity"] = (-1).into();
    let mut unknown = event("3");
    unknown["data"]["sku"] = "perpetual_motion".into();
    let body = lines(&[event("1"), bad.clone(), event("4")]);
    let refused = server.post(EVENTS, NDJSON, body.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = json!({
        "message": "1 of 3 events were rejected, so none was taken.",
        "accepted": 0,
        "duplicates": 0,
        "pending": 0,
        "rejected": [{
            "index": 1,
            "code": "invalid",
            "reason": "data.quantity: is negative; a correction is an event of type void or amend",
        }],
        "commits": [],
        "documentation_url": "/openapi.json",
        "status": "422",
    });
    assert_eq!(refused.json(), expected);
    // What the engine finds out is told in the same way.
    let refused = server
        .post(EVENTS, NDJSON, lines(&[event("1"), unknown.clone()]))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["rejected"][0]["code"], "unknown_sku");
    assert_eq!(refused.json()["rejected"][0]["index"], 1);

    let body = lines(&[unknown, event("1"), bad, event("4")]);
    let taken = server.post(SKIP, NDJSON, body).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    let answer = taken.json();
    // Nothing of the refused bodies had counted.
    assert_eq!(
        (answer["accepted"].clone(), answer["duplicates"].clone()),
        (2.into(), 0.into())
    );
    assert_eq!(answer["rejected"][0]["index"], 0);
    assert_eq!(answer["rejected"][1]["index"], 2);
    assert_eq!(answer.get("message"), None);
}

#[tokio::test]
async fn something_else_under_a_known_name_is_a_conflict() {
    let server = Server::new().await;
    server.post(EVENTS, NDJSON, lines(&[event("1")])).await;
    let mut other = event("1");
    other["data"]["quantity"] = 2.into();
    let refused = server
        .post(EVENTS, NDJSON, lines(&[event("2"), other.clone()]))
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    assert_eq!(refused.json()["rejected"][0]["code"], "conflict");
    assert_eq!(refused.json()["status"], "409");
    let skipped = server.post(SKIP, NDJSON, lines(&[event("2"), other])).await;
    assert_eq!(skipped.status, StatusCode::OK);
    assert_eq!(skipped.json()["accepted"], 1);
}

#[tokio::test]
async fn a_batch_spans_accounts_and_waits_for_targets() {
    let server = Server::new().await;
    let mut own = event("1");
    own["data"] = json!({"sku": "actions_linux", "quantity": "2.5", "user": "stranger"});
    let mut void = event("2");
    void["type"] = "void".into();
    void["data"] = json!({
        "target": {"source": "/ci", "id": "later"},
        "organization": "octo-org",
    });
    let body = Value::Array(vec![own, void]);
    let taken = server
        .post(EVENTS, "application/json", body.to_string())
        .await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    let answer = taken.json();
    assert_eq!(
        (answer["accepted"].clone(), answer["pending"].clone()),
        (2.into(), 1.into())
    );
    assert_eq!(answer["commits"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_batch_has_at_most_so_many_events() {
    let limits = Limits {
        events: 3,
        ..Limits::default()
    };
    let server = small(limits).await;
    let events: Vec<Value> = (0..4).map(|id| event(&id.to_string())).collect();
    let array = |count: usize| Value::Array(events[..count].to_vec()).to_string();
    for (path, content_type, body) in [
        (EVENTS, NDJSON, lines(&events)),
        (EVENTS, "application/json", array(4)),
        (SKIP, "application/json", array(4)),
    ] {
        let refused = server.post(path, content_type, body).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(
            refused.text().contains("(--limit-events)"),
            "{}",
            refused.text()
        );
    }
    let body = format!("{}\n\n", lines(&events[..3]));
    let taken = server.post(EVENTS, NDJSON, body).await;
    assert_eq!(taken.json()["accepted"], 3, "{}", taken.text());
    let taken = server.post(EVENTS, "application/json", array(3)).await;
    assert_eq!(taken.json()["duplicates"], 3, "{}", taken.text());
}

#[tokio::test]
async fn a_long_stream_is_answered_chunk_by_chunk() {
    let limits = Limits {
        events: 3,
        event: EventLimits {
            event_bytes: 1000,
            ..EventLimits::default()
        },
        ..Limits::default()
    };
    let server = small(limits).await;
    let mut events: Vec<Value> = (0..7).map(|id| event(&id.to_string())).collect();
    events[3]["type"] = "use".into();
    let body = format!("{}{}\n", lines(&events), "x".repeat(200_000));
    let answer = server.post(SKIP, NDJSON, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], NDJSON);
    let told: Vec<Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let summary: Vec<_> = told
        .iter()
        .map(|line| {
            (
                line["chunk"].as_u64(),
                line["first_line"].as_u64(),
                line["accepted"].as_u64(),
            )
        })
        .collect();
    let expected = [
        (Some(0), Some(0), Some(3)),
        (Some(1), Some(3), Some(2)),
        (Some(2), Some(6), Some(1)),
        (None, None, None),
    ];
    assert_eq!(summary, expected, "{}", answer.text());
    assert_eq!(told[1]["rejected"][0]["index"], 3);
    assert_eq!(told[2]["rejected"][0]["index"], 7);
    let reason = "has more than 1000 bytes (--limit-event-bytes)";
    assert_eq!(told[2]["rejected"][0]["reason"], reason);
    let total = json!({"total": {
        "chunks": 3, "accepted": 6, "duplicates": 0, "pending": 0, "rejected": 2,
    }});
    assert_eq!(told[3], total);
}

#[tokio::test]
async fn a_stream_ends_whatever_the_limits_are() {
    let limits = Limits {
        events: 0,
        events_bytes: 1,
        ..Limits::default()
    };
    let server = small(limits).await;
    let body = lines(&[event("1"), event("2")]);
    let answer = server.post(SKIP, NDJSON, body).await.text();
    let total = answer.lines().last().unwrap();
    assert!(
        total.starts_with(r#"{"total":{"chunks":2,"accepted":2,"#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_stream_that_breaks_off_has_no_total() {
    let limits = Limits {
        events: 1,
        ..Limits::default()
    };
    let server = small(limits).await;
    let whole = gzip(lines(&[event("1"), event("2"), event("3")]).as_bytes());
    let request = Request::builder()
        .method("POST")
        .uri(SKIP)
        .header("authorization", format!("Bearer {ADMIN}"))
        .header("content-type", NDJSON);
    // Longer than what is read at once, so that the first chunk comes before the end is seen.
    let padding = " ".repeat(200_000);
    let mut body = gzip(format!("{}\n{padding}\n{}\n", event("1"), event("2")).as_bytes());
    body.truncate(body.len() - 6);
    let request = request.header("content-encoding", "gzip");
    let answer = server.send(request.body(Body::from(body)).unwrap()).await;
    let text = answer.text();
    assert!(!text.contains("\"total\""), "{text}");
    assert!(
        text.lines().last().unwrap().contains("\"message\""),
        "{text}"
    );
    // Sending it again is safe.
    let again = server.encoded("gzip", NDJSON, whole).await;
    assert_eq!(again.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn bodies_beyond_the_memory_for_them_are_told_to_come_back() {
    let limits = Limits {
        events_memory: 128 << 10,
        ..Limits::default()
    };
    let server = small(limits).await;
    let body = lines(&vec![event("1"); 5_000]);
    let busy = server.post(EVENTS, NDJSON, body).await;
    assert_eq!(
        busy.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        busy.text()
    );
    assert_eq!(busy.headers["retry-after"], "1");
    assert!(busy.text().contains("--limit-events-memory"));
    // What was held is given back.
    for _ in 0..4 {
        let taken = server
            .post(EVENTS, NDJSON, lines(&vec![event("1"); 400]))
            .await;
        assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    }
}

#[tokio::test]
async fn a_sending_token_writes_for_its_accounts_and_reads_nothing() {
    let server = Server::new().await;
    let body = r#"{"metering_write":true,"accounts":["enterprise/octo-ent"],"sources":["/ci"]}"#;
    let token = server.token(body).await;
    let taken = server.send_as(&token, &event("1")).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    let mut elsewhere = event("2");
    elsewhere["source"] = "/other".into();
    let mut stranger = event("3");
    stranger["data"] = json!({"sku": "actions_linux", "quantity": 1, "user": "stranger"});
    for event in [elsewhere, stranger] {
        let refused = server.send_as(&token, &event).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.json()["rejected"][0]["code"], "unknown_payer");
    }
    let usage = "/enterprises/octo-ent/settings/billing/usage";
    let read = server.ask("GET", usage, &token, &[]).await;
    assert_eq!(read.status, StatusCode::NOT_FOUND);
    let owner = server
        .token(r#"{"user":"monalisa","scopes":["admin:enterprise"]}"#)
        .await;
    let refused = server.send_as(&owner, &event("4")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let list = server.get("/metering/v1/tokens").await.json();
    let sender = &list["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kind"] == "sender");
    assert_eq!(sender.unwrap()["accounts"], json!(["enterprise/octo-ent"]));
    assert_eq!(sender.unwrap()["sources"], json!(["/ci"]));
}

#[tokio::test]
async fn events_are_counted_without_names() {
    let server = Server::new().await;
    server
        .post(EVENTS, NDJSON, lines(&[event("1"), event("2")]))
        .await;
    server
        .post(SKIP, NDJSON, lines(&[event("1"), json!({})]))
        .await;
    let metrics = server.ask("GET", "/metrics", "", &[]).await.text();
    for line in [
        "tallybook_events_total{outcome=\"accepted\"} 2",
        "tallybook_events_total{outcome=\"duplicate\"} 1",
        "tallybook_events_total{outcome=\"rejected\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert!(!metrics.contains("octo"), "{metrics}");
}
