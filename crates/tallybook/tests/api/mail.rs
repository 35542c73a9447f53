//! Mail of completed reports, by a real mail server on this machine.

use crate::maker::{Maker, NOVEMBER, NOW, PATH, folder, server};
use crate::server::{ADMIN, Server};
use crate::smtp::{Fault, Offer, Received, Smtp};
use axum::http::Method;
use std::sync::Arc;
use tallybook::auth::{Grants, Scope};
use tallybook::config::mail::{MailSettings, Security};
use tallybook::jobs::ReportSettings;
use tallybook::jobs::post::{Look, Waiting};
use tallybook::jobs::state::Mail;
use tallybook::mail::Mailer;
use tallybook_store::Effect;
use tallybook_store::testing::{self, FaultyStore, MemoryStore};
use tokio_util::sync::CancellationToken;

const WITH_MAIL: &str = r#"{"report_type":"detailed","start_date":"2025-11-01",
    "end_date":"2025-11-30","send_email":true}"#;

const PEOPLE: &str = "
enterprises: [{slug: octo-ent, owners: [monalisa, hubot, odd]}]
users:
  - {login: monalisa, email: monalisa@example.com}
  - {login: hubot}
  - {login: odd, email: odd@-}
";

/// The secrets of the owners' tokens.
const MONALISA: &str = "tally_monalisa";
const HUBOT: &str = "tally_hubot";
const ODD: &str = "tally_odd";

/// A server with usage, and people who may read it.
async fn people() -> Server {
    let server = server().await;
    declare(&server).await;
    server
}

async fn declare(server: &Server) {
    server.apply(PEOPLE).await;
    for login in ["monalisa", "hubot", "odd"] {
        let grants = Grants::Classic {
            user: login.to_owned(),
            scopes: [Scope::ManageBillingEnterprise].into(),
        };
        server.token(login, &grants, None).await;
    }
}

fn by(mail: MailSettings) -> impl FnOnce(&mut ReportSettings) {
    move |settings| {
        settings.mailer = Some(Mailer::new(mail, "billing.example.com").unwrap());
        settings.mail_pause = std::time::Duration::ZERO;
        settings.mail_attempts = 4;
    }
}

/// A server whose completed report waits for its mail, and the report's id.
async fn completed(server: &Server, mail: MailSettings) -> (Maker, String) {
    let maker = Maker::with(server, folder(), NOW, by(mail)).await;
    let answer = maker.ask_as(MONALISA, Method::POST, PATH, WITH_MAIL).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    maker.make().await;
    maker.get(&format!("{PATH}/{id}")).await.ok();
    (maker, id)
}

/// Sends until nothing waits; says how often that was tried.
async fn post(maker: &Maker) -> usize {
    let (mut waiting, never) = (Waiting::default(), CancellationToken::new());
    let mut tried = 0;
    while maker.reports.post_next(&mut waiting, &never).await == Look::Tried {
        tried += 1;
    }
    tried
}

fn state(maker: &Maker, id: &str) -> Option<Mail> {
    maker.reports.find(id).unwrap().mail
}

/// The text for readers without HTML, which is in ASCII.
fn text(mail: &Received) -> String {
    let (_, part) = mail.text.split_once("Content-Type: text/plain").unwrap();
    let (head, rest) = part.split_once("\r\n\r\n").unwrap();
    let body = rest.split("\r\n--").next().unwrap();
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let joined = body.replace("=\r\n", "");
    let mut pieces = joined.split('=');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        plain.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        plain += rest;
    }
    plain
}

fn link(mail: &Received) -> String {
    let text = text(mail);
    let links = text.lines().filter(|line| line.starts_with("https://"));
    let links: Vec<&str> = links.collect();
    assert_eq!(links.len(), 1, "{text}");
    links[0].to_owned()
}

#[tokio::test]
async fn the_requester_gets_a_link_that_lasts_a_day() {
    let smtp = Smtp::start(Offer {
        tls: Some(Security::Starttls),
        authentication: true,
    });
    let server = people().await;
    let settings = MailSettings {
        credentials: Smtp::credentials(),
        ..smtp.settings(Security::Starttls)
    };
    let (maker, id) = completed(&server, settings).await;
    assert!(smtp.received().is_empty());
    assert_eq!(post(&maker).await, 1);
    let [mail] = smtp.received().try_into().unwrap();
    assert!(mail.is_encrypted && mail.is_authenticated);
    assert_eq!(mail.from, "FROM:<billing@example.com>");
    assert_eq!(mail.to, ["TO:<monalisa@example.com>"]);
    for header in [
        "From: Tallybook <billing@example.com>\r\n",
        "To: monalisa@example.com\r\n",
        "Subject: Your detailed usage report of octo-ent is ready: 2025-11-01 to\r\n 2025-11-30\r\n",
        "Date: Fri, 05 Dec 2025 12:00:00 +0000\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
    ] {
        assert!(mail.text.contains(header), "{header:?} in {}", mail.text);
    }
    assert!(
        mail.text
            .contains(&format!("Message-ID: <{id}@example.com>\r\n"))
    );
    let text = text(&mail);
    for line in [
        "Lines:      3,836",
        "Download it until 2025-12-06 12:00:00 UTC",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }

    // The link opens the file for a day, and no longer.
    let link = link(&mail);
    let file = maker.download(&link, &[]).await.ok();
    assert_eq!(file.text().lines().count(), 3837);
    let later = |now| Maker::over(&server, Arc::clone(&maker.folder), now);
    let before = later("2025-12-06T11:59:59Z").await;
    before.download(&link, &[]).await.ok();
    let after = later("2025-12-06T12:00:00Z").await;
    assert_eq!(after.download(&link, &[]).await.status, 403);

    // Its address is not kept, nothing more is sent, and it is counted.
    assert_eq!(state(&maker, &id), Some(Mail::Sent));
    assert_eq!(post(&maker).await, 0);
    let metrics = maker.get("/metrics").await.ok();
    let sent = "tallybook_report_mails_total{outcome=\"sent\"} 1";
    assert!(metrics.text().contains(sent), "{}", metrics.text());
}

#[tokio::test]
async fn with_tls_from_the_first_byte_and_without_any() {
    for security in [Security::Tls, Security::None] {
        let smtp = Smtp::start(Offer {
            tls: Some(security),
            authentication: false,
        });
        let (maker, _) = completed(&people().await, smtp.settings(security)).await;
        assert_eq!(post(&maker).await, 1);
        let [mail] = smtp.received().try_into().unwrap();
        assert_eq!(mail.is_encrypted, security == Security::Tls);
    }
}

/// A report without mail sends none, and one without lines says so.
#[tokio::test]
async fn mail_is_sent_when_it_was_asked_for() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let maker = Maker::with(&server, folder(), NOW, by(smtp.settings(Security::None))).await;
    maker.create(NOVEMBER).await;
    maker.make().await;
    assert_eq!(post(&maker).await, 0);
    let empty = r#"{"report_type":"ai_credit","start_date":"2025-11-01","send_email":true,
        "end_date":"2025-11-02"}"#;
    let answer = maker.ask_as(MONALISA, Method::POST, PATH, empty).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    maker.make().await;
    assert_eq!(post(&maker).await, 1);
    let [mail] = smtp.received().try_into().unwrap();
    let text = text(&mail);
    assert!(text.contains("The AI usage report that you"), "{text}");
    assert!(text.contains("so there is no file"), "{text}");
    assert!(!text.contains("https://"), "{text}");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    use Fault::{HangUp, Reply, Silence};
    let server = people().await;
    for fault in [
        Reply("CONNECT", "421 4.3.2 shutting down"),
        Reply("EHLO", "451 4.3.0 try later"),
        Reply("STARTTLS", "454 4.7.0 no TLS for now"),
        Reply("AUTH", "454 4.7.0 temporary failure"),
        Reply("MAIL", "452 4.3.1 disk full"),
        Reply("RCPT", "450 4.2.0 greylisted"),
        Reply("DATA", "451 4.3.0 try later"),
        Reply(".", "451 4.3.0 try later"),
        Reply("EHLO", "what?"),
        HangUp("CONNECT"),
        HangUp("EHLO"),
        HangUp("STARTTLS"),
        HangUp("AUTH"),
        HangUp("RCPT"),
        HangUp("."),
        Silence("MAIL"),
    ] {
        let smtp = Smtp::start(Offer {
            tls: Some(Security::Starttls),
            authentication: true,
        });
        // Silence is waited for; everything else is there at once.
        let patience = if matches!(fault, Silence(_)) { 1 } else { 3600 };
        let settings = MailSettings {
            credentials: Smtp::credentials(),
            timeout: std::time::Duration::from_secs(patience),
            ..smtp.settings(Security::Starttls)
        };
        smtp.fail(&[fault]);
        let (maker, id) = completed(&server, settings).await;
        let (mut waiting, never) = (Waiting::default(), CancellationToken::new());
        let first = maker.reports.post_next(&mut waiting, &never).await;
        assert_eq!(first, Look::Tried, "{fault:?}");
        let waits = state(&maker, &id);
        assert!(
            matches!(waits, Some(Mail::Wanted { attempts: 1, .. })),
            "{fault:?}: {waits:?}"
        );
        assert_eq!(post(&maker).await, 1, "{fault:?}");
        assert_eq!(state(&maker, &id), Some(Mail::Sent), "{fault:?}");
        // At least once: a server that takes a mail and says nothing gets it again, as the same.
        let ids = |mail: &Received| mail.text.contains(&format!("Message-ID: <{id}@"));
        let received = smtp.received();
        assert!(received.iter().all(ids));
        let twice = matches!(fault, HangUp(".") | Reply(".", _));
        assert_eq!(received.len(), if twice { 2 } else { 1 }, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    use Fault::Reply;
    let server = people().await;
    for fault in [
        Reply("CONNECT", "554 5.3.2 not for you"),
        Reply("AUTH", "535 5.7.8 bad credentials"),
        Reply("MAIL", "550 5.7.1 not from you"),
        Reply("RCPT", "550 5.1.1 no such user"),
        Reply(".", "554 5.6.0 spam"),
    ] {
        let smtp = Smtp::start(Offer {
            tls: None,
            authentication: true,
        });
        smtp.fail(&[fault]);
        let settings = MailSettings {
            credentials: Smtp::credentials(),
            ..smtp.settings(Security::None)
        };
        let (maker, id) = completed(&server, settings).await;
        assert_eq!(post(&maker).await, 1, "{fault:?}");
        assert_eq!(smtp.connections(), 1);
        let Some(Mail::Failed { reason }) = state(&maker, &id) else {
            panic!("{fault:?}: {:?}", state(&maker, &id));
        };
        let Reply(_, reply) = fault else {
            unreachable!("only replies are planned");
        };
        assert!(reason.contains(&reply[4..]), "{reason}");
        // The report is none the worse.
        assert_eq!(maker.urls(&id).await.len(), 1);
        let metrics = maker.get("/metrics").await.ok();
        let failed = "tallybook_report_mails_total{outcome=\"failed\"} 1";
        assert!(metrics.text().contains(failed), "{}", metrics.text());
    }
}

#[tokio::test]
async fn trying_ends_after_so_many_times() {
    let smtp = Smtp::start(Offer::default());
    smtp.fail(&[Fault::Reply("RCPT", "450 4.2.0 greylisted"); 9]);
    let (maker, id) = completed(&people().await, smtp.settings(Security::None)).await;
    assert_eq!(post(&maker).await, 4);
    assert!(matches!(state(&maker, &id), Some(Mail::Failed { .. })));
    assert_eq!(smtp.connections(), 4);
}

/// Nothing is said in the clear where TLS was wanted: no password, no mail.
#[tokio::test]
async fn a_server_that_cannot_be_trusted_gets_nothing() {
    let without = Smtp::start(Offer {
        tls: None,
        authentication: true,
    });
    let settings = MailSettings {
        credentials: Smtp::credentials(),
        ..without.settings(Security::Starttls)
    };
    let (maker, id) = completed(&people().await, settings).await;
    assert_eq!(post(&maker).await, 1);
    assert!(matches!(state(&maker, &id), Some(Mail::Failed { .. })));
    assert!(without.received().is_empty());

    let foreign = Smtp::start(Offer {
        tls: Some(Security::Starttls),
        authentication: false,
    });
    let settings = MailSettings {
        authorities: Vec::new(),
        ..foreign.settings(Security::Starttls)
    };
    let (maker, id) = completed(&people().await, settings).await;
    assert_eq!(post(&maker).await, 4, "a certificate may be replaced");
    let Some(Mail::Failed { reason }) = state(&maker, &id) else {
        panic!("{:?}", state(&maker, &id));
    };
    assert!(reason.contains("certificate"), "{reason}");
    assert!(foreign.received().is_empty());
}

#[tokio::test]
async fn a_mail_that_waits_delays_no_other() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let (maker, first) = completed(&server, smtp.settings(Security::None)).await;
    let slow = |settings: &mut ReportSettings| {
        by(smtp.settings(Security::None))(settings);
        settings.mail_pause = std::time::Duration::from_secs(1800);
    };
    let maker = Maker::with(&server, Arc::clone(&maker.folder), NOW, slow).await;
    smtp.fail(&[Fault::Reply("RCPT", "450 4.2.0 greylisted")]);
    let (mut waiting, never) = (Waiting::default(), CancellationToken::new());
    assert_eq!(
        maker.reports.post_next(&mut waiting, &never).await,
        Look::Tried
    );
    let Look::Nothing(Some(wait)) = maker.reports.post_next(&mut waiting, &never).await else {
        panic!("it is not tried at once");
    };
    assert!(wait > std::time::Duration::ZERO);
    maker.ask_as(MONALISA, Method::POST, PATH, WITH_MAIL).await;
    maker.make().await;
    assert_eq!(
        maker.reports.post_next(&mut waiting, &never).await,
        Look::Tried
    );
    assert_eq!(smtp.received().len(), 1);
    assert!(matches!(
        state(&maker, &first),
        Some(Mail::Wanted { attempts: 1, .. })
    ));
}

/// The program may end between the report and its mail, or while it is sent.
#[tokio::test]
async fn mail_that_was_not_sent_is_sent_by_the_next_start() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let (maker, id) = completed(&server, smtp.settings(Security::None)).await;
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    Arc::clone(&maker.reports).run(shutdown).await;
    assert!(smtp.received().is_empty());

    // A start without a mail server keeps it.
    let without = Maker::over(&server, Arc::clone(&maker.folder), NOW).await;
    assert_eq!(post(&without).await, 0);

    // The one after sends it by itself, and ends when it is asked to.
    let settings = by(smtp.settings(Security::None));
    let next = Maker::with(&server, Arc::clone(&maker.folder), NOW, settings).await;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&next.reports).run(shutdown.clone()));
    while state(&next, &id) != Some(Mail::Sent) {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(smtp.received().len(), 1);
}

/// What the store does not take is written down later; the mail is not sent twice for it.
#[tokio::test]
async fn a_store_that_fails_does_not_send_mail_twice() {
    for fault in [testing::Fault::Before, testing::Fault::After] {
        let smtp = Smtp::start(Offer::default());
        let store = Arc::new(FaultyStore::new(MemoryStore::default()));
        let server = Server::over(Arc::clone(&store) as _, None, NOW).await;
        declare(&server).await;
        let (maker, id) = completed(&server, smtp.settings(Security::None)).await;
        let sign = maker.get(&format!("{PATH}/{id}")).await;
        assert_eq!(sign.status, 200, "the keys are there");
        store.fail_write(1, fault);
        assert_eq!(post(&maker).await, 2);
        assert_eq!(state(&maker, &id), Some(Mail::Sent));
        assert_eq!(smtp.received().len(), 1);
    }
}

/// The link must not promise more than the report's files live.
#[tokio::test]
async fn mail_of_a_report_that_is_about_to_be_removed() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let (maker, id) = completed(&server, smtp.settings(Security::None)).await;
    let late = |now: &'static str| {
        let folder = Arc::clone(&maker.folder);
        Maker::with(&server, folder, now, by(smtp.settings(Security::None)))
    };
    let over = late("2026-01-05T12:00:00Z").await;
    let job = over.reports.find(&id).unwrap();
    assert_eq!(post(&over).await, 1);
    assert!(matches!(state(&over, &id), Some(Mail::Failed { .. })));
    assert!(smtp.received().is_empty());

    let effects = vec![Effect::PutJob(job.row().unwrap())];
    server
        .engine
        .store()
        .append(Vec::new(), effects)
        .await
        .unwrap();
    let last_hour = late("2026-01-05T11:00:00Z").await;
    assert_eq!(post(&last_hour).await, 1);
    let [mail] = smtp.received().try_into().unwrap();
    let text = text(&mail);
    assert!(text.contains("until 2026-01-05 12:00:00 UTC"), "{text}");
}

/// A backup holds the wish for mail, and not the files.
#[tokio::test]
async fn a_restored_report_sends_no_dead_links() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let (_, id) = completed(&server, smtp.settings(Security::None)).await;
    let settings = by(smtp.settings(Security::None));
    let restored = Maker::with(&server, folder(), NOW, settings).await;
    assert_eq!(post(&restored).await, 1);
    assert!(matches!(state(&restored, &id), Some(Mail::Failed { .. })));
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn a_failed_report_sends_no_mail() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let folder = folder();
    // Where the folder of the files should be, there is a file.
    std::fs::write(folder.path().join("reports"), "").unwrap();
    let settings = by(smtp.settings(Security::None));
    let maker = Maker::with(&server, folder, NOW, settings).await;
    let answer = maker.ask_as(MONALISA, Method::POST, PATH, WITH_MAIL).await;
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    maker.make().await;
    let report = maker.get(&format!("{PATH}/{id}")).await.ok().json();
    assert_eq!(report["status"], "failed");
    assert_eq!(post(&maker).await, 0);
    assert!(matches!(state(&maker, &id), Some(Mail::Failed { .. })));
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_not_promised() {
    let smtp = Smtp::start(Offer::default());
    let server = people().await;
    let without = Maker::over(&server, folder(), NOW).await;
    let with = Maker::with(&server, folder(), NOW, by(smtp.settings(Security::None))).await;
    for (maker, secret, reason) in [
        (
            &without,
            MONALISA,
            "no SMTP server is set, so that no mail can be sent",
        ),
        (
            &without,
            ADMIN,
            "no SMTP server is set, so that no mail can be sent",
        ),
        (&with, ADMIN, "the token is no user's, so it has no address"),
        (&with, HUBOT, "no mail address of hubot is known"),
        (&with, ODD, "no mail can be sent to the address of odd"),
    ] {
        let answer = maker.ask_as(secret, Method::POST, PATH, WITH_MAIL).await;
        let message = format!("Invalid parameter 'send_email': {reason}.");
        assert_eq!((answer.status, answer.message()), (400, message));
    }
    let list = with.get(PATH).await.ok();
    assert_eq!(list.json(), serde_json::json!({"usage_report_exports": []}));
}
