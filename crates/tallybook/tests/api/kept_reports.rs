//! How long reports and their links stay: until they are deleted, within the quota, and for as long
//! as the one for whom a link was made may see the report.

use crate::maker::{Maker, NOVEMBER, NOW, PATH, folder, server};
use crate::server::{Server, at};
use axum::http::Method;
use tallybook::auth::Grants;
use tallybook::engine::commit::Actor;

const OURS: &str = "/metering/v1/enterprises/octo-ent/reports";

const BILLING: &str = "enterprises: [{slug: octo-ent, owners: [monalisa, hubot]}]";

fn reader(user: &str) -> Grants {
    Grants::classic(user, ["manage_billing:enterprise"]).unwrap()
}

/// The link of a report as the bearer of a token is shown it.
async fn link(maker: &Maker, secret: &str, id: &str) -> String {
    let path = format!("{PATH}/{id}");
    let report = maker
        .ask_as(secret, Method::GET, &path, "")
        .await
        .ok()
        .json();
    report["download_urls"][0].as_str().unwrap().to_owned()
}

async fn with_owners() -> Server {
    let server = server().await;
    server.apply(BILLING).await;
    server
}

#[tokio::test]
async fn a_link_ends_with_the_token_by_which_it_was_asked_for() {
    let server = with_owners().await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let (mona, hubot) = (reader("monalisa"), reader("hubot"));
    let mona = server
        .token("mona", &mona, Some(at("2025-12-05T12:30:00Z")))
        .await;
    let hubot = server.token("hubot", &hubot, None).await;
    let id = maker.create(NOVEMBER).await;
    maker.make().await;
    let links = [
        link(&maker, &mona, &id).await,
        link(&maker, &hubot, &id).await,
    ];
    for link in &links {
        maker.download(link, &[]).await.ok();
    }
    // Revoked.
    let actor = Actor::command("test");
    let revoked = server.engine.revoke_token("hubot", at(NOW), &actor);
    assert!(revoked.await.unwrap());
    let refused = maker.download(&links[1], &[]).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused.message().contains("who it was made for"),
        "{refused:?}"
    );
    maker.download(&links[0], &[]).await.ok();
    // Expired, before the link's own hour is over.
    let later = Maker::over(&server, maker.folder.clone(), "2025-12-05T12:31:00Z").await;
    assert_eq!(later.download(&links[0], &[]).await.status, 403);
    // Whose link it is cannot be changed.
    let stolen = links[1].replace("for=token-hubot", "for=token-mona");
    assert_ne!(stolen, links[1]);
    assert_eq!(maker.download(&stolen, &[]).await.status, 403);
}

#[tokio::test]
async fn a_link_ends_with_the_role_of_who_asked_for_it() {
    let server = with_owners().await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let secret = server.token("hubot", &reader("hubot"), None).await;
    let id = maker.create(NOVEMBER).await;
    maker.make().await;
    let link = link(&maker, &secret, &id).await;
    maker.download(&link, &[]).await.ok();
    server
        .apply("enterprises: [{slug: octo-ent, owners: [monalisa]}]")
        .await;
    assert_eq!(maker.download(&link, &[]).await.status, 403);
    server.apply(BILLING).await;
    maker.download(&link, &[]).await.ok();
}

#[tokio::test]
async fn a_report_is_deleted_by_who_asked_for_it_or_an_administrator() {
    let server = with_owners().await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let mona = server.token("mona", &reader("monalisa"), None).await;
    let hubot = server.token("hubot", &reader("hubot"), None).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let asked = maker.ask_as(&mona, Method::POST, PATH, NOVEMBER).await;
        assert_eq!(asked.status, 202);
        ids.push(asked.json()["id"].as_str().unwrap().to_owned());
    }
    let delete = async |secret: &str, id: &str| {
        let path = format!("{OURS}/{id}");
        maker.ask_as(secret, Method::DELETE, &path, "").await.status
    };
    // One that is not made yet is not made any more.
    assert_eq!(delete(&mona, &ids[2]).await, 204);
    maker.make().await;
    assert_eq!(maker.get(&format!("{PATH}/{}", ids[2])).await.status, 404);
    let files = || {
        std::fs::read_dir(maker.folder.path().join("reports"))
            .unwrap()
            .count()
    };
    assert_eq!(files(), 2);

    let url = link(&maker, &mona, &ids[0]).await;
    assert_eq!(delete(&hubot, &ids[0]).await, 403);
    assert_eq!(delete("nobody", &ids[0]).await, 401);
    assert_eq!(delete(&mona, &ids[0]).await, 204);
    assert_eq!(files(), 1);
    assert_eq!(maker.download(&url, &[]).await.status, 404);
    assert_eq!(delete(&mona, &ids[0]).await, 404);
    let as_admin = maker
        .ask(Method::DELETE, &format!("{OURS}/{}", ids[1]), "")
        .await;
    assert_eq!(as_admin.status, 204);
    assert_eq!(files(), 0);
    let elsewhere = OURS.replace("enterprises", "users");
    let elsewhere = maker
        .ask(Method::DELETE, &format!("{elsewhere}/{}", ids[1]), "")
        .await;
    assert_eq!(elsewhere.status, 404);
    // Nor is it there after a restart.
    let restarted = Maker::over(&server, maker.folder.clone(), NOW).await;
    let list = restarted.get(PATH).await.ok().json();
    assert_eq!(list["usage_report_exports"], serde_json::json!([]));
}

#[tokio::test]
async fn reports_have_a_quota_on_disk() {
    let server = server().await;
    let folder = folder();
    let with = |bytes| {
        Maker::with(&server, folder.clone(), NOW, move |it| {
            it.most_bytes = bytes
        })
    };
    let maker = with(10 << 30).await;
    let first = maker.create(NOVEMBER).await;
    maker.make().await;
    let size = maker.reports.used_bytes();
    assert!(size > 0);

    // A report that needs more than is left fails at once and says why; the other one stays.
    let tight = with(2 * size - 1).await;
    let second = tight.create(NOVEMBER).await;
    tight.make().await;
    let job = tight.reports.find(&second).unwrap();
    assert_eq!(job.attempts, 1);
    let reason = job.reason.unwrap();
    assert!(reason.contains("--limit-report-bytes"), "{reason}");
    assert_eq!(tight.reports.used_bytes(), size);
    let files = || {
        std::fs::read_dir(folder.path().join("reports"))
            .unwrap()
            .count()
    };
    assert_eq!(files(), 1);

    // Without any room it is not even accepted.
    let full = with(size).await;
    let refused = full.ask(Method::POST, PATH, NOVEMBER).await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.message().contains("--limit-report-bytes"),
        "{refused:?}"
    );
    assert_eq!(refused.header("retry-after"), "3600");
    assert_eq!(
        full.get(&format!("{PATH}/{first}")).await.ok().json()["status"],
        "completed"
    );
    let deleted = full
        .ask(Method::DELETE, &format!("{OURS}/{first}"), "")
        .await;
    assert_eq!(deleted.status, 204);
    let third = full.create(NOVEMBER).await;
    full.make().await;
    assert_eq!(full.urls(&third).await.len(), 1);

    // What has expired makes room before anything is refused.
    let later = Maker::with(&server, folder.clone(), "2026-01-05T12:00:01Z", |it| {
        it.most_bytes = size;
    });
    let later = later.await;
    later.create(NOVEMBER).await;
    later.make().await;
    assert_eq!(later.reports.used_bytes(), size);
}
