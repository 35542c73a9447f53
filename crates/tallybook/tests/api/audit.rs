//! The audit log: who did what, from where, to what, and what was before and is after.

use crate::answer::Answer;
use crate::maker::{Maker, NOVEMBER, NOW, PATH, folder, server};
use crate::server::{ADMIN, Server, at, enterprise};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tallybook::auth::Grants;
use tallybook::clock::Clock;
use tallybook::http::app::{App, HttpSettings};
use tallybook::http::metering::site::backup::Backups;
use tallybook::http::{repeats, router};
use tower::ServiceExt;

const AUDIT: &str = "/metering/v1/audit";

async fn lines(maker: &Maker, query: &str) -> Vec<Value> {
    let list = maker.get(&format!("{AUDIT}?{query}")).await.ok().json();
    list["audit"].as_array().unwrap().clone()
}

fn actions(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn changes_of_rights_and_settings_say_what_was_before_and_is_after() {
    let maker = Maker::over(&Server::new(NOW).await, folder(), NOW).await;
    let apply = async |file: &str| {
        let applied = maker.ask(Method::POST, "/metering/v1/apply", file).await;
        applied.ok();
    };
    apply("enterprises: [{slug: octo-ent, owners: [monalisa]}]").await;
    apply("enterprises: [{slug: octo-ent, owners: [hubot]}]").await;
    apply("users: [{login: hubot, email: hubot@example.com}]").await;
    // Nothing changes, and nothing is told.
    apply("enterprises: [{slug: octo-ent, owners: [hubot]}]").await;
    let token = r#"{"user": "hubot", "scopes": ["manage_billing:enterprise"]}"#;
    let made = maker
        .ask(Method::POST, "/metering/v1/tokens", token)
        .await
        .json();
    let (id, secret) = (&made["id"], made["token"].as_str().unwrap());
    let path = format!("/metering/v1/tokens/{}", id.as_str().unwrap());
    assert_eq!(maker.ask(Method::DELETE, &path, "").await.status, 204);

    let lines = lines(&maker, "").await;
    let expected = ["token.revoke", "token.create", "apply", "apply", "apply"];
    assert_eq!(actions(&lines), expected);
    for line in &lines {
        assert_eq!(line["at"], NOW);
        assert_eq!(line["actor"], "token environment-admin");
    }
    let grants = &lines[1]["detail"]["after"]["grants"];
    assert_eq!(grants["scopes"], json!(["manage_billing:enterprise"]));
    assert_eq!(lines[1]["detail"]["before"], Value::Null);
    assert_eq!(lines[0]["detail"]["before"], lines[1]["detail"]["after"]);
    assert_eq!(lines[0]["detail"]["after"], Value::Null);
    assert_eq!(&lines[0]["detail"]["id"], id);
    let owners = json!([{
        "subject": "enterprise octo-ent", "field": "owners",
        "before": "monalisa", "after": "hubot",
    }]);
    assert_eq!(lines[3]["detail"]["changes"], owners);
    assert_eq!(lines[3]["account"], "enterprise/octo-ent");
    assert_eq!(lines[2]["account"], "user/hubot");
    let fields = lines[2]["detail"]["changes"].as_array().unwrap();
    let email = fields.iter().find(|it| it["field"] == "email").unwrap();
    assert_eq!(email["after"], "(an address)");
    let text = Value::from(lines.clone()).to_string();
    assert!(!text.contains(secret), "a secret");
    assert!(!text.contains("hubot@example.com"), "an address");
}

#[tokio::test]
async fn imports_and_reports_say_whose_they_are_and_who_asked() {
    let server = server().await;
    server
        .apply("enterprises: [{slug: octo-ent, owners: [monalisa]}]")
        .await;
    let grants = Grants::classic("monalisa", ["manage_billing:enterprise"]).unwrap();
    let secret = server.token("mona", &grants, None).await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let asked = maker
        .ask_as(&secret, Method::POST, PATH, NOVEMBER)
        .await
        .json();
    let id = asked["id"].as_str().unwrap();
    maker.make().await;
    let path = format!("{PATH}/{id}");
    let report = maker
        .ask_as(&secret, Method::GET, &path, "")
        .await
        .ok()
        .json();
    let url = report["download_urls"][0].as_str().unwrap();
    for range in ["bytes=0-9", "bytes=10-19", "bytes=99999999-"] {
        maker.download(url, &[("range", range)]).await;
    }
    maker
        .download(&url.replace("expires=1", "expires=2"), &[])
        .await;
    let ours = format!("/metering/v1/enterprises/octo-ent/reports/{id}");
    assert_eq!(maker.ask(Method::DELETE, &ours, "").await.status, 204);

    let found = lines(&maker, "action=report&account=enterprise/OCTO-ENT").await;
    let expected = [
        "report.delete",
        "report.download",
        "report.complete",
        "report.create",
    ];
    assert_eq!(actions(&found), expected);
    let actors: Vec<_> = found
        .iter()
        .map(|line| (&line["actor"], &line["user"]))
        .collect();
    let (mona, none) = (&json!("monalisa"), &Value::Null);
    let expected = [
        (&json!("token environment-admin"), none),
        (&json!("token mona"), mona),
        (&json!("server"), none),
        (&json!("token mona"), mona),
    ];
    assert_eq!(actors, expected);
    assert!(found.iter().all(|line| line["detail"]["id"] == id));
    assert_eq!(found[1]["detail"]["part"], 1);

    let imports = lines(&maker, "action=import").await;
    assert_eq!(actions(&imports), ["import.create"]);
    assert_eq!(imports[0]["actor"], "command test");
    assert_eq!(imports[0]["address"], "local");
    assert_eq!(
        imports[0]["detail"]["files"][0]["name"],
        "detailed_2025-11-01_02.csv"
    );
    let account = enterprise("octo-ent");
    let id = imports[0]["detail"]["id"].as_str().unwrap();
    server
        .revert(&account, tallybook_core::ids::ImportId::parse(id).unwrap())
        .await;
    let reverted = lines(&maker, "action=import.revert").await;
    assert_eq!(reverted[0]["detail"]["before"], "live");
    assert_eq!(reverted[0]["detail"]["after"], "reverted");
}

#[tokio::test]
async fn what_the_server_removes_and_gives_up_is_told() {
    let server = server().await;
    let folder = folder();
    let maker = Maker::with(&server, folder.clone(), NOW, |it| it.most_bytes = 10).await;
    maker.create(NOVEMBER).await;
    maker.make().await;
    let later = Maker::over(&server, folder, "2026-01-06T12:00:00Z").await;
    later
        .reports
        .prune(at("2026-01-06T12:00:00Z"))
        .await
        .unwrap();
    let found = lines(&later, "actor=server").await;
    assert_eq!(actions(&found), ["report.expire", "report.fail"]);
    let reason = found[1]["detail"]["reason"].as_str().unwrap();
    assert!(reason.contains("--limit-report-bytes"), "{reason}");
}

/// Every line that the filter lets through, page by page as the links lead.
async fn all_pages(maker: &Maker, path: &str) -> Vec<u64> {
    let (mut path, mut numbers) = (path.to_owned(), Vec::new());
    loop {
        let page = maker.get(&path).await.ok();
        let json = page.json();
        let lines = json["audit"].as_array().unwrap();
        numbers.extend(lines.iter().map(|line| line["number"].as_u64().unwrap()));
        let Some(link) = page.headers.get("link") else {
            return numbers;
        };
        let link = link.to_str().unwrap();
        let link = link.strip_suffix(">; rel=\"next\"").unwrap();
        path = link
            .strip_prefix("<https://billing.example.com")
            .unwrap()
            .to_owned();
    }
}

#[tokio::test]
async fn pages_have_each_line_once_though_all_share_an_instant() {
    let server = server().await;
    let maker = Maker::over(&server, folder(), NOW).await;
    for slug in ["a", "b", "c", "d"] {
        let file = format!("enterprises: [{{slug: {slug}}}]");
        server.apply(&file).await;
    }
    assert_eq!(
        all_pages(&maker, &format!("{AUDIT}?per_page=2")).await,
        [5, 4, 3, 2, 1]
    );
    let path = format!("{AUDIT}?action=apply&per_page=4&before=5");
    assert_eq!(all_pages(&maker, &path).await, [4, 3, 2]);
    // What is recorded between two pages moves nothing.
    let first = maker.get(&format!("{AUDIT}?per_page=3")).await.ok();
    server.apply("enterprises: [{slug: e}]").await;
    let link = first.header("link");
    assert!(link.contains("per_page=3&before=3>"), "{link}");
    let rest = lines(&maker, "per_page=3&before=3").await;
    assert_eq!(
        rest.iter()
            .map(|it| it["number"].as_u64())
            .collect::<Vec<_>>(),
        [Some(2), Some(1)]
    );
    assert_eq!(lines(&maker, "before=1").await.len(), 0);
}

#[tokio::test]
async fn filters_narrow_each_other() {
    let server = server().await;
    let grants = Grants::classic("monalisa", ["manage_billing:enterprise"]).unwrap();
    server.token("mona", &grants, None).await;
    let maker = Maker::over(&server, folder(), NOW).await;
    for slug in ["a", "b", "c"] {
        let file = format!("enterprises: [{{slug: {slug}}}]");
        server.apply(&file).await;
    }
    // The token was made in 2020.
    let old = lines(&maker, "until=2025-01-01").await;
    assert_eq!(actions(&old), ["token.create"]);
    for (query, count) in [
        ("since=2025-12-05T12:00:00Z", 4),
        ("since=2025-12-05T12:00:01Z", 0),
        ("actor=test&action=apply", 3),
        ("actor=test&action=apply&account=enterprise/B", 1),
        ("actor=command+test&action=import.create", 1),
        ("actor=nobody", 0),
        ("account=user/a", 0),
    ] {
        assert_eq!(lines(&maker, query).await.len(), count, "{query}");
    }
}

#[tokio::test]
async fn values_that_cannot_be_meant_are_refused_by_name() {
    let maker = Maker::over(&server().await, folder(), NOW).await;
    for (query, message) in [
        ("since=yesterday", "'since': it must be like 2026-10-02"),
        ("until=2025-13-01", "'until': it must be like"),
        (
            "since=2026-01-02&until=2026-01-02",
            "'until': it must be after 'since'",
        ),
        (
            "action=imports",
            "'action': it must be one of apply, backup.create, ",
        ),
        ("action=import.", "'action'"),
        (
            "account=octo-ent",
            "'account': it must be like enterprise/octo-ent",
        ),
        ("account=team/x", "'account'"),
        ("account=enterprise/a%1bb", "'account'"),
        ("actor=", "'actor': it is empty"),
        ("actor=a&actor=b", "'actor': it is given more than once"),
        ("before=x", "'before': it must be the number of a line"),
        ("before=-1", "'before'"),
        ("before=99999999999999999999", "'before'"),
        ("page=2", "'page': the log goes on with 'before'"),
        ("per_page=0", "'per_page'"),
        (
            "per_page=101",
            "'per_page': it must be an integer between 1 and 100",
        ),
    ] {
        let answer = maker.get(&format!("{AUDIT}?{query}")).await;
        let text = answer.text();
        assert_eq!(answer.status, 400, "{query}: {text}");
        assert!(text.contains(message), "{query}: {text}");
    }
}

#[tokio::test]
async fn owners_and_billing_managers_cannot_read_it() {
    let server = server().await;
    let roles = "enterprises: [{slug: octo-ent, owners: [monalisa], billing_managers: [hubot]}]";
    server.apply(roles).await;
    let maker = Maker::over(&server, folder(), NOW).await;
    for login in ["monalisa", "hubot"] {
        let grants = Grants::classic(login, ["admin:enterprise", "admin:org"]).unwrap();
        let secret = server.token(login, &grants, None).await;
        let own = format!("{AUDIT}?account=enterprise/octo-ent");
        let answer = maker.ask_as(&secret, Method::GET, &own, "").await;
        assert_eq!(answer.status, 403, "{login}");
    }
}

/// A server that knows from where requests come.
struct Reached {
    app: Arc<App>,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Reached {
    fn over(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::open(folder.path().join("backups")).unwrap();
        let settings = HttpSettings {
            admin_token: Some(ADMIN.to_owned()),
            backups: Some(Arc::new(backups)),
            ..HttpSettings::default()
        };
        let app = App::new(Arc::clone(&server.engine), Clock::Fixed(at(NOW)), settings);
        Self {
            router: router::router(Arc::clone(&app)),
            app,
            _folder: folder,
        }
    }

    async fn get(&self, address: [u8; 4], secret: &str, path: &str) -> Answer {
        let request = Request::builder()
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {secret}"))
            .extension(ConnectInfo(SocketAddr::from((address, 4711))));
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer::of(response).await
    }
}

/// Action, actor, address and count of each line.
fn told(list: &Value) -> Vec<String> {
    let lines = list["audit"].as_array().unwrap().iter();
    let told = lines.map(|line| {
        let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        let (action, actor, address) = (text("action"), text("actor"), text("address"));
        format!("{action} {actor} {address} {}", line["detail"]["count"])
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn refused_tokens_are_counted_by_source_and_backups_are_told() {
    let server = Server::on_disk(NOW).await;
    let gone = server
        .token("gone", &Grants::SiteAdmin, Some(at(NOW)))
        .await;
    let reached = Reached::over(&server);
    let wrong = [
        ([192, 0, 2, 1], "tally_wrong"),
        ([192, 0, 2, 1], "tally_wrong"),
        ([192, 0, 2, 1], "tally_other"),
        ([192, 0, 2, 2], "tally_wrong"),
        ([192, 0, 2, 2], &*gone),
    ];
    for (address, secret) in wrong {
        assert_eq!(reached.get(address, secret, AUDIT).await.status, 401);
    }
    repeats::record(&reached.app, false).await.unwrap();
    repeats::record(&reached.app, false).await.unwrap();
    let backup = "/metering/v1/backup";
    reached.get([192, 0, 2, 9], ADMIN, backup).await.ok();
    let list = reached.get([192, 0, 2, 9], ADMIN, AUDIT).await.ok().json();
    let expected = [
        "backup.create token environment-admin 192.0.2.9 null",
        "token.refuse token gone 192.0.2.2 1",
        "token.refuse server 192.0.2.2 1",
        "token.refuse server 192.0.2.1 3",
        "token.create command test local null",
    ];
    assert_eq!(told(&list), expected);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_wrong_tokens_makes_few_lines_and_an_honest_count() {
    let server = Server::new(NOW).await;
    let reached = Reached::over(&server);
    for number in 0..1_000u16 {
        let [high, low] = number.to_be_bytes();
        let secret = format!("tally_guess{number}");
        let answer = reached.get([198, 18, high, low], &secret, AUDIT).await;
        assert_eq!(answer.status, 401);
        if number % 100 == 0 {
            repeats::record(&reached.app, false).await.unwrap();
        }
    }
    repeats::record(&reached.app, true).await.unwrap();
    let path = format!("{AUDIT}?action=token.refuse&per_page=100");
    let list = reached.get([192, 0, 2, 9], ADMIN, &path).await.ok().json();
    let lines = list["audit"].as_array().unwrap();
    assert!(lines.len() < 70, "{}", lines.len());
    let counts = lines
        .iter()
        .map(|it| it["detail"]["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 1_000);
    assert!(!list.to_string().contains("tally_guess"));
}

#[tokio::test]
async fn no_secret_is_ever_in_the_log() {
    let server = server().await;
    server
        .apply("users: [{login: monalisa, email: mona@example.com}]")
        .await;
    server
        .apply("enterprises: [{slug: octo-ent, owners: [monalisa]}]")
        .await;
    let maker = Maker::over(&server, folder(), NOW).await;
    let grants = r#"{"user": "monalisa", "scopes": ["manage_billing:enterprise"]}"#;
    let made = maker.ask(Method::POST, "/metering/v1/tokens", grants).await;
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    let asked = maker.ask_as(&secret, Method::POST, PATH, NOVEMBER).await;
    let report = asked.json()["id"].as_str().unwrap().to_owned();
    maker.make().await;
    let path = format!("{PATH}/{report}");
    let report = maker.ask_as(&secret, Method::GET, &path, "").await.ok();
    let url = report.json()["download_urls"][0]
        .as_str()
        .unwrap()
        .to_owned();
    maker.download(&url, &[]).await.ok();
    let changed = url.replace("expires=1", "expires=2");
    assert_eq!(maker.download(&changed, &[]).await.status, 403);
    let revoke = format!(
        "/metering/v1/tokens/{}",
        made.json()["id"].as_str().unwrap()
    );
    assert_eq!(maker.ask(Method::DELETE, &revoke, "").await.status, 204);
    let refused = maker.ask_as(&secret, Method::GET, &path, "").await;
    assert_eq!(refused.status, 401);
    repeats::record(&maker.app, true).await.unwrap();

    let lines = lines(&maker, "per_page=100").await;
    for action in [
        "token.refuse",
        "link.refuse",
        "report.download",
        "token.revoke",
    ] {
        assert!(actions(&lines).contains(&action), "{action}");
    }
    let text = Value::from(lines).to_string();
    let hash: String = tallybook::auth::secret::hash(&secret)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let query = url.split_once('?').unwrap().1;
    let signatures = query.split('&').filter_map(|pair| pair.split_once('='));
    let signatures = signatures
        .map(|(_, value)| value)
        .filter(|it| it.len() > 20);
    let signatures: Vec<&str> = signatures.collect();
    assert!(!signatures.is_empty(), "{url}");
    for never in [&*secret, &hash, ADMIN, "mona@example.com"]
        .iter()
        .chain(&signatures)
    {
        assert!(!text.contains(never), "{never}");
    }
}
