//! What bounds an import over HTTP, how its body may come, and files that state the same usage.

use super::*;
use axum::body::Bytes;
use std::io::Write;
use std::time::Duration;
use tallybook::config::Limits;

const IMPORTS: &str = "/metering/v1/enterprises/octo-ent/imports";
const HEADER: &str = "date,product,sku,quantity,unit_type,applied_cost_per_quantity,gross_amount,\
                      discount_amount,net_amount,username,organization,repository,workflow_path,\
                      cost_center_name";

fn detailed(lines: &[&str]) -> String {
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

/// A line of a minute of `sku` in a repository of octo-org.
fn line(day: &str, sku: &str, repository: &str) -> String {
    format!("{day},actions,{sku},1,minutes,0.008,0.008,0,0.008,monalisa,octo-org,{repository},,")
}

fn form(files: &[(&str, String)]) -> String {
    let part = |(name, text): &(&str, String)| {
        let head = "Content-Disposition: form-data; name=\"file\"; filename=";
        format!("--X\r\n{head}\"{name}\"\r\n\r\n{text}\r\n")
    };
    let parts: String = files.iter().map(part).collect();
    format!("{parts}--X--\r\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn with_limits(limits: Limits) -> Server {
    Server::with(HttpSettings {
        limits,
        ..HttpSettings::default()
    })
    .await
}

async fn post_form(server: &Server, query: &str, files: &[(&str, String)]) -> Answer {
    let path = format!("{IMPORTS}{query}");
    let content_type = "multipart/form-data; boundary=X";
    server.post(&path, content_type, form(files)).await
}

async fn post_encoded(server: &Server, encoding: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri(IMPORTS)
        .header("authorization", format!("Bearer {ADMIN}"))
        .header("content-type", kind)
        .header("content-encoding", encoding);
    server.send(request.body(Body::from(body)).unwrap()).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    let told = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(told.contains(message), "{told}");
}

fn imports(list: &Answer) -> usize {
    list.json()["imports"].as_array().map_or(0, Vec::len)
}

/// An upload by the bearer of a token that says when its body is waited for, and sends nothing.
fn silent(token: &str) -> (Request<Body>, tokio::sync::oneshot::Receiver<()>) {
    let (waited_for, waiting) = tokio::sync::oneshot::channel();
    let mut waited_for = Some(waited_for);
    let chunks = futures_util::stream::poll_fn(move |_| {
        if let Some(waited_for) = waited_for.take() {
            waited_for.send(()).unwrap();
        }
        std::task::Poll::<Option<std::io::Result<Bytes>>>::Pending
    });
    let request = Request::builder()
        .method("POST")
        .uri(IMPORTS)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "text/csv")
        .body(Body::from_stream(chunks));
    (request.unwrap(), waiting)
}

#[tokio::test]
async fn silent_uploads_hold_few_places_and_lose_them() {
    let server = with_limits(Limits {
        imports: 3,
        body: Duration::from_secs(3),
        ..Limits::default()
    })
    .await;
    let other = server.token("{\"site_admin\":true}").await;
    let begin = |token: &str| {
        let (request, waiting) = silent(token);
        let router = server.router.clone();
        let answer = tokio::spawn(async move { router.oneshot(request).await.unwrap().status() });
        (answer, waiting)
    };
    let uploads = [begin(ADMIN), begin(ADMIN)];
    let mut ended = Vec::new();
    for (answer, waiting) in uploads {
        waiting.await.unwrap();
        ended.push(answer);
    }
    // The body is not read: the answer comes though nothing is sent.
    let (request, mut waiting) = silent(ADMIN);
    let refused = server.send(request).await;
    assert_refused(&refused, 503, "2 imports are in progress with this token");
    assert_eq!(refused.headers["retry-after"], "5");
    assert!(waiting.try_recv().is_err(), "the body was asked for");
    let (answer, waiting) = begin(&other);
    waiting.await.unwrap();
    ended.push(answer);
    let refused = server.send(silent(&other).0).await;
    assert_refused(
        &refused,
        503,
        "3 imports are in progress, the limit of this server (--limit-imports)",
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status, StatusCode::OK);
    }
    for answer in ended {
        assert_eq!(answer.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    }
    let imported = server.import("summarized_2025-07.csv").await;
    assert_eq!(imported.status, StatusCode::CREATED, "{}", imported.text());
}

#[tokio::test]
async fn a_form_has_few_parts_with_short_headers() {
    let server = with_limits(Limits {
        import_files: 2,
        ..Limits::default()
    })
    .await;
    let file = |name| {
        (
            name,
            detailed(&[&line("2025-11-01", "actions_linux", name)]),
        )
    };
    let files = [file("a"), file("b"), file("c")];
    let refused = post_form(&server, "", &files).await;
    assert_refused(
        &refused,
        413,
        "the form has more than 2 parts (--limit-import-files)",
    );
    let made = post_form(&server, "", &files[..2]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    // Fields that are no files count, too: they would never end otherwise.
    let fields = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n".repeat(3);
    let content_type = "multipart/form-data; boundary=X";
    let refused = server.post(IMPORTS, content_type, fields).await;
    assert_refused(&refused, 413, "more than 2 parts");
    let headers = format!("--X\r\nA: {}", "b".repeat(10_000));
    let refused = server.post(IMPORTS, content_type, headers).await;
    assert_refused(&refused, 413, "more than 8192 bytes of headers");
}

#[tokio::test]
async fn names_are_limited_by_import_and_by_account() {
    let server = with_limits(Limits {
        import_names: 20,
        account_names: 40,
        ..Limits::default()
    })
    .await;
    let report = |from: u32, count: u32| {
        let lines: Vec<String> = (from..from + count)
            .map(|number| line("2025-11-01", "actions_linux", &format!("r{number}")))
            .collect();
        detailed(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = server.post(IMPORTS, "text/csv", report(0, 30)).await;
    let message = "the import has more than 20 different names (--limit-import-names)";
    assert_refused(&refused, 413, message);
    assert!(
        refused.text().contains("body, line 17: "),
        "{}",
        refused.text()
    );
    for (from, expected) in [(0, 201), (12, 201), (24, 413)] {
        let answer = server.post(IMPORTS, "text/csv", report(from, 12)).await;
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
    }
    let refused = server.post(IMPORTS, "text/csv", report(24, 12)).await;
    let message = "enterprise octo-ent would have more than 40 different names \
                   (--limit-account-names)";
    assert_refused(&refused, 413, message);
    assert_eq!(imports(&server.get(IMPORTS).await), 2);
}

#[tokio::test]
async fn sums_of_an_import_are_limited() {
    let server = with_limits(Limits {
        import_sums: 3,
        ..Limits::default()
    })
    .await;
    let days = ["2025-11-01", "2025-11-02", "2025-11-03"];
    let lines = days.map(|day| line(day, "actions_linux", "api"));
    let report = |count: usize| {
        detailed(
            &lines[..count]
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
    };
    let refused = server.post(IMPORTS, "text/csv", report(3)).await;
    assert_refused(&refused, 413, "(--limit-import-sums)");
    let made = server.post(IMPORTS, "text/csv", report(2)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
}

#[tokio::test]
async fn a_body_of_blank_lines_is_given_up() {
    let server = Server::new().await;
    let blank = gzip(&vec![b'\n'; 2_000_000]);
    let refused = server.post(IMPORTS, "text/csv", blank).await;
    assert_refused(&refused, 422, "has more than 1000000 blank lines");
}

#[tokio::test]
async fn the_body_may_be_encoded() {
    let server = Server::new().await;
    let report = detailed(&[&line("2025-11-01", "actions_linux", "api")]);
    let refused = post_encoded(&server, "br", "text/csv", b"\x0b\x02\x80".to_vec()).await;
    let message = "The content encoding must be gzip, zstd or identity.";
    assert_refused(&refused, 415, message);
    let packed = gzip(report.as_bytes());
    let made = post_encoded(&server, "gzip", "text/csv", packed.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let zstd = zstd::stream::encode_all(report.as_bytes(), 1).unwrap();
    let form = gzip(form(&[("a.csv", report)]).as_bytes());
    for (encoding, kind, body) in [
        ("zstd", "text/csv", zstd),
        ("identity", "text/csv", packed.clone()),
        // A packed file in a packed body, as some clients send it.
        ("gzip", "text/csv", gzip(&packed)),
        ("gzip", "multipart/form-data; boundary=X", form),
    ] {
        let again = post_encoded(&server, encoding, kind, body).await;
        assert_eq!(again.status, StatusCode::OK, "{encoding}: {}", again.text());
        assert_eq!(again.json()["id"], made.json()["id"]);
    }
}

#[tokio::test]
async fn what_is_no_report_is_named() {
    let server = Server::new().await;
    for (body, message) in [
        (
            &b"PK\x03\x04\x14\0"[..],
            "body: is a ZIP archive: unpack it",
        ),
        (
            b"<!DOCTYPE html>",
            "body: is an HTML page: the download did not bring the report",
        ),
        (
            b"\xff\xfed\0a\0",
            "body: is text in UTF-16: save it as CSV in UTF-8",
        ),
    ] {
        let refused = server.post(IMPORTS, "text/csv", body.to_vec()).await;
        assert_refused(&refused, 422, message);
    }
}

#[tokio::test]
async fn files_that_state_the_same_days_are_told_and_wait_for_a_word() {
    let server = Server::new().await;
    let [first, second, third] =
        ["2025-11-01", "2025-11-02", "2025-11-03"].map(|day| line(day, "actions_linux", "api"));
    let files = [
        ("a.csv", detailed(&[&first, &second])),
        ("b.csv", detailed(&[&second, &second, &third])),
    ];
    let refused = post_form(&server, "", &files).await;
    let message = "a.csv and b.csv on 1 days from 2025-11-02 to 2025-11-02 (1 lines, gross 0.008, \
                   and 2 lines, gross 0.016)";
    assert_refused(&refused, 409, message);
    assert_refused(&refused, 409, "join=true");
    assert_eq!(imports(&server.get(IMPORTS).await), 0);

    let made = post_form(&server, "?join=true", &files).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let joined = &made.json()["reading"]["joined"];
    assert_eq!(joined.as_array().map(Vec::len), Some(1), "{joined}");
    assert_eq!(joined[0]["first"]["file"], "a.csv");
    assert_eq!(joined[0]["again"]["totals"]["lines"], 2);
    assert_eq!(made.json()["lines"], 5);
    // The same bytes again change nothing, so that there is nothing to refuse.
    let again = post_form(&server, "", &files).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
}

#[tokio::test]
async fn parts_of_a_report_are_joined_without_a_word() {
    let server = Server::new().await;
    let part = |sku, repository| detailed(&[&line("2025-11-01", sku, repository)]);
    let files = [
        ("a.csv", part("actions_linux", "api")),
        ("b.csv", part("actions_linux", "web")),
        ("c.csv", part("actions_windows", "api")),
    ];
    let made = post_form(&server, "", &files).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["reading"]["joined"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn columns_that_no_report_has_are_named() {
    let server = Server::new().await;
    let line = line("2025-11-01", "actions_linux", "api");
    let with = |region: &str| format!("{HEADER},region\n{line},{region}\n");
    let made = post_form(&server, "", &[("a.csv", with("eu"))]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(
        made.json()["reading"]["unknown_columns"],
        serde_json::json!(["region"])
    );
    assert_eq!(made.json()["lines"], 1);
    let many = ",new".repeat(33);
    let report = format!("{HEADER}{many}\n");
    let refused = post_form(&server, "", &[("b.csv", report)]).await;
    assert_refused(
        &refused,
        422,
        "b.csv, line 1: the header has more than 32 columns",
    );
}
