//! Files of reports as clients download them: held already, gone on with, asked for by browsers;
//! and cells that no spreadsheet computes.

use crate::maker::{Maker, NOVEMBER, NOW, PATH, folder, server};
use crate::server::{Server, enterprise};
use axum::http::{Method, Request};

#[tokio::test]
async fn a_download_goes_on_only_from_the_same_bytes() {
    let maker = Maker::over(&server().await, folder(), NOW).await;
    let id = maker.create(NOVEMBER).await;
    maker.make().await;
    let url = maker.urls(&id).await.remove(0);
    let file = maker.download(&url, &[]).await.ok();
    let tag = file.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", file.header("x-checksum-sha256")));

    let held = maker.download(&url, &[("if-none-match", &tag)]).await;
    assert_eq!((held.status, held.body.len()), (304, 0));
    assert_eq!(held.header("etag"), tag);

    let rest = |condition: String| {
        let maker = &maker;
        let url = &url;
        async move {
            let headers = [("range", "bytes=100-"), ("if-range", condition.as_str())];
            maker.download(url, &headers).await
        }
    };
    let same = rest(tag.clone()).await;
    assert_eq!(same.status, 206);
    assert_eq!(same.header("etag"), tag);
    assert!(same.body == file.body.slice(100..));
    for other in [
        "\"other\"".to_owned(),
        format!("W/{tag}"),
        "Fri, 05 Dec 2025 12:00:00 GMT".to_owned(),
    ] {
        let whole = rest(other).await.ok();
        assert!(whole.body == file.body);
    }

    // The bytes of a compressed answer are others: its tag must not allow ranges of the file.
    let packed = maker
        .download(&url, &[("accept-encoding", "gzip")])
        .await
        .ok();
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("etag"), format!("W/{tag}"));
}

#[tokio::test]
async fn browsers_may_ask_for_ranges_and_read_what_they_are_of() {
    let maker = Maker::over(&server().await, folder(), NOW).await;
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("/reports/x/1");
    let preflight = maker
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    let words = |header: &str| -> Vec<String> {
        let words = preflight.header(header).split(',');
        words.map(|word| word.trim().to_ascii_lowercase()).collect()
    };
    let allowed = words("access-control-allow-headers");
    for header in ["range", "if-range", "if-none-match"] {
        assert!(
            allowed.iter().any(|it| it == header),
            "{header}: {allowed:?}"
        );
    }
    let exposed = words("access-control-expose-headers");
    for header in [
        "etag",
        "content-range",
        "accept-ranges",
        "x-checksum-sha256",
    ] {
        assert!(
            exposed.iter().any(|it| it == header),
            "{header}: {exposed:?}"
        );
    }
}

#[tokio::test]
async fn a_report_guards_cells_when_it_is_asked_to() {
    let report = concat!(
        "\"date\",\"product\",\"sku\",\"quantity\",\"unit_type\",",
        "\"applied_cost_per_quantity\",\"gross_amount\",\"discount_amount\",\"net_amount\",",
        "\"username\",\"organization\",\"repository\",\"workflow_path\",\"cost_center_name\"\n",
        "\"2025-11-01\",\"actions\",\"actions_linux\",\"10\",\"minutes\",\"0.008\",\"0.08\",",
        "\"0\",\"0.08\",\"hubot\",\"octo-org\",\"api\",\"@SUM(1)\",\"=1+2\"\n",
    );
    let server = Server::new(NOW).await;
    let file = ("formulas.csv", report.as_bytes().to_vec());
    server.import(&enterprise("octo-ent"), &[file]).await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let exact = maker.create(NOVEMBER).await;
    let guarded = NOVEMBER.replace('}', r#","guard_cells":true}"#);
    let guarded = maker.create(&guarded).await;
    maker.make().await;
    let mut lines = Vec::new();
    for id in [exact, guarded] {
        let url = maker.urls(&id).await.remove(0);
        let text = maker.download(&url, &[]).await.ok().text().to_owned();
        lines.push(text.lines().nth(1).unwrap().to_owned());
    }
    assert!(lines[0].ends_with(r#","@SUM(1)","=1+2""#), "{}", lines[0]);
    assert!(lines[1].ends_with(r#","'@SUM(1)","'=1+2""#), "{}", lines[1]);
    let wrong = NOVEMBER.replace('}', r#","guard_cells":1}"#);
    assert_eq!(maker.ask(Method::POST, PATH, &wrong).await.status, 400);
}
