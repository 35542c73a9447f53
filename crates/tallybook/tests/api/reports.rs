//! Usage report exports: asked for, made, downloaded, pruned, and taken up again.

use crate::maker::{Maker, NOVEMBER, NOW, PATH, folder, server};
use crate::schemas::Description;
use crate::server::{at, detailed, enterprise};
use axum::http::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::Arc;
use tallybook::jobs::ReportSettings;
use tallybook::jobs::state::Job;
use tallybook_store::{Effect, JobRow};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_report_is_accepted_made_and_downloaded_without_a_token() {
    let maker = Maker::over(&server().await, folder(), NOW).await;
    let accepted = maker.ask(Method::POST, PATH, NOVEMBER).await;
    assert_eq!(accepted.status, 202);
    let accepted = accepted.json();
    let id = accepted["id"].as_str().unwrap().to_owned();
    let expected = serde_json::json!({
        "id": id, "report_type": "detailed", "start_date": "2025-11-01",
        "end_date": "2025-11-30", "status": "processing", "created_at": NOW,
        "actor": "environment-admin",
    });
    assert_eq!(accepted, expected);
    let waiting = maker.get(&format!("{PATH}/{id}")).await.ok();
    assert_eq!(waiting.json(), expected);
    assert_eq!(waiting.header("cache-control"), "no-cache");
    maker.make().await;
    let done = maker.get(&format!("{PATH}/{id}")).await.ok();
    assert_eq!(done.json()["status"], "completed");
    assert!(
        done.header("x-tallybook-as-of").starts_with("account="),
        "{:?}",
        done.headers
    );
    let urls = maker.urls(&id).await;
    assert_eq!(urls.len(), 1);

    let file = maker.download(&urls[0], &[]).await.ok();
    assert_eq!(file.text().lines().count(), 3837);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    let name = "attachment; filename=\"octo-ent_detailed_2025-11-01_2025-11-30_1.csv\"";
    assert_eq!(file.header("content-disposition"), name);
    let digest: String = Sha256::digest(&file.body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(file.header("x-checksum-sha256"), digest);

    let part = maker.download(&urls[0], &[("range", "bytes=3-8")]).await;
    assert_eq!((part.status, part.text()), (206, "\"date\""));
    let range = format!("bytes 3-8/{}", file.body.len());
    assert_eq!(part.header("content-range"), range);
    let beyond = maker
        .download(&urls[0], &[("range", "bytes=99999999-")])
        .await;
    assert_eq!(beyond.status, 416);

    let packed = maker
        .download(&urls[0], &[("accept-encoding", "gzip")])
        .await
        .ok();
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed.body[..]);
    decoder.read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == file.body);
    let headers = [("accept-encoding", "gzip"), ("range", "bytes=0-2999")];
    let part = maker.download(&urls[0], &headers).await;
    assert_eq!((part.status, part.header("content-encoding")), (206, ""));
    assert!(part.body == file.body.slice(..3000));
}

#[tokio::test]
async fn a_changed_or_stale_link_is_refused() {
    let server = server().await;
    let folder = folder();
    let maker = Maker::over(&server, Arc::clone(&folder), NOW).await;
    let id = maker.create(NOVEMBER).await;
    maker.make().await;
    let url = maker.urls(&id).await.remove(0);
    for changed in [
        url.replace("/1?", "/2?"),
        url.replace(&id, "00000000-0000-4000-8000-000000000000"),
        url.replace("expires=1", "expires=2"),
        url.replace("key=1", "key=2"),
        url.split("&signature").next().unwrap().to_owned(),
        url.split('?').next().unwrap().to_owned(),
    ] {
        let answer = maker.download(&changed, &[]).await;
        assert_eq!(answer.status, 403, "{changed}");
        assert_eq!(answer.json()["status"], "403");
        assert!(answer.json()["documentation_url"].is_string());
    }
    // Keys outlive a restart; a link does not outlive its hour.
    let restarted = |now| Maker::over(&server, Arc::clone(&folder), now);
    let within = restarted("2025-12-05T12:59:59Z").await;
    within.download(&url, &[]).await.ok();
    let after = restarted("2025-12-05T13:00:00Z").await;
    assert_eq!(after.download(&url, &[]).await.status, 403);
    let fresh = after.urls(&id).await.remove(0);
    assert_ne!(fresh, url);
    after.download(&fresh, &[]).await.ok();
}

#[tokio::test]
async fn what_cannot_be_done_is_400_and_unknown_ids_are_404() {
    let maker = Maker::over(&server().await, folder(), NOW).await;
    for (body, message) in [
        ("{", "Problems parsing JSON"),
        ("[1]", "Body should be a JSON object"),
        (
            r#"{"report_type":"weekly","start_date":"2025-11-01"}"#,
            "Invalid parameter 'report_type': it must be one of summarized, detailed, \
             premium_request, ai_credit.",
        ),
        (
            r#"{"report_type":"detailed","start_date":"2025-12-06"}"#,
            "Invalid parameter 'start_date': it is in the future.",
        ),
    ] {
        let answer = maker.ask(Method::POST, PATH, body).await;
        assert_eq!((answer.status, answer.message().as_str()), (400, message));
        let page = answer.json()["documentation_url"].to_string();
        assert!(page.ends_with("#create-a-usage-report-export\""), "{page}");
    }
    let list = maker.get(PATH).await.ok();
    assert_eq!(list.json(), serde_json::json!({"usage_report_exports": []}));
    for id in ["x", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(maker.get(&format!("{PATH}/{id}")).await.status, 404);
    }
}

#[tokio::test]
async fn the_list_is_newest_first_and_the_same_request_makes_two() {
    let server = server().await;
    let file = "enterprises: [{slug: other}]";
    server.apply(file).await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let first = maker.create(NOVEMBER).await;
    let second = maker.create(NOVEMBER).await;
    let empty = r#"{"report_type":"ai_credit","start_date":"2025-11-30"}"#;
    let third = maker.create(empty).await;
    maker.make().await;
    let list = maker.get(PATH).await.ok().json();
    let reports = list["usage_report_exports"].as_array().unwrap();
    let ids: Vec<&Value> = reports.iter().map(|report| &report["id"]).collect();
    assert_eq!(ids, [&third, &second, &first]);
    assert_eq!(reports[0]["end_date"], "2025-12-05");
    assert_eq!(
        reports[0]["download_urls"],
        serde_json::json!([]),
        "no rows"
    );
    // Another enterprise's reports are not found.
    let other = PATH.replace("octo-ent", "other");
    assert_eq!(maker.get(&format!("{other}/{first}")).await.status, 404);
    let list = maker.get(&other).await.ok().json();
    assert_eq!(list["usage_report_exports"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_report_that_a_crash_interrupted_starts_afresh() {
    let server = server().await;
    let folder = folder();
    let crashed = Maker::over(&server, Arc::clone(&folder), NOW).await;
    let id = crashed.create(NOVEMBER).await;
    // What a crash leaves: a file that looks complete, and half of another.
    std::fs::create_dir_all(folder.path().join("reports")).unwrap();
    for name in ["1.csv", "2.csv", "3.partial"] {
        let path = folder.path().join("reports").join(format!("{id}.{name}"));
        std::fs::write(path, "half").unwrap();
    }
    drop(crashed);
    let line = "2025-11-30,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,,octo,api,,";
    let more = ("more", detailed(&[line]));
    server.import(&enterprise("octo-ent"), &[more]).await;
    let restarted = Maker::over(&server, Arc::clone(&folder), NOW).await;
    restarted.make().await;
    let urls = restarted.urls(&id).await;
    assert_eq!(urls.len(), 1);
    let file = restarted.download(&urls[0], &[]).await.ok();
    assert_eq!(file.text().lines().count(), 3838, "of the newest view");
    let files = std::fs::read_dir(folder.path().join("reports")).unwrap();
    assert_eq!(files.count(), 1);
}

#[tokio::test]
async fn a_report_that_cannot_be_made_fails_after_some_attempts() {
    let server = server().await;
    let folder = folder();
    // The folder's place is taken.
    std::fs::write(folder.path().join("reports"), "").unwrap();
    let maker = Maker::over(&server, Arc::clone(&folder), NOW).await;
    let id = maker.create(NOVEMBER).await;
    let never = CancellationToken::new();
    for attempt in 1..=3 {
        let report = maker.get(&format!("{PATH}/{id}")).await.ok().json();
        assert_eq!(report["status"], "processing", "before attempt {attempt}");
        maker.reports.make_next(&never).await;
    }
    let report = maker.get(&format!("{PATH}/{id}")).await.ok().json();
    assert_eq!(report["status"], "failed");
    assert!(report.get("download_urls").is_none());
    assert!(maker.reports.find(&id).unwrap().reason.is_some());
    let metrics = maker.get("/metrics").await.ok();
    let failed = "tallybook_reports_total{outcome=\"failed\"} 1";
    assert!(metrics.text().contains(failed), "{}", metrics.text());
}

/// Attempts are counted before they begin, so that a report that kills the server ends, too.
#[tokio::test]
async fn a_report_that_always_kills_the_server_is_given_up() {
    let server = server().await;
    let folder = folder();
    let maker = Maker::over(&server, Arc::clone(&folder), NOW).await;
    let id = maker.create(NOVEMBER).await;
    let killed = Job {
        attempts: 3,
        ..maker.reports.find(&id).unwrap()
    };
    let effects = vec![Effect::PutJob(killed.row().unwrap())];
    let stored = server.engine.store().append(Vec::new(), effects).await;
    stored.unwrap();
    let restarted = Maker::over(&server, folder, NOW).await;
    restarted.make().await;
    let report = restarted.get(&format!("{PATH}/{id}")).await.ok().json();
    assert_eq!(report["status"], "failed");
}

#[tokio::test]
async fn a_shutdown_leaves_a_report_for_the_next_start() {
    let server = server().await;
    let folder = folder();
    let maker = Maker::over(&server, Arc::clone(&folder), NOW).await;
    let id = maker.create(NOVEMBER).await;
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    // Ends at once, and nothing is made.
    Arc::clone(&maker.reports).run(shutdown).await;
    assert_eq!(maker.reports.find(&id).unwrap().attempts, 0);
    let next = Maker::over(&server, folder, NOW).await;
    next.make().await;
    assert_eq!(next.urls(&id).await.len(), 1);
}

#[tokio::test]
async fn more_lines_than_a_file_may_have_make_several() {
    let server = server().await;
    let few = |settings: &mut ReportSettings| settings.most_lines = 1000;
    let maker = Maker::with(&server, folder(), NOW, few).await;
    let id = maker.create(NOVEMBER).await;
    maker.make().await;
    let mut lines = Vec::new();
    let mut header = None;
    for url in maker.urls(&id).await {
        let part = maker.download(&url, &[]).await.ok();
        let (head, rest) = part.text().split_once("\r\n").unwrap();
        assert_eq!(header.get_or_insert(head.to_owned()), head);
        lines.push(rest.lines().count());
    }
    assert_eq!(lines, [1000, 1000, 1000, 836]);
}

#[tokio::test]
async fn old_reports_are_removed_with_their_files() {
    let server = server().await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let id = maker.create(NOVEMBER).await;
    maker.make().await;
    let path = maker
        .folder
        .path()
        .join("reports")
        .join(format!("{id}.1.csv"));
    assert_eq!(
        maker
            .reports
            .prune(at("2026-01-05T11:59:59Z"))
            .await
            .unwrap(),
        0
    );
    assert!(path.exists());
    assert_eq!(
        maker
            .reports
            .prune(at("2026-01-05T12:00:00Z"))
            .await
            .unwrap(),
        1
    );
    assert!(!path.exists());
    assert_eq!(maker.get(&format!("{PATH}/{id}")).await.status, 404);
}

/// Waiting, completed and failed ones, and every error.
#[tokio::test]
async fn bodies_are_of_github_s_schemas() {
    let server = server().await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let mut description = Description::new();
    let list = "/enterprises/{enterprise}/settings/billing/reports";
    let create = format!("post {list}");
    let get = format!("{list}/{{report_id}}");
    let accepted = maker.ask(Method::POST, PATH, NOVEMBER).await;
    description.check(&create, &accepted);
    description.check(&create, &maker.ask(Method::POST, PATH, "{}").await);
    let path = format!("{PATH}/{}", accepted.json()["id"].as_str().unwrap());
    description.check(&get, &maker.get(&path).await);
    description.check(list, &maker.get(PATH).await);
    maker.make().await;
    description.check(&get, &maker.get(&path).await);
    description.check(list, &maker.get(PATH).await);
    description.check(&get, &maker.get(&format!("{PATH}/x")).await);
}

/// Damage costs the report that it is in, and no other.
#[tokio::test]
async fn a_damaged_row_is_a_failed_report_and_others_go_on() {
    let server = server().await;
    let folder = folder();
    let maker = Maker::over(&server, Arc::clone(&folder), NOW).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(maker.create(NOVEMBER).await);
    }
    maker.make().await;
    let waiting = maker.create(NOVEMBER).await;
    let rows = server.engine.store().jobs().await.unwrap();
    let damages: [fn(&str) -> String; 3] = [
        |_| "\u{0}garbage".to_owned(),
        |state| state.replace("\"completed\"", "\"lost\""),
        |state| state[..state.len() / 2].to_owned(),
    ];
    for (row, damage) in rows.iter().zip(damages) {
        let damaged = JobRow {
            state: damage(&row.state),
            ..row.clone()
        };
        let effects = vec![Effect::PutJob(damaged)];
        let stored = server.engine.store().append(Vec::new(), effects).await;
        stored.unwrap();
    }
    // The keys of links are damaged, too.
    server
        .engine
        .set_fact("report.keys", b"{".to_vec())
        .await
        .unwrap();

    let restarted = Maker::over(&server, folder, NOW).await;
    restarted.make().await;
    for id in &ids[..3] {
        let report = restarted.get(&format!("{PATH}/{id}")).await.ok().json();
        assert_eq!(report["status"], "failed", "{report}");
        assert_eq!(report["report_type"], "detailed");
        assert!(report.get("download_urls").is_none(), "{report}");
    }
    for id in [&ids[3], &waiting] {
        let urls = restarted.urls(id).await;
        restarted.download(&urls[0], &[]).await.ok();
    }
    let list = restarted.get(PATH).await.ok().json();
    assert_eq!(list["usage_report_exports"].as_array().unwrap().len(), 5);
    // They are removed with the others, when they are old enough.
    let pruned = restarted.reports.prune(at("2026-01-05T12:00:00Z")).await;
    assert_eq!(pruned.unwrap(), 5);
    assert_eq!(server.engine.store().jobs().await.unwrap(), []);
}

#[tokio::test]
async fn so_many_reports_of_an_enterprise_wait_and_no_more() {
    let server = server().await;
    let lines = ["2025-11-02,actions,actions_linux,1,minutes,0.008,0.008,0,0.008,zoe,o,a,w.yml,"];
    let file = ("other", detailed(&lines));
    server.import(&enterprise("other"), &[file]).await;
    let few = |settings: &mut ReportSettings| settings.most_waiting = 2;
    let maker = Maker::with(&server, folder(), NOW, few).await;
    // At the same time, so that one must see what the other took.
    let ask = || maker.ask(Method::POST, PATH, NOVEMBER);
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    let mut statuses = [&a, &b, &c, &d].map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 202, 503, 503]);
    let refused = ask().await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), "60");
    let expected = "2 usage reports of this enterprise are pending already (--limit-reports): \
                    ask again when one of them is completed.";
    assert_eq!(refused.message(), expected);
    let body = refused.json();
    assert_eq!(body["status"], "503");
    assert!(body["documentation_url"].is_string(), "{body}");
    // Another enterprise has a number of its own.
    let other = PATH.replace("octo-ent", "other");
    let answer = maker.ask(Method::POST, &other, NOVEMBER).await;
    assert_eq!(answer.status, 202);
    maker.make().await;
    assert_eq!(ask().await.status, 202);
}

/// Today is a day in UTC, from its first second to its last.
#[tokio::test]
async fn the_last_day_is_today() {
    let server = server().await;
    let folder = folder();
    let since_december = r#"{"report_type":"detailed","start_date":"2025-12-01"}"#;
    let tomorrow = r#"{"report_type":"detailed","start_date":"2026-01-01"}"#;
    let before = Maker::over(&server, Arc::clone(&folder), "2025-12-31T23:59:59Z").await;
    let answer = before.ask(Method::POST, PATH, since_december).await;
    assert_eq!(
        (answer.status, &answer.json()["end_date"]),
        (202, &"2025-12-31".into())
    );
    let refused = before.ask(Method::POST, PATH, tomorrow).await;
    assert!(
        refused
            .message()
            .contains("'start_date': it is in the future")
    );
    let after = Maker::over(&server, folder, "2026-01-01T00:00:00Z").await;
    let answer = after.ask(Method::POST, PATH, tomorrow).await;
    assert_eq!(
        (answer.status, &answer.json()["end_date"]),
        (202, &"2026-01-01".into())
    );
    let refused = after.ask(Method::POST, PATH, since_december).await;
    assert!(
        refused
            .message()
            .contains("at most 31 days, and these are 32")
    );
}
